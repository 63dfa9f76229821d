"""Batches as they lie in the registers' table, and their translation to the domain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from chalicelib.adapters.dynamodb.items import to_instant, to_text
from chalicelib.domain.batches import (
    Batch,
    BatchFile,
    BatchRef,
    BatchState,
    Checked,
    OnError,
    Segment,
    Start,
)
from chalicelib.domain.documents import ArchivedFile, Reason
from chalicelib.domain.registers import Book, Hold
from chalicelib.domain.retention import LockMode

_UNBOUND = "unbound"


class DueIndex(GlobalSecondaryIndex["BatchItem"]):
    class Meta:
        index_name = "expiring"
        projection = AllProjection()

    expiring = UnicodeAttribute(hash_key=True)
    expires_at = UnicodeAttribute(range_key=True)


class BatchItem(Model):
    """A batch: `register_id` = `<agency>!batches`, `line` = its id. `may_seal` stands beside the
    rest for conditions. In `expiring` only while somebody has to look at it."""

    class Meta:
        table_name = _UNBOUND

    DUE = "batch"

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    revision = NumberAttribute()
    may_seal = BooleanAttribute()
    secret = BinaryAttribute(legacy_encoding=False)
    body = UnicodeAttribute()
    expiring = UnicodeAttribute(null=True)
    expires_at = UnicodeAttribute(null=True)

    by_due = DueIndex()

    @staticmethod
    def partition(agency_id: str) -> str:
        return f"{agency_id}!batches"

    @classmethod
    def of(cls, batch: Batch) -> BatchItem:
        return cls(
            register_id=cls.partition(batch.agency_id),
            line=batch.batch_id,
            revision=batch.revision,
            may_seal=batch.may_seal,
            secret=batch.secret,
            body=json.dumps(_body(batch), ensure_ascii=False, separators=(",", ":")),
            expiring=cls.DUE if batch.due_at else None,
            expires_at=to_text(batch.due_at) if batch.due_at else None,
        )

    def to_domain(self) -> Batch:
        agency_id = self.register_id.partition("!")[0]
        return Batch(
            batch_id=self.line,
            agency_id=agency_id,
            revision=int(self.revision),
            secret=bytes(self.secret),
            due_at=to_instant(self.expires_at) if self.expires_at else None,
            **_fields(json.loads(self.body), agency_id),
        )


class BatchClaimItem(Model):
    """What an Idempotency-Key made: `register_id` = `<agency>!batch-keys`, `line` = SHA-256 of
    the key."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    batch_id = UnicodeAttribute()
    request_digest = UnicodeAttribute()

    @staticmethod
    def partition(agency_id: str) -> str:
        return f"{agency_id}!batch-keys"


class ChunkItem(Model):
    """A chunk that somebody began: `register_id` = `<agency>/<batch>!chunks`, `line` = its
    number in five digits."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    owner = UnicodeAttribute()
    leased_until = UnicodeAttribute()
    done = BooleanAttribute(null=True)

    @staticmethod
    def partition(ref: BatchRef) -> str:
        return f"{ref}!chunks"

    @staticmethod
    def line_of(chunk: int) -> str:
        return f"{chunk:05d}"


class CounterItem(Model):
    """Finished chunks, counted in several places: `register_id` = `<agency>/<batch>!done`."""

    class Meta:
        table_name = _UNBOUND

    register_id = UnicodeAttribute(hash_key=True)
    line = UnicodeAttribute(range_key=True)
    chunks = NumberAttribute()
    issued = NumberAttribute()
    void = NumberAttribute()

    @staticmethod
    def partition(ref: BatchRef) -> str:
        return f"{ref}!done"


def _body(batch: Batch) -> dict[str, Any]:
    checked, hold, reason = batch.checked, batch.hold, batch.reason
    return {
        "submitted_by": batch.submitted_by,
        "created_at": to_text(batch.created_at),
        "document_type": batch.document_type,
        "type_version": batch.type_version,
        "book": batch.book.name,
        "file": asdict(batch.file),
        "on_error": batch.on_error.value,
        "start": batch.start.value,
        "defaults": dict(batch.defaults),
        "state": batch.state.value,
        "history": [[state.value, to_text(at)] for state, at in batch.history],
        "etag": batch.etag,
        "size": batch.size,
        "checked": {
            "lines": checked.lines,
            "invalid": checked.invalid,
            "segments": [[s.valid, s.sha256] for s in checked.segments],
            "retention_years": checked.retention_years,
            "place": checked.place,
            "complete": checked.complete,
        },
        "year": batch.year,
        "hold": {"batch": hold.batch, "after": hold.after, "at": to_text(hold.at)}
        if hold
        else None,
        "letter_prefix": batch.letter_prefix,
        "numbered": batch.numbered,
        "dispatched": batch.dispatched,
        "paused": batch.paused,
        "cancelled_by": batch.cancelled_by,
        "reason": [reason.code, reason.detail, reason.detail_th] if reason else None,
        "manifest": _file_body(batch.manifest) if batch.manifest else None,
        "seen": batch.seen,
        "looks": batch.looks,
    }


def _fields(body: Mapping[str, Any], agency_id: str) -> dict[str, Any]:
    checked = body["checked"]
    as_it_is = {
        name: body[name]
        for name in (
            "submitted_by",
            "document_type",
            "type_version",
            "defaults",
            "etag",
            "size",
            "year",
            "letter_prefix",
            "numbered",
            "dispatched",
            "paused",
            "cancelled_by",
            "seen",
            "looks",
        )
    }
    return {
        **as_it_is,
        "created_at": to_instant(body["created_at"]),
        "book": Book(agency_id, body["book"]),
        "file": BatchFile(**body["file"]),
        "on_error": OnError(body["on_error"]),
        "start": Start(body["start"]),
        "state": BatchState(body["state"]),
        "history": tuple((BatchState(s), to_instant(at)) for s, at in body["history"]),
        "checked": Checked(
            lines=checked["lines"],
            invalid=checked["invalid"],
            segments=tuple(Segment(*segment) for segment in checked["segments"]),
            retention_years=checked["retention_years"],
            place=checked["place"],
            complete=checked["complete"],
        ),
        "hold": _hold(body["hold"]),
        "reason": Reason(*body["reason"]) if body["reason"] else None,
        "manifest": _file(body["manifest"]) if body["manifest"] else None,
    }


def _hold(kept: Mapping[str, Any] | None) -> Hold | None:
    return None if kept is None else Hold(kept["batch"], kept["after"], to_instant(kept["at"]))


def _file_body(file: ArchivedFile) -> dict[str, Any]:
    return {
        "key": file.key,
        "version_id": file.version_id,
        "sha256": file.sha256,
        "size": file.size,
        "lock_mode": file.lock_mode.value,
        "retain_until": to_text(file.retain_until),
    }


def _file(kept: Mapping[str, Any]) -> ArchivedFile:
    return ArchivedFile(
        **{
            **kept,
            "lock_mode": LockMode(kept["lock_mode"]),
            "retain_until": to_instant(kept["retain_until"]),
        }
    )
