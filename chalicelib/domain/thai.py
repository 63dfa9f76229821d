"""Thai numerals, Buddhist years, dates and money: the only module that knows them.

Stored values are ISO 8601 (CE, UTC) and decimal strings; only what a person
reads uses Thai digits and BE years (glossary: BE year = CE + 543).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate

# Thailand has had no daylight saving since 1920 and the register year is law
# (A18), so a fixed offset is exact and needs no time zone database.
BANGKOK = timezone(timedelta(hours=7), "Asia/Bangkok")

BE_OFFSET = 543

_TO_THAI = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")
_TO_ARABIC = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")

MONTHS = (
    "มกราคม",
    "กุมภาพันธ์",
    "มีนาคม",
    "เมษายน",
    "พฤษภาคม",
    "มิถุนายน",
    "กรกฎาคม",
    "สิงหาคม",
    "กันยายน",
    "ตุลาคม",
    "พฤศจิกายน",
    "ธันวาคม",
)

_DIGIT_WORDS = ("ศูนย์", "หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า")
_PLACE_WORDS = ("", "สิบ", "ร้อย", "พัน", "หมื่น", "แสน")


def to_thai_digits(text: str) -> str:
    """Replace Arabic digits by Thai ones: `12/2569` → `๑๒/๒๕๖๙`."""
    return text.translate(_TO_THAI)


def to_arabic_digits(text: str) -> str:
    """Replace Thai digits by Arabic ones; the inverse of `to_thai_digits`."""
    return text.translate(_TO_ARABIC)


def be_year(ce_year: int) -> int:
    """Buddhist year of a Common Era year."""
    return ce_year + BE_OFFSET


def in_bangkok(instant: datetime) -> datetime:
    """The wall clock in Thailand at `instant`, which must be timezone-aware."""
    if instant.tzinfo is None:
        raise ValueError("an instant without time zone has no place in a register")
    return instant.astimezone(BANGKOK)


def register_year(instant: datetime) -> int:
    """CE calendar year in Asia/Bangkok: the year of the register (A18, A22)."""
    return in_bangkok(instant).year


def start_of_day(day: date) -> datetime:
    """00:00 in Asia/Bangkok, as an instant in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=BANGKOK).astimezone(UTC)


def long_date(day: date) -> str:
    """`2026-11-21` → `๒๑ พฤศจิกายน ๒๕๖๙`, as the Saraban regulation writes dates."""
    return to_thai_digits(f"{day.day} {MONTHS[day.month - 1]} {be_year(day.year)}")


def long_instant(instant: datetime) -> str:
    """`๒๑ พฤศจิกายน ๒๕๖๙ เวลา ๑๓.๕๐ น.` in Asia/Bangkok."""
    local = in_bangkok(instant)
    return f"{long_date(local.date())} เวลา {to_thai_digits(f'{local:%H.%M}')} น."


def money(amount: Decimal) -> str:
    """`3000.00` → `๓,๐๐๐.๐๐`. Satang-exact: more than two decimals is refused."""
    return to_thai_digits(f"{_in_satang(amount):,.2f}")


def baht_text(amount: Decimal) -> str:
    """`5000` → `ห้าพันบาทถ้วน`; `21.25` → `ยี่สิบเอ็ดบาทยี่สิบห้าสตางค์`."""
    exact = _in_satang(amount)
    if exact < 0:
        return "ลบ" + baht_text(-exact)
    baht, satang = divmod(int(exact * 100), 100)
    if satang == 0:
        return f"{number_text(baht)}บาทถ้วน"
    if baht == 0:
        return f"{number_text(satang)}สตางค์"
    return f"{number_text(baht)}บาท{number_text(satang)}สตางค์"


def number_text(number: int) -> str:
    """A non-negative integer in Thai words: `21` → `ยี่สิบเอ็ด`."""
    if number < 0:
        raise ValueError("a count cannot be negative")
    if number == 0:
        return _DIGIT_WORDS[0]
    millions, rest = divmod(number, 1_000_000)
    head = f"{number_text(millions)}ล้าน" if millions else ""
    return head + _below_million(rest, after_more=number > rest)


_TWENTY = 2  # yields ยี่สิบ, not สองสิบ


