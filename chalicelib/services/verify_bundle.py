"""Verify an evidence bundle (`tra.evidence.v1`, see `bundle`), offline.

Nothing is asked of anybody: the keys of the logs and of the evidence are given. Whoever
fetches them from a deployment trusts that deployment for them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from chalicelib.domain import bundle_verdict as told
from chalicelib.domain.bundle_problems import FORMAT, HASH, MISSING, REVOKED, SIGNATURE, Problem
from chalicelib.domain.bundle_verdict import (
    BundleVerdict,
    DocumentFacts,
    judge_bundle,
    problem_of,
)
from chalicelib.domain.errors import EvidenceSignatureError
from chalicelib.domain.evidence import content_claim
from chalicelib.domain.merkle import ProofError
from chalicelib.domain.notes import NoteError, NoteSignatureError
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.standing import KIND_OF_OUTCOME, RulingKind, standing_by
from chalicelib.domain.tlog import (
    CommitmentError,
    LeafError,
    NumberLeaf,
    Outcome,
    OutcomeLeaf,
    SubjectKind,
    verify_commitment,
)
from chalicelib.domain.verdict import Finding, Indication
from chalicelib.services.bundle import TYPE
from chalicelib.services.bundle_trust import BundleTrust, as_count, as_text, proven_entry
from chalicelib.services.verify_approvals import verify_approvals
from chalicelib.services.verify_deliveries import EndNow, verify_deliveries

_BRINGING_CONTENT = frozenset({Outcome.RESERVATION_USED, Outcome.INSERTED})
_HASH_PREFIX = "sha-256:"


@dataclass(slots=True)
class _Look:
    """What was found so far."""

    problems: list[Problem] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def wrong(self, sub_indication: str, finding: Finding) -> None:
        self.problems.append(Problem(sub_indication, finding))

    def lacks(self, part: str, finding: Finding | None = None) -> None:
        self.missing.append(part)
        if finding is not None:
            self.wrong(MISSING, finding)


def verify_bundle(
    bundle: Mapping[str, Any],
    *,
    trust: BundleTrust,
    now: datetime,
    pdf: bytes | None = None,
    end_now: EndNow | None = None,
) -> BundleVerdict:
    """The verdict on any JSON object at all, as of `now`. `pdf` is the file that is said to
    belong to it; `end_now` what the deployment itself knows of its deliveries."""
    # 1. Is it a bundle?
    try:
        facts = _facts(bundle)
    except (KeyError, TypeError, ValueError, AttributeError):
        malformed = [Problem(FORMAT, told.MALFORMED)]
        return judge_bundle(malformed, checked=(), missing=(), document=None)
    look = _Look()
    # 2. Is the content the one that got the number?
    _check_commitment(bundle, facts, look)
    # 3. What do the public logs say?
    outcomes = _check_logs(bundle, facts, trust, look)
    # 4. What did the service sign?
    evidence = _check_evidence(bundle, facts, trust, look)
    # 5. Who approved it?
    approvals = verify_approvals(bundle, facts, evidence, trust=trust, pdf=pdf)
    look.problems += approvals.problems
    look.checked += approvals.checked
    look.missing += approvals.missing
    # 6. Does the document still stand?
    _check_rulings(bundle, facts, outcomes, trust=trust, now=now, look=look)
    # 7. Is the file the one that was archived, and since when is it proven?
    _check_file(facts, pdf, look)
    proven_at = _check_record(bundle, pdf, trust, look)
    # 8. What became of a letter with its recipients?
    deliveries = verify_deliveries(bundle, facts, trust=trust, end_now=end_now)
    look.missing += deliveries.missing
    return judge_bundle(
        look.problems,
        checked=look.checked,
        missing=look.missing,
        document=facts,
        deliveries=deliveries.verdicts,
        delivery_problems=deliveries.problems,
        proven_at=proven_at,
    )


# -- the bundle as it is ---------------------------------------------------------


def _facts(bundle: Mapping[str, Any]) -> DocumentFacts:
    if bundle["type"] != TYPE:
        raise ValueError("another type")
    Register.parse(as_text(bundle["register_id"]))
    file = bundle["file"]
    return DocumentFacts(
        document_id=as_text(bundle["document_id"]),
        document_type=as_text(bundle["document_type"]),
        agency_id=as_text(bundle["agency_id"]),
        register_id=bundle["register_id"],
        number=as_count(bundle["number"]),
        child=as_count(bundle["child"]),
        printed_number=as_text(bundle["printed_number"]),
        content_digest=as_text(bundle["content_digest"]),
        file_sha256=as_text(file["sha256"]) if file is not None else None,
    )


# -- the content -------------------------------------------------------------------


def _check_commitment(bundle: Mapping[str, Any], facts: DocumentFacts, look: _Look) -> None:
    try:
        salt = bytes.fromhex(as_text(bundle["salt"]))
        verify_commitment(as_text(bundle["commitment"]), salt, facts.content_digest)
    except CommitmentError:
        look.wrong(HASH, told.COMMITMENT_WRONG)
    except (KeyError, TypeError, ValueError):
        look.wrong(FORMAT, told.MALFORMED)
    else:
        look.checked.append("commitment")


# -- the public logs ---------------------------------------------------------------


def _check_logs(
    bundle: Mapping[str, Any], facts: DocumentFacts, trust: BundleTrust, look: _Look
) -> list[OutcomeLeaf]:
    """What the outcome log is proven to say of the document, in its order."""
    if not trust.log_keys:
        look.lacks("log_key", told.NO_LOG_KEY)
        return []
    try:
        numbers, outcomes = bundle["number_log"], list(bundle["outcome_log"] or ())
        commitment = as_text(bundle["commitment"])
    except (KeyError, TypeError):
        look.wrong(FORMAT, told.MALFORMED)
        return []
    found = _outcomes(outcomes, facts, commitment, trust, look)
    brought = any(leaf.outcome in _BRINGING_CONTENT for leaf in found)
    if numbers is None:
        # An inserted number has no leaf of its own there: the outcome log tells of it.
        _unless(brought and facts.child > 0, "number_log", told.NO_NUMBER_PROOF, look)
    else:
        _check_number(numbers, facts, commitment, trust, look, brought=brought)
    endings = [leaf.outcome for leaf in found]
    if Outcome.VOID in endings:
        look.wrong(REVOKED, told.DOCUMENT_VOID)
    ended = Outcome.ISSUED in endings or Outcome.VOID in endings
    _unless(ended or bool(outcomes and not found), "outcome_log", told.NO_OUTCOME_PROOF, look)
    if ended and bundle.get("state") not in endings:
        look.wrong(HASH, told.OUTCOME_ENTRY_DIFFERS)
    return sorted(found, key=lambda leaf: leaf.seq)


def _unless(there: bool, part: str, finding: Finding, look: _Look) -> None:  # noqa: FBT001 - a condition
    if not there:
        look.lacks(part, finding)


def _check_number(
    said: Any,
    facts: DocumentFacts,
    commitment: str,
    trust: BundleTrust,
    look: _Look,
    *,
    brought: bool,
) -> None:
    entry = _entry(said, LogName.NUMBERS, facts, trust, look)
    if entry is None:
        return
    index, raw = entry
    try:
        leaf = NumberLeaf.from_bytes(raw)
    except LeafError:
        look.wrong(FORMAT, told.NUMBER_ENTRY_DIFFERS)
        return
    place = (leaf.register_id, leaf.number, index)
    fits = place == (facts.register_id, facts.number, facts.number - 1)
    if leaf.subject_kind is SubjectKind.DOCUMENT:
        subject = (leaf.subject_id, leaf.commitment, leaf.document_type)
        fits = fits and subject == (facts.document_id, commitment, facts.document_type)
    else:  # a number taken ahead: its content came later, by the outcome log
        fits = fits and brought
    if fits:
        look.checked.append("number_log")
    else:
        look.wrong(HASH, told.NUMBER_ENTRY_DIFFERS)


def _outcomes(
    said: list[Any], facts: DocumentFacts, commitment: str, trust: BundleTrust, look: _Look
) -> list[OutcomeLeaf]:
    """The outcomes that are proven and this document's."""
    found = []
    for one in said:
        entry = _entry(one, LogName.OUTCOMES, facts, trust, look)
        if entry is None:
            continue
        try:
            leaf = OutcomeLeaf.from_bytes(entry[1])
        except LeafError:
            look.wrong(FORMAT, told.OUTCOME_ENTRY_DIFFERS)
            continue
        if leaf.seq == entry[0] and _is_of(leaf, facts, commitment):
            found.append(leaf)
        else:
            look.wrong(HASH, told.OUTCOME_ENTRY_DIFFERS)
    if found:
        look.checked.append("outcome_log")
    return found


