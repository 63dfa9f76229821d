"""Answers of agencies' own systems: believed, known again, or refused and kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from chalicelib.adapters.kms import base64url
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_events import GaveUp, Received
from chalicelib.domain.documents import Reason
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import AnswerRefusedError, DeliveryConflictError, NotFoundError
from chalicelib.domain.receipts import RejectionReason
from chalicelib.domain.statements import MOST_JWS, StatementError, claimed_payload, jws_digest
from chalicelib.services.delivery_steps import take_step
from chalicelib.services.dispute_receipt import dispute_receipt
from chalicelib.services.recall_letter import recall_letter
from chalicelib.services.take_answer import Answered, AnswerKind, take_answer
from tests.fault.harness import Danger, Killed
from tests.support.delivering import Signer
from tests.support.receiving import Intruder, Post


def _same(_name: str, port: Any) -> Any:
    return port


def _take(
    post: Post,
    jws: str,
    kind: AnswerKind = AnswerKind.RECEIPT,
    *,
    delivery_id: DeliveryId | None = None,
    brought_by: str | None = None,
    wrap: Callable[[str, Any], Any] = _same,
) -> Answered:
    room = post.house(wrap).answer_room
    return take_answer(jws, kind, delivery_id=delivery_id, brought_by=brought_by, room=room)


def _refused(post: Post, jws: str, kind: AnswerKind = AnswerKind.RECEIPT, **how: Any) -> str:
    """The word by which it is refused."""
    with pytest.raises(AnswerRefusedError) as raised:
        _take(post, jws, kind, **how)
    assert raised.value.detail != raised.value.detail_th
    return raised.value.reason


# -- believed -----------------------------------------------------------------------------


def test_a_receipt_of_the_recipients_own_system_ends_the_delivery() -> None:
    """A1, P5: signed by the recipient's key, it is kept as signed, and evidence names it."""
    post = Post()
    delivery_id = post.arrived("opm")
    jws = post.signed(post.receipt(delivery_id))
    answered = _take(post, jws)
    assert (answered.jws, answered.new) == (jws, True)
    delivery = post.delivery(delivery_id)
    assert delivery.state is DeliveryState.HANDED_OVER
    assert delivery.receipt is not None
    assert delivery.receipt.digest == jws_digest(jws)
    assert post.fakes.deliveries.statements(delivery_id) == (jws,)
    assert str(delivery_id) in post.fakes.dispatch_queue.messages[-1]
    assert post.faults() == []


def test_an_answer_may_come_before_our_own_note_that_it_was_sent() -> None:
    """P5, A20: killed between sending and noting it, the receipt proves the arrival."""
    post = Post()
    delivery_id = post.planned("opm")
    _take(post, post.signed(post.receipt(delivery_id)))
    delivery = post.delivery(delivery_id)
    assert (delivery.state, delivery.received is not None) == (DeliveryState.HANDED_OVER, True)
    assert post.faults() == []


def test_a_rejection_ends_the_delivery_with_its_reason() -> None:
    """Issue 6.3: misdirected, with the right agency suggested."""
    post = Post()
    delivery_id = post.arrived("opm")
    rejection = post.rejection(
        delivery_id, code=RejectionReason.MISDIRECTED, suggested_agency="dga"
    )
    _take(post, post.signed(rejection), AnswerKind.REJECTION)
    delivery = post.delivery(delivery_id)
    assert (delivery.state, delivery.suggested_agency) == (DeliveryState.REJECTED, "dga")
    assert post.faults() == []


# -- known again ------------------------------------------------------------------------


def test_a_receipt_again_is_answered_with_the_first_byte_for_byte() -> None:
    """P5: the same bytes, or the same number signed anew (ES256 never signs alike)."""
    post = Post()
    delivery_id = post.arrived("opm")
    receipt = post.receipt(delivery_id)
    first, again = post.signed(receipt), post.signed(receipt)
    assert first != again
    _take(post, first)
    for jws in (first, again):
        answered = _take(post, jws, delivery_id=delivery_id, brought_by="opm")
        assert (answered.jws, answered.new) == (first, False)
    assert post.fakes.deliveries.statements(delivery_id) == (first,)
    assert post.fakes.deliveries.refused(delivery_id) == ()
    assert post.faults() == []


def test_a_rejection_again_is_answered_with_the_first_byte_for_byte() -> None:
    """P5: the same of a rejection."""
    post = Post()
    delivery_id = post.arrived("opm")
    rejection = post.rejection(delivery_id)
    first = post.signed(rejection)
    _take(post, first, AnswerKind.REJECTION)
    again = _take(post, post.signed(rejection), AnswerKind.REJECTION)
    assert (again.jws, again.new) == (first, False)
    assert post.faults() == []


