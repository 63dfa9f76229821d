"""The books every agency has beside those of its document types: send and circular (ว)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.directory import Agency, DocumentType
from chalicelib.domain.letter_numbers import LetterNumber
from chalicelib.handlers import queues
from tests.fault.harness import World, _event
from tests.integration.conftest import Api
from tests.support.rooms import CONTEXT, furnished
from tests.support.samples import document


class LetterTypes:
    """The licence, as if it were a letter of the book it is named after."""

    def get(self, name: str, version: int | None = None) -> DocumentType | None:
        licence = PackagedDocumentTypes().get("licence", version)
        return replace(licence, name=name, book=name) if licence else None

    def all(self) -> tuple[DocumentType, ...]:
        return ()


def _number(world: World, *letters: tuple[str, str, str]) -> None:
    """Accept (id, agency, book) and let `number` work."""
    for document_id, agency_id, book in letters:
        accepted = document(document_id, agency_id=agency_id)
        world.accept(
            replace(
                accepted, document_type=book, book=replace(accepted.book, name=book), recipients=()
            )
        )
    house = world.fakes.house()
    vars(house)["types"] = LetterTypes()
    messages, world.fakes.number_queue.messages = world.fakes.number_queue.messages, []
    with furnished(house):
        assert queues.number(_event("number", messages), CONTEXT) == {"batchItemFailures": []}


def _printed(world: World, document_id: str) -> str:
    found = world.fakes.ledger.get(document_id)
    assert found is not None
    assert found.numbering is not None
    return found.numbering.printed


@pytest.fixture
def world() -> World:
    world = World()
    slc = Agency(
        agency_id="slc",
        name_th="สำนักเลขาธิการคณะรัฐมนตรี",
        name_en="Secretariat of the Cabinet",
        letter_prefix="นร ๐๕๐๕",
    )
    world.fakes.directory.put_agency(slc)
    return world


def test_letters_and_circulars_count_apart_and_print_their_forms(world: World) -> None:
    """domain.md: circulars (ว) have a sequence of their own; both print the agency's prefix, and
    what is printed reads back."""
    _number(
        world,
        ("L1", "slc", "send"),
        ("W1", "slc", "circular"),
        ("L2", "slc", "send"),
        ("W2", "slc", "circular"),
    )
    printed = [_printed(world, i) for i in ("L1", "L2", "W1", "W2")]
    assert printed == ["นร ๐๕๐๕/๑", "นร ๐๕๐๕/๒", "นร ๐๕๐๕/ว ๑", "นร ๐๕๐๕/ว ๒"]
    assert [LetterNumber.parse(text).printed for text in printed] == printed


def test_an_agency_without_prefix_learns_why_it_sends_no_letters(world: World) -> None:
    """P4: the letter ends as rejected with a reason, spends no number and holds up nobody."""
    _number(world, ("L1", "diw", "send"), ("L2", "slc", "send"))
    refused = world.fakes.ledger.get("L1")
    assert refused is not None
    assert refused.reason is not None
    assert refused.reason.code == "no_letter_prefix"
    assert _printed(world, "L2") == "นร ๐๕๐๕/๑"


def test_the_books_of_letters_can_be_read(api: Api) -> None:
    """A22, A25: send, receive and circular are there to be read, empty as they are."""
    route = ("GET", "/v1/registers/{agency}/{book}/{year}")
    for book in ("send", "receive", "circular"):
        path: dict[str, Any] = {"agency": "diw", "book": book, "year": "2026"}
        answer = api.call(*route, path=path, authorizer=_READER)
        assert (answer.status, answer.json["items"]) == (200, [])


_READER = {
    "sub": "clerk",
    "agency": "diw",
    "roles": "clerk",
    "scope": "registers:read",
    "exp": "4102444800",
}
