"""What became of a letter, as its bundle proves it offline, and what a forger makes of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain import delivery_verdict
from chalicelib.domain.bundle_verdict import BundleVerdict
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_verdict import SignedBy
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.statements import claimed_payload, jws_digest
from chalicelib.domain.verdict import Finding, Indication
from tests.integration.conftest import Api
from tests.support.evidence import LocalSigner
from tests.support.letter_desk import FORGED, Desk, letter_desk
from tests.support.samples import AGENCIES

FAILED, DOUBT, PASSED = (
    Indication.TOTAL_FAILED,
    Indication.INDETERMINATE,
    Indication.TOTAL_PASSED,
)
HANDED_OVER, REJECTED = DeliveryState.HANDED_OVER, DeliveryState.REJECTED


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with letter_desk() as made:
        yield made


def codes(verdict: BundleVerdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


# -- what a bundle proves --------------------------------------------------------------


def test_the_senders_bundle_proves_every_outcome(desk: Desk) -> None:
    """Issue 6.4, P5, A23: offline, under keys that did not come with it, the bundle proves two
    receipts and a rejection: who signed each, when the letter came, and its receive number."""
    bundle = desk.ask("A").json
    verdict = desk.verdict(bundle)
    assert verdict.passed, codes(verdict)
    assert verdict.missing == ("file", "evidence_records")
    found = {one.recipient: one for one in verdict.deliveries}
    assert {name: (one.state, one.signed_by, one.checked) for name, one in found.items()} == {
        "dbd": (HANDED_OVER, SignedBy.SERVICE, ("events", "statements", "receive_entry")),
        "rd": (HANDED_OVER, SignedBy.RECIPIENT, ("events", "statements")),
        "paper": (REJECTED, SignedBy.SERVICE, ("events", "statements")),
    }
    assert found["dbd"].receive_number == "ร/ ๒๕๖๙/ ๑"
    assert found["rd"].received is not None
    assert bundle["progress"]["states"] == {"handed_over": 2, "rejected": 1}
    assert bundle["missing"] == []
    assert bundle["cursor"] is None


def test_a_recipient_gets_what_concerns_it(desk: Desk) -> None:
    """P6, api.md: a recipient's bundle proves its own delivery and tells of no other recipient,
    of no progress, and of nothing that others brought about it."""
    answer = desk.ask("A", "dbd")
    bundle = answer.json
    assert [one["delivery_id"] for one in bundle["deliveries"]] == ["A.dbd.1"]
    assert bundle["progress"] is None
    for other in ("A.rd.1", "A.paper.1", '"rd"', '"paper"', "กรมสรรพากร"):
        assert other not in answer.text
    assert desk.verdict(bundle).passed
    assert desk.ask("A", "dbd", delivery="A.rd.1").status == 404
    assert desk.ask("A", "dbd", delivery="A.dbd.2").status == 404
    assert desk.ask("B", "dbd").json["deliveries"][0]["refused"] == []


def test_who_has_nothing_to_do_with_it_gets_nothing(desk: Desk) -> None:
    """P6: an agency that is neither sender nor recipient does not learn that the letter is."""

    desk.world.fakes.directory.put_agency(replace(AGENCIES[0], agency_id="opm"))
    assert desk.ask("A", "opm").status == 404


def test_one_delivery_is_asked_for_by_name(desk: Desk) -> None:
    """Issue 6.4: the sender gets the bundle of one delivery; what is none, or another
    letter's, is not found."""
    bundle = desk.ask("A", delivery="A.rd.1").json
    assert [one["delivery_id"] for one in bundle["deliveries"]] == ["A.rd.1"]
    assert desk.verdict(bundle).passed
    for other in ("B.rd.1", "A.rd.9", "A.rd.01"):
        assert desk.ask("A", delivery=other).status == 404
    assert desk.ask("A", delivery="../A").status == 422


def test_refused_answers_are_kept_for_the_sender(desk: Desk) -> None:
    """P5, A23: what was not believed is shown to the sender with the reason, and to who brought
    it; it proves nothing and takes nothing from the rest."""
    (mine,) = desk.ask("B", delivery="B.dbd.1").json["deliveries"]
    assert [(one["refusal"], one["text"]) for one in mine["refused"]] == [("bad_signature", FORGED)]
    assert mine["statements"] == []


