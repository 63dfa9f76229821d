"""Typed models of the public interface: they validate, and openapi.json is made of them."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from chalicelib.domain.approvals import ApprovalCase, CaseState, Choice
from chalicelib.domain.channel_settings import reply_keys_data
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.content_rules import EARLIEST, LATEST
from chalicelib.domain.directory import Agency, DocumentType
from chalicelib.domain.documents import (
    ArchivedFile,
    Classification,
    Document,
    DocumentState,
    Urgency,
    Waiting,
)
from chalicelib.domain.errors import (
    FieldFault,
    InvalidRequestError,
    TopSecretRefusedError,
    UnknownDocumentTypeError,
)
from chalicelib.domain.evidence import verify_url
from chalicelib.domain.office_settings import office_hours_data
from chalicelib.domain.registers import SENDING, Numbering
from chalicelib.domain.reminders import within_faults
from chalicelib.domain.retention import MAX_RETENTION_YEARS
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.standing import Standing
from chalicelib.domain.thai import in_bangkok, is_garbled
from chalicelib.domain.type_rules import submission_faults
from chalicelib.handlers.ruling_models import StandingView
from chalicelib.services.preview import Previewed

MAX_RECIPIENTS = 100
MAX_RUN = 49
"""What one numbering transaction holds: a run is numbered whole or not at all."""

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the edge looks things up in while it validates."""

    document_type: Callable[[str], DocumentType | None]
    agency: Callable[[str], Agency | None]
    content_faults: Callable[[DocumentType, object], tuple[FieldFault, ...]]
    now: datetime
    issuer: str
    """The agency that asks."""

    @property
    def today(self) -> date:
        return in_bangkok(self.now).date()


class _Strict(BaseModel):
    # All models are built at first use: who asks for one does not wait for the others at a cold start.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


AgencyId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
TypeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
IsoDate = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class NumberOfBook(_Strict):
    """A number of the document type's own book."""

    year: int = Field(ge=2000, le=9999, description="Register year, CE.", examples=[2026])
    number: int = Field(ge=1, description="As in the register.", examples=[12])