def _is_of(leaf: OutcomeLeaf, facts: DocumentFacts, commitment: str) -> bool:
    place = (leaf.register_id, leaf.number, leaf.child)
    if place != (facts.register_id, facts.number, facts.child):
        return False
    if leaf.subject_id != facts.document_id:
        return False
    if leaf.commitment not in {None, commitment}:
        return False
    return leaf.file_digest in {None, facts.file_sha256}


def _entry(
    said: Any, log: LogName, facts: DocumentFacts, trust: BundleTrust, look: _Look
) -> tuple[int, bytes] | None:
    """An entry that its log includes, with its place; None if that is not proven."""
    number_log = log is LogName.NUMBERS
    try:
        return proven_entry(said, Register.parse(facts.register_id), log, trust=trust)
    except ProofError:
        look.wrong(HASH, told.NUMBER_PROOF_WRONG if number_log else told.OUTCOME_PROOF_WRONG)
    except (NoteError, NoteSignatureError):
        look.wrong(SIGNATURE, told.CHECKPOINT_WRONG)
    except (KeyError, TypeError, ValueError):
        look.wrong(FORMAT, told.MALFORMED)
    return None


# -- the signed evidence -------------------------------------------------------------


def _check_evidence(
    bundle: Mapping[str, Any], facts: DocumentFacts, trust: BundleTrust, look: _Look
) -> Mapping[str, Any] | None:
    """What it says, if it is signed and about this document."""
    jws = bundle.get("evidence")
    if jws is None:
        look.lacks("evidence", told.NO_EVIDENCE)
        return None
    if trust.jwks is None:
        look.lacks("jwks", told.NO_JWKS)
        return None
    try:
        payload = json.loads(trust.check_jws(as_text(jws), trust.jwks))
        expected = _expected(bundle, facts)
        fits = {name: payload[name] for name in expected} == expected
    except EvidenceSignatureError:
        look.wrong(SIGNATURE, told.EVIDENCE_SIGNATURE_WRONG)
    except (KeyError, TypeError, ValueError, RecursionError):
        look.wrong(FORMAT, told.EVIDENCE_DIFFERS)
    else:
        if fits:
            look.checked.append("evidence")
            told_of: Mapping[str, Any] = payload
            return told_of
        look.wrong(HASH, told.EVIDENCE_DIFFERS)
    return None


