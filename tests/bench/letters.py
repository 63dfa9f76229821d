"""Letters through the whole deployed stack, on the embedded AWS: how many a second from one agency
to another and back as a receipt, and how long one letter to three hundred takes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from chalicelib.adapters.dynamodb.directory import DynamoDirectory
from chalicelib.adapters.functions import settings_of
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.delivery_messages import RECEIPT_ISSUED
from chalicelib.domain.directory import Agency
from infra import client, local, real_letters
from tests.bench.results import Result, rate, single

_ROOM = Path("build/bench/letters")
_SENDER, _RECIPIENT = "dga", "slc"
_LETTERS, _ROUNDS, _AT_ONCE = 24, 2, 4
_RECIPIENTS, _CIRCULARS = 300, 2
_PATIENCE_SECONDS = 170
_POLL_SECONDS = 0.25
_BELIEVED_SECONDS = 4  # how long what was read of the directory is believed locally, and a bit
_SCOPE = "documents:submit documents:read letters:send letters:read inbox:read inbox:register"


def letters_end_to_end_per_second() -> Result:
    """From POST /v1/letters until the sender's queue has the receipt: numbered, sealed,
    archived, delivered to an agency hosted here, verified, registered by its clerk, told. The
    peer is the same letter issued to nobody, by the same stack in the same run."""
    with _office() as office:
        office.send_and_register(8, "warm")
        ours, bare = [], []
        for n in range(_ROUNDS):
            ours.append(office.send_and_register(_LETTERS, f"to-{n}"))
            bare.append(office.issue(_LETTERS, f"only-{n}"))
    result = rate(ours, bare, target="—", against="the same letters issued to nobody")
    return replace(result, unit="letters/s")


def circular_300_seconds() -> Result:
    """One letter to 300 agencies hosted here, from POST until all have it. The limit beside it
    is what the deliveries alone ask of the embedded AWS, asked by plain clients."""
    with _office() as office:
        everybody = office.invite(_RECIPIENTS)
        office.send_to_all(everybody[:20], "warm")
        seconds = [office.send_to_all(everybody, str(n)) for n in range(_CIRCULARS)]
        alone = [office.bare_requests(_RECIPIENTS) for _ in range(_CIRCULARS)]
    return single(
        seconds,
        alone,
        unit="s",
        target="—",
        against="its requests to the embedded AWS alone",
    )


@dataclass
class _Office:
    """Clerks and systems of agencies at a running deployment."""

    deployment: local.Deployment
    sender: client.Client
    clerk: client.Client
    queue_url: str
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)

    # -- letters to one ------------------------------------------------------

    def send_and_register(self, count: int, run: str) -> float:
        """Letters a second."""
        started = time.perf_counter()
        body = {**_letter(), "to": [_RECIPIENT]}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            sent = set(pool.map(lambda n: self._send(body, f"{run}-{n}"), range(count)))
            _wait(lambda: self._registered(sent, pool))
        return count / (time.perf_counter() - started)

    def _send(self, body: dict[str, Any], key: str) -> str:
        return str(self.sender.post("/v1/letters", body, key=key)["document_id"])

    def _registered(self, sent: set[str], pool: ThreadPoolExecutor) -> bool:
        """The clerk registers what lies there; whether the sender knows of all."""
        items = self.clerk.get("/v1/inbox?state=consigned&limit=50")["items"]
        # What is not checked yet is checked when it is registered.
        list(pool.map(self._register, [one["delivery_id"] for one in items]))
        self._hear()
        return sent <= self.receipts.keys()

    def _register(self, delivery_id: str) -> None:
        """Four clerks at one register at the same moment may be asked to repeat (503): what is
        not registered lies there the next time too."""
        with suppress(client.ClientError):
            self.clerk.post(f"/v1/inbox/{delivery_id}/receipt", {}, key=f"register-{delivery_id}")

    def _hear(self) -> None:
        """What the sender's own system takes from its queue."""
        sqs = self.deployment.session().client("sqs")
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            for message in messages:
                event = json.loads(message["Body"])
                if event["type"] == RECEIPT_ISSUED:
                    self.receipts[event["data"]["document_id"]] = event
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])

    def issue(self, count: int, run: str) -> float:
        """The same letters, with no recipient: documents a second."""
        body = {"document_type": "official-letter", "content": _letter()}
        started = time.perf_counter()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            made = list(
                pool.map(lambda n: self.sender.submit(body, key=f"{run}-{n}"), range(count))
            )
        ids = [(self.sender, str(each["document_id"])) for each in made]
        client.wait_until_told(ids, seconds=_PATIENCE_SECONDS)
        return count / (time.perf_counter() - started)

    # -- one letter to many ----------------------------------------------------

    def invite(self, count: int) -> list[str]:
        """So many more agencies that are hosted here."""
        environment = settings_of(f"{self.deployment.stack}-api", os.environ)
        directory = DynamoDirectory(environment["TRA_DIRECTORY_TABLE"])
        names = [f"district-{n:03}" for n in range(count)]
        for name in names:
            directory.put_agency(
                Agency(
                    agency_id=name,
                    name_th=f"ที่ทำการปกครองอำเภอ {name}",
                    name_en=name,
                    channel=ChannelKind.HOSTED,
                )
            )
        time.sleep(_BELIEVED_SECONDS)
        return names

    def send_to_all(self, recipients: list[str], run: str) -> float:
        """Seconds."""
        body = {**_letter(), "addressee": "หัวหน้าส่วนราชการ", "to": recipients, "circular": True}
        started = time.perf_counter()
        document_id = self._send(body, f"circular-{run}")

        def arrived() -> bool:
            progress = self.sender.get(f"/v1/letters/{document_id}")["progress"]
            return bool(progress["states"].get("consigned", 0) == len(recipients))

        _wait(arrived)
        return time.perf_counter() - started

    def bare_requests(self, count: int) -> float:
        """Seconds for what `count` deliveries ask of the embedded AWS, asked by plain clients."""
        bare = _Bare(self.deployment)
        started = time.perf_counter()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(bare.deliver, range(count)))
        return time.perf_counter() - started