class SubmitDocument(_Strict):
    """A document to issue. `content` follows the schema of its type
    (GET /v1/document-types/{name})."""

    document_type: TypeName = Field(examples=["licence"])
    content: dict[str, Any] = Field(description="The document's data, by the type's schema.")
    recipients: list[AgencyId] = Field(
        default=[],
        max_length=MAX_RECIPIENTS,
        description="Agencies told by an event when the document is issued.",
    )
    valid_from: IsoDate | None = Field(default=None, description="CE date, Asia/Bangkok.")
    valid_until: IsoDate | None = Field(
        default=None, description="Last day of validity. CE date, Asia/Bangkok."
    )
    classification: Literal["normal", "confidential", "secret", "top_secret"] = Field(
        default="normal",
        description="`confidential` (ลับ) and `secret` (ลับมาก) only from cleared officers and to "
        "agencies with a registrar of secrets cleared so far; `top_secret` is always refused.",
    )
    urgency: Literal["routine", "express", "very_express", "most_express"] = "routine"
    dated: IsoDate | None = Field(
        default=None,
        description="Letter date, if the application prints one of its own: it must be today in "
        "Asia/Bangkok, because numbers are never back-dated.",
    )
    numbers: Literal["one", "per_recipient"] = Field(
        default="one",
        description="One number for all recipients, or a run of consecutive numbers: one document "
        f"for each recipient (at most {MAX_RUN}).",
    )
    use_reserved: NumberOfBook | None = Field(
        default=None, description="Use a number that was reserved (จองเลข)."
    )
    insert_after: NumberOfBook | None = Field(
        default=None, description="Insert a number (เลขแทรก) under this one: 12/1."
    )
    supersedes: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")] | None = Field(
        default=None,
        description="Id of an issued document of your agency and of this type that the new one "
        "replaces in the moment it is issued. Needs the scope `documents:supersede`.",
    )
    act_within: str | None = Field(
        default=None,
        max_length=40,
        description="Of a letter that is ด่วนภายใน: until when it must be dealt with, an ISO 8601 "
        "instant with offset. Printed in red; reminders are never later.",
        examples=["2026-12-04T16:30:00+07:00"],
    )
    retention_years: int | None = Field(
        default=None,
        ge=1,
        le=MAX_RETENTION_YEARS,
        description="Keep the sealed file longer than its type demands: whole calendar years after "
        "the year of issue, never fewer than the type's. It cannot be taken back: the file lies "
        "under Object Lock.",
        examples=[15],
    )
    dry_run: bool = Field(
        default=False,
        description="Check everything and return a watermarked preview: no number, no seal.",
    )

    @field_validator("document_type")
    @classmethod
    def _is_published(cls, name: str, info: ValidationInfo) -> str:
        known = _known(info)
        kind = known.document_type(name)
        if kind is None:
            raise _custom(
                "unknown_document_type",
                "There is no such document type; see GET /v1/document-types.",
                "ไม่มีประเภทเอกสารนี้ โปรดดู GET /v1/document-types",
            )
        if not kind.is_issued_by(known.issuer):
            raise _custom(
                "not_an_issuer",
                "Your agency may not issue this document type; `issuers` in "
                "GET /v1/document-types/{name} says who may.",
                "หน่วยงานของท่านไม่มีสิทธิออกเอกสารประเภทนี้ ดู `issuers` ใน GET /v1/document-types/{name}",
            )
        return name

    @field_validator("content")
    @classmethod
    def _follows_schema(cls, content: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        known = _known(info)
        kind = known.document_type(info.data.get("document_type", ""))
        if kind is not None and (faults := known.content_faults(kind, content)):
            raise several(faults)
        return content

    @field_validator("recipients")
    @classmethod
    def _exist(cls, recipients: list[str], info: ValidationInfo) -> list[str]:
        known = _known(info)
        letter = _is_letter(info)
        faults = []
        seen: set[str] = set()
        for position, agency_id in enumerate(recipients):
            agency = known.agency(agency_id)
            if letter and (agency is None or not agency.is_reachable):
                faults.append(_unreachable(position))
            elif agency is None or (not letter and not agency.receives_events):
                faults.append(_no_recipient(position))
            elif letter and agency_id == known.issuer:
                faults.append(_own_recipient(position))
            elif agency_id in seen:
                faults.append(_repeated_recipient(position))
            seen.add(agency_id)
        if faults:
            raise several(faults)
        return recipients

    @field_validator("valid_from", "valid_until", "dated")
    @classmethod
    def _is_a_day(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                day = date.fromisoformat(text)
            except ValueError as error:
                raise _no_date() from error
            if not EARLIEST <= day.year <= LATEST:
                raise _no_date()
        return text

    @field_validator("valid_until")
    @classmethod
    def _not_before(cls, text: str | None, info: ValidationInfo) -> str | None:
        start = info.data.get("valid_from")
        if text is not None and start is not None and text < start:
            raise _custom(
                "ends_before_start",
                "valid_until must not be before valid_from.",
                "valid_until ต้องไม่ก่อน valid_from",
            )
        return text

    @field_validator("dated")
    @classmethod
    def _is_today(cls, text: str | None, info: ValidationInfo) -> str | None:
        today = _known(info).today.isoformat()
        if text is not None and text != today:
            raise _custom("backdating_refused" if text < today else "date_ahead", *_NOT_TODAY)
        return text

    @field_validator("numbers")
    @classmethod
    def _has_recipients(cls, numbers: str, info: ValidationInfo) -> str:
        count = len(info.data.get("recipients", [""]))
        if numbers == "per_recipient" and not 1 <= count <= MAX_RUN:
            raise _custom(
                "bad_run",
                f"A run needs 1 to {MAX_RUN} recipients.",
                f"การออกเลขเรียงตามผู้รับ ต้องมีผู้รับ 1 ถึง {MAX_RUN} ราย",
            )
        return numbers

    @field_validator("supersedes")
    @classmethod
    def _by_one(cls, supersedes: str | None, info: ValidationInfo) -> str | None:
        if supersedes is not None and info.data.get("numbers") == "per_recipient":
            raise _custom(
                "several_would_replace",
                "One document replaces one; a run makes several.",
                "เอกสารหนึ่งฉบับแทนที่ได้หนึ่งฉบับ การออกเลขเรียงตามผู้รับทำให้มีหลายฉบับ",
            )
        return supersedes

    @field_validator("use_reserved", "insert_after")
    @classmethod
    def _not_a_run(cls, wish: NumberOfBook | None, info: ValidationInfo) -> NumberOfBook | None:
        if wish is not None and info.data.get("numbers") == "per_recipient":
            raise _custom(
                "two_wishes",
                "A run takes the next numbers; it cannot use or insert a certain one.",
                "การออกเลขเรียงตามผู้รับใช้เลขถัดไปเท่านั้น",
            )
        return wish

    @field_validator("insert_after")
    @classmethod
    def _one_way_only(cls, wish: NumberOfBook | None, info: ValidationInfo) -> NumberOfBook | None:
        if wish is not None and info.data.get("use_reserved") is not None:
            raise _custom(
                "two_wishes",
                "Either use a reserved number or insert one.",
                "เลือกใช้เลขที่จองไว้ หรือเลขแทรก อย่างใดอย่างหนึ่ง",
            )
        return wish

    @field_validator("act_within")
    @classmethod
    def _lies_ahead(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None:
            if not _is_letter(info):
                raise _custom(
                    "not_a_letter",
                    "Only a letter can be ด่วนภายใน.",
                    "กำหนดด่วนภายในได้เฉพาะหนังสือ",
                )
            if faults := within_faults(instant_of(text), _known(info).now, ""):
                raise several(faults)
        return text

    @field_validator("classification")
    @classmethod
    def _may_travel(cls, classification: str) -> str:
        if classification == Classification.TOP_SECRET:
            raise _custom(
                TopSecretRefusedError.code,
                "The Saraban regulation (annex 6) keeps top secret (ลับที่สุด) documents out of "
                "every electronic system. Handle this document on paper, by the registrar of "
                "secret information.",
                "ระเบียบงานสารบรรณ (ภาคผนวก 6) ห้ามรับส่งเอกสารชั้นลับที่สุดด้วยระบบอิเล็กทรอนิกส์ "
                "โปรดดำเนินการด้วยเอกสารโดยนายทะเบียนข้อมูลข่าวสารลับ",
            )
        return classification


class SearchDocuments(_Strict):
    """Query of GET /v1/documents."""

    state: (
        Literal["awaiting_approval", "accepted", "numbered", "issued", "rejected", "void"] | None
    ) = None
    type: TypeName | None = None
    q: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="Text in the content, any case."
    )
    from_: IsoDate | None = Field(
        default=None, alias="from", description="First day of submission, Asia/Bangkok."
    )
    to: IsoDate | None = Field(default=None, description="Last day of submission, Asia/Bangkok.")
    limit: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|1[0-9]{2}|200)$")] = Field(
        default="50", description="1 to 200."
    )
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None

    @field_validator("from_", "to")
    @classmethod
    def _is_a_day(cls, text: str | None) -> str | None:
        return SubmitDocument._is_a_day(text)  # noqa: SLF001 - the same rule, same module


