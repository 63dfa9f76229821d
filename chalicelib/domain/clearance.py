"""How far a clearance reaches (A24): ปกติ, ลับ, ลับมาก. ลับที่สุด never travels here."""

from __future__ import annotations

from chalicelib.domain.classification import Classification

RANK = (Classification.NORMAL, Classification.CONFIDENTIAL, Classification.SECRET)
"""What a clearance can be, the least first."""


def is_cleared(clearance: Classification, classification: Classification) -> bool:
    """Whether a clearance reaches so far. Nobody is cleared for what never travels here (A24)."""
    if classification not in RANK or clearance not in RANK:
        return False
    return RANK.index(clearance) >= RANK.index(classification)
