"""Check a public register by somebody who trusts nobody.

    python -m infra.log_check https://tra.example/api diw/licence/2026

Written from the standards alone (RFC 9162, C2SP tlog-tiles, tlog-checkpoint, signed-note,
tlog-cosignature); shares no code with what makes the logs, and gets everything through the
public endpoints. Numbers must run 1, 2, 3 …, every entry must be included under the signed
root, and every outcome must name a number that was given.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import urllib3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ED25519, _COSIGNATURE = 1, 4
_TILE = 256
_OK = 200


class LogCheckError(Exception):
    """The log is not what it says; the text says in what."""


@dataclass(frozen=True, slots=True)
class CheckedRegister:
    """What was re-derived of one register year."""

    register_id: str
    numbers: int
    outcomes: int
    number_root: str
    proofs: int


def check_register(url: str, register_id: str, http: urllib3.PoolManager) -> CheckedRegister:
    """Re-derive both logs and every inclusion proof of the number log over HTTP. Raises
    LogCheckError."""
    base = f"{url}/v1/registers/{register_id}"
    tree, numbers = _check_log(f"{base}/numbers", http)
    _, outcomes = _check_log(f"{base}/outcomes", http)
    given = [json.loads(leaf)["number"] for leaf in numbers]
    if given != list(range(1, len(given) + 1)):
        raise LogCheckError("The numbers do not run 1, 2, 3 …")
    told = {json.loads(leaf)["number"] for leaf in outcomes}
    if not told <= set(given):
        raise LogCheckError("An outcome names a number that was never given.")
    for number, leaf in enumerate(numbers, start=1):
        said = json.loads(_get(f"{base}/proof/{number}", http))["numbers"]
        _check_proof(said, leaf, number, tree)
    return CheckedRegister(register_id, len(numbers), len(outcomes), tree.root.hex(), len(numbers))


def _check_log(base: str, http: urllib3.PoolManager) -> tuple[Tree, list[bytes]]:
    note = _get(f"{base}/checkpoint", http)
    try:
        tree = open_note(note, _get(f"{base}/key", http).decode().strip())
    except InvalidSignature as error:
        raise LogCheckError("The checkpoint's signature does not verify.") from error
    leaves = read_entries(lambda path: _get(f"{base}/{path}", http), tree.size)
    if leaves and root_of(leaves) != tree.root:
        raise LogCheckError("The entries do not have the root that was signed.")
    return tree, leaves


def _check_proof(said: dict[str, Any], leaf: bytes, number: int, tree: Tree) -> None:
    if (said["leaf"].encode(), said["index"]) != (leaf, number - 1):
        raise LogCheckError(f"The proof of number {number} is of another entry.")
    proof = decode_hashes(said["proof"])
    if root_by_inclusion(leaf, number - 1, tree.size, proof) != tree.root:
        raise LogCheckError(f"The proof of number {number} does not lead to the root.")


def _get(url: str, http: urllib3.PoolManager) -> bytes:
    answer = http.request("GET", url)
    if answer.status != _OK:
        raise LogCheckError(f"{answer.status} from {url}")
    return answer.data


# -- RFC 9162 and C2SP, from the standards alone -------------------------------


@dataclass(frozen=True)
class Tree:
    """What a checkpoint states."""

    origin: str
    size: int
    root: bytes


def open_note(note: bytes, vkey: str) -> Tree:
    """signed-note, tlog-checkpoint: the log's own signature must verify."""
    text, lines = _split(note)
    name, key_id, key = _read_vkey(vkey)
    signature = _signature(lines, name, key_id)
    if key[0] != _ED25519 or signature is None:
        raise LogCheckError("The log's own key did not sign this.")
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, text)
    origin, size, root, rest = text.decode().split("\n", 3)
    _demand((origin, rest) == (name, ""))
    return Tree(origin, int(size), base64.b64decode(root))


