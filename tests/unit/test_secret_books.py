"""Registers of secrets, what is seen of them, and who may see it whole (A13, A24)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.memory import MemoryLedger
from chalicelib.adapters.memory_deliveries import MemoryDeliveryStore
from chalicelib.adapters.memory_officers import MemoryOfficers
from chalicelib.domain.access import Actor, Role, seen_wholly
from chalicelib.domain.classification import Classification
from chalicelib.domain.directory import Agency
from chalicelib.domain.documents import Document
from chalicelib.domain.persons import Officer
from chalicelib.domain.receipts import print_receive_number
from chalicelib.domain.register_lines import Line, columns_of, title_of
from chalicelib.domain.registers import (
    CIRCULAR,
    RECEIVE,
    SEND,
    Book,
    Register,
    book_beside,
    is_secret_book,
    lay_out_block,
    print_number,
    secret_book,
)
from chalicelib.domain.registers import Head as RegisterHead
from chalicelib.services.name_readers import Naming, ReaderRoom, name_readers
from chalicelib.services.number import without_registrar
from chalicelib.services.reading_copy import Reader
from tests.support.appointed import appoint
from tests.support.samples import NOON, SWEEP_AFTER, claim_of, document

NORMAL, CONFIDENTIAL, SECRET = (
    Classification.NORMAL,
    Classification.CONFIDENTIAL,
    Classification.SECRET,
)
AGENCY = Agency(agency_id="slc", name_th="สลค", name_en="Cabinet", letter_prefix="นร ๐๕๐๕")


@pytest.mark.parametrize("book", [SEND, RECEIVE, "licence"])
def test_each_book_has_one_beside_it(book: str) -> None:
    """A13: a book of its own for what is classified, and no third one."""
    secret = secret_book(book)
    assert secret != book
    assert is_secret_book(secret)
    assert secret_book(secret) == secret
    assert book_beside(secret) == book_beside(book) == book
    assert Book("slc", secret).in_year(2026).is_secret


@pytest.mark.parametrize(
    ("book", "child", "printed"),
    [
        (SEND, 0, "นร ๐๕๐๕/๑๒"),
        (CIRCULAR, 0, "นร ๐๕๐๕/ว ๑๒"),
        ("send-secret", 0, "นร ๐๕๐๕/ล ๑๒"),
        ("send-secret", 1, "นร ๐๕๐๕/ล ๑๒/๑"),
        ("licence", 0, "๑๒/๒๕๖๙"),
        ("licence-secret", 0, "ล ๑๒/๒๕๖๙"),
    ],
)
def test_no_two_registers_print_the_same_number(book: str, child: int, printed: str) -> None:
    """A13, P1: numbers of registers that run beside each other are told apart."""
    assert print_number(Register("slc", book, 2026), 12, child, "นร ๐๕๐๕") == printed


def test_receive_numbers_are_told_apart_too() -> None:
    """A13: the stamp of a secret letter says which register it stands in."""
    assert print_receive_number(2020, 7, "สพร ๒๕๖๓", secret=True) == "สพร ร(ล)/ ๒๕๖๓/ ๗"
    assert print_receive_number(2020, 7, "สพร ๒๕๖๓") == "สพร ร/ ๒๕๖๓/ ๗"


def test_the_print_says_that_it_is_secret() -> None:
    """A25: a register of secrets is titled so."""
    assert title_of(Register("slc", "send-secret", 2026), ()) == "ทะเบียนหนังสือส่ง ลับ"
    assert title_of(Register("slc", "receive-secret", 2026), ()) == "ทะเบียนหนังสือรับ ลับ"
    assert title_of(Register("slc", "send", 2026), ()) == "ทะเบียนหนังสือส่ง"


def test_a_veiled_line_has_number_date_and_classification() -> None:
    """A13: eight columns, of which three say something."""
    claim = replace(
        claim_of(document("D1")), subject="เรื่องลับ", counterpart="ก", classification=SECRET
    )
    register = Register("slc", "send-secret", 2026)
    (entry,) = lay_out_block(register, RegisterHead(), [claim], NOON).entries
    told = columns_of(Line(entry, NOON, veiled=True), AGENCY).texts
    assert [text for text in told if text] == ["๑", "๒๑ พฤศจิกายน ๒๕๖๙", "ลับมาก"]


def _actor(clearance: Classification, *roles: Role) -> Actor:
    return Actor(
        agency_id="slc",
        subject="s",
        roles=frozenset(roles),
        scopes=frozenset(),
        clearance=clearance,
    )


@pytest.mark.parametrize(
    ("actors", "seen"),
    [
        ((_actor(SECRET, Role.REGISTRAR),), {NORMAL, CONFIDENTIAL, SECRET}),
        ((_actor(CONFIDENTIAL, Role.REGISTRAR, Role.CLERK),), {NORMAL, CONFIDENTIAL}),
        ((_actor(NORMAL, Role.REGISTRAR),), {NORMAL}),
        ((_actor(SECRET, Role.CLERK, Role.AUDITOR),), {NORMAL}),
        # A registrar in one appointment and cleared in another is neither here nor there.
        ((_actor(NORMAL, Role.REGISTRAR), _actor(SECRET, Role.CLERK)), {NORMAL}),
        ((_actor(SECRET, Role.REGISTRAR, Role.APPLICATION),), {NORMAL}),
    ],
)
def test_who_sees_classified_lists_whole(
    actors: tuple[Actor, ...], seen: set[Classification]
) -> None:
    """A13, P6: the registrar of secrets, as far as cleared by that very appointment."""
    assert seen_wholly(actors) == seen


def test_recipients_without_registrar_are_named() -> None:
    """A13: in their order; a normal document asks nobody."""
    officers = MemoryOfficers()
    for agency, clearance in (("a", SECRET), ("b", CONFIDENTIAL)):
        appoint(
            officers,
            Officer(agency, "r"),
            frozenset({Role.REGISTRAR}),
            clearance=clearance,
            at=NOON,
        )
    appoint(officers, Officer("c", "r"), frozenset({Role.CLERK}), clearance=SECRET, at=NOON)

    def lacking(classification: Classification) -> tuple[str, ...]:
        return without_registrar(("c", "b", "a"), classification, officers=officers, at=NOON)

    assert lacking(SECRET) == ("c", "b")
    assert lacking(CONFIDENTIAL) == ("c",)
    assert lacking(NORMAL) == ()


def test_a_copy_says_who_reads_it_and_when() -> None:
    """C5: name, agency, day and time, as people in Thailand write them."""
    at = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
    assert Reader("นางสาวกานดา", "กรมตัวอย่าง").at(at) == (
        "นางสาวกานดา กรมตัวอย่าง อ่านเมื่อวันที่ ๒๑ พฤศจิกายน ๒๕๖๙ เวลา ๑๒.๐๐ น."
    )


def test_two_registrars_at_once_both_have_their_way() -> None:
    """A13: what another one wrote in between is read anew, and nobody's name is lost."""
    ledger, officers = MemoryLedger(sweep_after=SWEEP_AFTER), MemoryOfficers()
    people = [Officer("diw", name) for name in ("one", "two", "three")]
    for person in people:
        appoint(officers, person, frozenset({Role.CLERK}), clearance=SECRET, at=NOON)
    made = replace(document("D1"), classification=SECRET, book=Book("diw", "licence-secret"))
    ledger.add(made, None)
    seen = ledger.get("D1")
    assert seen is not None

    room = ReaderRoom(
        documents=ledger,
        deliveries=MemoryDeliveryStore(ledger),
        officers=officers,
        clock=lambda: NOON,
        pause=lambda _: None,
    )

    def name(stale: Document, subject: str) -> Document:
        return name_readers(stale, Naming(agency_id="diw", add=[subject]), room=room)

    for person in people:  # each of them saw the document before any of it
        named = name(seen, person.subject)
    assert named.named == frozenset(people)
    assert name(named, "one") == named
    gone = name_readers(named, Naming(agency_id="diw", add=["one"], remove=["one"]), room=room)
    assert gone.named == frozenset(people[1:])
