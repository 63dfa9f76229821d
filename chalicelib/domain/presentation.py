"""What is printed on a document, and what is attached to it for machines.

Stored values are ISO dates, decimal strings and integers; a person reads long
Thai dates, Buddhist years and Thai digits. This module makes the one from the
other, so templates only place texts. Pure: same document, same output (P2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from chalicelib.domain.approval_records import gist_of, lines_under
from chalicelib.domain.approvals import ApprovalDecision
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.directory import AttachmentKind
from chalicelib.domain.documents import Classification, Document, Urgency
from chalicelib.domain.errors import RenderError
from chalicelib.domain.etax import etax_xml
from chalicelib.domain.letter_numbers import LetterNumber
from chalicelib.domain.thai import (
    baht_text,
    grouped_id,
    in_bangkok,
    long_date,
    long_instant,
    money,
    to_thai_digits,
)

if TYPE_CHECKING:
    from chalicelib.domain.directory import Agency, DocumentType


class Relationship(StrEnum):
    """What an attached file is to the page (AFRelationship, ISO 19005-3 §6.8)."""

    DATA = "data"
    """What the page was made from, or says."""
    ALTERNATIVE = "alternative"
    """The same document in another form."""
    SOURCE = "source"
    SUPPLEMENT = "supplement"


_ATTACHMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_XML_TYPES = frozenset({"text/xml", "application/xml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file attached to the PDF: UTF-8 text for machines. Raises ValueError for a name
    that is not a plain file name."""

    name: str
    media_type: str
    relationship: Relationship = Relationship.DATA
    data: bytes = field(repr=False)  # content has no place in logs

    def __post_init__(self) -> None:
        if not _ATTACHMENT_NAME.fullmatch(self.name):
            raise ValueError("an attachment has a plain file name")

    @property
    def is_xml(self) -> bool:
        """By its media type (RFC 7303)."""
        return self.media_type in _XML_TYPES or self.media_type.endswith("+xml")


APPROVAL_FILE = "approval.json"
"""What the gist of its approvals is called within a document."""

PREVIEW_MARK = "ตัวอย่าง – ไม่ใช่เอกสารจริง"
"""`watermark` of previews; the template adds SPECIMEN."""

_NUMBER_TO_COME = "........../.........."
_DATE_TO_COME = "...................."
_ANY_SIGNATORY = "ผู้มีอำนาจออกเอกสาร"
_NAME_TO_COME = "(........................................)"
_POSITION_TO_COME = "ตำแหน่งของผู้อนุมัติ"

_URGENCY = {
    Urgency.ROUTINE: None,
    Urgency.EXPRESS: "ด่วน",
    Urgency.VERY_EXPRESS: "ด่วนมาก",
    Urgency.MOST_EXPRESS: "ด่วนที่สุด",
}
_CLASSIFICATION = {
    Classification.NORMAL: None,
    Classification.CONFIDENTIAL: "ลับ",
    Classification.SECRET: "ลับมาก",
    Classification.TOP_SECRET: "ลับที่สุด",
}

_ZERO_WIDTH_SPACE = "\u200b"
_NO_BREAK_SPACE = "\u00a0"

# A number belongs to the word before it (`พ.ศ. ๒๕๓๕`, `หมู่ที่ ๓`).
_SPACE_BEFORE_NUMBER = re.compile(r"(?<=[ก-ฮะ-ฺเ-๎A-Za-z.]) (?=[0-9๐-๙])")
# and so does a short word after it (`๑๕ วัน`, `๙ มีนาคม`).
_SPACE_AFTER_NUMBER = re.compile(r"(?<=[0-9๐-๙]) (?=[ก-ฺเ-๎]{1,10}(?: |$))")

# Letters of Thai words carry their own break points (a dictionary finds them);
# anything else without a space is one word to the line breaker, however long.
_LONG_RUN = re.compile("[^\\s\u0e01-\u0e3a\u0e40-\u0e45\u0e47-\u0e4e\u200b]{21,}")

# One cell of Thai: a spacing character and the marks over and under it, with the
# vowel written before it and those written after it.
_CLUSTER = re.compile("[เ-ไ]?[^ัิ-ฺ็-๎][ัิ-ฺ็-๎]*[ะาำๅ]?|.", re.DOTALL)


