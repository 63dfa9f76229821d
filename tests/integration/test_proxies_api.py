"""An e-Proxy at work, as an agency's counter and its application use it (issue 7, item 8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.jws import check_jws
from chalicelib.domain.access import Action
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.things import ThingKind
from infra.client import SCOPES
from tests.fault.harness import World
from tests.integration.conftest import Answer, Api
from tests.support.evidence import LocalSigner
from tests.support.rooms import Fakes, furnished, sample_event

EXAMPLE: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent.parent / "chalicelib/templates/e-proxy/example.json").read_bytes()
)
USES = "/v1/proxies/{code}/uses"
ATTORNEY = "3501200456785"
SOMBAT = "1100700012343"
PAY = {
    "attorney": {"registration_no": ATTORNEY},
    "power": "fee.pay",
    "amount_thb": "500.00",
    "reference": "case-2569-000123",
}
APPLY = {"attorney": {"registration_no": ATTORNEY}, "power": "licence.factory.apply"}

_BASE = sample_event("api")["requestContext"]["authorizer"] | {"scope": SCOPES}
ISSUER = {**_BASE, "agency": "dbd", "sub": "dbd-app", "roles": "application"}
RULER = {**_BASE, "agency": "dbd", "sub": "dbd-approver", "roles": "approver"}
APP = {**_BASE, "sub": "diw-app", "roles": "application"}
OTHER = {**_BASE, "agency": "rd", "sub": "rd-app", "roles": "application"}
IN_FORCE = datetime(2026, 12, 15, 3, 0, tzinfo=UTC)


@pytest.fixture
def api() -> Iterator[Api]:
    fakes = Fakes(signer=LocalSigner())
    with furnished(fakes.house()):
        yield Api(fakes)


@pytest.fixture
def code(api: Api) -> str:
    """Of a proxy that dbd issued, on a day when it is in force."""
    found = issue(api)
    api.fakes.clock.now = IN_FORCE
    return found


def issue(api: Api, **changes: Any) -> str:
    body = {**EXAMPLE, "recipients": [], "content": {**EXAMPLE["content"], **changes}}
    answer = api.call("POST", "/v1/documents", body=body, authorizer=ISSUER)
    assert answer.status == 202, answer.text
    World(api.fakes).run_to_rest()
    path = {"document_id": answer.json["document_id"]}
    shown = api.call("GET", "/v1/documents/{document_id}", path=path, authorizer=ISSUER).json
    assert shown["state"] == "issued", shown
    return str(shown["links"]["verify"].rsplit("/", 1)[1])


def use(api: Api, code: str, body: Any, *, key: str = "k", by: dict[str, Any] = APP) -> Answer:
    return api.call(
        "POST",
        USES,
        path={"code": code},
        body=body,
        headers={"idempotency-key": key} if key else {},
        authorizer=by,
    )


def reasons(answer: Answer) -> list[tuple[str, int]]:
    assert answer.status == 201, answer.text
    assert answer.json["allowed"] is (not answer.json["reasons"])
    return [(one["code"], one["proxy"]) for one in answer.json["reasons"]]


def rule(api: Api, code: str, what: str, reason_code: str) -> None:
    document = api.fakes.ledger.by_code(code)
    assert document is not None
    answer = api.call(
        "POST",
        "/v1/documents/{document_id}/" + what,
        path={"document_id": document.document_id},
        body={"reason_code": reason_code, "reason": "ศาลสั่ง"},
        authorizer=RULER,
    )
    assert answer.status == 201, answer.text


# -- what is allowed ---------------------------------------------------------------


def test_an_attorney_acts_and_the_agency_can_show_it(api: Api, code: str) -> None:
    """Item 8: the answer tells what a clerk needs, and carries a signed statement that names the
    proxy by its digests, the act, the verdict, and no person."""
    answer = use(api, code, PAY)
    assert reasons(answer) == []
    (proxy,) = answer.json["proxies"]
    assert proxy["covered"] == {
        "principal": "บริษัท สวนมะพร้าวแม่กลอง จำกัด",
        "attorney": "นายคมสัน ท่าเรือ",
        "power_text": "ชำระค่าธรรมเนียมและรับใบเสร็จรับเงิน",
        "exclusions": EXAMPLE["content"]["exclusions"],
        "use_number": 1,
        "uses_left": 2,
    }
    document = api.fakes.ledger.by_code(code)
    assert document is not None
    assert document.file is not None
    told = json.loads(check_jws(answer.json["statement"], api.fakes.signer.jwks()))
    assert told["type"] == "tra.proxy-use.v1"
    assert told["verdict"] == "allowed"
    assert told["act"] == {"power": "fee.pay", "amount_thb": "500.00"}
    assert told["asked_by"] == {
        "agency_id": "diw",
        "subject": "diw-app",
        "reference": "case-2569-000123",
    }
    (named,) = told["proxies"]
    assert named["document_id"] == document.document_id
    assert named["content_digest"] == f"sha-256:{document.content_digest}"
    assert named["file_digest"] == f"sha-256:{document.file.sha256}"
    for secret in (ATTORNEY, "คมสัน", "สวนมะพร้าว", ATTORNEY[-4:]):
        assert secret not in json.dumps(told, ensure_ascii=False)


def test_the_statement_is_archived_before_it_is_answered(api: Api, code: str) -> None:
    """Item 8, P3: under lock as long as the proxy itself, the very bytes that were answered."""
    made = use(api, code, PAY).json
    (key,) = [key for key in api.fakes.archive.files if key.startswith("proxies/")]
    assert key.endswith(f"/{made['use_id']}.jws")
    assert api.fakes.archive.files[key] == made["statement"].encode()
    file = api.fakes.archive.find(key)
    assert file is not None
    assert file.retain_until.year == 2026 + 10


def test_what_was_answered_can_be_asked_for_again(api: Api, code: str) -> None:
    """Item 8: by who asked then, and by nobody else."""
    made = use(api, code, PAY)
    path = {"code": code, "use_id": made.json["use_id"]}
    shown = api.call("GET", USES + "/{use_id}", path=path, authorizer=APP)
    assert (shown.status, shown.json) == (200, made.json)
    assert made.headers["Location"] == made.json["links"]["self"]
    for other in (OTHER, ISSUER):
        hidden = api.call("GET", USES + "/{use_id}", path=path, authorizer=other)
        assert hidden.status == 404


# -- what is refused ---------------------------------------------------------------


def test_a_proxy_counts_to_its_limit(api: Api, code: str) -> None:
    """Item 8: three uses by whichever agency, then none; each power for itself."""
    for number, who in enumerate((APP, OTHER, APP), 1):
        answer = use(api, code, PAY, key=f"k{number}", by=who)
        assert answer.json["proxies"][0]["covered"]["use_number"] == number
    assert reasons(use(api, code, PAY, key="k4")) == [("used_up", 0)]
    assert reasons(use(api, code, APPLY, key="k5")) == []
    assert reasons(use(api, code, APPLY, key="k6")) == [("used_up", 0)]


def test_a_refusal_does_not_count(api: Api, code: str) -> None:
    """Item 8: what was not done is recorded, and uses nothing up."""
    for number in range(4):
        answer = use(api, code, {**PAY, "amount_thb": "10000.01"}, key=f"r{number}")
        assert reasons(answer) == [("amount_exceeded", 0)]
        assert answer.json["proxies"][0]["covered"] is None
    assert use(api, code, PAY).json["proxies"][0]["covered"]["use_number"] == 1
    assert len([k for k in api.fakes.archive.files if k.startswith("proxies/")]) == 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"power": "licence.factory"}, "power_not_granted"),
        ({"amount_thb": None}, "amount_missing"),
        ({"principal": {"registration_no": SOMBAT}}, "not_the_principal"),
    ],
)
def test_what_the_proxy_does_not_cover_is_refused_with_words(
    api: Api, code: str, changes: dict[str, Any], reason: str
) -> None:
    """Item 8: a code for machines, words in two languages for people, a signature for later."""
    answer = use(api, code, {**PAY, **changes})
    assert reasons(answer) == [(reason, 0)]
    (told,) = answer.json["reasons"]
    assert told["detail"] != told["detail_th"]
    signed = json.loads(check_jws(answer.json["statement"], api.fakes.signer.jwks()))
    assert (signed["verdict"], signed["reasons"]) == ("refused", [{"code": reason, "proxy": 0}])


def test_who_is_not_the_attorney_learns_nothing(api: Api, code: str) -> None:
    """P6, PDPA: not the powers, not the limits, not who it is."""
    shown = {**PAY, "attorney": {"registration_no": SOMBAT}}
    answers = [
        use(api, code, {**shown, "power": power}, key=power) for power in ("fee.pay", "none.such")
    ]
    for answer in answers:
        assert reasons(answer) == [("not_the_attorney", 0)]
        for secret in ("สวนมะพร้าว", "คมสัน", ATTORNEY, "ชำระ", "10000"):
            assert secret not in answer.text


def test_revoked_at_that_moment_is_refused_at_that_moment(api: Api, code: str) -> None:
    """Item 8: suspended, reinstated, revoked: each holds for the next request; what was allowed
    before stays proven."""
    moment = timedelta(microseconds=1)
    first = use(api, code, PAY, key="k1")
    api.fakes.clock.advance(moment)
    rule(api, code, "suspension", "investigation")
    assert reasons(use(api, code, PAY, key="k2")) == [("suspended", 0)]
    rule(api, code, "reinstatement", "resolved")
    api.fakes.clock.advance(moment)
    assert reasons(use(api, code, PAY, key="k3")) == []
    rule(api, code, "revocation", "court_order")
    api.fakes.clock.advance(moment)
    assert reasons(use(api, code, PAY, key="k4")) == [("revoked", 0)]
    again = use(api, code, PAY, key="k1")
    assert (again.status, again.json) == (201, first.json)


def test_before_and_after_its_period_it_covers_nothing(api: Api, code: str) -> None:
    """Item 8: from 1 December 2026 to 28 February 2027, in Bangkok."""
    clock = api.fakes.clock
    expected = [
        (datetime(2026, 11, 30, 16, 59, tzinfo=UTC), [("not_yet_valid", 0)]),
        (datetime(2026, 11, 30, 17, 0, tzinfo=UTC), []),
        (datetime(2027, 2, 28, 16, 59, tzinfo=UTC), []),
        (datetime(2027, 2, 28, 17, 0, tzinfo=UTC), [("expired", 0)]),
    ]
    for number, (now, told) in enumerate(expected):
        clock.now = now
        assert reasons(use(api, code, PAY, key=f"k{number}")) == told


def test_a_power_that_was_given_on(api: Api) -> None:
    """Item 8 (มอบอำนาจช่วง): by a proxy of the attorney's own, if the first allows it; both count."""
    attorney = {**EXAMPLE["content"]["attorney"]}
    sombat = {"kind": "natural_person", "name": "นายสมบัติ ตัวแทน", "registration_no": SOMBAT}
    closed = issue(api)
    first = issue(api, sub_delegation=True, stamp_duty_thb="60.00")
    second = issue(api, principal=attorney, attorney=sombat)
    api.fakes.clock.now = IN_FORCE
    body = {**PAY, "attorney": {"registration_no": SOMBAT}, "sub_proxies": [second]}
    assert reasons(use(api, closed, body, key="k1")) == [("no_sub_delegation", 0)]
    answer = use(api, first, body, key="k2")
    assert reasons(answer) == []
    assert [one["covered"]["use_number"] for one in answer.json["proxies"]] == [1, 1]
    assert reasons(use(api, first, {**body, "sub_proxies": []}, key="k3")) == [
        ("not_the_attorney", 0)
    ]
    rule(api, second, "revocation", "withdrawn_by_holder")
    assert reasons(use(api, first, body, key="k4")) == [("revoked", 1)]