def test_what_is_not_there_yet_is_named(desk: Desk) -> None:
    """Issue 6.4: an open delivery is named and leaves the verdict open; failed and recalled ones
    are proven as such."""
    bundle = desk.ask("B").json
    assert bundle["missing"] == ["deliveries/B.dbd.1/outcome"]
    verdict = desk.verdict(bundle)
    assert (verdict.indication, codes(verdict)) == (DOUBT, ["delivery_unfinished"])
    assert "deliveries/B.dbd.1/outcome" in verdict.missing
    states = {one.recipient: (one.state, one.indication) for one in verdict.deliveries}
    assert states == {
        "dbd": (DeliveryState.CONSIGNED, DOUBT),
        "rd": (DeliveryState.FAILED, PASSED),
        "paper": (DeliveryState.RECALLED, PASSED),
    }


def test_a_corrected_number_is_proven_with_both_receipts(desk: Desk) -> None:
    """Issue 6.6: the dispute, both receipts and both lines of the receive register hang
    together; the last receipt stands."""
    bundle = desk.ask("C", delivery="C.dbd.1").json
    verdict = desk.verdict(bundle)
    assert verdict.passed, codes(verdict)
    (one,) = verdict.deliveries
    assert one.receive_number == "อก ร/ ๒๕๖๙/ ๓"
    assert not one.disputed
    assert len(bundle["deliveries"][0]["receive_entries"]) == 2
    (cut,) = copy.deepcopy(bundle["deliveries"])
    cut["events"].pop()
    cut["statements"].pop()
    cut["receive_entries"].pop()
    cut["evidence_end"] = jws_digest(cut["events"][-1])
    (before,) = desk.verdict({**bundle, "deliveries": [cut]}).deliveries
    assert before.disputed
    assert before.receive_number == "ร/ ๒๕๖๙/ ๒"


def test_before_the_checkpoint_the_receive_register_is_missing() -> None:
    """P7: until the logs of the receive register are published the receipt's place there is not
    proven; bundle and verdict say so. What is not archived yet is named, too."""
    with letter_desk() as desk:
        desk.post.is_registered(DeliveryId("B", "dbd"))
        bundle = desk.ask("B", delivery="B.dbd.1").json
        assert bundle["missing"] == [
            "deliveries/B.dbd.1/receive_entry",
            "deliveries/B.dbd.1/archive",
        ]
        verdict = desk.verdict(bundle)
        assert (verdict.indication, codes(verdict)) == (DOUBT, ["receive_proof_missing"])
        assert "deliveries/B.dbd.1/receive_entry" in verdict.missing
        desk.checkpoint()
        assert desk.verdict(desk.ask("B", delivery="B.dbd.1").json).passed


# -- keys ----------------------------------------------------------------------------


def test_without_the_recipients_keys_its_receipt_says_nothing(desk: Desk) -> None:
    """P5: who has no keys of the recipient cannot believe its receipt, and is told; keys of
    another agency, or an agency without keys, fail it."""
    bundle = desk.ask("A", delivery="A.rd.1").json
    keyless = desk.verdict(bundle, replace(desk.trust, reply_keys=lambda _: None))
    assert (keyless.indication, codes(keyless)) == (DOUBT, ["reply_keys_missing"])
    assert "deliveries/A.rd.1/reply_keys" in keyless.missing
    others: dict[str, list[Mapping[str, Any]]] = {"rd": LocalSigner().jwks()["keys"]}
    none: dict[str, list[Mapping[str, Any]]] = {"rd": []}
    for keys in (others, none):
        told = desk.verdict(bundle, replace(desk.trust, reply_keys=keys.get))
        assert codes(told) == ["statement_signature_wrong"]
        assert told.indication is FAILED


