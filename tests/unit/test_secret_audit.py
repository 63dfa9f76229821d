"""Audit and evidence records of classified documents, on fakes: nothing is missed, nothing shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.sealed_parts import OpenedLater, sealed_entry
from chalicelib.domain.documents import (
    ArchivedFile,
    Classification,
    Document,
    DocumentState,
)
from chalicelib.domain.errors import SecretUnreadableError, UnavailableError
from chalicelib.domain.findings import Fault
from chalicelib.domain.registers import Register
from chalicelib.services.audit import Unaudited, audit, audit_all
from chalicelib.services.checkpoint import checkpoint_all
from tests.fault.harness import World
from tests.support import rfc4998
from tests.support.decades import Decades
from tests.support.samples import document

REGISTER = Register("diw", "licence", 2026)


@pytest.fixture
def world() -> World:
    """One secret and one normal document, issued and published."""
    made = World()
    made.accept(replace(document("D1"), classification=Classification.SECRET), document("D2"))
    made.run_to_rest()
    checkpoint_all(room=made.fakes.house().checkpoint_room)
    return made


def _faults(world: World) -> set[Fault]:
    return set(audit(REGISTER, room=world.fakes.house().audit_room).found)


def _stored(world: World) -> tuple[Document, ArchivedFile]:
    found = world.fakes.ledger.get("D1")
    assert found is not None
    assert found.file is not None
    return found, found.file


def test_a_classified_document_is_audited_like_any_other(world: World) -> None:
    """A26, A13: its file lies encrypted, its digests are those of the clear file."""
    _, file = _stored(world)
    assert file.stored is not None
    assert world.fakes.archive.files[file.key].startswith(b"TRAV")
    assert _faults(world) == set()


def _other_bytes(world: World) -> None:
    _, file = _stored(world)
    world.fakes.archive.files[file.key] += b"x"


def _in_clear(world: World) -> None:
    found, file = _stored(world)
    clear = world.fakes.archive.read(file)
    world.fakes.archive.files[file.key] = clear
    world.fakes.archive._secret.clear()
    there = replace(file, stored=None)
    world.fakes.archive._described[file.key] = there
    world.fakes.ledger._documents["D1"] = replace(found, file=there)


def _damaged_content(world: World) -> None:
    found, _ = _stored(world)
    world.fakes.ledger._documents["D1"] = replace(found, content=_raising(SecretUnreadableError))


def _other_line(world: World) -> None:
    """The texts of its line are those of another one."""
    held = world.fakes.ledger._entries
    (place,) = (at for at, entry in held.items() if entry.document_id == "D1")
    elsewhere = replace(held[place], sealed=None, number=99, subject="เรื่องอื่น")
    other = sealed_entry(elsewhere, world.fakes.ledger._vault).sealed
    held[place] = replace(held[place], sealed=other)


def _raising(error: type[Exception]) -> OpenedLater:
    def opened() -> Any:
        raise error("It does not open.")

    return OpenedLater(opened)


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (_other_bytes, {Fault.DIGEST_MISMATCH}),
        (_in_clear, {Fault.NOT_ENCRYPTED}),
        (_damaged_content, {Fault.SECRET_UNREADABLE}),
        (_other_line, {Fault.SECRET_UNREADABLE}),
    ],
)
def test_what_is_wrong_with_it_is_found(
    world: World, plant: Callable[[World], None], found: set[Fault]
) -> None:
    """A26, A13: exchanged bytes, a file that lies in clear, content or a line of the register that does not
    open."""
    plant(world)
    assert _faults(world) == found


def test_a_key_that_cannot_be_used_is_told_the_same_night(world: World) -> None:
    """A26: while the key is disabled or waits to be destroyed, the register is reported as not
    audited, which an alarm stands on; never as sound."""
    found, _ = _stored(world)
    world.fakes.ledger._documents["D1"] = replace(found, content=_raising(UnavailableError))
    done = list(audit_all(room=world.fakes.house().audit_room, in_time=lambda: True))
    (unaudited,) = (one for one in done if isinstance(one, Unaudited))
    assert unaudited.register == REGISTER
    assert isinstance(unaudited.error, UnavailableError)


def test_evidence_records_prove_the_clear_file() -> None:
    """A26: the record of a classified document is over the sealed PDF that a court gets, not over
    its encryption; another implementation of RFC 4998 agrees."""
    decades = Decades()
    decades.issue("S1", classification=Classification.SECRET)
    decades.fakes.clock.advance(timedelta(days=2))
    assert decades.renew().left_out == 0
    assert decades.problems("D1", "S1") == []
    record, secret = decades.record("S1"), decades.fakes.ledger.get("S1")
    assert record is not None
    assert secret is not None
    assert secret.file is not None
    assert rfc4998.check(record, decades.fakes.archive.read(secret.file))
    with pytest.raises(AssertionError):
        rfc4998.check(record, decades.fakes.archive.files[secret.file.key])


def test_one_that_does_not_open_holds_up_no_other() -> None:
    """P4: documents of its book that came with it are numbered; it alone waits, and takes no
    number of an empty subject."""
    world = World()
    secret = replace(document("D1"), classification=Classification.SECRET)
    world.accept(replace(secret, content=_raising(SecretUnreadableError)), document("D2"))
    world.step("number")
    states = {name: world.fakes.ledger.get(name) for name in ("D1", "D2")}
    assert {name: d.state for name, d in states.items() if d is not None} == {
        "D1": DocumentState.ACCEPTED,
        "D2": DocumentState.NUMBERED,
    }
    assert any("D1" in message for message in world.fakes.number_queue.messages)
