"""Batches without anything around them: identities, places, what is kept of a line."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from chalicelib.domain.batches import (
    CHUNK,
    MOST_LINES,
    Batch,
    BatchFile,
    BatchRef,
    BatchState,
    BatchWork,
    Checked,
    CheckedLine,
    OnError,
    Segment,
    Start,
    kept_lines,
    numbers_given,
    segment_at,
    spell_lines,
)
from chalicelib.domain.documents import Classification, Urgency
from chalicelib.domain.registers import Book, Head, Hold
from chalicelib.services.check_batch import business_digest
from chalicelib.services.seal_chunk import LEASE
from tests.support.samples import LICENCE, NOON

ROOT = Path(__file__).parent.parent.parent
LINE = CheckedLine(
    number=3,
    content={"holder": {"name": "บริษัท\u2028ทดสอบ จำกัด"}},
    recipients=("dbd",),
    classification=Classification.NORMAL,
    urgency=Urgency.ROUTINE,
    valid_from=date(2026, 12, 1),
    valid_until=None,
    retention_years=10,
    subject="ใบอนุญาต",
    counterpart="บริษัท",
)


def _batch(**changes: object) -> Batch:
    batch = Batch(
        batch_id="B1",
        agency_id="diw",
        submitted_by="app-1",
        created_at=NOON,
        document_type="licence",
        type_version=1,
        book=Book("diw", "licence"),
        file=BatchFile(format="jsonl"),
        on_error=OnError.ALL_OR_NOTHING,
        start=Start.AUTOMATIC,
        defaults={},
        secret=bytes(range(32)),
        state=BatchState.ISSUING,
        history=((BatchState.AWAITING_UPLOAD, NOON),),
    )
    return replace(batch, **changes)  # type: ignore[arg-type]  # of the batch's own fields


def test_documents_are_the_same_every_time_and_in_file_order() -> None:
    """P8, ADR 28: whoever derives a document derives the same one; ids sort as the file does."""
    batch = _batch()
    assert batch.document(7, LINE) == _batch().document(7, LINE)
    places = [*range(300), MOST_LINES - 1]
    ids = [batch.document_id(place) for place in places]
    assert ids == sorted(ids)
    made = [batch.document(place, LINE) for place in places]
    for of in ("document_id", "salt", "verification_code"):
        assert len({getattr(document, of) for document in made}) == len(places)
    assert {len(i) for i in ids} == {26}
    assert (len(made[0].salt), len(made[0].verification_code)) == (64, 26)


def test_another_secret_makes_other_documents() -> None:
    """P7: salts and codes cannot be guessed from what is public of a batch."""
    one, other = _batch().document(0, LINE), _batch(secret=bytes(32)).document(0, LINE)
    assert one.content_digest == other.content_digest
    assert {one.salt, one.verification_code, one.document_id}.isdisjoint(
        {other.salt, other.verification_code, other.document_id}
    )
    assert "secret" not in repr(_batch())


def test_a_kept_line_reads_back_equal() -> None:
    """P2: what was checked is what is numbered, line ends of other alphabets included."""
    kept = spell_lines([LINE, replace(LINE, number=4)])
    assert kept.count(b"\n") == 2
    assert [line.number for line in kept_lines(kept)] == [3, 4]
    assert next(kept_lines(kept)) == LINE


def test_places_lie_in_segments_and_chunks() -> None:
    """Issue 5 item 4: every document is in one segment and one chunk; bad lines leave none."""
    segments = (Segment(2, ""), Segment(0, ""), Segment(40, ""))
    batch = _batch(checked=Checked(segments=segments), numbered=42)
    assert [segment_at(batch, place) for place in (0, 1, 2, 41)] == [(0, 0), (0, 0), (2, 2), (2, 2)]
    with pytest.raises(ValueError, match="no document"):
        segment_at(batch, 42)
    chunks = [list(batch.places(chunk)) for chunk in range(batch.chunks)]
    assert [place for chunk in chunks for place in chunk] == list(range(42))
    assert {len(chunk) for chunk in chunks} == {CHUNK, 2}


def test_the_head_says_how_many_numbers_were_given() -> None:
    """P1: there is one count, and it is the register's."""
    batch = _batch(hold=Hold("diw/B1", 10, NOON), numbered=0)
    assert numbers_given(batch, Head(15, NOON, hold=batch.hold)) == 5
    assert numbers_given(replace(batch, numbered=9), Head(99, NOON)) == 9
    assert numbers_given(batch, Head(99, NOON, hold=Hold("diw/B2", 19, NOON))) == 0


@pytest.mark.parametrize(
    "work", [BatchWork(BatchRef("diw", "B1")), BatchWork(BatchRef("a", "b"), 12)]
)
def test_work_reads_back_equal(work: BatchWork) -> None:
    """P8: a message says its batch and chunk, and nothing else."""
    assert BatchWork.parse(str(work)) == work
    for bad in ("B1", "diw/", "diw/B1#x", "a/b/c"):
        with pytest.raises(ValueError, match=r"named|unpack|invalid literal"):
            BatchWork.parse(bad)


def test_a_business_key_is_one_case_however_it_is_spelt() -> None:
    """Issue 5: duplicates are found whatever spaces and composition; half a key is none."""
    kind = replace(LICENCE, business_key=("/holder/name", "/factory"))
    secret = bytes(32)

    def digest(name: object, factory: object) -> bytes | None:
        return business_digest(kind, {"holder": {"name": name}, "factory": factory}, secret)

    assert digest("caf\u00e9", "1") == digest(" cafe\u0301 ", "1")
    assert digest("a", "bc") != digest("ab", "c")
    assert digest("a", "") is None
    assert digest(None, "1") is None
    assert business_digest(LICENCE, {"holder": {"name": "a"}}, secret) is None


def test_a_lease_outlives_its_worker() -> None:
    """ADR 29: who took a chunk is gone before somebody else may take it."""
    config = json.loads((ROOT / ".chalice/config.json").read_text(encoding="utf-8"))
    seconds = config["lambda_functions"]["seal"]["lambda_timeout"]
    assert timedelta(seconds=2 * seconds) <= LEASE
