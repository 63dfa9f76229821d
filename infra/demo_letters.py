"""The letters of `make demo`: four real ones travel between agencies, and come back with proof.

Sent with a list of recipients to confirm; registered by a clerk of an agency hosted here, and by
two agencies' own systems, reached by queue and by webhook, with keys of their own; one letter is
misdirected, rejected, and sent to the right agency; one goes to a webhook that never answers, and
its sender is told so. In the end every delivery has one outcome, and the evidence of a letter is
checked offline.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import urllib3

from chalicelib.domain.delivery_messages import DELIVERED
from chalicelib.domain.thai import long_instant
from infra import agency_list, real_letters
from infra import client as api
from infra.agency_systems import PREFIX
from infra.letter_recipient import Recipient, ReplyKey
from infra.local import ROOT
from infra.offline import verify_offline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from infra.local import Deployment

SCOPE = "documents:read files:read letters:send letters:read inbox:read inbox:register inbox:reject"
HOSTED, BY_QUEUE, BY_WEBHOOK = "slc", "dga", "mot"
WITH_OWN_KEYS = (BY_QUEUE, BY_WEBHOOK)
SENT = (
    ("opdc-55", (HOSTED,)),
    ("dga-186", (HOSTED,)),
    ("mot-154", (BY_QUEUE,)),  # a slip of the clerk: it belongs to slc
    ("slc-17121", ("opm", BY_QUEUE, BY_WEBHOOK)),  # nobody answers at opm
)
MISDIRECTED = "mot-154"

_ENDED = frozenset({"handed_over", "rejected", "failed", "recalled"})
_WAIT_SECONDS = 60
_POLL_SECONDS = 0.5
_VISIBLE_AGAIN_SECONDS = 5


class LetterError(Exception):
    """A letter went another way than the demo promises; the text says which."""


@dataclass(slots=True)
class Sent:
    """A letter on its way, and what became of each delivery."""

    name: str
    sender: str
    document_id: str
    deliveries: list[dict[str, Any]] = field(default_factory=list)


class Post:
    """What the demo does with letters, step by step."""

    def __init__(self, deployment: Deployment, keys: Mapping[str, ReplyKey], room: Path) -> None:
        self._deployment = deployment
        self._keys = keys
        self._room = room
        room.mkdir()
        self._clients: dict[str, api.Client] = {}
        session = deployment.session()
        self._sqs, self._lambda = session.client("sqs"), session.client("lambda")
        self.sent: list[Sent] = []

    # -- sending ---------------------------------------------------------------------

    def send(self) -> str:
        """Each letter as a clerk sends it: it is held back with the list of its recipients, and
        leaves when that is confirmed."""
        for name, to in SENT:
            self._send(name, to)
        return f"{len(self.sent)} letters, each list of recipients confirmed"

    def send_the_misdirected_again(self) -> str:
        """As a letter of its own, to the agency that the rejection names."""
        self._look()
        wrong = next(one for one in self.sent if one.name == MISDIRECTED)
        (delivery,) = wrong.deliveries
        suggested = delivery["suggested_agency"]
        self._send(wrong.name, (suggested,))
        return f"{wrong.name} to {suggested}"

    def _send(self, name: str, to: tuple[str, ...]) -> None:
        letter = real_letters.read(name)
        client = self._client(letter.sender)
        body = {**letter.content, "to": list(to), "urgency": letter.urgency.value}
        key = f"demo-{name}-{'-'.join(to)}"
        headers = {"Idempotency-Key": key}
        asked = client.call("POST", "/v1/letters", json=body, headers=headers)
        if asked.status != HTTPStatus.CONFLICT:
            raise LetterError(f"{name} was not held back until confirmed: {asked.status}")
        digest = asked.json()["confirmation"]["digest"]
        accepted = client.post("/v1/letters", {**body, "confirmation": digest}, key=key)
        self.sent.append(Sent(name, letter.sender, accepted["document_id"]))

    # -- following ---------------------------------------------------------------------

    def wait_for_arrival(self, show: Callable[[str], None]) -> None:
        """Until every delivery lies with its recipient, or nobody answers there."""
        self._follow(lambda one: one["state"] != "planned" or one["tries"] > 0, show)

    def wait_for_the_end(self, show: Callable[[str], None]) -> None:
        """Until every delivery has its outcome (P5). What is due is looked at now, and not when
        the schedule says."""
        self._follow(lambda one: one["state"] in _ENDED, show, between=self._sweep)

    def _follow(
        self,
        there: Callable[[Mapping[str, Any]], bool],
        show: Callable[[str], None],
        *,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            self._look()
            deliveries = self._deliveries()
            show(_counted(deliveries))
            if len(deliveries) == self._expected() and all(map(there, deliveries)):
                return
            if time.monotonic() > deadline:
                states = {one["delivery_id"]: one["state"] for one in deliveries}
                raise LetterError(f"not there after {_WAIT_SECONDS} seconds: {states}")
            between()
            time.sleep(_POLL_SECONDS)

    def _look(self) -> None:
        for one in self.sent:
            if not one.deliveries or any(d["state"] not in _ENDED for d in one.deliveries):
                path = f"/v1/letters/{one.document_id}/deliveries"
                one.deliveries = self._client(one.sender).get(path)["items"]

    def _deliveries(self) -> list[dict[str, Any]]:
        return [delivery for one in self.sent for delivery in one.deliveries]

    def _expected(self) -> int:
        again = len(self.sent) - len(SENT)
        return sum(len(to) for _, to in SENT) + again

    def _sweep(self) -> None:
        event = (ROOT / "events" / "sweep.json").read_bytes()
        answer = self._lambda.invoke(
            FunctionName=self._deployment.outputs["SweepFunction"], Payload=event
        )
        if answer.get("FunctionError"):
            raise LetterError(f"sweep failed: {answer['Payload'].read().decode()}")

    # -- receiving ---------------------------------------------------------------------

    def register_at_the_hosted(self) -> str:
        """A clerk registers what lies in the inbox; asked twice, the receipt is the same."""
        client = self._client(HOSTED)
        items = client.get("/v1/inbox?state=consigned")["items"]
        for item in items:
            path = f"/v1/inbox/{item['delivery_id']}/receipt"
            first = client.post(path, {}, key=f"demo-{item['delivery_id']}")
            again = client.post(path, {}, key=f"demo-{item['delivery_id']}-again")
            self._keep_if_same("receipt", item["delivery_id"], first, again)
        return f"{len(items)} registered by {HOSTED}"

    def answer_with_own_keys(self) -> str:
        """Agencies' own systems answer what came to them, and get each message twice."""
        agencies = {agency.agency_id: agency for agency in agency_list.read_agencies()}
        jwks = self._jwks()
        said = []
        for agency_id, came in ((BY_QUEUE, self._by_queue), (BY_WEBHOOK, self._by_webhook)):
            recipient = Recipient(
                self._client(agency_id, "application"),
                agencies[agency_id],
                self._keys[agency_id],
                jwks,
            )
            done = self._answer(recipient, came)
            counted = ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()))
            said.append(f"{agency_id}: {counted}")
        return "; ".join(said)

    def _answer(
        self, recipient: Recipient, came: Callable[[], Iterable[tuple[dict[str, Any], datetime]]]
    ) -> Counter[str]:
        expected = sum(recipient.agency.agency_id in to for _, to in SENT)
        wrong = next(one.document_id for one in self.sent if one.name == MISDIRECTED)
        done: Counter[str] = Counter()
        deadline = time.monotonic() + _WAIT_SECONDS
        while done.total() < expected:
            if time.monotonic() > deadline:
                raise LetterError(f"{recipient.agency.agency_id} got {done} of {expected} letters")
            for event, entered in came():
                misdirected = event["data"]["document_id"] == wrong
                kind = "rejection" if misdirected else "receipt"
                belongs_to = HOSTED if misdirected else None
                first = recipient.answer(event, entered, belongs_to=belongs_to)
                again = recipient.answer(event, datetime.now(UTC))
                self._keep_if_same(kind, event["subject"], first, again)
                done[kind] += 1
        return done

    def _by_queue(self) -> Iterable[tuple[dict[str, Any], datetime]]:
        """Letters that came into the queue, and when; read and deleted. Others are left."""
        name = f"{self._deployment.stack}-inbox-{BY_QUEUE}"
        url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        received = self._sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            VisibilityTimeout=_VISIBLE_AGAIN_SECONDS,
            AttributeNames=["SentTimestamp"],
        )
        for message in received.get("Messages", []):
            event: dict[str, Any] = json.loads(message["Body"])
            if event["type"] != DELIVERED:
                continue
            sent = int(message["Attributes"]["SentTimestamp"]) / 1000
            yield event, datetime.fromtimestamp(sent, UTC)
            self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _by_webhook(self) -> Iterable[tuple[dict[str, Any], datetime]]:
        """Letters that came by webhook; the development services played the agency's system."""
        url = f"{self._deployment.services_url}{PREFIX}/{BY_WEBHOOK}"
        for item in urllib3.request("GET", url).json()["items"]:
            event = json.loads(item["body"])
            if event["type"] == DELIVERED:
                yield event, datetime.now(UTC)

    def _keep_if_same(
        self, kind: str, delivery_id: str, first: Mapping[str, Any], again: Mapping[str, Any]
    ) -> None:
        if first[kind] != again[kind]:
            raise LetterError(f"{delivery_id} has two answers (P5)")
        (self._room / f"{kind}-{delivery_id}.jws").write_text(first[kind], encoding="utf-8")

    def registers(self) -> set[str]:
        """Those that the letters stand in: of their senders, and the one kept here for the
        recipient."""
        views = [self._client(one.sender).show(one.document_id) for one in self.sent]
        sending = {view["numbering"]["register_id"] for view in views}
        years = {view["numbering"]["year"] for view in views}
        return sending | {f"{HOSTED}/receive/{year}" for year in years}

    # -- proof ---------------------------------------------------------------------------

    def verify_offline(self) -> str:
        """The letter to several agencies, and one bundle of all that became of it: checked by
        `tra verify` from files alone."""
        one = next(sent for sent in self.sent if len(sent.deliveries) > 1)
        sender = self._client(one.sender)
        bundle = sender.get(f"/v1/documents/{one.document_id}/evidence")
        verify_offline(sender, one.document_id, bundle, self._deployment, self._room)
        return f"letter and evidence of {len(one.deliveries)} deliveries: TOTAL-PASSED"

    # -- parts ---------------------------------------------------------------------------

    def _client(self, agency_id: str, role: str = "clerk") -> api.Client:
        name = f"{agency_id}/{role}"
        if name not in self._clients:
            self._clients[name] = api.sign_in(
                self._deployment.url, self._deployment.token_url, agency_id, (role,), SCOPE
            )
        return self._clients[name]

    def _jwks(self) -> dict[str, Any]:
        answer = urllib3.request("GET", f"{self._deployment.url}/.well-known/jwks.json")
        keys: dict[str, Any] = answer.json()
        return keys

    # -- showing -------------------------------------------------------------------------

    def rows(self) -> list[tuple[str, ...]]:
        """One for each delivery, in the order of sending."""
        return [
            ("letter", "from", "to", "channel", "arrived (counted)", "receive no.", "outcome")
        ] + [_row(one, delivery) for one in self.sent for delivery in one.deliveries]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _counted(deliveries: Iterable[Mapping[str, Any]]) -> str:
    counts = Counter(one["state"] for one in deliveries)
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _row(one: Sent, delivery: Mapping[str, Any]) -> tuple[str, ...]:
    received, number = delivery["received"], delivery["receive_number"]
    counted = (received or {}).get("counted_at")
    return (
        delivery["letter_number"],
        one.sender,
        delivery["recipient"],
        delivery["channel"],
        long_instant(datetime.fromisoformat(counted)) if counted else "–",
        number["printed"] if number else "–",
        _outcome(delivery),
    )


def _outcome(delivery: Mapping[str, Any]) -> str:
    state: str = delivery["state"]
    if delivery["suggested_agency"]:
        return f"{state}: {delivery['reason']['code']} → {delivery['suggested_agency']}"
    return f"{state}: {delivery['reason']['code']}" if delivery["reason"] else state