# -- corrections --------------------------------------------------------------------------


def test_a_correction_follows_on_a_dispute_only() -> None:
    """Issue 6.6: a receipt that corrects is believed once the sender disputes the number that
    stands; the old receipt, come again, is still answered with itself."""
    post = Post()
    delivery_id = post.arrived("opm")
    first = post.signed(post.receipt(delivery_id, 44))
    _take(post, first)
    correcting = post.receipt(delivery_id, 45, corrects=jws_digest(first))
    second = post.signed(correcting)
    assert _refused(post, second) == "not_correcting"
    dispute_receipt(delivery_id, "2026/44", room=post.house().delivery_room)
    assert _take(post, second).new
    standing = post.delivery(delivery_id).receipt
    assert standing is not None
    assert standing.number == 45
    assert _take(post, post.signed(correcting)).jws == second
    assert _take(post, first).jws == first
    assert post.faults() == []


def test_a_correction_changes_the_number_alone() -> None:
    """A20: the time received was fixed when the letter came."""
    post = Post()
    delivery_id = post.arrived("opm")
    first = post.signed(post.receipt(delivery_id, 44))
    _take(post, first)
    dispute_receipt(delivery_id, "2026/44", room=post.house().delivery_room)
    post.fakes.clock.advance(timedelta(hours=1))
    later = Received(post.fakes.clock(), post.fakes.clock())
    correcting = post.receipt(delivery_id, 45, corrects=jws_digest(first), received=later)
    assert _refused(post, post.signed(correcting)) == "not_correcting"
    assert post.delivery(delivery_id).disputed


# -- refused, and kept ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "by", "word"),
    [
        ({}, "rd", "other_agency"),
        ({"letter_number": "นร ๐๕๐๕/๙๙"}, "opm", "other_letter"),
        ({"sender": "rd"}, "opm", "other_letter"),
        ({"file_digest": "00" * 32}, "opm", "other_digest"),
        ({"delivery_id": DeliveryId("01HLETTER", "opm", 2)}, "opm", "other_delivery"),
        ({"delivery_id": DeliveryId("01HLETTER", "rd", 1)}, "opm", "other_agency"),
    ],
)
def test_a_receipt_of_something_else_is_refused_and_kept(
    changes: Mapping[str, Any], by: str, word: str
) -> None:
    """P5, issue 6.5: another letter, file, delivery or agency: not believed, kept as it came with
    who brought it, told by a stable word in both languages; kept once."""
    post = Post()
    delivery_id = post.arrived("opm")
    jws = post.signed(post.receipt(delivery_id, **changes), by=by)
    for _ in range(2):
        assert _refused(post, jws, delivery_id=delivery_id, brought_by=by) == word
    (kept,) = post.fakes.deliveries.refused(delivery_id)
    assert (kept.text, kept.refusal, kept.brought_by) == (jws, word, by)
    assert post.delivery(delivery_id).state is DeliveryState.CONSIGNED
    assert post.fakes.deliveries.statements(delivery_id) == ()


def test_what_cannot_be_read_names_its_field() -> None:
    """Issue 6.5: whoever integrates is told what to mend."""
    post = Post()
    delivery_id = post.arrived("opm")
    said = json.loads(post.receipt(delivery_id).payload())
    jws = post.keys["opm"].sign(canonical_json({**said, "receiver": ""}))
    with pytest.raises(AnswerRefusedError) as raised:
        _take(post, jws, delivery_id=delivery_id)
    assert (raised.value.reason, raised.value.field) == ("unreadable", "receiver")
    (kept,) = post.fakes.deliveries.refused(delivery_id)
    assert kept.field == "receiver"


@pytest.mark.parametrize(
    "text", ["", "no JWS", "a.b", "a.b.c.d", "{}", "é.é.é", "\ud800.a.a", "a" * (MOST_JWS + 1)]
)
def test_what_is_no_signed_statement_is_kept_nowhere(text: str) -> None:
    """P5: there is nothing in it that could be evidence; it is refused all the same."""
    post = Post()
    delivery_id = post.arrived("opm")
    assert _refused(post, text, delivery_id=delivery_id) == "unreadable"
    assert _refused(post, text) == "unreadable"
    assert post.fakes.deliveries.refused(delivery_id) == ()