def present(
    document: Document,
    agency: Agency,
    document_type: DocumentType,
    *,
    verify_url: str,
    watermark: str | None = None,
) -> dict[str, Any]:
    """The JSON-able `data` of a template.

    `content` is what was submitted; `display` is the same tree as strings for
    people, `pictures` those within (see `display_of`). `created_at` is the creation time of the file, Unix
    seconds: fixed by the numbering, so that rendering again gives the same bytes.
    Only a preview (`watermark`) may lack a number; raises ValueError otherwise.
    """
    if document.numbering is None and watermark is None:
        raise ValueError("only a preview is printed without a number")
    pictures: list[str] = []
    display = display_of(document.content, document_type.content_schema, pictures)
    return {
        "document_type": document_type.name,
        "type_version": document.type_version,
        "type_title_th": document_type.title_th,
        "agency": {"name_th": agency.name_th, "name_en": agency.name_en},
        "number": _printed_number(document),
        "date": _printed_date(document),
        "real_time": _real_time(document),
        "created_at": _created_at(document),
        "valid_from": _long_date_or_none(document.valid_from),
        "valid_until": _long_date_or_none(document.valid_until),
        "urgency": _URGENCY[document.urgency],
        "act_within": _act_within(document),
        "classification": _CLASSIFICATION[document.classification],
        "signatory": _signatory(document, agency),
        "approval": _approval(document),
        "verify_url": verify_url,
        "verify_url_display": _breakable(verify_url.removeprefix("https://")),
        "watermark": watermark,
        "content": dict(document.content),
        "display": display,
        "pictures": pictures,
    }


def machine_readable(
    document: Document,
    agency: Agency,
    *,
    verify_url: str,
    credential_status: Sequence[Mapping[str, str]] = (),
) -> Attachment:
    """Canonical JSON attached to the PDF as `content.json`: the text of record for
    machines, because text extracted from shaped Thai is imperfect (ขมธอ. 11-2560).

    Times are UTC ISO 8601, dates and years CE, the number an integer. `credential_status`
    says where it can be looked up whether the document still stands.
    """
    numbering = document.numbering
    data = canonical_json(
        {
            "document_id": document.document_id,
            "document_type": document.document_type,
            "type_version": document.type_version,
            "agency_id": agency.agency_id,
            "agency_name_th": agency.name_th,
            "agency_name_en": agency.name_en,
            "book": document.book.name,
            "year": numbering.year if numbering else None,
            "number": numbering.number if numbering else None,
            "printed_number": numbering.printed if numbering else None,
            "numbered_at": numbering.numbered_at.isoformat() if numbering else None,
            "dated": numbering.dated.isoformat() if numbering and numbering.dated else None,
            "valid_from": document.valid_from.isoformat() if document.valid_from else None,
            "valid_until": document.valid_until.isoformat() if document.valid_until else None,
            "classification": str(document.classification),
            "urgency": str(document.urgency),
            "act_within": document.act_within.isoformat() if document.act_within else None,
            "content": document.content,
            "content_digest": document.content_digest,
            "verify_url": verify_url,
            "supersedes": document.supersedes,
            "credential_status": list(credential_status),
        }
    )
    return Attachment(name="content.json", media_type="application/json", data=data)


def attached_files(
    document: Document,
    agency: Agency,
    document_type: DocumentType,
    *,
    verify_url: str,
    credential_status: Sequence[Mapping[str, str]] = (),
) -> tuple[Attachment, ...]:
    """All that is attached to the PDF: the machine-readable content (see `machine_readable`),
    which the digest and the register speak of, what the type adds (ขมธอ. 3-2560 for
    receipts and tax invoices), and who approved it, if somebody had to (B7, C2).

    Raises RenderError if content that its type let pass cannot be put into that form.
    """
    record = machine_readable(
        document, agency, verify_url=verify_url, credential_status=credential_status
    )
    etax = document_type.attachment is AttachmentKind.ETAX
    return (
        record,
        *((_etax(document, verify_url),) if etax else ()),
        *_approvals(document),
    )


