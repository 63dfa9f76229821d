"""What one decision about access costs: it is asked several times in every request."""

from __future__ import annotations

import time
from collections.abc import Callable

from chalicelib.domain.access import Action, Actor, Resource, Role, Verdict, decide
from chalicelib.domain.documents import Classification
from chalicelib.domain.persons import Officer
from tests.bench.results import Result, single

_TIMES = 50_000
_ROUNDS = 7
_SCOPES = frozenset(action.value for action in Action)
_CLERK = Actor(
    agency_id="diw",
    subject="somsri",
    roles=frozenset({Role.CLERK}),
    scopes=_SCOPES,
    clearance=Classification.SECRET,
)
_THINGS = (
    Resource(agency_id="diw"),
    Resource(agency_id="dbd", recipients=frozenset({"rd", "diw"})),
    Resource(agency_id="dbd"),
    Resource(
        agency_id="diw",
        classification=Classification.SECRET,
        named=frozenset({Officer("diw", "somsri")}),
    ),
)
"""Own, told by event, a stranger's, and a secret one to which the officer is named."""

_PLACES = tuple(range(len(_THINGS)))


def access_decision_microseconds() -> Result:
    """CPU per decision, the mean over four things in turn. The limit beside it is one look into
    a dict with the answers, which knows neither scopes nor recipients nor names."""
    if [decide(_CLERK, Action.READ_FILE, thing).verdict for thing in _THINGS] != [
        Verdict.ALLOW,
        Verdict.ALLOW,
        Verdict.HIDE,
        Verdict.ALLOW,
    ]:
        raise RuntimeError("the decisions are not the right ones")
    answers = dict.fromkeys(_PLACES, Verdict.ALLOW)
    _deciding()  # warm
    _looking_up(answers)
    samples, peers = [], []
    for _ in range(_ROUNDS):
        samples.append(_microseconds(_deciding))
        peers.append(_microseconds(lambda: _looking_up(answers)))
    return single(samples, peers, unit="µs", target="≤ 5 µs", against="a bare dict lookup")


def _deciding() -> None:
    for _ in range(_TIMES // len(_THINGS)):
        for thing in _THINGS:
            decide(_CLERK, Action.READ_FILE, thing)


def _looking_up(answers: dict[int, Verdict]) -> None:
    for _ in range(_TIMES // len(_THINGS)):
        for place in _PLACES:
            answers[place]


def _microseconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1e6 / _TIMES