@pytest.mark.parametrize(
    ("sub_proxies", "pointer"),
    [(["ABCDEFGHJKLMNPQRSTUVWXYZ01"], "/sub_proxies/0"), (["short"], "/sub_proxies/0")],
)
def test_a_further_proxy_that_is_none_is_told_where(
    api: Api, code: str, sub_proxies: list[str], pointer: str
) -> None:
    """Faults name their field; nothing is recorded of a request that cannot be judged."""
    answer = use(api, code, {**PAY, "sub_proxies": sub_proxies})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert use(api, code, {**PAY, "sub_proxies": [code]}).status == 422
    assert not [key for key in api.fakes.archive.files if key.startswith("proxies/")]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({**PAY, "attorney": {"registration_no": "350120045678"}}, "/attorney/registration_no"),
        ({**PAY, "attorney": {}}, "/attorney/registration_no"),
        ({**PAY, "amount_thb": "500"}, "/amount_thb"),
        ({**PAY, "amount_thb": 500}, "/amount_thb"),
        ({**PAY, "amount_thb": "-5.00"}, "/amount_thb"),
        ({**PAY, "power": "Fee Pay"}, "/power"),
        ({**PAY, "reference": "นายคมสัน"}, "/reference"),
        ({**PAY, "now": "2026-12-15"}, "/now"),
        ({"power": "fee.pay"}, "/attorney"),
    ],
)
def test_a_bad_request_is_told_where(
    api: Api, code: str, body: dict[str, Any], pointer: str
) -> None:
    """Faults name their field and quote no value."""
    answer = use(api, code, body)
    assert answer.status == 422, answer.text
    assert pointer in {fault["pointer"] for fault in answer.json["errors"]}
    assert "350120045678" not in answer.text