def test_an_answer_to_no_delivery_is_told_so() -> None:
    """P5: nothing is believed of a delivery that does not exist."""
    post = Post()
    delivery_id = post.arrived("opm")
    of_nothing = post.receipt(delivery_id, delivery_id=DeliveryId("01HNOTHING", "opm"))
    with pytest.raises(NotFoundError):
        _take(post, post.signed(of_nothing))


def test_a_hosted_letter_is_answered_in_its_inbox_alone() -> None:
    """P1: the number of a hosted agency comes from the register that is kept here, though it has
    a key in the directory."""
    post = Post()
    key = Signer("dga-1")
    post.keys["dga"] = key
    post.fakes.directory.put_agency(replace(post.agency("dga"), reply_keys=tuple(key.jwks["keys"])))
    delivery_id = post.arrived("dga")
    assert _refused(post, post.signed(post.receipt(delivery_id), by="dga")) == "hosted_here"
    assert post.delivery(delivery_id).state is DeliveryState.CONSIGNED


def test_a_receipt_after_the_failure_is_kept_and_no_receipt() -> None:
    """P5, A5: the sender was told that it failed; a receipt that comes later never makes one of
    it, and nobody is told of a receipt."""
    post = Post()
    delivery_id = post.planned("opm")
    jws = post.signed(post.receipt(delivery_id))
    post.fakes.clock.advance(timedelta(days=4))
    over = GaveUp(at=post.fakes.clock(), reason=Reason("gave_up", "Over.", "หมดเวลา"))
    take_step(delivery_id, lambda _: over, room=post.house().delivery_room)
    told = len(post.fakes.dispatch_queue.messages)
    assert _refused(post, jws) == "delivery_failed"
    assert post.delivery(delivery_id).receipt is None
    assert len(post.fakes.dispatch_queue.messages) == told
    assert [kept.text for kept in post.fakes.deliveries.refused(delivery_id)] == [jws]
    assert post.faults() == []


def test_another_number_or_outcome_after_the_first_is_refused() -> None:
    """P5: the first answer stands; a second number, or a rejection after it, is kept beside."""
    post = Post()
    delivery_id = post.arrived("opm")
    _take(post, post.signed(post.receipt(delivery_id, 44)))
    assert _refused(post, post.signed(post.receipt(delivery_id, 45))) == "other_number"
    rejection = post.signed(post.rejection(delivery_id))
    assert _refused(post, rejection, AnswerKind.REJECTION) == "delivery_handed_over"
    assert len(post.fakes.deliveries.refused(delivery_id)) == 2
    assert post.faults() == []


# -- keys ------------------------------------------------------------------------------------


def _headed(post: Post, delivery_id: DeliveryId, key: Any, algorithm: str, **header: Any) -> str:
    """The recipient's receipt, signed otherwise."""
    payload = post.receipt(delivery_id).payload()
    return jwt.PyJWS().encode(payload, key, algorithm=algorithm, headers=header)


def _unsigned(post: Post, delivery_id: DeliveryId) -> str:
    return _headed(post, delivery_id, None, "none", kid="opm-1") + "AA"


def _public_key_as_secret(post: Post, delivery_id: DeliveryId) -> str:
    """By hand, because an honest library refuses to make it."""
    secret = json.dumps(post.keys["opm"].jwks["keys"][0]).encode()
    header, payload = b'{"alg":"HS256","kid":"opm-1"}', post.receipt(delivery_id).payload()
    signing_input = f"{base64url(header)}.{base64url(payload)}"
    tag = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{base64url(tag)}"


