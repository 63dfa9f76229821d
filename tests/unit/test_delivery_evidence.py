"""Evidence of deliveries: signed, chained to the file, and every break in the chain named.

Signatures are real (ES256), made and checked by the code that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.deliveries import Delivery, DeliveryId, Moved, happen
from chalicelib.domain.delivery_chain import ChainFault, ChainReport, check_chain
from chalicelib.domain.delivery_events import (
    Consigned,
    DeliveryEvent,
    HandedOver,
    NumberCorrected,
    NumberDisputed,
    Recalled,
    Received,
    Rejected,
    TryFailed,
)
from chalicelib.domain.delivery_evidence import Evidence, give_evidence
from chalicelib.domain.delivery_messages import (
    delivered_event,
    disputed_event,
    failed_event,
    recalled_event,
    receipt_event,
    rejected_event,
)
from chalicelib.domain.documents import Reason
from chalicelib.domain.erds import DeliveryState, EventName
from chalicelib.domain.statements import StatementError, jws_digest
from tests.support.delivering import (
    BUSY,
    EVENTS,
    ISSUER,
    LETTER,
    SENT_AT,
    Signer,
    after,
    begun,
    evidenced,
    later,
    note,
    received,
)

TRA = Signer()
STRANGER = Signer()
RECEIPT = "the.signed.receipt"
RECEIPT_NOTE = replace(note(), digest=jws_digest(RECEIPT))

consigned = Consigned(at=later(21), received=received())
handed_over = HandedOver(at=later(30), receipt=RECEIPT_NOTE)
misdirected = Rejected(
    at=later(30),
    reason=Reason("misdirected", "The letter is for another agency.", "หนังสือส่งผิดหน่วยงาน"),
    received=received(),
    digest="d0" * 32,
    suggested_agency="opm",
)


def _chain(*events: DeliveryEvent, moved: Moved | None = None) -> list[str]:
    return evidenced(moved or begun(), events, TRA.sign)[1]


WHOLE = _chain(consigned, handed_over)


def _check(chain: list[str], statements: tuple[str, ...] = (RECEIPT,), **of: Any) -> ChainReport:
    expected = {"delivery_id": DeliveryId("01HLETTER", "dga"), "letter": LETTER, **of}
    return check_chain(chain, verify=TRA.verify, statements=statements, **expected)


def _faults(chain: list[str], **of: Any) -> list[tuple[ChainFault, int | None, int | None]]:
    return [(f.fault, f.place, f.seq) for f in _check(chain, **of).findings]


def _claims(jws: str) -> dict[str, Any]:
    claims = json.loads(TRA.verify(jws))
    assert isinstance(claims, dict)
    return claims


def _resigned(jws: str, sign: Callable[[bytes], str] = TRA.sign, **changes: Any) -> str:
    return sign(canonical_json({**_claims(jws), **changes}))


# -- what is signed ------------------------------------------------------------------------


def test_the_chain_begins_at_the_sealed_file() -> None:
    """Issue 6.4: each event is chained to its predecessor and to the letter's digest."""
    submitted, arrived, handed = map(_claims, WHOLE)
    assert submitted["previous"] == f"sha-256:{LETTER.file_digest}"
    assert arrived["previous"] == f"sha-256:{sha256(WHOLE[0].encode()).hexdigest()}"
    assert handed["previous"] == f"sha-256:{sha256(WHOLE[1].encode()).hexdigest()}"
    assert [c["event"] for c in (submitted, arrived, handed)] == [
        "SubmissionAcceptance",
        "ContentConsignment",
        "ContentHandover",
    ]
    assert {c["file_digest"] for c in (submitted, arrived, handed)} == {
        f"sha-256:{LETTER.file_digest}"
    }


