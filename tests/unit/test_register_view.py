"""Viewing a register: order, filters, pages, how little is read; files for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.memory import MemoryLedger
from chalicelib.adapters.memory_deliveries import MemoryDeliveryStore
from chalicelib.domain.errors import InvalidRequestError
from chalicelib.domain.register_lines import HEADS, Line, columns_of, title_of
from chalicelib.domain.registers import (
    Entry,
    EntryState,
    Head,
    Register,
    Reserve,
    lay_out_block,
    lay_out_reservation,
)
from chalicelib.domain.thai import start_of_day
from chalicelib.handlers.register_models import read_cursor, write_cursor
from chalicelib.services.print_register import PrintingRoom, harmless, print_csv
from chalicelib.services.register_view import (
    Found,
    RegisterQuery,
    first_number_since,
    view_register,
)
from tests.support.samples import AGENCIES, LICENCE, NOON, SWEEP_AFTER, claim_of, document

REGISTER = Register("diw", "licence", 2026)
DIW = replace(AGENCIES[0], letter_prefix="อก ๐๓๐๒")
RESERVE = Reserve(
    reservation_id="R1", owner="clerk-1", reason="ประชุม", expires_at=NOON + timedelta(days=3)
)


class Reads:
    """The ledger, counting which reads are made and how many lines they return."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self.calls: Counter[str] = Counter()
        self.lines = 0

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._ledger, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            result = target(*args, **kwargs)
            if name == "entries":
                self.lines += len(result)
            return result

        return counted


def _entry(number: int, at: datetime, *, child: int = 0, **changes: Any) -> Entry:
    claim = claim_of(document(f"D{number}-{child}"))
    (entry,) = lay_out_block(REGISTER, Head(number - 1), [claim], at).entries
    return replace(entry, child=child, **changes)


def _ledger(*entries: Entry) -> MemoryLedger:
    """A register of these entries, as if they had come about."""
    ledger = MemoryLedger(sweep_after=SWEEP_AFTER)
    for entry in entries:
        ledger._entries[entry.register, *entry.position] = entry
    if entries:
        ledger._heads[REGISTER] = Head(max(e.number for e in entries), entries[-1].numbered_at)
    return ledger


def _days(count: int, per_day: int) -> list[Entry]:
    """Numbers of `count` days from NOON on, `per_day` on each."""
    return [
        _entry(day * per_day + position + 1, NOON + timedelta(days=day, minutes=position))
        for day in range(count)
        for position in range(per_day)
    ]


def _numbers(found: Found) -> list[tuple[int, int]]:
    return [line.entry.position for line in found.lines]


def _all_pages(query: RegisterQuery, ledger: Any) -> Iterator[tuple[int, int]]:
    """Follow the cursor to the end, through its printed form."""
    for _ in range(1_000):
        found = view_register(query, registers=ledger)
        assert len(found.lines) <= query.limit
        yield from _numbers(found)
        if found.next is None:
            return
        query = replace(query, after=read_cursor(write_cursor(found.next) or ""))
    raise AssertionError("the pages never end")


# -- order, filters, pages -------------------------------------------------------


@st.composite
def _registers(draw: st.DrawFn) -> list[Entry]:
    """Registers of several days with inserted numbers, reservations and ends."""
    at, entries = NOON, []
    for number in range(1, draw(st.integers(0, 25)) + 1):
        at += timedelta(hours=draw(st.sampled_from([0, 0, 1, 9, 30])))
        states = st.sampled_from(EntryState)
        subjects = st.sampled_from(["ขออนุญาต A", "ขออนุญาต B", ""])
        entries.append(_entry(number, at, state=draw(states), subject=draw(subjects)))
        for child in range(1, draw(st.sampled_from([0, 0, 0, 1, 2])) + 1):
            later = at + timedelta(days=5)
            entries.append(_entry(number, later, child=child, subject=draw(subjects)))
    return entries


def _dated(entry: Entry, entries: list[Entry]) -> datetime:
    return next(e.numbered_at for e in entries if e.position == (entry.number, 0))


_instants = st.none() | st.integers(-2, 60).map(lambda hours: NOON + timedelta(hours=hours))
_queries = st.builds(
    RegisterQuery,
    register=st.just(REGISTER),
    from_number=st.integers(1, 28),
    to_number=st.none() | st.integers(1, 28),
    since=_instants,
    before=_instants,
    subject=st.none() | st.sampled_from(["อนุญาต a", "B", "ไม่มี"]),
    state=st.none() | st.sampled_from(EntryState),
    limit=st.integers(1, 7),
    most_read=st.integers(8, 20),
    counterpart=st.none(),
    after=st.none(),
)


