"""One suite for dead letters: the fake in memory and real queues, plain and FIFO."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.dead_letters import SqsDeadLetters
from chalicelib.adapters.memory import MemoryDeadLetters
from chalicelib.domain.errors import UnavailableError
from chalicelib.ports import DeadLetters
from chalicelib.services.redrive import look, redrive


@dataclass
class Site:
    """Dead letters, how one gets there, what lies in the queue, and how many of twelve can be
    looked at: a FIFO queue gives no more of a group while ten of it are held."""

    letters: DeadLetters
    bury: Callable[[str], object]
    queued: Callable[[], list[str]]
    shown: int = 12


def _sqs(fifo: str) -> Site:
    sqs: Any = boto3.client("sqs")
    stack = f"tra-{uuid4().hex[:8]}"
    more = {"Attributes": {"FifoQueue": "true"}} if fifo else {}
    queue = sqs.create_queue(QueueName=f"{stack}-work{fifo}", **more)["QueueUrl"]
    dead = sqs.create_queue(QueueName=f"{stack}-work-dead{fifo}", **more)["QueueUrl"]

    def bury(delivery: str) -> None:
        body = json.dumps({"delivery": delivery})
        grouped = (
            {"MessageGroupId": "diw.send", "MessageDeduplicationId": uuid4().hex} if fifo else {}
        )
        sqs.send_message(QueueUrl=dead, MessageBody=body, **grouped)

    def queued() -> list[str]:
        found: list[str] = []
        while messages := sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=60,
            MessageSystemAttributeNames=["MessageGroupId"],
        ).get("Messages"):
            for message in messages:
                if fifo:
                    assert message["Attributes"]["MessageGroupId"] == "diw.send"
                    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"])["delivery"])
        return found

    return Site(SqsDeadLetters(sqs, stack, f"work{fifo}"), bury, queued, 10 if fifo else 12)


@pytest.fixture(params=["memory", *(pytest.param(f, marks=pytest.mark.aws) for f in ("", ".fifo"))])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    if request.param == "memory":
        memory = MemoryDeadLetters()
        yield Site(memory, memory.dead.append, lambda: memory.queue)
        return
    request.getfixturevalue("aws")
    yield _sqs(request.param)


def test_dead_letters_are_shown_and_then_go_back_to_work(site: Site) -> None:
    """Issue 6, 5 (`tra redrive`): looking takes nothing away; moving leaves nothing behind, each
    message is in its queue again, and whoever watches hears of each."""
    names = [f"L1.a{number:02}.1" for number in range(12)]
    for name in names:
        site.bury(name)
    assert site.letters.count() == 12
    assert sorted(look(site.letters)) == names[: site.shown]
    heard: list[str] = []
    assert redrive(site.letters, tell=lambda letter: heard.append(letter.about)) == 12
    assert sorted(heard) == names
    assert sorted(site.queued()) == names
    assert site.letters.count() == 0


@pytest.mark.aws
@pytest.mark.usefixtures("aws")
def test_what_agencies_wrote_is_not_shown_and_comes_back_whole() -> None:
    """PDPA: an answer names an officer, so only its message id is told; its text and attributes
    are as they came. A deployment that is not there is told as such."""
    sqs: Any = boto3.client("sqs")
    stack = f"tra-{uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=f"{stack}-replies")["QueueUrl"]
    dead = sqs.create_queue(QueueName=f"{stack}-replies-dead")["QueueUrl"]
    attributes = {"kind": {"DataType": "String", "StringValue": "receipt"}}
    sqs.send_message(QueueUrl=dead, MessageBody="นางสาวรับ", MessageAttributes=attributes)
    letters = SqsDeadLetters(sqs, stack, "replies")
    (about,) = look(letters)
    assert about.startswith("message ")
    redrive(letters, tell=lambda _: None)
    (message,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == "นางสาวรับ"
    assert message["MessageAttributes"]["kind"]["StringValue"] == "receipt"
    with pytest.raises(UnavailableError):
        SqsDeadLetters(sqs, f"{stack}-gone", "replies").count()