class AskPicture(_Strict):
    """Query of GET /v1/documents/{id}/image."""

    side: Literal["front", "back", "both"] = Field(
        default="front", description="`both`: front above back."
    )


Subject = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[!-~]+$")]


class NameReaders(_Strict):
    """Officers of the agency, by the subject that their issuer gives them."""

    add: list[Subject] = Field(
        default=[], max_length=100, description="May read from now on; must be cleared so far."
    )
    remove: list[Subject] = Field(
        default=[], max_length=100, description="May read no longer; who is in both may not."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.add and not self.remove:
            raise _custom(
                "missing", "Name somebody in `add` or `remove`.", "โปรดระบุ add หรือ remove"
            )
        return self


class AskFile(_Strict):
    """Query of routes that give out a file. It says nothing to a file that is not classified."""

    form: Literal["reading", "sealed"] = Field(
        default="reading",
        description="Of a classified file: `reading`, a copy that says on every page who reads it "
        "and when; `sealed`, the sealed bytes, for the cleared registrar of secrets "
        "(`secrets:open`).",
    )


# -- answers -----------------------------------------------------------------


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_timedelta="iso8601", defer_build=True)


class DocumentLinks(_Answer):
    self: str
    file: str
    verify: str


class ChangeView(_Answer):
    state: DocumentState
    at: datetime


class ReasonView(_Answer):
    code: str
    detail: str
    detail_th: str


class WaitingView(ReasonView):
    since: datetime

    @classmethod
    def of(cls, waiting: Waiting) -> Self:
        reason = waiting.reason
        return cls(
            code=reason.code, detail=reason.detail, detail_th=reason.detail_th, since=waiting.since
        )


class FileView(_Answer):
    sha256: str = Field(description="Hex digest of the sealed bytes.")
    size: int = Field(description="Bytes.")
    version_id: str
    lock_mode: str
    retain_until: datetime


class SealView(_Answer):
    level: SealLevel = Field(description="PAdES baseline level (EN 319 142-1).")
    proof_until: datetime | None = Field(
        description="From then on the file alone no longer proves when it was sealed; its "
        "evidence record does."
    )

    @classmethod
    def of(cls, file: ArchivedFile) -> Self | None:
        if file.seal_level is None:
            return None
        return cls(level=file.seal_level, proof_until=file.proof_until)


class NumberView(_Answer):
    number: int
    child: int = Field(description="Place of an inserted number (เลขแทรก) under `number`, else 0.")
    year: int = Field(description="Register year, CE.")
    register_id: str
    printed_number: str = Field(description="As printed, in Thai digits.")
    numbered_at: datetime = Field(description="The instant this number was really given.")
    dated: date = Field(
        description="Letter date, CE, Asia/Bangkok: of a reserved or inserted number the day of "
        "the reservation or of the entry above it."
    )

    @classmethod
    def of(cls, document: Document, numbering: Numbering) -> Self:
        return cls(
            number=numbering.number,
            child=numbering.child,
            year=numbering.year,
            register_id=document.register.register_id,
            printed_number=numbering.printed,
            numbered_at=numbering.numbered_at,
            dated=in_bangkok(numbering.dated or numbering.numbered_at).date(),
        )


