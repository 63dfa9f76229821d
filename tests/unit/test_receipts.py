"""Receipts and rejections: what a recipient states, and what is believed of what comes back.

Signatures are real (ES256); each agency has its own key."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.classification import Classification
from chalicelib.domain.deliveries import Delivery, DeliveryId, happen
from chalicelib.domain.delivery_events import (
    Consigned,
    DeliveryEvent,
    NotConsigned,
    NumberDisputed,
    Recalled,
    Received,
    Rejected,
)
from chalicelib.domain.erds import DeliveryState, EventName
from chalicelib.domain.errors import EvidenceSignatureError
from chalicelib.domain.receipt_judgement import (
    Accepted,
    Duplicate,
    Judgement,
    Refusal,
    Refused,
    judge_receipt,
    judge_rejection,
)
from chalicelib.domain.receipts import (
    Receipt,
    Rejection,
    RejectionReason,
    make_receipt,
    make_rejection,
    print_receive_number,
    receipt_text,
    receive_stamp,
)
from chalicelib.domain.statements import StatementError, jws_digest
from tests.support.delivering import (
    BUSY,
    EVENTS,
    Signer,
    after,
    begun,
    later,
    note,
    received,
)

KEYS = {"dga": Signer("dga-1"), "opm": Signer("opm-1")}
NOW = later(35)
consigned = Consigned(at=later(21), received=received())
LYING = after(begun().delivery, consigned)


def _verify(jws: str) -> tuple[str, bytes]:
    for agency, key in KEYS.items():
        try:
            return agency, key.verify(jws)
        except EvidenceSignatureError:
            continue
    raise EvidenceSignatureError("nobody's")


RECEIPT = make_receipt(
    LYING,
    received=received(),
    year=2020,
    number=1577,
    printed=print_receive_number(2020, 1577, "สพร ๒๕๖๓"),
    registered_at=later(30),
    receiver="นางสาวรับ ตัวอย่าง",
    agency_name="สำนักงานพัฒนารัฐบาลดิจิทัล (องค์การมหาชน)",
)
REJECTION = make_rejection(
    LYING,
    received=received(),
    rejected_at=later(30),
    code=RejectionReason.MISDIRECTED,
    suggested_agency="opm",
)


def _signed(statement: Receipt | Rejection, by: str = "dga", **changes: Any) -> str:
    return KEYS[by].sign(canonical_json({**json.loads(statement.payload()), **changes}))


def _judge(delivery: Delivery, jws: str, now: datetime = NOW) -> Judgement:
    return judge_receipt(delivery, jws, verify=_verify, now=now)


# -- the receipt -------------------------------------------------------------------------------


def test_a_receipt_has_the_six_fields() -> None:
    """A1: letter number, letter date, receive-register number, time received, name of the
    receiver, receiving agency; tied to the delivery and the file."""
    assert json.loads(RECEIPT.payload()) == {
        "type": "tra.receipt.v1",
        "delivery_id": "01HLETTER.dga.1",
        "document_id": "01HLETTER",
        "sender": "slc",
        "letter_number": "นร ๐๕๐๕/๑๗๑๒๑",
        "letter_date": "2020-06-04",
        "receive_number": {"year": 2020, "number": 1577, "printed": "สพร ร/ ๒๕๖๓/ ๑๕๗๗"},
        "received": {
            "entered_at": "2020-06-05T06:50:00.000Z",
            "counted_at": "2020-06-05T06:50:00.000Z",
        },
        "registered_at": "2020-06-05T07:00:00.000Z",
        "receiver": "นางสาวรับ ตัวอย่าง",
        "receiving_agency": "dga",
        "receiving_agency_name": "สำนักงานพัฒนารัฐบาลดิจิทัล (องค์การมหาชน)",
        "file_digest": "sha-256:" + "f1" * 32,
        "corrects": None,
    }
    assert receipt_text(RECEIPT) == (
        ("ที่", "นร ๐๕๐๕/๑๗๑๒๑"),
        ("ลงวันที่", "๔ มิถุนายน ๒๕๖๓"),
        ("เลขทะเบียนรับ", "สพร ร/ ๒๕๖๓/ ๑๕๗๗"),
        ("วันเวลาที่รับ", "๕ มิถุนายน ๒๕๖๓ เวลา ๑๓.๕๐ น."),
        ("ผู้รับ", "นางสาวรับ ตัวอย่าง"),
        ("ส่วนราชการผู้รับ", "สำนักงานพัฒนารัฐบาลดิจิทัล (องค์การมหาชน)"),
    )


def test_the_stamp_is_the_real_one() -> None:
    """domain.md A: a real receive stamp, word for word."""
    assert receive_stamp(RECEIPT).text == (
        "เลขที่รับ สพร ร/ ๒๕๖๓/ ๑๕๗๗ วันที่ ๕ มิถุนายน ๒๕๖๓ เวลา ๑๓.๕๐ น. ผู้รับ นางสาวรับ ตัวอย่าง"
    )


def test_a_letter_of_the_night_is_stamped_with_the_working_time() -> None:
    """E2: outside office hours it counts as the next working time, and both times are kept."""
    friday_evening = datetime(2020, 6, 5, 11, 30, tzinfo=UTC)
    monday_morning = datetime(2020, 6, 8, 1, 30, tzinfo=UTC)
    late = replace(RECEIPT, received=Received(friday_evening, monday_morning))
    assert receive_stamp(late).lines == (
        "เลขที่รับ สพร ร/ ๒๕๖๓/ ๑๕๗๗",
        "วันที่ ๘ มิถุนายน ๒๕๖๓",
        "เวลา ๐๘.๓๐ น.",
        "ผู้รับ นางสาวรับ ตัวอย่าง",
        "เข้าระบบเมื่อ ๕ มิถุนายน ๒๕๖๓ เวลา ๑๘.๓๐ น.",
    )


@pytest.mark.parametrize(
    ("prefix", "printed"),
    [
        ("สพร ๒๕๖๓", "สพร ร/ ๒๕๖๙/ ๑๒"),
        ("นร ๐๕๐๕", "นร ร/ ๒๕๖๙/ ๑๒"),
        ("ดศ (สพธอ) ๕๑๑.๐๔", "สพธอ ร/ ๒๕๖๙/ ๑๒"),
        (None, "ร/ ๒๕๖๙/ ๑๒"),
    ],
)
def test_receive_numbers_are_printed_with_the_agencys_letters(
    prefix: str | None, printed: str
) -> None:
    """domain.md A: `สพร ร/ ๒๕๖๓/ ๑๕๗๗`."""
    assert print_receive_number(2026, 12, prefix) == printed


@given(
    st.integers(1, 10**9),
    st.datetimes(datetime(2001, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)),
    st.integers(0, 5000),
)
def test_writing_and_reading_are_inverse(number: int, at: datetime, closed: int) -> None:
    """A1: what was signed is what is read, whatever the clock said."""
    receipt = make_receipt(
        LYING,
        received=Received(at, at + timedelta(minutes=closed)),
        year=(at + timedelta(hours=7)).year,
        number=number,
        printed=f"ร {number}",
        registered_at=at,
        receiver="ก",
        agency_name="ข",
    )
    assert Receipt.read(receipt.payload()) == receipt


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "tra.rejection.v1"}, "type"),
        ({"delivery_id": "x"}, "delivery_id"),
        ({"letter_number": None}, "letter_number"),
        ({"letter_date": "2563-06-04 "}, "letter_date"),
        ({"receive_number": 1577}, "receive_number"),
        (
            {"receive_number": {"year": 2020, "number": "1577", "printed": "๑๕๗๗"}},
            "receive_number/number",
        ),
        (
            {"receive_number": {"year": 2563, "number": 1577, "printed": "๑๕๗๗"}},
            "receive_number/year",
        ),
        (
            {"receive_number": {"year": 2020, "number": 1577, "printed": "ร/ ๑๕๗๘"}},
            "receive_number/printed",
        ),
        (
            {"receive_number": {"year": 2020, "number": 1577, "printed": "ร/ ๑๑๕๗๗"}},
            "receive_number/printed",
        ),
        ({"received": {"counted_at": "2020-06-05T06:50:00.000Z"}}, "received/entered_at"),
        (
            {
                "received": {
                    "entered_at": "2020-06-05T06:50:00Z",
                    "counted_at": "2020-06-05T06:49:00Z",
                }
            },
            "received/counted_at",
        ),
        ({"received": None}, "received"),
        ({"registered_at": "2020-06-05T07:00:00"}, "registered_at"),
        ({"registered_at": "0000-06-05T07:00:00Z"}, "registered_at"),
        ({"receiver": ""}, "receiver"),
        ({"receiver": "ก\u200bข"}, "receiver"),
        ({"receiving_agency": "opm"}, "receiving_agency"),
        ({"receiving_agency_name": ["ก"]}, "receiving_agency_name"),
        ({"file_digest": "f1" * 32}, "file_digest"),
        ({"corrects": 1}, "corrects"),
    ],
)
def test_a_field_that_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    """Issue 6.5: an integrator learns which field; the value is repeated nowhere (P6)."""
    with pytest.raises(StatementError) as raised:
        Receipt.read(canonical_json({**json.loads(RECEIPT.payload()), **change}))
    assert raised.value.field == field
    assert _judge(LYING, _signed(RECEIPT, **change)) == Refused(Refusal.UNREADABLE, field)


def test_an_agency_may_know_only_when_it_entered() -> None:
    """A1, E2: a system without calendar tells the time the letter entered, and that is shown."""
    receipt = replace(RECEIPT, received=Received(later(20)))
    assert Receipt.read(receipt.payload()) == receipt
    assert receive_stamp(receipt) == receive_stamp(RECEIPT)
    alone: dict[str, Any] = {"received": {"entered_at": "2020-06-05T06:50:00Z"}}
    assert isinstance(_judge(LYING, _signed(RECEIPT, **alone)), Accepted)


def test_a_receipt_may_be_spelled_as_its_system_likes() -> None:
    """Issue 6.2: another system's JSON, offsets and names of its own are read all the same."""
    jws = KEYS["dga"].sign(
        json.dumps(
            {
                **json.loads(RECEIPT.payload()),
                "registered_at": "2020-06-05T14:00:00.5+07:00",
                "letter_number": "นร 0505 / 17121",
                "own_reference": {"x": [1.5]},
            },
            indent=2,
        ).encode()
    )
    judgement = _judge(LYING, jws)
    assert isinstance(judgement, Accepted)
    assert judgement.moved.delivery.receipt == replace(
        note(), printed="สพร ร/ ๒๕๖๓/ ๑๕๗๗", digest=jws_digest(jws)
    )