def _approvals(document: Document) -> tuple[Attachment, ...]:
    """The gist of its approvals, once they are complete: before, nothing is approved."""
    case = document.approval
    if case is None or _last_approval(document) is None:
        return ()
    return (Attachment(name=APPROVAL_FILE, media_type="application/json", data=gist_of(case)),)


def _etax(document: Document, verify_url: str) -> Attachment:
    try:
        xml = etax_xml(document, verify_url=verify_url)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        # The cause quotes content, so it stays out.
        raise RenderError(
            "The content cannot be written as XML of ขมธอ. 3-2560.",
            "ไม่สามารถแปลงเนื้อหาเป็น XML ตาม ขมธอ. 3-2560 ได้",
        ) from None
    return Attachment(
        name="ETDA-invoice.xml",
        media_type="text/xml",
        relationship=Relationship.ALTERNATIVE,
        data=xml,
    )


def display_of(
    content: Mapping[str, Any], schema: Mapping[str, Any], pictures: list[str] | None = None
) -> dict[str, Any]:
    """`content` as a person reads it: the same tree with every value a string. `pictures`
    gets those within, in Base64.

    `format` in the schema decides: `date` → `๒๑ พฤศจิกายน ๒๕๖๙`, `date-time` with the time in
    Asia/Bangkok; `thb` → `๓,๐๐๐.๐๐`, with `<name>_text` beside it in words; `digits`,
    `juristic-id`, `tax-id` → Thai digits, `thai-id` in groups; `quantity`, `price` → Thai
    digits and separators, all decimals; `letter-number` → as printed.
    Integers get Thai digits and separators. What the schema calls a `picture` is
    `{"picture": n}`, its place in the list. `content` must have passed the schema.
    """
    found = [] if pictures is None else pictures
    return cast("dict[str, Any]", _display(content, schema, schema, found))


def break_anywhere(display: Any, longest: int) -> Any:
    """`display` with a break point between all cells of each run without spaces longer
    than `longest` characters: the last resort where a line would leave the page.

    Real words never need it; strings that are no language have no break points.
    """
    match display:
        case str():
            runs = re.compile(rf"[^ {_ZERO_WIDTH_SPACE}]{{{longest},}}")
            return runs.sub(lambda run: _between_cells(run[0]), display)
        case Mapping():
            return {name: break_anywhere(value, longest) for name, value in display.items()}
        case list():
            return [break_anywhere(value, longest) for value in display]
    return display


# -- heads -------------------------------------------------------------------


def _printed_number(document: Document) -> str:
    return document.numbering.printed if document.numbering else _NUMBER_TO_COME


def _printed_date(document: Document) -> str:
    """A document is dated in Asia/Bangkok at numbering; one with a reserved or inserted
    number carries that number's date."""
    if document.numbering is None:
        return _DATE_TO_COME
    dated = document.numbering.dated or document.numbering.numbered_at
    return _tied(long_date(in_bangkok(dated).date()))


def _real_time(document: Document) -> str | None:
    """The real time of issue, where the letter date is another (เลขจอง, เลขแทรก)."""
    if document.numbering is None or document.numbering.dated is None:
        return None
    return _tied(long_instant(document.numbering.numbered_at))


def _act_within(document: Document) -> str | None:
    """Until when a letter that is "ด่วนภายใน" must be with its recipient (Saraban regulation,
    clause 28)."""
    return _tied(long_instant(document.act_within)) if document.act_within else None


def _created_at(document: Document) -> int:
    numbering = document.numbering
    instant = numbering.numbered_at if numbering else document.submitted_at
    return int(instant.timestamp())


def _long_date_or_none(day: date | None) -> str | None:
    return None if day is None else _tied(long_date(day))


def _signatory(document: Document, agency: Agency) -> dict[str, str | None]:
    """Whom the content or the agency names; an officer who approved stands in their place, for
    templates that know nothing of approvals too."""
    if approved := _last_approval(document):
        _, *rest = lines_under(approved)
        return {"name": _text(approved.name_th), "position": _text(" ".join(rest))}
    named = document.content.get("signatory", {})
    position = named.get("position") or agency.signatory_position_th or _ANY_SIGNATORY
    name = named.get("name")
    return {"name": None if name is None else _text(name), "position": _text(position)}