def _expected(bundle: Mapping[str, Any], facts: DocumentFacts) -> dict[str, Any]:
    """What `domain.evidence.issued_evidence` signs of these facts. Raises KeyError, TypeError."""
    dated, file = bundle["dated"], bundle["file"]
    return {
        "document_id": facts.document_id,
        "document_type": facts.document_type,
        "agency_id": facts.agency_id,
        "register": facts.register_id,
        "number": facts.number,
        "child": facts.child,
        "printed_number": facts.printed_number,
        **content_claim(
            secret=Register.parse(facts.register_id).is_secret,
            content_digest=facts.content_digest,
            commitment=as_text(bundle["commitment"]),
        ),
        "file_digest": _HASH_PREFIX + (facts.file_sha256 or ""),
        "numbered_at": _whole_seconds(bundle["numbered_at"]),
        "dated": None if dated is None else _whole_seconds(dated),
        "archive_version": file["archive_version"],
        "retain_until": _whole_seconds(file["retain_until"]),
    }


def _whole_seconds(instant: Any) -> str:
    """Evidence tells times without the fraction that a bundle has."""
    return as_text(instant).partition(".")[0].removesuffix("Z") + "Z"


# -- rulings -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    """A ruling as the log or a signed statement tells it."""

    kind: RulingKind
    reason_code: str
    effective_at: datetime