class AcceptedDocument(_Answer):
    document_id: str
    state: DocumentState
    content_digest: str
    run: list[str] = Field(description="Ids of all documents numbered consecutively with this.")
    links: DocumentLinks

    @classmethod
    def of(cls, document: Document, public_url: str) -> Self:
        return cls(
            document_id=document.document_id,
            state=document.state,
            content_digest=document.content_digest,
            run=list(document.run),
            links=_links(document, public_url),
        )


class BatchLineView(_Answer):
    batch_id: str
    line: int = Field(description="Of the batch's file, from 1.")


class GivenDecisionView(_Answer):
    """What an officer decided; GET /v1/documents/{id}/approval has the signed record."""

    decision: Choice
    name_th: str
    position_th: str
    decided_at: datetime
    reason: str | None


class CaseView(_Answer):
    """How far a document is with the officers who have to approve it."""

    state: CaseState
    approvers: int = Field(description="So many different officers have to approve.")
    missing: int = Field(description="So many approvals are awaited still; 0 once it is decided.")
    agency_id: str = Field(description="Whose officers decide: the issuer's, or a central one's.")
    expires_at: datetime = Field(description="Not decided by then, it ends as rejected.")
    decisions: list[GivenDecisionView]

    @classmethod
    def of(cls, case: ApprovalCase) -> Self:
        return cls(
            state=case.state,
            approvers=case.policy.approvers,
            missing=case.missing,
            agency_id=case.policy.agency_of(case.issuer),
            expires_at=case.expires_at,
            decisions=[
                GivenDecisionView(
                    decision=decision.choice,
                    name_th=decision.name_th,
                    position_th=decision.position_th,
                    decided_at=decision.at,
                    reason=decision.reason,
                )
                for decision in case.decisions
            ],
        )


class DocumentView(AcceptedDocument):
    agency_id: str
    document_type: str
    type_version: int
    recipients: list[str]
    notified: list[str] = Field(
        description="Recipients that were told; of a letter, those whose delivery has begun."
    )
    classification: Classification
    urgency: Urgency
    valid_from: date | None
    valid_until: date | None
    retention_years: int
    batch: BatchLineView | None = Field(description="Where a document of a batch comes from.")
    submitted_at: datetime
    history: list[ChangeView]
    number: int | None
    printed_number: str | None
    numbering: NumberView | None
    retain_until: datetime | None
    file: FileView | None
    seal: SealView | None
    reason: ReasonView | None
    waiting: WaitingView | None = Field(
        description="What sealing last waited for; it is tried again by itself."
    )
    act_within: datetime | None = Field(description="Of a letter that is ด่วนภายใน: until when.")
    standing: StandingView | None = Field(description="Of an issued document: what it is worth.")
    supersedes: str | None = Field(description="Id of the document that this one replaces.")
    approval: CaseView | None = Field(
        description="How officers approve it; null where none has to."
    )

    @classmethod
    def of(cls, document: Document, public_url: str, now: datetime) -> Self:  # type: ignore[override]  # what it is worth depends on the time
        numbering, file, reason = document.numbering, document.file, document.reason
        untold = frozenset(document.unnotified)
        return cls(
            document_id=document.document_id,
            state=document.state,
            content_digest=document.content_digest,
            run=list(document.run),
            links=_links(document, public_url),
            agency_id=document.agency_id,
            document_type=document.document_type,
            type_version=document.type_version,
            recipients=list(document.recipients),
            notified=[r for r in document.recipients if r not in untold],
            classification=document.classification,
            urgency=document.urgency,
            valid_from=document.valid_from,
            valid_until=document.valid_until,
            retention_years=document.retention_years,
            batch=BatchLineView(batch_id=document.batch.batch_id, line=document.batch.line)
            if document.batch
            else None,
            submitted_at=document.submitted_at,
            history=[ChangeView(state=c.state, at=c.at) for c in document.history],
            number=numbering.number if numbering else None,
            printed_number=numbering.printed if numbering else None,
            numbering=NumberView.of(document, numbering) if numbering else None,
            retain_until=file.retain_until if file else None,
            file=FileView(
                sha256=file.sha256,
                size=file.size,
                version_id=file.version_id,
                lock_mode=file.lock_mode.value,
                retain_until=file.retain_until,
            )
            if file
            else None,
            seal=SealView.of(file) if file else None,
            reason=ReasonView(code=reason.code, detail=reason.detail, detail_th=reason.detail_th)
            if reason
            else None,
            waiting=WaitingView.of(document.waiting) if document.waiting else None,
            act_within=document.act_within,
            standing=StandingView.of(document, now),
            supersedes=document.supersedes,
            approval=CaseView.of(document.approval) if document.approval else None,
        )


