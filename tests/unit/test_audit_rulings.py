"""The audit on fakes: rulings in documents, entries, status lists, outcome log and archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.documents import Decision
from chalicelib.domain.findings import Fault, Report
from chalicelib.domain.registers import Register
from chalicelib.domain.retention import LockMode
from chalicelib.domain.standing import REASONS_FOR, RulingKind
from chalicelib.services.audit import audit
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.revoke import rule
from tests.fault.harness import World
from tests.support.samples import document

REGISTER = Register("diw", "licence", 2026)
KEY = "rulings/diw/licence/2026/D1/1.jws"


class Site(World):
    """D0 untouched, D1 revoked, D2 suspended and reinstated, all told and checkpointed."""

    def __init__(self) -> None:
        super().__init__()
        self.accept(*(document(f"D{n}", recipients=("dbd",)) for n in range(3)))
        self.run_to_rest()
        self.rule("D1", RulingKind.REVOKED)
        self.rule("D2", RulingKind.SUSPENDED)
        self.rule("D2", RulingKind.REINSTATED)
        self.run_to_rest()
        assert not checkpoint_all(room=self.fakes.house().checkpoint_room).failed

    def rule(self, document_id: str, kind: RulingKind) -> None:
        decision = Decision(
            kind=kind,
            reason_code=REASONS_FOR[kind][0],
            reason="เหตุผล",
            by="approver-1",
            agency_id="diw",
        )
        rule(document_id, decision, None, bench=self.fakes.house().bench)

    def audit(self) -> Report:
        return audit(REGISTER, room=self.fakes.house().audit_room)

    # -- planting ------------------------------------------------------------

    def change_document(self, document_id: str, **changes: object) -> None:
        kept = self.fakes.ledger._documents
        kept[document_id] = replace(kept[document_id], **changes)  # type: ignore[arg-type]  # any field

    def change_entry(self, number: int, **changes: object) -> None:
        kept = self.fakes.ledger._entries
        entry = replace(kept[REGISTER, number, 0], **changes)  # type: ignore[arg-type]  # any field
        kept[REGISTER, number, 0] = entry

    def forget(self, document_id: str, number: int) -> None:
        self.change_document(document_id, rulings=())
        self.change_entry(number, marks=())

    def change_lock(self, **changes: object) -> None:
        kept = self.fakes.archive._described
        kept[KEY] = replace(kept[KEY], **changes)  # type: ignore[arg-type]  # any field


def test_honest_rulings_raise_no_alarm() -> None:
    """P4, P5, P7: five places tell the same decisions."""
    report = Site().audit()
    assert report.findings == ()
    assert report.counts["rulings"] == 3
    assert report.counts["keys"] == 6


def test_what_is_being_told_is_no_finding() -> None:
    """P4: a ruling of this moment, neither signed nor in the log, is on its way; one that
    rests for a day is not."""
    site = Site()
    site.rule("D0", RulingKind.REVOKED)
    assert site.audit().findings == ()
    site.fakes.clock.advance(timedelta(days=2))
    assert {Fault.UNFINISHED, Fault.OUTCOME_LOG_MISMATCH} <= set(site.audit().found)


Plant = Callable[[Site], object]

PLANTED: list[tuple[str, Plant, set[Fault]]] = [
    (
        "a ruling taken out of the document",
        lambda s: s.change_document("D1", rulings=()),
        {Fault.STANDING_MISMATCH, Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "a ruling taken out of document and entry",
        lambda s: s.forget("D1", 2),
        {Fault.STANDING_MISMATCH, Fault.OUTCOME_LOG_MISMATCH, Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "a ruling taken out of the entry",
        lambda s: s.change_entry(2, marks=()),
        {Fault.STANDING_MISMATCH, Fault.OUTCOME_LOG_MISMATCH},
    ),
    (
        "a line taken out of the status list",
        lambda s: s.fakes.ledger._marked.pop((REGISTER, 2, 0)),
        {Fault.STANDING_MISMATCH},
    ),
    (
        "a line invented in the status list",
        lambda s: s.fakes.ledger._marked.update(
            {(REGISTER, 9, 0): replace(s.fakes.ledger._marked[REGISTER, 2, 0], number=9)}
        ),
        {Fault.STANDING_MISMATCH},
    ),
    (
        "another document's line in the status list",
        lambda s: s.fakes.ledger._marked.update(
            {(REGISTER, 1, 0): replace(s.fakes.ledger._marked[REGISTER, 2, 0], number=1)}
        ),
        {Fault.STANDING_MISMATCH},
    ),
    (
        "a lost file",
        lambda s: (s.fakes.archive.files.pop(KEY), s.fakes.archive._described.pop(KEY)),
        {Fault.RULING_MISSING},
    ),
    (
        "another ruling in the archive",
        lambda s: s.fakes.archive.files.update({KEY: b"another"}),
        {Fault.RULING_DIFFERS},
    ),
    (
        "other evidence in the document",
        lambda s: s.change_document("D1", evidences={"ruling-1": "another"}),
        {Fault.RULING_DIFFERS},
    ),
    (
        "a file nobody knows",
        lambda s: s.fakes.archive.put_once(
            KEY.replace("D1/1", "D1/7"), b"x", s.fakes.clock(), LockMode.COMPLIANCE
        ),
        {Fault.FILE_WITHOUT_ENTRY},
    ),
    (
        "a short lock",
        lambda s: s.change_lock(retain_until=s.fakes.clock()),
        {Fault.LOCK_TOO_SHORT},
    ),
]


@pytest.mark.parametrize(
    ("plant", "expected"), [pytest.param(p, e, id=name) for name, p, e in PLANTED]
)
def test_a_planted_fault_is_found_and_named(plant: Plant, expected: set[Fault]) -> None:
    """Issue 5, item 5: whoever takes a decision back, or makes one up, is found."""
    site = Site()
    plant(site)
    report = site.audit()
    assert set(report.found) == expected, [f.to_json() for f in report.findings]
