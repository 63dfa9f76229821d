"""P8: any function may be killed between any two external calls and run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.access import Role
from chalicelib.domain.documents import Classification, Document, content_digest
from chalicelib.domain.persons import Officer
from chalicelib.domain.registers import Book, Register
from tests.fault.harness import Danger, Killed, World, audit
from tests.support.appointed import appoint
from tests.support.samples import document

REGISTER = Register("diw", "licence", 2026)


def _batch(classification: Classification = Classification.NORMAL) -> list[Document]:
    made = (document(f"D{n}", recipients=("dbd", "rd")) for n in range(3))
    return [replace(one, classification=classification) for one in made]


def _prepared(function: str, classification: Classification = Classification.NORMAL) -> World:
    """A world in which it is the turn of `function`."""
    world = World()
    for agency in ("dbd", "rd"):
        appoint(
            world.fakes.officers,
            Officer(agency, "registrar"),
            frozenset({Role.REGISTRAR}),
            clearance=Classification.SECRET,
            at=world.fakes.clock(),
        )
    world.accept(*_batch(classification))
    for earlier in ("number", "seal", "deliver"):
        if earlier == function:
            return world
        while world.step(earlier):
            pass
    raise ValueError(function)


def _moments(function: str) -> list[str]:
    """Every moment of an undisturbed run."""
    danger = Danger()
    _prepared(function).step(function, danger)
    return danger.seen


CASES = [
    pytest.param(function, moment, id=f"{function}-{moment:02d}-{what.replace(' ', '-')}")
    for function in ("number", "seal", "deliver")
    for moment, what in enumerate(_moments(function))
]


@pytest.mark.parametrize(("function", "moment"), CASES)
def test_the_message_returns_and_nothing_is_lost_or_doubled(function: str, moment: int) -> None:
    """P1-P5, P8: killed at this moment and run again: same numbers, one file, one set of events."""
    world = _prepared(function)
    with pytest.raises(Killed):
        world.step(function, Danger(kill_at=moment))
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []


@pytest.mark.parametrize(("function", "moment"), CASES)
def test_the_message_is_lost_and_sweep_finds_the_document(function: str, moment: int) -> None:
    """P4, P8: even if the message never returns, `sweep` sets the document going again."""
    world = _prepared(function)
    with pytest.raises(Killed):
        world.step(function, Danger(kill_at=moment))
    for queue in (world.fakes.number_queue, world.fakes.seal_queue, world.fakes.deliver_queue):
        queue.messages.clear()
    world.sweep()
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []


@pytest.mark.parametrize(("function", "moment"), CASES)
def test_what_is_classified_goes_on_too(function: str, moment: int) -> None:
    """P1-P5, P8, A13: encrypting anew at each repeat changes nothing: the first file wins, and all
    that lies in the archive is its encryption."""
    world = _prepared(function, Classification.SECRET)
    with pytest.raises(Killed):
        world.step(function, Danger(kill_at=moment))
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []
    files = world.fakes.archive.files
    assert len(files) == 3
    assert all(data.startswith(b"TRAV") for data in files.values())


@pytest.mark.parametrize("moment", range(len(_moments("seal"))))
def test_a_process_dies_with_all_its_threads(moment: int) -> None:
    """P2, P8: however far each document of a batch sealed at once had come, all end well."""
    world = _prepared("seal")
    world.fakes.seal_at_once = 3
    with pytest.raises(Killed):
        world.step("seal", Danger(kill_at=moment))
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []


def _receipt() -> World:
    """A numbered receipt: its XML gets a seal of its own before the page is made."""
    kind = PackagedDocumentTypes().get("e-receipt")
    assert kind is not None
    content = kind.example["content"]
    digest = content_digest(
        agency_id="diw",
        document_type=kind.name,
        type_version=kind.version,
        content=content,
        valid_from=None,
        valid_until=None,
    )
    receipt = replace(
        document("R1", recipients=("dbd",)),
        document_type=kind.name,
        book=Book("diw", kind.book),
        content=content,
        content_digest=digest,
    )
    world = World()
    world.accept(receipt)
    assert world.step("number")
    return world


def test_a_receipt_may_be_killed_while_its_xml_is_sealed() -> None:
    """P2, P8: killed before or after any call, the seal of the XML among them: one number, one
    file, though the XML was sealed twice."""
    danger = Danger()
    _receipt().step("seal", danger)
    assert "after xml_sealer.seal_xml" in danger.seen
    for moment in range(danger.moment):
        world = _receipt()
        with pytest.raises(Killed):
            world.step("seal", Danger(kill_at=moment))
        world.run_to_rest()
        assert audit(world.fakes, Register("diw", "e-receipt", 2026)) == []
        assert len(world.fakes.archive.files) == 1


def test_sweep_itself_may_be_killed_anywhere() -> None:
    """P8: a killed sweep leaves every document to be found by the next one."""
    danger = Danger()
    _lost_messages().sweep(danger)
    for moment in range(danger.moment):
        world = _lost_messages()
        with pytest.raises(Killed):
            world.sweep(Danger(kill_at=moment))
        world.sweep()
        world.run_to_rest()
        assert audit(world.fakes, REGISTER) == [], danger.seen[moment]


def _lost_messages() -> World:
    world = World()
    world.accept(*_batch())
    world.fakes.number_queue.messages.clear()
    return world


@pytest.mark.parametrize(
    "disturb", [list.reverse, lambda m: m.extend(m * 2)], ids=["late", "twice"]
)
@pytest.mark.parametrize("function", ["number", "seal", "deliver"])
def test_messages_in_another_order_or_twice(
    function: str, disturb: Callable[[list[object]], None]
) -> None:
    """P8: messages may come twice, late, or in another order."""
    world = _prepared(function)
    disturb(getattr(world.fakes, f"{function}_queue").messages)
    world.run_to_rest()
    assert audit(world.fakes, REGISTER) == []


def test_the_audit_sees_a_gap() -> None:
    """P1: the audit these tests rely on can fail."""
    world = World()
    world.accept(*_batch())
    world.run_to_rest()
    world.fakes.ledger._entries.pop((REGISTER, 2, 0))
    world.fakes.inboxes.events.pop()
    world.fakes.archive.files.clear()
    assert len(audit(world.fakes, REGISTER)) >= 3
