"""Approvals in evidence bundles, as the interface hands them out, and what a forger makes of them
(issue 7 item 4; B7, C2)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.approval_records import ApprovalStatement, gist_of
from chalicelib.domain.approvals import Choice
from chalicelib.domain.persons import Officer
from chalicelib.domain.statements import claimed_payload, jws_digest, write_digest
from chalicelib.domain.verdict import Indication
from chalicelib.services.verify_bundle import verify_bundle
from tests.support.evidence import LocalSigner
from tests.support.proved_approvals import Proved, proved_approvals
from tests.support.samples import NOON


@pytest.fixture(scope="module")
def proved() -> Iterator[Proved]:
    with proved_approvals() as made:
        yield made


def test_approvals_are_part_of_the_proof(proved: Proved) -> None:
    """C2: the bundle holds both signed records, the evidence of the issue names them, and an
    offline checker says that it checked them."""
    verdict = proved.verdict(proved.bundle)
    assert verdict.passed, verdict.findings
    assert "approvals" in verdict.checked
    assert [one.officer.subject for one in proved.statements()] == ["one", "two"]


def test_without_approvals_nothing_is_said_of_them(proved: Proved) -> None:
    """P8: bundles from before, or of what nobody had to approve, verify as ever."""
    plain = {**proved.bundle, "approval": None}
    # As it would be signed had nobody had to approve.
    payload = json.loads(claimed_payload(str(proved.bundle["evidence"])))
    del payload["approvals"]
    plain["evidence"] = proved.signer.sign(json.dumps(payload).encode())
    verdict = proved.verdict(plain)
    assert verdict.passed
    assert "approvals" not in verdict.checked + verdict.missing


Forgery = Callable[[Proved, dict[str, Any]], None]


def resigned(*change: Callable[[list[ApprovalStatement]], list[ApprovalStatement]]) -> Forgery:
    """Records changed and signed again with the service's own key; the evidence names them."""

    def forge(proved: Proved, bundle: dict[str, Any]) -> None:
        statements = proved.statements()
        for one in change:
            statements = one(statements)
        records = bundle["approval"]["records"] = proved.signed(*statements)
        payload = json.loads(claimed_payload(str(bundle["evidence"])))
        payload["approvals"] = [write_digest(jws_digest(record)) for record in records]
        bundle["evidence"] = proved.signer.sign(json.dumps(payload).encode())

    return forge


def last(**changes: Any) -> Callable[[list[ApprovalStatement]], list[ApprovalStatement]]:
    return lambda told: [*told[:-1], replace(told[-1], **changes)]


def _left_out(_: Proved, bundle: dict[str, Any]) -> None:
    bundle["approval"] = None


def _one_left_out(_: Proved, bundle: dict[str, Any]) -> None:
    bundle["approval"]["records"].pop()


def _policy_eased(_: Proved, bundle: dict[str, Any]) -> None:
    bundle["approval"]["records"].pop()
    bundle["approval"]["policy"]["approvers"] = 1


def _bit_flipped(_: Proved, bundle: dict[str, Any]) -> None:
    head, payload, signature = bundle["approval"]["records"][0].split(".")
    bundle["approval"]["records"][0] = f"{head}.{payload}.{signature[:-6]}AAAAAA"


def _of_the_other(proved: Proved, bundle: dict[str, Any]) -> None:
    bundle["approval"] = copy.deepcopy(proved.other["approval"])


def _signed_by_another(proved: Proved, bundle: dict[str, Any]) -> None:
    bundle["approval"]["records"] = [
        LocalSigner().sign(one.payload()) for one in proved.statements()
    ]


def _no_record(_: Proved, bundle: dict[str, Any]) -> None:
    bundle["approval"]["records"] = [1]


def _other_statement(_: Proved, bundle: dict[str, Any]) -> None:
    bundle["approval"]["records"] = [bundle["evidence"]]


