"""Thai numerals, Buddhist years, dates and money, by property and by known cases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.thai import (
    BANGKOK,
    MONTHS,
    baht_text,
    be_year,
    check_digit,
    grouped_id,
    has_check_digit,
    in_bangkok,
    is_juristic_id,
    is_national_id,
    is_plain_name,
    long_date,
    long_instant,
    money,
    number_text,
    register_year,
    to_arabic_digits,
    to_thai_digits,
    vat_on,
)

TWELVE = st.text(alphabet="0123456789", min_size=12, max_size=12)
CENT = Decimal("0.01")

_DIGITS = {
    word: digit
    for digit, word in enumerate(("ศูนย์", "หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า"))
} | {"เอ็ด": 1, "ยี่": 2}
_PLACES = {"สิบ": 10, "ร้อย": 100, "พัน": 1_000, "หมื่น": 10_000, "แสน": 100_000}


def _read_number(words: str) -> int:
    """An independent reader of Thai number words, the inverse of `number_text`."""
    total, group, digit = 0, 0, None
    while words:
        if words.startswith("ล้าน"):
            total, group, digit = (total + group + (digit or 0)) * 1_000_000, 0, None
            words = words.removeprefix("ล้าน")
            continue
        word = next(w for w in (*_DIGITS, *_PLACES) if words.startswith(w))
        words = words.removeprefix(word)
        if word in _DIGITS:
            digit = _DIGITS[word]
        else:
            group, digit = group + (1 if digit is None else digit) * _PLACES[word], None
    return total + group + (digit or 0)


@given(st.text(alphabet="0123456789/. กขว()"))
def test_thai_digits_read_back(text: str) -> None:
    """Letter numbers print in Thai digits and read back the same (A22, domain.md)."""
    printed = to_thai_digits(text)
    assert not any(c in "0123456789" for c in printed)
    assert to_arabic_digits(printed) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_number_words_read_back(number: int) -> None:
    """An amount in words says exactly the amount in figures (receipts and fees, B4)."""
    assert _read_number(number_text(number)) == number


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "ศูนย์"),
        (1, "หนึ่ง"),
        (10, "สิบ"),
        (11, "สิบเอ็ด"),
        (20, "ยี่สิบ"),
        (21, "ยี่สิบเอ็ด"),
        (101, "หนึ่งร้อยเอ็ด"),
        (1_000_000, "หนึ่งล้าน"),
        (1_000_001, "หนึ่งล้านเอ็ด"),
        (11_000_000, "สิบเอ็ดล้าน"),
        (21_000_021, "ยี่สิบเอ็ดล้านยี่สิบเอ็ด"),
        (1_000_000_000_000, "หนึ่งล้านล้าน"),
    ],
)
def test_number_words(number: int, words: str) -> None:
    """Amounts are worded as the Royal Society's usage has them (B4)."""
    assert number_text(number) == words


def test_negative_count_is_refused() -> None:
    """A count below zero never reaches paper (P2)."""
    with pytest.raises(ValueError, match="negative"):
        number_text(-1)


@given(st.integers(min_value=0, max_value=10**12))
def test_baht_text_says_the_satang(satang: int) -> None:
    """Figures and words of a fee agree to the satang (B4)."""
    words = baht_text(Decimal(satang) / 100)
    baht, rest = divmod(satang, 100)
    if rest == 0:
        assert words.endswith("บาทถ้วน")
        assert _read_number(words.removesuffix("บาทถ้วน")) == baht
    else:
        head, _, tail = words.removesuffix("สตางค์").rpartition("บาท")
        assert _read_number(tail) == rest
        assert (_read_number(head) if head else 0) == baht


@given(st.integers(min_value=1, max_value=10**9))
def test_negative_baht_is_worded(satang: int) -> None:
    """A refund is worded as the same amount below zero (B4)."""
    assert baht_text(Decimal(-satang) / 100) == "ลบ" + baht_text(Decimal(satang) / 100)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "ศูนย์บาทถ้วน"),
        ("0.25", "ยี่สิบห้าสตางค์"),
        ("21.25", "ยี่สิบเอ็ดบาทยี่สิบห้าสตางค์"),
        ("3000.00", "สามพันบาทถ้วน"),
        ("5000000", "ห้าล้านบาทถ้วน"),
    ],
)
def test_baht_text(amount: str, words: str) -> None:
    """Known fees are worded as on real receipts (B4)."""
    assert baht_text(Decimal(amount)) == words


@given(st.integers(min_value=0, max_value=10**14))
def test_money_reads_back(satang: int) -> None:
    """A printed amount is the stored amount to the satang (B4)."""
    printed = to_arabic_digits(money(Decimal(satang) / 100))
    assert Decimal(printed.replace(",", "")) == Decimal(satang) / 100


@pytest.mark.parametrize("amount", ["0.001", "1.999"])
def test_money_is_never_rounded(amount: str) -> None:
    """An amount with more than two decimals is refused, not changed (P2)."""
    with pytest.raises(ValueError, match="two decimals"):
        money(Decimal(amount))


@given(st.dates())
def test_long_date_reads_back(day: date) -> None:
    """Any date prints as day, Thai month and Buddhist year, and reads back (Saraban)."""
    printed_day, month, year = to_arabic_digits(long_date(day)).split(" ")
    assert (int(printed_day), MONTHS.index(month) + 1, int(year) - 543) == (
        day.day,
        day.month,
        day.year,
    )
    assert int(year) == be_year(day.year)


