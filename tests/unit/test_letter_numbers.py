"""Letter numbers: all real forms are read, one form is printed, every fault has its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.letter_numbers import (
    LetterNumber,
    LetterNumberError,
    LetterPrefix,
    print_inserted,
)
from chalicelib.domain.thai import to_arabic_digits, to_thai_digits

SAMPLES = (Path(__file__).parent / "vectors" / "letter_numbers.txt").read_text("utf-8").splitlines()
SHARED = Path(__file__).parents[3] / "shared" / "data" / "letter_numbers.txt"

_LETTERS = st.text("กขคงจชดตทนบปพมยรลวศสหอฮเแโ", min_size=1, max_size=5)
_DOTTED = st.lists(_LETTERS, min_size=1, max_size=3).map(".".join)
_ABBREVIATIONS = _LETTERS | _DOTTED | _DOTTED.map(lambda letters: f"{letters}.")
_CODES = st.from_regex(r"\A[0-9]{1,5}(\.[0-9]{1,2}){0,2}\Z")
_COUNTS = st.integers(1, 10**9)
_PREFIXES = st.builds(LetterPrefix, _ABBREVIATIONS, _CODES, st.none() | _ABBREVIATIONS)


@st.composite
def _letter_numbers(draw: st.DrawFn) -> LetterNumber:
    number = draw(_COUNTS)
    circular = draw(st.booleans())
    padding = draw(st.integers(0, 2))
    return LetterNumber(
        prefix=draw(_PREFIXES),
        number=number,
        width=len(str(number)) + padding if padding else 0,
        circular=circular,
        mark=draw(st.none() | _ABBREVIATIONS) if circular else None,
        child=draw(st.none() | st.integers(1, 999)),
    )


@st.composite
def _as_people_write(draw: st.DrawFn, printed: str) -> str:
    """The same with stray spaces wherever none would part a word or a number, and with
    each digit in either script."""
    pieces = re.findall(r"[0-9๐-๙]+|[ก-ฮเ-๎.]+|.", printed)
    spaces = st.text(" \u00a0\u2009\u200b\u200d\ufeff", max_size=2)
    digits = [
        "".join(draw(st.sampled_from([to_arabic_digits(c), to_thai_digits(c)])) for c in piece)
        for piece in pieces
    ]
    return draw(spaces) + "".join(piece + draw(spaces) for piece in digits)


# -- reading and printing --------------------------------------------------------


@pytest.mark.parametrize("text", SAMPLES)
def test_every_form_of_the_field_is_read_and_printed(text: str) -> None:
    """domain.md A: letter numbers as really written parse and print back."""
    letter_number = LetterNumber.parse(text)
    assert letter_number.printed.replace(" ", "") == text.replace(" ", "")
    assert LetterNumber.parse(letter_number.printed) == letter_number


@pytest.mark.skipif(not SHARED.exists(), reason="the house's own samples are not beside this tree")
def test_the_samples_of_the_house_are_read() -> None:
    """domain.md A: the project's own list lacks none of the house's."""
    lines = SHARED.read_text("utf-8").splitlines()
    assert lines
    for text in lines:
        assert LetterNumber.parse(text).printed.replace(" ", "") == text.replace(" ", "")
    assert set(lines) <= set(SAMPLES)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("นร 0505/17121", "นร ๐๕๐๕/๑๗๑๒๑"),
        ("  นร๐๕๐๕ / ๑๗1๒1 ", "นร ๐๕๐๕/๑๗๑๒๑"),
        ("นร ๐๕๐๖/ว (ล) ๑๑๕๖๑", "นร ๐๕๐๖/ว(ล) ๑๑๕๖๑"),
        ("นร ๐๕๐๖/ ว( ล )๑๑๕๖๑", "นร ๐๕๐๖/ว(ล) ๑๑๕๖๑"),
        ("มท ๐๒๐๑ . ๒/ว๑๕๙๐", "มท ๐๒๐๑.๒/ว ๑๕๙๐"),
        ("คค(ปคร)0210/154", "คค (ปคร) ๐๒๑๐/๑๕๔"),
        ("ดศ (สพธอ) 511.04/0335", "ดศ (สพธอ) ๕๑๑.๐๔/๐๓๓๕"),
        ("พณ\u00a0๐๘๐๓/\u200b๒๐๕๖\ufeff", "พณ ๐๘๐๓/๒๐๕๖"),
        ("นร (ก.พ.ร.) ๑๒๐๐/๕๕", "นร (ก.พ.ร.) ๑๒๐๐/๕๕"),
        ("นร ๐๕๐๕/12/1", "นร ๐๕๐๕/๑๒/๑"),
        ("นร ๐๕๐๕/ว 12 / 01", "นร ๐๕๐๕/ว ๑๒/๑"),
        ("นร ๐๕๐๕/ล12", "นร ๐๕๐๕/ล ๑๒"),
        ("นร ๐๕๐๕/ล ๑๒/1", "นร ๐๕๐๕/ล ๑๒/๑"),
    ],
)
def test_what_is_read_loosely_is_printed_in_one_way(text: str, printed: str) -> None:
    """Issue 3.1: tolerant of stray spaces and mixed digits, strict in output."""
    assert LetterNumber.parse(text).printed == printed


def test_the_parts_of_a_letter_number() -> None:
    """domain.md A: ministry, department, code, circular, mark, number, child."""
    assert LetterNumber.parse("นร (ก) ๐๕๐๖.๑/ว(ล) ๐๑๑๕๖๑/๒") == LetterNumber(
        prefix=LetterPrefix("นร", "0506.1", "ก"),
        number=11561,
        width=6,
        circular=True,
        mark="ล",
        child=2,
    )


@given(_letter_numbers())
def test_printing_and_reading_are_inverse(letter_number: LetterNumber) -> None:
    """Issue 3.1: parse(print(x)) == x."""
    assert LetterNumber.parse(letter_number.printed) == letter_number


@given(st.data())
def test_reading_forgives_spaces_and_scripts(data: st.DataObject) -> None:
    """Issue 3.1: however it is spaced and whatever the digits, it is the same number."""
    letter_number = data.draw(_letter_numbers())
    text = data.draw(_as_people_write(letter_number.printed))
    assert LetterNumber.parse(text) == letter_number


@given(st.text("นรวล()๐๕0 5./ก่x\n", max_size=14) | st.text(max_size=8))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    """Issue 3.1: print(parse(text)) is idempotent; else the fault lies within the text."""
    result = _read(text)
    if isinstance(result, LetterNumberError):
        assert 0 <= result.position <= len(text)
    else:
        assert LetterNumber.parse(result.printed).printed == result.printed


def _read(text: str) -> LetterNumber | LetterNumberError:
    try:
        return LetterNumber.parse(text)
    except LetterNumberError as error:
        return error


@given(_PREFIXES)
def test_prefixes_are_inverse_too(prefix: LetterPrefix) -> None:
    """domain.md A: an agency's prefix in the directory is read the same way."""
    assert LetterPrefix.parse(prefix.printed) == prefix


