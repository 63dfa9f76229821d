"""A house that issued documents once, and the decades that pass over it.

Ports are the fakes; time-stamps, revocation lists and records are real.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.adapters.ers_stamps import EmbeddingStamper
from chalicelib.adapters.ers_validation import ErsValidator
from chalicelib.adapters.trust import TimestampToken, ValidationData
from chalicelib.domain.documents import Classification, DocumentState
from chalicelib.domain.evidence_records import RecordVerdict, judge_record
from chalicelib.domain.evidence_rounds import RenewalPolicy
from chalicelib.domain.registers import Register
from chalicelib.services.audit import audit
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.records import record_of
from chalicelib.services.renew import Renewed, renew
from tests.fault.harness import Danger, World
from tests.support import rfc4998
from tests.support.ers_stamps import Era, Root, year
from tests.support.samples import document

REGISTERS = (Register("diw", "licence", 2026), Register("dbd", "licence", 2026))
LATER = timedelta(days=1)


@dataclass
class Times:
    """Authorities come and go; whoever lives asks for the time. Implements Timestamper and
    RevocationSource."""

    clock: Callable[[], datetime]
    root: Root = field(default_factory=Root)
    room: int = 16_384

    def __post_init__(self) -> None:
        self.eras = [
            Era(self.root, self.clock, name=f"From {since}", since=year(since), until=year(until))
            for since, until in ((2024, 2030), (2028, 2038), (2036, 2050))
        ]

    @property
    def alive(self) -> Era:
        """The youngest, as soon as it is there."""
        return [era for era in self.eras if era.since <= self.clock() < era.until][-1]

    @property
    def stamps(self) -> int:
        return sum(len(era.stamped) for era in self.eras)

    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        return self.alive.stamp(digest, algorithm)

    def validation_data(self, chain: Sequence[bytes]) -> ValidationData:
        return self.alive.validation_data(chain)


class Decades:
    """A house that issued documents once, and years that pass over it."""

    def __init__(self, documents: int = 5) -> None:
        self.world = World()
        self.fakes = self.world.fakes
        self.times = Times(self.fakes.clock)
        self.fakes.stamper = EmbeddingStamper(self.times, self.times)
        self.policy = RenewalPolicy(slice_days=1)
        self.issue(*(f"D{n}" for n in range(documents)))
        self.issue("E0", agency_id="dbd")
        self.fakes.clock.advance(LATER)

    def issue(
        self,
        *names: str,
        agency_id: str = "diw",
        years: int = 25,
        classification: Classification = Classification.NORMAL,
    ) -> None:
        """Documents that are kept for so many years."""
        at = self.fakes.clock()
        made = (document(n, agency_id=agency_id, at=at) for n in names)
        own = {"retention_years": years, "classification": classification}
        self.world.accept(*(replace(one, **own) for one in made))  # type: ignore[arg-type]  # of a document's own fields
        self.world.run_to_rest()
        checkpoint_all(room=self.fakes.house().checkpoint_room)

    def renew(self, danger: Danger | None = None, **changes: object) -> Renewed:
        room = self.fakes.house((danger or Danger()).wrap).renewal_room
        return renew(room=replace(room, policy=self.policy, **changes))  # type: ignore[arg-type]  # of the room's own fields

    def go_to(self, moment: datetime) -> None:
        self.fakes.clock.now = moment

    def record(self, name: str) -> bytes | None:
        found = self.fakes.ledger.get(name)
        assert found is not None
        assert found.state is DocumentState.ISSUED
        return record_of(found, room=self.fakes.house().record_room)

    def verdict(self, name: str) -> RecordVerdict:
        found, record = self.fakes.ledger.get(name), self.record(name)
        assert found is not None
        assert found.file is not None
        assert record is not None
        data = self.fakes.archive.clear(found.file.key)
        assert data is not None
        assert rfc4998.check(record, data)
        seen = ErsValidator(self.fakes.clock).observe(record, data, [self.times.root.pem])
        return judge_record(seen, ends=self.policy.ends)

    def problems(self, *names: str) -> list[str]:
        """What is wrong with the records of these documents, and with what the audit sees."""
        found = [f"{n}: {v.findings}" for n in names if not (v := self.verdict(n)).passed]
        for register in REGISTERS:
            report = audit(register, room=self.fakes.house().audit_room)
            found += [f"{f.fault} {f.place}" for f in report.findings]
        return found


NAMES = ("D0", "D1", "D2", "D3", "D4", "E0")
