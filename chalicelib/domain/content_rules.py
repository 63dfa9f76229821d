"""What a schema can ask of content beyond JSON Schema: formats, and keywords that look at
several fields at once. Pure; the content checker hangs them into its validator.

A format says yes or no to one text. A keyword stands in a subschema, gets what the schema
asks (`asked`) and the value there, and tells every fault with a pointer from that value.
What has another shape than the keyword looks for is left to `type` and `required`.
No message quotes a value: it may be personal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from chalicelib.domain.amount_rules import (
    grouped_sums,
    is_price,
    is_quantity,
    is_thb,
    line_amount,
    sums,
    vat_totals,
)
from chalicelib.domain.errors import FieldFault
from chalicelib.domain.letter_numbers import LetterNumber, LetterNumberError
from chalicelib.domain.pictures import picture_faults
from chalicelib.domain.places import COUNTRIES, subdistricts
from chalicelib.domain.thai import (
    has_check_digit,
    is_juristic_id,
    is_national_id,
    is_plain_name,
)

EARLIEST, LATEST = 1900, 2400
"""Years that a date can have. A Buddhist year (2569) is none of them, and no typing error."""

_DIGITS = re.compile(r"[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)

Keyword = Callable[[Any, object], Iterator[FieldFault]]


# -- formats -----------------------------------------------------------------


def is_date(text: str) -> bool:
    """A day of the Common Era as YYYY-MM-DD (RFC 3339 full-date)."""
    try:
        return bool(_DATE.fullmatch(text)) and _in_our_time(date.fromisoformat(text))
    except ValueError:
        return False


def is_instant(text: str) -> bool:
    """A time with its offset from UTC (RFC 3339 date-time, capital letters)."""
    try:
        return bool(_DATE_TIME.fullmatch(text)) and _in_our_time(datetime.fromisoformat(text))
    except ValueError:
        return False


def is_letter_number(text: str) -> bool:
    """A letter number (ที่) in any of the forms in use."""
    try:
        LetterNumber.parse(text)
    except LetterNumberError:
        return False
    return True


def _in_our_time(day: date) -> bool:
    return EARLIEST <= day.year <= LATEST


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "country": COUNTRIES.__contains__,
    "date": is_date,
    "date-time": is_instant,
    "digits": lambda text: _DIGITS.fullmatch(text) is not None,
    "juristic-id": is_juristic_id,
    "letter-number": is_letter_number,
    "name": is_plain_name,
    "price": is_price,
    "quantity": is_quantity,
    "subdistrict": lambda text: text in subdistricts(),
    "tax-id": has_check_digit,
    "thai-id": is_national_id,
    "thb": is_thb,
}

FORMAT_FAULTS: Mapping[str, tuple[str, str, str]] = {
    "juristic-id": (
        "wrong_check_digit",
        "Must be a juristic person's number: 13 Arabic digits, 0 first, a right check digit last.",
        "ต้องเป็นเลขทะเบียนนิติบุคคล 13 หลัก ขึ้นต้นด้วย 0 และเลขตรวจสอบหลักสุดท้ายถูกต้อง",
    ),
    "thai-id": (
        "wrong_check_digit",
        "Must be a national identity number: 13 Arabic digits, a right check digit last.",
        "ต้องเป็นเลขประจำตัวประชาชน 13 หลัก และเลขตรวจสอบหลักสุดท้ายถูกต้อง",
    ),
    "tax-id": (
        "wrong_check_digit",
        "Must be a taxpayer's number: 13 Arabic digits, a right check digit last.",
        "ต้องเป็นเลขประจำตัวผู้เสียภาษี 13 หลัก และเลขตรวจสอบหลักสุดท้ายถูกต้อง",
    ),
    "thb": (
        "wrong_format",
        'Must be baht with two decimals, as a string: "3000.00".',
        'ต้องเป็นจำนวนบาท ทศนิยม 2 ตำแหน่ง เช่น "3000.00"',
    ),
    "price": (
        "wrong_format",
        'Must be baht with two to five decimals, as a string: "3000.00".',
        'ต้องเป็นจำนวนบาท ทศนิยม 2 ถึง 5 ตำแหน่ง เช่น "3000.00"',
    ),
    "quantity": (
        "wrong_format",
        'Must be a number above 0 with at most six decimals, as a string: "1" or "2.5".',
        'ต้องเป็นจำนวนที่มากกว่า 0 ทศนิยมไม่เกิน 6 ตำแหน่ง เช่น "1" หรือ "2.5"',
    ),
    "subdistrict": (
        "unknown_code",
        "Must be the six-digit code of a subdistrict (TIS 1099): 110301.",
        "ต้องเป็นรหัสตำบลหรือแขวง 6 หลักที่มีอยู่ (มอก. 1099) เช่น 110301",
    ),
    "country": (
        "unknown_code",
        "Must be the two-letter code of a country (ISO 3166-1): TH.",
        "ต้องเป็นรหัสประเทศ 2 อักษรที่มีอยู่ (ISO 3166-1) เช่น TH",
    ),
    "date": (
        "wrong_format",
        f"There is no such day. Use YYYY-MM-DD, Common Era, {EARLIEST} to {LATEST}.",
        f"ไม่มีวันที่นี้ โปรดใช้ ปปปป-ดด-วว ปี ค.ศ. {EARLIEST} ถึง {LATEST}",
    ),
    "date-time": (
        "wrong_format",
        "There is no such time. Use RFC 3339 with an offset, Common Era: 2026-11-21T09:30:00+07:00.",
        "ไม่มีวันเวลานี้ โปรดใช้รูปแบบ 2026-11-21T09:30:00+07:00 ปี ค.ศ.",
    ),
    "digits": ("wrong_format", "Must be Arabic digits only.", "ต้องเป็นเลขอารบิกเท่านั้น"),
    "letter-number": (
        "wrong_format",
        "Must be a letter number, such as นร ๐๕๐๕/๑๗๑๒๑.",
        "ต้องเป็นเลขที่หนังสือ เช่น นร ๐๕๐๕/๑๗๑๒๑",
    ),
    "name": (
        "not_plain",
        "Must be spelled plainly: single spaces, no mark typed twice, แ and ำ as one letter, NFC.",
        "โปรดสะกดตามปกติ: เว้นวรรคครั้งละหนึ่งเคาะ ไม่พิมพ์สระหรือวรรณยุกต์ซ้ำ แ และ ำ เป็นอักษรตัวเดียว",
    ),
}
"""Format → code and what to do, in English and Thai."""


# -- keywords ----------------------------------------------------------------


def ordered(asked: Any, value: object) -> Iterator[FieldFault]:
    """`"ordered": [["from", "until"]]`: of each pair of dates (or of times) of an object the
    second is not before the first."""
    if not isinstance(value, Mapping):
        return
    for first, second in asked:
        start, end = _moment(value.get(first)), _moment(value.get(second))
        if start is not None and end is not None and end < start:
            yield FieldFault(
                f"/{second}",
                "ends_before_start",
                f"{second} must not be before {first}.",
                f"{second} ต้องไม่ก่อน {first}",
            )


def unique_by(asked: Any, value: object) -> Iterator[FieldFault]:
    """`"uniqueBy": "code"`: no two objects of a list have the same value of that field."""
    seen = set()
    for position, member in enumerate(value if isinstance(value, list) else ()):
        key = member.get(asked) if isinstance(member, Mapping) else None
        if not isinstance(key, str):
            continue
        if key in seen:
            yield FieldFault(
                f"/{position}/{asked}",
                "repeated",
                f"Another item has this {asked}.",
                f"{asked} ซ้ำกับรายการอื่น",
            )
        seen.add(key)


def max_total_length(asked: Any, value: object) -> Iterator[FieldFault]:
    """`"maxTotalLength": 40000`: all texts of a list together have at most that many
    characters, so that many long texts cannot overflow the pages."""
    texts = [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
    if sum(map(len, texts)) > asked:
        yield FieldFault(
            "",
            "too_long",
            f"Must have at most {asked} characters in all.",
            f"รวมทุกรายการต้องไม่เกิน {asked} อักขระ",
        )


KEYWORDS: Mapping[str, Keyword] = {
    "ordered": ordered,
    "uniqueBy": unique_by,
    "maxTotalLength": max_total_length,
    "vatTotals": vat_totals,
    "picture": picture_faults,
    "lineAmount": line_amount,
    "sums": sums,
    "groupedSums": grouped_sums,
}


def _moment(text: object) -> date | datetime | None:
    """The day or the instant, None for anything else."""
    if not isinstance(text, str):
        return None
    if is_date(text):
        return datetime.fromisoformat(f"{text}T00:00:00+00:00")
    return datetime.fromisoformat(text) if is_instant(text) else None
