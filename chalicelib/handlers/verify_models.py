"""Models of the public verification."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.domain.bundle_verdict import BundleVerdict
from chalicelib.domain.delivery_verdict import DeliveryVerdict, SignedBy
from chalicelib.domain.documents import Classification, Document, StandingNow
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.standing import Standing
from chalicelib.domain.verdict import Aspect, Finding, Indication, SealVerdict
from chalicelib.ports import UploadForm
from chalicelib.services.verify_document import RegisterAnswer, Verification


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class VerifySent(BaseModel):
    """What is to be verified: the id of an upload, or an evidence bundle
    (`tra.evidence.v1`) with all its members. A PDF of up to 4 MiB may be the body itself."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    upload: str | None = Field(
        default=None, pattern=r"^[0-9A-Z]{26}$", description="From POST /v1/verify/uploads."
    )
    type: Literal["tra.evidence.v1"] | None = None


class FindingView(_Answer):
    """One reason. `code` is stable; docs/guide/verify.md lists all."""

    code: str
    aspect: Aspect
    detail_th: str
    detail_en: str

    @classmethod
    def all_of(cls, findings: Sequence[Finding]) -> list[Self]:
        return [
            cls(code=f.code, aspect=f.aspect, detail_th=f.detail_th, detail_en=f.detail)
            for f in findings
        ]


class SealView(_Answer):
    """One seal: who, when, how far it reaches (ETSI EN 319 142-1), and for how long the file
    alone proves that."""

    indication: Indication
    sub_indication: str | None
    findings: list[FindingView]
    notes: list[FindingView]
    field: str
    common_name: str
    organization: str
    certificate_sha256: str
    sealed_at: datetime | None
    level: SealLevel
    document_timestamps: list[datetime]
    proof_until: datetime | None

    @classmethod
    def of(cls, seal: SealVerdict) -> Self:
        return cls(
            indication=seal.indication,
            sub_indication=seal.sub_indication,
            findings=FindingView.all_of(seal.findings),
            notes=FindingView.all_of(seal.notes),
            field=seal.field,
            common_name=seal.sealer.common_name,
            organization=seal.sealer.organization,
            certificate_sha256=seal.sealer.fingerprint,
            sealed_at=seal.sealed_at,
            level=seal.level,
            document_timestamps=list(seal.document_timestamps),
            proof_until=seal.proof_until,
        )


class VerifiedDocument(_Answer):
    """The document of this deployment that was sent: what its QR code tells, too."""

    document_id: str
    agency_id: str
    document_type: str = Field(description="`classified` of what is (A13).")
    classification: Classification
    register_id: str
    number: int
    child: int
    printed_number: str
    status: Standing
    since: datetime | None = Field(description="From when `status` holds; null if not yet.")
    replaced_by: str | None = Field(description="Printed number of the document in its place.")

    @classmethod
    def of(cls, document: Document, worth: StandingNow) -> Self | None:
        numbering = document.numbering
        if numbering is None:
            return None
        by = worth.ruling.replaced_by if worth.ruling else None
        return cls(
            document_id=document.document_id,
            agency_id=document.agency_id,
            document_type=document.public_type,
            classification=document.classification,
            register_id=document.register.register_id,
            number=numbering.number,
            child=numbering.child,
            printed_number=numbering.printed,
            status=worth.standing,
            since=worth.since,
            replaced_by=by.printed_number if by else None,
        )


class ArrivalView(_Answer):
    """When a letter entered the recipient's system, and when that counts (null: not known)."""

    entered_at: datetime
    counted_at: datetime | None


class DeliveryVerdictView(_Answer):
    """What the evidence of one delivery proves. `state`, `events`, `received` and
    `receive_number` are the whole story only if it passed; no name of a person is told."""

    delivery_id: str
    recipient: str
    state: DeliveryState | None
    indication: Indication
    sub_indication: str | None
    findings: list[FindingView]
    events: list[str]
    received: ArrivalView | None
    receive_number: str | None
    signed_by: SignedBy | None = Field(
        description="Whose key the receipt or rejection has: the recipient's, or, for an agency "
        "hosted here, the service's."
    )
    disputed: bool = Field(description="The sender says that the receive number is wrong.")
    checked: list[str]
    missing: list[str]

    @classmethod
    def of(cls, verdict: DeliveryVerdict) -> Self:
        received = verdict.received
        return cls(
            delivery_id=verdict.delivery_id,
            recipient=verdict.recipient,
            state=verdict.state,
            indication=verdict.indication,
            sub_indication=verdict.sub_indication,
            findings=FindingView.all_of(verdict.findings),
            events=list(verdict.events),
            received=ArrivalView(entered_at=received.entered_at, counted_at=received.counted_at)
            if received
            else None,
            receive_number=verdict.receive_number,
            signed_by=verdict.signed_by,
            disputed=verdict.disputed,
            checked=list(verdict.checked),
            missing=list(verdict.missing),
        )


class BundleView(_Answer):
    """What was checked of a bundle, what could not be, and what became of a letter."""

    checked: list[str]
    missing: list[str]
    deliveries: list[DeliveryVerdictView]

    @classmethod
    def of(cls, verdict: BundleVerdict) -> Self:
        return cls(
            checked=list(verdict.checked),
            missing=list(verdict.missing),
            deliveries=[DeliveryVerdictView.of(one) for one in verdict.deliveries],
        )


class VerificationView(_Answer):
    """The verdict: ETSI EN 319 102-1 indication and sub-indication, and the reasons."""

    indication: Indication
    sub_indication: str | None
    findings: list[FindingView]
    register_answer: RegisterAnswer = Field(
        description="`match`: the archived file of an issued document here; `differs`: it says "
        "it is one and is not; `void`: its number is void; `unknown`: not of this deployment."
    )
    document: VerifiedDocument | None
    file_sha256: str | None
    seals: list[SealView]
    bundle: BundleView | None
    checked_at: datetime

    @classmethod
    def of(cls, done: Verification, checked_at: datetime) -> Self:
        document, worth = done.document, done.standing
        known = VerifiedDocument.of(document, worth) if document and worth else None
        return cls(
            indication=done.indication,
            sub_indication=done.sub_indication,
            findings=FindingView.all_of(done.findings),
            register_answer=done.register,
            document=known,
            file_sha256=done.file.sha256 if done.file else None,
            seals=[SealView.of(seal) for seal in done.file.verdict.seals] if done.file else [],
            bundle=BundleView.of(done.bundle) if done.bundle else None,
            checked_at=checked_at,
        )


class UploadInvitation(_Answer):
    """Send the file as a form POST to `url`: all `fields`, then `file`. Then verify it with
    `{"upload": …}`. It is deleted within two days."""

    upload: str
    url: str
    fields: dict[str, Any]
    largest_bytes: int
    expires_in: int = Field(description="Seconds.")

    @classmethod
    def of(cls, upload_id: str, form: UploadForm) -> Self:
        return cls(
            upload=upload_id,
            url=form.url,
            fields=dict(form.fields),
            largest_bytes=form.largest,
            expires_in=form.seconds,
        )