def test_a_handover_tells_who_what_and_when() -> None:
    """A1, A20, P6: agencies, numbers, digests and times; no name of a person."""
    assert _claims(WHOLE[2]) == {
        "type": "tra.delivery-evidence.v1",
        "iss": ISSUER,
        "event_id": "01HLETTER.dga.1.2",
        "event": "ContentHandover",
        "event_uri": "http://uri.etsi.org/19522/Event/ContentHandover",
        "seq": 2,
        "previous": f"sha-256:{jws_digest(WHOLE[1])}",
        "delivery_id": "01HLETTER.dga.1",
        "document_id": "01HLETTER",
        "letter_number": "นร ๐๕๐๕/๑๗๑๒๑",
        "letter_date": "2020-06-04",
        "file_digest": f"sha-256:{LETTER.file_digest}",
        "sender": "slc",
        "recipient": "dga",
        "at": "2020-06-05T07:00:00.000Z",
        "by": "dga",
        "received": {
            "entered_at": "2020-06-05T06:50:00.000Z",
            "counted_at": "2020-06-05T06:50:00.000Z",
        },
        "receive_number": {"year": 2020, "number": 1577, "printed": "ร/ 2563/ 1577"},
        "reason": None,
        "suggested_agency": None,
        "statement": f"sha-256:{jws_digest(RECEIPT)}",
    }


def test_a_rejection_tells_why_and_who_is_the_right_one() -> None:
    """E2: the wrong office says which is right."""
    chain = _chain(consigned, misdirected)
    claims = _claims(chain[-1])
    assert (claims["event"], claims["reason"]) == ("ConsignmentRejection", "misdirected")
    assert (claims["suggested_agency"], claims["by"]) == ("opm", "dga")
    assert claims["statement"] == "sha-256:" + "d0" * 32


def test_who_did_it_is_sender_recipient_or_service() -> None:
    """Issue 6.4: evidence names who acted."""
    recalled = _chain(consigned, Recalled(at=later(25)))
    assert [_claims(jws)["by"] for jws in recalled] == [None, None, "slc"]
    corrected = _chain(
        consigned,
        handed_over,
        NumberDisputed(at=later(40), place=note().place),
        NumberCorrected(at=later(50), receipt=note(1578)),
    )
    assert [_claims(jws)["by"] for jws in corrected[2:]] == ["dga", "slc", "dga"]
    assert [_claims(jws)["receive_number"]["number"] for jws in corrected[2:]] == [1577, 1577, 1578]


@st.composite
def _evidence(draw: st.DrawFn) -> Evidence:
    times = st.datetimes(datetime(2001, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)).map(
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
    )
    names = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,20}\Z")
    words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=30).filter(
        lambda text: not text.isspace()
    )
    digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
    at = draw(times)
    return Evidence(
        issuer=draw(words),
        event=draw(st.sampled_from(EventName)),
        seq=draw(st.integers(0, 10**6)),
        delivery_id=DeliveryId(
            draw(st.from_regex(r"\A[A-Z0-9]{1,26}\Z")), draw(names), draw(st.integers(1, 99))
        ),
        sender=draw(names),
        letter_number=draw(words),
        letter_date=draw(times).date(),
        file_digest=draw(digests),
        at=at,
        by=draw(st.none() | names),
        received=draw(st.none() | st.just(Received(at, at + timedelta(hours=9)))),
        receive_number=draw(
            st.none() | st.tuples(st.integers(2000, 2999), st.integers(1, 10**9), words)
        ),
        reason=draw(st.none() | names),
        suggested_agency=draw(st.none() | names),
        statement=draw(st.none() | digests),
        previous=draw(digests),
    )


@given(_evidence())
def test_writing_and_reading_are_inverse(evidence: Evidence) -> None:
    """P5: what is signed is what is read, to the byte."""
    assert Evidence.read(evidence.payload()) == evidence


