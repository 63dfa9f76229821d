"""What a time-stamp proves of the local clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.clock_bound import LIMIT, UNSTATED_ACCURACY, Stamping, bound

NOON = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)

micros = st.integers(0, 2_000_000).map(lambda n: timedelta(microseconds=n))
offsets = st.integers(-5_000_000, 5_000_000).map(lambda n: timedelta(microseconds=n))
resolutions = st.sampled_from([timedelta(seconds=1), timedelta(milliseconds=1), timedelta(0)])


def cut(moment: datetime, resolution: timedelta, *, up: bool) -> datetime:
    """A moment as an authority writes it that cuts off, or always rounds up."""
    if not resolution:
        return moment
    rest = (moment - NOON) % resolution
    return moment - rest + (resolution if up and rest else timedelta(0))


@given(
    offset=offsets,
    there=micros,
    back=micros,
    resolution=resolutions,
    accuracy=micros,
    wrongness=st.floats(-1, 1),
    up=st.booleans(),
)
def test_the_bound_holds_whatever_happens(
    *,
    offset: timedelta,
    there: timedelta,
    back: timedelta,
    resolution: timedelta,
    accuracy: timedelta,
    wrongness: float,
    up: bool,
) -> None:
    """A19: whatever the network takes and however an authority within its accuracy writes
    its time, the true error of the clock lies within the bound."""
    sent, stamped = NOON, NOON + there
    read = stamped + accuracy * wrongness  # what the authority's own clock shows
    seen = bound(
        Stamping(
            sent_at=sent + offset,
            received_at=stamped + back + offset,
            stamped_at=cut(read, resolution, up=up),
            resolution=resolution,
            accuracy=accuracy,
        )
    )
    slop = timedelta(microseconds=1)  # of `accuracy * wrongness`
    assert seen.low - slop <= offset <= seen.high + slop
    assert seen.error_at_least - slop <= abs(offset) <= seen.error_at_most + slop


@given(offset=offsets, there=micros, back=micros)
def test_no_alarm_without_proof(offset: timedelta, there: timedelta, back: timedelta) -> None:
    """A19: a clock within the limit never raises an alarm, and one outside is never
    called right."""
    seen = bound(
        Stamping(
            sent_at=NOON + offset,
            received_at=NOON + there + back + offset,
            stamped_at=NOON + there,
            resolution=timedelta(0),
            accuracy=timedelta(0),
        )
    )
    if abs(offset) <= LIMIT:
        assert not seen.exceeds()
    else:
        assert not seen.keeps()


def stamping(
    offset_ms: float, *, resolution: timedelta, accuracy: timedelta | None, took_ms: float = 4
) -> Stamping:
    return Stamping(
        sent_at=NOON + timedelta(milliseconds=offset_ms),
        received_at=NOON + timedelta(milliseconds=offset_ms + took_ms),
        stamped_at=NOON,
        resolution=resolution,
        accuracy=accuracy,
    )


def test_a_precise_authority_proves_a_wrong_clock() -> None:
    """A19: 100 ms off, seen by an authority of 1 ms over a network of 4 ms, is proved."""
    ms = timedelta(milliseconds=1)
    seen = bound(stamping(100, resolution=ms, accuracy=ms))
    assert (seen.error_at_least_ms, seen.error_at_most_ms) == (98, 106)
    assert seen.exceeds()
    assert not seen.keeps()


def test_a_precise_authority_proves_a_right_clock() -> None:
    """A19: the measured bound is what an auditor is shown."""
    ms = timedelta(milliseconds=1)
    seen = bound(stamping(0, resolution=ms, accuracy=ms))
    assert seen.keeps()
    assert seen.error_at_least_ms == 0


@pytest.mark.parametrize("accuracy", [timedelta(0), None])
def test_whole_seconds_prove_nothing_about_milliseconds(accuracy: timedelta | None) -> None:
    """A19: an authority that writes whole seconds can neither accuse nor acquit."""
    seen = bound(stamping(500, resolution=timedelta(seconds=1), accuracy=accuracy))
    assert not seen.exceeds()
    assert not seen.keeps()


def test_unstated_accuracy_is_not_perfection() -> None:
    """A19: where a token does not say how accurate it is, a second is assumed."""
    silent = bound(stamping(900, resolution=timedelta(0), accuracy=None))
    stated = bound(stamping(900, resolution=timedelta(0), accuracy=UNSTATED_ACCURACY))
    assert silent == stated
    assert not silent.exceeds()


def test_time_does_not_run_backwards() -> None:
    """A19: an impossible measurement is refused, not believed."""
    ms = timedelta(milliseconds=1)
    with pytest.raises(ValueError, match="before"):
        bound(stamping(0, resolution=ms, accuracy=ms, took_ms=-1))
