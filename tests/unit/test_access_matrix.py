"""The whole matrix of access, against what is meant, and what must hold whatever is meant (P6)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, product
from pathlib import Path

import pytest

from chalicelib.domain.access import (
    Action,
    Actor,
    Decision,
    Relation,
    Resource,
    Role,
    Verdict,
    decide,
    relations_of,
)
from chalicelib.domain.documents import Classification
from chalicelib.domain.persons import Officer
from chalicelib.handlers.operations import _FORBIDDEN
from infra import access_matrix

ROOT = Path(__file__).parent.parent.parent

# -- what is meant ------------------------------------------------------------

AT_HOME = """
documents:submit     application clerk
documents:supersede  application clerk
documents:revoke     approver
documents:read       application clerk approver registrar supervisor auditor
documents:search     application clerk approver registrar supervisor auditor
files:read           application clerk approver registrar supervisor auditor
registers:read       application clerk registrar supervisor auditor
registers:reserve    clerk registrar
logs:cosign          application auditor
letters:send         application clerk registrar
letters:read         application clerk approver registrar supervisor auditor
letters:recall       application clerk registrar
inbox:read           application clerk approver registrar supervisor auditor
inbox:register       application clerk registrar
inbox:reject         application clerk registrar
inbox:forward        application clerk registrar
documents:approve    approver
documents:withdraw   application clerk
me:read              application clerk approver registrar supervisor auditor administrator
officers:read        supervisor auditor administrator
officers:appoint     administrator
factors:enrol        clerk approver registrar supervisor auditor administrator
factors:reset        supervisor administrator
secrets:open         registrar
access:read          auditor
proxies:use          application clerk
"""

ELSEWHERE = """
proposed               documents:submit     application clerk
proposed               documents:supersede  application clerk
proposed               letters:send         application clerk registrar
recipient_by_event     files:read           application clerk approver registrar supervisor auditor
recipient_by_delivery  files:read           application clerk approver registrar supervisor auditor
central_approver       documents:read       approver
central_approver       documents:approve    approver
"""

CLEARED_FOR = {
    "normal": {"normal"},
    "confidential": {"normal", "confidential"},
    "secret": {"normal", "confidential", "secret"},
}


def _meant() -> set[tuple[str, str, str]]:
    """Relation, action and role of all that is open where nothing is classified."""
    rows = [f"own_agency {line}" for line in AT_HOME.split("\n") if line]
    rows += [line for line in ELSEWHERE.split("\n") if line]
    return {
        (relation, action, role)
        for relation, action, *roles in (row.split() for row in rows)
        for role in roles
    }


MEANT = _meant()
MAY_AT_ALL = {(action, role) for relation, action, role in MEANT if relation == "own_agency"}


def _intended(
    role: str, action: str, relation: str, classification: str, clearance: str, *, named: bool
) -> tuple[str, str]:
    """What one who has this role alone is to be told, in the words of the rules."""
    refused = "forbid" if relation == "proposed" else "hide"
    out_of_reach = "not_there" if relation == "proposed" else "other_agency"
    rules = (
        ((action, role) not in MAY_AT_ALL, "forbid", "role_missing"),
        ((relation, action, role) not in MEANT, "hide", out_of_reach),
        (classification == "normal", "allow", relation),
        (classification not in CLEARED_FOR[clearance], refused, "clearance_missing"),
        (role == "application", refused, "officer_missing"),
        (role == "registrar", "allow", "registrar"),
        (named or relation == "proposed", "allow", "named_officer"),
        (True, refused, "not_named"),
    )
    return next((verdict, reason) for holds, verdict, reason in rules if holds)


# -- the world ----------------------------------------------------------------

ALL_SCOPES = frozenset(Action)
CLEARANCES = [Classification(name) for name in CLEARED_FOR]
ME = Officer("diw", "somsri")


def _thing(relation: Relation, classification: Classification, *, named: bool) -> Resource:
    told = frozenset({"diw", "rd"})
    places = {
        Relation.OWN_AGENCY: Resource(agency_id="diw", recipients=frozenset({"rd"})),
        Relation.PROPOSED: Resource.proposed("diw", Classification.NORMAL),
        Relation.RECIPIENT_BY_EVENT: Resource(agency_id="dbd", recipients=told),
        Relation.RECIPIENT_BY_DELIVERY: Resource(agency_id="dbd", delivered_to=told),
        Relation.CENTRAL_APPROVER: Resource(agency_id="dbd", central="diw"),
        Relation.STRANGER: Resource(agency_id="dbd", recipients=frozenset({"rd"}), central="opm"),
    }
    place = places[relation]
    return Resource(
        agency_id=place.agency_id,
        recipients=place.recipients,
        delivered_to=place.delivered_to,
        central=place.central,
        classification=classification,
        named=frozenset({ME} if named else {Officer("dbd", "somsri"), Officer("diw", "other")}),
        exists=place.exists,
    )


THINGS = [
    (relation, _thing(relation, classification, named=named), named)
    for relation, classification, named in product(Relation, Classification, (False, True))
]


def _actor(
    roles: frozenset[Role],
    clearance: Classification = Classification.NORMAL,
    scopes: frozenset[str] = ALL_SCOPES,
) -> Actor:
    return Actor(
        agency_id=ME.agency_id,
        subject=ME.subject,
        roles=roles,
        scopes=scopes,
        clearance=clearance,
    )


ROLE_SETS = [
    frozenset(roles)
    for roles in chain.from_iterable(combinations(Role, n) for n in range(len(Role) + 1))
]


def _everything(
    action: Action,
) -> Iterator[tuple[Actor, Relation, Resource, Decision]]:
    """Every question about one action, of everybody: all sets of roles, clearances, things."""
    for roles, clearance in product(ROLE_SETS, CLEARANCES):
        actor = _actor(roles, clearance)
        for relation, thing, _ in THINGS:
            yield actor, relation, thing, decide(actor, action, thing)


# -- the matrix ---------------------------------------------------------------


@pytest.mark.parametrize("action", Action)
def test_the_whole_matrix(action: Action) -> None:
    """P6, A8, A13, A24: for each role, relation, classification and clearance the decision is
    what is meant, and so is the word that says why."""
    for role, clearance in product(Role, CLEARANCES):
        actor = _actor(frozenset({role}), clearance)
        for relation, thing, named in THINGS:
            asked = (role, action, relation, thing.classification, clearance)
            found = decide(actor, action, thing)
            assert (found.verdict, found.reason) == _intended(*asked, named=named), (asked, named)


def test_the_page_says_what_the_rules_say() -> None:
    """P6: who reads docs/access-matrix.md reads the rules (`python -m infra.access_matrix`)."""
    assert (ROOT / access_matrix.FILE).read_text(encoding="utf-8") == access_matrix.table()


def test_each_relation_is_found() -> None:
    """P6: what an agency is to a thing is told by the thing alone."""
    for relation, thing, _ in THINGS:
        assert relations_of("diw", thing) == (relation,)


# -- what must hold, whatever is meant ----------------------------------------


@pytest.mark.parametrize("action", Action)
def test_properties(action: Action) -> None:
    """P6: strangers get nothing; nobody gets what is above the clearance, or anything without a
    role; an application gets nothing classified; more clearance never loses anything; and what
    may be told of a refusal about an existing thing is known without looking at the thing."""
    allowed: dict[Classification, set[tuple[frozenset[Role], int]]] = {c: set() for c in CLEARANCES}
    for actor, relation, thing, found in _everything(action):
        secret = thing.classification is not Classification.NORMAL
        if found.verdict is Verdict.ALLOW:
            assert relation is not Relation.STRANGER
            assert actor.roles
            assert thing.classification in CLEARED_FOR[actor.clearance]
            assert not (secret and Role.APPLICATION in actor.roles)
            allowed[actor.clearance].add((actor.roles, id(thing)))
        if found.verdict is Verdict.FORBID and thing.exists:
            assert found == decide(actor, action)
    lowest, middle, highest = (allowed[clearance] for clearance in CLEARANCES)
    assert lowest <= middle <= highest


def test_whatever_may_be_told_has_a_text() -> None:
    """api.md: each refusal that is told is told in words, and none is written that never is."""
    told = {
        found.reason
        for action in Action
        for *_, found in _everything(action)
        if found.verdict is Verdict.FORBID
    }
    assert told | {"scope_missing"} == set(_FORBIDDEN)


@pytest.mark.parametrize("action", Action)
def test_only_the_scope_of_the_action_counts(action: Action) -> None:
    """P6: without it the one who may do everything may do nothing, and no other stands in."""
    everybody = frozenset(Role) - {Role.APPLICATION}
    without = _actor(everybody, Classification.SECRET, ALL_SCOPES - {action.value})
    with_it = _actor(everybody, Classification.SECRET, frozenset({action.value}))
    for _, thing, _ in THINGS:
        assert decide(without, action, thing) == Decision(Verdict.FORBID, "scope_missing")
        every = decide(_actor(everybody, Classification.SECRET), action, thing)
        assert decide(with_it, action, thing) == every


def test_of_several_relations_each_opens_what_it_opens() -> None:
    """P6: a central approver that is also told of the document has both, and no more."""
    both = Resource(agency_id="dbd", recipients=frozenset({"diw"}), central="diw")
    approver = _actor(frozenset({Role.APPROVER}))
    opened = {a for a in Action if decide(approver, a, both).verdict is Verdict.ALLOW}
    assert opened == {Action.READ_DOCUMENT, Action.READ_FILE, Action.APPROVE_DOCUMENT}


def test_a_name_is_one_in_an_agency() -> None:
    """A13: somebody called the same in another agency is not the one who was named."""
    thing = _thing(Relation.OWN_AGENCY, Classification.CONFIDENTIAL, named=False)
    clerk = _actor(frozenset({Role.CLERK}), Classification.SECRET)
    assert decide(clerk, Action.READ_FILE, thing).reason == "not_named"


def test_nobody_is_cleared_for_what_never_travels() -> None:
    """A24: there is no such actor."""
    with pytest.raises(ValueError, match="A24"):
        _actor(frozenset({Role.REGISTRAR}), Classification.TOP_SECRET)