@pytest.mark.parametrize(
    "change",
    [
        {"type": "tra.receipt.v1"},
        {"event": "ContentAccessTracking"},
        {"event_uri": "urn:else"},
        {"seq": -1},
        {"seq": True},
        {"seq": "2"},
        {"previous": "f1" * 32},
        {"previous": "sha-256:" + "F1" * 32},
        {"delivery_id": "01HLETTER.dga"},
        {"document_id": "01HOTHER"},
        {"recipient": "opm"},
        {"letter_date": "4 June 2020"},
        {"letter_date": "2020-6-4"},
        {"letter_date": "2020-06-31"},
        {"at": "2020-06-05 07:00:00Z"},
        {"at": "2020-06-05T07:00:00Z"},
        {"at": "2020-06-05T14:00:00.000+07:00"},
        {"at": "2020-13-05T07:00:00.000Z"},
        {"at": "9999-12-31T23:59:59.999-14:00"},
        {"received": "yesterday"},
        {"received": {"entered_at": "2020-06-05T06:50:00.000Z"}},
        {
            "received": {
                "entered_at": "2020-06-05T06:50:00.000Z",
                "counted_at": "2020-06-05T06:40:00.000Z",
            }
        },
        {"receive_number": {"year": 2020, "number": 0, "printed": "๐"}},
        {"receive_number": {"year": 2020, "number": 1577, "printed": " "}},
        {"by": ""},
        {"by": "dga\u202e"},
        {"sender": "s" * 201},
        {"more": 1},
    ],
)
def test_what_reads_otherwise_is_no_evidence(change: dict[str, Any]) -> None:
    """P5: signed once, spelled once."""
    with pytest.raises(StatementError):
        Evidence.read(canonical_json({**_claims(WHOLE[2]), **change}))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"{" * 5_000,
        b"[" * 5_000,
        b'{"type": "a", "type": "tra.delivery-evidence.v1"}',
        b'{"a": "' + b"x" * 20_000 + b'"}',
        b'{"seq": ' + b"9" * 5_000 + b"}",
    ],
)
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    """Issue 6.5: a poisoned message is refused, whatever it is made of."""
    with pytest.raises(StatementError):
        Evidence.read(payload)


# -- checking --------------------------------------------------------------------------------


def test_a_whole_chain_is_sound() -> None:
    """Issue 6.4: one list that is checked offline."""
    report = _check(WHOLE)
    assert report.findings == ()
    assert report.sound
    assert report.state is DeliveryState.HANDED_OVER
    assert [e.seq for e in report.events] == [0, 1, 2]


@given(st.lists(EVENTS, max_size=15))
@settings(max_examples=40, deadline=None)
def test_whatever_happens_its_evidence_is_sound(events: list[DeliveryEvent]) -> None:
    """P5: no honest history, in whatever order it came, looks like a forged one."""
    delivery, chain = evidenced(begun(), events, TRA.sign)
    report = _check(chain)
    faults = {finding.fault for finding in report.findings}
    assert faults <= {ChainFault.UNFINISHED, ChainFault.STATEMENT_MISSING}
    assert (ChainFault.UNFINISHED in faults) is not delivery.state.ended
    assert report.state is delivery.state
    assert delivery.evidence_count == len(chain)
    assert delivery.evidence_end == jws_digest(chain[-1])


@given(st.lists(EVENTS, max_size=12), st.data())
@settings(max_examples=60, deadline=None)
def test_no_tampering_goes_unnoticed(events: list[DeliveryEvent], data: st.DataObject) -> None:
    """P5: with the last event and the outcome known, leaving out, doubling, changing order,
    re-signing or swapping any piece is named."""
    _, chain = evidenced(begun(), [*events, consigned, handed_over], TRA.sign)
    place = data.draw(st.integers(0, len(chain) - 1))
    damage = data.draw(st.sampled_from(["leave out", "double", "turn", "forge", "re-sign"]))
    damaged = list(chain)
    if damage == "leave out":
        # Without the last one it is an earlier state of the same delivery.
        del damaged[min(place, len(chain) - 2)]
    elif damage == "double":
        damaged.insert(place, chain[place])
    elif damage == "turn":
        damaged[place], damaged[place - 1] = damaged[place - 1], damaged[place]
    elif damage == "forge":
        damaged[place] = STRANGER.sign(TRA.verify(chain[place]))
    else:
        damaged[place] = _resigned(chain[place], at="2020-06-04T00:00:00.000Z")
    found = {finding.fault for finding in _check(damaged).findings}
    honest = {finding.fault for finding in _check(chain).findings}
    assert found - honest, damage