def _check_rulings(
    bundle: Mapping[str, Any],
    facts: DocumentFacts,
    outcomes: Sequence[OutcomeLeaf],
    *,
    trust: BundleTrust,
    now: datetime,
    look: _Look,
) -> None:
    """What log and signed rulings say, as far as each goes: the log may not have been
    published since, or somebody may have left the signed ones out."""
    logged = [
        _Told(KIND_OF_OUTCOME[leaf.outcome], leaf.reason_code or "", leaf.at)
        for leaf in outcomes
        if leaf.outcome in KIND_OF_OUTCOME
    ]
    try:
        signed = _signed_rulings(bundle.get("rulings", []), facts, trust, look)
    except EvidenceSignatureError:
        look.wrong(SIGNATURE, told.RULING_SIGNATURE_WRONG)
        signed = []
    except (KeyError, TypeError, ValueError, RecursionError):
        look.wrong(FORMAT, told.RULING_DIFFERS)
        signed = []
    if any(a != b for a, b in zip(logged, signed, strict=False)):
        look.wrong(HASH, told.RULING_DIFFERS)
    problem = problem_of(standing_by(max(logged, signed, key=len), now))
    if problem is not None:
        look.problems.append(problem)


def _signed_rulings(
    said: Any, facts: DocumentFacts, trust: BundleTrust, look: _Look
) -> list[_Told]:
    """Raises EvidenceSignatureError, KeyError, TypeError, ValueError for any that is not as it
    must be: of this document, and the one of its number."""
    if not isinstance(said, list):
        raise TypeError("rulings come in a list")
    found: list[_Told] = []
    for number, one in enumerate(said, 1):
        if one["evidence"] is None or trust.jwks is None:
            look.lacks("rulings", told.NO_RULING_EVIDENCE if one["evidence"] is None else None)
            break
        payload = json.loads(trust.check_jws(as_text(one["evidence"]), trust.jwks))
        expected = _expected_ruling(one, number, facts)
        if {name: payload[name] for name in expected} != expected:
            raise ValueError("another ruling")
        found.append(_as_told(payload))
    if found:
        look.checked.append("rulings")
    return found


def _expected_ruling(one: Any, number: int, facts: DocumentFacts) -> dict[str, Any]:
    """What `domain.evidence.ruling_evidence` signs of these facts."""
    return {
        "type": f"tra.document.{as_text(one['kind'])}.v1",
        "document_id": facts.document_id,
        "agency_id": facts.agency_id,
        "register": facts.register_id,
        "number": facts.number,
        "child": facts.child,
        "file_digest": _HASH_PREFIX + (facts.file_sha256 or ""),
        "ruling": number,
        "kind": one["kind"],
        "reason_code": one["reason_code"],
        "decided_at": one["decided_at"],
        "effective_at": one["effective_at"],
    }


def _as_told(payload: Mapping[str, Any]) -> _Told:
    effective_at = datetime.fromisoformat(as_text(payload["effective_at"]))
    if effective_at.tzinfo is None:
        raise ValueError("an instant has an offset")
    return _Told(RulingKind(payload["kind"]), as_text(payload["reason_code"]), effective_at)


# -- the file ------------------------------------------------------------------------


def _check_file(facts: DocumentFacts, pdf: bytes | None, look: _Look) -> None:
    if pdf is None:
        look.lacks("file")
    elif sha256(pdf).hexdigest() == facts.file_sha256:
        look.checked.append("file")
    else:
        look.wrong(HASH, told.FILE_DIFFERS)


def _records(told: object) -> list[bytes]:
    """Raises TypeError, ValueError for anything but a list of Base64 texts."""
    if not isinstance(told, list):
        raise TypeError("evidence records come in a list")
    return [base64.b64decode(as_text(record), validate=True) for record in told]


def _check_record(
    bundle: Mapping[str, Any], pdf: bytes | None, trust: BundleTrust, look: _Look
) -> datetime | None:
    """Since when the evidence records prove the file to have existed. Without a record, a
    checker or the file, nothing follows: files are proven by their own time-stamps first."""
    try:
        records = _records(bundle.get("evidence_records", []))
    except (TypeError, ValueError):
        look.wrong(FORMAT, told.RECORD_MALFORMED)
        return None
    if not records or trust.check_record is None or pdf is None:
        look.lacks("evidence_records")
        return None
    proofs = [trust.check_record(record, pdf, trust.anchors) for record in records]
    broken = [proof for proof in proofs if proof.indication is not Indication.TOTAL_PASSED]
    for proof in broken:
        for finding in proof.findings:
            look.wrong(proof.sub_indication or MISSING, finding)
    if broken:
        return None
    look.checked.append("evidence_records")
    return min((proof.proven_at for proof in proofs if proof.proven_at), default=None)
