"""Blocks, years and printed numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.registers import (
    Book,
    Head,
    Register,
    lay_out_block,
    numbering_of,
    print_number,
)
from chalicelib.domain.retention import retain_until
from chalicelib.services.number import _blocks
from tests.support.samples import NOON, claim_of, document

MIDNIGHT = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
"""1 January 2027, 00:00 in Bangkok."""


@given(after=st.integers(0, 10**6), size=st.integers(1, 49))
def test_a_block_is_contiguous_from_the_head(after: int, size: int) -> None:
    """P1: entries are numbered after+1 … after+size, in the order of the claims."""
    claims = [claim_of(document(f"D{n}")) for n in range(size)]
    block = lay_out_block(Book("diw", "licence").at(NOON), Head(after), claims, NOON)
    assert [e.number for e in block.entries] == list(range(after + 1, after + size + 1))
    assert [e.document_id for e in block.entries] == [c.document_id for c in claims]
    assert [e.content_digest for e in block.entries] == [c.content_digest for c in claims]
    assert block.last == after + size


def test_the_year_turns_at_midnight_in_bangkok() -> None:
    """A18, A22: a millisecond before midnight in Bangkok is the old year, midnight the new."""
    book = Book("diw", "licence")
    assert book.at(MIDNIGHT - timedelta(milliseconds=1)).register_id == "diw/licence/2026"
    assert book.at(MIDNIGHT).register_id == "diw/licence/2027"


@pytest.mark.parametrize(
    ("number", "year", "printed"), [(1, 2026, "๑/๒๕๖๙"), (17121, 2027, "๑๗๑๒๑/๒๕๗๐")]
)
def test_numbers_print_in_thai_digits_and_buddhist_years(
    number: int, year: int, printed: str
) -> None:
    """glossary: printed numbers use Thai digits and BE = CE + 543."""
    assert print_number(Register("diw", "licence", year), number, 0, None) == printed


def test_an_entry_tells_its_document_what_it_got() -> None:
    """P2: the document's numbering repeats its entry, nothing else."""
    claim = claim_of(document())
    (entry,) = lay_out_block(Book("diw", "licence").at(NOON), Head(6), [claim], NOON).entries
    numbering = numbering_of(entry)
    assert (numbering.year, numbering.number, numbering.printed) == (2026, 7, "๗/๒๕๖๙")
    assert numbering.numbered_at == NOON


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(1, 100))
def test_retention_never_ends_early(naive: datetime, years: int) -> None:
    """A26, A27: files are kept at least the full period, to the end of a calendar year."""
    issued = naive.replace(tzinfo=UTC)
    until = retain_until(issued, years)
    assert until - issued >= timedelta(days=365 * years)
    assert (until.month, until.day, until.hour) == (12, 31, 23)


def test_a_retention_of_nothing_is_refused() -> None:
    """A26: a period below a year is a mistake, not a rule."""
    with pytest.raises(ValueError, match="less than a year"):
        retain_until(NOON, 0)


@pytest.mark.parametrize(
    ("book", "child", "printed"),
    [
        ("licence", 1, "๑๒/๑/๒๕๖๙"),
        ("send", 0, "นร ๐๕๐๕/๑๒"),
        ("send", 1, "นร ๐๕๐๕/๑๒/๑"),
        ("circular", 0, "นร ๐๕๐๕/ว ๑๒"),
    ],
)
def test_each_book_prints_its_numbers(book: str, child: int, printed: str) -> None:
    """domain.md: letters carry the agency's prefix, circulars ว, inserted numbers their parent."""
    assert print_number(Register("slc", book, 2026), 12, child, "นร ๐๕๐๕") == printed


def test_time_in_a_register_never_runs_backwards() -> None:
    """A18: a writer whose clock is late numbers at the instant of the last number."""
    late = NOON - timedelta(seconds=5)
    head = Head(6, NOON)
    block = lay_out_block(Book("diw", "licence").at(late), head, [claim_of(document())], late)
    assert block.entries[0].numbered_at == NOON


def test_a_block_holds_what_a_transaction_can() -> None:
    """P1: neither 100 items nor 4 MB are exceeded, and a run is never torn apart."""
    small = [document(f"S{n:03d}") for n in range(60)]
    large = [document(f"L{n}", content={"text": "ก" * 100_000}) for n in range(8)]
    run = tuple(f"R{n:02d}" for n in range(40))
    member = replace(document("R07"), run=run)
    known = {d.document_id: d for d in (*small, *large, member)}
    blocks = list(_blocks([*known, "gone"], known))
    assert [i for block in blocks for i in block] == [
        *(d.document_id for d in (*small, *large)),
        *run,
        "gone",
    ]
    assert all(len(block) <= 49 for block in blocks)
    assert max(sum(known[i].weight for i in b if i in known) for b in blocks) <= 3_000_000
    assert sum(set(run) <= set(block) for block in blocks) == 1
