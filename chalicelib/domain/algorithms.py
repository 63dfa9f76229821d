"""Until when algorithms may be believed: data, with the source of every date.

The dates are those of ETSI TS 119 312 V1.5.1 as EU DSS 6.4 applies them (its default
validation policy, updated 2024-10-13): a validator that people use refuses what is older.
None means recommended, without an end so far. Look at the table when a new edition of
the standard comes; `RenewalPolicy.ends` overrides it on the day something breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum


def _from(year: int, month: int) -> datetime:
    return datetime(year, month, 1, tzinfo=UTC)


HASHES: Mapping[str, datetime | None] = {
    "md5": _from(2004, 8),  # TS 102 176-1 V2.1.1 (historical)
    "sha1": _from(2012, 8),
    "sha224": _from(2029, 1),
    "sha256": None,
    "sha384": None,
    "sha512": None,
    "sha3_256": None,
    "sha3_384": None,
    "sha3_512": None,
}
"""By hashlib's name: when a digest stops to prove anything. What is not listed never did."""

PREFERRED = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512")
"""What a hash-tree renewal changes to: the first that lasts."""


class Signature(StrEnum):
    """Signature schemes of time-stamps."""

    RSA_PKCS1 = "rsassa_pkcs1v15"
    RSA_PSS = "rsassa_pss"
    ECDSA = "ecdsa"
    DSA = "dsa"


SIGNATURES: Mapping[Signature, tuple[tuple[int, datetime | None], ...]] = {
    Signature.RSA_PKCS1: (
        (786, _from(2010, 8)),
        (1024, _from(2019, 10)),
        (1900, _from(2029, 1)),
        (3000, _from(2029, 1)),
    ),
    Signature.RSA_PSS: (
        (786, _from(2010, 8)),
        (1024, _from(2019, 10)),
        (1900, _from(2029, 1)),
        (3000, None),
    ),
    Signature.ECDSA: (
        (160, _from(2012, 8)),
        (224, _from(2021, 10)),
        (256, None),
    ),
    Signature.DSA: ((1024, _from(2015, 12)), (1900, _from(2029, 1)), (3000, None)),
}
"""By scheme: from so many bits of key on, until when. Fewer bits never proved anything."""

FOREVER = datetime.max.replace(tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)


def hash_end(algorithm: str, ends: Mapping[str, datetime] | None = None) -> datetime:
    """When digests of `algorithm` stop to prove anything: `FOREVER` if nobody knows, `NEVER`
    if they never did. `ends` are dates that count instead of the table's."""
    if ends and algorithm in ends:
        return ends[algorithm]
    if algorithm not in HASHES:
        return NEVER
    return HASHES[algorithm] or FOREVER


def signature_end(scheme: str, bits: int) -> datetime:
    """When signatures of `scheme` with such a key stop to prove anything."""
    end = NEVER
    for least, until in SIGNATURES.get(Signature(scheme), ()) if scheme in set(Signature) else ():
        if bits >= least:
            end = until or FOREVER
    return end


def lasting_hash(until: datetime, ends: Mapping[str, datetime] | None = None) -> str | None:
    """The preferred hash algorithm that still proves something at `until`; None if none does."""
    return next((name for name in PREFERRED if hash_end(name, ends) > until), None)