def _key_within(post: Post, delivery_id: DeliveryId) -> str:
    own = ec.generate_private_key(ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(own.public_key(), as_dict=True)
    return _headed(post, delivery_id, own, "ES256", kid="opm-1", jwk=jwk, jku="https://evil.test")


def _path_as_kid(post: Post, delivery_id: DeliveryId) -> str:
    own = ec.generate_private_key(ec.SECP256R1())
    return _headed(post, delivery_id, own, "ES256", kid="../../dev/null' OR 1=1 --")


def _other_curve(post: Post, delivery_id: DeliveryId) -> str:
    own = ec.generate_private_key(ec.SECP384R1())
    return _headed(post, delivery_id, own, "ES384", kid="opm-1")


def _demands_unknown(post: Post, delivery_id: DeliveryId) -> str:
    key: Any = post.keys["opm"]
    return _headed(post, delivery_id, key._private, "ES256", kid="opm-1", crit=["x"], x=1)


@pytest.mark.parametrize(
    "forged",
    [
        _unsigned,
        _public_key_as_secret,
        _key_within,
        _path_as_kid,
        _other_curve,
        _demands_unknown,
    ],
)
def test_only_a_key_of_the_directory_signs(forged: Callable[[Post, DeliveryId], str]) -> None:
    """RFC 8725, issue 6.5: no algorithm, key or name that the answer brings is used."""
    post = Post()
    delivery_id = post.arrived("opm")
    assert _refused(post, forged(post, delivery_id)) == "bad_signature"
    assert len(post.fakes.deliveries.refused(delivery_id)) == 1
    assert post.delivery(delivery_id).state is DeliveryState.CONSIGNED


def test_who_names_no_key_has_none_tried() -> None:
    """Issue 6, 5: a statement of a few bytes does not have every key of every agency tried; the
    guide demands `kid`, and without it the right key is no proof."""
    post = Post()
    delivery_id = post.arrived("opm")
    key: Any = post.keys["opm"]
    nameless = _headed(post, delivery_id, key._private, "ES256")
    tried: list[str] = []
    room = post.house().answer_room

    def check(text: str, jwks: Mapping[str, Any]) -> bytes:
        tried.append(text)
        return room.check_jws(text, jwks)

    with pytest.raises(AnswerRefusedError) as refused:
        take_answer(nameless, AnswerKind.RECEIPT, room=replace(room, check_jws=check))
    assert (refused.value.reason, tried) == ("bad_signature", [])


def test_keys_of_other_kinds_in_the_directory_check_nothing() -> None:
    """RFC 8725 §3.1: a secret or another curve put there by mistake is no key for receipts."""
    post = Post()
    delivery_id = post.arrived("opm")
    secret = {"kty": "oct", "kid": "s", "k": base64.urlsafe_b64encode(b"0" * 32).decode()}
    post.fakes.directory.put_agency(replace(post.agency("opm"), reply_keys=(secret,)))
    jws = _headed(post, delivery_id, b"0" * 32, "HS256", kid="s")
    assert _refused(post, jws) == "bad_signature"


def test_another_agency_with_the_same_key_name_or_key_changes_nothing() -> None:
    """Issue 6.5: whose key it is decides the recipient's entry first: no other agency can make
    its receipts fail by putting the same `kid`, or the same key, into its own."""
    post = Post()
    twin = Signer("opm-1")
    own = tuple(post.keys["opm"].jwks["keys"])
    post.fakes.directory.put_agency(
        replace(post.agency("rd"), reply_keys=(*twin.jwks["keys"], *own))
    )
    delivery_id = post.arrived("opm")
    forged = twin.sign(post.receipt(delivery_id).payload())
    assert _refused(post, forged) == "other_agency"
    assert _take(post, post.signed(post.receipt(delivery_id))).new


def test_a_new_key_and_the_old_one_are_both_believed() -> None:
    """C1: keys are changed without a day on which no receipt counts."""
    post = Post()
    new = Signer("opm-2")
    both = (*new.jwks["keys"], *post.keys["opm"].jwks["keys"])
    post.fakes.directory.put_agency(replace(post.agency("opm"), reply_keys=both))
    for number, key in enumerate((new, post.keys["opm"]), 1):
        delivery_id = post.arrived("opm", document_id=f"01HLETTER{number}", number=number)
        assert _take(post, key.sign(post.receipt(delivery_id, number).payload())).new


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_tampered_receipt_is_ever_believed(data: st.DataObject) -> None:
    """P5: whatever is changed in a signed receipt, be it one character of its text or a member of
    its payload signed with any key, it is not accepted unless it says the same."""
    post = Post()
    delivery_id = post.arrived("opm")
    said = json.loads(post.receipt(delivery_id).payload())
    tampered = data.draw(st.one_of(_other_text(post, said), _other_payload(post, said)))
    with pytest.raises((AnswerRefusedError, NotFoundError)):
        _take(post, tampered)
    assert post.delivery(delivery_id).state is DeliveryState.CONSIGNED
    assert post.fakes.deliveries.statements(delivery_id) == ()


def _other_text(post: Post, said: Mapping[str, Any]) -> st.SearchStrategy[str]:
    """One character of the signed text is another one, is missing, or comes twice."""
    jws = post.keys["opm"].sign(canonical_json(said))
    letters = st.sampled_from("ABCXYZabcxyz0189-_.=+/ ")
    places = st.integers(0, len(jws) - 1)
    changed = st.builds(lambda at, c: jws[:at] + c + jws[at + 1 :], places, letters)
    missing = st.builds(lambda at: jws[:at] + jws[at + 1 :], places)
    longer = st.builds(lambda at, c: jws[:at] + c + jws[at:], places, letters)
    return st.one_of(changed, missing, longer).filter(lambda text: text != jws)


_BINDING = (
    "type",
    "delivery_id",
    "sender",
    "letter_number",
    "letter_date",
    "file_digest",
    "receiving_agency",
)


def _other_payload(post: Post, said: Mapping[str, Any]) -> st.SearchStrategy[str]:
    """What ties it to the delivery is something else, or the key is another agency's or
    nobody's."""
    values: st.SearchStrategy[Any] = st.one_of(
        st.none(), st.integers(), st.text(max_size=8), st.just([]), st.just("sha-256:" + "0" * 64)
    )
    names = st.sampled_from(_BINDING)
    others = st.builds(lambda name, value: {**said, name: value}, names, values).filter(
        lambda changed: changed != said
    )
    by_recipient = others.map(lambda changed: post.keys["opm"].sign(canonical_json(changed)))
    other_keys = st.sampled_from([post.keys["rd"], Signer("opm-1"), Signer("new")])
    by_others = st.builds(
        lambda key, changed: key.sign(canonical_json(changed)), other_keys, others | st.just(said)
    )
    return by_recipient | by_others


def test_a_signed_text_is_spelled_in_one_way() -> None:
    """RFC 4648 §3.5: a signature whose last character has spare bits would have many texts, each
    with another digest."""
    post = Post()
    jws = post.signed(post.receipt(post.arrived("opm")))
    assert claimed_payload(jws)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bytes = jws[:-1] + alphabet[alphabet.index(jws[-1]) ^ 1]
    with pytest.raises(StatementError):
        claimed_payload(same_bytes)


# -- at the same time, and deaths ---------------------------------------------------------------


def _moments() -> int:
    post, danger = Post(), Danger()
    _take(post, post.signed(post.receipt(post.arrived("opm"))), wrap=danger.wrap)
    return danger.moment


def test_a_receipt_and_a_recall_at_once_give_one_outcome() -> None:
    """P5, issue 6.6: at whatever moment the sender recalls, exactly one of both happens; a
    receipt that lost is kept, and no receipt."""
    for moment in range(_moments()):
        post = Post()
        delivery_id = post.arrived("opm")
        jws = post.signed(post.receipt(delivery_id))
        lost: list[str] = []
        recall = partial(recall_letter, delivery_id, room=post.house().delivery_room)
        intruder = Intruder(kill_at=moment, act=partial(_attempt, recall, lost))
        _attempt(partial(_take, post, jws, wrap=intruder.wrap), lost)
        state = post.delivery(delivery_id).state
        assert state in {DeliveryState.HANDED_OVER, DeliveryState.RECALLED}
        assert lost == [f"delivery_{state}"], moment
        refused = post.fakes.deliveries.refused(delivery_id)
        assert len(refused) == (state is DeliveryState.RECALLED)
        assert post.faults() == []


def _attempt(act: Callable[[], Any], lost: list[str]) -> None:
    try:
        act()
    except (AnswerRefusedError, DeliveryConflictError) as error:
        lost.append(error.reason)


def test_one_receipt_twice_at_once_is_one_receipt() -> None:
    """P5: by API and reply queue at the same moment, each signed anew, both are told the first."""
    for moment in range(_moments()):
        post = Post()
        delivery_id = post.arrived("opm")
        receipt = post.receipt(delivery_id)
        other: list[Answered] = []
        second = post.signed(receipt)
        intruder = Intruder(kill_at=moment, act=lambda: other.append(_take(post, second)))  # noqa: B023 - called within
        mine = _take(post, post.signed(receipt), wrap=intruder.wrap)
        assert [answered.jws for answered in other] == [mine.jws]
        assert post.fakes.deliveries.statements(delivery_id) == (mine.jws,)
        assert post.faults() == []


def test_a_death_at_any_call_is_healed_by_the_message_that_comes_again() -> None:
    """P8: killed at any call, the answer comes again and is believed once."""
    for moment in range(_moments()):
        post = Post()
        delivery_id = post.arrived("opm")
        jws = post.signed(post.receipt(delivery_id))
        with pytest.raises(Killed):
            _take(post, jws, wrap=Danger(kill_at=moment).wrap)
        assert post.faults() == []
        assert _take(post, jws).jws == jws
        assert post.faults() == []
