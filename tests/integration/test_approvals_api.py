"""Approvals as officers make them over the API: what has an effect, and everything that has none
(issue 7, item 4)."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest

from chalicelib.bootstrap import house
from chalicelib.domain.access import Role
from chalicelib.domain.approval_records import statement_in
from chalicelib.domain.approvals import ApprovalPolicy, Method
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.officers import Authority, AuthorityKind, Ending, Period
from chalicelib.ports import AccessSearch
from tests.fault.harness import World
from tests.integration.conftest import Answer, Api
from tests.support.approval_desk import (
    CASE,
    DECIDE,
    LIST,
    PREVIEW,
    WITHDRAW,
    ApprovalDesk,
    Approver,
    list_of,
)
from tests.support.previews import near_preview
from tests.support.software_key import SoftwareKey


@pytest.fixture
def desk(api: Api) -> ApprovalDesk:
    return ApprovalDesk(api)


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json.get("reason", answer.json["code"])


def authority(
    officer: Approver, *, kind: str = "licence", most: Classification = Classification.NORMAL
) -> Authority:
    """That the officer acts for the director-general, granted in the store."""
    appointment = officer.appointment
    granted = Authority(
        authority_id="U1",
        agency_id=appointment.agency_id,
        holder=appointment.subject,
        kind=AuthorityKind.DELEGATED,
        position_th="อธิบดีกรมโรงงานอุตสาหกรรม",
        document_types=frozenset({kind}),
        most=most,
        period=Period(appointment.period.since),
        order="คำสั่งที่ ๔๕/๒๕๖๙",
        granted_by="head",
        granted_at=appointment.appointed_at,
    )
    return officer.api.fakes.officers.grant(granted)


# -- one document --------------------------------------------------------------


def test_an_approver_approves_what_was_seen(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """B7, C2: an officer with a second factor approves exactly one content; the document is told to
    the numbering only then, and the decision is a signed statement of all that A9 and B7 ask."""
    officer, document = desk.officer(), desk.submitted(licence)
    assert desk.api.fakes.number_queue.messages == []
    answer = officer.decides(document)
    assert (answer.status, answer.json["case"], answer.json["state"]) == (
        200,
        "approved",
        "accepted",
    )
    assert desk.api.fakes.number_queue.messages == [(document.document_id, "diw.licence")]
    [decision] = desk.now(document).approval.decisions  # type: ignore[union-attr]  # it has a case
    told = statement_in(decision)
    assert told is not None
    assert told.officer == officer.officer
    assert told.content_digest == document.content_digest
    assert (told.name_th, told.position_th) == ("นายพรชัย ใจซื่อ", "เจ้าหน้าที่")
    assert told.order == officer.appointment.order
    assert told.method is Method.TOTP
    assert told.factor_use == decision.factor_use
    assert told.at == decision.at


def test_a_repeat_is_already_so(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """P8: the same decision again, with the same code, with another one or with none that is good,
    changes nothing and answers the same."""
    officer, document = desk.officer(), desk.submitted(licence)
    first = officer.decides(document)
    for otp in (officer.code, officer.next_code(), "000000"):
        again = officer.decides(document, otp=otp)
        assert (again.status, again.json) == (200, first.json)
    assert len(desk.now(document).approval.decisions) == 1  # type: ignore[union-attr]  # it has a case


@pytest.mark.parametrize("decision", ["reject", "return"])
def test_a_refusal_ends_it_with_its_reason(
    desk: ApprovalDesk, licence: dict[str, Any], decision: str
) -> None:
    """P4, issue 7 item 4: rejected or returned, the owner reads why; no number is given."""
    officer, document = desk.officer(), desk.submitted(licence)
    answer = officer.decides(document, decision, reason="ชื่อสถานประกอบการไม่ครบ")
    ended = {"reject": "rejected", "return": "returned"}[decision]
    assert (answer.json["case"], answer.json["state"]) == (ended, "rejected")
    assert answer.json["decisions"][0]["reason"] == "ชื่อสถานประกอบการไม่ครบ"
    shown = desk.api.call(
        "GET", "/v1/documents/{document_id}", path={"document_id": document.document_id}
    ).json
    assert shown["reason"]["code"] == f"approval_{ended}"
    assert desk.api.fakes.number_queue.messages == []


def test_who_does_not_approve_says_why(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Issue 7 item 4: the problem names what is missing; nothing was decided, no code was spent."""
    officer, document = desk.officer(), desk.submitted(licence)
    body = {"decision": "reject", "content_digest": document.content_digest, "otp": officer.code}
    answer = officer.call("POST", DECIDE, document.document_id, body=body)
    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == "/reason"
    assert officer.decides(document).status == 200


