"""Verify what the public sends (POST /v1/verify): the file or bundle by itself, and what the
register of this deployment says of it.

The register is asked only with what the sender has: the code that stands in the file, or a
bundle that proves its document. The answer says nothing that the page behind the QR code does
not say (P3, P6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.bundle_verdict import DOCUMENT_VOID, BundleVerdict
from chalicelib.domain.documents import Document, DocumentState, Validity
from chalicelib.domain.thai import in_bangkok
from chalicelib.domain.verdict import (
    Aspect,
    CheckedFile,
    Finding,
    Indication,
    Verdict,
    worse,
)
from chalicelib.ports import Clock, DocumentStore, FileChecker, Ids, UploadForm, Uploads
from chalicelib.services.verify_bundle import BundleTrust, verify_bundle


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
    anchors: Callable[[], Sequence[str]]
    checker: FileChecker
    uploads: Uploads
    bundle_trust: Callable[[], BundleTrust]
    clock: Clock
    ids: Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The answer. `document` only if the register's answer is a match: whose validity
    `validity` tells, for today in Asia/Bangkok."""

    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]
    register: RegisterAnswer
    document: Document | None
    validity: Validity | None
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
    verdict = verify_bundle(bundle, trust=room.bundle_trust())
    document = _proven(verdict, room)
    return Verification(
        indication=verdict.indication,
        sub_indication=verdict.sub_indication,
        findings=verdict.findings,
        register=RegisterAnswer.MATCH if document else RegisterAnswer.UNKNOWN,
        document=document,
        validity=_validity(document, room),
        bundle=verdict,
    )


def _with_register(checked: CheckedFile, room: VerificationRoom) -> Verification:
    code = checked.claimed_code
    document = room.documents.by_code(code) if code else None
    answer = _answer(document, checked.sha256)
    known = document if answer is RegisterAnswer.MATCH else None
    verdict = _joined(checked.verdict, answer)
    return Verification(
        indication=verdict.indication,
        sub_indication=verdict.sub_indication,
        findings=verdict.findings,
        register=answer,
        document=known,
        validity=_validity(known, room),
        file=checked,
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
    """The document of a bundle that passed, if it is in this register with the same file."""
    facts = verdict.document
    if facts is None or not verdict.passed:
        return None
    document = room.documents.get(facts.document_id)
    if document is None or document.state is not DocumentState.ISSUED or document.file is None:
        return None
    same = (document.content_digest, document.file.sha256)
    return document if same == (facts.content_digest, facts.file_sha256) else None


def _validity(document: Document | None, room: VerificationRoom) -> Validity | None:
    return document.validity_on(in_bangkok(room.clock()).date()) if document else None