def test_without_the_services_keys_nothing_is_believed(desk: Desk) -> None:
    """P7: without the JWK Set or the log's key each delivery says what it lacks."""
    bundle = desk.ask("A", delivery="A.dbd.1").json
    bare = desk.verdict(bundle, replace(desk.trust, jwks=None))
    assert codes(bare) == ["jwks_missing"]
    assert "deliveries/A.dbd.1/jwks" in bare.missing
    assert bare.deliveries[0].state is None
    unlogged = desk.verdict(bundle, replace(desk.trust, log_keys=()))
    assert codes(unlogged) == ["log_key_missing"]
    assert "deliveries/A.dbd.1/log_key" in unlogged.missing


# -- tampering -----------------------------------------------------------------------

Change = Callable[[Desk, dict[str, Any]], None]
"""Changes the bundle of letter A, whose deliveries are dbd, paper, rd, in this order."""

DBD, PAPER, RD = range(3)


def on(place: int, change: Callable[[Desk, dict[str, Any]], None]) -> Change:
    def changed(desk: Desk, bundle: dict[str, Any]) -> None:
        change(desk, bundle["deliveries"][place])

    return changed


def said(name: str, value: Any) -> Callable[[Desk, dict[str, Any]], None]:
    def change(_: Desk, delivery: dict[str, Any]) -> None:
        delivery[name] = value

    return change


def dropped(name: str, place: int) -> Callable[[Desk, dict[str, Any]], None]:
    def change(_: Desk, delivery: dict[str, Any]) -> None:
        del delivery[name][place]

    return change


def truncated(*, named: bool) -> Callable[[Desk, dict[str, Any]], None]:
    """The last event cut off, and the end moved or left out."""

    def change(_: Desk, delivery: dict[str, Any]) -> None:
        delivery["events"].pop()
        delivery["statements"].clear()
        delivery["receive_entries"].clear()
        delivery["state"] = "consigned"
        delivery["evidence_end"] = jws_digest(delivery["events"][-1]) if named else None

    return change


def swapped(_: Desk, delivery: dict[str, Any]) -> None:
    first, second, *rest = delivery["events"]
    delivery["events"] = [second, first, *rest]


def repeated(_: Desk, delivery: dict[str, Any]) -> None:
    delivery["events"].insert(1, delivery["events"][0])


def resigned(desk: Desk, delivery: dict[str, Any], place: int, **changes: Any) -> str:
    """An event as an insider with the service's key would change it."""
    claims = json.loads(claimed_payload(delivery["events"][place]))
    jws = desk.signer.sign(canonical_json({**claims, **changes}))
    delivery["events"][place] = jws
    delivery["evidence_end"] = jws_digest(delivery["events"][-1])
    return jws


def rewritten(place: int, **changes: Any) -> Callable[[Desk, dict[str, Any]], None]:
    def change(desk: Desk, delivery: dict[str, Any]) -> None:
        resigned(desk, delivery, place, **changes)

    return change


def forked(desk: Desk, delivery: dict[str, Any]) -> None:
    before = delivery["events"][1]
    jws = resigned(desk, delivery, 1, at="2026-06-05T06:00:00.001Z")
    delivery["events"][1:2] = [before, jws]


def ended_twice(desk: Desk, delivery: dict[str, Any]) -> None:
    """After the hand-over the service's own key says that it failed."""
    last = json.loads(claimed_payload(delivery["events"][-1]))
    previous = f"sha-256:{jws_digest(delivery['events'][-1])}"
    seq = last["seq"] + 1
    delivery["events"].append("")
    claims = {
        **last,
        "seq": seq,
        "event_id": f"{delivery['delivery_id']}.{seq}",
        "event": "RelayFailure",
        "event_uri": "http://uri.etsi.org/19522/Event/RelayFailure",
        "previous": previous,
        "by": None,
        "received": None,
        "receive_number": None,
        "statement": None,
        "reason": "channel_busy",
    }
    delivery["events"][-1] = desk.signer.sign(canonical_json(claims))
    delivery["evidence_end"] = jws_digest(delivery["events"][-1])
    delivery["state"] = "failed"


def forged_event(_: Desk, delivery: dict[str, Any]) -> None:
    delivery["events"][1] = LocalSigner().sign(claimed_payload(delivery["events"][1]))


def no_evidence(desk: Desk, delivery: dict[str, Any]) -> None:
    delivery["events"][1] = desk.signer.sign(b'{"type":"tra.greeting.v1"}')


