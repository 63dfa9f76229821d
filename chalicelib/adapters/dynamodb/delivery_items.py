"""Deliveries as they lie in their table, and their translation to the domain.

All items of a delivery have its `pk`, so that one query gives a bundle (docs/adr/0041). The
indexes hold what is searched and counted, and no copy of the delivery: most of what is written
about one changes nothing in them (docs/adr/0033).
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.constants import BINARY
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection
from pynamodb.models import Model

from chalicelib.adapters.dynamodb.items import (
    SealableJsonAttribute,
    SmallJsonAttribute,
    officer_of,
    shards,
    timed_key,
    to_instant,
    to_text,
)
from chalicelib.adapters.sealed_parts import Parts
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.classification import Classification
from chalicelib.domain.deliveries import Delivery, DeliveryId, RetryBudget, SentLetter, Step
from chalicelib.domain.delivery_events import ReceiptNote, Received
from chalicelib.domain.delivery_records import (
    DeliveryRecord,
    FileCheck,
    Passing,
    RefusedAnswer,
    searched_in,
)
from chalicelib.domain.documents import Reason, Urgency
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.letter_marks import LetterMarks
from chalicelib.domain.receipt_judgement import Refusal
from chalicelib.domain.statements import jws_digest
from chalicelib.ports import Vault

_UNBOUND = "unbound"

_OPEN_SHARDS = tuple(shards())

_PLAIN, _PARTS = b"\x00", b"\x01"


class SealableJwsAttribute(Attribute["str | bytes"]):
    """A compact JWS, byte for byte, in about half the space: header and payload are kept as the
    JSON they are, compressed. What is not written in the one way of RFC 7515 is kept as it is, and
    so is what is encrypted in its place (`adapters/sealed_parts.py`)."""

    attr_type = BINARY

    def serialize(self, value: str | bytes) -> bytes:
        return value if isinstance(value, bytes) else self._small(value)

    def _small(self, value: str) -> bytes:
        parts = [_decoded(part) for part in value.split(".")]
        read = [part for part in parts if part is not None]
        if len(read) != _JWS_PARTS or len(parts) != _JWS_PARTS or len(read[0]) > _LONGEST_HEADER:
            return _PLAIN + zlib.compress(value.encode(), 9)
        header, payload, signature = read
        told = bytes([len(header)]) + header + payload
        return _PARTS + bytes([len(signature)]) + signature + zlib.compress(told, 9)

    def deserialize(self, value: bytes) -> str | bytes:
        if value[:1] not in {_PLAIN, _PARTS}:
            return value
        if value[:1] == _PLAIN:
            return zlib.decompress(value[1:]).decode()
        rest = 2 + value[1]
        told = zlib.decompress(value[rest:])
        header, payload = told[1 : 1 + told[0]], told[1 + told[0] :]
        return ".".join(map(_encoded, (header, payload, value[2:rest])))


_JWS_PARTS = 3
_LONGEST_HEADER = 255


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _decoded(part: str) -> bytes | None:
    """The bytes, if encoding them gives `part` again."""
    try:
        read = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return None
    return read if _encoded(read) == part else None


class OutboxIndex(GlobalSecondaryIndex["StateItem"]):
    class Meta:
        index_name = "outbox"
        projection = IncludeProjection(["state", "search_text", "recipient", "classification"])

    sender = UnicodeAttribute(hash_key=True)
    planned_key = UnicodeAttribute(range_key=True)


class InboxIndex(GlobalSecondaryIndex["StateItem"]):
    class Meta:
        index_name = "inbox"
        projection = IncludeProjection(
            ["state", "search_text", "sender", "unit", "classification", "named"]
        )

    recipient = UnicodeAttribute(hash_key=True)
    entered_key = UnicodeAttribute(range_key=True)


class LetterIndex(GlobalSecondaryIndex["StateItem"]):
    class Meta:
        index_name = "letter"
        projection = IncludeProjection(["state", "planned_key"])

    document_id = UnicodeAttribute(hash_key=True)
    attempt_key = UnicodeAttribute(range_key=True)


class OpenIndex(GlobalSecondaryIndex["StateItem"]):
    class Meta:
        index_name = "open"
        projection = IncludeProjection(["state", "waits_since"])

    open_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class StateItem(Model):
    """A delivery as it is now: `sk` = `#STATE`. `steps` is how long its history is: whoever
    writes has seen the last one. In `inbox` once it arrived; in `open` while it has no outcome,
    or something is left to do. Of a classified letter `body` and
    `passings` lie encrypted, and `search_text` holds its number."""

    class Meta:
        table_name = _UNBOUND

    SK = "#STATE"
    NEVER = "never"
    """`due_at` of what is open and nobody has to look at: after all times."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default=SK)
    sender = UnicodeAttribute()
    planned_key = UnicodeAttribute()
    recipient = UnicodeAttribute()
    entered_key = UnicodeAttribute(null=True)
    document_id = UnicodeAttribute()
    attempt_key = UnicodeAttribute()
    open_shard = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    waits_since = UnicodeAttribute()
    steps = NumberAttribute()
    search_text = UnicodeAttribute()
    classification = UnicodeAttribute(default=Classification.NORMAL.value)
    named = UnicodeSetAttribute(null=True)
    body = SealableJsonAttribute()
    salt = BinaryAttribute(legacy_encoding=False)
    told = UnicodeSetAttribute(null=True)
    archived = UnicodeSetAttribute(null=True)
    duplicate_of = UnicodeAttribute(null=True)
    check = SmallJsonAttribute(null=True)
    passings = SealableJsonAttribute(null=True)
    passed = NumberAttribute(null=True)
    unit = UnicodeAttribute(null=True)

    outbox = OutboxIndex()
    inbox = InboxIndex()
    letter = LetterIndex()
    open = OpenIndex()

    @classmethod
    def planned(cls, delivery: Delivery, salt: str, due_at: datetime, vault: Vault) -> StateItem:
        """A delivery as first stored."""
        delivery_id, letter = delivery.id, delivery.letter
        return cls(
            pk=partition(delivery_id),
            sender=delivery.letter.sender,
            planned_key=timed_key(delivery.planned_at, str(delivery_id)),
            recipient=delivery_id.recipient,
            document_id=delivery_id.document_id,
            attempt_key=attempt_key(delivery_id),
            open_shard=open_shard(delivery_id),
            due_at=to_text(due_at),
            state=delivery.state.value,
            waits_since=to_text(delivery.waits_since),
            steps=len(delivery.history),
            search_text=searched_in(letter),
            classification=letter.classification.value,
            body=kept_body(delivery, vault),
            salt=bytes.fromhex(salt),
        )

    def parts(self, vault: Vault) -> Parts:
        return _parts(id_of(self.pk), self.sender, self.classification, vault)

    def to_domain(self, vault: Vault) -> DeliveryRecord:
        """Raises SecretUnreadableError, UnavailableError."""
        delivery_id, parts = id_of(self.pk), self.parts(vault)
        body = parts.read_json(_body_of(delivery_id), self.body)
        due = self.due_at if self.due_at != self.NEVER else None
        return DeliveryRecord(
            delivery=delivery_of(delivery_id, self.sender, parts.classification, body),
            told=frozenset(self.told or ()),
            archived=frozenset(self.archived or ()),
            duplicate_of=self.duplicate_of,
            check=_check(self.check) if self.check else None,
            passed_on=passings_of(self.read_passings(parts)),
            named=frozenset(officer_of(text) for text in self.named or ()),
            salt=bytes(self.salt).hex(),
            due_at=to_instant(due) if due else None,
        )

    def read_passings(self, parts: Parts) -> Mapping[str, Any] | None:
        if self.passings is None:
            return None
        return parts.read_json(_passings_of(id_of(self.pk)), self.passings)