@settings(deadline=None)
@given(entries=_registers(), query=_queries)
def test_pages_hold_exactly_what_matches(entries: list[Entry], query: RegisterQuery) -> None:
    """Issue 3, item 9: all pages together are what reading everything would find, in order,
    each line once, whatever the filters and however little one request reads."""
    expected = [
        e.position
        for e in entries
        if e.number >= query.from_number
        and (query.to_number is None or e.number <= query.to_number)
        and (query.since is None or _dated(e, entries) >= query.since)
        and (query.before is None or _dated(e, entries) < query.before)
        and (query.subject is None or query.subject.lower() in e.subject.lower())
        and (query.state is None or e.state is query.state)
    ]
    assert list(_all_pages(query, _ledger(*entries))) == expected


def test_the_other_side_is_found_in_any_case() -> None:
    """Issue 3, item 9: search by counterpart."""
    ledger = _ledger(
        _entry(1, NOON, counterpart="Siam Juice Co., Ltd."), _entry(2, NOON, counterpart="กรม")
    )
    query = RegisterQuery(register=REGISTER, counterpart="siam juice")
    assert _numbers(view_register(query, registers=ledger)) == [(1, 0)]


# -- how little is read ------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 100, 2_500])
def test_a_day_is_found_without_reading_what_lies_before_it(count: int) -> None:
    """Issue 3, item 9: the first line of a day costs at most log2(n) + 1 point reads and one
    page, not a walk through the year."""
    reads = Reads(_ledger(*_days(count, 4)))
    query = RegisterQuery(
        register=REGISTER, since=start_of_day((NOON + timedelta(days=count - 1)).date()), limit=10
    )
    found = view_register(query, registers=reads)
    assert _numbers(found) == [((count - 1) * 4 + i, 0) for i in range(1, 5)]
    assert reads.calls["entry"] <= (4 * count).bit_length() + 1
    assert reads.lines <= query.limit + 1
    assert set(reads.calls) <= {"head", "entry", "entries"}


def test_one_request_reads_a_bounded_number_of_lines() -> None:
    """Issue 3, item 9: where nothing matches, the answer is an empty page and a cursor."""
    reads = Reads(_ledger(*_days(2_500, 1)))
    query = RegisterQuery(register=REGISTER, subject="ไม่มีเรื่องนี้")
    found = view_register(query, registers=reads)
    assert found == Found((), (1_000, 0))
    assert reads.lines == 1_001  # and whether anything follows
    assert list(_all_pages(query, reads)) == []


@given(hours=st.integers(-1, 100), gaps=st.lists(st.integers(0, 20), max_size=30))
def test_the_first_number_of_an_instant_is_the_first(hours: int, gaps: list[int]) -> None:
    """P1: time in a register never runs backwards, so halving finds what walking would."""
    at, entries = NOON, []
    for number, gap in enumerate(gaps, start=1):
        at += timedelta(hours=gap)
        entries.append(_entry(number, at))
    instant = NOON + timedelta(hours=hours)
    walked = [e.number for e in entries if e.numbered_at >= instant]
    found = first_number_since(instant, REGISTER, _ledger(*entries))
    assert found == (walked[0] if walked else len(entries) + 1)


def test_a_lost_entry_hides_no_other() -> None:
    """P7: a register that somebody damaged is still shown, so that officers see it."""
    ledger = _ledger(*_days(5, 4))
    del ledger._entries[REGISTER, 10, 0]
    query = RegisterQuery(register=REGISTER, since=start_of_day((NOON + timedelta(days=3)).date()))
    expected = [(n, 0) for n in range(13, 21)]
    assert _numbers(view_register(query, registers=ledger)) == expected


# -- what a line says ---------------------------------------------------------------


def _columns(entry: Entry, dated_at: datetime = NOON) -> dict[str, str]:
    columns = columns_of(Line(entry, dated_at), DIW)
    return dict(zip(HEADS, columns.texts, strict=True))


def test_an_ordinary_line() -> None:
    """A16, A25: the eight columns, in Thai digits and Buddhist years."""
    assert _columns(_entry(12, NOON, state=EntryState.ISSUED)) == {
        "เลขทะเบียน": "๑๒",
        "ที่": "๑๒/๒๕๖๙",
        "ลงวันที่": "๒๑ พฤศจิกายน ๒๕๖๙",
        "จาก": "กรมโรงงานอุตสาหกรรม",
        "ถึง": "บริษัท น้ำผลไม้บางพลี จำกัด",
        "เรื่อง": "ใบอนุญาต",
        "การปฏิบัติ": "ออกเอกสารแล้ว",
        "หมายเหตุ": "",
    }