def of_other_letter(desk: Desk, bundle: dict[str, Any]) -> None:
    bundle["deliveries"][DBD] = desk.ask("C", delivery="C.dbd.1").json["deliveries"][0]


def renamed_chain(desk: Desk, delivery: dict[str, Any]) -> None:
    """The chain of another letter under this delivery's name."""
    other = desk.ask("C", delivery="C.dbd.1").json["deliveries"][0]
    delivery["events"] = other["events"]


def chain_of(place: int) -> Callable[[Desk, dict[str, Any]], None]:
    def change(_: Desk, bundle: dict[str, Any]) -> None:
        bundle["deliveries"][DBD]["events"] = bundle["deliveries"][place]["events"]

    return change


def receipts_exchanged(_: Desk, bundle: dict[str, Any]) -> None:
    one, other = bundle["deliveries"][DBD], bundle["deliveries"][RD]
    one["statements"], other["statements"] = other["statements"], one["statements"]


def restated(
    *, by: str = "own", keep: bool = True, **changes: Any
) -> Callable[[Desk, dict[str, Any]], None]:
    """Another statement, signed again, and the event that names it too."""

    def change(desk: Desk, delivery: dict[str, Any]) -> None:
        claims = {**json.loads(claimed_payload(delivery["statements"][0])), **changes}
        keys = {"own": desk.post.own, "service": desk.signer, "stranger": LocalSigner()}
        jws = keys[by].sign(canonical_json(claims))
        delivery["statements"] = [jws]
        if keep:
            resigned(desk, delivery, -1, statement=f"sha-256:{jws_digest(jws)}")

    return change


def stated_twice(_: Desk, delivery: dict[str, Any]) -> None:
    delivery["statements"] *= 2


def receipt_after_failure(desk: Desk, bundle: dict[str, Any]) -> None:
    failed = desk.ask("B", delivery="B.rd.1").json
    failed["deliveries"][0]["statements"] = bundle["deliveries"][RD]["statements"]
    bundle.clear()
    bundle.update(failed)


def entry(name: str, value: Any) -> Callable[[Desk, dict[str, Any]], None]:
    def change(_: Desk, delivery: dict[str, Any]) -> None:
        delivery["receive_entries"][0][name] = value

    return change


def entry_of_other(desk: Desk, delivery: dict[str, Any]) -> None:
    other = desk.ask("C", delivery="C.dbd.1").json["deliveries"][0]["receive_entries"][0]
    delivery["receive_entries"][0] = {**other, "number": 1}


def log_entry(part: str, name: str, value: Any) -> Callable[[Desk, dict[str, Any]], None]:
    def change(_: Desk, delivery: dict[str, Any]) -> None:
        proof = delivery["receive_entries"][0][part]
        (proof[0] if isinstance(proof, list) else proof)[name] = value

    return change


def checkpoint_edited(_: Desk, delivery: dict[str, Any]) -> None:
    proof = delivery["receive_entries"][0]["number_log"]
    lines = proof["checkpoint"].split("\n")
    lines[1] = str(int(lines[1]) + 1)
    proof["checkpoint"] = "\n".join(lines)


def shown_twice(_: Desk, bundle: dict[str, Any]) -> None:
    bundle["deliveries"].append(bundle["deliveries"][DBD])


def receipt_claimed_missing(_: Desk, bundle: dict[str, Any]) -> None:
    """The receipt taken out, and said to be still to come."""
    bundle["deliveries"][RD]["statements"] = []
    bundle["missing"] = ["deliveries/A.rd.1/receipt"]


WHEN = "2026-06-05T06:00:00.000Z"
EARLY = {"entered_at": "2020-01-01T00:00:00.000Z", "counted_at": None}

