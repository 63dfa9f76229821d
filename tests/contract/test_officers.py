"""One suite for both stores of officers: the fake in memory and DynamoDB on the embedded AWS."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dynamodb.officers import DynamoOfficers
from chalicelib.adapters.memory_officers import MemoryOfficers
from chalicelib.domain.access import Role
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import (
    AlreadyBegunError,
    AppointmentRefusedError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from chalicelib.domain.officers import (
    Appointment,
    Authority,
    AuthorityKind,
    Client,
    Ending,
    Period,
)
from chalicelib.domain.persons import Officer
from chalicelib.ports import OfficerStore
from tests.support.tables import create_table

NOON = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ENDING = Ending(at=NOON + DAY, by="head", reason="ย้าย")

CLERK = Appointment(
    appointment_id="A1",
    agency_id="diw",
    subject="somsri",
    name_th="นางสมศรี ตัวอย่าง",
    position_th="นักจัดการงานทั่วไปชำนาญการ",
    unit="registry",
    roles=frozenset({Role.CLERK, Role.APPROVER}),
    clearance=Classification.CONFIDENTIAL,
    period=Period(NOON, NOON + 30 * DAY),
    order="คำสั่งที่ ๑/๒๕๖๙",
    appointed_by="head",
    appointed_at=NOON,
)
HEAD = replace(
    CLERK,
    appointment_id="H1",
    subject="head",
    unit=None,
    roles=frozenset({Role.ADMINISTRATOR}),
    period=Period(NOON),
)
DEPUTY = Authority(
    authority_id="D1",
    agency_id="diw",
    holder="somsri",
    kind=AuthorityKind.DELEGATED,
    position_th="อธิบดีกรมโรงงานอุตสาหกรรม",
    document_types=frozenset({"licence", "e-card"}),
    most=Classification.SECRET,
    period=Period(NOON, NOON + DAY),
    order="คำสั่งที่ ๒/๒๕๖๙",
    granted_by="head",
    granted_at=NOON,
)
SYSTEM = Client(
    client_id="diw-system",
    agency_id="diw",
    name_th="ระบบอนุญาต",
    scopes=frozenset({"documents:submit", "documents:read"}),
    registered_by="head",
    registered_at=NOON,
)


@dataclass(frozen=True)
class Place:
    """`agency` is new in each test, so that one table does for all of them."""

    store: OfficerStore
    agency: str

    def of(self, one: Appointment, **changes: object) -> Appointment:
        return replace(one, agency_id=self.agency, **changes)  # type: ignore[arg-type]  # by name

    def authority(self, **changes: object) -> Authority:
        return replace(DEPUTY, agency_id=self.agency, **changes)  # type: ignore[arg-type]  # by name


@pytest.fixture(scope="module")
def table(aws: object) -> str:
    """One for the whole file."""
    return create_table(boto3.client("dynamodb"), "OfficersTable", f"officers-{uuid4().hex[:8]}")


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.aws)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "memory":
        yield Place(MemoryOfficers(), "diw")
        return
    yield Place(DynamoOfficers(request.getfixturevalue("table")), f"a{uuid4().hex[:8]}")


def test_appointments_come_back_as_they_were_made(place: Place) -> None:
    """A7: nothing of an appointment is lost or made up, and it takes effect at once."""
    first, second = place.of(CLERK), place.of(CLERK, appointment_id="A2", unit=None)
    for one in (first, second):
        assert place.store.appoint(one) == one
    assert place.store.appointments_of(Officer(place.agency, "somsri")) == (first, second)
    assert place.store.appointment(place.agency, "A2") == second
    assert place.store.appointment("other", "A2") is None
    assert place.store.appointment(place.agency, "A3") is None
    assert place.store.appointments_of(Officer("other", "somsri")) == ()


def test_the_same_id_is_the_first_appointment(place: Place) -> None:
    """P8, A7: an appointment is never changed; asked for again, it is what was stored first."""
    first = place.of(CLERK)
    place.store.appoint(first)
    more = place.of(CLERK, subject="thief", roles=frozenset({Role.ADMINISTRATOR}))
    assert place.store.appoint(more) == first
    assert place.store.appointments_of(Officer(place.agency, "thief")) == ()
    assert place.store.administrators(place.agency) == ()


@pytest.mark.parametrize("subject", ["a#b", "a/b", "สมศรี", "a%23b", "A"])
def test_no_name_is_the_beginning_of_another(place: Place, subject: str) -> None:
    """P6: whatever an issuer calls people, nobody gets the roles of who is called similarly."""
    one = place.of(CLERK, subject=subject)
    place.store.appoint(one)
    assert place.store.appointments_of(Officer(place.agency, subject)) == (one,)
    assert place.store.appointments_of(Officer(place.agency, "a")) == ()


def test_the_first_end_stands(place: Place) -> None:
    """A7: an end takes effect at once, everywhere, and is not rewritten by a later one."""
    head = place.of(HEAD)
    place.store.appoint(head)
    ended = place.store.end(head, ENDING)
    assert ended.ended == ENDING
    late = replace(ENDING, at=NOON + 2 * DAY, reason="อื่น")
    for known in (head, ended):
        assert place.store.end(known, late) == ended
    assert place.store.appointments_of(head_of(place)) == (ended,)
    assert place.store.appointment(place.agency, "H1") == ended
    assert place.store.administrators(place.agency) == (ended,)
    assert place.store.appoint(head) == ended


def test_nothing_that_is_not_there_is_ended(place: Place) -> None:
    """An end without appointment is a mistake that is told, not written."""
    with pytest.raises(NotFoundError):
        place.store.end(place.of(CLERK), ENDING)
    with pytest.raises(NotFoundError):
        place.store.revoke_authority(place.authority(), ENDING)
    assert place.store.appointments_of(Officer(place.agency, "somsri")) == ()


def test_two_administrators_do_not_end_each_other(place: Place) -> None:
    """A7: an agency always has who may appoint, however many of them act at the same moment."""
    heads = [place.of(HEAD, subject=f"head-{n}", appointment_id=f"H{n}") for n in (1, 2)]
    for one in heads:
        place.store.appoint(one)

    def end(gone: Appointment, remaining: Appointment) -> bool:
        while True:
            try:
                place.store.end(gone, ENDING, remaining=remaining)
            except UnavailableError:
                continue  # both at once: DynamoDB took neither
            except AppointmentRefusedError:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(end, heads, reversed(heads)))
    assert sorted(done) == [False, True]
    assert [one.ended is None for one in place.store.administrators(place.agency)].count(True) == 1


def test_an_ended_end_is_repeated_though_the_other_has_ended_since(place: Place) -> None:
    """P8: a repeat of what was done is answered as the first time."""
    first, second = place.of(HEAD), place.of(HEAD, subject="deputy", appointment_id="H2")
    for one in (first, second):
        place.store.appoint(one)
    ended = place.store.end(first, ENDING, remaining=second)
    place.store.end(second, ENDING)
    assert place.store.end(first, ENDING, remaining=second) == ended


def test_an_agency_begins_once(place: Place) -> None:
    """A7: there is one first administrator, for ever, even after that one left."""
    head = place.of(HEAD, appointed_by="bootstrap")
    place.store.begin(head)
    assert place.store.administrators(place.agency) == (head,)
    for again in (head, place.of(HEAD, subject="thief", appointment_id="H2")):
        with pytest.raises(AlreadyBegunError):
            place.store.begin(again)
    place.store.end(head, ENDING)
    with pytest.raises(AlreadyBegunError):
        place.store.begin(place.of(HEAD, appointment_id="H3"))
    assert len(place.store.administrators(place.agency)) == 1


def test_pages_hold_every_appointment_once(place: Place) -> None:
    """10,000 officers of an agency are pages, and no page shows another agency."""
    made = [place.of(CLERK, subject=f"p{n:02}", appointment_id=f"A{n}") for n in range(7)]
    place.store.appoint(place.of(CLERK, appointment_id="X1", subject="p99"))
    place.store.appoint(replace(CLERK, agency_id=f"{place.agency}2", appointment_id="X2"))
    for one in reversed(made):
        place.store.appoint(one)
    found: list[Appointment] = []
    cursor = None
    sizes = []
    while True:
        page = place.store.officers(place.agency, limit=3, cursor=cursor)
        found += page.appointments
        sizes.append(len(page.appointments))
        cursor = page.cursor
        if cursor is None:
            break
    assert sizes == [3, 3, 2]
    assert [one.subject for one in found] == [*(one.subject for one in made), "p99"]


def test_a_full_last_page_leads_nowhere(place: Place) -> None:
    """A cursor promises that something follows."""
    for n in range(2):
        place.store.appoint(place.of(CLERK, subject=f"p{n}", appointment_id=f"A{n}"))
    assert place.store.officers(place.agency, limit=2, cursor=None).cursor is None


def test_no_cursor_leads_to_another_agency(place: Place) -> None:
    """IDOR: a cursor of one agency shows the other nothing but its own."""
    for n in range(3):
        place.store.appoint(place.of(CLERK, subject=f"p{n}", appointment_id=f"A{n}"))
        place.store.grant(place.authority(authority_id=f"D{n}"))
    cursor = place.store.officers(place.agency, limit=1, cursor=None).cursor
    assert cursor
    assert place.store.officers("stranger", limit=9, cursor=cursor).appointments == ()
    cursor = place.store.authorities(place.agency, limit=1, cursor=None).cursor
    assert place.store.authorities("stranger", limit=9, cursor=cursor).authorities == ()


def test_a_damaged_cursor_is_refused(place: Place) -> None:
    """A cursor is not an error of ours: neither what is none, nor what says nothing, nor what is
    longer than any key."""
    endless = base64.urlsafe_b64encode(b"a" * 1_100).decode()
    for page in (place.store.officers, place.store.authorities):
        for cursor in ("\xff", "=", endless):
            with pytest.raises(InvalidRequestError):
                page(place.agency, limit=1, cursor=cursor)


def test_a_registrar_is_found_without_reading_officers(place: Place) -> None:
    """A13: whether there is a cleared registrar, at this moment."""
    asked = (place.agency, Classification.SECRET)
    registrar = place.of(
        CLERK,
        appointment_id="R1",
        roles=frozenset({Role.REGISTRAR, Role.CLERK}),
        clearance=Classification.CONFIDENTIAL,
        period=Period(NOON, NOON + 3 * DAY),
    )
    cleared_clerk = place.of(CLERK, appointment_id="A9", clearance=Classification.SECRET)
    for one in (registrar, cleared_clerk):
        place.store.appoint(one)
    has = place.store.has_registrar
    assert not has(*asked, NOON)
    assert has(place.agency, Classification.CONFIDENTIAL, NOON)
    assert not has("other", Classification.CONFIDENTIAL, NOON)
    higher = replace(registrar, appointment_id="R2", clearance=Classification.SECRET)
    place.store.appoint(higher)
    assert has(*asked, NOON)
    assert not has(*asked, NOON - DAY)
    assert not has(*asked, NOON + 3 * DAY)
    place.store.end(higher, ENDING)
    assert not has(*asked, NOON + DAY)
    assert not has(place.agency, Classification.TOP_SECRET, NOON)


def test_authorities_come_back_and_end(place: Place) -> None:
    """A8: whose authority an officer uses, with scope, dates and revocation."""
    one, two = place.authority(), place.authority(authority_id="D2", document_types=frozenset())
    for authority in (one, two):
        assert place.store.grant(authority) == authority
    assert place.store.grant(replace(one, holder="thief")) == one
    assert place.store.authorities_of(Officer(place.agency, "somsri")) == (one, two)
    assert place.store.authority(place.agency, "D1") == one
    assert place.store.authority("other", "D1") is None
    ended = place.store.revoke_authority(one, ENDING)
    assert ended.ended == ENDING
    assert place.store.revoke_authority(one, replace(ENDING, reason="อื่น")) == ended
    page = place.store.authorities(place.agency, limit=10, cursor=None)
    assert page.authorities == (ended, two)
    assert page.cursor is None


def test_an_end_before_the_beginning_is_none(place: Place) -> None:
    """A clock that goes back ends nothing before it was made."""
    place.store.appoint(place.of(CLERK))
    place.store.grant(place.authority())
    early = replace(ENDING, at=NOON - DAY)
    assert place.store.end(place.of(CLERK), early).ended == replace(ENDING, at=NOON)
    revoked = place.store.revoke_authority(place.authority(), early)
    assert revoked.ended == replace(ENDING, at=NOON)


def test_an_application_is_what_was_said_last(place: Place) -> None:
    """A token of an application has no more than its registration, as of now."""
    system = replace(SYSTEM, client_id=f"{place.agency}-system", agency_id=place.agency)
    other = replace(system, client_id=f"{place.agency}-another")
    for one in (system, other):
        place.store.put_client(one, seen=None)
    assert place.store.client(system.client_id) == system
    ended = replace(system, ended=ENDING, scopes=frozenset({"documents:read"}))
    place.store.put_client(ended, seen=system)
    assert place.store.client(system.client_id) == ended
    assert place.store.clients(place.agency) == (other, ended)
    assert place.store.client("unknown") is None
    assert place.store.clients("other") == ()


def test_nobody_takes_over_another_agency_s_application(place: Place) -> None:
    """P6: who registers an id that is another agency's gets a refusal, and changes nothing."""
    system = replace(SYSTEM, client_id=f"{place.agency}-system", agency_id=place.agency)
    place.store.put_client(system, seen=None)
    with pytest.raises(AppointmentRefusedError) as refused:
        place.store.put_client(replace(system, agency_id="thief"), seen=None)
    assert refused.value.reason == "client_taken"
    assert place.store.client(system.client_id) == system
    assert place.store.clients("thief") == ()


def test_an_end_is_not_written_over_by_who_did_not_see_it(place: Place) -> None:
    """A7: one administrator ends an application while another one gives it other scopes: who comes
    second is told to look again."""
    system = replace(SYSTEM, client_id=f"{place.agency}-system", agency_id=place.agency)
    place.store.put_client(system, seen=None)
    ended = replace(system, ended=ENDING)
    place.store.put_client(ended, seen=system)
    for seen in (system, None):
        with pytest.raises(UnavailableError):
            place.store.put_client(replace(system, name_th="อื่น"), seen=seen)
    assert place.store.client(system.client_id) == ended
    assert place.store.clients(place.agency) == (ended,)


def head_of(place: Place) -> Officer:
    return Officer(place.agency, "head")
