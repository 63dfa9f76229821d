"""Dead-letter queues of a deployment (port: DeadLetters), for the `tra` command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3

from chalicelib.adapters.aws import translated
from chalicelib.ports import DeadLetter

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageRequestTypeDef

QUEUES = ("number.fifo", "seal", "deliver", "dispatch", "replies", "batch", "batch-seal")
"""Names of Tra's queues behind that of the stack."""

_FIFO = ".fifo"
_NAMING = ("document_id", "batch", "delivery", "lock")
_BATCH = 10

# Shorter than anybody who moves a message needs, longer than it takes to move ten.
_HELD_SECONDS = 30
_LISTENS_SECONDS = 1
_LISTENS_AGAIN = 2


def dead_letters_of(stack: str, environment: Mapping[str, str]) -> Mapping[str, SqsDeadLetters]:
    """By the queue's name, without `.fifo`."""
    session = boto3.session.Session(
        environment.get("AWS_ACCESS_KEY_ID"),
        environment.get("AWS_SECRET_ACCESS_KEY"),
        environment.get("AWS_SESSION_TOKEN"),
        region_name=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
    )
    client = session.client("sqs", endpoint_url=environment.get("AWS_ENDPOINT_URL"))
    return {name.removesuffix(_FIFO): SqsDeadLetters(client, stack, name) for name in QUEUES}


class SqsDeadLetters:
    """One queue's. Receives, sends, deletes: AWS's own move of messages gives no account of what
    it moves, and the embedded AWS does not have it."""

    def __init__(self, client: SQSClient, stack: str, queue: str) -> None:
        self._client = client
        self._name = f"{stack}-{queue}"

    @cached_property
    def _url(self) -> str:
        return self._url_of(self._name)

    @cached_property
    def _dead_url(self) -> str:
        fifo = _FIFO if self._name.endswith(_FIFO) else ""
        return self._url_of(f"{self._name.removesuffix(_FIFO)}-dead{fifo}")

    def _url_of(self, name: str) -> str:
        with translated(f"queue {name}"):
            return self._client.get_queue_url(QueueName=name)["QueueUrl"]

    def count(self) -> int:
        with translated(f"queue {self._name}"):
            attributes = self._client.get_queue_attributes(
                QueueUrl=self._dead_url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )["Attributes"]
        return sum(int(value) for value in attributes.values())

    def take(self) -> Sequence[DeadLetter]:
        # A queue that is nearly empty may answer with nothing although something lies there.
        for _ in range(_LISTENS_AGAIN):
            with translated(f"queue {self._name}"):
                answer = self._client.receive_message(
                    QueueUrl=self._dead_url,
                    MaxNumberOfMessages=_BATCH,
                    VisibilityTimeout=_HELD_SECONDS,
                    WaitTimeSeconds=_LISTENS_SECONDS,
                    MessageSystemAttributeNames=["MessageGroupId"],
                    MessageAttributeNames=["All"],
                )
            if found := answer.get("Messages"):
                return tuple(DeadLetter(about=_about(m), handle=m) for m in found)
        return ()

    def give_back(self, letter: DeadLetter) -> None:
        message = letter.handle
        again: SendMessageRequestTypeDef = {
            "QueueUrl": self._url,
            "MessageBody": message["Body"],
            "MessageAttributes": message.get("MessageAttributes", {}),
        }
        if group := message.get("Attributes", {}).get("MessageGroupId"):
            again["MessageGroupId"] = group
            # Fresh: FIFO queues would drop a repeat within five minutes.
            again["MessageDeduplicationId"] = uuid4().hex
        with translated(f"queue {self._name}"):
            self._client.send_message(**again)
            self._client.delete_message(
                QueueUrl=self._dead_url, ReceiptHandle=message["ReceiptHandle"]
            )

    def release(self, letter: DeadLetter) -> None:
        with translated(f"queue {self._name}"):
            self._client.change_message_visibility(
                QueueUrl=self._dead_url,
                ReceiptHandle=letter.handle["ReceiptHandle"],
                VisibilityTimeout=0,
            )


def _about(message: Mapping[str, Any]) -> str:
    """An answer of an agency holds names, so only what Tra wrote itself is looked into."""
    try:
        told = json.loads(message["Body"])
        named = next(told[member] for member in _NAMING if member in told)
    except (ValueError, TypeError, StopIteration):
        named = None
    return named if isinstance(named, str) else f"message {message['MessageId']}"
