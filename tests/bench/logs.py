"""The public logs: how long a checkpoint over many new entries takes, and how fast proofs verify."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalicelib.domain.merkle import (
    TiledTree,
    TreeHead,
    layers_over,
    leaf_hash,
    verify_inclusion,
)
from chalicelib.domain.registers import LogName, Register
from chalicelib.services.checkpoint import extend
from infra import local
from tests.bench.results import Result, duration, rate
from tests.support.logs import give_numbers
from tests.support.rooms import Fakes

_ENTRIES = 10_000
_ROUNDS = 3
_PROOFS = 2_000
_ROOM = Path("build/bench/logs")
_EVENT = Path("events/checkpoint.json")


def checkpoint_10k_seconds() -> Result:
    """The deployed `checkpoint` function over 10,000 numbers given since its last run: reading
    the entries, writing tiles and bundles, signing, publishing. Beside it the same work on the
    fakes in memory: what is ours of it, without AWS."""
    samples, bare = [], []
    with local.running(_ROOM) as deployment:
        store = _registers(deployment)
        for round_ in range(_ROUNDS):
            register = Register("diw", f"bench-{round_}", 2026)
            give_numbers(store, _ENTRIES, register)
            samples.append(_run_checkpoint(deployment))
            bare.append(_in_memory(register))
    return replace(
        duration(samples, bare, target="≤ 10 s", against="the same on fakes in memory"), unit="s"
    )


def proof_verify_per_second() -> Result:
    """Inclusion proofs of a log of 10,000 entries, verified on one core. The limit beside it is
    as many SHA-256 over 65 bytes as such a proof has hashes."""
    hashes = [leaf_hash(b"%d" % n) for n in range(_ENTRIES)]
    tree = TiledTree(_ENTRIES, _tiles_of(hashes), keep=64)
    head = TreeHead(_ENTRIES, tree.root)
    step = _ENTRIES // _PROOFS
    proofs = [(n, tree.inclusion_proof(n)) for n in range(0, _ENTRIES, step)]
    samples, peers = [], []
    for _ in range(5):
        started = time.perf_counter()
        for index, proof in proofs:
            verify_inclusion(hashes[index], index, proof, head)
        samples.append(len(proofs) / (time.perf_counter() - started))
        peers.append(len(proofs) / _hashing_seconds([len(proof) for _, proof in proofs]))
    return replace(
        rate(samples, peers, target="≥ half of the limit", against="its SHA-256 alone"),
        unit="proofs/s",
    )


def _registers(deployment: local.Deployment) -> Any:
    # Here, because pynamodb reads region and endpoint from the environment when imported.
    from chalicelib.adapters.dynamodb.registers import (  # noqa: PLC0415 - see above
        DynamoRegisterStore,
    )

    return DynamoRegisterStore(
        deployment.outputs["RegistersTable"],
        deployment.outputs["DocumentsTable"],
        sweep_after=timedelta(minutes=5),
    )


def _run_checkpoint(deployment: local.Deployment) -> float:
    client = deployment.session().client("lambda")
    started = time.perf_counter()
    answer = client.invoke(
        FunctionName=deployment.outputs["CheckpointFunction"], Payload=_EVENT.read_bytes()
    )
    spent = time.perf_counter() - started
    done = json.loads(answer["Payload"].read())
    if done.get("entries") != _ENTRIES:
        raise RuntimeError(f"the checkpoint was not over {_ENTRIES} entries: {done}")
    return spent


def _in_memory(register: Register) -> float:
    fakes = Fakes()
    give_numbers(fakes.ledger, _ENTRIES, register)
    started = time.perf_counter()
    extend(register, LogName.NUMBERS, room=fakes.house().checkpoint_room)
    return time.perf_counter() - started


def _tiles_of(hashes: list[bytes]) -> Any:
    """The tiles of a tree in memory."""
    levels = [hashes]
    while len(levels[-1]) >= 256:  # a tile's width
        below = levels[-1]
        full = range(0, len(below) - 255, 256)
        levels.append([layers_over(below[i : i + 256])[-1][0] for i in full])

    def read(level: int, index: int, width: int) -> bytes:
        return b"".join(levels[level][index * 256 : index * 256 + width])

    return read


def _hashing_seconds(lengths: list[int]) -> float:
    node = os.urandom(65)
    started = time.perf_counter()
    for length in lengths:
        for _ in range(length):
            hashlib.sha256(node).digest()
    return time.perf_counter() - started
