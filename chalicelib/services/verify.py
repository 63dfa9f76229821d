"""Verify a PDF that claims to be sealed, and say why (POST /v1/verify, `tra verify`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.errors import SealVerificationError, TooLargeToCheckError
from chalicelib.domain.verdict import (
    NOT_PDF,
    TOO_LARGE,
    UNREADABLE,
    Circumstances,
    Indication,
    Rules,
    SealObservation,
    Verdict,
    judge,
    not_verifiable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# ISO 32000-1 §7.5.2 has the header first; readers tolerate 1,024 bytes before it, but
# a file we sealed begins with it.
_HEADER = b"%PDF-"


class SealValidator(Protocol):
    def observe(
        self, pdf: bytes, anchors: Sequence[str], circumstances: Circumstances
    ) -> tuple[SealObservation, ...]:
        """Every seal in the file, checked against the anchors (PEM). Raises
        SealVerificationError if the file cannot be read, TooLargeToCheckError if reading it
        would take too much."""


def verify(
    pdf: bytes,
    *,
    validator: SealValidator,
    anchors: Sequence[str],
    circumstances: Circumstances | None = None,
    rules: Rules | None = None,
) -> Verdict:
    """The verdict on any bytes at all; only what the bytes say is used, and nothing is
    stored. Never raises for a broken file."""
    # 1. Is it a PDF?
    if not pdf.startswith(_HEADER):
        return not_verifiable(NOT_PDF, Indication.TOTAL_FAILED, "FORMAT_FAILURE")
    # 2. Look at every seal.
    try:
        observations = validator.observe(pdf, anchors, circumstances or Circumstances())
    except TooLargeToCheckError:
        return not_verifiable(TOO_LARGE, Indication.INDETERMINATE, "GENERIC")
    except SealVerificationError as error:
        sub_indication = error.sub_indication or "FORMAT_FAILURE"
        return not_verifiable(UNREADABLE, Indication.TOTAL_FAILED, sub_indication)
    # 3. Judge.
    return judge(observations, rules)