def test_unfinished_is_not_wrong() -> None:
    """A23: what is under way says so; that is no reason for alarm."""
    report = _check(WHOLE[:2])
    assert _faults(WHOLE[:2]) == [(ChainFault.UNFINISHED, None, None)]
    assert report.sound
    assert report.state is DeliveryState.CONSIGNED


def test_nothing_at_all_is_named() -> None:
    """Issue 6.4: an empty list is not a proof."""
    assert _faults([]) == [(ChainFault.MISSING, None, 0), (ChainFault.UNFINISHED, None, None)]


def test_a_missing_event_is_named_with_its_place() -> None:
    """Issue 6.4: naming what is missing."""
    assert _faults([WHOLE[0], WHOLE[2]]) == [(ChainFault.MISSING, None, 1)]
    assert _faults(WHOLE[1:]) == [(ChainFault.MISSING, None, 0)]
    far = _resigned(WHOLE[2], seq=10**9, event_id="01HLETTER.dga.1.1000000000")
    assert len(_faults([far])) < 200


def test_a_doubled_event_is_named() -> None:
    """P5: the same event twice is one event, and the list says so; so is one signed twice."""
    assert _faults([*WHOLE, WHOLE[2]]) == [(ChainFault.DOUBLED, 3, 2)]
    signed_again = TRA.sign(TRA.verify(WHOLE[1]))
    assert _faults([WHOLE[0], signed_again, *WHOLE[1:]]) == [(ChainFault.DOUBLED, 1, 1)]


def test_two_histories_are_named() -> None:
    """P5: a service that signed two outcomes is caught by whoever sees both."""
    delivery, head = evidenced(begun(), [consigned], TRA.sign)
    both = [
        give_evidence(moved, issuer=ISSUER, sign=TRA.sign)[1][0]
        for moved in (happen(delivery, handed_over), happen(delivery, misdirected))
        if isinstance(moved, Moved)
    ]
    assert _faults([*head, *both]) == [(ChainFault.FORKED, 3, 2)]


def test_two_outcomes_in_a_row_are_impossible() -> None:
    """P5: a failed delivery never gets a receipt, not even with a good signature and link."""
    delivery, chain = evidenced(begun(), [consigned, handed_over], TRA.sign)
    forced = replace(delivery, reason=BUSY)
    moved = Moved(forced, (EventName.CONTENT_HANDOVER_FAILURE,))
    _, more = give_evidence(moved, issuer=ISSUER, sign=TRA.sign)
    assert _faults([*chain, *more]) == [(ChainFault.IMPOSSIBLE_STEP, 3, 3)]


def test_the_order_is_part_of_the_proof() -> None:
    """Issue 6.4: naming what is out of order."""
    assert _faults([WHOLE[1], WHOLE[0], WHOLE[2]]) == [(ChainFault.OUT_OF_ORDER, 1, 0)]


def test_a_forged_event_is_named_and_missed() -> None:
    """Issue 6.5: a bad signature proves nothing; its place is empty."""
    forged = STRANGER.sign(TRA.verify(WHOLE[1]))
    assert _faults([WHOLE[0], forged, WHOLE[2]]) == [
        (ChainFault.FORGED, 1, None),
        (ChainFault.MISSING, None, 1),
    ]
    for junk in ("", "a.b.c", "ไม่ใช่", "\ud800", WHOLE[1][:-4]):
        assert (ChainFault.FORGED, 1, None) in _faults([WHOLE[0], junk, *WHOLE[1:]])


def test_what_the_service_signed_for_another_purpose_is_no_event() -> None:
    """P5: one key signs several kinds of statements; the type says which."""
    other = TRA.sign(canonical_json({"type": "tra.document.issued.v1"}))
    assert _faults([*WHOLE, other]) == [(ChainFault.MALFORMED, 3, None)]