def test_a_receipt_with_two_answers_to_one_question_is_refused() -> None:
    """Issue 6.5: two readers may believe different ones of two names; and nobody reads on for
    ever."""
    whole = RECEIPT.payload().decode()
    twice = KEYS["dga"].sign(whole.replace("{", '{"receiver": "นายอีกคน", ', 1).encode())
    large = KEYS["dga"].sign(whole.replace("{", "{" + " " * 20_000, 1).encode())
    for jws in (twice, large):
        assert _judge(LYING, jws) == Refused(Refusal.UNREADABLE)


# -- judging receipts ----------------------------------------------------------------------------


def test_a_good_receipt_ends_the_delivery() -> None:
    """A1, P5: accepted once; the same receipt again, or signed again, is a duplicate."""
    jws = _signed(RECEIPT)
    judgement = _judge(LYING, jws)
    assert isinstance(judgement, Accepted)
    assert judgement.statement == RECEIPT
    assert judgement.moved.events == (EventName.CONTENT_HANDOVER,)
    registered = judgement.moved.delivery
    assert registered.state is DeliveryState.HANDED_OVER
    assert registered.statement == jws_digest(jws)
    for again in (jws, _signed(RECEIPT), _signed(RECEIPT, receiver="นายอีกคน")):
        assert _judge(registered, again, now=later(999)) == Duplicate(registered)