def _below_million(number: int, *, after_more: bool) -> str:
    words = []
    digits = [int(d) for d in reversed(str(number))] if number else []
    for place in range(len(digits) - 1, -1, -1):
        digit = digits[place]
        if digit == 0:
            continue
        if place == 0 and digit == 1 and (len(digits) > 1 or after_more):
            words.append("เอ็ด")
        elif place == 1 and digit == 1:
            words.append("สิบ")
        elif place == 1 and digit == _TWENTY:
            words.append("ยี่สิบ")
        else:
            words.append(_DIGIT_WORDS[digit] + _PLACE_WORDS[place])
    return "".join(words)


# -- registration numbers ----------------------------------------------------

_ID_DIGITS = 13
_ID_GROUPS = (1, 4, 5, 2, 1)
_JURISTIC = "0"
_NOBODY = "9"


def is_national_id(text: str) -> bool:
    """A national identity number (เลขประจำตัวประชาชน): 13 Arabic digits, the last one the
    check digit. 1 to 8 lead the categories of the civil registration, 0 those who have no
    nationality; 9 leads none."""
    return has_check_digit(text) and not text.startswith(_NOBODY)


def is_juristic_id(text: str) -> bool:
    """A juristic person's registration number (เลขทะเบียนนิติบุคคล): 13 Arabic digits that
    begin with 0, the last one the check digit (Department of Business Development)."""
    return has_check_digit(text) and text.startswith(_JURISTIC)


def has_check_digit(text: str) -> bool:
    """13 Arabic digits whose last is right. Every such number of the state has it, those
    of taxpayers included (Revenue Department)."""
    if not (len(text) == _ID_DIGITS and text.isascii() and text.isdigit()):
        return False
    return int(text[-1]) == check_digit(text[:-1])


def check_digit(twelve: str) -> int:
    """Check digit of the first twelve digits: weights 13 down to 2, modulo 11."""
    weighted = sum(
        int(digit) * weight for digit, weight in zip(twelve, range(_ID_DIGITS, 1, -1), strict=True)
    )
    return (11 - weighted % 11) % 10


def grouped_id(text: str) -> str:
    """`1101700203450` → `๑ ๑๐๑๗ ๐๐๒๐๓ ๔๕ ๐`, as on the identity card."""
    ends = list(accumulate(_ID_GROUPS))
    groups = [text[end - size : end] for end, size in zip(ends, _ID_GROUPS, strict=True)]
    return to_thai_digits(" ".join(groups))


# -- value-added tax ---------------------------------------------------------

VAT_PERCENT = Decimal(7)
"""Revenue Code section 80, as reduced by royal decree (6.3% and the local 0.7%)."""


VAT_EXEMPT = "exempt"
"""What stands for a rate where no tax is due (Revenue Code section 81)."""


def vat_on(net: Decimal, percent: Decimal = VAT_PERCENT) -> Decimal:
    """Tax on a net amount, in satang (docs/adr/0023)."""
    return to_satang(net * percent / 100)


def vat_percent(rate: str) -> Decimal:
    """A rate as schemas write it: `7`, `0`, or `exempt`, which is 0 too."""
    return Decimal(0) if rate == VAT_EXEMPT else Decimal(rate)


def to_satang(amount: Decimal) -> Decimal:
    """Baht rounded to two decimals: a third decimal of 5 and more counts up, less is
    dropped (practice on tax invoices, docs/adr/0023)."""
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


# -- names -------------------------------------------------------------------

_TWO_FOR_ONE = ("เเ", "ํา")
_REPEATED_MARK = re.compile(r"([ัิ-ฺ็-๎])\1")


def is_plain_name(text: str) -> bool:
    """Whether a name is spelled in the one way that looks like it, so that two names that
    look the same are the same: composed (NFC), single spaces, no mark typed twice, `แ` and
    `ำ` as one letter each."""
    return (
        unicodedata.is_normalized("NFC", text)
        and text == " ".join(text.split())
        and not any(pair in text for pair in _TWO_FOR_ONE)
        and not _REPEATED_MARK.search(text)
    )


# Thai letters are E0 B8 xx and E0 B9 xx in UTF-8: à¸ and à¹ to who reads them as Latin-1 or
# CP1252. In TIS-620 they are A1 to FB, signs and accented letters in long rows.
_GARBLED = re.compile(r"(?:à[¸¹][^\x00-\x7f]){2}|[\u00a1-\u00fb]{5}")


def is_garbled(text: str) -> bool:
    """Whether it looks like Thai that was read in an encoding for Western Europe. No language
    written in that has five letters above ASCII in a row."""
    return _GARBLED.search(text) is not None


def _in_satang(amount: Decimal) -> Decimal:
    exact = amount.quantize(Decimal("0.01"))
    if exact != amount:
        raise ValueError("money has at most two decimals")
    return exact