class EvidenceItem(Model):
    """An event as signed: `sk` = `EVIDENCE#` and its place in the chain in six digits."""

    class Meta:
        table_name = _UNBOUND

    PREFIX = "EVIDENCE#"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    jws = SealableJwsAttribute()
    secret_of = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, delivery: Delivery, place: int, jws: str, vault: Vault) -> EvidenceItem:
        return _kept_jws(cls, delivery, f"{cls.PREFIX}{place:06d}", jws, vault)

    def text(self, vault: Vault) -> str:
        return _read_text(self.pk, self.sk, self.secret_of, self.jws, vault)


class StatementItem(Model):
    """A receipt or rejection as signed: `sk` = `STATEMENT#` and the SHA-256 of the JWS; `step`
    is the place in the history that it came with."""

    class Meta:
        table_name = _UNBOUND

    PREFIX = "STATEMENT#"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    step = NumberAttribute()
    jws = SealableJwsAttribute()
    secret_of = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, seen: Delivery, jws: str, vault: Vault) -> StatementItem:
        item = _kept_jws(cls, seen, cls.PREFIX + jws_digest(jws), jws, vault)
        item.step = len(seen.history)
        return item

    def text(self, vault: Vault) -> str:
        return _read_text(self.pk, self.sk, self.secret_of, self.jws, vault)


