"""How busy `seal` keeps its core when KMS, time-stamps and S3 take 10 ms each.

`python -m tests.bench.busy BATCH AT_ONCE` is the measured process, bound to one core, as a
function in Lambda has it below 1,769 MB: the real handler over batches, on fakes in memory
but for renderer and sealer. It prints the share of CPU in each batch's time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

from chalicelib.adapters.pades.sealer import PadesSealer
from chalicelib.adapters.trust import SigningKey, TimestampToken, UsableCredential
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.seals import KeyAlgorithm
from chalicelib.handlers import queues
from tests.bench.licences import content
from tests.bench.results import Result
from tests.bench.sealing import ROOM
from tests.support.rooms import CONTEXT, Fakes, furnished, sample_event
from tests.support.samples import AGENCIES, document
from tests.support.sealing import GivenChecker, LocalTimestamper, local_pki, usable_credential

_LATENCY_SECONDS = 0.010
_BATCHES = 12
_WARM = 2
# How the queue and the function are deployed (handlers/queues.py, infra/resources.yaml),
# one at a time, and what else was tried.
DEPLOYED = (20, 10)
ONE_BY_ONE = (20, 1)
_TRIED = ((10, 5), (10, 10), (40, 10))


def seal_core_busy() -> Result:
    """Share of a core in the time of a batch: its CPU over the clock on the wall. Whatever
    else the machine does lowers it."""
    shares = {setting: _shares(*setting) for setting in (ONE_BY_ONE, DEPLOYED, *_TRIED)}
    ours, alone = shares[DEPLOYED], shares[ONE_BY_ONE]
    others = ", ".join(
        f"{at_once} of {batch} {median(shares[batch, at_once]):.0f} %" for batch, at_once in _TRIED
    )
    value, peer = median(ours), median(alone)
    return Result(
        value=round(value, 1),
        unit="%",
        target="≥ 80 %",
        against=f"one at a time ({DEPLOYED[1]} of {DEPLOYED[0]} deployed; {others})",
        peer=round(peer, 1),
        ratio=round(value / peer, 2),
        samples=ours,
        peer_samples=alone,
    )


def _shares(batch: int, at_once: int) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.busy", str(batch), str(at_once)],
        capture_output=True,
        text=True,
        check=True,
    )
    shares: list[float] = json.loads(done.stdout.splitlines()[-1])
    return shares


# -- the measured process ------------------------------------------------------


@dataclass(frozen=True)
class _SlowKey:
    """A key behind KMS (adapters.trust.SigningKey)."""

    key: SigningKey

    @property
    def algorithm(self) -> KeyAlgorithm:
        return self.key.algorithm

    @property
    def public_key_der(self) -> bytes:
        return self.key.public_key_der

    def sign_digest(self, digest: bytes) -> bytes:
        time.sleep(_LATENCY_SECONDS)
        return self.key.sign_digest(digest)


class _SlowTimestamper(LocalTimestamper):
    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        time.sleep(_LATENCY_SECONDS)
        return super().stamp(digest, algorithm)


class _SlowArchive:
    def __init__(self, archive: Any) -> None:
        self._archive = archive

    def __getattr__(self, method: str) -> Any:
        time.sleep(_LATENCY_SECONDS)
        return getattr(self._archive, method)


def _measure(batch: int, at_once: int) -> list[float]:
    usable, sealer = _sealer()
    fakes = Fakes(renderer=TypstRenderer(), sealer=sealer, seal_at_once=at_once)
    fakes.directory.put_agency(replace(AGENCIES[0], seals=(usable.credential,)))
    house = fakes.house(lambda name, port: _SlowArchive(port) if name == "archive" else port)
    shares = []
    with furnished(house):
        for round_ in range(_WARM + _BATCHES):
            ids = _numbered(fakes, [round_ * batch + n for n in range(batch)])
            event = _event("seal", ids)
            wall, cpu = time.perf_counter(), time.process_time()
            report = queues.seal(event, CONTEXT)
            shares.append(100 * (time.process_time() - cpu) / (time.perf_counter() - wall))
            if report["batchItemFailures"]:
                raise RuntimeError("a document was not sealed")
    return [round(share, 1) for share in shares[_WARM:]]


def _sealer() -> tuple[UsableCredential, PadesSealer]:
    ROOM.mkdir(parents=True, exist_ok=True)
    pki = local_pki(ROOM / "pki")
    usable = usable_credential(pki)
    usable = replace(usable, key=_SlowKey(usable.key))
    stamper = _SlowTimestamper(pki)
    return usable, PadesSealer(GivenChecker([usable]), stamper, clock=lambda: datetime.now(UTC))


def _numbered(fakes: Fakes, numbers: list[int]) -> list[str]:
    """New licences that have their numbers, as `number` leaves them."""
    made = [document(f"BUSY{n:06}", content=content(n)) for n in numbers]
    for each in made:
        fakes.ledger.add(each, None)
    ids = [each.document_id for each in made]
    for first in range(0, len(ids), 10):
        queues.number(_event("number", ids[first : first + 10]), CONTEXT)
    return ids


def _event(function: str, ids: list[str]) -> dict[str, Any]:
    template = sample_event(function)["Records"][0]
    return {
        "Records": [
            {**template, "messageId": str(n), "body": json.dumps({"document_id": document_id})}
            for n, document_id in enumerate(ids)
        ]
    }


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    shares = _measure(int(sys.argv[1]), int(sys.argv[2]))
    print(json.dumps(shares))