# -- who is told anything ----------------------------------------------------------


def test_without_its_code_a_proxy_does_not_exist(api: Api, code: str) -> None:
    """P6: a wrong code, another document's code, and a proxy that is not issued yet look alike,
    to its issuer too."""
    licence = json.loads(sample_event("api")["body"])
    made = api.call("POST", "/v1/documents", body=licence, authorizer=APP).json
    World(api.fakes).run_to_rest()
    paper = api.fakes.ledger.get(made["document_id"])
    waiting = api.call(
        "POST", "/v1/documents", body={**EXAMPLE, "recipients": []}, authorizer=ISSUER
    )
    not_issued = api.fakes.ledger.get(waiting.json["document_id"])
    assert paper is not None
    assert not_issued is not None
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    answers = [
        use(api, one, PAY, by=who)
        for one in (wrong, paper.verification_code, not_issued.verification_code, "a b")
        for who in (APP, ISSUER)
    ]
    assert {(one.status, one.json["detail"]) for one in answers} == {
        (404, answers[0].json["detail"])
    }


@pytest.mark.parametrize(
    ("roles", "status"),
    [("clerk", 201), ("approver", 403), ("supervisor", 403), ("auditor", 403), ("registrar", 403)],
)
def test_counters_and_applications_use_proxies(
    api: Api, code: str, roles: str, status: int
) -> None:
    """P6: who deals with people who come: clerks and applications."""
    who = {**_BASE, "sub": "somebody", "roles": roles}
    assert use(api, code, PAY, by=who).status == status