# -- faults ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("   ", 3),
        ("๐๕๐๕/๑๗๑๒๑", 0),
        ("NR 0505/1", 0),
        ("นร", 2),
        ("นร /๑", 3),
        ("นร ๐๕๐๕", 7),
        ("นร ๐๕๐๕/", 8),
        ("นร ๐๕๐๕ ๑๗๑๒๑", 8),
        ("นร ๐๕๐๕/๑๗ ๑๒๑", 11),
        ("นร ๐๕๐๕/๑๗๑๒๑ก", 13),
        ("นร ๐๕๐๕/๐", 8),
        ("นร ๐๕๐๕/ ๐๐๐", 9),
        ("นร ๐๕๐๕/๑๒/๐", 11),
        ("นร ๐๕๐๕/๑๒/๑/๑", 12),
        ("นร ๐๕๐๕./๑", 8),
        ("นร .๐๕๐๕/๑", 3),
        ("นร () ๐๕๐๕/๑", 4),
        ("นร (ก ๐๕๐๕/๑", 6),
        ("นร (ก) (ข) ๐๕๐๕/๑", 7),
        ("นร ๐๕๐๖/ว(ล ๑", 12),
        ("นร ๐๕๐๖/ท ๑", 8),
        ("นร ๐๕๐๖/วว ๑", 9),
        ("นร ๐๕๐๖/(ล) ๑", 8),
        ("น ร ๐๕๐๕/๑", 2),
        ("นร ๐๕๐๕/-๑", 8),
        ("นร ๐๕๐๕/\uff11", 8),
        ("นร ๐๕๐๕/\n๑", 8),
        ("นร ๐๕๐๕\t/๑", 7),
        ("่นร ๐๕๐๕/๑", 0),
        ("นร ๐๕๐๕/1234567890123", 20),
        ("นร 0000000000000/1", 15),
        ("นร 000000.000000/1", 3),
        ("น" * 201, 200),
    ],
)
def test_every_fault_is_shown_where_it_is(text: str, position: int) -> None:
    """Issue 3.1: an unparseable one is refused with the position of the fault (from 0)."""
    with pytest.raises(LetterNumberError) as raised:
        LetterNumber.parse(text)
    error = raised.value
    assert error.position == position
    assert error.code == "bad_letter_number"
    assert f"character {position + 1}:" in error.detail
    assert f"อักขระที่ {position + 1}:" in error.detail_th


