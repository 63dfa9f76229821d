"""What e-Proxies were used for, in DynamoDB (port: ProxyUseStore).

In the registers' table, in a partition of each proxy that no register id can name: one item per use, and
one per power that counts (docs/adr/0050).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.faults import Cancellation, cancellations, translated
from chalicelib.adapters.dynamodb.items import bind, to_instant, to_text
from chalicelib.domain.errors import RegisterConflictError
from chalicelib.domain.persons import Officer
from chalicelib.domain.proxies import Count, Reason, Refused, Use


class UseItem(Model):
    """`register_id` = `<document id>!uses`; `line` = the use's id, or `#<power>` for how often it
    was used (`number`)."""

    class Meta:
        table_name = "unbound"

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    number = NumberAttribute(null=True)
    agency_id = UnicodeAttribute(null=True)
    subject = UnicodeAttribute(null=True)
    at = UnicodeAttribute(null=True)
    reasons = UnicodeAttribute(null=True)
    request_digest = UnicodeAttribute(null=True)
    statement = UnicodeAttribute(null=True)

    @staticmethod
    def partition(document_id: str) -> str:
        return f"{document_id}!uses"

    @staticmethod
    def line_of(power: str) -> str:
        return f"#{power}"

    def to_domain(self, document_id: str) -> Use:
        return Use(
            use_id=self.line,
            document_id=document_id,
            asked_by=Officer(str(self.agency_id), str(self.subject)),
            at=to_instant(str(self.at)),
            reasons=tuple(
                Reason(Refused(code), link) for code, link in json.loads(str(self.reasons))
            ),
            request_digest=str(self.request_digest),
            statement=str(self.statement),
        )


class DynamoProxyUses:
    """In the registers' table."""

    def __init__(self, registers_table: str) -> None:
        self._items = bind(UseItem, registers_table)
        self._connection = QuickConnection()

    def use(self, document_id: str, use_id: str) -> Use | None:
        found = self._read(document_id, use_id)
        return found.to_domain(document_id) if found else None

    def times(self, document_id: str, power: str) -> int:
        found = self._read(document_id, UseItem.line_of(power))
        return int(found.number or 0) if found else 0

    def enter(self, use: Use, counts: Sequence[Count]) -> Use:
        """Idempotency key of this write: the use's id."""
        entry = self._items(
            UseItem.partition(use.document_id),
            use.use_id,
            agency_id=use.asked_by.agency_id,
            subject=use.asked_by.subject,
            at=to_text(use.at),
            reasons=json.dumps([[one.why, one.link] for one in use.reasons]),
            request_digest=use.request_digest,
            statement=use.statement,
        )
        try:
            with TransactWrite(connection=self._connection) as transaction:
                transaction.save(entry, condition=self._items.register_id.does_not_exist())
                for one in counts:
                    self._count(transaction, one)
        except TransactWriteError as error:
            if Cancellation.CONDITION in cancellations(error):
                stored = self.use(use.document_id, use.use_id)
                if stored is not None:
                    return stored
            raise RegisterConflictError("The power was used meanwhile.") from error
        return use

    def _count(self, transaction: TransactWrite, one: Count) -> None:
        first = one.number == 1
        as_seen: Condition = self._items.number == one.number - 1
        transaction.save(
            self._items(
                UseItem.partition(one.document_id), UseItem.line_of(one.power), number=one.number
            ),
            condition=self._items.register_id.does_not_exist() if first else as_seen,
        )

    def _read(self, document_id: str, line: str) -> UseItem | None:
        with translated():
            try:
                return self._items.get(UseItem.partition(document_id), line, consistent_read=True)
            except DoesNotExist:
                return None
