"""What a checker of bundles believes, and what a bundle's log entries prove under that."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chalicelib.domain.merkle import leaf_hash, verify_inclusion
from chalicelib.domain.notes import (
    Checkpoint,
    NoteSignatureError,
    VerifierKey,
    Verify,
    open_checkpoint,
)
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.verdict import Finding, Indication
from chalicelib.services.checkpoint import log_key


class RecordProof(Protocol):
    """What an evidence record proves (RFC 4998 §5.3)."""

    @property
    def indication(self) -> Indication: ...
    @property
    def sub_indication(self) -> str | None: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...
    @property
    def proven_at(self) -> datetime | None: ...


CheckRecord = Callable[[bytes, bytes, Sequence[str]], RecordProof]
"""`check(record, data, anchors)`: record in DER, the archived bytes, PEMs."""

CheckJws = Callable[[str, Mapping[str, Any]], bytes]
"""`check(jws, jwks)` gives the payload. Raises EvidenceSignatureError."""

Attached = Callable[[bytes, str], bytes | None]
"""`attached(pdf, name)`: the file of that name within a PDF; None if there is none."""

ReplyKeys = Callable[[str], Sequence[Mapping[str, Any]] | None]
"""The public keys (JWK) that an agency signs receipts with; None where nobody said any."""


def no_reply_keys(_agency_id: str) -> None:
    """Nobody said any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleTrust:
    """What a checker believes, and the cryptography that was passed in. `log_keys`: a key of
    any log of the deployment speaks for all its logs, which share it under other names.
    `reply_keys` come from the directory, or whoever the checker believes for them; never from
    the bundle."""

    verify: Verify
    check_jws: CheckJws
    log_keys: tuple[VerifierKey, ...] = ()
    jwks: Mapping[str, Any] | None = None
    reply_keys: ReplyKeys = no_reply_keys
    anchors: tuple[str, ...] = ()
    check_record: CheckRecord | None = None
    attached: Attached | None = None


def as_text(value: Any) -> str:
    """Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def as_count(value: Any) -> int:
    """Raises TypeError."""
    if type(value) is not int or value < 0:
        raise TypeError("not a count")
    return value


def proven_entry(
    said: Any, register: Register, log: LogName, *, trust: BundleTrust
) -> tuple[int, bytes]:
    """A log entry that the bundle brings, with its place: its log includes it, under a
    checkpoint that one of the believed keys signed.

    Raises ProofError, NoteError, NoteSignatureError, or KeyError, TypeError, ValueError for
    what is no entry at all.
    """
    index, leaf = as_count(said["index"]), as_text(said["leaf"]).encode()
    proof = tuple(base64.b64decode(as_text(node), validate=True) for node in said["proof"])
    checkpoint = _checkpoint(as_text(said["checkpoint"]).encode(), register, log, trust)
    verify_inclusion(leaf_hash(leaf), index, proof, checkpoint.head)
    return index, leaf


def _checkpoint(note: bytes, register: Register, log: LogName, trust: BundleTrust) -> Checkpoint:
    """Raises NoteError, NoteSignatureError unless one of the keys signed this log's state."""
    for position, key in enumerate(trust.log_keys, 1):
        try:
            return open_checkpoint(note, _key_of(register, log, key), trust.verify).checkpoint
        except NoteSignatureError:
            if position == len(trust.log_keys):
                raise
    raise NoteSignatureError("No key was given.", "ไม่ได้ให้กุญแจ")


def _key_of(register: Register, log: LogName, key: VerifierKey) -> VerifierKey:
    address, _, _ = key.name.partition("/v1/registers/")
    return log_key(register, log, public_url=f"https://{address}", public_key=key.public_key)
