"""The ways to agencies' own systems: their queues, on the embedded AWS, and what is not there yet."""

from __future__ import annotations

import json
from typing import Any, cast
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.adapters.channels import AgencyChannels
from chalicelib.adapters.webhook import Webhooks
from chalicelib.bootstrap import utc_now
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import ChannelBusyError, ChannelRefusedError
from infra.onboard import inbox_policy
from tests.support.evidence import LocalSigner

EVENT = json.dumps(
    {"id": "01.dbd.1.delivered", "subject": "01.dbd.1", "data": {"number": "๑"}}, ensure_ascii=False
).encode()


def _agency(inbox_url: str | None) -> Agency:
    return Agency(agency_id="dbd", name_th="ก", name_en="A", inbox_url=inbox_url)


def _channels(client: Any) -> AgencyChannels:
    return AgencyChannels(lambda _region: client, Webhooks(LocalSigner(), clock=utc_now))


@pytest.fixture
def sqs(aws: str) -> Any:
    return boto3.client("sqs", config=Config(retries={"total_max_attempts": 1}, connect_timeout=2))


def _queue(sqs: Any, name: str = "", **attributes: str) -> str:
    return str(
        sqs.create_queue(QueueName=f"{uuid4().hex[:8]}{name}", Attributes=attributes)["QueueUrl"]
    )


def _messages(sqs: Any, url: str) -> list[dict[str, Any]]:
    received = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=0
    )
    return list(received.get("Messages", []))


@pytest.mark.aws
def test_an_event_lies_in_the_agencys_queue(sqs: Any) -> None:
    """C1: the message is the CloudEvent, byte for byte."""
    url = _queue(sqs)
    _channels(sqs).hand_in(_agency(url), ChannelKind.QUEUE, EVENT)
    (message,) = _messages(sqs, url)
    assert message["Body"].encode() == EVENT


@pytest.mark.aws
def test_a_fifo_queue_drops_repeats_and_keeps_each_delivery_in_order(sqs: Any) -> None:
    """C1, P5: group and deduplication id follow from the event."""
    url = _queue(sqs, ".fifo", FifoQueue="true")
    for _ in range(2):
        _channels(sqs).hand_in(_agency(url), ChannelKind.QUEUE, EVENT)
    (message,) = _messages(sqs, url)
    assert message["Attributes"]["MessageGroupId"] == "01.dbd.1"
    assert message["Attributes"]["MessageDeduplicationId"] == "01.dbd.1.delivered"


@pytest.mark.aws
def test_what_the_agency_can_mend_is_tried_again(sqs: Any) -> None:
    """Issue 6, 2: a queue that is not there (yet), and one whose policy does not let us in."""
    closed = _queue(sqs)
    arn = sqs.get_queue_attributes(QueueUrl=closed, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    policy = json.dumps(inbox_policy(arn, ["arn:aws:iam::000000000000:role/somebody-else"]))
    sqs.set_queue_attributes(QueueUrl=closed, Attributes={"Policy": policy})
    for url in (closed, f"{closed}-missing"):
        with pytest.raises(ChannelBusyError, match="dbd") as raised:
            _channels(sqs).hand_in(_agency(url), ChannelKind.QUEUE, EVENT)
        assert "000000000000" not in raised.value.detail
    assert _messages(sqs, closed) == []


@pytest.mark.aws
def test_a_message_that_no_queue_takes_is_not_tried_again(sqs: Any) -> None:
    """Issue 6, 2: SQS takes 1 MiB at most; waiting does not make it smaller."""
    url = _queue(sqs)
    with pytest.raises(ChannelRefusedError):
        _channels(sqs).hand_in(_agency(url), ChannelKind.QUEUE, b"x" * (1024 * 1024 + 1))
    assert _messages(sqs, url) == []


def test_aws_out_of_reach_heals_by_waiting() -> None:
    """P4: no answer at all is tried again."""
    nobody = boto3.client(
        "sqs",
        endpoint_url="http://127.0.0.1:9",  # the discard port: nobody listens
        region_name="ap-southeast-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
    )
    with pytest.raises(ChannelBusyError):
        _channels(nobody).hand_in(_agency("http://127.0.0.1:9/1/a"), ChannelKind.QUEUE, EVENT)


class _Refusing:
    """SQS with an answer that the embedded AWS never gives."""

    def __init__(self, code: str) -> None:
        self._code = code

    def send_message(self, **_message: str) -> None:
        raise ClientError({"Error": {"Code": self._code, "Message": "account 1"}}, "SendMessage")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("KMS.AccessDeniedException", ChannelBusyError),
        ("KMS.DisabledException", ChannelBusyError),
        ("KmsThrottled", ChannelBusyError),
        ("RequestThrottled", ChannelBusyError),
        ("OverLimit", ChannelBusyError),
        ("InvalidMessageContents", ChannelRefusedError),
        ("InvalidAddress", ChannelRefusedError),
    ],
)
def test_what_aws_says_beside(code: str, error: type[Exception]) -> None:
    """Issue 6, 2: a key that does not let us in is mended like a policy; what is wrong with the
    message or the address is not. Texts of AWS are not passed on."""
    with pytest.raises(error, match=code) as raised:
        _channels(_Refusing(code)).hand_in(_agency("https://q"), ChannelKind.QUEUE, EVENT)
    assert "account" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.ap-southeast-7.amazonaws.com/123456789012/inbox", "ap-southeast-7"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/inbox", "cn-north-1"),
        ("http://127.0.0.1:4566/000000000000/inbox", None),
    ],
)
def test_a_queue_is_asked_for_in_its_own_region(url: str, region: str | None) -> None:
    """C1: an agency's account may be in another region than Tra."""
    asked: list[str | None] = []

    def client(named: str | None) -> Any:
        asked.append(named)
        return _Refusing("RequestThrottled")

    channels = AgencyChannels(client, cast("Webhooks", None))
    with pytest.raises(ChannelBusyError):
        channels.hand_in(_agency(url), ChannelKind.QUEUE, EVENT)
    assert asked == [region]


def test_hosted_here_needs_no_message_and_other_ways_are_not_there_yet() -> None:
    """Issue 6, 2: who is hosted here has the letter in its inbox; e-CMS and e-mail fit the port,
    and say clearly that they are still to come; so does an agency without a queue."""
    channels = _channels(_Refusing("never asked"))
    channels.hand_in(_agency(None), ChannelKind.HOSTED, EVENT)
    for kind in (ChannelKind.ECMS, ChannelKind.EMAIL):
        with pytest.raises(ChannelRefusedError, match=str(kind)):
            channels.hand_in(_agency(None), kind, EVENT)
    with pytest.raises(ChannelRefusedError, match="no queue"):
        channels.hand_in(_agency(None), ChannelKind.QUEUE, EVENT)