class RefusedItem(Model):
    """What was not believed: `sk` = `REFUSED#` and the SHA-256 of the text."""

    class Meta:
        table_name = _UNBOUND

    PREFIX = "REFUSED#"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    text = SealableJwsAttribute()
    secret_of = UnicodeAttribute(null=True)
    refusal = UnicodeAttribute()
    field = UnicodeAttribute(null=True)
    brought_by = UnicodeAttribute(null=True)
    at = UnicodeAttribute()

    @classmethod
    def of(
        cls, delivery_id: DeliveryId, digest: str, refused: RefusedAnswer, parts: Parts
    ) -> RefusedItem:
        sk = cls.PREFIX + digest
        return cls(
            partition(delivery_id),
            sk,
            text=parts.keep_text(_beside(delivery_id, sk), refused.text),
            secret_of=_secret_of(parts),
            refusal=refused.refusal.value,
            field=refused.field or None,
            brought_by=refused.brought_by,
            at=to_text(refused.at),
        )

    def to_domain(self, vault: Vault) -> RefusedAnswer:
        return RefusedAnswer(
            text=_read_text(self.pk, self.sk, self.secret_of, self.text, vault),
            refusal=Refusal(self.refusal),
            field=self.field or "",
            brought_by=self.brought_by,
            at=to_instant(self.at),
        )


class RefusalsItem(Model):
    """How many answers of a delivery were refused and kept: `sk` = `#REFUSALS`."""

    class Meta:
        table_name = _UNBOUND

    SK = "#REFUSALS"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default=SK)
    kept = NumberAttribute()


class MarkItem(Model):
    """The first delivery that brought a letter to an agency: `pk` = `MARK#<agency>#` and the
    mark, by number or by file."""

    class Meta:
        table_name = _UNBOUND

    SK = "#FIRST"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True, default=SK)
    delivery_id = UnicodeAttribute()

    @staticmethod
    def keys(agency_id: str, marks: LetterMarks) -> tuple[str, str]:
        """By number, by file."""
        prefix = f"MARK#{agency_id}#"
        return f"{prefix}number#{marks.by_number}", f"{prefix}file#{marks.by_file}"


# -- keys --------------------------------------------------------------------


def partition(delivery_id: DeliveryId) -> str:
    return f"DELIVERY#{delivery_id}"


def id_of(pk: str) -> DeliveryId:
    return DeliveryId.parse(pk.partition("#")[2])