def test_a_receipt_may_come_before_our_own_note_of_arrival() -> None:
    """P8: died between sending and writing so."""
    judgement = _judge(begun().delivery, _signed(RECEIPT))
    assert isinstance(judgement, Accepted)
    assert judgement.moved.events == (EventName.CONTENT_CONSIGNMENT, EventName.CONTENT_HANDOVER)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"delivery_id": "01HLETTER.dga.2"}, Refusal.OTHER_DELIVERY),
        ({"delivery_id": "01HOTHER.dga.1"}, Refusal.OTHER_DELIVERY),
        ({"delivery_id": "01HLETTER.opm.1", "receiving_agency": "opm"}, Refusal.OTHER_AGENCY),
        ({"sender": "opdc"}, Refusal.OTHER_LETTER),
        ({"letter_number": "นร ๐๕๐๕/๑๗๑๒๒"}, Refusal.OTHER_LETTER),
        ({"letter_number": "ไม่ใช่เลข"}, Refusal.OTHER_LETTER),
        ({"letter_date": "2020-06-05"}, Refusal.OTHER_LETTER),
        ({"file_digest": "sha-256:" + "00" * 32}, Refusal.OTHER_DIGEST),
    ],
)
def test_a_receipt_for_something_else_is_refused(change: dict[str, Any], refusal: Refusal) -> None:
    """Issue 6.5: another letter, another digest, another agency."""
    assert _judge(LYING, _signed(RECEIPT, **change)) == Refused(refusal)