FORGERIES: dict[str, tuple[Forgery, str, Indication]] = {
    "left-out": (_left_out, "approval_missing", Indication.INDETERMINATE),
    "one-left-out": (_one_left_out, "approval_missing", Indication.TOTAL_FAILED),
    "policy-eased": (_policy_eased, "approval_policy_differs", Indication.TOTAL_FAILED),
    "bit-flipped": (_bit_flipped, "approval_signature_wrong", Indication.TOTAL_FAILED),
    "another-key": (_signed_by_another, "approval_signature_wrong", Indication.TOTAL_FAILED),
    "of-the-other": (_of_the_other, "approval_of_other_document", Indication.TOTAL_FAILED),
    "no-record": (_no_record, "approval_malformed", Indication.TOTAL_FAILED),
    "other-statement": (_other_statement, "approval_malformed", Indication.TOTAL_FAILED),
    "other-content": (
        resigned(last(content_digest="0" * 64)),
        "approval_of_other_document",
        Indication.TOTAL_FAILED,
    ),
    "rejected": (
        resigned(last(choice=Choice.REJECT, reason="x")),
        "approval_not_given",
        Indication.TOTAL_FAILED,
    ),
    "stranger": (
        resigned(last(officer=Officer("rd", "two"))),
        "approval_of_other_agency",
        Indication.TOTAL_FAILED,
    ),
    "same-officer": (
        resigned(last(officer=Officer("diw", "one"))),
        "approval_missing",
        Indication.INDETERMINATE,
    ),
    "after-numbering": (
        resigned(last(at=NOON + timedelta(hours=1))),
        "approval_after_numbering",
        Indication.TOTAL_FAILED,
    ),
    "out-of-order": (
        resigned(lambda told: told[::-1]),
        "approval_out_of_order",
        Indication.TOTAL_FAILED,
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_each_forgery_has_its_reason(proved: Proved, name: str) -> None:
    """C2: whatever was done to the approvals, the verdict says so with a code of its own."""
    forge, code, indication = FORGERIES[name]
    bundle = copy.deepcopy(proved.bundle)
    forge(proved, bundle)
    verdict = proved.verdict(bundle)
    assert code in [finding.code for finding in verdict.findings]
    assert verdict.indication is indication
    assert "approvals" not in verdict.checked


def test_other_records_than_the_evidence_names_are_found(proved: Proved) -> None:
    """C2: the same statements signed again are not the records that were archived."""
    bundle = copy.deepcopy(proved.bundle)
    bundle["approval"]["records"] = proved.signed(*proved.statements())
    assert proved.codes(bundle) == ["approval_differs"]


def test_anybody_has_them_verified_over_http(proved: Proved) -> None:
    """P7: POST /v1/verify judges the approvals with the rest, under the deployment's own keys."""
    whole = proved.api.call("POST", "/v1/verify", body=proved.bundle).json
    assert whole["indication"] == "TOTAL-PASSED"
    stripped = proved.api.call("POST", "/v1/verify", body={**proved.bundle, "approval": None}).json
    assert stripped["indication"] == "INDETERMINATE"
    assert "approval_missing" in [finding["code"] for finding in stripped["findings"]]


def test_without_keys_they_are_not_checked(proved: Proved) -> None:
    """P7: who gives no keys is told that nothing was checked with them."""
    verdict = verify_bundle(proved.bundle, now=NOON, trust=replace(proved.trust, jwks=None))
    assert "approvals" in verdict.missing
    assert "approvals" not in verdict.checked


def test_the_file_tells_of_the_same_approvals(proved: Proved) -> None:
    """C2: what is attached to the sealed file is held against the records."""
    assert proved.document.approval is not None
    gist = gist_of(proved.document.approval)

    def judged(attached: bytes | None, bundle: dict[str, Any]) -> list[str]:
        trust = replace(proved.trust, attached=lambda _pdf, _name: attached)
        verdict = verify_bundle(bundle, now=NOON + timedelta(days=1), trust=trust, pdf=proved.pdf)
        return [finding.code for finding in verdict.findings]

    assert judged(gist, proved.bundle) == ["bundle_valid"]
    assert judged(None, proved.bundle) == ["bundle_valid"]
    assert judged(b"{}", proved.bundle) == ["approval_gist_differs"]
    one_less = json.loads(gist)
    one_less["approvals"].pop()
    assert judged(json.dumps(one_less).encode(), proved.bundle) == ["approval_gist_differs"]
    assert judged(gist, {**proved.bundle, "approval": None}) == ["approval_missing"]


@pytest.mark.parametrize("value", [{}, [], 1, "x", {"records": []}, {"records": {}, "policy": 1}])
def test_whatever_stands_there_has_a_verdict(proved: Proved, value: Any) -> None:
    """P4: any JSON in their place is malformed, and nothing breaks."""
    bundle = {**proved.bundle, "approval": value}
    assert "approval_malformed" in proved.codes(bundle)