def test_a_changed_event_breaks_the_link() -> None:
    """Issue 6.4: an event signed again with another time is not the one that was built upon."""
    changed = _resigned(WHOLE[1], at="2020-06-05T06:51:30.000Z")
    assert _faults([WHOLE[0], changed, WHOLE[2]]) == [(ChainFault.BROKEN_LINK, 2, 2)]
    back = _resigned(WHOLE[2], at="2020-06-05T06:00:00.000Z")
    assert _faults([*WHOLE[:2], back]) == [(ChainFault.TIME_ORDER, 2, 2)]


def test_evidence_of_others_is_named() -> None:
    """Issue 6.5: another delivery, another agency, another letter, another file."""
    resent = _chain(consigned, moved=_attempt(2))
    assert _faults([*WHOLE, resent[1]])[0] == (ChainFault.OTHER_DELIVERY, 3, 1)
    to_another = _chain(moved=_recipient("opm"))
    assert _faults([*WHOLE, *to_another])[0] == (ChainFault.OTHER_AGENCY, 3, 0)
    for change, fault in (
        ({"sender": "opdc"}, ChainFault.OTHER_AGENCY),
        ({"document_id": "01HOTHER"}, ChainFault.OTHER_DELIVERY),
        ({"number": "นร ๐๕๐๕/๑"}, ChainFault.OTHER_LETTER),
        ({"dated": SENT_AT.date()}, ChainFault.OTHER_LETTER),
        ({"file_digest": "00" * 32}, ChainFault.OTHER_LETTER),
    ):
        foreign = _chain(moved=begun(**change))
        assert _faults([*WHOLE, *foreign])[0] == (fault, 3, 0)


def _attempt(attempt: int) -> Moved:
    moved = begun()
    return replace(
        moved, delivery=replace(moved.delivery, id=DeliveryId("01HLETTER", "dga", attempt))
    )


def _recipient(agency_id: str) -> Moved:
    moved = begun()
    return replace(moved, delivery=replace(moved.delivery, id=DeliveryId("01HLETTER", agency_id)))


def test_the_receipt_itself_is_missed() -> None:
    """B9: evidence names the receipt; a bundle without it is not complete."""
    assert _faults(WHOLE, statements=()) == [(ChainFault.STATEMENT_MISSING, 2, 2)]
    assert _faults(WHOLE, statements=("\ud800", RECEIPT)) == []


def test_every_fault_is_told_in_both_languages() -> None:
    """architecture: errors explain themselves in Thai and English."""
    for fault in ChainFault:
        finding = replace(_check([]).findings[0], fault=fault)
        assert finding.detail.endswith(".")
        assert any("ก" <= letter <= "๛" for letter in finding.detail_th)


# -- telling agencies ------------------------------------------------------------------------


def _event(raw: bytes) -> dict[str, Any]:
    event = json.loads(raw)
    assert event["specversion"] == "1.0"
    assert event["datacontenttype"] == "application/json"
    assert event["subject"] == event["data"]["delivery_id"]
    return event  # type: ignore[no-any-return]


def _delivery(*events: DeliveryEvent) -> Delivery:
    return after(begun().delivery, *events)


def test_the_recipient_is_told_of_a_letter() -> None:
    """A4, api.md: tra.letter.delivered.v1 carries what the recipient needs to act."""
    raw = delivered_event(_delivery(), WHOLE[0], public_url=ISSUER)
    event = _event(raw)
    assert event["type"] == "tra.letter.delivered.v1"
    assert (event["id"], event["source"]) == ("01HLETTER.dga.1.delivered", "/agencies/slc")
    assert event["data"]["links"] == {
        "file": f"{ISSUER}/v1/documents/01HLETTER/file",
        "self": f"{ISSUER}/v1/inbox/01HLETTER.dga.1",
        "receipt": f"{ISSUER}/v1/inbox/01HLETTER.dga.1/receipt",
        "rejection": f"{ISSUER}/v1/inbox/01HLETTER.dga.1/rejection",
    }
    assert event["data"]["letter_number"] == LETTER.number
    assert event["data"]["file_digest"] == f"sha-256:{LETTER.file_digest}"
    assert event["data"]["evidence"] == WHOLE[0]
    tried = _delivery(TryFailed(at=later(1), no=1, reason=BUSY))
    assert delivered_event(tried, WHOLE[0], public_url=ISSUER) == raw, "the same bytes each time"


