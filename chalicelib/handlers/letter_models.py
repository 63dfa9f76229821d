"""Typed models of letters at the sender's side: POST /v1/letters and its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.letter_requests import (
    Addressee,
    Confirmation,
    draft,
    letter_pointer,
)
from chalicelib.domain.registers import CIRCULAR
from chalicelib.handlers.models import (
    AgencyId,
    ConfirmationView,
    Known,
    NumberOfBook,
    Preview,
    SubmitDocument,
    parse,
    refusal,
)
from chalicelib.services.preview import Previewed

MOST_RECIPIENTS = 1_000
"""Agencies that one letter goes to, each by a delivery of its own."""

_AS_CONTENT = "As in the schema `Content.official-letter`."


class _Strict(BaseModel):
    # Built at first use: whoever asks for something else does not wait for it at a cold start.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class SendLetter(_Strict):
    """A letter (หนังสือภายนอก) to other agencies: numbered, sealed, archived, and delivered to
    each of them. What it says follows the schema `Content.official-letter`."""

    subject: str = Field(description="เรื่อง", examples=["ขอเชิญประชุม"])
    to: list[AgencyId] = Field(
        min_length=1,
        max_length=MOST_RECIPIENTS,
        description="Agencies that it is delivered to, in the order of the list to confirm.",
        examples=[["dbd"]],
    )
    addressee: str | None = Field(
        default=None,
        description="Who is addressed; the head of the agency if there is one in `to`, and to "
        "be said if there are more.",
    )
    salutation: str | None = Field(default=None, description="คำขึ้นต้น; เรียน if not said.")
    closing: str | None = Field(
        default=None, description="คำลงท้าย; the one that belongs to the salutation if not said."
    )
    address: str | None = Field(default=None, description="The sender's address.")
    references: list[dict[str, Any]] | None = Field(
        default=None, description=f"อ้างถึง. {_AS_CONTENT}"
    )
    enclosures: list[str] | None = Field(default=None, description="สิ่งที่ส่งมาด้วย")
    paragraphs: list[str] = Field(description="ข้อความ, a paragraph an item.")
    signatory: dict[str, Any] | None = Field(default=None, description=f"ผู้ลงนาม. {_AS_CONTENT}")
    contact: dict[str, Any] | None = Field(
        default=None, description=f"ส่วนราชการเจ้าของเรื่อง; the sender if not said. {_AS_CONTENT}"
    )
    copies_to: list[str] | None = Field(default=None, description="สำเนาส่ง, as printed.")
    acknowledge_by: Literal["electronic", "paper"] | None = Field(
        default=None, description="How the sender wants receipt to be acknowledged, as printed."
    )
    urgency: Literal["routine", "express", "very_express", "most_express"] = "routine"
    act_within: str | None = Field(
        default=None,
        max_length=40,
        description="ด่วนภายใน: until when, an ISO 8601 instant with offset.",
        examples=["2026-12-04T16:30:00+07:00"],
    )
    classification: Literal["normal", "confidential", "secret", "top_secret"] = Field(
        default="normal", description="As in POST /v1/documents."
    )
    circular: bool = Field(
        default=False,
        description="หนังสือเวียน: numbered in the circular register (ว), else in the send register.",
    )
    use_reserved: NumberOfBook | None = Field(
        default=None, description="As in POST /v1/documents; of the book that `circular` says."
    )
    insert_after: NumberOfBook | None = Field(
        default=None, description="As in POST /v1/documents; of the book that `circular` says."
    )
    retention_years: int | None = Field(
        default=None, description="As in POST /v1/documents.", examples=[15]
    )
    confirmation: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="Digest of the list of recipients that somebody looked at: from a dry run, or "
        "from the 409 that a letter without it gets. Applications may do without.",
    )
    dry_run: bool = Field(
        default=False,
        description="Check everything; answer with the recipients to confirm and a watermarked "
        "preview: no number, no seal, nothing sent.",
    )


class _LetterDocument(SubmitDocument):
    """The document that a letter becomes: as POST /v1/documents takes it, to more agencies."""

    model_config = ConfigDict(defer_build=True)

    recipients: list[AgencyId] = Field(default=[], max_length=MOST_RECIPIENTS)


@dataclass(frozen=True, slots=True)
class ReadLetter:
    """A letter that is right in all its parts: as it was asked for, as a document, to whom."""

    asked: SendLetter
    document: SubmitDocument
    to: tuple[Addressee, ...]


def read_letter(raw: Mapping[str, Any], sender: Agency, known: Known) -> ReadLetter:
    """Validate once. Raises InvalidRequestError with every fault, pointers into the letter."""
    faults: list[FieldFault] = []
    asked = None
    try:
        asked = parse(SendLetter, raw)
    except InvalidRequestError as error:
        faults += error.faults
    to = tuple(_addressees(raw.get("to"), known))
    body, left_open = draft(raw, sender, to)
    # Whatever was sent: its faults are told by the document's own rules, in its own place.
    body["recipients"] = raw.get("to", [])
    body |= {name: raw[name] for name in ("use_reserved", "insert_after") if name in raw}
    document = None
    try:
        document = parse(_LetterDocument, body, known)
    except InvalidRequestError as error:
        faults += _led_back(error, told=faults)
    faults = _with_left_open(faults, left_open)
    if faults or asked is None or document is None:
        raise refusal(faults)
    return ReadLetter(asked, document, to)


def _addressees(to: object, known: Known) -> list[Addressee]:
    agencies = (
        [known.agency(name) for name in to if isinstance(name, str)] if isinstance(to, list) else []
    )
    return [Addressee(agency, agency.reached_by) for agency in agencies if agency is not None]


def _led_back(error: InvalidRequestError, told: list[FieldFault]) -> list[FieldFault]:
    """Faults of the document as faults of the letter, those left out that are told already."""
    places = {fault.pointer for fault in told}
    led = [replace(fault, pointer=letter_pointer(fault.pointer)) for fault in error.faults]
    return [fault for fault in led if fault.pointer not in places]


def _with_left_open(faults: list[FieldFault], left_open: Sequence[FieldFault]) -> list[FieldFault]:
    """What its writer left open is told in place of what the schema says of it. Who is addressed
    follows from `to`, so nothing is said of that while `to` is wrong."""
    places = {fault.pointer for fault in left_open}
    rest = [fault for fault in faults if fault.pointer not in places]
    if any(_is_about(fault, "/to") for fault in faults):
        left_open = [fault for fault in left_open if fault.pointer != "/addressee"]
    return [*rest, *left_open]


def _is_about(fault: FieldFault, pointer: str) -> bool:
    return fault.pointer == pointer or fault.pointer.startswith(f"{pointer}/")


# -- answers ---------------------------------------------------------------------


class LetterPreview(Preview):
    """Answer to a dry run of a letter. Nothing was stored or sent."""

    model_config = ConfigDict(defer_build=True)

    confirmation: ConfirmationView

    @classmethod
    def with_list(cls, previewed: Previewed, seen: Confirmation) -> Self:
        return cls(**dict(Preview.of(previewed)), confirmation=confirmation_view(seen))


def confirmation_view(seen: Confirmation) -> ConfirmationView:
    return ConfirmationView(recipients=list(seen.lines), digest=seen.digest)


class LetterLinks(_Answer):
    self: str
    deliveries: str
    document: str
    file: str

    @classmethod
    def of(cls, document_id: str, public_url: str) -> Self:
        letter = f"{public_url}/v1/letters/{document_id}"
        document = f"{public_url}/v1/documents/{document_id}"
        return cls(
            self=letter,
            deliveries=f"{letter}/deliveries",
            document=document,
            file=f"{document}/file",
        )


class AcceptedLetter(_Answer):
    """A letter that will be numbered, sealed, archived and delivered."""

    document_id: str
    state: DocumentState
    content_digest: str
    circular: bool
    recipients: int = Field(description="How many agencies it goes to.")
    links: LetterLinks

    @classmethod
    def of(cls, document: Document, public_url: str) -> Self:
        return cls(
            document_id=document.document_id,
            state=document.state,
            content_digest=document.content_digest,
            circular=document.book.name == CIRCULAR,
            recipients=len(document.recipients),
            links=LetterLinks.of(document.document_id, public_url),
        )