def test_a_receipt_that_another_agency_signed_is_refused() -> None:
    """Issue 6.5: only the recipient can say that it has the letter."""
    assert _judge(LYING, _signed(RECEIPT, by="opm")) == Refused(Refusal.OTHER_AGENCY)


@pytest.mark.parametrize("jws", ["", "a.b.c", "ใบรับ"])
def test_a_bad_signature_is_refused(jws: str) -> None:
    """Issue 6.5: so are a stranger's key, and a good signature under another content."""
    assert _judge(LYING, jws) == Refused(Refusal.BAD_SIGNATURE)
    stranger = Signer().sign(RECEIPT.payload())
    assert _judge(LYING, stranger) == Refused(Refusal.BAD_SIGNATURE)
    head, _, tail = _signed(RECEIPT).split(".")
    _, other, _ = _signed(RECEIPT, receiver="นายอีกคน").split(".")
    assert _judge(LYING, f"{head}.{other}.{tail}") == Refused(Refusal.BAD_SIGNATURE)


def _came(entered: datetime, counted: datetime | None = None) -> dict[str, Any]:
    times = replace(RECEIPT, received=Received(entered, counted or entered))
    return {"received": json.loads(times.payload())["received"]}


@pytest.mark.parametrize(
    ("change", "possible"),
    [
        (_came(later(-4)), True),
        (_came(later(-6)), False),
        (_came(later(36)), False),
        (_came(later(20), later(20) + timedelta(days=12)), True),
        (_came(later(20), later(20) + timedelta(days=32)), False),
        ({"registered_at": "2020-06-05T07:09:00Z"}, True),
        ({"registered_at": "2020-06-05T07:11:00Z"}, False),
    ],
)
def test_times_that_cannot_be_are_refused(change: dict[str, Any], possible: bool) -> None:  # noqa: FBT001 - a case
    """A20: received before it was sent, or registered in time to come; clocks may differ by
    five minutes (A19 is about our own)."""
    judgement = _judge(LYING, _signed(RECEIPT, **change))
    assert isinstance(judgement, Accepted) is possible
    if not possible:
        assert judgement == Refused(Refusal.TIME_IMPOSSIBLE)


def test_our_own_time_of_arrival_stands() -> None:
    """A20: what was fixed when the letter entered is not moved by what a receipt says."""
    judgement = _judge(LYING, _signed(RECEIPT, **_came(later(25))))
    assert isinstance(judgement, Accepted)
    assert judgement.moved.delivery.received == received()


@pytest.mark.parametrize(
    ("ending", "refusal"),
    [
        (NotConsigned(at=later(5), reason=BUSY), Refusal.DELIVERY_FAILED),
        (
            Rejected(at=later(5), reason=BUSY, received=received(), digest="d0" * 32),
            Refusal.DELIVERY_REJECTED,
        ),
        (Recalled(at=later(5)), Refusal.DELIVERY_RECALLED),
    ],
)
def test_what_has_ended_otherwise_gets_no_receipt(ending: DeliveryEvent, refusal: Refusal) -> None:
    """P5: a failed delivery never gets a receipt, though it is a good one."""
    ended = after(begun().delivery, ending)
    assert _judge(ended, _signed(RECEIPT)) == Refused(refusal)


