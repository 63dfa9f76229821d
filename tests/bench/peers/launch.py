"""Run a peer in its own process: a folder with inputs in, milliseconds per document out."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
PEERS_PYTHON = Path(".venv-peers/bin/python")
NODE_ROOM = _HERE.parent / "node"
_PATIENCE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Measured:
    """What a peer did: CPU milliseconds per document, once per round."""

    name: str
    samples: list[float]


@dataclass(frozen=True, slots=True)
class Missing:
    """A peer that is not there, and why."""

    name: str
    why: str


def python_peer(name: str, room: Path) -> Measured | Missing:
    """Run `peers/<name>_peer.py` in `.venv-peers`."""
    if not PEERS_PYTHON.exists():
        return Missing(name, "no .venv-peers")
    return _run(name, [str(PEERS_PYTHON), str(_HERE / f"{name}_peer.py"), str(room)])


def node_peer(name: str, room: Path, *more: str) -> Measured | Missing:
    """Run `node/<script>.mjs`."""
    node = shutil.which("node")
    if node is None or not (NODE_ROOM / "node_modules").is_dir():
        return Missing(name, "no node, or npm could not install")
    return _run(name, [node, str(NODE_ROOM / "signpdf.mjs"), str(room.resolve()), *more])


def _run(name: str, command: list[str]) -> Measured | Missing:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
    )
    if done.returncode:
        return Missing(name, (done.stderr.strip().splitlines() or ["it failed"])[-1][:80])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Measured(name, [float(ms) for ms in answer["ms"]])
