"""B7, P8 with nothing faked: killed before and after every call to AWS from submission to the
sealed file, with two officers in between, and again for what an officer refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import boto3
import pytest

from chalicelib.domain.approval_records import record_key
from chalicelib.domain.approvals import ApprovalDecision, Choice
from chalicelib.domain.documents import APPROVALS, Document, DocumentState
from chalicelib.domain.errors import DocumentMovedError
from chalicelib.domain.findings import Fault
from chalicelib.domain.registers import (
    Head,
    Register,
    lay_out_block,
    numbering_of,
)
from chalicelib.services.audit import audit
from chalicelib.services.decide_case import enter_decision, expire_case, set_going, withdraw_case
from tests.fault.test_kill_on_aws import Gun, Killed, Site, gun, site
from tests.support.approving import TWO, case_of, decision, waiting_for
from tests.support.rooms import sample_event
from tests.support.samples import claim_of, document

__all__ = ["gun", "site"]

pytestmark = pytest.mark.aws


@dataclass
class Way:
    """Two documents on their way through their approvals, in a book that nobody used before."""

    site: Site
    made: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        ids, book = self.site.house.ids, f"licence-{uuid4().hex[:8]}"
        body = json.loads(sample_event("api")["body"])["content"]
        for _ in range(2):
            fresh = document(ids.document_id(), content=body, at=datetime.now(UTC))
            fresh = replace(
                fresh,
                book=replace(fresh.book, name=book),
                verification_code=ids.verification_code(),
            )
            self.made.append(waiting_for(TWO, fresh))
        for each in self.made:
            self.site.house.documents.add(each, None)

    @property
    def register(self) -> Register:
        return self.made[0].book.at(datetime.now(UTC))

    def now(self) -> list[Document]:
        kept = self.site.house.documents.get_many([d.document_id for d in self.made])
        return [kept[d.document_id] for d in self.made]

    def decide(self, by: str, choices: Sequence[Choice] = (Choice.APPROVE,) * 2) -> None:
        """Both, with one code, as `services/approve.py` does."""
        room = self.site.house.case_room

        def say(choice: Choice, seen: Document) -> ApprovalDecision:
            signer = self.site.house.evidence_signer
            return decision(seen, by, choice, at=datetime.now(UTC), signer=signer)

        moved = [
            enter_decision(seen, partial(say, choice), room=room)
            for seen, choice in zip(self.now(), choices, strict=True)
        ]
        set_going(moved, room=room)

    def run(self, function: str) -> None:
        self.site.run(function, self.made)

    def go(self, steps: Sequence[str], dying: str, gun: Gun, moment: int | None) -> None:
        """All steps; `dying` dies at `moment` and is run again."""
        for step in steps:
            work = _STEPS[step]
            if step != dying:
                work(self)
                continue
            with gun.aimed(moment):
                if moment is None:
                    work(self)
                    continue
                with pytest.raises(Killed):
                    work(self)
            work(self)

    def faults(self) -> list[str]:
        """What the audit of production says, but of logs that nobody published here."""
        report = audit(self.register, room=self.site.house.audit_room)
        return [
            f"{f.fault} {f.place}" for f in report.findings if f.fault is not Fault.RECORD_BEHIND
        ]

    def records(self, document: Document) -> list[str]:
        """As they lie in the archive, one version each."""
        s3, bucket = boto3.client("s3"), self.site.house.settings.archive_bucket
        prefix = record_key(document.document_id, 1).rpartition("/")[0]
        found = s3.list_object_versions(Bucket=bucket, Prefix=prefix).get("Versions", [])
        keys = sorted(version["Key"] for version in found)
        assert len(keys) == len(set(keys))
        bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
        return [body.decode() for body in bodies]


_STEPS: dict[str, Callable[[Way], None]] = {
    "first": lambda way: way.decide("head-1"),
    "second": lambda way: way.decide("head-2"),
    "refusal": lambda way: way.decide("head-2", (Choice.REJECT, Choice.RETURN)),
    "number": lambda way: way.run("number"),
    "seal": lambda way: way.run("seal"),
    "deliver": lambda way: way.run("deliver"),
}
_APPROVED = ("first", "number", "second", "number", "seal", "deliver")
"""The first message to `number` comes too early."""
_REFUSED = ("first", "refusal", "number", "deliver")


def _moments(site: Site, steps: Sequence[str], dying: str, gun: Gun) -> list[str]:
    """Of an undisturbed run; what a container reads only once was read before."""
    for _ in range(2):
        Way(site).go(steps, dying, gun, None)
    return list(gun.seen)


@pytest.mark.parametrize("dying", ["first", "second", "seal"])
def test_approved_by_two_whenever_somebody_dies(dying: str, site: Site, gun: Gun) -> None:
    """B7, P1, P8: each has one number after two officers' decisions, and their records lie in
    the archive, whatever died."""
    moments = _moments(site, _APPROVED, dying, gun)
    assert len(moments) >= 6
    for moment, what in enumerate(moments):
        way = Way(site)
        way.go(_APPROVED, dying, gun, moment)
        assert way.faults() == [], f"{dying} killed {what}"
        for one in way.now():
            assert one.state is DocumentState.ISSUED, f"{dying} killed {what}"
            said = case_of(one).decisions
            assert [d.by for d in said] == ["head-1", "head-2"]
            assert way.records(one) == [d.record for d in said]


def test_numbering_dies_only_after_all_approved(site: Site, gun: Gun) -> None:
    """B7, P8: `number` killed at every call, once before the second officer and once after."""
    moments = _moments(site, ("first", "second", "number"), "number", gun)
    for moment, what in enumerate(moments):
        way = Way(site)
        way.decide("head-1")
        with gun.aimed(moment):
            try:
                way.run("number")
            except Killed:
                way.run("number")
        assert all(one.awaits_approval for one in way.now()), what
        way.go(("second", "number", "seal", "deliver"), "number", gun, moment)
        assert way.faults() == [], f"number killed {what}"
        assert {one.state for one in way.now()} == {DocumentState.ISSUED}


@pytest.mark.parametrize("dying", ["refusal", "deliver"])
def test_refused_whenever_somebody_dies(dying: str, site: Site, gun: Gun) -> None:
    """P4, C2, P8: neither gets a number; both records of each lie in the archive, and nothing is
    left to do."""
    moments = _moments(site, _REFUSED, dying, gun)
    assert len(moments) >= 6
    for moment, what in enumerate(moments):
        way = Way(site)
        way.go(_REFUSED, dying, gun, moment)
        rejected, returned = way.now()
        codes = [one.reason.code for one in (rejected, returned) if one.reason]
        assert codes == ["approval_rejected", "approval_returned"], what
        for one in (rejected, returned):
            assert way.records(one) == [d.record for d in case_of(one).decisions]
            assert one.is_archived(APPROVALS)
        assert site.house.registers.entries(way.register) == ()
        due = datetime.now(UTC) + timedelta(days=400)
        left = {found.document_id for found in site.house.documents.unsettled(due, 1_000)}
        assert left.isdisjoint(one.document_id for one in way.made), what


def test_withdrawn_and_expired_whenever_somebody_dies(site: Site, gun: Gun) -> None:
    """P4, P8: a withdrawal and the end of the time, each killed at every call and repeated."""
    late = replace(
        site.house.case_room, clock=lambda: datetime.now(UTC) + timedelta(days=TWO.open_days)
    )

    def end(way: Way) -> None:
        first, second = way.now()
        withdraw_case(first, "clerk-1", room=site.house.case_room)
        expire_case(second, room=late)

    for moment in (*range(_count_calls(site, gun, end)), None):
        way = Way(site)
        with gun.aimed(moment):
            try:
                end(way)
            except Killed:
                end(way)
        assert [one.reason.code for one in way.now() if one.reason] == [
            "approval_withdrawn",
            "approval_expired",
        ]
        assert all(one.settled for one in way.now())


def _count_calls(site: Site, gun: Gun, work: Callable[[Way], None]) -> int:
    way = Way(site)
    with gun.aimed(None):
        work(way)
    return len(gun.seen)


def test_past_the_service_no_number_is_given(site: Site, gun: Gun) -> None:
    """B7: `number` bypassed, the state edited in the table: the transaction itself refuses."""
    way = Way(site)
    way.decide("head-1")
    items = site.house.documents.items  # type: ignore[attr-defined]  # DynamoDB's
    first = way.now()[0]
    items(items.key(first.document_id)).update(actions=[items.state.set("accepted")])
    forged = replace(first, state=DocumentState.ACCEPTED)
    block = lay_out_block(way.register, Head(), [claim_of(forged)], datetime.now(UTC))
    numbered = forged.numbered(numbering_of(block.entries[0]))
    with pytest.raises(DocumentMovedError):
        site.house.registers.assign(block, {forged.document_id: numbered})
    assert site.house.registers.entries(way.register) == ()
    way.run("number")
    kept = way.now()[0]
    assert kept.reason is not None
    assert (kept.state, kept.reason.code) == (DocumentState.REJECTED, "not_approved")