def attempt_key(delivery_id: DeliveryId) -> str:
    """By recipient, then by attempt."""
    return f"{delivery_id.recipient}#{delivery_id.attempt:06d}"


def open_shard(delivery_id: DeliveryId) -> str:
    # All ids of a letter to many begin alike, and most end alike.
    return _OPEN_SHARDS[zlib.crc32(str(delivery_id).encode()) % len(_OPEN_SHARDS)]


def open_shards() -> Sequence[str]:
    return _OPEN_SHARDS


# -- what is encrypted -------------------------------------------------------


def parts_of(delivery: Delivery, vault: Vault) -> Parts:
    letter = delivery.letter
    return Parts(vault, letter.document_id, letter.sender, letter.classification)


def kept_body(delivery: Delivery, vault: Vault) -> Mapping[str, Any] | bytes:
    return parts_of(delivery, vault).keep_json(_body_of(delivery.id), delivery_body(delivery))


def kept_passings(
    delivery_id: DeliveryId, passings: Sequence[Passing], parts: Parts
) -> Mapping[str, Any] | bytes:
    return parts.keep_json(_passings_of(delivery_id), passings_body(passings))


def _parts(delivery_id: DeliveryId, sender: str, classification: str | None, vault: Vault) -> Parts:
    found = Classification(classification or Classification.NORMAL)
    return Parts(vault, delivery_id.document_id, sender, found)


def _body_of(delivery_id: DeliveryId) -> str:
    return f"delivery {delivery_id}"


def _passings_of(delivery_id: DeliveryId) -> str:
    return f"passings {delivery_id}"


def _beside(delivery_id: DeliveryId, sk: str) -> str:
    """Place of what lies beside a delivery in its partition."""
    return f"delivery {delivery_id} {sk}"


_Signed = TypeVar("_Signed", EvidenceItem, StatementItem)


def _kept_jws(kind: type[_Signed], delivery: Delivery, sk: str, jws: str, vault: Vault) -> _Signed:
    parts = parts_of(delivery, vault)
    kept = parts.keep_text(_beside(delivery.id, sk), jws)
    return kind(partition(delivery.id), sk, jws=kept, secret_of=_secret_of(parts))


def _secret_of(parts: Parts) -> str | None:
    """Whose it is and how secret, as an item beside the delivery says it; None in clear."""
    return f"{parts.agency_id}/{parts.classification.value}" if parts.are_secret else None


def _read_text(pk: str, sk: str, secret_of: str | None, kept: str | bytes, vault: Vault) -> str:
    delivery_id = id_of(pk)
    sender, _, classification = (secret_of or "").partition("/")
    parts = _parts(delivery_id, sender, classification, vault)
    return parts.read_text(_beside(delivery_id, sk), kept)


# -- the delivery ------------------------------------------------------------


def delivery_body(delivery: Delivery) -> dict[str, Any]:
    """All of a delivery that its keys do not say."""
    letter, budget = delivery.letter, delivery.budget
    return {
        "letter": {
            "number": letter.number,
            "dated": letter.dated.isoformat(),
            "file_digest": letter.file_digest,
            "circular": letter.circular,
            "subject": letter.subject,
            "urgency": letter.urgency.value,
            "classification": letter.classification.value,
            "act_within": _text(letter.act_within),
            "retain_until": _text(letter.retain_until),
        },
        "channel": delivery.channel.value,
        "budget": [to_text(budget.give_up_at), budget.most_tries],
        "planned_at": to_text(delivery.planned_at),
        "state": delivery.state.value,
        "tries": delivery.tries,
        "reminders": delivery.reminders,
        "received": _received_body(delivery.received),
        "receipts": [_receipt_body(receipt) for receipt in delivery.receipts],
        "disputed": delivery.disputed,
        "reason": _reason_body(delivery.reason),
        "suggested_agency": delivery.suggested_agency,
        "statement": delivery.statement,
        "history": [
            [step.key, to_text(step.at), step.state.value, _reason_body(step.reason)]
            for step in delivery.history
        ],
        "evidence": [delivery.evidence_count, delivery.evidence_end],
    }


