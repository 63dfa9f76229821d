"""Verify what the public sends (POST /v1/verify): the file or bundle by itself, and what the
register of this deployment says of it.

The register is asked only with what the sender has: the code that stands in the file, or a
bundle that proves its document. The answer says nothing that the page behind the QR code does
not say (P3, P6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

from chalicelib.domain.bundle_verdict import (
    DOCUMENT_EXPIRED,
    DOCUMENT_NOT_YET_VALID,
    DOCUMENT_VOID,
    BundleVerdict,
    problem_of,
)
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.documents import Document, DocumentState, StandingNow
from chalicelib.domain.standing import Standing
from chalicelib.domain.verdict import (
    Aspect,
    CheckedFile,
    Finding,
    Indication,
    Verdict,
    worse,
)
from chalicelib.ports import (
    Clock,
    DeliveryStore,
    DocumentStore,
    FileChecker,
    Ids,
    UploadForm,
    Uploads,
)
from chalicelib.services.bundle_trust import BundleTrust
from chalicelib.services.verify_bundle import verify_bundle


class RegisterAnswer(StrEnum):
    """What the register says of the bytes that were sent."""

    MATCH = "match"
    """They are the archived file of an issued document."""
    DIFFERS = "differs"
    """They claim to be a document of this register, and are not its file."""
    VOID = "void"
    """They claim to be a document that was never issued; its number is void."""
    UNKNOWN = "unknown"
    """Nothing here is known of them; others' files are not."""


