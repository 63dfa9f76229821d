"""The public logs checked by somebody who trusts nobody.

Everything below `# -- RFC 9162` is written from the standards alone (RFC 9162, C2SP
tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature) and shares no code with Tra;
it gets everything through the public endpoints.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chalicelib.adapters.ed25519 import WitnessKey, verify
from chalicelib.domain.notes import VerifierKey
from chalicelib.domain.registers import LogName, Register
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.witness import HistoryForkedError, Witnessed, WitnessRoom, witness
from tests.integration.conftest import Answer, Api
from tests.support.logs import REGISTER, give_numbers, void_numbers
from tests.support.rooms import Fakes, furnished
from tests.support.samples import NOON

_LOG = "/v1/registers/{agency}/{book}/{year}/{log}"
_WITNESS = WitnessKey("witness.opdc.example/1", bytes(range(32)))


@dataclass
class Public:
    """What anybody can see of one log, over the API's own routes."""

    api: Api
    log: str = "numbers"
    register: Register = REGISTER

    def get(
        self,
        rest: str,
        *,
        path: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> Answer:
        names = {**self._names, **(path or {})}
        return self.api.call("GET", f"{_LOG}/{rest}", path=names, query=query, authorizer={})

    def checkpoint(self) -> bytes:
        answer = self.get("checkpoint")
        assert answer.status == 200
        return answer.text.encode()

    def key(self) -> str:
        return self.get("key").text.strip()

    def file(self, path: str) -> bytes:
        """A tile, as tlog-tiles names it; the redirect is followed without any token."""
        _, level, *rest = path.split("/")
        names = dict(zip("abc", rest, strict=False))
        route = "tile/{level}/" + "/".join(f"{{{name}}}" for name in names)
        answer = self.get(route, path={"level": level, **names})
        assert answer.status == 303, path
        link = urlsplit(answer.headers["Location"])
        assert link.scheme == "memory"
        where = link.path.removeprefix(f"{self.register.register_id}/{self.log}/")
        return self.api.fakes.log_files.files[self.register, LogName(self.log), where]

    def proof(self, number: int, **query: str) -> dict[str, Any]:
        answer = self.api.call(
            "GET",
            "/v1/registers/{agency}/{book}/{year}/proof/{number}",
            path={**self._names, "number": str(number)},
            query=query,
            authorizer={},
        )
        assert answer.status == 200, answer.text
        found: dict[str, Any] = answer.json
        return found

    def consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        answer = self.get("consistency", query={"from": str(old_size), "to": str(new_size)})
        assert answer.status == 200, answer.text
        return _hashes(answer.json["proof"])

    @property
    def _names(self) -> dict[str, str]:
        agency, book, year = self.register.register_id.split("/")
        return {"agency": agency, "book": book, "year": year, "log": self.log}


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def api(fakes: Fakes) -> Iterator[Api]:
    with furnished(fakes.house()):
        yield Api(fakes)


def _grow(api: Api, count: int, *voided: int) -> None:
    give_numbers(api.fakes.ledger, count)
    void_numbers(api.fakes.ledger, *voided)
    assert checkpoint_all(room=api.fakes.house().checkpoint_room).failed == ()


# -- what P7 promises ----------------------------------------------------------


@pytest.mark.parametrize("steps", [(300,), (1, 255, 1, 43), (256, 256), (3,)])
def test_root_and_every_inclusion_proof_are_re_derived(api: Api, steps: tuple[int, ...]) -> None:
    """P7: from the public endpoints alone, anybody gets the same root and every proof holds."""
    for step in steps:
        _grow(api, step)
    public = Public(api)
    tree = _opened(public.checkpoint(), public.key())
    leaves = _entries(public, tree.size)
    assert _root(leaves) == tree.root
    for number, leaf in enumerate(leaves, start=1):
        said = public.proof(number)["numbers"]
        assert (said["leaf"].encode(), said["index"]) == (leaf, number - 1)
        assert said["checkpoint"].encode() == public.checkpoint()
        proof = _hashes(said["proof"])
        assert _root_by_inclusion(leaf, number - 1, tree.size, proof) == tree.root


def test_numbers_run_without_a_gap(api: Api) -> None:
    """P1: leaf i of the number log is number i + 1 of this register, and nothing is left out."""
    _grow(api, 300)
    public = Public(api)
    leaves = _entries(public, _opened(public.checkpoint(), public.key()).size)
    said = [json.loads(leaf) for leaf in leaves]
    assert [leaf["number"] for leaf in said] == list(range(1, 301))
    assert {leaf["register_id"] for leaf in said} == {"diw/licence/2026"}


def test_every_outcome_is_proved(api: Api) -> None:
    """P7: what became of a number is in the outcome log, and the API proves it."""
    _grow(api, 40, 7, 3)
    _grow(api, 1, 20)
    public = Public(api, "outcomes")
    tree = _opened(public.checkpoint(), public.key())
    for seq, number in enumerate((3, 7, 20)):
        (said,) = public.proof(number)["outcomes"]
        leaf = said["leaf"].encode()
        assert json.loads(leaf)["outcome"] == "void"
        assert _root_by_inclusion(leaf, seq, tree.size, _hashes(said["proof"])) == tree.root


def test_tiles_hold_the_hashes_of_the_entries(api: Api) -> None:
    """P7: tiles of every level are those of C2SP tlog-tiles, recomputed from the entries."""
    _grow(api, 600)
    public = Public(api)
    hashes = [_leaf_hash(leaf) for leaf in _entries(public, 600)]
    level = 0
    while hashes:
        for index in range(0, len(hashes), 256):
            part = hashes[index : index + 256]
            path = _tile_path(str(level), index // 256, len(part))
            assert public.file(path) == b"".join(part)
        full = [hashes[i : i + 256] for i in range(0, len(hashes) - 255, 256)]
        hashes, level = [_tree_hash(part) for part in full], level + 1
    assert level == 2


def test_any_two_sizes_are_consistent(api: Api) -> None:
    """P7: between any two checkpoints the log only grew, and anybody can check it."""
    seen = []
    for step in (1, 6, 120, 129, 1, 44):
        _grow(api, step)
        public = Public(api)
        seen.append(_opened(public.checkpoint(), public.key()))
    for old in seen:
        for new in seen:
            if old.size <= new.size:
                assert _consistent(old, new, public.consistency(old.size, new.size))
    forged = Tree(seen[2].origin, seen[2].size, bytes(32))
    assert not _consistent(forged, seen[-1], public.consistency(forged.size, seen[-1].size))


# -- witnesses -----------------------------------------------------------------


class Memory:
    """A witness's notebook that lives as long as the test."""

    def __init__(self) -> None:
        self.note: bytes | None = None
        self.forks: list[tuple[bytes, bytes]] = []

    def last(self) -> bytes | None:
        return self.note

    def keep(self, note: bytes) -> None:
        self.note = note

    def keep_evidence(self, seen: bytes, offered: bytes) -> None:
        self.forks.append((seen, offered))


def _witness(public: Public, notebook: Memory) -> Witnessed:
    return witness(
        room=WitnessRoom(
            log=public,
            log_key=VerifierKey.parse(public.key()),
            notebook=notebook,
            key=_WITNESS.verifier,
            sign=_WITNESS.sign,
            verify=verify,
            clock=lambda: NOON,
        )
    )


def test_two_conflicting_histories_are_detected(api: Api) -> None:
    """P7: whoever shows two histories of one register is caught, with both of its own words."""
    _grow(api, 300)
    notebook = Memory()
    honest = Public(api)
    _witness(honest, notebook)
    seen = honest.checkpoint()
    # The operator gives a number to something else, with its true key.
    with furnished((forged := Fakes()).house()):
        give_numbers(forged.ledger, 299)
        _rewrite(forged, 200)
        fork = Public(Api(forged))
        _grow(fork.api, 50)
        with pytest.raises(HistoryForkedError) as caught:
            _witness(fork, notebook)
        offered = fork.checkpoint()
        # Without the witness's help: both are signed, and no proof can connect them.
        old, new = _opened(seen, honest.key()), _opened(offered, fork.key())
        assert old.origin == new.origin
        assert not _consistent(old, new, fork.consistency(old.size, new.size))
    assert (caught.value.seen, caught.value.offered) == (seen, offered)
    assert notebook.forks == [(seen, offered)]
    assert notebook.last() == seen


@pytest.mark.parametrize("size", [299, 300])
def test_a_log_that_goes_back_is_detected(api: Api, size: int) -> None:
    """P7: a smaller tree, or another of the same size, is no continuation."""
    _grow(api, 300)
    notebook = Memory()
    _witness(Public(api), notebook)
    with furnished((forged := Fakes()).house()):
        give_numbers(forged.ledger, 10)
        _rewrite(forged, 5)
        fork = Public(Api(forged))
        _grow(fork.api, size - 10)
        with pytest.raises(HistoryForkedError):
            _witness(fork, notebook)


def test_a_cosignature_is_published_and_verifies(api: Api) -> None:
    """P7: a witness's line stands under the checkpoint, for exactly this tree, with its time."""
    _register_witness(api.fakes)
    _grow(api, 300)
    public, notebook = Public(api), Memory()
    first = _cosign(public, _witness(public, notebook))
    assert first.status == 200
    assert public.checkpoint() == first.text.encode()
    _opened(public.checkpoint(), public.key())
    assert _cosigned_at(public.checkpoint(), _WITNESS.verifier.vkey) == int(NOON.timestamp())
    # The next checkpoint continues what the witness signed, and waits for its line again.
    _grow(api, 20)
    assert _cosigned_at(public.checkpoint(), _WITNESS.verifier.vkey) is None
    told = _witness(public, notebook)
    assert (told.previous_size, told.checkpoint.size) == (300, 320)
    assert _cosign(public, told).status == 200


def _rewrite(fakes: Fakes, number: int) -> None:
    """What no function of Tra does: change what a number was given to."""
    place = (REGISTER, number, 0)
    entries = fakes.ledger._entries
    entries[place] = replace(entries[place], commitment="0" * 64)


def _register_witness(fakes: Fakes) -> None:
    agency = fakes.directory.agency("dbd")
    assert agency is not None
    fakes.directory.put_agency(replace(agency, witness_key=_WITNESS.verifier.vkey))


def _cosign(public: Public, told: Witnessed) -> Answer:
    return public.api.call(
        "POST",
        f"{_LOG}/cosignatures",
        path=public._names,
        body={"cosignature": told.cosignature.line.strip()},
        authorizer={
            "sub": "witness",
            "agency": "dbd",
            "roles": "application",
            "scope": "logs:cosign",
            "exp": str(int(NOON.timestamp()) + 60),
        },
    )


# -- RFC 9162 and C2SP, from the standards alone -------------------------------


@dataclass(frozen=True)
class Tree:
    """What a checkpoint states."""

    origin: str
    size: int
    root: bytes


def _opened(note: bytes, vkey: str) -> Tree:
    """signed-note, tlog-checkpoint: the log's own signature must verify."""
    text, lines = _split(note)
    name, key_id, key = _read_vkey(vkey)
    signature = _signature(lines, name, key_id)
    assert key[0] == 1
    assert signature is not None
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, text)
    origin, size, root, rest = text.decode().split("\n", 3)
    assert (origin, rest) == (name, "")
    return Tree(origin, int(size), base64.b64decode(root))


def _cosigned_at(note: bytes, vkey: str) -> int | None:
    """tlog-cosignature, cosignature/v1: when the witness signed, None if it did not."""
    text, lines = _split(note)
    name, key_id, key = _read_vkey(vkey)
    assert key[0] == 4
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
    assert expected.hex() == key_id
    return name, expected, material


def _signature(lines: list[str], name: str, key_id: bytes) -> bytes | None:
    for line in lines:
        dash, signer, encoded = line.split(" ")
        data = base64.b64decode(encoded)
        assert dash == "—"
        if (signer, data[:4]) == (name, key_id):
            return data[4:]
    return None


def _entries(public: Public, size: int) -> list[bytes]:
    """tlog-tiles: every entry, from the bundles."""
    leaves: list[bytes] = []
    for index in range(0, size, 256):
        width = min(256, size - index)
        data = public.file(_tile_path("entries", index // 256, width))
        for _ in range(width):
            length = int.from_bytes(data[:2], "big")
            leaves.append(data[2 : 2 + length])
            data = data[2 + length :]
        assert data == b""
    return leaves


def _tile_path(level: str, index: int, width: int) -> str:
    thousands, units = divmod(index, 1000)
    path = f"x{thousands:03d}/{units:03d}" if thousands else f"{units:03d}"
    return f"tile/{level}/{path}" + (f".p/{width}" if width < 256 else "")


def _leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def _root(leaves: list[bytes]) -> bytes:
    return _tree_hash([_leaf_hash(leaf) for leaf in leaves])


def _tree_hash(hashes: list[bytes]) -> bytes:
    """RFC 9162 2.1.1."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return _node(_tree_hash(hashes[:k]), _tree_hash(hashes[k:]))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _root_by_inclusion(leaf: bytes, index: int, size: int, proof: tuple[bytes, ...]) -> bytes:
    """RFC 9162 2.1.3.2."""
    fn, sn, r = index, size - 1, _leaf_hash(leaf)
    for p in proof:
        assert sn != 0
        if fn & 1 or fn == sn:
            r = _node(p, r)
            if not fn & 1:
                while fn and not fn & 1:
                    fn, sn = fn >> 1, sn >> 1
        else:
            r = _node(r, p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return r


def _consistent(old: Tree, new: Tree, proof: tuple[bytes, ...]) -> bool:
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


def _hashes(proof: list[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(node) for node in proof)


def test_the_independent_check_refuses_a_forged_note(api: Api) -> None:
    """P7: the verification these tests rely on can fail."""
    _grow(api, 5)
    public = Public(api)
    note = public.checkpoint().replace(b"\n5\n", b"\n6\n")
    with pytest.raises(InvalidSignature):
        _opened(note, public.key())
