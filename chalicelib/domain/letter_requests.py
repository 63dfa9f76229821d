"""From what a clerk fills in for a letter to the document that is issued (POST /v1/letters).

A letter is a document of the type `official-letter`: numbered, sealed and archived like any
other. A clerk does not fill in what the directory or the regulation says anyway, and sees,
before anything is sent, to whom it goes: a wrong recipient is the commonest mistake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.thai import to_thai_digits

DOCUMENT_TYPE = "official-letter"

_SALUTATION = "เรียน"
_CLOSINGS = {
    "เรียน": "ขอแสดงความนับถือ",
    "กราบเรียน": "ขอแสดงความนับถืออย่างยิ่ง",
}
"""What a letter ends with where it begins so (Saraban regulation, annex 2). Letters to those
who are addressed otherwise (the royal family, the clergy) end as their writer says."""

_COPIED = (
    "address",
    "subject",
    "salutation",
    "addressee",
    "references",
    "enclosures",
    "paragraphs",
    "closing",
    "signatory",
    "contact",
    "copies_to",
    "acknowledge_by",
)
_ENVELOPE = ("urgency", "classification", "act_within", "retention_years")

_CHANNELS = {
    ChannelKind.HOSTED: "กล่องรับหนังสือในระบบ",
    ChannelKind.QUEUE: "ระบบของหน่วยงาน (คิวข้อความ)",
    ChannelKind.WEBHOOK: "ระบบของหน่วยงาน (เว็บฮุก)",
    ChannelKind.ECMS: "ระบบ e-CMS",
    ChannelKind.EMAIL: "ไปรษณีย์อิเล็กทรอนิกส์กลาง",
}


@dataclass(frozen=True, slots=True)
class Addressee:
    """An agency that a letter goes to, and the channel that it would go by now."""

    agency: Agency
    channel: ChannelKind


def as_document(
    letter: Mapping[str, Any], sender: Agency, to: Sequence[Addressee]
) -> dict[str, Any]:
    """The body of POST /v1/documents for a letter. Raises InvalidRequestError where something is
    left open that only its writer can say; see `draft`."""
    body, faults = draft(letter, sender, to)
    if faults:
        raise InvalidRequestError(faults)
    return body


def draft(
    letter: Mapping[str, Any], sender: Agency, to: Sequence[Addressee]
) -> tuple[dict[str, Any], tuple[FieldFault, ...]]:
    """The body of POST /v1/documents for a letter, and what its writer left open. The type's own
    schema is still to be checked, types of fields too; `letter_pointer` leads its faults back.

    Added where not said: the addressee (the head of the one agency it goes to), the closing
    that belongs to the salutation, the sender as the office in charge.
    """
    content = {name: letter[name] for name in _COPIED if letter.get(name) not in (None, [])}
    faults = []
    if "addressee" not in content:
        if len(to) == 1:
            content["addressee"] = to[0].agency.signatory_position_th or to[0].agency.name_th
        else:
            faults.append(_NO_ADDRESSEE)
    if "closing" not in content:
        closing = _CLOSINGS.get(str(content.get("salutation", _SALUTATION)))
        if closing is None:
            faults.append(_NO_CLOSING)
        else:
            content["closing"] = closing
    content.setdefault("contact", {"office": sender.name_th})
    body = {
        "document_type": DOCUMENT_TYPE,
        "content": content,
        "recipients": [addressee.agency.agency_id for addressee in to],
        **{name: letter[name] for name in _ENVELOPE if name in letter},
    }
    return body, tuple(faults)


def letter_pointer(pointer: str) -> str:
    """Where in the letter a fault of the document lies: `/content/subject` is `/subject`,
    `/recipients/0` is `/to/0`."""
    first, _, rest = pointer.removeprefix("/").partition("/")
    if first == "content":
        return f"/{rest}" if rest else ""
    return pointer.replace("/recipients", "/to", 1) if first == "recipients" else pointer


_NO_ADDRESSEE = FieldFault(
    "/addressee",
    "missing",
    "A letter to more than one agency says whom it addresses (one letter, one number).",
    "หนังสือถึงหลายหน่วยงานต้องระบุคำขึ้นต้นถึงผู้รับ เพราะเป็นหนังสือฉบับเดียวเลขเดียว",
)
_NO_CLOSING = FieldFault(
    "/closing",
    "missing",
    "This salutation has a closing of its own; write it.",
    "คำขึ้นต้นนี้มีคำลงท้ายเฉพาะ โปรดระบุคำลงท้าย",
)


# -- before it is sent -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The recipients as an officer sees them before the letter leaves, one a line, and the
    digest (hex SHA-256) that the order to send must repeat: what was seen is what is sent."""

    lines: tuple[str, ...]
    digest: str


def confirmation(content_digest: str, to: Sequence[Addressee]) -> Confirmation:
    """Same content, same recipients by the same channels, same digest; in whatever order they
    are named."""
    by_id = sorted(to, key=lambda addressee: addressee.agency.agency_id)
    lines = (
        to_thai_digits(f"{position}. ")
        + f"{addressee.agency.name_th} ({addressee.agency.agency_id}) ทาง{_CHANNELS[addressee.channel]}"
        for position, addressee in enumerate(to, 1)
    )
    seen = {
        "content_digest": content_digest,
        "to": [[a.agency.agency_id, a.channel.value] for a in by_id],
    }
    return Confirmation(tuple(lines), hashlib.sha256(canonical_json(seen)).hexdigest())