def test_the_message_repeats_nothing_of_the_text() -> None:
    """P6: an error goes into logs, and what people paste may be anything."""
    with pytest.raises(LetterNumberError) as raised:
        LetterNumber.parse("นร ๐๕๐๕/สมชาย")
    assert "สมชาย" not in raised.value.detail + raised.value.detail_th


def test_a_prefix_ends_before_the_slash() -> None:
    """domain.md A: a whole letter number is not a prefix."""
    with pytest.raises(LetterNumberError) as raised:
        LetterPrefix.parse("นร ๐๕๐๕/๑")
    assert raised.value.position == 7


PREFIX = LetterPrefix("นร", "0505")


@pytest.mark.parametrize(
    "make",
    [
        lambda: LetterNumber(prefix=PREFIX, number=0),
        lambda: LetterNumber(prefix=PREFIX, number=10**12),
        lambda: LetterNumber(prefix=PREFIX, number=1, child=0),
        lambda: LetterNumber(prefix=PREFIX, number=12, width=2),
        lambda: LetterNumber(prefix=PREFIX, number=12, width=13),
        lambda: LetterNumber(prefix=PREFIX, number=1, mark="ล"),
        lambda: LetterNumber(prefix=PREFIX, number=1, circular=True, mark="(ล)"),
        lambda: LetterPrefix("NR", "0505"),
        lambda: LetterPrefix("", "0505"),
        lambda: LetterPrefix("นร", "๐๕๐๕"),
        lambda: LetterPrefix("นร", "0505."),
        lambda: LetterPrefix("นร", ""),
        lambda: LetterPrefix("นร", "0505", ""),
        lambda: LetterPrefix("นร", "0" * 13),
    ],
)
def test_what_could_not_be_read_back_cannot_be_made(make: object) -> None:
    """Issue 3.1: strict in output, by construction."""
    assert callable(make)
    with pytest.raises(ValueError, match=r"letter numbers|width|mark|abbreviation|code"):
        make()


# -- inserted numbers --------------------------------------------------------------


def test_inserted_numbers_print_behind_their_parent() -> None:
    """Issue 3.3: เลขแทรก is a child of its entry, printed 12/1."""
    assert print_inserted(12, 1) == "๑๒/๑"
    child = LetterNumber(prefix=PREFIX, number=12, child=1)
    assert child.printed == f"{PREFIX.printed}/{print_inserted(12, 1)}"


@pytest.mark.parametrize(("number", "child"), [(0, 1), (12, 0), (-1, 1)])
def test_inserted_numbers_count_from_one(number: int, child: int) -> None:
    """P1: there is no entry 0 to insert after, and no child 0."""
    with pytest.raises(ValueError, match="from 1"):
        print_inserted(number, child)
