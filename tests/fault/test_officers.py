"""Appointing, ending, beginning an agency, using a proxy: killed at every call, then asked again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.domain.access import Role
from chalicelib.domain.errors import AlreadyBegunError
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import STEP
from chalicelib.services.first_administrator import BootstrapRoom, begin_agency
from tests.fault.harness import Danger, Killed, Trouble
from tests.integration.conftest import Answer, Api
from tests.integration.test_officers_api import DEPUTY, GRANT, HEAD, NEW, SYSTEM, THEIR_HEAD
from tests.integration.test_proxies_api import APP, APPLY, IN_FORCE, USES, issue
from tests.support.appointed import appoint
from tests.support.evidence import LocalSigner
from tests.support.factors import Authenticator, enrolled
from tests.support.rooms import Fakes, furnished
from tests.unit.test_first_administrator import HEAD as FIRST
from tests.unit.test_first_administrator import Site

_MOST_MOMENTS = 200


@dataclass
class Attempt:
    """One request, in a world of its own, that dies at a moment and is made again."""

    fakes: Fakes = field(default_factory=lambda: Fakes(signer=LocalSigner()))

    def run(self, danger: Danger, ask: Callable[[Api], Answer]) -> Answer:
        with furnished(self.fakes.house(danger.wrap)), suppress(Killed):
            ask(Api(self.fakes))
        with furnished(self.fakes.house()):
            return ask(Api(self.fakes))


def staffed(attempt: Attempt) -> Authenticator:
    """Two administrators; the first one's app."""
    fakes = attempt.fakes
    for who in (HEAD, DEPUTY, THEIR_HEAD):
        officer = Officer(who["agency"], who["sub"])
        appoint(fakes.officers, officer, frozenset({Role.ADMINISTRATOR}), at=fakes.clock())
    return enrolled(fakes, Officer("diw", "head"))


def moments(prepare: Callable[[], tuple[Attempt, Callable[[Api], Answer]]]) -> int:
    """How many calls a request makes."""
    attempt, ask = prepare()
    danger = Danger()
    attempt.run(danger, ask)
    assert 0 < danger.moment < _MOST_MOMENTS
    return danger.moment


REQUESTS: dict[str, tuple[str, dict[str, str] | None, dict[str, Any]]] = {
    "appoint": ("/v1/officers", None, NEW),
    "grant": ("/v1/authorities", None, {**GRANT, "holder": "deputy"}),
    "register": ("/v1/clients", None, SYSTEM),
    "end": (
        "/v1/appointments/{appointment_id}/end",
        {"appointment_id": "deputy-1"},
        {"reason": "ย้าย"},
    ),
}


@pytest.mark.parametrize("kind", [Danger, Trouble])
@pytest.mark.parametrize("what", REQUESTS)
def test_a_change_that_died_is_made_once_by_the_repeat(what: str, kind: type[Danger]) -> None:
    """P8: at each call, before and after: the same request with the same code and key then does it
    once, and leaves nothing else behind. A registration has no id of its own to be known by: whoever
    spent the code shows the next one."""
    resource, path, body = REQUESTS[what]

    def prepare() -> tuple[Attempt, Callable[[Api], Answer]]:
        attempt = Attempt()
        app = staffed(attempt)
        shown = {**body, "otp": app.code(attempt.fakes.clock())}

        def ask(api: Api) -> Answer:
            answer = send(api)
            if what == "register" and answer.status == 403:
                attempt.fakes.clock.advance(STEP)
                shown["otp"] = app.code(attempt.fakes.clock())
                answer = send(api)
            return answer

        def send(api: Api) -> Answer:
            return api.call(
                "POST",
                resource,
                path=path,
                body=shown,
                headers={"idempotency-key": "k"},
                authorizer=HEAD,
            )

        return attempt, ask

    for kill_at in range(moments(prepare)):
        attempt, ask = prepare()
        answer = attempt.run(kind(kill_at), ask)
        assert answer.status in {200, 201}, (kill_at, answer.text)
        store = attempt.fakes.officers
        appointments = store.officers("diw", limit=10, cursor=None).appointments
        assert len(appointments) == (3 if what == "appoint" else 2)
        assert [one.ended is not None for one in appointments].count(True) == (what == "end")
        assert len(store.authorities("diw", limit=10, cursor=None).authorities) == (what == "grant")
        assert len(store.clients("diw")) == (what == "register")


@pytest.mark.parametrize("kind", [Danger, Trouble])
def test_an_act_by_proxy_that_died_counts_once(kind: type[Danger]) -> None:
    """P8, item 8: the power that may be used once is used once, the repeat is allowed, and its
    statement is the one in the archive."""

    def prepare() -> tuple[Attempt, Callable[[Api], Answer]]:
        attempt = Attempt()
        with furnished(attempt.fakes.house()):
            code = issue(Api(attempt.fakes))
        attempt.fakes.clock.now = IN_FORCE

        def ask(api: Api) -> Answer:
            return api.call(
                "POST",
                USES,
                path={"code": code},
                body=APPLY,
                headers={"idempotency-key": "k"},
                authorizer=APP,
            )

        return attempt, ask

    for kill_at in range(moments(prepare)):
        attempt, ask = prepare()
        answer = attempt.run(kind(kill_at), ask)
        assert (answer.status, answer.json["allowed"]) == (201, True), (kill_at, answer.text)
        files = attempt.fakes.archive.files
        assert [data for key, data in files.items() if key.startswith("proxies/")] == [
            answer.json["statement"].encode()
        ]


def test_an_agency_that_died_beginning_begins_once() -> None:
    """P8, A7: killed at each call of `tra bootstrap`: the repeat appoints, or says that it was
    done; there is one administrator."""
    for kill_at in range(8):
        site = Site()
        danger = Danger(kill_at)
        room = site.room
        exposed = BootstrapRoom(
            officers=danger.wrap("officers", room.officers),
            directory=danger.wrap("directory", room.directory),
            clock=room.clock,
            new_id=room.new_id,
            announce=danger.wrap("announcer", room).announce,
        )
        with suppress(Killed):
            begin_agency(FIRST, room=exposed)
        with suppress(AlreadyBegunError):
            begin_agency(FIRST, room=room)
        assert len(site.officers.administrators("diw")) == 1
        assert site.heard
