"""What a batch costs: CPU per document and peak memory, as its file grows to 100,000 lines.

`python -m tests.bench.batches LINES` is the measured process: the real reader, validation, duplicate
search, segments (on disk), deriving of documents and laying out of blocks; stores forget what they
are given, so that what is measured is the functions' own memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chalicelib.adapters.memory import MemoryLedger
from chalicelib.adapters.memory_batches import MemoryBatchFiles, MemoryBatchStore
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.batches import Batch, BatchFile, BatchRef, BatchState, OnError, Start
from chalicelib.domain.documents import Document
from chalicelib.domain.registers import Block, Head
from chalicelib.domain.seals import SealLevel
from chalicelib.handlers.batch_lines import batch_room
from chalicelib.ports import UploadedFile
from chalicelib.services import batches as desk_of
from chalicelib.services.advance_batch import advance
from chalicelib.services.batches import BatchRequest
from chalicelib.services.number_batch import number_batch
from tests.bench.growth import Line, Panel, picture
from tests.bench.licences import content, request
from tests.bench.results import Result, single
from tests.bench.sealing import workbench
from tests.support.rooms import Fakes
from tests.support.samples import SWEEP_AFTER

PICTURE = Path("docs/img/batches.svg")
SIZES = (100, 1_000, 10_000, 30_000, 100_000)
_SEALED = 300
_WARM = 100
_READ = 1 << 22

Grown = list[dict[str, float]]


def batch_documents_per_core_second() -> Result:
    """Documents a core issues in a second within a batch of 100,000: checked, numbered, rendered,
    sealed. Against sealing alone. Draws both curves."""
    grown, sealing = _grown(), _sealing_ms()
    PICTURE.write_text(_picture(grown), encoding="utf-8")
    last = grown[-1]
    rate = 1000 / (last["check_ms"] + last["number_ms"] + sealing)
    first = 1000 / (grown[1]["check_ms"] + grown[1]["number_ms"] + sealing)
    return Result(
        value=float(f"{rate:.3g}"),
        unit="documents/s",
        target="flat",
        against=f"in a batch of {SIZES[1]:,}",
        peer=float(f"{first:.3g}"),
        ratio=float(f"{rate / first:.3g}"),
        samples=[float(f"{1000 / (g['check_ms'] + g['number_ms'] + sealing):.3g}") for g in grown],
        peer_samples=[float(f"{1000 / sealing:.3g}")],
    )


def batch_peak_mb() -> Result:
    """Peak memory of check and numbering of 100,000 lines, against 1,000."""
    grown = _grown((SIZES[1], SIZES[-1]))
    return single(
        [grown[-1]["peak_mb"]],
        [grown[0]["peak_mb"]],
        unit="MB",
        target="flat but for 16 bytes a business key",
        against=f"the same with {SIZES[1]:,} lines",
    )


def _grown(sizes: Sequence[int] = SIZES) -> Grown:
    return [_in_a_process(lines) for lines in sizes]


def _in_a_process(lines: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.batches", str(lines)],
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _picture(grown: Grown) -> str:
    def line(name: str, key: str) -> Line:
        points = zip(SIZES, grown, strict=True)
        return Line(name, tuple((lines, measured[key]) for lines, measured in points))

    cpu = (line("check", "check_ms"), line("number", "number_ms"))
    memory = (line("check and number", "peak_mb"),)
    return picture((Panel("CPU per line", "ms", cpu), Panel("Peak memory", "MB", memory)))


def _sealing_ms() -> float:
    """CPU of one licence: render, lint, seal B-LTA, own check."""
    bench, renderer = workbench(), TypstRenderer()

    def issue(n: int) -> None:
        asked = request(n)
        linted = renderer.lint(renderer.render(asked), asked)
        bench.sealer.verify_own(bench.seal(SealLevel.B_LTA, linted), linted)

    for n in range(_WARM):
        issue(n)
    started = time.process_time()
    for n in range(_WARM, _WARM + _SEALED):
        issue(n)
    return (time.process_time() - started) * 1000 / _SEALED


# -- the measured process ------------------------------------------------------------


class _Disk(MemoryBatchFiles):
    """Files of one batch in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def uploaded(self, ref: BatchRef) -> UploadedFile:
        return UploadedFile("e1", (self._folder / "upload").stat().st_size)

    def read(self, ref: BatchRef, etag: str, start: int) -> Iterator[bytes]:
        with (self._folder / "upload").open("rb") as opened:
            opened.seek(start)
            while piece := opened.read(_READ):
                yield piece

    def keep(self, ref: BatchRef, name: str, content: bytes) -> None:
        (self._folder / name.replace("/", "-")).write_bytes(content)

    def kept(self, ref: BatchRef, name: str) -> bytes | None:
        path = self._folder / name.replace("/", "-")
        return path.read_bytes() if path.is_file() else None

    def write(self, ref: BatchRef, name: str, pieces: Any) -> None:
        with (self._folder / name.replace("/", "-")).open("wb") as opened:
            opened.writelines(pieces)


class _Forgetful(MemoryLedger):
    """Knows how far its register is, and nothing of what was numbered."""

    def assign_to_batch(self, block: Block, documents: Sequence[Document], batch: Batch) -> None:
        super().assign_to_batch(Block(block.register, block.after, ()), (), batch)
        head = self._heads.get(block.register, Head())
        self._heads[block.register] = replace(head, last_number=block.last)


def _write(path: Path, lines: int) -> None:
    with path.open("w", encoding="utf-8") as opened:
        for n in range(lines):
            opened.write(json.dumps({"content": content(n)}, ensure_ascii=False) + "\n")


def _measure(lines: int, folder: Path) -> dict[str, float]:
    _write(folder / "upload", lines)
    ledger = _Forgetful(sweep_after=SWEEP_AFTER)
    fakes = Fakes(ledger=ledger, batch_files=_Disk(folder))
    house = fakes.house()
    kind = house.types.get("licence")
    assert kind is not None
    keyed = replace(kind, business_key=("/holder/name", "/premises", "/holder/registration_no"))
    types = type(
        "Types",
        (),
        {"get": lambda _self, _name, _version=None: keyed, "all": lambda _self: (keyed,)},
    )
    vars(house)["types"] = types()
    asked = BatchRequest(
        agency_id="diw",
        submitted_by="bench",
        document_type=keyed,
        file=BatchFile(format="jsonl"),
        on_error=OnError.SKIP_INVALID,
        start=Start.AUTOMATIC,
        defaults={},
        claim=None,
    )
    ref = desk_of.create(asked, desk=house.batch_desk).ref
    desk_of.begin_check(ref, desk=house.batch_desk)
    started = time.process_time()
    advance(ref, room=batch_room(house), in_time=lambda: True)
    checked = time.process_time()
    number_batch(ref, to=house.batch_numberer, in_time=lambda: True)
    numbered = time.process_time()
    batch = MemoryBatchStore(ledger).get(ref)
    assert batch is not None
    assert batch.state is BatchState.ISSUING, batch
    assert batch.numbered == lines, batch.checked
    return {
        "check_ms": (checked - started) * 1000 / lines,
        "number_ms": (numbered - checked) * 1000 / lines,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="tra-bench-") as name:
        print(json.dumps(_measure(int(sys.argv[1]), Path(name))))
