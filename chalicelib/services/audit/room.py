"""What an audit works with. All of it is only read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from chalicelib.domain.batches import BatchRef
from chalicelib.domain.evidence_rounds import RenewalPolicy
from chalicelib.domain.notes import Verify
from chalicelib.ports import (
    AccessStore,
    ArchiveInventory,
    Clock,
    DeliveryStore,
    DocumentStore,
    EvidenceRecords,
    LogInventory,
    LogStore,
    RegisterStore,
    RoundStore,
)

PATIENCE = timedelta(hours=24)
"""How long a number may wait for its end, and a log for its checkpoint, unremarked."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one part of an audit is; `total` is 0 where nobody can know."""

    part: str
    done: int
    total: int = 0


Watch = Callable[[Progress], None]


def unwatched(_progress: Progress) -> None:
    """For an audit that nobody looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRoom:
    """Collaborators of `audit`. `log_key` gives the 32 bytes of the log's public key,
    `verify` checks an Ed25519 signature. `verify_evidence` gives the payload of a JWS that the
    service signed, or raises EvidenceSignatureError. Without `read_bytes` the digests of files are
    those that the store checked when it took them. `is_paused` says of a batch whether somebody
    paused it: its documents may wait."""

    documents: DocumentStore
    registers: RegisterStore
    deliveries: DeliveryStore
    logs: LogStore
    archive: ArchiveInventory
    log_files: LogInventory
    access_log: AccessStore
    rounds: RoundStore
    records: EvidenceRecords
    log_key: Callable[[], bytes]
    verify: Verify
    verify_evidence: Callable[[str], bytes]
    clock: Clock
    public_url: str
    renewal: RenewalPolicy = field(default_factory=RenewalPolicy)
    read_bytes: bool = True
    patience: timedelta = PATIENCE
    is_paused: Callable[[BatchRef], bool] = field(default=lambda _ref: False)
    watch: Watch = field(default=unwatched)
