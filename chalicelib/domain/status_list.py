"""Public lists of which documents are revoked or suspended: a bit for each number.

W3C Bitstring Status List v1.0 (Recommendation of 15 May 2025). A list has 131,072 places, the
least the Recommendation allows, so that who fetches one does not tell which document it asks
about. The document of number *n* stands at index *n - 1*, in pages of that size; documents with
inserted numbers (12/1) stand in a list of their parent's own, at the place under it less one.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.registers import MOST_CHILDREN, Register
from chalicelib.domain.standing import Mark, Standing, standing_by

PLACES = 131_072
MEDIA_TYPE = "application/vc+jwt"
"""Of a Verifiable Credential secured with JOSE (W3C VC-JOSE-COSE, section 3.1)."""

TTL = timedelta(seconds=30)
_VALID_FOR = timedelta(minutes=10)
_TAG_FOR = _VALID_FOR / 2
_CONTEXT = "https://www.w3.org/ns/credentials/v2"
_PAGE = re.compile(r"(?P<page>0|[1-9][0-9]{0,6})|under-(?P<parent>[1-9][0-9]{0,11})", re.ASCII)


class Purpose(StrEnum):
    """`statusPurpose`. Revocation cannot be taken back; a replaced document counts as
    revoked."""

    REVOCATION = "revocation"
    SUSPENSION = "suspension"


_SET_BY = {
    Purpose.REVOCATION: frozenset({Standing.REVOKED, Standing.SUPERSEDED}),
    Purpose.SUSPENSION: frozenset({Standing.SUSPENDED}),
}


@dataclass(frozen=True, slots=True)
class Page:
    """One list's share of a register: 131,072 numbers, or all that were inserted under one."""

    number: int = 0
    parent: int | None = None

    @classmethod
    def of(cls, number: int, child: int) -> Page:
        """The page that an entry stands on."""
        return cls(parent=number) if child else cls((number - 1) // PLACES)

    @classmethod
    def parse(cls, text: str) -> Page | None:
        """`3`, or `under-12`; None for anything else."""
        match = _PAGE.fullmatch(text)
        if match is None:
            return None
        parent = match["parent"]
        return cls(parent=int(parent)) if parent else cls(int(match["page"]))

    def __str__(self) -> str:
        return f"under-{self.parent}" if self.parent else str(self.number)

    @property
    def span(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The first and the last position (number, place under it) within it. What was inserted
        lies among the others, and counts on its own page only."""
        if self.parent:
            return (self.parent, 1), (self.parent, MOST_CHILDREN)
        first = self.number * PLACES + 1
        return (first, 0), (first + PLACES - 1, MOST_CHILDREN)

    def index_of(self, number: int, child: int) -> int:
        return child - 1 if child else (number - 1) % PLACES


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """An entry whose document was ruled on."""

    number: int
    child: int
    marks: tuple[Mark, ...]


def list_url(register: Register, purpose: Purpose, page: Page, *, public_url: str) -> str:
    return f"{public_url}/v1/registers/{register.register_id}/status/{purpose}/{page}"


def status_entries(
    register: Register, number: int, child: int, *, public_url: str
) -> list[dict[str, str]]:
    """`credentialStatus` of the document with this number: where its bits stand."""
    page = Page.of(number, child)
    index = str(page.index_of(number, child))
    entries = []
    for purpose in Purpose:
        url = list_url(register, purpose, page, public_url=public_url)
        entries.append(
            {
                "id": f"{url}#{index}",
                "type": "BitstringStatusListEntry",
                "statusPurpose": purpose.value,
                "statusListIndex": index,
                "statusListCredential": url,
            }
        )
    return entries


def encoded_list(indices: Iterable[int]) -> str:
    """Multibase (`u`: base64url without padding) of the gzipped bits, of which the first is
    the leftmost. Same bits, same text."""
    bits = bytearray(PLACES // 8)
    for index in indices:
        bits[index // 8] |= 0x80 >> index % 8
    packed = gzip.compress(bytes(bits), mtime=0)
    return "u" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def entity_tag(encoded: str, at: datetime) -> str:
    """What changes whenever the bits do, and often enough besides: who is told that nothing
    changed goes on using a credential, so that one must not be past its `validUntil`."""
    period = int(at.timestamp() // _TAG_FOR.total_seconds())
    return sha256(f"{period} {encoded}".encode()).hexdigest()[:32]


def set_indices(
    marked: Sequence[Marked], purpose: Purpose, page: Page, at: datetime
) -> tuple[int, ...]:
    """Whose bits are 1 at a time."""
    return tuple(
        page.index_of(m.number, m.child)
        for m in marked
        if (m.child > 0) == (page.parent is not None)
        and standing_by(m.marks, at) in _SET_BY[purpose]
    )


def credential(url: str, purpose: Purpose, encoded: str, at: datetime, *, issuer: str) -> bytes:
    """The BitstringStatusListCredential that is signed (VC data model 2.0)."""
    return canonical_json(
        {
            "@context": [_CONTEXT],
            "id": url,
            "type": ["VerifiableCredential", "BitstringStatusListCredential"],
            "issuer": issuer,
            "validFrom": _utc(at),
            "validUntil": _utc(at + _VALID_FOR),
            "credentialSubject": {
                "id": f"{url}#list",
                "type": "BitstringStatusList",
                "statusPurpose": purpose.value,
                "encodedList": encoded,
                "ttl": int(TTL.total_seconds() * 1000),
            },
        }
    )


def _utc(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