class DocumentPage(_Answer):
    items: list[DocumentView]
    cursor: str | None = Field(description="Pass it on for the next page; null at the end.")


class SpanView(_Answer):
    opens: str = Field(examples=["08:30"])
    closes: str = Field(description="The first minute that is closed.", examples=["16:30"])


class ClosedDayView(_Answer):
    date: str
    name_th: str
    name_en: str


class WorkingDayView(_Answer):
    date: str
    hours: list[SpanView]


class OfficeHoursView(_Answer):
    week: dict[str, list[SpanView]] = Field(
        description="Hours of each open weekday, `monday` to `sunday`, Asia/Bangkok."
    )
    closed_days: list[ClosedDayView] = Field(
        description="Days off beside Thai public holidays, which are not listed here."
    )
    working_days: list[WorkingDayView] = Field(
        description="Days with hours of their own, whatever week and holidays say."
    )


class UnitView(_Answer):
    unit_id: str
    name_th: str
    name_en: str


class AgencyView(_Answer):
    agency_id: str
    name_th: str
    name_en: str
    receives_events: bool = Field(description="Whether a system of its own is told by CloudEvents.")
    channel: ChannelKind = Field(
        description="How letters reach it: into its inbox here, its own queue, or its webhook."
    )
    units: list[UnitView] = Field(description="Its parts that a letter can be passed on to.")
    reply_keys: list[dict[str, str]] = Field(
        description="Public keys (JWK, RFC 7517) that its own system signs receipts with; "
        "receipts of agencies without a system of their own are signed by a key of "
        "/.well-known/jwks.json."
    )
    office_hours: OfficeHoursView = Field(
        description="What enters outside them counts as received at the next working time "
        "(Electronic Performance of Government Duties Act 2565, section 10)."
    )

    @classmethod
    def of(cls, agency: Agency) -> Self:
        return cls(
            agency_id=agency.agency_id,
            name_th=agency.name_th,
            name_en=agency.name_en,
            receives_events=agency.receives_events,
            channel=agency.reached_by,
            units=[
                UnitView(unit_id=unit.unit_id, name_th=unit.name_th, name_en=unit.name_en)
                for unit in agency.units
            ],
            reply_keys=reply_keys_data(agency.reply_keys),
            office_hours=OfficeHoursView.model_validate(office_hours_data(agency.office)),
        )


class AgencyList(_Answer):
    items: list[AgencyView]


class DocumentTypeView(_Answer):
    name: str
    version: int
    title_th: str
    title_en: str
    book: str
    retention_years: int
    requires: list[str] = Field(description="Fields of the body that this type requires.")
    phone_image: bool = Field(
        description="Whether GET /v1/documents/{id}/image shows issued documents on phones (E4)."
    )
    recipients_within: str | None = Field(
        description="Where in the content the agencies stand that may be recipients; JSON "
        "Pointer in which `*` is every member of a list."
    )
    issuers: list[str] = Field(description="The only agencies that may issue it; empty: all.")
    approvers: int = Field(
        description="So many officers approve each document at least; the agency may want more."
    )
    links: dict[str, str]

    @classmethod
    def of(cls, kind: DocumentType, public_url: str) -> Self:
        return cls(**_type_fields(kind, public_url))


class DocumentTypeDetail(DocumentTypeView):
    content_schema: dict[str, Any] = Field(description="JSON Schema 2020-12 of `content`.")
    example: dict[str, Any] = Field(description="A body that POST /v1/documents accepts.")

    @classmethod
    def of(cls, kind: DocumentType, public_url: str) -> Self:
        return cls(
            **_type_fields(kind, public_url),
            content_schema=dict(kind.content_schema),
            example=dict(kind.example),
        )


class DocumentTypeList(_Answer):
    items: list[DocumentTypeView]


class Preview(_Answer):
    """Answer to a dry run. Nothing was stored."""

    dry_run: Literal[True] = True
    content_digest: str
    pages: int
    media_type: Literal["application/pdf"] = "application/pdf"
    preview_base64: str = Field(description="The watermarked PDF, base64.")

    @classmethod
    def of(cls, previewed: Previewed) -> Self:
        return cls(
            content_digest=previewed.content_digest,
            pages=previewed.linted.pages,
            preview_base64=base64.b64encode(previewed.linted.pdf).decode(),
        )


