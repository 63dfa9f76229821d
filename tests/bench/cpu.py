"""CPU per document in a warm process. Other people's programs share the machine, so clocks
on the wall say little; and rounds take turns, so that a slow minute hits everybody."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import count
from statistics import median

ROUNDS = 7
_WARM = 20

Work = tuple[Callable[[int], object], int]
"""What to do with a number, and how often in a round."""

Samples = dict[str, list[float]]


def cpu_ms(work: Callable[[int], object], times: int, first: int = 0) -> float:
    """Milliseconds of CPU (all threads) per call of `work` with `first`, `first` + 1, …"""
    started = time.process_time()
    for n in range(first, first + times):
        work(n)
    return (time.process_time() - started) * 1000 / times


def typical_cpu_ms(work: Callable[[int], object], times: int, first: int = 0) -> float:
    """The median of several calls. For peers: what is slow in them by accident does not count."""
    return median(cpu_ms(work, 1, n) for n in range(first, first + times))


def in_turns(ours: Mapping[str, Work], peers: Mapping[str, Work] | None = None) -> Samples:
    """Milliseconds per call, once per round: the mean of a round for us, for `peers` its
    median call. No number is given to a work twice."""
    works = [(name, work, cpu_ms) for name, work in ours.items()]
    works += [(name, work, typical_cpu_ms) for name, work in (peers or {}).items()]
    numbers = count(step=1_000)
    for _, (work, times), measure in works:
        measure(work, min(_WARM, times), next(numbers))
    samples: Samples = {name: [] for name, _, _ in works}
    for _ in range(ROUNDS):
        for name, (work, times), measure in works:
            samples[name].append(measure(work, times, next(numbers)))
    return samples