def test_a_letter_bears_the_agencys_prefix() -> None:
    """domain.md: letters and circulars print as the agency writes them; who receives is on
    the other side in the receive register."""
    for book, printed in (
        ("send", "อก ๐๓๐๒/๗"),
        ("circular", "อก ๐๓๐๒/ว ๗"),
        ("receive", "๗/๒๕๖๙"),
    ):
        entry = _entry(7, NOON, register=Register("diw", book, 2026))
        line = _columns(entry)
        assert line["ที่"] == printed
        sides = {line["จาก"], line["ถึง"]}
        assert sides == {"กรมโรงงานอุตสาหกรรม", "บริษัท น้ำผลไม้บางพลี จำกัด"}
        assert (line["ถึง"] == "กรมโรงงานอุตสาหกรรม") is (book == "receive")


def test_an_inserted_number_shows_its_real_time() -> None:
    """Issue 3, item 3: เลขแทรก bears its parent's date, and beside it when it was really given."""
    late = NOON + timedelta(days=2, hours=3)
    line = _columns(_entry(12, late, child=1))
    assert (line["เลขทะเบียน"], line["ที่"]) == ("๑๒/๑", "๑๒/๑/๒๕๖๙")
    assert line["ลงวันที่"] == "๒๑ พฤศจิกายน ๒๕๖๙"
    assert line["หมายเหตุ"] == "เลขแทรก ออกเลขจริงเมื่อ ๒๓ พฤศจิกายน ๒๕๖๙ เวลา ๑๕.๐๐ น."


def test_a_reservation_shows_owner_reason_and_end() -> None:
    """Issue 3, item 3: reserved numbers are visible entries with owner, reason and expiry."""
    (entry,) = lay_out_reservation(REGISTER, Head(), RESERVE, ["5a" * 32], NOON).entries
    line = _columns(entry)
    assert (line["เรื่อง"], line["การปฏิบัติ"]) == ("ประชุม", "จองเลข")
    assert line["หมายเหตุ"] == "จองโดย clerk-1 ใช้ได้ก่อน ๒๔ พฤศจิกายน ๒๕๖๙ เวลา ๑๒.๐๐ น."


@pytest.mark.parametrize(
    ("changes", "remarks"),
    [
        (
            {"state": EntryState.VOID, "reason": "reservation_expired"},
            "จองโดย clerk-1 ไม่ได้ใช้ภายในกำหนดที่จอง เมื่อ ๒๔ พฤศจิกายน ๒๕๖๙ เวลา ๑๒.๐๐ น.",
        ),
        (
            {"state": EntryState.ISSUED, "document_id": "D1"},
            "ใช้เลขที่จองไว้ ออกจริงเมื่อ ๒๔ พฤศจิกายน ๒๕๖๙ เวลา ๑๒.๐๐ น.",
        ),
    ],
)
def test_a_reservation_shows_how_it_ended(changes: dict[str, Any], remarks: str) -> None:
    """P1, P4: a number taken ahead ends as used, with the real time, or void with a reason."""
    (entry,) = lay_out_reservation(REGISTER, Head(), RESERVE, ["5a" * 32], NOON).entries
    ended = replace(entry, ended_at=NOON + timedelta(days=3), **changes)
    assert _columns(ended)["หมายเหตุ"] == remarks


def test_a_void_of_unknown_reason_still_names_its_code() -> None:
    """P4: a reason that this version cannot translate is shown, not swallowed."""
    entry = _entry(1, NOON, state=EntryState.VOID, reason="moon_phase")
    assert _columns(entry)["หมายเหตุ"] == "เหตุ moon_phase"


def test_an_agency_without_prefix_shows_no_invented_number() -> None:
    """P2: no other number stands in the place of one that cannot be printed."""
    entry = _entry(1, NOON, register=Register("diw", "send", 2026))
    assert columns_of(Line(entry, NOON), AGENCIES[0]).letter_number == ""


def test_every_book_has_a_name() -> None:
    """glossary: the register's name is on its print."""
    books = ("send", "receive", "circular", "licence", "other")
    titles = [title_of(Register("diw", book, 2026), [LICENCE]) for book in books]
    assert titles == [
        "ทะเบียนหนังสือส่ง",
        "ทะเบียนหนังสือรับ",
        "ทะเบียนหนังสือเวียน",
        "ทะเบียนใบอนุญาต",
        "ทะเบียน other",
    ]


# -- for spreadsheets ------------------------------------------------------------------


_SIGNS = "=+-@＝＋－＠"


@given(
    lead=st.text(alphabet=" \u00a0\u200b\u2060\t\r\n" + _SIGNS + "'", max_size=4),
    rest=st.text(max_size=20),
)
def test_no_cell_is_a_formula_and_every_text_comes_back(lead: str, rest: str) -> None:
    """Issue 3, item 8: whatever stands in a cell, no spreadsheet computes it, and the text can
    be had back by taking one apostrophe away."""
    cell = lead + rest
    made = harmless(cell)
    assert (made.removeprefix("'") if made.startswith("'") else made) == cell
    seen = made.lstrip(" \u00a0\u200b\u2060")
    assert not seen.startswith((*_SIGNS, "\t", "\r", "\n"))
    assert not made.startswith(("\t", "\r", "\n"))


