"""The public logs checked by somebody who trusts nobody.

`infra/log_check.py` is written from the standards alone and shares no code with what makes
the logs; it gets everything through the public endpoints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.exceptions import InvalidSignature

from chalicelib.adapters.ed25519 import WitnessKey, verify
from chalicelib.domain.notes import VerifierKey
from chalicelib.domain.registers import LogName, Register
from chalicelib.services.checkpoint import checkpoint_all
from chalicelib.services.witness import HistoryForkedError, Witnessed, WitnessRoom, witness
from infra.log_check import (
    Tree,
    cosigned_at,
    decode_hashes,
    is_consistent,
    leaf_hash,
    open_note,
    read_entries,
    root_by_inclusion,
    root_of,
    tile_path,
    tree_hash,
)
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
        return decode_hashes(answer.json["proof"])

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
    tree = open_note(public.checkpoint(), public.key())
    leaves = read_entries(public.file, tree.size)
    assert root_of(leaves) == tree.root
    for number, leaf in enumerate(leaves, start=1):
        said = public.proof(number)["numbers"]
        assert (said["leaf"].encode(), said["index"]) == (leaf, number - 1)
        assert said["checkpoint"].encode() == public.checkpoint()
        proof = decode_hashes(said["proof"])
        assert root_by_inclusion(leaf, number - 1, tree.size, proof) == tree.root


def test_numbers_run_without_a_gap(api: Api) -> None:
    """P1: leaf i of the number log is number i + 1 of this register, and nothing is left out."""
    _grow(api, 300)
    public = Public(api)
    leaves = read_entries(public.file, open_note(public.checkpoint(), public.key()).size)
    said = [json.loads(leaf) for leaf in leaves]
    assert [leaf["number"] for leaf in said] == list(range(1, 301))
    assert {leaf["register_id"] for leaf in said} == {"diw/licence/2026"}


def test_every_outcome_is_proved(api: Api) -> None:
    """P7: what became of a number is in the outcome log, and the API proves it."""
    _grow(api, 40, 7, 3)
    _grow(api, 1, 20)
    public = Public(api, "outcomes")
    tree = open_note(public.checkpoint(), public.key())
    for seq, number in enumerate((3, 7, 20)):
        (said,) = public.proof(number)["outcomes"]
        leaf = said["leaf"].encode()
        assert json.loads(leaf)["outcome"] == "void"
        assert root_by_inclusion(leaf, seq, tree.size, decode_hashes(said["proof"])) == tree.root


def test_tiles_hold_the_hashes_of_the_entries(api: Api) -> None:
    """P7: tiles of every level are those of C2SP tlog-tiles, recomputed from the entries."""
    _grow(api, 600)
    public = Public(api)
    hashes = [leaf_hash(leaf) for leaf in read_entries(public.file, 600)]
    level = 0
    while hashes:
        for index in range(0, len(hashes), 256):
            part = hashes[index : index + 256]
            path = tile_path(str(level), index // 256, len(part))
            assert public.file(path) == b"".join(part)
        full = [hashes[i : i + 256] for i in range(0, len(hashes) - 255, 256)]
        hashes, level = [tree_hash(part) for part in full], level + 1
    assert level == 2


def test_any_two_sizes_are_consistent(api: Api) -> None:
    """P7: between any two checkpoints the log only grew, and anybody can check it."""
    seen = []
    for step in (1, 6, 120, 129, 1, 44):
        _grow(api, step)
        public = Public(api)
        seen.append(open_note(public.checkpoint(), public.key()))
    for old in seen:
        for new in seen:
            if old.size <= new.size:
                assert is_consistent(old, new, public.consistency(old.size, new.size))
    forged = Tree(seen[2].origin, seen[2].size, bytes(32))
    assert not is_consistent(forged, seen[-1], public.consistency(forged.size, seen[-1].size))


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
        old, new = open_note(seen, honest.key()), open_note(offered, fork.key())
        assert old.origin == new.origin
        assert not is_consistent(old, new, fork.consistency(old.size, new.size))
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
    open_note(public.checkpoint(), public.key())
    assert cosigned_at(public.checkpoint(), _WITNESS.verifier.vkey) == int(NOON.timestamp())
    # The next checkpoint continues what the witness signed, and waits for its line again.
    _grow(api, 20)
    assert cosigned_at(public.checkpoint(), _WITNESS.verifier.vkey) is None
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


def test_the_independent_check_refuses_a_forged_note(api: Api) -> None:
    """P7: the verification these tests rely on can fail."""
    _grow(api, 5)
    public = Public(api)
    note = public.checkpoint().replace(b"\n5\n", b"\n6\n")
    with pytest.raises(InvalidSignature):
        open_note(note, public.key())