class _Bare:
    """The requests of one delivery from planned to arrived, made beforehand: two signatures, two
    transactions, three updates, three reads, two files."""

    def __init__(self, deployment: local.Deployment) -> None:
        session, environment = (
            deployment.session(),
            settings_of(f"{deployment.stack}-dispatch", os.environ),
        )
        self._kms, self._s3 = session.client("kms"), session.client("s3")
        self._dynamodb = session.client("dynamodb")
        self._table = environment["TRA_DELIVERIES_TABLE"]
        self._bucket = environment["TRA_ARCHIVE_BUCKET"]
        self._key = environment["TRA_EVIDENCE_KEY_ID"]
        self._digest, self._text = hashlib.sha256(b"letter").digest(), b"x" * 1_200
        self._run = uuid4().hex

    def deliver(self, n: int) -> None:
        key: dict[str, Any] = {"pk": {"S": f"BARE#{self._run}#{n}"}, "sk": {"S": "#STATE"}}
        for place in range(2):
            self._kms.sign(
                KeyId=self._key,
                Message=self._digest,
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
            item: dict[str, Any] = {
                "pk": key["pk"],
                "sk": {"S": f"E{place}"},
                "jws": {"B": self._text},
            }
            state: dict[str, Any] = {**key, "body": {"B": self._text}}
            self._dynamodb.transact_write_items(
                TransactItems=[
                    {"Put": {"TableName": self._table, "Item": each}} for each in (state, item)
                ]
            )
            self._s3.put_object(
                Bucket=self._bucket, Key=f"bare/{self._run}/{n}/{place}", Body=self._text
            )
        for step in range(3):
            self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
            self._dynamodb.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="SET step = :s",
                ExpressionAttributeValues={":s": {"N": str(step)}},
            )


@contextmanager
def _office() -> Iterator[_Office]:
    with local.running(_ROOM) as deployment:
        sender, clerk = (
            client.sign_in(deployment.url, deployment.token_url, agency, (role,), _SCOPE)
            for agency, role in ((_SENDER, "application"), (_RECIPIENT, "clerk"))
        )
        sqs = deployment.session().client("sqs")
        queue = sqs.get_queue_url(QueueName=f"{deployment.stack}-inbox-{_SENDER}")
        yield _Office(deployment, sender, clerk, queue["QueueUrl"])


def _letter() -> dict[str, Any]:
    return dict(real_letters.read("dga-186").content)


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done after {_PATIENCE_SECONDS} seconds")
        time.sleep(_POLL_SECONDS)
