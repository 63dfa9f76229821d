"""Evidence bundles as the interface hands them out, and what a forger makes of them."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.bootstrap import bundle_trust, house
from chalicelib.domain.bundle_verdict import BundleVerdict
from chalicelib.domain.notes import VerifierKey
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.tlog import NumberLeaf
from chalicelib.domain.verdict import Finding, Indication
from chalicelib.services.bundle_trust import BundleTrust
from chalicelib.services.checkpoint import checkpoint_all, log_key
from chalicelib.services.verify_bundle import verify_bundle
from tests.fault.harness import World
from tests.integration.conftest import Api
from tests.support.evidence import LocalSigner
from tests.support.rooms import Fakes, furnished
from tests.support.samples import NOON

FAILED, DOUBT, PASSED = (
    Indication.TOTAL_FAILED,
    Indication.INDETERMINATE,
    Indication.TOTAL_PASSED,
)
EVIDENCE = ("GET", "/v1/documents/{document_id}/evidence")


@dataclass(frozen=True)
class Proved:
    """Two issued documents' bundles, and the file of the first."""

    bundle: dict[str, Any]
    other: dict[str, Any]
    pdf: bytes
    trust: BundleTrust

    def verdict(self, bundle: dict[str, Any], pdf: bytes | None = None) -> BundleVerdict:
        return verify_bundle(bundle, now=NOON, trust=self.trust, pdf=pdf)


@pytest.fixture(scope="module")
def proved(module_licence: dict[str, Any]) -> Iterator[Proved]:
    fakes = Fakes(signer=LocalSigner())
    with furnished(fakes.house()):
        api = Api(fakes)
        ids = []
        for number in range(2):
            body = {**module_licence, "content": {**module_licence["content"]}}
            answer = api.submit(body, Idempotency_Key=f"key-{number}")
            ids.append(answer.json["document_id"])
        World(fakes).run_to_rest()
        checkpoint_all(room=house().checkpoint_room)
        first, second = (api.call(*EVIDENCE, path={"document_id": i}).json for i in ids)
        key = log_key(
            Register.parse(first["register_id"]),
            LogName.OUTCOMES,
            public_url=house().settings.public_url,
            public_key=fakes.log_signer.public_key,
        )
        trust = bundle_trust(log_keys=(key,), jwks=fakes.signer.jwks())
        stored = fakes.archive.find(f"documents/{first['register_id']}/{ids[0]}.pdf")
        assert stored is not None
        yield Proved(first, second, fakes.archive.files[stored.key], trust)


@pytest.fixture(scope="module")
def module_licence() -> dict[str, Any]:
    from tests.support.rooms import sample_event  # noqa: PLC0415 - beside its only use

    body: dict[str, Any] = json.loads(sample_event("api")["body"])
    return {**body, "recipients": ["dbd"]}