def cosigned_at(note: bytes, vkey: str) -> int | None:
    """tlog-cosignature, cosignature/v1: when the witness signed, None if it did not."""
    text, lines = _split(note)
    name, key_id, key = _read_vkey(vkey)
    _demand(key[0] == _COSIGNATURE)
    data = _signature(lines, name, key_id)
    if data is None:
        return None
    time = int.from_bytes(data[:8], "big")
    message = f"cosignature/v1\ntime {time}\n".encode() + text
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(data[8:], message)
    return time


def _split(note: bytes) -> tuple[bytes, list[str]]:
    text, _, signatures = note.rpartition(b"\n\n")
    return text + b"\n", signatures.decode().splitlines()


def _read_vkey(vkey: str) -> tuple[str, bytes, bytes]:
    name, key_id, key = vkey.split("+", 2)
    material = base64.b64decode(key)
    expected = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
    _demand(expected.hex() == key_id)
    return name, expected, material


def _signature(lines: list[str], name: str, key_id: bytes) -> bytes | None:
    for line in lines:
        dash, signer, encoded = line.split(" ")
        data = base64.b64decode(encoded)
        _demand(dash == "—")
        if (signer, data[:4]) == (name, key_id):
            return data[4:]
    return None


def read_entries(read: Callable[[str], bytes], size: int) -> list[bytes]:
    """tlog-tiles: every entry, from the bundles."""
    leaves: list[bytes] = []
    for index in range(0, size, _TILE):
        width = min(_TILE, size - index)
        data = read(tile_path("entries", index // _TILE, width))
        for _ in range(width):
            length = int.from_bytes(data[:2], "big")
            leaves.append(data[2 : 2 + length])
            data = data[2 + length :]
        _demand(data == b"")
    return leaves


def tile_path(level: str, index: int, width: int) -> str:
    thousands, units = divmod(index, 1000)
    path = f"x{thousands:03d}/{units:03d}" if thousands else f"{units:03d}"
    return f"tile/{level}/{path}" + (f".p/{width}" if width < _TILE else "")


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def root_of(leaves: list[bytes]) -> bytes:
    return tree_hash([leaf_hash(leaf) for leaf in leaves])


def tree_hash(hashes: list[bytes]) -> bytes:
    """RFC 9162 2.1.1."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return _node(tree_hash(hashes[:k]), tree_hash(hashes[k:]))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: tuple[bytes, ...]) -> bytes:
    """RFC 9162 2.1.3.2."""
    fn, sn, r = index, size - 1, leaf_hash(leaf)
    for p in proof:
        _demand(sn != 0)
        if fn & 1 or fn == sn:
            r = _node(p, r)
            if not fn & 1:
                while fn and not fn & 1:
                    fn, sn = fn >> 1, sn >> 1
        else:
            r = _node(r, p)
        fn, sn = fn >> 1, sn >> 1
    _demand(sn == 0)
    return r


def is_consistent(old: Tree, new: Tree, proof: tuple[bytes, ...]) -> bool:
    """RFC 9162 2.1.4.2."""
    if old.size == new.size:
        return old.root == new.root and not proof
    path = list(proof)
    if old.size & (old.size - 1) == 0:
        path.insert(0, old.root)
    fn, sn = old.size - 1, new.size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = _node(c, fr), _node(c, sr)
            if not fn & 1:
                while fn and not fn & 1:
                    fn, sn = fn >> 1, sn >> 1
        else:
            sr = _node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return (fr, sr, sn) == (old.root, new.root, 0)


def decode_hashes(proof: list[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(node) for node in proof)


def _demand(holds: bool) -> None:  # noqa: FBT001 - the only thing it is told
    if not holds:
        raise LogCheckError("The log does not follow the standards.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.log_check", description=__doc__)
    parser.add_argument("url", help="base URL of the deployment")
    parser.add_argument("registers", nargs="+", metavar="AGENCY/BOOK/YEAR")
    arguments = parser.parse_args()
    http = urllib3.PoolManager()
    for register_id in arguments.registers:
        try:
            found = check_register(arguments.url, register_id, http)
        except LogCheckError as error:
            print(f"{register_id}: {error}", file=sys.stderr)
            return 1
        print(f"{register_id}: numbers 1..{found.numbers}, root {found.number_root[:16]}…")
    return 0


if __name__ == "__main__":
    sys.exit(main())
