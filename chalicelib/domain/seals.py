"""Seals: what a document type wants of its seal, and what a finished one is.

Levels are the baseline levels of PAdES, EN 319 142-1 §6: each holds what the one before
it holds, and proves for longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DEVELOPMENT_MARK = "DEVELOPMENT ONLY"
"""In the subject of every certificate of the development PKI; refused in production."""


class SealLevel(StrEnum):
    """EN 319 142-1 §6.1."""

    B_B = "B-B"
    """A signature; nothing says when it was made."""
    B_T = "B-T"
    """And a time-stamp on the signature: it existed then."""
    B_LT = "B-LT"
    """And the certificates and revocation data that a validator will ask for."""
    B_LTA = "B-LTA"
    """And a time-stamp over all of that, so it can be believed when its authors are gone."""

    @property
    def stamped(self) -> bool:
        return self is not SealLevel.B_B

    @property
    def has_validation_data(self) -> bool:
        return self in {SealLevel.B_LT, SealLevel.B_LTA}


class KeyAlgorithm(StrEnum):
    """Keys a seal may have; the values are KMS key specs."""

    RSA_2048 = "RSA_2048"
    RSA_3072 = "RSA_3072"
    P_256 = "ECC_NIST_P256"
    P_384 = "ECC_NIST_P384"

    @property
    def is_rsa(self) -> bool:
        return self in {KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_3072}

    @property
    def digest(self) -> str:
        """The hash that goes with the key's strength, as hashlib names it (ETSI TS 119 312)."""
        return "sha384" if self is KeyAlgorithm.P_384 else "sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCredential:
    """An agency's seal: a key in KMS and the certificates that speak for it.

    `chain_pem` starts with the seal certificate and ends below the root.
    """

    key_id: str
    chain_pem: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealAppearance:
    """Where and how a visible seal is printed. Millimetres from the page's lower left
    corner; page 1 is the first, -1 the last."""

    page: int = -1
    left_mm: float
    bottom_mm: float
    width_mm: float
    height_mm: float
    emblem: bool = True
    text: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SealPolicy:
    """What a document type wants of its seal. Without `appearance` it is invisible.

    A credential whose certificate ends within `least_days_left` does not seal any more:
    whoever checks the document should have that long to do so without long-term data.
    """

    level: SealLevel = SealLevel.B_LTA
    appearance: SealAppearance | None = None
    least_days_left: int = 30

    @property
    def least_left(self) -> timedelta:
        return timedelta(days=self.least_days_left)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPdf:
    """A sealed file and what its seal is. `stamped_at` is the time of the signature
    time-stamp. From `proof_until` on the file alone no longer proves when it was sealed
    (its newest time-stamp's certificate ends), so an evidence record must."""

    pdf: bytes
    credential: SealCredential
    level: SealLevel
    stamped_at: datetime | None
    proof_until: datetime