def test_another_digest_has_no_effect(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Attack: a decision that names other content than the document's; the problem points at it in
    both languages, and the code is still good."""
    officer, document = desk.officer(), desk.submitted(licence)
    answer = officer.decides(replace(document, content_digest="0" * 64))
    assert refusal(answer) == (409, "other_content")
    assert answer.json["errors"][0]["pointer"] == "/content_digest"
    body = {"decision": "approve", "content_digest": "0" * 64, "otp": officer.code}
    thai = officer.call(
        "POST", DECIDE, document.document_id, body=body, headers={"accept-language": "th"}
    )
    assert "ค่าแฮช" in thai.json["detail"]
    assert officer.decides(document).status == 200


def test_a_code_is_good_for_one_request(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Attack: replayed code. Spent on one document (or list), it approves no other."""
    officer = desk.officer()
    one, other = desk.submitted(licence), desk.submitted(licence)
    code = officer.code
    assert officer.decides(one, otp=code).status == 200
    assert refusal(officer.decides(other, otp=code)) == (403, "factor_wrong")
    assert refusal(officer.decides_all([other], otp=code)) == (403, "factor_wrong")
    assert desk.now(other).awaits_approval
    assert officer.decides(other, otp=officer.next_code()).status == 200


def test_a_wrong_or_late_code_decides_nothing(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Attack: guessed and late codes; and after too many guesses the factor is locked."""
    officer, document = desk.officer(), desk.submitted(licence)
    late = officer.code
    desk.api.fakes.clock.advance(timedelta(minutes=2))
    reasons = [refusal(officer.decides(document, otp=otp))[1] for otp in (late, *["123456"] * 4)]
    assert reasons[:4] == ["factor_wrong"] * 4
    assert refusal(officer.decides(document)) == (403, "factor_locked")
    assert desk.now(document).awaits_approval


def test_nobody_approves_the_own_submission(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Attack: who submitted it approves it; unless the policy allows that."""
    both = desk.officer("both", roles=frozenset({Role.CLERK, Role.APPROVER}))
    document = desk.submitted(licence, by=both)
    assert refusal(both.decides(document)) == (409, "own_submission")
    desk.set_policy(ApprovalPolicy(approvers=1, own_submission=True))
    assert both.decides(desk.submitted(licence, by=both)).json["case"] == "approved"


def test_an_appointment_that_ended_approves_nothing(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """Attack: approval after revocation. Between preview and decision the head ends the
    appointment: the token is as good as before, the decision is refused."""
    officer, document = desk.officer(), desk.submitted(licence)
    assert officer.call("GET", CASE, document.document_id).status == 200
    officer.leaves()
    assert officer.decides(document).status == 403
    assert desk.now(document).awaits_approval


class _LeavesMeanwhile:
    """The store of officers; after so many looks the head ends the appointment."""

    def __init__(self, officer: Approver, looks: int) -> None:
        self._officer, self._left = officer, looks
        self._store = officer.api.fakes.officers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def appointments_of(self, officer: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            self._officer.leaves()
        return self._store.appointments_of(officer)


def test_an_appointment_that_ends_within_the_request_approves_nothing(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """A7: it is read anew, strongly, after the second factor and before the signature."""
    officer, document = desk.officer(), desk.submitted(licence)
    watched = _LeavesMeanwhile(officer, 3)  # who asks, the look, the decision
    house().__dict__["officers"] = watched
    answer = officer.decides(document)
    assert refusal(answer) == (409, "appointment_ended")
    assert desk.now(document).awaits_approval


def test_a_case_that_expired_is_not_decided(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """P4: its time is over, even before anybody noted that."""
    officer, document = desk.officer(), desk.submitted(licence)
    assert document.approval is not None
    desk.api.fakes.clock.now = document.approval.expires_at
    assert refusal(officer.decides(document)) == (409, "approval_expired")


def test_what_is_decided_is_decided(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """B7: the same officer does not decide otherwise, and nobody decides on what ended."""
    officer, other = desk.officer(), desk.officer("approver-2")
    document = desk.submitted(licence)
    assert officer.decides(document, "reject").status == 200
    otherwise = officer.decides(document, otp=officer.next_code())
    assert refusal(otherwise) == (409, "decided_otherwise")
    assert otherwise.json["errors"][0]["pointer"] == "/decision"
    assert refusal(other.decides(document)) == (409, "approval_ended")


def test_two_officers_are_two(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """C6: where two approve, one officer is not both, whatever appointments that officer has."""
    desk.set_policy(ApprovalPolicy(approvers=2))
    one, two, document = desk.officer("one"), desk.officer("two"), desk.submitted(licence)
    assert one.decides(document).json["case"] == "pending"
    assert one.decides(document, otp=one.next_code()).json["case"] == "pending"
    assert two.decides(document).json["case"] == "approved"
    numbers = [statement_in(d).number for d in desk.now(document).approval.decisions]  # type: ignore[union-attr]  # it has a case, and records
    assert numbers == [1, 2]


# -- who may -------------------------------------------------------------------


@pytest.mark.parametrize("resource", [CASE, PREVIEW, DECIDE, WITHDRAW])
def test_other_agencies_find_nothing(
    desk: ApprovalDesk, licence: dict[str, Any], resource: str
) -> None:
    """P6, IDOR: on every route another agency's document looks like one that does not exist."""
    stranger = desk.officer("x", "rd", frozenset({Role.APPROVER, Role.CLERK}))
    document = desk.submitted(licence)
    method = "GET" if resource in {CASE, PREVIEW} else "POST"
    answers = []
    for document_id in (document.document_id, "0" * 26):
        body = {
            DECIDE: {"decision": "approve", "content_digest": "0" * 64, "otp": "123456"},
            WITHDRAW: {},
        }.get(resource)
        answers.append(stranger.call(method, resource, document_id, body=body))
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].json == answers[1].json
    assert desk.now(document).awaits_approval


def test_what_can_be_no_id_is_not_looked_for(
    desk: ApprovalDesk, licence: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad input is no outage: no table takes a key as long as this, and none is asked."""
    officer, document = desk.officer(), desk.submitted(licence)
    monkeypatch.setattr(desk.api.fakes.ledger, "get_many", _never)
    body = {"decision": "approve", "content_digest": document.content_digest, "otp": officer.code}
    assert officer.call("POST", DECIDE, "x" * 3_000, body=body).status == 404


def _never(*_: Any) -> None:
    raise UnavailableError("a key as long as this")


def test_a_list_of_strangers_finds_nothing(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """P6: in a list each document of another agency is `not_found`, and no code is spent for it."""
    stranger, document = desk.officer("x", "rd"), desk.submitted(licence)
    answer = stranger.decides_all([document, replace(document, document_id="0" * 26)])
    assert [one["error"]["code"] for one in answer.json["results"]] == ["not_found"] * 2
    assert [one["state"] for one in answer.json["results"]] == [None, None]
    assert stranger.call("GET", LIST).json == {"items": [], "cursor": None}


def test_clerks_and_applications_do_not_approve(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """B7: nobody but an officer who is appointed to it."""
    clerk, document = desk.officer("clerk", roles=frozenset({Role.CLERK})), desk.submitted(licence)
    assert refusal(clerk.decides(document)) == (403, "role_missing")
    body = {"decision": "approve", "content_digest": document.content_digest, "otp": "123456"}
    path = {"document_id": document.document_id}
    application = desk.api.call("POST", DECIDE, path=path, body=body)
    assert refusal(application) == (403, "role_missing")


def test_the_central_approver_decides_for_others(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """6.1.1(2) of the proposal: the officers of the central agency see, preview and decide; the
    issuer's own do not; and what became of it is not the central agency's business."""
    desk.set_policy(ApprovalPolicy(approvers=1, central="rd"))
    own, central, document = desk.officer(), desk.officer("c", "rd"), desk.submitted(licence)
    house().__dict__["previewer"] = near_preview()
    assert central.call("GET", LIST).json["items"][0]["agency_id"] == "diw"
    assert own.call("GET", LIST).json["items"] == []
    assert central.call("GET", CASE, document.document_id).json["policy"]["agency_id"] == "rd"
    assert central.call("GET", PREVIEW, document.document_id).status == 200
    assert refusal(own.decides(document)) == (409, "other_agency")
    assert central.decides(document).json["case"] == "approved"
    assert central.call("GET", CASE, document.document_id).status == 404
    World(desk.api.fakes).run_to_rest()
    assert desk.now(document).state == "issued"
    repeated = central.decides_all([document], otp=central.next_code()).json
    assert (repeated["already_so"], repeated["refused"]) == (1, 0)
    assert repeated["results"][0]["state"] == "accepted"
    again = central.decides(document).json
    assert (again["state"], again["recipients"], len(again["decisions"])) == ("accepted", [], 1)


def test_clearance_reaches_the_document(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """A13, A24: an approver who is not cleared and named finds nothing of a classified document."""
    plain, document = desk.officer(), desk.submitted(licence)
    assert document.approval is not None
    secret = replace(document, classification=Classification.SECRET)
    desk.api.fakes.ledger._documents[document.document_id] = secret
    assert plain.decides(document).status == 404
    assert plain.call("GET", LIST).json["items"] == []
    cleared = desk.officer(
        "registrar",
        roles=frozenset({Role.APPROVER, Role.REGISTRAR}),
        clearance=Classification.SECRET,
    )
    assert len(cleared.call("GET", LIST).json["items"]) == 1
    assert cleared.decides(document).json["case"] == "approved"


def test_the_list_of_the_uncleared_tells_of_no_secret(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """P6: a page is as long as if no classified document awaited anybody, and no cursor names it."""
    officer = desk.officer()
    documents = []
    for _ in range(4):
        documents.append(desk.submitted(licence))
        desk.api.fakes.clock.advance(timedelta(minutes=1))
    for hidden in documents[1:3]:
        secret = replace(hidden, classification=Classification.SECRET)
        desk.api.fakes.ledger._documents[hidden.document_id] = secret
    page = officer.call("GET", LIST, query={"limit": "2"}).json
    known = [documents[0].document_id, documents[3].document_id]
    assert [one["document_id"] for one in page["items"]] == known
    assert page["cursor"] is None


def test_whoever_repeats_a_decision_on_a_secret_had_to_do_with_it_again(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """C5: the answer of a repeat tells what became of the document, so it is an access like the
    first; so is each of a list."""
    document = desk.submitted(licence)
    secret = replace(document, classification=Classification.SECRET)
    desk.api.fakes.ledger._documents[document.document_id] = secret
    cleared = desk.officer(
        "registrar",
        roles=frozenset({Role.APPROVER, Role.REGISTRAR}),
        clearance=Classification.SECRET,
    )
    log = desk.api.fakes.access_log
    body = list_of([document])
    one = {"decision": "approve", "content_digest": document.content_digest}
    ways: list[tuple[str, str, dict[str, Any]]] = [
        (DECIDE, document.document_id, one),
        (DECIDE, document.document_id, one),
        (LIST, "", body),
    ]
    for times, (route, document_id, asked) in enumerate(ways, 1):
        answer = cleared.call(
            "POST",
            route,
            document_id,
            body={**asked, "otp": cleared.code},
            context={"extendedRequestId": f"R-{times}="},
        )
        assert answer.status == 200, answer.text
        assert len(log.of_officer(cleared.officer, AccessSearch()).accesses) == times


def test_what_an_officer_says_of_a_secret_is_not_in_the_record(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """A13: the record of a classified document binds the officer's words and does not hold them."""
    document = desk.submitted(licence)
    secret = replace(document, classification=Classification.CONFIDENTIAL)
    desk.api.fakes.ledger._documents[document.document_id] = secret
    cleared = desk.officer(
        "registrar",
        roles=frozenset({Role.APPROVER, Role.REGISTRAR}),
        clearance=Classification.SECRET,
    )
    assert cleared.decides(document, "reject", reason="ห้ามเปิดเผย").status == 200
    [decision] = desk.now(document).approval.decisions  # type: ignore[union-attr]  # it has a case
    told = statement_in(decision)
    assert told is not None
    assert (told.reason, bool(told.reason_commitment)) == (None, True)
    assert base64.b64encode("ห้ามเปิดเผย".encode()).decode()[:12] not in str(decision.record)


# -- authority -----------------------------------------------------------------


def test_an_authority_is_used_and_told(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Item 1: ปฏิบัติราชการแทน stands in the record with its kind, position and order."""
    officer, document = desk.officer(), desk.submitted(licence)
    authority(officer)
    shown = officer.decides(document, authority_id="U1").json["decisions"][0]["authority"]
    assert (shown["words"], shown["position_th"]) == ("ปฏิบัติราชการแทน", "อธิบดีกรมโรงงานอุตสาหกรรม")
    assert shown["order"] == "คำสั่งที่ ๔๕/๒๕๖๙"


@pytest.mark.parametrize("case", ["absent", "other_type", "revoked", "somebody_elses"])
def test_an_authority_that_does_not_hold_is_refused(
    desk: ApprovalDesk, licence: dict[str, Any], case: str
) -> None:
    """Item 1: an authority is used by its holder, in its scope, while it holds."""
    officer, other, document = desk.officer(), desk.officer("other"), desk.submitted(licence)
    if case != "absent":
        kind = "e-card" if case == "other_type" else "licence"
        granted = authority(other if case == "somebody_elses" else officer, kind=kind)
        if case == "revoked":
            # By a function whose clock goes ahead.
            at = desk.api.fakes.clock() + timedelta(seconds=1)
            ending = Ending(at=at, by="head", reason="over")
            desk.api.fakes.officers.revoke_authority(granted, ending)
    answer = officer.decides(document, authority_id="U1")
    assert refusal(answer) == (409, "authority_missing")
    assert answer.json["errors"][0]["pointer"] == "/authority_id"
    assert desk.now(document).awaits_approval


# -- lists ---------------------------------------------------------------------


def test_one_code_approves_a_list(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Item 4: many in one go with one use of the factor; each digest is named, and the one that is
    refused does not hold up the others."""
    officer = desk.officer()
    documents = [desk.submitted(licence) for _ in range(5)]
    body = list_of(documents)
    body["decisions"][2]["content_digest"] = "0" * 64
    body["decisions"][3] |= {"decision": "reject", "reason": "ซ้ำกับฉบับก่อน"}
    answer = officer.call("POST", LIST, body={**body, "otp": officer.code}).json
    outcomes = [one["outcome"] for one in answer["results"]]
    assert outcomes == ["decided", "decided", "refused", "decided", "decided"]
    error = answer["results"][2]["error"]
    assert (error["reason"], error["pointer"]) == (
        "other_content",
        "/decisions/2/content_digest",
    )
    assert (answer["decided"], answer["refused"], answer["left"]) == (4, 1, 0)
    states = [desk.now(one).state for one in documents]
    assert states == ["accepted", "accepted", "awaiting_approval", "rejected", "accepted"]
    uses = {d.factor_use for one in documents for d in desk.now(one).approval.decisions}  # type: ignore[union-attr]  # each has a case
    assert len(uses) == 1


def test_a_list_goes_on_where_it_died(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """P8: time runs out after the first chunk; the same request with the same code, minutes later,
    does the rest with the same use of the factor; a third one finds everything done."""
    officer = desk.officer()
    documents = [desk.submitted(licence) for _ in range(45)]
    body = {**list_of(documents), "otp": officer.code}
    times = iter([10_000, 5_000])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "tests.support.rooms.CONTEXT.get_remaining_time_in_millis", lambda: next(times)
        )
        first = officer.call("POST", LIST, body=body).json
    assert (first["decided"], first["left"]) == (40, 5)
    desk.api.fakes.clock.advance(timedelta(minutes=20))
    second = officer.call("POST", LIST, body=body).json
    assert (second["decided"], second["already_so"], second["left"]) == (5, 40, 0)
    third = officer.call("POST", LIST, body=body).json
    assert (third["decided"], third["already_so"]) == (0, 45)
    uses = {d.factor_use for one in documents for d in desk.now(one).approval.decisions}  # type: ignore[union-attr]  # each has a case
    assert len(uses) == 1


class _BusyAtTimes:
    """A key that does not sign each third time."""

    def __init__(self, signer: Any) -> None:
        self._signer, self._asked = signer, 0

    def sign(self, payload: bytes, **more: Any) -> str:
        self._asked += 1
        if self._asked % 3 == 0:
            raise UnavailableError("KMS is busy.", "ระบบกุญแจ (KMS) ไม่ว่าง")
        signed: str = self._signer.sign(payload, **more)
        return signed


def test_what_cannot_be_signed_now_is_not_yet(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """P8: a key that is busy in the midst of a list holds up none of the others, and the same
    request does the rest."""
    officer = desk.officer()
    documents = [desk.submitted(licence) for _ in range(6)]
    house().__dict__["evidence_signer"] = _BusyAtTimes(desk.api.fakes.signer)
    body = {**list_of(documents), "otp": officer.code}
    first = officer.call("POST", LIST, body=body).json
    assert (first["decided"], first["left"]) == (4, 2)
    errors = [one["error"]["code"] for one in first["results"] if one["outcome"] == "not_yet"]
    assert errors == ["unavailable"] * 2
    second = officer.call("POST", LIST, body=body).json
    assert (second["decided"], second["already_so"], second["left"]) == (2, 4, 0)


def test_a_list_may_be_as_long_as_it_may(desk: ApprovalDesk) -> None:
    """Item 4: a thousand decisions, each with as many Thai letters as a reason may have, are read
    and answered one by one."""
    officer = desk.officer()
    decisions = [
        {
            "document_id": f"D{n}",
            "content_digest": "a1" * 32,
            "decision": "reject",
            "reason": "เหตุ" * 125,
        }
        for n in range(1000)
    ]
    answer = officer.call("POST", LIST, body={"decisions": decisions, "otp": officer.code})
    assert (answer.status, answer.json["refused"]) == (200, 1000)
    decisions[0]["reason"] += "ผ"
    answer = officer.call("POST", LIST, body={"decisions": decisions, "otp": officer.code})
    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == "/decisions/0/reason"


def test_a_code_for_one_list_is_not_for_a_longer_one(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """Attack: a replayed code with one more document smuggled into the list."""
    officer = desk.officer()
    documents = [desk.submitted(licence) for _ in range(3)]
    code = officer.code
    assert officer.decides_all(documents[:2], otp=code).json["decided"] == 2
    assert refusal(officer.decides_all(documents, otp=code)) == (403, "factor_wrong")
    assert desk.now(documents[2]).awaits_approval


def _security_key(officer: Approver) -> SoftwareKey:
    """Enrolled over HTTP, beside the app."""
    key = SoftwareKey()
    body = {"method": "webauthn", "otp": officer.code}
    begun = officer.call("POST", "/v1/me/factors", body=body).json
    credential = key.create(begun["options"])
    done = officer.api.call(
        "POST",
        "/v1/me/factors/{factor_id}/confirmation",
        path={"factor_id": begun["factor_id"]},
        body={"credential": credential},
        authorizer=officer.context,
    )
    assert done.status == 200, done.text
    return key


def _asserted(officer: Approver, key: SoftwareKey, what: dict[str, Any]) -> dict[str, Any]:
    """What the browser gives for a challenge over exactly this."""
    asked = {"action": "documents:approve", "what": what}
    answer = officer.call("POST", "/v1/me/factors/challenges", body=asked)
    assert answer.status == 201, answer.text
    return key.get(answer.json["options"])


def test_a_security_key_approves_a_document_and_a_list(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """Item 3, B7: the challenge is over exactly what is asked for; an assertion over one list is
    good for no other one, nor for one document of it."""
    officer = desk.officer()
    key = _security_key(officer)
    documents = [desk.submitted(licence) for _ in range(4)]
    one = documents[0]
    body = {"decision": "approve", "content_digest": one.content_digest}
    assertion = _asserted(officer, key, {**body, "document_id": one.document_id})
    answer = officer.call("POST", DECIDE, one.document_id, body={**body, "assertion": assertion})
    assert (answer.status, answer.json["decisions"][0]["method"]) == (200, "webauthn")
    assertion = _asserted(officer, key, list_of(documents[1:3]))
    longer = {**list_of(documents[1:]), "assertion": assertion}
    assert refusal(officer.call("POST", LIST, body=longer)) == (403, "factor_wrong")
    assertion = _asserted(officer, key, list_of(documents[1:3]))
    exact = {**list_of(documents[1:3]), "assertion": assertion}
    assert officer.call("POST", LIST, body=exact).json["decided"] == 2
    assert desk.now(documents[3]).awaits_approval


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"decisions": []}, "/decisions"),
        ({"decisions": "all"}, "/decisions"),
        ({"decisions": [{"document_id": "A"}]}, "/decisions/0/decision"),
        ({"otp": "1"}, "/otp"),
        ({"otp": None}, "/otp"),
        ({"more": 1}, "/more"),
    ],
)
def test_a_malformed_list_is_refused_whole(
    desk: ApprovalDesk, licence: dict[str, Any], changes: dict[str, Any], pointer: str
) -> None:
    """Bad input: the fault points at the field, and nothing was decided."""
    officer, document = desk.officer(), desk.submitted(licence)
    answer = officer.call(
        "POST", LIST, body={**list_of([document]), "otp": officer.code, **changes}
    )
    assert answer.status == 422
    assert pointer in [fault["pointer"] for fault in answer.json["errors"]]
    assert desk.now(document).awaits_approval


def test_a_list_names_each_document_once_and_not_too_many(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """Bad input: the same document twice could mean two things; more than 1,000 are too many."""
    officer, document = desk.officer(), desk.submitted(licence)
    for documents in (
        [document, document],
        [replace(document, document_id=f"D{n}") for n in range(1001)],
    ):
        assert officer.decides_all(documents).status == 422
    assert desk.now(document).awaits_approval


def test_each_look_at_a_document_is_an_access(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Item 7: who decides on a list, and who sees a preview, had to do with each document of it, by
    that appointment; who found nothing had not."""
    officer, stranger = desk.officer(), desk.officer("x", "rd")
    documents = [desk.submitted(licence) for _ in range(3)]
    stranger.decides_all(documents)
    officer.decides_all(documents)
    log = desk.api.fakes.access_log
    page = log.of_officer(officer.officer, AccessSearch())
    assert {one.thing.thing_id for one in page.accesses} == {
        document.document_id for document in documents
    }
    assert {(one.action, one.appointment_id) for one in page.accesses} == {
        ("documents:approve", officer.appointment.appointment_id)
    }
    assert log.of_officer(stranger.officer, AccessSearch()).accesses == ()


# -- what awaits, and how it looks ---------------------------------------------


def test_what_awaits_is_listed_by_age_and_type(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Item 4: the list of an agency's approvers, in pages, oldest first."""
    officer = desk.officer()
    documents = []
    for _ in range(5):
        documents.append(desk.submitted(licence))
        desk.api.fakes.clock.advance(timedelta(minutes=1))
    found, cursor = [], None
    for _ in range(3):
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = officer.call("GET", LIST, query=query).json
        found += [one["document_id"] for one in page["items"]]
        cursor = page["cursor"]
    assert (found, cursor) == ([one.document_id for one in documents], None)
    assert officer.call("GET", LIST, query={"type": "e-card"}).json["items"] == []
    item = officer.call("GET", LIST, query={"type": "licence"}).json["items"][0]
    assert item["content_digest"] == documents[0].content_digest
    assert item["subject"] == licence["content"]["title_th"]
    case = officer.call("GET", CASE, documents[0].document_id).json
    assert (case["recipients"], case["urgency"], case["decisions"]) == (["dbd"], "routine", [])


def test_a_cursor_does_not_widen_the_scope(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """P6: the agency comes from who asks, never from the cursor."""
    officer, stranger = desk.officer(), desk.officer("x", "rd")
    for _ in range(3):
        desk.submitted(licence)
    cursor = officer.call("GET", LIST, query={"limit": "1"}).json["cursor"]
    assert stranger.call("GET", LIST, query={"cursor": cursor}).json["items"] == []
    assert officer.call("GET", LIST, query={"cursor": "{}"}).status == 422


def test_the_preview_shows_what_will_be_printed(
    desk: ApprovalDesk, licence: dict[str, Any], tmp_path: Any
) -> None:
    """Item 4: PDF with watermark, without number, with the place of the signature; the digest
    beside it is the one a decision names. Nothing is stored."""
    officer, document = desk.officer(), desk.submitted(licence)
    house().__dict__["previewer"] = near_preview()
    answer = officer.call("GET", PREVIEW, document.document_id).json
    assert answer["content_digest"] == document.content_digest
    file = tmp_path / "preview.pdf"
    file.write_bytes(base64.b64decode(answer["preview_base64"]))
    text = pypdf.PdfReader(file).pages[0].extract_text()
    assert "SPECIMEN" in text
    assert "(" + "." * 40 + ")" in text
    assert desk.now(document) == document
    pdf = officer.call("GET", PREVIEW, document.document_id, headers={"accept": "application/pdf"})
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert pdf.headers["Tra-Content-Digest"] == f"sha-256:{document.content_digest}"
    assert officer.decides(document).status == 200
    assert refusal(officer.call("GET", PREVIEW, document.document_id)) == (409, "approval_ended")


def test_the_preview_of_a_secret_names_its_reader(
    desk: ApprovalDesk, licence: dict[str, Any], tmp_path: Path
) -> None:
    """Item 6: each read puts the reader's name and the time on every page."""
    document = desk.submitted(licence)
    secret = replace(document, classification=Classification.SECRET)
    desk.api.fakes.ledger._documents[document.document_id] = secret
    cleared = desk.officer(
        "registrar",
        roles=frozenset({Role.APPROVER, Role.REGISTRAR}),
        clearance=Classification.SECRET,
    )
    house().__dict__["previewer"] = near_preview()
    answer = cleared.call("GET", PREVIEW, document.document_id).json
    file = tmp_path / "preview.pdf"
    file.write_bytes(base64.b64decode(answer["preview_base64"]))
    pages = pypdf.PdfReader(file).pages
    assert len(pages) == answer["pages"]
    for page in pages:
        text = page.extract_text()
        assert "SPECIMEN" in text
        assert "๑๒.๐๐" in text


def test_where_nobody_approves_there_is_no_case(
    desk: ApprovalDesk, licence: dict[str, Any]
) -> None:
    """Item 4: the default is as before: accepted at once, and no case to show or decide on."""
    desk.set_policy(ApprovalPolicy())
    officer = desk.officer()
    document_id = desk.api.submit(licence).json["document_id"]
    document = desk.now(document_id)
    assert document.state == "accepted"
    assert officer.call("GET", CASE, document_id).status == 404
    assert refusal(officer.decides(document)) == (409, "approval_ended")


# -- withdrawal ----------------------------------------------------------------


def test_the_submitter_takes_it_back(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """Item 4: withdrawn, it ends as rejected with a reason; a repeat changes nothing; nobody
    decides on it any more, and what was decided cannot be withdrawn."""
    officer, document = desk.officer(), desk.submitted(licence)
    path = {"document_id": document.document_id}
    for _ in range(2):
        answer = desk.api.call("POST", WITHDRAW, path=path, body={})
        assert (answer.status, answer.json["case"], answer.json["state"]) == (
            200,
            "withdrawn",
            "rejected",
        )
    assert refusal(officer.decides(document)) == (409, "approval_ended")
    other = desk.submitted(licence)
    assert officer.decides(other, otp=officer.next_code()).status == 200
    late = desk.api.call("POST", WITHDRAW, path={"document_id": other.document_id}, body={})
    assert refusal(late) == (409, "approval_ended")


def test_an_approver_does_not_withdraw(desk: ApprovalDesk, licence: dict[str, Any]) -> None:
    """P6: withdrawing is the submitter's side; approvers reject."""
    officer, document = desk.officer(), desk.submitted(licence)
    answer = officer.call("POST", WITHDRAW, document.document_id, body={})
    assert refusal(answer) == (403, "role_missing")
