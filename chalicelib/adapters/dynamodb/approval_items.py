"""How a case of approval lies in the item of its document: one JSON object, compressed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.approvals import (
    ApprovalCase,
    ApprovalDecision,
    ApprovalPolicy,
    CaseState,
    Choice,
    Method,
)
from chalicelib.domain.documents import Classification


def case_to_json(case: ApprovalCase) -> dict[str, Any]:
    return {
        "document_id": case.document_id,
        "issuer": case.issuer,
        "content_digest": case.content_digest,
        "classification": case.classification.value,
        "policy": {
            "approvers": case.policy.approvers,
            "central": case.policy.central,
            "own_submission": case.policy.own_submission,
            "open_days": case.policy.open_days,
        },
        "submitted_by": case.submitted_by,
        "opened_at": case.opened_at.isoformat(),
        "expires_at": case.expires_at.isoformat(),
        "state": case.state.value,
        "withdrawn_by": case.withdrawn_by,
        "decisions": [_decision_to_json(decision) for decision in case.decisions],
    }


def case_of_json(kept: Mapping[str, Any]) -> ApprovalCase:
    return ApprovalCase(
        document_id=kept["document_id"],
        issuer=kept["issuer"],
        content_digest=kept["content_digest"],
        classification=Classification(kept["classification"]),
        policy=ApprovalPolicy(**kept["policy"]),
        submitted_by=kept["submitted_by"],
        opened_at=datetime.fromisoformat(kept["opened_at"]),
        expires_at=datetime.fromisoformat(kept["expires_at"]),
        state=CaseState(kept["state"]),
        withdrawn_by=kept["withdrawn_by"],
        decisions=tuple(_decision_of_json(decision) for decision in kept["decisions"]),
    )


def _decision_to_json(decision: ApprovalDecision) -> dict[str, Any]:
    return {
        "choice": decision.choice.value,
        "content_digest": decision.content_digest,
        "by": decision.by,
        "agency_id": decision.agency_id,
        "appointment_id": decision.appointment_id,
        "authority_id": decision.authority_id,
        "name_th": decision.name_th,
        "position_th": decision.position_th,
        "method": decision.method.value,
        "factor_use": decision.factor_use,
        "at": decision.at.isoformat(),
        "reason": decision.reason,
        "record": decision.record,
    }


def _decision_of_json(kept: Mapping[str, Any]) -> ApprovalDecision:
    return ApprovalDecision(
        choice=Choice(kept["choice"]),
        content_digest=kept["content_digest"],
        by=kept["by"],
        agency_id=kept["agency_id"],
        appointment_id=kept["appointment_id"],
        authority_id=kept["authority_id"],
        name_th=kept["name_th"],
        position_th=kept["position_th"],
        method=Method(kept["method"]),
        factor_use=kept["factor_use"],
        at=datetime.fromisoformat(kept["at"]),
        reason=kept["reason"],
        record=kept["record"],
    )