def delivery_of(
    delivery_id: DeliveryId,
    sender: str,
    classification: Classification,
    body: Mapping[str, Any],
) -> Delivery:
    count, end = body["evidence"]
    give_up_at, most_tries = body["budget"]
    return Delivery(
        id=delivery_id,
        letter=_letter(delivery_id, sender, classification, body["letter"]),
        channel=ChannelKind(body["channel"]),
        budget=RetryBudget(to_instant(give_up_at), most_tries),
        planned_at=to_instant(body["planned_at"]),
        state=DeliveryState(body["state"]),
        tries=body["tries"],
        reminders=body["reminders"],
        received=_received(body["received"]),
        receipts=tuple(_receipt(*receipt) for receipt in body["receipts"]),
        disputed=body["disputed"],
        reason=_reason(body["reason"]),
        suggested_agency=body["suggested_agency"],
        statement=body["statement"],
        history=tuple(
            Step(key=key, at=to_instant(at), state=DeliveryState(state), reason=_reason(reason))
            for key, at, state, reason in body["history"]
        ),
        evidence_count=count,
        evidence_end=end,
    )


def _letter(
    delivery_id: DeliveryId,
    sender: str,
    classification: Classification,
    body: Mapping[str, Any],
) -> SentLetter:
    return SentLetter(
        **{
            **body,
            "document_id": delivery_id.document_id,
            "sender": sender,
            "classification": classification,
            "dated": date.fromisoformat(body["dated"]),
            "urgency": Urgency(body["urgency"]),
            "act_within": _instant(body["act_within"]),
            "retain_until": _instant(body["retain_until"]),
        }
    )


def _receipt_body(receipt: ReceiptNote) -> list[Any]:
    return [
        receipt.year,
        receipt.number,
        receipt.printed,
        _received_body(receipt.received),
        receipt.digest,
    ]


def _receipt(
    year: int, number: int, printed: str, received: Sequence[str | None], digest: str
) -> ReceiptNote:
    came = _received(received)
    if came is None:
        raise ValueError("a receipt tells when the letter was received")
    return ReceiptNote(year, number, printed, came, digest)


def _received_body(received: Received | None) -> list[str | None] | None:
    return None if received is None else [_text(received.entered_at), _text(received.counted_at)]


def _received(body: Sequence[str | None] | None) -> Received | None:
    if body is None:
        return None
    entered, counted = body
    return Received(to_instant(str(entered)), _instant(counted))


def _reason_body(reason: Reason | None) -> list[str] | None:
    return None if reason is None else [reason.code, reason.detail, reason.detail_th]


def _reason(body: Sequence[str] | None) -> Reason | None:
    return None if body is None else Reason(*body)


def _text(instant: datetime | None) -> str | None:
    return to_text(instant) if instant else None


def _instant(text: str | None) -> datetime | None:
    return to_instant(text) if text else None


# -- what was done about it ----------------------------------------------------


def check_body(check: FileCheck) -> dict[str, Any]:
    return {
        "passed": check.passed,
        "indication": check.indication,
        "reasons": list(check.reasons),
        "sha256": check.sha256,
        "at": to_text(check.at),
    }


def _check(body: Mapping[str, Any]) -> FileCheck:
    return FileCheck(
        **{**body, "reasons": tuple(body["reasons"]), "at": to_instant(body["at"])},
    )


def passings_body(passings: Sequence[Passing]) -> dict[str, Any]:
    return {"passings": [[p.unit, p.by, to_text(p.at), p.note] for p in passings]}


def passings_of(body: Mapping[str, Any] | None) -> tuple[Passing, ...]:
    kept = body["passings"] if body else ()
    return tuple(
        Passing(unit=unit, by=by, at=to_instant(at), note=note) for unit, by, at, note in kept
    )