def _last_approval(document: Document) -> ApprovalDecision | None:
    """Who approved last, once the document has a number: before, nothing is approved."""
    case = document.approval
    if case is None or document.numbering is None:
        return None
    return next(reversed(case.approvals), None)


def _approval(document: Document) -> dict[str, Any] | None:
    """What stands where a document is signed, if officers approve it: the lines of who approved
    last, and that it was done electronically. Before that the place is shown. None: nobody has
    to."""
    case = document.approval
    if case is None or not case.policy.approvers:
        return None
    last = _last_approval(document)
    if last is None:
        return {"lines": [_NAME_TO_COME, _POSITION_TO_COME], "words": None}
    return {
        "lines": [_text(line) for line in lines_under(last)],
        "words": _approved_words(last),
    }


def _approved_words(decision: ApprovalDecision) -> str:
    return f"อนุมัติทางอิเล็กทรอนิกส์ {_tied(long_instant(decision.at))}"


# -- the tree ----------------------------------------------------------------


def _display(
    value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], pictures: list[str]
) -> Any:
    schema = _resolved(schema, root)
    match value:
        case Mapping():
            return _display_object(value, schema, root, pictures)
        case list() | tuple():
            inner = schema.get("items", {})
            return [_display(member, inner, root, pictures) for member in value]
        case bool() | None:
            return value
        case int():
            return to_thai_digits(f"{value:,}")
        case str() if "picture" in schema:
            pictures.append(value)
            return {"picture": len(pictures) - 1}
    return _display_string(str(value), schema.get("format"))


def _display_object(
    value: Mapping[str, Any],
    schema: Mapping[str, Any],
    root: Mapping[str, Any],
    pictures: list[str],
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, member in value.items():
        member_schema = _resolved(schema.get("properties", {}).get(name, {}), root)
        shown[name] = _display(member, member_schema, root, pictures)
        if member_schema.get("format") == "thb":
            shown[f"{name}_text"] = baht_text(Decimal(member))
    return shown


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with a local `$ref` (`#/$defs/name`) laid under its own keywords."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target = root["$defs"][reference.removeprefix("#/$defs/")]
    return {**_resolved(target, root), **schema, "$ref": None}


def _display_string(value: str, form: str | None) -> str:
    shown = _FORMS.get(form or "")
    return shown(value) if shown else _text(value)


# -- lines -------------------------------------------------------------------


def _text(value: str) -> str:
    tied = _SPACE_BEFORE_NUMBER.sub(_NO_BREAK_SPACE, value)
    return _breakable(_SPACE_AFTER_NUMBER.sub(_NO_BREAK_SPACE, tied))


def _tied(value: str) -> str:
    """A date stays on one line."""
    return value.replace(" ", _NO_BREAK_SPACE)


def _breakable(value: str) -> str:
    """Break points in runs that have none of their own, such as links and codes."""
    return _LONG_RUN.sub(lambda run: _ZERO_WIDTH_SPACE.join(run[0]), value)


def _between_cells(run: str) -> str:
    return _ZERO_WIDTH_SPACE.join(_CLUSTER.findall(run))


# -- formats -----------------------------------------------------------------


def _digits(value: str) -> str:
    return _breakable(to_thai_digits(value))


def _counted(value: str) -> str:
    """As many decimals as were given: they say how exactly it was measured."""
    return to_thai_digits(f"{Decimal(value):,}")


_FORMS: Mapping[str, Callable[[str], str]] = {
    "date": lambda value: _tied(long_date(date.fromisoformat(value))),
    "date-time": lambda value: _tied(long_instant(datetime.fromisoformat(value))),
    "digits": _digits,
    "juristic-id": _digits,
    "price": _counted,
    "quantity": _counted,
    "letter-number": lambda value: _tied(LetterNumber.parse(value).printed),
    "tax-id": _digits,
    "thai-id": lambda value: _tied(grouped_id(value)),
    "thb": lambda value: money(Decimal(value)),
}
