"""How a measurement is written down: value, unit, target, what it stands against, samples."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

SUMMARY = Path("build/bench/summary.json")


@dataclass(frozen=True, slots=True)
class Result:
    """`value` is the median of `samples`. `against` names a peer or a physical limit that
    was measured in the same run, `peer` is its median and `ratio` how much better we are."""

    value: float
    unit: str
    target: str
    against: str
    peer: float
    ratio: float
    samples: list[float]
    peer_samples: list[float]


def rate(samples: Sequence[float], peers: Sequence[float], *, target: str, against: str) -> Result:
    """More per second is better."""
    value, peer = statistics.median(samples), statistics.median(peers)
    return Result(
        _short(value),
        "documents/s",
        target,
        against,
        _short(peer),
        _short(value / peer),
        [*map(_short, samples)],
        [*map(_short, peers)],
    )


def duration(
    samples: Sequence[float], peers: Sequence[float], *, target: str, against: str
) -> Result:
    """Fewer milliseconds are better."""
    value, peer = statistics.median(samples), statistics.median(peers)
    return Result(
        _short(value),
        "ms",
        target,
        against,
        _short(peer),
        _short(peer / value),
        [*map(_short, samples)],
        [*map(_short, peers)],
    )


def single(
    samples: Sequence[float], peers: Sequence[float], *, unit: str, target: str, against: str
) -> Result:
    """Less is better, in any unit."""
    return replace(duration(samples, peers, target=target, against=against), unit=unit)


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def write(results: dict[str, Result]) -> None:
    """Merge into the summary, so that ONLY=name keeps the others."""
    kept = json.loads(SUMMARY.read_text()) if SUMMARY.is_file() else {}
    kept["machine"] = {
        "cpu_count": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }
    kept |= {name: asdict(result) for name, result in results.items()}
    SUMMARY.parent.mkdir(parents=True, exist_ok=True)
    SUMMARY.write_text(json.dumps(kept, indent=1) + "\n")


def table(results: dict[str, Result]) -> str:
    rows = [("benchmark", "value", "unit", "target", "against", "peer", "ratio")]
    rows += [
        (name, f"{r.value:g}", r.unit, r.target, r.against, f"{r.peer:g}", f"{r.ratio:g}×")
        for name, r in results.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
