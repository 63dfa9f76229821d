"""The ways to agencies' own systems (port: Channels; C1, docs/guide/channels.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.errors import ChannelBusyError, ChannelRefusedError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from chalicelib.adapters.webhook import Webhooks
    from chalicelib.domain.directory import Agency

QueueClient = Callable[[str | None], "SQSClient"]
"""The client for the queues of a region; None is this function's own."""

_REGION = re.compile(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/.+")
_FIFO = ".fifo"

# What SQS says of the message itself, or of an address that is none. All else (no permission,
# no such queue, its key disabled, too many requests) an agency can heal while we wait.
_REFUSED = frozenset(
    {
        "InvalidAddress",
        "InvalidAttributeValue",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "InvalidQueryParameter",
        "MissingParameter",
        "UnsupportedOperation",
        "AWS.SimpleQueueService.UnsupportedOperation",
    }
)


class AgencyChannels:
    """Port: Channels."""

    def __init__(self, queues: QueueClient, webhooks: Webhooks) -> None:
        self._queues = queues
        self._webhooks = webhooks

    def hand_in(self, agency: Agency, kind: ChannelKind, event: bytes) -> None:
        """As the port says. Idempotency key: the event's id, which its receiver remembers."""
        match kind:
            case ChannelKind.HOSTED:
                return
            case ChannelKind.QUEUE:
                self._enqueue(agency, event)
            case ChannelKind.WEBHOOK:
                self._webhooks.send(agency, event)
            case ChannelKind.ECMS | ChannelKind.EMAIL:
                raise ChannelRefusedError(
                    f"Tra cannot send by {kind} yet; give {agency.agency_id} another channel.",
                    f"ระบบยังส่งทาง {kind} ไม่ได้ โปรดกำหนดช่องทางอื่นให้ {agency.agency_id}",
                )

    def _enqueue(self, agency: Agency, event: bytes) -> None:
        url = agency.inbox_url
        if url is None:
            raise ChannelRefusedError(
                f"The directory has no queue of {agency.agency_id}.",
                f"ทะเบียนหน่วยงานไม่มีคิวของ {agency.agency_id}",
            )
        region = _REGION.fullmatch(url)
        client = self._queues(region[1] if region else None)
        try:
            if url.endswith(_FIFO):
                about = json.loads(event)
                # What concerns one delivery stays in order and waits for no other one.
                client.send_message(
                    QueueUrl=url,
                    MessageBody=event.decode(),
                    MessageGroupId=about["subject"],
                    MessageDeduplicationId=about["id"],
                )
            else:
                client.send_message(QueueUrl=url, MessageBody=event.decode())
        except ClientError as error:
            _raise(agency, error.response.get("Error", {}).get("Code", "unknown"), error)
        except BotoCoreError as error:
            _raise(agency, type(error).__name__, error)


def _raise(agency: Agency, code: str, error: Exception) -> NoReturn:
    """Only the code is told: AWS's texts name accounts and roles."""
    kind = ChannelRefusedError if code in _REFUSED else ChannelBusyError
    raise kind(
        f"The queue of {agency.agency_id} did not take the message ({code}).",
        f"คิวของ {agency.agency_id} ไม่รับข้อความ ({code})",
    ) from error
