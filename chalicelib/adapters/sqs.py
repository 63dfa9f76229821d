"""Tra's own queues (port: WorkQueue)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.adapters.aws import translated
from chalicelib.domain.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from chalicelib.domain.batches import BatchWork
    from chalicelib.domain.deliveries import DeliveryId
    from chalicelib.domain.factor_events import LockNotice
    from chalicelib.ports import Ids

_BATCH = 10


class SqsWorkQueue:
    """One of Tra's own queues, plain or FIFO. Messages carry the id of a document or
    delivery, or the name of a batch or notice, and nothing else."""

    def __init__(self, client: SQSClient, url: str, ids: Ids) -> None:
        self._client = client
        self._url = url
        self._ids = ids

    def send(self, document_ids: Sequence[str], *, group: str | None = None) -> None:
        """At least once. A FIFO queue would drop a repeat within five minutes by its
        deduplication id, and `sweep` repeats on purpose: so each send has a fresh one."""
        self._send(({"document_id": document_id} for document_id in document_ids), group)

    def send_batch(self, work: Sequence[BatchWork], *, group: str | None = None) -> None:
        """As `send`."""
        self._send(({"batch": str(each)} for each in work), group)

    def send_deliveries(self, deliveries: Sequence[DeliveryId]) -> None:
        """As `send`."""
        self._send(({"delivery": str(each)} for each in deliveries), None)

    def send_lock(self, notice: LockNotice) -> None:
        """As `send`."""
        self._send([{"lock": str(notice)}], None)

    def _send(self, bodies: Iterable[dict[str, str]], group: str | None) -> None:
        remaining = iter(bodies)
        while few := list(islice(remaining, _BATCH)):
            entries = list(self._entries(few, group))
            with translated("queue"):
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            if answer.get("Failed"):
                raise UnavailableError(f"{len(answer['Failed'])} message(s) were not queued.")

    def _entries(
        self, bodies: Sequence[dict[str, str]], group: str | None
    ) -> Iterator[SendMessageBatchRequestEntryTypeDef]:
        for position, body in enumerate(bodies):
            entry: SendMessageBatchRequestEntryTypeDef = {
                "Id": str(position),
                "MessageBody": json.dumps(body),
            }
            if group is not None:
                entry["MessageGroupId"] = group
                entry["MessageDeduplicationId"] = self._ids.document_id()
            yield entry
