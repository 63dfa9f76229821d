"""What both ways of writing a seal are told, and what they give back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.domain.errors import SealError

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.adapters.trust import Timestamper, TimestampToken, UsableCredential
    from chalicelib.domain.seals import SealPolicy

SEAL_FIELD = "Seal1"
TIMESTAMP_FIELD = "Timestamp1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealOrder:
    """Seal with this, like that. `at` is what the signature says of its time (/M)."""

    usable: UsableCredential
    policy: SealPolicy
    timestamper: Timestamper
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSeal:
    """The sealed file, the time-stamp over the signature, and that over the document."""

    pdf: bytes
    signature_stamp: TimestampToken | None
    document_stamp: TimestampToken | None

    @property
    def newest_stamp(self) -> TimestampToken | None:
        return self.document_stamp or self.signature_stamp


def dss_values(
    order: SealOrder, stamp: TimestampToken
) -> tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]:
    """Certificates, OCSP responses and CRLs for the document security store, each once:
    those of the seal's chain and of its time-stamp's (EN 319 142-1 §5.4.2)."""
    ours, theirs = order.usable.validation_data, stamp.validation_data
    return (
        tuple(dict.fromkeys(ours.certificates + theirs.certificates)),
        tuple(dict.fromkeys(ours.ocsp_responses + theirs.ocsp_responses)),
        tuple(dict.fromkeys(ours.crls + theirs.crls)),
    )


def target_page(wanted: int, pages: int) -> int:
    """Index of page `wanted` (1 is the first, -1 the last); of a shorter document, the page
    nearest to it, for how long a document gets is nobody's choice. Raises SealError if
    there is no such page in any document."""
    if wanted == 0 or pages < 1:
        raise SealError(
            "The seal has no page to be on; pages count from 1, or from -1 backwards.",
            "ไม่มีหน้าที่กำหนดให้ประทับตรา (นับจาก 1 หรือจากหน้าสุดท้ายเป็น -1)",
        )
    index = wanted - 1 if wanted > 0 else wanted + pages
    return min(max(index, 0), pages - 1)