def _number(number: int) -> dict[str, Any]:
    printed = print_receive_number(2020, number, "สพร ๒๕๖๓")
    return {"receive_number": {"year": 2020, "number": number, "printed": printed}}


def test_another_number_than_before_is_refused() -> None:
    """Issue 6.5: each delivery has one receive-register number."""
    first = _judge(LYING, _signed(RECEIPT))
    assert isinstance(first, Accepted)
    other = _signed(RECEIPT, **_number(1578))
    assert _judge(first.moved.delivery, other) == Refused(Refusal.OTHER_NUMBER)


def test_a_disputed_number_is_corrected_by_naming_the_receipt() -> None:
    """Issue 6.6: InvalidAcceptID by the sender, another receipt by the recipient, the same
    time received."""
    jws = _signed(RECEIPT)
    first = _judge(LYING, jws)
    assert isinstance(first, Accepted)
    registered = first.moved.delivery
    names_it = {"corrects": f"sha-256:{jws_digest(jws)}"}
    correction = _signed(RECEIPT, **_number(1578), **names_it)
    assert _judge(registered, correction) == Refused(Refusal.NOT_CORRECTING)
    disputed = after(registered, NumberDisputed(at=later(40), place="2020/1577"))
    assert _judge(disputed, jws) == Duplicate(disputed)
    for wrong in (
        _signed(RECEIPT, **_number(1578), corrects="sha-256:" + "00" * 32),
        _signed(RECEIPT, **names_it),
        _signed(RECEIPT, **_number(1578), **names_it, **_came(later(10))),
    ):
        assert _judge(disputed, wrong) == Refused(Refusal.NOT_CORRECTING)
    assert _judge(disputed, _signed(RECEIPT, **_number(1578))) == Refused(Refusal.OTHER_NUMBER)
    judgement = _judge(disputed, correction)
    assert isinstance(judgement, Accepted)
    assert judgement.moved.events == (EventName.CORRECTED_ACCEPT_ID,)
    corrected = judgement.moved.delivery
    assert [receipt.number for receipt in corrected.receipts] == [1577, 1578]
    assert corrected.statement == jws_digest(correction)
    for again in (jws, correction):
        assert _judge(corrected, again) == Duplicate(corrected)


# -- judging rejections ----------------------------------------------------------------------------


def _judge_no(delivery: Delivery, jws: str) -> Judgement:
    return judge_rejection(delivery, jws, verify=_verify, now=NOW)


def test_a_rejection_ends_the_delivery_with_its_reason() -> None:
    """E2: the wrong office says so, and which is right."""
    jws = _signed(REJECTION)
    judgement = _judge_no(LYING, jws)
    assert isinstance(judgement, Accepted)
    refused = judgement.moved.delivery
    assert refused.state is DeliveryState.REJECTED
    assert refused.reason == RejectionReason.MISDIRECTED.reason
    assert refused.suggested_agency == "opm"
    assert refused.statement == jws_digest(jws)
    assert _judge_no(refused, _signed(REJECTION)) == Duplicate(refused)
    other = replace(REJECTION, code=RejectionReason.ILLEGIBLE, suggested_agency=None)
    assert _judge_no(refused, _signed(other)) == Refused(Refusal.OTHER_ANSWER)
    assert _judge(refused, _signed(RECEIPT)) == Refused(Refusal.DELIVERY_REJECTED)


def test_a_rejection_of_a_classified_letter_carries_no_words() -> None:
    """A13: it goes to the sender's own system in clear, so a code is all that is believed, whoever
    signed it; the words of a normal one are."""
    noted = replace(REJECTION, code=RejectionReason.OTHER, suggested_agency=None, note="ลับ")
    assert isinstance(_judge_no(LYING, _signed(noted)), Accepted)
    secret = replace(LYING, letter=replace(LYING.letter, classification=Classification.SECRET))
    assert _judge_no(secret, _signed(noted)) == Refused(Refusal.UNREADABLE, "note")
    assert isinstance(_judge_no(secret, _signed(REJECTION)), Accepted)