def codes(verdict: BundleVerdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_a_bundle_passes_with_its_file(proved: Proved) -> None:
    """P2, P7: commitment, both logs, signed evidence and the file agree, offline; the one
    thing that is not there is named."""
    verdict = proved.verdict(proved.bundle, proved.pdf)
    assert verdict.indication is PASSED, codes(verdict)
    assert verdict.checked == ("commitment", "outcome_log", "number_log", "evidence", "file")
    assert verdict.missing == ("evidence_records",)
    assert verdict.document is not None
    assert verdict.document.printed_number == proved.bundle["printed_number"]


def test_without_file_it_passes_and_says_so(proved: Proved) -> None:
    """P7: the bundle alone proves the register's part; that no file was there is told."""
    verdict = proved.verdict(proved.bundle)
    assert verdict.passed
    assert verdict.missing == ("file", "evidence_records")


def changed(name: str, value: Any) -> Callable[[Proved, dict[str, Any]], None]:
    def change(_: Proved, bundle: dict[str, Any]) -> None:
        part, _dot, member = name.partition(".")
        if member:
            bundle[part][member] = value
        else:
            bundle[name] = value

    return change


def swapped(*names: str) -> Callable[[Proved, dict[str, Any]], None]:
    def change(proved: Proved, bundle: dict[str, Any]) -> None:
        for name in names:
            bundle[name] = copy.deepcopy(proved.other[name])

    return change


def leaf_edited(_: Proved, bundle: dict[str, Any]) -> None:
    leaf = NumberLeaf.from_bytes(bundle["number_log"]["leaf"].encode())
    bundle["number_log"]["leaf"] = replace(leaf, document_type="letter").to_bytes().decode()


def outcome_edited(_: Proved, bundle: dict[str, Any]) -> None:
    entry = bundle["outcome_log"][0]
    entry["leaf"] = entry["leaf"].replace('"issued"', '"revoked"')


def size_edited(_: Proved, bundle: dict[str, Any]) -> None:
    note = bundle["number_log"]["checkpoint"].split("\n")
    note[1] = str(int(note[1]) + 1)
    bundle["number_log"]["checkpoint"] = "\n".join(note)


def proof_edited(_: Proved, bundle: dict[str, Any]) -> None:
    bundle["number_log"]["proof"] = [base64.b64encode(bytes(32)).decode()]


def outcome_proof_edited(_: Proved, bundle: dict[str, Any]) -> None:
    bundle["outcome_log"][0]["proof"] = [base64.b64encode(bytes(32)).decode()]


def evidence_edited(_: Proved, bundle: dict[str, Any]) -> None:
    head, payload, signature = bundle["evidence"].split(".")
    data = json.loads(base64.urlsafe_b64decode(payload + "=="))
    raw = json.dumps({**data, "number": 99}).encode()
    bundle["evidence"] = f"{head}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}.{signature}"


def evidence_unsigned(_: Proved, bundle: dict[str, Any]) -> None:
    payload = bundle["evidence"].split(".")[1]
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    bundle["evidence"] = f"{head}.{payload}."


TAMPERING: dict[str, tuple[Callable[[Proved, dict[str, Any]], None], str, str, Indication]] = {
    "type": (changed("type", "x"), "bundle_malformed", "FORMAT_FAILURE", FAILED),
    "register": (changed("register_id", 7), "bundle_malformed", "FORMAT_FAILURE", FAILED),
    "salt": (changed("salt", "00" * 32), "commitment_wrong", "HASH_FAILURE", FAILED),
    "short-salt": (changed("salt", "00"), "bundle_malformed", "FORMAT_FAILURE", FAILED),
    "content": (changed("content_digest", "ab" * 32), "commitment_wrong", "HASH_FAILURE", FAILED),
    "number": (changed("number", 2), "number_entry_differs", "HASH_FAILURE", FAILED),
    "document": (changed("document_id", "X"), "number_entry_differs", "HASH_FAILURE", FAILED),
    "printed": (changed("printed_number", "๙"), "evidence_differs", "HASH_FAILURE", FAILED),
    "state": (changed("state", "void"), "outcome_entry_differs", "HASH_FAILURE", FAILED),
    "numbered-at": (
        changed("numbered_at", "2026-01-01T00:00:00.000000Z"),
        "evidence_differs",
        "HASH_FAILURE",
        FAILED,
    ),
    "retain-until": (
        changed("file.retain_until", "2027-01-01T00:00:00.000000Z"),
        "evidence_differs",
        "HASH_FAILURE",
        FAILED,
    ),
    "file": (changed("file.sha256", "ab" * 32), "outcome_entry_differs", "HASH_FAILURE", FAILED),
    "other-number": (swapped("number_log"), "number_entry_differs", "HASH_FAILURE", FAILED),
    "other-outcome": (swapped("outcome_log"), "outcome_entry_differs", "HASH_FAILURE", FAILED),
    "other-evidence": (swapped("evidence"), "evidence_differs", "HASH_FAILURE", FAILED),
    "leaf": (leaf_edited, "number_proof_wrong", "HASH_FAILURE", FAILED),
    "outcome-leaf": (outcome_edited, "outcome_proof_wrong", "HASH_FAILURE", FAILED),
    "proof": (proof_edited, "number_proof_wrong", "HASH_FAILURE", FAILED),
    "outcome-proof": (outcome_proof_edited, "outcome_proof_wrong", "HASH_FAILURE", FAILED),
    "checkpoint": (size_edited, "checkpoint_wrong", "SIG_CRYPTO_FAILURE", FAILED),
    "evidence": (evidence_edited, "evidence_signature_wrong", "SIG_CRYPTO_FAILURE", FAILED),
    "unsigned": (evidence_unsigned, "evidence_signature_wrong", "SIG_CRYPTO_FAILURE", FAILED),
    "no-number-proof": (changed("number_log", None), "number_proof_missing", "NO_POE", DOUBT),
    "no-outcome": (changed("outcome_log", []), "outcome_proof_missing", "NO_POE", DOUBT),
    "no-evidence": (changed("evidence", None), "evidence_missing", "NO_POE", DOUBT),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_each_tampering_has_its_reason(proved: Proved, name: str) -> None:
    """P7: whatever is changed in a bundle, it does not pass, and the reason says what."""
    change, code, sub_indication, indication = TAMPERING[name]
    bundle = copy.deepcopy(proved.bundle)
    change(proved, bundle)
    verdict = proved.verdict(bundle, proved.pdf)
    assert code in codes(verdict)
    assert (verdict.indication, verdict.sub_indication) == (indication, sub_indication)
    assert all(finding.detail_th != finding.detail for finding in verdict.findings)


def test_another_file(proved: Proved) -> None:
    """P2: only the archived bytes are the document's file."""
    verdict = proved.verdict(proved.bundle, proved.pdf + b"\n")
    assert codes(verdict) == ["file_differs"]
    assert verdict.indication is FAILED


def test_keys_of_somebody_else(proved: Proved) -> None:
    """P7: proofs and evidence count only under the keys that are believed."""
    (key,) = proved.trust.log_keys
    other = VerifierKey(key.name, key.kind, bytes(32))
    strange = replace(proved.trust, log_keys=(other,), jwks=LocalSigner().jwks())
    verdict = verify_bundle(proved.bundle, now=NOON, trust=strange)
    assert codes(verdict) == ["checkpoint_wrong", "evidence_signature_wrong"]
    both = replace(proved.trust, log_keys=(other, key))
    assert verify_bundle(proved.bundle, now=NOON, trust=both).passed


def test_without_keys_nothing_is_believed(proved: Proved) -> None:
    """P7: what cannot be checked is no failure, and no pass: each lack is named."""
    bare = replace(proved.trust, log_keys=(), jwks=None)
    verdict = verify_bundle(proved.bundle, now=NOON, trust=bare)
    assert verdict.indication is DOUBT
    assert codes(verdict) == ["log_key_missing", "jwks_missing"]
    assert {"log_key", "jwks"} <= set(verdict.missing)


@dataclass(frozen=True)
class _Record:
    """What an evidence record's checker answers."""

    indication: Indication
    sub_indication: str | None = None
    findings: tuple[Finding, ...] = ()
    proven_at: datetime | None = None


def test_evidence_record_is_asked_for_the_file(proved: Proved) -> None:
    """Issue 4: the record in a bundle is checked against the file beside it, and its proof of
    time handed on; a bad one fails the bundle with its own reason."""
    asked: list[tuple[bytes, bytes]] = []

    def good(record: bytes, data: bytes, _: Sequence[str]) -> _Record:
        asked.append((record, data))
        return _Record(PASSED, proven_at=NOON)

    bundle = {**proved.bundle, "evidence_records": [base64.b64encode(b"record").decode()]}
    trust = replace(proved.trust, check_record=good)
    verdict = verify_bundle(bundle, now=NOON, trust=trust, pdf=proved.pdf)
    assert verdict.passed
    assert verdict.missing == ()
    assert verdict.proven_at == NOON
    assert asked == [(b"record", proved.pdf)]
    told = Finding("record_of_other_data", "other", "อื่น")
    trust = replace(trust, check_record=lambda *_: _Record(FAILED, "HASH_FAILURE", (told,)))
    verdict = verify_bundle(bundle, now=NOON, trust=trust, pdf=proved.pdf)
    assert codes(verdict) == ["record_of_other_data"]
    assert verdict.indication is FAILED


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_json_has_a_verdict(proved: Proved, data: st.DataObject) -> None:
    """P4: whatever a member is replaced by, there is a verdict, and nobody is the wiser who
    changed what a proof covers."""
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["index", "leaf", "proof", "sha256"]), inner)
        ),
        max_leaves=5,
    )
    bundle = copy.deepcopy(proved.bundle)
    name = data.draw(st.sampled_from(sorted(bundle)))
    value = data.draw(anything)
    before, bundle[name] = bundle[name], value
    verdict = proved.verdict(bundle, proved.pdf)
    assert verdict.findings
    # `missing`, `cursor` and `progress` are for readers; a reason belongs to what never was issued.
    if name not in {"missing", "reason_code", "cursor", "progress"} and value != before:
        assert not verdict.passed