class DocumentPicture(_Answer):
    """A document as a picture, for clients that do not ask for image/png."""

    document_id: str
    side: str
    media_type: Literal["image/png"] = "image/png"
    png_base64: str

    @classmethod
    def of(cls, document_id: str, side: str, png: bytes) -> Self:
        return cls(document_id=document_id, side=side, png_base64=base64.b64encode(png).decode())


class ClassifiedFile(_Answer):
    """A classified file, for clients that do not ask for application/pdf."""

    document_id: str
    form: str = Field(description="`reading` or `sealed`.")
    media_type: Literal["application/pdf"] = "application/pdf"
    pdf_base64: str


class ReaderView(_Answer):
    subject: str
    name: str | None = Field(description="Null if the officer holds no appointment any more.")
    position: str | None


class ReadersView(_Answer):
    """To whom of the agency a classified document is open by name, beside the registrar."""

    readers: list[ReaderView]


class PublicVerification(_Answer):
    """What anyone who holds the QR code may know: of a classified document its number, its date
    and its classification."""

    document_id: str
    classification: Classification
    status: Standing
    since: datetime | None = Field(description="From when `status` holds; null if not yet.")
    replaced_by: str | None = Field(description="Printed number of the document in its place.")
    title_th: str
    title_en: str
    agency_id: str
    agency_th: str
    agency_en: str
    printed_number: str
    number: int
    child: int = Field(description="Place of an inserted number under `number`, else 0.")
    dated: date = Field(description="Letter date as printed, CE, Asia/Bangkok.")
    issued_on: date = Field(
        description="The day the number was really given, CE, Asia/Bangkok; printed too where it "
        "is not the letter date."
    )
    valid_from: date | None
    valid_until: date | None
    file_sha256: str
    checked_at: datetime


class Health(_Answer):
    status: Literal["ok"] = "ok"
    stage: str
    version: str


class FieldProblem(_Answer):
    pointer: str = Field(description="RFC 6901 JSON Pointer into the body, or the parameter.")
    code: str
    detail: str


class ConfirmationView(_Answer):
    """To whom a letter goes, to be confirmed by who sends it."""

    recipients: list[str] = Field(description="One a line, in Thai: name, id and channel.")
    digest: str = Field(description="Send it as `confirmation`: what was seen is what is sent.")


