"""What is remembered of verified files: a circular is one file for hundreds of recipients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Barrier, Lock

from chalicelib.domain.documents import ArchivedFile
from chalicelib.domain.retention import LockMode
from chalicelib.domain.verdict import PASSED, CheckedFile, Indication, Verdict
from chalicelib.services.check_arrival import RecentChecks
from tests.support.rooms import Clock
from tests.support.samples import NOON

FILE = ArchivedFile(
    key="documents/slc/send/2026/L1.pdf",
    version_id="1",
    sha256="f1" * 32,
    size=9,
    lock_mode=LockMode.COMPLIANCE,
    retain_until=NOON + timedelta(days=3650),
)


@dataclass
class Checker:
    """Says the same of every file, and counts."""

    indication: Indication = Indication.TOTAL_PASSED
    asked: int = 0
    lock: Lock = field(default_factory=Lock)

    def __call__(self) -> CheckedFile:
        with self.lock:
            self.asked += 1
        findings = (PASSED,) if self.indication is Indication.TOTAL_PASSED else ()
        verdict = Verdict(indication=self.indication, sub_indication=None, findings=findings)
        return CheckedFile(verdict=verdict, sha256=FILE.sha256, size=9, claimed_code=None)


def test_a_file_is_verified_once_for_all_its_recipients() -> None:
    """Issue 6, 7: ten deliveries of a circular that arrive at once cost one verification, and
    each is told when it was made."""
    recent, checker, clock, start = RecentChecks(), Checker(), Clock(), Barrier(10)

    def arrive(_: int) -> object:
        start.wait()
        return recent.of(FILE, checker, clock)

    with ThreadPoolExecutor(10) as pool:
        told = list(pool.map(arrive, range(10)))
    assert checker.asked == 1
    assert told == [(checker(), NOON)] * 10


def test_it_is_not_believed_for_long() -> None:
    """P2: a certificate may be revoked meanwhile, so after five minutes it is verified anew."""
    recent, checker, clock = RecentChecks(), Checker(), Clock()
    recent.of(FILE, checker, clock)
    clock.advance(timedelta(minutes=4, seconds=59))
    recent.of(FILE, checker, clock)
    assert checker.asked == 1
    clock.advance(timedelta(seconds=1))
    assert recent.of(FILE, checker, clock)[1] == clock()
    assert checker.asked == 2


def test_what_did_not_pass_is_looked_at_each_time() -> None:
    """Issue 6, 3: what was left open may be clear by now."""
    recent, checker, clock = RecentChecks(), Checker(Indication.INDETERMINATE), Clock()
    for _ in range(3):
        recent.of(FILE, checker, clock)
    assert checker.asked == 3