@pytest.mark.parametrize(
    "cell", ["=1+1", "+66", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠x", " =1"]
)
def test_each_way_into_a_formula_is_closed(cell: str) -> None:
    """Issue 3, item 8: the known ways (OWASP, CSV injection), each by name."""
    assert harmless(cell) == f"'{cell}"


def test_ordinary_cells_stay_as_they_are() -> None:
    """Issue 3, item 8: nothing is added to a text that needs nothing."""
    for cell in ("", "ใบอนุญาต", "๑๒/๑", "a=b", "นร ๐๕๐๕/๑๒"):
        assert harmless(cell) == cell


def _room(ledger: MemoryLedger) -> PrintingRoom:
    class Types:
        def get(self, _name: str, _version: int | None = None) -> None:
            return None

        def all(self) -> tuple[()]:
            return ()

    return PrintingRoom(
        registers=ledger,
        deliveries=MemoryDeliveryStore(ledger),
        types=Types(),
        printer=None,  # type: ignore[arg-type]  # a spreadsheet needs none
        clock=lambda: NOON,
    )


@settings(deadline=None)
@given(
    subjects=st.lists(
        st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30), max_size=4
    )
)
def test_a_csv_reads_back_cell_by_cell(subjects: list[str]) -> None:
    """Issue 3, item 8: UTF-8 with mark, CRLF, and quotes where needed: every reader gets the
    same cells, whatever was written into them."""
    entries = [_entry(n, NOON, subject=s) for n, s in enumerate(subjects, start=1)]
    query = RegisterQuery(register=REGISTER)
    printed = print_csv(query, DIW, room=_room(_ledger(*entries)))
    assert printed.text.startswith("\ufeffเลขทะเบียน,ที่,ลงวันที่,")
    assert printed.text.endswith("\r\n")
    head, *rows = csv.reader(io.StringIO(printed.text.removeprefix("\ufeff"), newline=""))
    assert tuple(head) == HEADS
    assert [row[5] for row in rows] == [harmless(subject) for subject in subjects]


def test_a_csv_goes_on_in_the_next_file() -> None:
    """A25: a year too long for one file is cut, and the next file begins where it ends."""
    ledger = _ledger(*_days(5_003, 1))
    query = RegisterQuery(register=REGISTER)
    first = print_csv(query, DIW, room=_room(ledger))
    assert first.next == (5_000, 0)
    second = print_csv(replace(query, after=first.next), DIW, room=_room(ledger))
    assert second.next is None
    assert [text.text.count("\r\n") for text in (first, second)] == [5_001, 4]


def test_a_file_is_never_larger_than_an_answer_may_be() -> None:
    """A25: long texts make a file end earlier, and nothing is lost between two files."""
    ledger = _ledger(*(_entry(n, NOON, subject="ฉ" * 2_000) for n in range(1, 701)))
    query = RegisterQuery(register=REGISTER)
    rows = 0
    while True:
        printed = print_csv(query, DIW, room=_room(ledger))
        assert len(printed.text.encode()) < 2_500_000
        rows += printed.text.count("\r\n") - 1
        if printed.next is None:
            break
        query = replace(query, after=printed.next)
    assert rows == 700


# -- cursors -----------------------------------------------------------------------------


@given(number=st.integers(0, 10**9), child=st.integers(0, 9_999))
def test_cursors_come_back(number: int, child: int) -> None:
    """api.md: a cursor is opaque and leads on to where it was given."""
    assert read_cursor(write_cursor((number, child)) or "") == (number, child)


@pytest.mark.parametrize("cursor", ["", "a", "MTI", "MTIuMA==", "LTEuMA", "MS4yLjM", "๑", "MS4 w"])
def test_no_other_text_is_a_cursor(cursor: str) -> None:
    """P4: a cursor that was not given out is refused, never taken for the beginning."""
    with pytest.raises(InvalidRequestError) as refused:
        read_cursor(cursor)
    assert [fault.pointer for fault in refused.value.faults] == ["/cursor"]


def test_midnight_is_bangkoks() -> None:
    """A18: a day of the register is a day in Asia/Bangkok."""
    midnight = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
    ledger = _ledger(_entry(1, midnight - timedelta(milliseconds=1)), _entry(2, midnight))
    query = RegisterQuery(register=REGISTER, before=start_of_day(NOON.date() + timedelta(days=1)))
    assert _numbers(view_register(query, registers=ledger)) == [(1, 0)]
