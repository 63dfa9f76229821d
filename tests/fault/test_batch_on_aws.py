"""P8 with nothing faked: a batch whose workers are killed, on real tables, buckets and queues."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.batch import run_batch

pytestmark = pytest.mark.aws


def test_a_batch_survives_the_death_of_all_workers(aws: str, tmp_path: Path) -> None:
    """Issue 5 item 4, P1-P5, P8: killed (SIGKILL) during check, numbering and sealing, the batch
    ends as one block, each document with one locked file and one event. `python -m
    tests.fault.batch --lines 10000` is the same with ten thousand."""
    outcome = run_batch(
        tmp_path, lines=120, workers=2, kills=4, patience=240, say=lambda _what: None
    )
    assert outcome.wrong == ()
    assert sum(outcome.killed.values()) >= 3