TAMPERING: dict[str, tuple[Change, str, Indication]] = {
    # the chain
    "first-dropped": (on(DBD, dropped("events", 0)), "event_missing", DOUBT),
    "middle-dropped": (on(DBD, dropped("events", 1)), "event_missing", DOUBT),
    "last-dropped": (on(DBD, dropped("events", -1)), "delivery_end_differs", FAILED),
    "all-dropped": (on(DBD, said("events", [])), "delivery_end_differs", FAILED),
    "truncated": (on(DBD, truncated(named=True)), "delivery_unfinished", DOUBT),
    "end-left-out": (on(DBD, truncated(named=False)), "delivery_end_missing", DOUBT),
    "swapped": (on(DBD, swapped), "event_out_of_order", FAILED),
    "repeated": (on(DBD, repeated), "event_doubled", FAILED),
    "forked": (on(DBD, forked), "event_forked", FAILED),
    "rewritten": (on(DBD, rewritten(1, at=WHEN)), "event_link_broken", FAILED),
    "older": (on(DBD, rewritten(2, at="2020-01-01T00:00:00.000Z")), "event_time_order", FAILED),
    "two-outcomes": (on(DBD, ended_twice), "event_impossible", FAILED),
    "strange-key": (on(DBD, forged_event), "event_forged", FAILED),
    "no-evidence": (on(DBD, no_evidence), "event_malformed", FAILED),
    "of-other-letter": (of_other_letter, "event_of_other_letter", FAILED),
    "renamed-chain": (on(DBD, renamed_chain), "event_of_other_delivery", FAILED),
    "of-other-agency": (chain_of(RD), "event_of_other_agency", FAILED),
    "other-file": (
        on(DBD, rewritten(0, file_digest="sha-256:" + "ab" * 32)),
        "event_of_other_letter",
        FAILED,
    ),
    # what the bundle says of it
    "state": (on(DBD, said("state", "rejected")), "delivery_differs", FAILED),
    "recipient": (on(DBD, said("recipient", "rd")), "delivery_differs", FAILED),
    "twice": (shown_twice, "delivery_doubled", FAILED),
    "damaged": (on(DBD, said("events", [7])), "delivery_malformed", FAILED),
    "id": (on(DBD, said("delivery_id", "A.dbd")), "delivery_malformed", FAILED),
    # receipts and rejections
    "receipt-missing": (on(RD, said("statements", [])), "statement_missing", DOUBT),
    "claimed-missing": (receipt_claimed_missing, "statement_missing", DOUBT),
    "exchanged": (receipts_exchanged, "statement_stray", FAILED),
    "receipt-twice": (on(RD, stated_twice), "statement_stray", FAILED),
    "after-failure": (receipt_after_failure, "statement_stray", FAILED),
    "by-a-stranger": (on(RD, restated(by="stranger")), "statement_signature_wrong", FAILED),
    "by-another-agency": (on(DBD, restated(by="own")), "statement_signature_wrong", FAILED),
    "other-digest": (
        on(RD, restated(file_digest="sha-256:" + "ab" * 32)),
        "statement_differs",
        FAILED,
    ),
    "other-number": (
        on(RD, restated(receive_number={"year": 2026, "number": 8, "printed": "ร 8"})),
        "statement_differs",
        FAILED,
    ),
    "correcting-nothing": (
        on(RD, restated(corrects="sha-256:" + "ab" * 32)),
        "statement_differs",
        FAILED,
    ),
    "other-reason": (
        on(PAPER, restated(by="service", reason="duplicate")),
        "statement_differs",
        FAILED,
    ),
    "too-early": (on(RD, restated(received=EARLY)), "statement_times_impossible", FAILED),
    "not-a-receipt": (on(RD, restated(type="tra.note.v1")), "statement_malformed", FAILED),
    "rests-on-nothing": (on(RD, rewritten(-1, statement=None)), "statement_missing", FAILED),
    # the receive register
    "no-entry": (on(DBD, said("receive_entries", [])), "receive_proof_missing", DOUBT),
    "no-proof": (on(DBD, entry("number_log", None)), "receive_proof_missing", DOUBT),
    "no-outcome": (on(DBD, entry("outcome_log", [])), "receive_proof_missing", DOUBT),
    "salt": (on(DBD, entry("salt", "00" * 32)), "receive_entry_differs", FAILED),
    "short-salt": (on(DBD, entry("salt", "00")), "delivery_malformed", FAILED),
    "other-entry": (on(DBD, entry_of_other), "receive_entry_differs", FAILED),
    "entry-elsewhere": (on(DBD, entry("number", 9)), "receive_entry_differs", FAILED),
    "entry-of-nothing": (on(PAPER, said("receive_entries", [{}])), "receive_entry_differs", FAILED),
    "leaf": (on(DBD, log_entry("number_log", "leaf", "{}")), "receive_proof_wrong", FAILED),
    "outcome-leaf": (
        on(DBD, log_entry("outcome_log", "leaf", "{}")),
        "receive_proof_wrong",
        FAILED,
    ),
    "proof": (on(DBD, log_entry("number_log", "proof", ["AA=="])), "receive_proof_wrong", FAILED),
    "index": (on(DBD, log_entry("number_log", "index", None)), "delivery_malformed", FAILED),
    "checkpoint": (on(DBD, checkpoint_edited), "checkpoint_wrong", FAILED),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_each_tampering_has_its_reason(desk: Desk, name: str) -> None:
    """P5: whatever is changed in the evidence of a delivery, also by an insider with the
    service's key, the bundle does not pass, and the reason says what. The document itself is
    still proven, and its other deliveries are."""
    change, code, indication = TAMPERING[name]
    bundle = copy.deepcopy(desk.ask("A").json)
    change(desk, bundle)
    verdict = desk.verdict(bundle)
    assert code in codes(verdict)
    assert verdict.indication is indication
    assert {"commitment", "number_log", "outcome_log", "evidence"} <= set(verdict.checked)


def test_every_reason_has_its_tampering() -> None:
    """Issue 6.4: no reason that a delivery's verdict can have is left untried."""
    members = [*vars(delivery_verdict).values(), *delivery_verdict.FAULTS.values()]
    known = {member.code for member in members if isinstance(member, Finding)}
    tried = {code for _, code, _ in TAMPERING.values()} | {"checkpoint_wrong"}
    elsewhere = {"delivery_proven", "delivery_goes_on", "reply_keys_missing"}
    assert known - tried == elsewhere


@pytest.mark.parametrize("recipient", [DBD, PAPER, RD])
def test_no_event_can_be_left_out(desk: Desk, recipient: int) -> None:
    """P5: of every chain, whichever event is dropped, it does not pass; nor does it if the
    bundle is told to end there."""
    bundle = desk.ask("A").json
    for place in range(len(bundle["deliveries"][recipient]["events"])):
        for moved in (False, True):
            cut = copy.deepcopy(bundle)
            delivery = cut["deliveries"][recipient]
            del delivery["events"][place]
            if moved:
                delivery["evidence_end"] = jws_digest(delivery["events"][-1])
            assert not desk.verdict(cut).passed, (place, moved)


@pytest.fixture(scope="module")
def registered(desk: Desk) -> dict[str, Any]:
    """The bundle of a delivery that a hosted agency registered, without what is for people."""
    bundle: dict[str, Any] = desk.ask("A", delivery="A.dbd.1").json
    for name in ("refused", "archived", "kids"):
        del bundle["deliveries"][0][name]
    assert desk.verdict(bundle).passed
    return bundle


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_nothing_that_proves_can_be_changed(
    desk: Desk, registered: dict[str, Any], data: st.DataObject
) -> None:
    """P5: whatever is changed, dropped, repeated or swapped, anywhere in what proves a delivery,
    it does not pass."""
    changed = _changed(registered["deliveries"][0], data)
    assert not desk.verdict({**registered, "deliveries": [changed]}).passed


def _changed(value: Any, data: st.DataObject) -> Any:
    """The same with one thing other, somewhere within."""
    deeper = data.draw(st.booleans())
    match value:
        case dict():
            name = data.draw(st.sampled_from(sorted(value)))
            return {**value, name: _changed(value[name], data)}
        case list() if value and deeper:
            place = data.draw(st.integers(0, len(value) - 1))
            return [*value[:place], _changed(value[place], data), *value[place + 1 :]]
        case list():
            others = [value[1:], [*value, *value[:1]], [*value, "x"], value[::-1]]
            return data.draw(st.sampled_from([one for one in others if one != value]))
        case str() if value:
            # The last letter of Base64 may hold bits that nobody reads.
            place = data.draw(st.integers(0, max(0, len(value.split("\n")[0]) - 5)))
            return f"{value[:place]}{'0' if value[place] != '0' else '1'}{value[place + 1 :]}"
        case int():
            return value + data.draw(st.sampled_from([-1, 1]))
    return "x"


def test_any_member_may_be_anything(desk: Desk) -> None:
    """P4: whatever stands in a delivery's place, there is a verdict, and it is not a pass."""
    bundle = desk.ask("A", delivery="A.dbd.1").json
    junk: tuple[Any, ...] = (None, 7, "x", [], {}, [None], [{}], {"x": []}, "\ud800")
    for name in ("delivery_id", "recipient", "state", "events", "evidence_end", "statements"):
        for value in junk:
            delivery = {**bundle["deliveries"][0], name: value}
            assert not desk.verdict({**bundle, "deliveries": [delivery]}).passed, (name, value)
    for dated in ("9999-12-31T23:59:59Z", "soon"):
        assert not desk.verdict({**bundle, "dated": dated}).passed
    for value in junk:
        for told in ([value], value):
            if told != []:
                assert not desk.verdict({**bundle, "deliveries": told}).passed, told


def test_without_deliveries_only_the_document_is_proven(desk: Desk) -> None:
    """Issue 6.4: who takes the deliveries out has a bundle of the document, which says that it
    tells nothing of them."""
    bundle = {**desk.ask("A").json, "deliveries": [], "missing": []}
    verdict = desk.verdict(bundle)
    assert verdict.deliveries == ()
    assert "deliveries" in verdict.missing


# -- over HTTP -------------------------------------------------------------------------


def test_the_service_knows_what_happened_since(desk: Desk) -> None:
    """P5: POST /v1/verify tells what became of each delivery, without a name of a person; and
    where the bundle was cut after an outcome, that more has happened."""

    api = Api(desk.world.fakes)
    whole = desk.ask("C", delivery="C.dbd.1").json
    answer = api.call("POST", "/v1/verify", body=whole)
    assert answer.json["indication"] == "TOTAL-PASSED", answer.text
    assert answer.json["register_answer"] == "match"
    (told,) = answer.json["bundle"]["deliveries"]
    assert (told["state"], told["signed_by"]) == ("handed_over", "service")
    assert "ตัวอย่าง" not in answer.text
    assert "เจ้าหน้าที่" not in answer.text
    cut = copy.deepcopy(whole)
    (delivery,) = cut["deliveries"]
    del delivery["events"][3:]
    del delivery["statements"][1:]
    del delivery["receive_entries"][1:]
    delivery["evidence_end"] = jws_digest(delivery["events"][-1])
    assert desk.verdict(cut).passed
    found = api.call("POST", "/v1/verify", body=cut).json
    assert found["indication"] == "INDETERMINATE"
    assert [finding["code"] for finding in found["findings"]] == ["delivery_goes_on"]
    assert found["register_answer"] == "match"


def test_a_circulars_bundle_comes_in_pages() -> None:
    """Issue 6.7: the deliveries of a letter to many come twenty at a time; each page is far
    below what an answer may hold, and verifies by itself."""
    with letter_desk() as desk:
        many = [f"agency-{number:02}" for number in range(45)]
        document = desk.house.documents.get("B")
        assert document is not None

        sent = desk.post.send(document, dict.fromkeys(many, ChannelKind.HOSTED))
        for delivery_id in sent:
            desk.post.arrives(delivery_id)
            desk.post.is_registered(delivery_id)
        desk.checkpoint()
        seen, cursor = [], ""
        while cursor is not None:
            answer = desk.ask("B", **({"cursor": cursor} if cursor else {}))
            assert len(answer.text) < 500_000
            bundle, cursor = answer.json, answer.json["cursor"]
            verdict = desk.verdict(bundle)
            assert ("deliveries" in verdict.missing) == (cursor is not None)
            passed = [one for one in verdict.deliveries if one.indication is PASSED]
            seen += [one.delivery_id for one in passed]
        assert len(seen) == 45 + 2  # paper was recalled, rd failed; dbd is open
        assert bundle["progress"]["total"] == 48