@given(st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(9000, 1, 1)))
def test_register_year_is_bangkoks(wall: datetime) -> None:
    """The register year is the calendar year in Bangkok, seven hours ahead (A18)."""
    instant = wall.replace(tzinfo=UTC)
    assert register_year(instant) == (wall + timedelta(hours=7)).year
    assert in_bangkok(instant) == instant


def test_new_year_in_bangkok() -> None:
    """The year turns at midnight in Bangkok, which is 17:00 UTC (A18)."""
    midnight = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
    assert register_year(midnight - timedelta(microseconds=1)) == 2026
    assert register_year(midnight) == 2027


def test_instant_without_zone_is_refused() -> None:
    """A time without zone cannot choose a register (A18)."""
    with pytest.raises(ValueError, match="time zone"):
        register_year(datetime(2026, 1, 1))


def test_long_instant() -> None:
    """Date and time print as on a receive stamp (domain.md)."""
    instant = datetime(2020, 6, 5, 13, 50, tzinfo=BANGKOK)
    assert long_instant(instant) == "๕ มิถุนายน ๒๕๖๓ เวลา ๑๓.๕๐ น."


# -- registration numbers ----------------------------------------------------


@given(TWELVE)
def test_exactly_one_check_digit_is_right(twelve: str) -> None:
    """Of ten last digits one is accepted, so nine of ten slips of it are found (item 3)."""
    right = [digit for digit in range(10) if has_check_digit(f"{twelve}{digit}")]
    assert right == [check_digit(twelve)]


@given(TWELVE, st.integers(min_value=0, max_value=11), st.integers(min_value=1, max_value=9))
def test_where_one_wrong_digit_passes(twelve: str, place: int, step: int) -> None:
    """The number's own limits, no others: its third digit weighs 11 and so is not checked, and
    the remainders 0 and 10 share the check digit 1 (item 3)."""
    wrong = str((int(twelve[place]) + step) % 10)
    typed = f"{twelve[:place]}{wrong}{twelve[place + 1 :]}"
    if check_digit(typed) == check_digit(twelve):
        assert place == 2 or check_digit(twelve) == 1


@pytest.mark.parametrize("number", ["0105530041751", "0994000617721", "0115556023301"])
def test_known_juristic_numbers(number: str) -> None:
    """Numbers in public use are accepted, as juristic persons' only (item 3)."""
    assert is_juristic_id(number)
    assert is_juristic_id(f"{number[:12]}{(int(number[12]) + 1) % 10}") is False


@pytest.mark.parametrize(
    "text",
    ["", "110170020345", "11017002034500", "๑๑๐๑๗๐๐๒๐๓๔๕๐", "1-1017-00203-45-0", "110170020345O"],
)
def test_other_forms_are_no_number(text: str) -> None:
    """Twelve digits, Thai digits, dashes and letters are no identity number (bad input)."""
    assert not is_national_id(text)
    assert not is_juristic_id(text)


def test_kinds_of_persons_are_told_apart() -> None:
    """A person's number is no company's, and 9 leads no person's (item 3)."""
    assert is_national_id("1101700203450")
    assert not is_juristic_id("1101700203450")
    nobody = f"900000000000{check_digit('900000000000')}"
    assert has_check_digit(nobody)
    assert not is_national_id(nobody)


def test_identity_numbers_print_in_groups() -> None:
    """An identity number prints as on the card (item 3)."""
    assert grouped_id("1101700203450") == "๑ ๑๐๑๗ ๐๐๒๐๓ ๔๕ ๐"


# -- value-added tax ---------------------------------------------------------


@given(st.integers(min_value=0, max_value=10**12))
def test_vat_is_within_half_a_satang(satang: int) -> None:
    """Tax is seven per cent to the satang, halves up, never off by more than half (item 3)."""
    net = Decimal(satang) * CENT
    off = vat_on(net) - net * 7 / 100
    assert -CENT / 2 < off <= CENT / 2


@pytest.mark.parametrize(
    ("net", "vat"),
    [("100.00", "7.00"), ("0.07", "0.00"), ("0.08", "0.01"), ("1.50", "0.11"), ("2.50", "0.18")],
)
def test_vat_rounds_half_up(net: str, vat: str) -> None:
    """A third decimal of five counts up, less is dropped; not to the even satang (item 3)."""
    assert vat_on(Decimal(net)) == Decimal(vat)


# -- names -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["นายคมสัน ท่าเรือ", "น้ำผึ้ง แสนดี", "Café Bangkok", "เกี๊ยว", "บริษัท ก (๑๙๙๙) จำกัด"]
)
def test_ordinary_names_are_plain(name: str) -> None:
    """Names as people spell them are never refused (E1)."""
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name",
    ["เเสนดี", "นํา", "ก่่อน", "กิิน", "สอง  วรรค", " นำ", "ตาม ", "Cafe\u0301"],
    ids=["two-e", "nikhahit", "tone-twice", "vowel-twice", "spaces", "before", "after", "nfd"],
)
def test_names_that_only_look_the_same_are_refused(name: str) -> None:
    """Two names that look alike are alike, so nobody is issued another's document (bad input)."""
    assert not is_plain_name(name)