class Problem(_Answer):
    """RFC 9457 problem details; language by Accept-Language."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    instance: str | None = None
    reason: str | None = None
    errors: list[FieldProblem] | None = None
    confirmation: ConfirmationView | None = None


# -- validation --------------------------------------------------------------


def parse(model: type[_Model], value: Mapping[str, Any], known: Known | None = None) -> _Model:
    """Validate once. Raises InvalidRequestError (or its subclass for the whole request)
    with every fault, pointers included; no fault quotes a value."""
    faults = list(_unfit_values(value, ""))
    if known is not None:
        faults += _broken_type_rules(value, known)
    parsed: _Model | None = None
    try:
        parsed = model.model_validate(value, context=known)
    except ValidationError as error:
        faults += [f for d in error.errors(include_url=False) for f in _field_faults(d)]
    if faults or parsed is None:
        raise refusal(faults)
    return parsed


def _broken_type_rules(value: Mapping[str, Any], known: Known) -> Iterator[FieldFault]:
    name = value.get("document_type")
    kind = known.document_type(name) if isinstance(name, str) else None
    return submission_faults(kind, value) if kind is not None else iter(())


def refusal(faults: list[FieldFault]) -> InvalidRequestError:
    codes = {fault.code for fault in faults}
    for special in (TopSecretRefusedError, UnknownDocumentTypeError):
        if special.code in codes:
            return special(faults)
    return InvalidRequestError(faults)


def _unfit_values(value: object, pointer: str) -> Iterator[FieldFault]:
    """What may stand nowhere in a request.

    Control and formatting characters print as nothing or turn text around: a name that
    reads otherwise than it is stored has no place on a sealed document. Floats and
    huge integers have no single spelling, so no digest (see `canonical_json`).
    """
    match value:
        case bool():
            return
        case float() | int() if isinstance(value, float) or abs(value) > _MAX_INTEGER:
            yield FieldFault(
                pointer,
                "inexact_number",
                'Write decimals and very large numbers as strings, e.g. "12.50".',
                'โปรดเขียนเลขทศนิยมและเลขขนาดใหญ่เป็นข้อความ เช่น "12.50"',
            )
        case str():
            yield from _unfit_text(value, pointer)
        case dict():
            for name, member in value.items():
                yield from _unfit_values(member, f"{pointer}/{_escaped(name)}")
        case list():
            for position, member in enumerate(value):
                yield from _unfit_values(member, f"{pointer}/{position}")


def _unfit_text(text: str, pointer: str) -> Iterator[FieldFault]:
    for place, character in enumerate(text, 1):
        if unicodedata.category(character) in _UNSEEN:
            yield FieldFault(
                pointer,
                "control_character",
                f"Character {place} is a control, formatting or unassigned character; remove it.",
                f"อักขระที่ {place} เป็นอักขระควบคุมหรืออักขระที่มองไม่เห็น โปรดนำออก",
            )
            break
    if is_garbled(text):
        yield FieldFault(
            pointer,
            "garbled_text",
            "This is Thai that was read in another encoding (à¸ª, ¹ÒÂ). Read its source as UTF-8 or "
            "TIS-620 and send it again.",
            "ข้อความไทยนี้ถูกอ่านด้วยรหัสอักขระผิด (à¸ª, ¹ÒÂ) โปรดอ่านต้นทางเป็น UTF-8 หรือ TIS-620 แล้วส่งใหม่",
        )


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})

# Beyond this, JSON parsers disagree (RFC 8259, section 6).
_MAX_INTEGER = 2**53 - 1


def _escaped(name: str) -> str:
    """RFC 6901, and printable: the name itself may be the fault."""
    printable = "".join(c if c.isprintable() else "\ufffd" for c in name[:100])
    return printable.replace("~", "~0").replace("/", "~1")


_SEVERAL = "several"

_NOT_TODAY = (
    (
        "A number is given on the day it is given (A18): it is never dated back or ahead. There are "
        "two ways: use a number reserved in time (`use_reserved`), or insert one under an entry of "
        "that day (`insert_after`), with the real time of issue shown beside the letter date."
    ),
    (
        "เลขทะเบียนต้องเป็นไปตามลำดับของวันที่ออกเลข จึงลงวันที่ย้อนหลังหรือล่วงหน้าไม่ได้ ทำได้สองทาง คือ "
        "ใช้เลขที่จองไว้ก่อน (use_reserved) หรือใช้เลขแทรกของวันนั้น (insert_after) "
        "โดยแสดงเวลาออกจริงกำกับไว้"
    ),
)


def _known(info: ValidationInfo) -> Known:
    if not isinstance(info.context, Known):
        raise TypeError("SubmitDocument is validated with what is known")
    return info.context


def _is_letter(info: ValidationInfo) -> bool:
    """Whether the document's type is numbered as letters are: its recipients get deliveries."""
    kind = _known(info).document_type(info.data.get("document_type", ""))
    return kind is not None and kind.book in SENDING


def _custom(code: str, detail: str, detail_th: str) -> PydanticCustomError:
    return several((FieldFault("", code, detail, detail_th),))


def custom_fault(code: str, detail: str, detail_th: str) -> PydanticCustomError:
    """A fault of the field that a validator looks at, for models of other modules."""
    return _custom(code, detail, detail_th)


def demand_ascending(first: str | None, last: str | None) -> None:
    """Days of a search (ISO): no table looks for what lies between a day and an earlier one.
    Raises InvalidRequestError."""
    if first and last and last < first:
        fault = FieldFault(
            "/to", "before_from", "Must not lie before `from`.", "ต้องไม่อยู่ก่อนวันที่ใน from"
        )
        raise InvalidRequestError([fault])


def instant_of(text: str) -> datetime:
    """An ISO 8601 instant with offset, in UTC. Raises the fault for anything else."""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None or not EARLIEST <= instant.year <= LATEST:
            raise _no_instant()
        return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _no_instant() from error


def _no_instant() -> PydanticCustomError:
    return _custom(
        "wrong_format",
        "Use an ISO 8601 instant with offset, Common Era, such as 2026-12-04T16:30:00+07:00.",
        "โปรดใช้เวลาแบบ ISO 8601 ปี ค.ศ. พร้อมเขตเวลา เช่น 2026-12-04T16:30:00+07:00",
    )


def several(faults: object) -> PydanticCustomError:
    """Carry our own faults through pydantic, which then gathers them with its own."""
    return PydanticCustomError(_SEVERAL, "see faults", {"faults": faults})


def _no_date() -> PydanticCustomError:
    return _custom(
        "wrong_format",
        f"There is no such day. Use YYYY-MM-DD, Common Era, {EARLIEST} to {LATEST}.",
        f"ไม่มีวันที่นี้ โปรดใช้ ปปปป-ดด-วว ปี ค.ศ. {EARLIEST} ถึง {LATEST}",
    )


def _no_recipient(position: int) -> FieldFault:
    return FieldFault(
        f"/{position}",
        "unknown_recipient",
        "No agency of this id receives events here; see GET /v1/agencies.",
        "ไม่มีหน่วยงานรหัสนี้ที่รับเหตุการณ์ได้ โปรดดู GET /v1/agencies",
    )


