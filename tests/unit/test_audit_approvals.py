"""The audit on fakes: what officers decided, its records, and the numbers given on their word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.approval_records import record_key
from chalicelib.domain.approvals import ApprovalCase, ApprovalDecision, CaseState, Choice
from chalicelib.domain.documents import Document
from chalicelib.domain.findings import Fault, Report
from chalicelib.domain.registers import Register
from chalicelib.domain.retention import LockMode
from chalicelib.services.audit import audit
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.decide_case import decide_case
from tests.fault.harness import World
from tests.support.approving import TWO, awaiting, case_of, decision
from tests.support.evidence import LocalSigner
from tests.support.rooms import Fakes
from tests.support.samples import NOON, document

REGISTER = Register("diw", "licence", 2026)


class Site(World):
    """D0 needs nobody, D1 was approved by two officers; both are issued and checkpointed."""

    def __init__(self) -> None:
        super().__init__(Fakes(signer=LocalSigner()))
        self.accept(document("D0"), awaiting("D1", TWO))
        for by in ("head-1", "head-2"):
            room = self.fakes.house().case_room
            decide_case(self.read(), lambda seen, by=by: self.say(seen, by), room=room)  # type: ignore[misc]  # by is bound
        self.fakes.clock.advance(timedelta(hours=2))
        self.run_to_rest()
        assert not checkpoint_all(room=self.fakes.house().checkpoint_room).failed

    def say(self, seen: Document, by: str, **changes: Any) -> ApprovalDecision:
        return decision(seen, by, signer=self.fakes.signer, **changes)

    def read(self) -> Document:
        found = self.fakes.ledger.get("D1")
        assert found is not None
        return found

    def audit(self) -> Report:
        return audit(REGISTER, room=self.fakes.house().audit_room)

    def found(self) -> set[tuple[Fault, str | None]]:
        return {(finding.fault, finding.place) for finding in self.audit().findings}

    # -- planting ------------------------------------------------------------

    def change(self, **changes: Any) -> None:
        """Of the document."""
        self.fakes.ledger._documents["D1"] = replace(self.read(), **changes)

    def change_case(self, **changes: Any) -> None:
        self.change(approval=replace(case_of(self.read()), **changes))

    def change_decision(self, **changes: Any) -> None:
        """Of the second decision; its record stays."""
        first, second = case_of(self.read()).decisions
        self.change_case(decisions=(first, replace(second, **changes)))

    def sign_second_again(self, seen: Document, **changes: Any) -> None:
        """Of the second decision, with a record that tells the same, signed by the service."""
        first = case_of(self.read()).decisions[0]
        told = replace(seen, approval=replace(case_of(seen), decisions=(first,)))
        self.change_case(decisions=(first, self.say(told, "head-2", **changes)))

    def plant(self, key: str) -> None:
        until = NOON + timedelta(days=9_000)
        self.fakes.archive.put_once(key, b"record", until, LockMode.COMPLIANCE)

    def lock(self, key: str, **changes: Any) -> None:
        kept = self.fakes.archive._described
        kept[key] = replace(kept[key], **changes)

    def keep(self, place: int, record: bytes | None) -> None:
        """In the archive."""
        key = record_key("D1", place)
        if record is None:
            del self.fakes.archive.files[key]
        else:
            self.fakes.archive.files[key] = record


def test_honest_approvals_raise_no_alarm() -> None:
    """B7: document, case, records and archive tell the same."""
    report = Site().audit()
    assert report.findings == ()
    assert report.counts["approvals"] == 2


Plant = Callable[[Site], object]
MISSING = (Fault.APPROVAL_MISSING, "case")
FIRST, SECOND = record_key("D1", 1), record_key("D1", 2)


def _wrong(word: str) -> tuple[Fault, str]:
    return Fault.APPROVAL_WRONG, word


PLANTED: list[tuple[str, Plant, set[tuple[Fault, str]]]] = [
    ("a case taken out", lambda s: s.change(approval=None), {MISSING}),
    (
        "an approval taken out",
        lambda s: s.change_case(decisions=case_of(s.read()).decisions[:1]),
        {
            MISSING,
            (Fault.APPROVAL_RECORD_WRONG, "approval_missing"),
            (Fault.FILE_WITHOUT_ENTRY, SECOND),
        },
    ),
    (
        "no decision at all",
        lambda s: s.change_case(decisions=()),
        {
            MISSING,
            (Fault.APPROVAL_RECORD_WRONG, "approval_missing"),
            (Fault.FILE_WITHOUT_ENTRY, FIRST),
            (Fault.FILE_WITHOUT_ENTRY, SECOND),
        },
    ),
    (
        "a case of other content",
        lambda s: s.change_case(content_digest="00" * 32),
        {MISSING, _wrong("other_document")},
    ),
    (
        "a decision on other content",
        lambda s: s.change_decision(content_digest="00" * 32),
        {MISSING, _wrong("other_content")},
    ),
    (
        "one officer twice",
        lambda s: s.change_decision(by="head-1"),
        {MISSING, _wrong("doubled_officer"), (Fault.APPROVAL_RECORD_WRONG, SECOND)},
    ),
    (
        "an officer of another agency",
        lambda s: s.change_decision(agency_id="dbd"),
        {_wrong("other_agency"), (Fault.APPROVAL_RECORD_WRONG, SECOND)},
    ),
    (
        "the submitter as approver",
        lambda s: s.change_decision(by="clerk-1"),
        {_wrong("own_submission"), (Fault.APPROVAL_RECORD_WRONG, SECOND)},
    ),
    (
        "a refusal among the approvals",
        lambda s: s.change_decision(choice=Choice.REJECT, reason="ไม่"),
        {MISSING, _wrong("refusal"), (Fault.APPROVAL_RECORD_WRONG, SECOND)},
    ),
    (
        "a case that was withdrawn",
        lambda s: s.change_case(state=CaseState.WITHDRAWN),
        {MISSING, _wrong("case_not_approved")},
    ),
    (
        "a decision after its time",
        lambda s: s.change_case(expires_at=NOON + timedelta(minutes=5)),
        {_wrong("after_its_end")},
    ),
    (
        "a decision after the number",
        lambda s: s.change_decision(at=NOON + timedelta(days=1)),
        {_wrong("after_numbering"), (Fault.APPROVAL_RECORD_WRONG, SECOND)},
    ),
    (
        "decisions out of order",
        lambda s: s.change_decision(at=NOON),
        {_wrong("out_of_order"), (Fault.APPROVAL_RECORD_WRONG, SECOND)},
    ),
    (
        "a laxer policy in the item",
        lambda s: s.change_case(policy=replace(TWO, approvers=1)),
        {_wrong("too_many"), (Fault.APPROVAL_RECORD_WRONG, "approval_policy_differs")},
    ),
    (
        "a record by another key",
        lambda s: s.change_decision(
            record=decision(s.read(), "head-2", signer=LocalSigner()).record
        ),
        {(Fault.APPROVAL_RECORD_WRONG, SECOND), (Fault.APPROVAL_RECORD_DIFFERS, SECOND)},
    ),
    (
        "no record",
        lambda s: s.change_decision(record=None),
        {(Fault.APPROVAL_RECORD_WRONG, SECOND), (Fault.FILE_WITHOUT_ENTRY, SECOND)},
    ),
    (
        "the record of another document",
        lambda s: s.sign_second_again(awaiting("D9", TWO)),
        {
            (Fault.APPROVAL_RECORD_WRONG, "approval_of_other_document"),
            (Fault.APPROVAL_RECORD_DIFFERS, SECOND),
        },
    ),
    (
        "another position than the record's",
        lambda s: s.change_decision(position_th="ปลัดกระทรวง"),
        {(Fault.APPROVAL_RECORD_WRONG, SECOND)},
    ),
    (
        "a record gone from the archive",
        lambda s: s.keep(1, None),
        {(Fault.APPROVAL_RECORD_MISSING, FIRST)},
    ),
    (
        "a record of no decision",
        lambda s: s.plant(record_key("D1", 3)),
        {(Fault.FILE_WITHOUT_ENTRY, record_key("D1", 3))},
    ),
    (
        "a record that is not locked",
        lambda s: s.lock(SECOND, lock_mode=None),
        {(Fault.LOCK_MISSING, SECOND)},
    ),
    (
        "a record whose lock ends too early",
        lambda s: s.lock(SECOND, retain_until=NOON),
        {(Fault.LOCK_TOO_SHORT, SECOND)},
    ),
    (
        "another record in the archive",
        lambda s: s.keep(1, b"other"),
        {(Fault.APPROVAL_RECORD_DIFFERS, FIRST)},
    ),
]


@pytest.mark.parametrize(("plant", "told"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED])
def test_planted_faults_are_found(plant: Plant, told: set[tuple[Fault, str]]) -> None:
    """B7, C2: each way to a number without its approvals is named at its place, and nothing else
    is accused."""
    site = Site()
    plant(site)
    assert site.found() == told
    assert not site.audit().clean


def test_what_is_being_sealed_has_its_records_later() -> None:
    """C2: numbered a moment ago; `seal` archives the records before it seals."""
    site = World(Fakes(signer=LocalSigner()))
    site.fakes.ledger.add(awaiting("D1"), None)
    found = site.fakes.ledger.get("D1")
    assert found is not None
    decide_case(
        found,
        lambda seen: decision(seen, signer=site.fakes.signer),
        room=site.fakes.house().case_room,
    )
    site.fakes.clock.advance(timedelta(hours=2))
    site.step("number")
    report = audit(REGISTER, room=site.fakes.house().audit_room)
    assert report.findings == ()
    assert isinstance(found.approval, ApprovalCase)
