"""The local stack's people and applications (issue 7.2)."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.adapters.memory_officers import MemoryOfficers
from chalicelib.domain.access import Action, Actor, Role, Verdict, decide
from chalicelib.domain.documents import Classification
from chalicelib.domain.persons import Officer
from infra.agency_list import AGENCIES, read_agencies
from infra.client import SCOPES
from infra.people import application, applications_of, appoint_people, people_of, person
from tests.support.samples import NOON

ALL = [agency.agency_id for agency in read_agencies(AGENCIES)]


def test_there_is_somebody_for_every_role() -> None:
    """Issue 7: whoever tries the local stack can be anybody: two where two different ones are
    needed, and registrars cleared as far as one can be."""
    people = people_of("diw")
    assert frozenset().union(*(one.roles for one in people)) == set(Role) - {Role.APPLICATION}
    for role in (Role.APPROVER, Role.SUPERVISOR, Role.REGISTRAR, Role.CLERK):
        assert len([one for one in people if role in one.roles]) > 1
    assert any(
        one.roles == {Role.REGISTRAR} and one.clearance is Classification.SECRET for one in people
    )


def test_each_is_one_in_all_agencies_and_found_by_name() -> None:
    """Subjects and client ids lead to the one whose they are."""
    everybody = [one for agency_id in ALL for one in people_of(agency_id)]
    assert len({one.subject for one in everybody}) == len(everybody)
    assert [person(one.subject) for one in everybody] == everybody
    systems = [one for agency_id in ALL for one in applications_of(agency_id)]
    assert [application(one.client_id) for one in systems] == systems
    assert person("diw-nobody") is None
    assert application("nobody") is None


def test_the_application_may_what_an_application_may() -> None:
    """A new action that is an application's is registered for the local stack's, too."""
    (system,) = applications_of("diw")
    anything = Actor(
        agency_id="diw",
        subject="s",
        roles=frozenset({Role.APPLICATION}),
        scopes=frozenset(Action),
    )
    assert system.scopes == {
        action for action in Action if decide(anything, action).verdict is Verdict.ALLOW
    }


def test_the_client_asks_for_every_scope() -> None:
    """Every action can be tried out."""
    assert set(SCOPES.split()) == set(Action)


def test_bringing_them_in_again_changes_nothing() -> None:
    """P8: onboarding is repeated until it went through."""
    officers = MemoryOfficers()
    for minutes in (0, 10):
        appoint_people(officers, ALL, NOON + timedelta(minutes=minutes))
        found = officers.appointments_of(Officer("rd", "rd-head"))
        assert [one.appointed_at for one in found] == [NOON]
    assert len(officers.officers("rd", limit=99, cursor=None).appointments) == len(people_of("rd"))