DIFFERS = Finding(
    "register_differs",
    "The register knows this document, but its archived file is another one.",
    "ทะเบียนมีเอกสารนี้ แต่ไฟล์ที่เก็บไว้ในคลังเป็นไฟล์อื่น",
    Aspect.REGISTER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRoom:
    """Collaborators of the public verification."""

    documents: DocumentStore
    deliveries: DeliveryStore
    anchors: Callable[[], Sequence[str]]
    checker: FileChecker
    uploads: Uploads
    bundle_trust: Callable[[], BundleTrust]
    clock: Clock
    ids: Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The answer. `document` only if the register's answer is a match: what it is worth now
    is `standing`."""

    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]
    register: RegisterAnswer
    document: Document | None
    standing: StandingNow | None
    file: CheckedFile | None = None
    bundle: BundleVerdict | None = None


def invite_upload(*, room: VerificationRoom) -> tuple[str, UploadForm]:
    """An id and permission to send one large file; nothing is there yet."""
    upload_id = room.ids.verification_code()
    return upload_id, room.uploads.invite(upload_id)


def verify_file(pdf: bytes, *, room: VerificationRoom) -> Verification:
    """Raises UnavailableError only: any bytes have a verdict."""
    return _with_register(room.checker.check(pdf, room.anchors()), room)


def verify_upload(upload_id: str, *, room: VerificationRoom) -> Verification:
    """Raises NotFoundError if nothing was uploaded, UnavailableError."""
    return _with_register(room.checker.check_upload(upload_id, room.anchors()), room)


def verify_sent_bundle(bundle: Mapping[str, Any], *, room: VerificationRoom) -> Verification:
    """Raises UnavailableError only: any JSON object has a verdict."""
    verdict = verify_bundle(
        bundle, trust=room.bundle_trust(), now=room.clock(), end_now=partial(_end_now, room=room)
    )
    document = _proven(verdict, room)
    told = _Told(verdict.indication, verdict.sub_indication, verdict.findings)
    standing = _standing(document, room)
    told = _joined_with_standing(told, standing, passed=verdict.passed)
    return Verification(
        indication=told.indication,
        sub_indication=told.sub_indication,
        findings=told.findings,
        register=RegisterAnswer.MATCH if document else RegisterAnswer.UNKNOWN,
        document=document,
        standing=standing,
        bundle=verdict,
    )


def _end_now(delivery_id: DeliveryId, *, room: VerificationRoom) -> str | None:
    record = room.deliveries.get(delivery_id)
    return record.delivery.evidence_end if record else None


def _with_register(checked: CheckedFile, room: VerificationRoom) -> Verification:
    code = checked.claimed_code
    document = room.documents.by_code(code) if code else None
    answer = _answer(document, checked.sha256)
    known = document if answer is RegisterAnswer.MATCH else None
    verdict = _joined(checked.verdict, answer)
    told = _Told(verdict.indication, verdict.sub_indication, verdict.findings)
    standing = _standing(known, room)
    told = _joined_with_standing(told, standing, passed=verdict.passed)
    return Verification(
        indication=told.indication,
        sub_indication=told.sub_indication,
        findings=told.findings,
        register=answer,
        document=known,
        standing=standing,
        file=checked,
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """The part of a verdict that what the document is worth can change."""

    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]


_OUT_OF_PERIOD = {
    Standing.EXPIRED: DOCUMENT_EXPIRED,
    Standing.NOT_YET_VALID: DOCUMENT_NOT_YET_VALID,
}


def _joined_with_standing(told: _Told, standing: StandingNow | None, *, passed: bool) -> _Told:
    """A genuine document may not stand any more: revoked and replaced fail, suspended leaves it
    open. Its period is told, and fails nothing: the file is what it says it is."""
    if standing is None:
        return told
    if standing.standing in _OUT_OF_PERIOD:
        return replace(told, findings=(*told.findings, _OUT_OF_PERIOD[standing.standing]))
    problem = problem_of(standing.standing)
    if problem is None or problem.finding in told.findings:
        return told
    indication = Indication.INDETERMINATE
    if standing.standing.final:
        indication = Indication.TOTAL_FAILED
    decides = worse(told.indication, indication) is not told.indication
    return _Told(
        worse(told.indication, indication),
        problem.sub_indication if decides else told.sub_indication,
        (problem.finding,) if passed else (*told.findings, problem.finding),
    )


def _answer(document: Document | None, digest: str) -> RegisterAnswer:
    if document is None:
        return RegisterAnswer.UNKNOWN
    if document.state is DocumentState.VOID:
        return RegisterAnswer.VOID
    # Nothing is confirmed before the bytes are locked and the entry is final (P3).
    if document.state is not DocumentState.ISSUED or document.file is None:
        return RegisterAnswer.UNKNOWN
    return RegisterAnswer.MATCH if document.file.sha256 == digest else RegisterAnswer.DIFFERS


_AGAINST = {
    RegisterAnswer.DIFFERS: ("HASH_FAILURE", DIFFERS),
    RegisterAnswer.VOID: ("REVOKED", DOCUMENT_VOID),
}


def _joined(verdict: Verdict, answer: RegisterAnswer) -> Verdict:
    """What is sealed well may still not be the document (P2)."""
    if answer not in _AGAINST:
        return verdict
    sub_indication, finding = _AGAINST[answer]
    failed = verdict.indication is Indication.TOTAL_FAILED
    return Verdict(
        indication=worse(verdict.indication, Indication.TOTAL_FAILED),
        sub_indication=verdict.sub_indication if failed else sub_indication,
        findings=(finding,) if verdict.passed else (*verdict.findings, finding),
        seals=verdict.seals,
    )


def _proven(verdict: BundleVerdict, room: VerificationRoom) -> Document | None:
    """The document of a genuine bundle, if it is in this register with the same file."""
    facts = verdict.document
    if facts is None or not verdict.genuine:
        return None
    document = room.documents.get(facts.document_id)
    if document is None or document.state is not DocumentState.ISSUED or document.file is None:
        return None
    same = (document.content_digest, document.file.sha256)
    return document if same == (facts.content_digest, facts.file_sha256) else None


def _standing(document: Document | None, room: VerificationRoom) -> StandingNow | None:
    return document.standing_at(room.clock()) if document else None