def test_what_is_registered_cannot_be_rejected() -> None:
    """P5: one outcome."""
    first = _judge(LYING, _signed(RECEIPT))
    assert isinstance(first, Accepted)
    assert _judge_no(first.moved.delivery, _signed(REJECTION)) == Refused(
        Refusal.DELIVERY_HANDED_OVER
    )


@pytest.mark.parametrize(
    ("change", "refusal", "field"),
    [
        ({"reason": "tired"}, Refusal.UNREADABLE, "reason"),
        ({"reason": "illegible"}, Refusal.UNREADABLE, "suggested_agency"),
        ({"reason": "other", "suggested_agency": None}, Refusal.UNREADABLE, "note"),
        ({"note": "ก" * 501}, Refusal.UNREADABLE, "note"),
        ({"delivery_id": 7}, Refusal.UNREADABLE, "delivery_id"),
        ({"receiving_agency": "opm"}, Refusal.UNREADABLE, "receiving_agency"),
        ({"rejected_at": "2020-06-05T08:00:00Z"}, Refusal.TIME_IMPOSSIBLE, ""),
        ({"file_digest": "sha-256:" + "00" * 32}, Refusal.OTHER_DIGEST, ""),
    ],
)
def test_a_rejection_is_read_as_strictly(
    change: dict[str, Any], refusal: Refusal, field: str
) -> None:
    """Issue 6.3, 6.5: a reason from the list, the right agency only where it is misdirected."""
    assert _judge_no(LYING, _signed(REJECTION, **change)) == Refused(refusal, field)
    assert _judge_no(LYING, "a.b.c") == Refused(Refusal.BAD_SIGNATURE)


def test_a_receipt_is_no_rejection() -> None:
    """P5: what is signed for one purpose does not serve another."""
    assert _judge_no(LYING, _signed(RECEIPT)) == Refused(Refusal.UNREADABLE, "type")
    assert _judge(LYING, _signed(REJECTION)) == Refused(Refusal.UNREADABLE, "type")


@pytest.mark.parametrize("code", RejectionReason)
def test_a_rejection_writes_and_reads_each_reason(code: RejectionReason) -> None:
    """Issue 6.3: misdirected, unreadable, wrong enclosure, duplicate …"""
    agency = "opm" if code is RejectionReason.MISDIRECTED else None
    said = replace(REJECTION, code=code, suggested_agency=agency, note="โปรดส่งใหม่")
    assert Rejection.read(said.payload()) == said
    assert code.reason.code == code


def test_reasons_are_told_in_both_languages() -> None:
    """architecture: errors explain themselves in Thai and English."""
    for reason in (*RejectionReason, *Refusal):
        told = reason.reason
        assert told.detail.endswith(".")
        assert any("ก" <= letter <= "๛" for letter in told.detail_th)


# -- anything at all ---------------------------------------------------------------------------------


@given(
    st.lists(EVENTS, max_size=12),
    st.dictionaries(
        st.sampled_from(sorted(json.loads(RECEIPT.payload()))),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["year", "number", "printed", "entered_at", "counted_at"]),
                    inner,
                )
            ),
            max_leaves=5,
        ),
        max_size=2,
    ),
)
@settings(max_examples=100, deadline=None)
def test_whatever_comes_back_there_is_one_receipt(
    events: list[DeliveryEvent], change: dict[str, Any]
) -> None:
    """P5: on a delivery in any state, any statement is accepted, a duplicate or refused; who
    accepts it once calls it a duplicate ever after."""
    delivery = LYING
    for event in events:
        delivery = happen(delivery, event).delivery
    jws = KEYS["dga"].sign(
        json.dumps({**json.loads(RECEIPT.payload()), **change}, ensure_ascii=True).encode()
    )
    judgement = _judge(delivery, jws)
    if isinstance(judgement, Accepted):
        moved = judgement.moved.delivery
        assert not delivery.state.ended
        assert moved.receipts[-1].digest == jws_digest(jws)
        assert _judge(moved, jws) == Duplicate(moved)
    elif isinstance(judgement, Duplicate):
        assert delivery.state is DeliveryState.HANDED_OVER


def test_identity_of_a_receipt_is_its_delivery() -> None:
    """P6: the receiving agency is the one of the delivery id, never another."""
    assert RECEIPT.agency == "dga"
    assert RECEIPT.delivery_id == DeliveryId("01HLETTER", "dga")
