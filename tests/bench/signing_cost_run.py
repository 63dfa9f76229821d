"""`python -m tests.bench.signing_cost_run RESULT`: approve, seal and deliver licences, and count what
KMS is asked for.

As `cost_run`, whose deployment and way of invoking it shares. An approver enrols an app, then
decides on licences, one by one and by a list, each with a code; they are numbered, sealed with the
agency's one key, and delivered.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp

import app
from chalicelib.bootstrap import House, furnish
from chalicelib.config import Settings
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.ports import Directory
from infra.authenticator import Authenticator
from tests.bench.cost_run import ISSUING, Site, told_of, varied
from tests.bench.metering import Meter, Use, metered
from tests.support.rooms import CONTEXT, sample_event

LIST = 50
"""Licences on one list, decided with one code."""

ALONE = 2
"""Licences decided with a code each."""

_AGENCY, _TYPE = "diw", "licence"


def _enrol(site: Site) -> Authenticator:
    begun = _ask(site, "/v1/me/factors", {"method": "totp"})
    found = pyotp.parse_uri(begun["otpauth_uri"])
    assert isinstance(found, pyotp.TOTP)
    codes = Authenticator(found)
    confirmation = "/v1/me/factors/{factor_id}/confirmation"
    _ask(site, confirmation, {"otp": codes.code()}, factor_id=begun["factor_id"])
    return codes


def _ask(site: Site, route: str, body: dict[str, Any], **path: str) -> dict[str, Any]:
    """One request of the approver."""
    event = sample_event("api")
    event |= {"resource": route, "path": route.format(**path), "pathParameters": path or None}
    event["body"] = json.dumps(body)
    event["requestContext"]["resourcePath"] = route
    event["requestContext"]["authorizer"] = told_of(_AGENCY, "approver")
    with site.meter.step("api"):
        answer = app.app(event, CONTEXT)
    if answer["statusCode"] not in {200, 201}:
        raise RuntimeError(answer["body"])
    told: dict[str, Any] = json.loads(answer["body"])
    return told


def _issue(site: Site, requests: Sequence[dict[str, Any]], codes: Authenticator, run: str) -> None:
    """Submitted, decided by one list, numbered, sealed, delivered."""
    ids = [site.submit(body, _AGENCY, f"{run}-{n}") for n, body in enumerate(requests)]
    found = site.house.documents.get_many(ids)
    decisions = [
        {
            "document_id": document_id,
            "content_digest": found[document_id].content_digest,
            "decision": "approve",
        }
        for document_id in ids
    ]
    told = _ask(site, "/v1/approvals", {"decisions": decisions, "otp": codes.code()})
    if told["decided"] != len(ids):
        raise RuntimeError(told)
    for function in ISSUING:
        site.drain(function, len(ids))


def _kms(counted: Counter[Use], documents: int) -> list[dict[str, Any]]:
    """Calls of KMS for each document: in which function, of which kind, with which key."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for use, amount in counted.items():
        if use.unit.startswith("kms."):
            found[use.step, use.operation, use.unit, use.where] += amount
    return [
        {"step": step, "operation": name, "unit": unit, "key": key, "amount": amount / documents}
        for (step, name, unit, key), amount in sorted(found.items())
    ]


def _demand_approval(directory: Directory) -> str:
    """Licences of the agency have to be approved from now on; returns its seal's key."""
    agency = directory.agency(_AGENCY)
    if agency is None:
        raise RuntimeError(f"{_AGENCY} is not in the directory")
    policies = {**agency.approvals, _TYPE: ApprovalPolicy(approvers=1)}
    directory.put_agency(replace(agency, approvals=policies))
    return agency.seals[0].key_id


def _count(site: Site, meter: Meter) -> dict[str, Any]:
    kind = site.house.types.get(_TYPE)
    if kind is None:
        raise RuntimeError(f"there is no type {_TYPE}")
    site.identify(_AGENCY)
    requests = list(varied(kind, site.house, 1 + ALONE + LIST))
    meter.take()
    codes = _enrol(site)
    enrolled = meter.take()
    # What each container asks once (public halves of keys) comes with the first of them.
    _issue(site, requests[:1], codes, "first")
    meter.take()
    for n, request in enumerate(requests[1 : 1 + ALONE]):
        _issue(site, [request], codes, f"alone-{n}")
    alone = meter.take()
    _issue(site, requests[1 + ALONE :], codes, "list")
    together = meter.take()
    return {
        "enrol": _kms(enrolled, 1),
        "alone": _kms(alone, ALONE),
        "list": _kms(together, LIST),
    }


def main(result: Path) -> None:
    settings = Settings.from_environment(os.environ)
    # A house of its own: the measured one must not remember the agency from before.
    seal_key = _demand_approval(House(settings).directory)
    with metered() as meter:
        house = House(settings)
        furnish(house)
        site = Site(house, meter, os.environ["TRA_TOKEN_URL"])
        counted = _count(site, meter)
    counted["keys"] = {
        "factors": settings.factors_key_id,
        "evidence": settings.evidence_key_id,
        "seal": seal_key,
    }
    result.write_text(json.dumps(counted), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