def test_each_use_is_in_the_access_log(api: Api, code: str) -> None:
    """Item 7: allowed or refused, who asked is on record."""
    use(api, code, {**PAY, "power": "none.such"})
    document = api.fakes.ledger.by_code(code)
    assert document is not None
    assert [
        (one.agency_id, one.subject, one.action, one.kind, one.thing_id)
        for one in api.fakes.access_log.waiting(10)
    ] == [("diw", "diw-app", Action.USE_PROXY, ThingKind.DOCUMENT, document.document_id)]


def test_no_number_reaches_a_log_or_a_store(api: Api, code: str, log: StringIO) -> None:
    """PDPA: of whom was shown nothing is kept: not the number, not its last digits."""
    use(api, code, {**PAY, "attorney": {"registration_no": SOMBAT, "name": "นายสมบัติ"}})
    use(api, code, PAY, key="k2")
    kept = vars(api.fakes.proxy_uses)
    for text in (log.getvalue(), str(kept), str(api.fakes.access_log.waiting(10))):
        for secret in (SOMBAT, ATTORNEY, SOMBAT[-4:], "สมบัติ", "คมสัน"):
            assert secret not in text


# -- repeats and deaths ------------------------------------------------------------


def test_a_repeat_is_the_same_answer_and_counts_once(api: Api, code: str) -> None:
    """P8: the same key and body; another body with it is refused; without a key nothing is
    counted."""
    first = use(api, code, PAY)
    api.fakes.clock.advance(timedelta(days=200))
    assert use(api, code, PAY).json == first.json
    other = use(api, code, {**PAY, "amount_thb": "1.00"})
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    missing = use(api, code, PAY, key="")
    assert missing.json["errors"][0]["pointer"] == "/headers/Idempotency-Key"
    document = api.fakes.ledger.by_code(code)
    assert document is not None
    assert api.fakes.proxy_uses.times(document.document_id, "fee.pay") == 1


def test_an_answer_that_was_not_archived_is_not_given(
    api: Api, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3, P8: dies between keeping and archiving: nobody was answered, and the repeat archives
    what was kept, and counts nothing again."""

    def full(*_: object, **__: object) -> None:
        raise UnavailableError("the archive does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(api.fakes.archive, "put_once", full)
        assert use(api, code, PAY).status == 503
    answer = use(api, code, PAY)
    assert answer.json["proxies"][0]["covered"]["use_number"] == 1
    (key,) = [key for key in api.fakes.archive.files if key.startswith("proxies/")]
    assert api.fakes.archive.files[key] == answer.json["statement"].encode()


def test_two_counters_do_not_share_the_last_use(
    api: Api, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Item 8: who judged by a count that is old judges again, and is refused."""
    store = api.fakes.proxy_uses
    enter = store.enter

    def beaten(*given: Any) -> Any:
        monkeypatch.setattr(store, "enter", enter)
        assert use(api, code, APPLY, key="other", by=OTHER).json["allowed"]
        return enter(*given)

    monkeypatch.setattr(store, "enter", beaten)
    assert reasons(use(api, code, APPLY)) == [("used_up", 0)]
