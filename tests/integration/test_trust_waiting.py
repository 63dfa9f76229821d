"""Documents during an outage of time-stamps, and what operators see: metrics, log lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.adapters.memory import MarkingSealer
from chalicelib.adapters.tsa import TimestampAuthorities
from chalicelib.domain.documents import DocumentState
from chalicelib.domain.registers import Register
from chalicelib.handlers.telemetry import LogEvent
from infra.pki import TimestampService
from tests.fault.harness import World, audit
from tests.support.rooms import Fakes
from tests.support.samples import document
from tests.support.stations import MovingClock, Ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.bootstrap import House
    from chalicelib.domain.seals import SealCredential, SealedPdf, SealPolicy
    from chalicelib.ports import LintedPdf
    from tests.support.stations import TrustSite


class StampingSealer(MarkingSealer):
    """A fake seal with a real time-stamp."""

    def __init__(self) -> None:
        super().__init__()
        self.house: House | None = None

    def seal(
        self, linted: LintedPdf, credentials: Sequence[SealCredential], policy: SealPolicy
    ) -> SealedPdf:
        assert self.house is not None
        self.house.timestamper.stamp(hashlib.sha256(linted.pdf).digest())
        return super().seal(linted, credentials, policy)


@dataclass
class StampedFakes(Fakes):
    """Fakes but for clock, time-stamps and revocation; one house, as in a warm container."""

    clock: MovingClock = field(default_factory=MovingClock)
    ticks: Ticks = field(default_factory=Ticks)
    urls: tuple[str, ...] = ()
    kept: House | None = None

    def house(self, wrap: Callable[[str, Any], Any] = lambda _name, port: port) -> House:
        if self.kept is None:
            self.sealer = StampingSealer()
            self.kept = super().house(wrap)
            vars(self.kept)["timestamper"] = TimestampAuthorities(
                self.urls,
                anchors=self.directory.trust_anchors,
                revocation=self.kept.revocation,
                clock=self.clock,
                timeout=3,
                monotonic=self.ticks,
                watch=self.kept,
            )
            self.sealer.house = self.kept
        return self.kept


@pytest.fixture
def world(site: TrustSite) -> World:
    fakes = StampedFakes(urls=site.timestamp_urls)
    fakes.directory.put_trust_anchors(site.anchors)
    return World(fakes)


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    """Values by name, of all that was flushed (CloudWatch embedded metric format)."""
    found: dict[str, list[float]] = {}
    for line in capsys.readouterr().out.splitlines():
        if '"_aws"' in line:
            record = json.loads(line)
            for directive in record["_aws"]["CloudWatchMetrics"]:
                for metric in directive["Metrics"]:
                    found.setdefault(metric["Name"], []).extend(record[metric["Name"]])
    return found


def accepted(world: World, *names: str) -> None:
    world.accept(*(document(name, at=world.fakes.clock()) for name in names))


def states(world: World, *names: str) -> set[DocumentState]:
    return {found.state for found in world.fakes.ledger.get_many(names).values()}


def test_documents_wait_out_an_outage(
    world: World, site: TrustSite, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """P4: with every authority stopped documents keep their number and wait, seen by log,
    metric and alarm; when one is back, all of them are sealed and nothing is lost."""
    fakes = world.fakes
    assert isinstance(fakes, StampedFakes)
    names = ("D1", "D2", "D3")
    site.tsa.down()
    site.tsa2.down()
    accepted(world, *names)
    world.step("number")
    assert world.step("seal")
    assert states(world, *names) == {DocumentState.NUMBERED}
    assert len(world.fakes.seal_queue.messages) == 3  # SQS brings them again
    assert log.getvalue().count(LogEvent.SEALING_DELAYED) == 3
    assert '"code":"timestamp_failed"' in log.getvalue().replace(" ", "")
    world.fakes.seal_queue.messages.clear()  # and gives up on them at last
    capsys.readouterr()
    world.sweep()
    (oldest,) = metrics(capsys)["OldestUnsealedSeconds"]
    assert 600 <= oldest < 700
    site.tsa2.up()
    fakes.ticks.advance(31)  # both have rested
    fakes.clock.ahead = timedelta(0)
    world.run_to_rest()
    assert states(world, *names) == {DocumentState.ISSUED}
    (numbered, *_) = (d.numbering for d in world.fakes.ledger.get_many(names).values())
    assert numbered is not None
    register = Register("diw", "licence", numbered.year)
    assert audit(world.fakes, register) == []
    capsys.readouterr()
    world.sweep()
    assert metrics(capsys)["OldestUnsealedSeconds"] == [0]


def test_a_resting_authority_is_told(
    world: World, site: TrustSite, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """A28: documents go on with the second authority, and somebody is told about the first."""
    site.tsa.down()
    names = [f"D{n}" for n in range(4)]
    accepted(world, *names)
    world.run_to_rest()
    assert states(world, *names) == {DocumentState.ISSUED}
    assert metrics(capsys)["TimestampAuthorityRests"] == [1]
    assert LogEvent.AUTHORITY_RESTS in log.getvalue()
    assert site.timestamp_urls[0] in log.getvalue()


def test_a_wrong_clock_is_told_with_its_bound(
    world: World, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """A19: a clock 60 s behind is proved wrong; the alarm's metric has the measured bound."""
    world.fakes.clock.advance(timedelta(seconds=-60))
    accepted(world, "D1")
    world.run_to_rest()
    seen = metrics(capsys)
    (proved,), (ceiling,) = seen["ClockErrorBoundMs"], seen["ClockErrorCeilingMs"]
    assert 30 < proved <= 60_000 <= ceiling
    assert LogEvent.CLOCK_WRONG in log.getvalue()


def test_a_clock_nobody_can_judge_is_told(
    world: World, site: TrustSite, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """A19: authorities that write whole seconds raise no alarm, and the log says that they
    prove nothing."""

    def whole() -> datetime:
        return datetime.now(UTC).replace(microsecond=0)

    service = TimestampService(site.pki.tsa, [site.pki.issuing], clock=whole)
    site.tsa.serve("/tsa", service)
    accepted(world, "D1")
    world.run_to_rest()
    seen = metrics(capsys)
    assert seen["ClockErrorBoundMs"] == [0]
    assert seen["ClockErrorCeilingMs"][0] > 30
    assert LogEvent.CLOCK_UNPROVED in log.getvalue()
    assert LogEvent.CLOCK_WRONG not in log.getvalue()
