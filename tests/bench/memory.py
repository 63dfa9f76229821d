"""Memory of a process that renders, seals and checks 10,000 licences, one after the other.

`python -m tests.bench.memory` is the measured process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.seals import SealLevel
from tests.bench.growth import Line, Panel, picture
from tests.bench.licences import request
from tests.bench.results import Result, single
from tests.bench.sealing import workbench

PICTURE = Path("docs/img/sealing-memory.svg")
COUNTS = (100, 200, 500, 1_000, 2_000, 5_000, 10_000)
_WARM = 1_000  # as many as it takes until everything that is kept has been seen


def seal_memory_10k_mb() -> Result:
    """Resident memory after 10,000 documents, against after 1,000; and a picture of both
    memory and CPU on the way."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.memory"], capture_output=True, text=True, check=True
    )
    seen = [
        (int(n), float(mb), float(ms)) for n, mb, ms in json.loads(done.stdout.splitlines()[-1])
    ]
    memory = Line("resident", tuple((n, mb) for n, mb, _ in seen))
    cpu = Line("render, lint, seal, check", tuple((n, ms) for n, _, ms in seen))
    PICTURE.write_text(
        picture((Panel("Memory", "MB", (memory,)), Panel("CPU per document", "ms", (cpu,)))),
        encoding="utf-8",
    )
    at = dict(memory.points)
    return single(
        [at[COUNTS[-1]]],
        [at[_WARM]],
        unit="MB",
        target="flat",
        against=f"after {_WARM:,} documents",
    )


def _measure() -> list[tuple[int, float, float]]:
    bench, renderer = workbench(), TypstRenderer()
    seen: list[tuple[int, float, float]] = []
    done, started = 0, time.process_time()
    for count in COUNTS:
        for n in range(done, count):
            asked = request(n)
            linted = renderer.lint(renderer.render(asked), asked)
            bench.sealer.verify_own(bench.seal(SealLevel.B_LTA, linted), linted)
        spent = (time.process_time() - started) * 1000 / (count - done)
        seen.append((count, _resident_mb(), spent))
        done, started = count, time.process_time()
    return seen


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    print(json.dumps(_measure()))
