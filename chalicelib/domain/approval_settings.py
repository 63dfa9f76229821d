"""How an agency approves its documents, as JSON: the one form in which it is written by hand and
stored.

    {"factory-licence": {"approvers": 2},
     "certificate": {"approvers": 1, "central": "opdc", "own_submission": true, "open_days": 14}}

By type: how many different officers approve (0, 1 or 2), the agency whose approvers decide (its own
if not said), whether an officer may approve what the same officer submitted (no), and for how many
days officers may decide (30). What a type demands of all agencies cannot be set lower.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from chalicelib.domain.approvals import MOST_OPEN_DAYS, ApprovalPolicy
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.published_types import TYPE_NAME
from chalicelib.domain.settings_reading import Place

MAX_TYPES = 500

_AGENCY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def approvals_of(data: object, pointer: str = "") -> dict[str, ApprovalPolicy]:
    """Read policies by type. Raises InvalidRequestError with every fault, each pointing from the
    root of what `pointer` points into."""
    faults: list[FieldFault] = []
    there = Place(data, pointer, faults)
    found = dict(_policies(there))
    if faults:
        raise InvalidRequestError(faults)
    return found


def approvals_data(policies: Mapping[str, ApprovalPolicy]) -> dict[str, Any]:
    """Policies as JSON; `approvals_of` reads it back to the same."""
    return {name: asdict(policy) for name, policy in policies.items()}


def _policies(there: Place) -> list[tuple[str, ApprovalPolicy]]:
    if not isinstance(there.value, Mapping):
        there.only()
        return []
    if len(there.value) > MAX_TYPES:
        there.fault(
            "too_many", f"Must name at most {MAX_TYPES} types.", f"ระบุได้ไม่เกิน {MAX_TYPES} ประเภท"
        )
        return []
    return [(str(name), _policy(_named(there, str(name)))) for name in there.value]


def _named(there: Place, name: str) -> Place:
    policy = there.at(name)
    if not TYPE_NAME.fullmatch(name):
        policy.fault("wrong_format", "This is no name of a document type.", "ไม่ใช่ชื่อประเภทเอกสาร")
    return policy


def _policy(there: Place) -> ApprovalPolicy:
    there.only("approvers", "central", "own_submission", "open_days")
    default = ApprovalPolicy()
    return ApprovalPolicy(
        approvers=_whole(there.at("approvers"), 0, 2, default.approvers),
        central=_agency_id(there.at("central")) if there.has("central") else default.central,
        own_submission=_truth(there.at("own_submission"))
        if there.has("own_submission")
        else default.own_submission,
        open_days=_whole(there.at("open_days"), 1, MOST_OPEN_DAYS, default.open_days)
        if there.has("open_days")
        else default.open_days,
    )


def _whole(there: Place, least: int, most: int, default: int) -> int:
    value = there.value
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    there.fault(
        "out_of_range",
        f"Must be a whole number from {least} to {most}.",
        f"ต้องเป็นจำนวนเต็มตั้งแต่ {least} ถึง {most}",
    )
    return default


def _truth(there: Place) -> bool:
    if isinstance(there.value, bool):
        return there.value
    there.fault("wrong_type", "Must be true or false.", "ต้องเป็น true หรือ false")
    return False


def _agency_id(there: Place) -> str | None:
    """None, written as null, is the agency itself."""
    if there.value is None:
        return None
    if isinstance(there.value, str) and _AGENCY_ID.fullmatch(there.value):
        return there.value
    there.fault("wrong_format", "Must be an agency id.", "ต้องเป็นรหัสหน่วยงาน")
    return None