def test_the_sender_is_told_of_the_receipt() -> None:
    """A1, api.md: tra.receipt.issued.v1 carries the receipt and its evidence."""
    registered = _delivery(consigned, handed_over)
    raw = receipt_event(registered, RECEIPT, WHOLE[2], public_url=ISSUER)
    event = _event(raw)
    assert event["type"] == "tra.receipt.issued.v1"
    assert (event["id"], event["source"]) == ("01HLETTER.dga.1.receipt.1", "/agencies/dga")
    assert event["time"] == "2020-06-05T07:00:00.000Z"
    assert event["data"]["receipt"] == RECEIPT
    assert event["data"]["receive_number"]["printed"] == "ร/ 2563/ 1577"
    assert event["data"]["received"]["entered_at"] == "2020-06-05T06:50:00.000Z"
    disputed = after(registered, NumberDisputed(at=later(40), place=note().place))
    assert receipt_event(disputed, RECEIPT, WHOLE[2], public_url=ISSUER) == raw
    corrected = after(disputed, NumberCorrected(at=later(50), receipt=note(1578)))
    event = _event(receipt_event(corrected, "r2", "e2", public_url=ISSUER))
    assert event["id"] == "01HLETTER.dga.1.receipt.2"
    assert event["data"]["receive_number"]["number"] == 1578
    with pytest.raises(ValueError, match="P5"):
        receipt_event(_delivery(consigned), RECEIPT, WHOLE[1], public_url=ISSUER)


def test_the_sender_is_told_of_a_rejection() -> None:
    """E2, api.md: tra.delivery.rejected.v1 with the reason and the right agency."""
    event = _event(rejected_event(_delivery(misdirected), "r", "e", public_url=ISSUER))
    assert (event["type"], event["id"]) == (
        "tra.delivery.rejected.v1",
        "01HLETTER.dga.1.rejected",
    )
    assert event["data"]["reason"]["code"] == "misdirected"
    assert event["data"]["reason"]["detail_th"] == "หนังสือส่งผิดหน่วยงาน"
    assert event["data"]["suggested_agency"] == "opm"
    assert event["data"]["rejection"] == "r"


def test_the_sender_is_told_of_a_failure() -> None:
    """A5, api.md: tra.delivery.failed.v1."""
    tries = [TryFailed(at=later(no), no=no, reason=BUSY) for no in (1, 2, 3)]
    event = _event(failed_event(_delivery(*tries), "e", public_url=ISSUER))
    assert (event["type"], event["id"]) == ("tra.delivery.failed.v1", "01HLETTER.dga.1.failed")
    assert event["data"]["tries"] == 3
    assert event["data"]["reason"]["code"] == "channel_busy"


def test_the_recipient_is_told_of_a_recall_and_of_a_dispute() -> None:
    """Issue 6.6: whoever has the letter must know that nothing is to be registered, or that its
    number is doubted."""
    event = _event(recalled_event(_delivery(Recalled(at=later(3))), "e", public_url=ISSUER))
    assert (event["type"], event["id"]) == (
        "tra.delivery.recalled.v1",
        "01HLETTER.dga.1.recalled",
    )
    registered = _delivery(consigned, handed_over)
    disputed = after(registered, NumberDisputed(at=later(40), place=note().place))
    event = _event(disputed_event(disputed, "e", public_url=ISSUER))
    assert (event["type"], event["id"]) == (
        "tra.receipt.disputed.v1",
        "01HLETTER.dga.1.disputed.1",
    )
    assert event["data"]["receive_number"]["number"] == 1577
    with pytest.raises(ValueError, match="disputed"):
        disputed_event(registered, "e", public_url=ISSUER)