def _unreachable(position: int) -> FieldFault:
    return FieldFault(
        f"/{position}",
        "unknown_recipient",
        "No agency of this id can be sent letters from here; see GET /v1/agencies.",
        "ไม่มีหน่วยงานรหัสนี้ที่ส่งหนังสือถึงได้ โปรดดู GET /v1/agencies",
    )


def _own_recipient(position: int) -> FieldFault:
    return FieldFault(
        f"/{position}",
        "own_agency",
        "A letter goes to other agencies; within the agency use its units.",
        "หนังสือภายนอกส่งถึงหน่วยงานอื่นเท่านั้น ภายในหน่วยงานให้ส่งต่อหน่วยงานย่อย",
    )


def _repeated_recipient(position: int) -> FieldFault:
    return FieldFault(
        f"/{position}",
        "repeated",
        "This agency is named more than once.",
        "ระบุหน่วยงานนี้ซ้ำ",
    )


def _field_faults(details: ErrorDetails) -> Iterator[FieldFault]:
    pointer = "".join(f"/{_escaped(str(step))}" for step in details["loc"])
    context = details.get("ctx", {})
    if details["type"] == _SEVERAL:
        for fault in context["faults"]:
            yield FieldFault(pointer + fault.pointer, fault.code, fault.detail, fault.detail_th)
        return
    code, detail, detail_th = _PYDANTIC.get(details["type"], _PYDANTIC_OTHER)
    yield FieldFault(pointer, code, detail.format(**context), detail_th.format(**context))


# pydantic's error type → our code and what to do. Values are never quoted.
_PYDANTIC = {
    "missing": ("missing", "This field is required.", "ต้องระบุรายการนี้"),
    "extra_forbidden": (
        "unknown_field",
        "This field is not known here; remove it.",
        "ไม่รู้จักรายการนี้ โปรดนำออก",
    ),
    "int_type": ("wrong_type", "Must be of type integer.", "ต้องเป็นจำนวนเต็ม"),
    "greater_than_equal": ("too_small", "Must be {ge} or more.", "ต้องไม่น้อยกว่า {ge}"),
    "less_than_equal": ("too_large", "Must be {le} or less.", "ต้องไม่มากกว่า {le}"),
    "model_type": ("wrong_type", "Must be of type object.", "ต้องเป็น object"),
    "string_type": ("wrong_type", "Must be of type string.", "ต้องเป็นข้อความ"),
    "bool_type": ("wrong_type", "Must be true or false.", "ต้องเป็น true หรือ false"),
    "list_type": ("wrong_type", "Must be of type array.", "ต้องเป็นรายการ (array)"),
    "dict_type": ("wrong_type", "Must be of type object.", "ต้องเป็น object"),
    "too_short": (
        "too_few",
        "Must have at least {min_length} item(s).",
        "ต้องมีอย่างน้อย {min_length} รายการ",
    ),
    "string_too_short": (
        "too_short",
        "Must have at least {min_length} character(s).",
        "ต้องมีอย่างน้อย {min_length} อักขระ",
    ),
    "string_too_long": (
        "too_long",
        "Must have at most {max_length} characters.",
        "ต้องมีไม่เกิน {max_length} อักขระ",
    ),
    "too_long": (
        "too_many",
        "Must have at most {max_length} items.",
        "ต้องมีไม่เกิน {max_length} รายการ",
    ),
    "string_pattern_mismatch": (
        "wrong_pattern",
        "Must match the pattern {pattern}.",
        "ต้องตรงตามรูปแบบ {pattern}",
    ),
    "literal_error": ("not_allowed", "Must be one of {expected}.", "ต้องเป็นค่าใดค่าหนึ่งใน {expected}"),
}
_PYDANTIC_OTHER = ("invalid", "This value is not accepted here.", "ค่านี้ใช้ไม่ได้")


def _links(document: Document, public_url: str) -> DocumentLinks:
    base = f"{public_url}/v1/documents/{document.document_id}"
    return DocumentLinks(self=base, file=f"{base}/file", verify=verify_url(document, public_url))


def _type_fields(kind: DocumentType, public_url: str) -> dict[str, Any]:
    return {
        "name": kind.name,
        "version": kind.version,
        "title_th": kind.title_th,
        "title_en": kind.title_en,
        "book": kind.book,
        "retention_years": kind.retention_years,
        "requires": list(kind.requires),
        "recipients_within": kind.recipients_within,
        "phone_image": kind.phone_image,
        "issuers": list(kind.issuers),
        "approvers": kind.approval.approvers,
        "links": {"self": f"{public_url}/v1/document-types/{kind.name}"},
    }
