"""Check one file: the verdict on its seals, its digest, and what it claims to be. Runs in the
`verify` function, which can reach nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from chalicelib.domain.verdict import TOO_LARGE, CheckedFile
from chalicelib.services.verify import SealValidator, verify


class FileReader(SealValidator, Protocol):
    def claimed_code(self, pdf: bytes) -> str | None:
        """The verification code a file claims; None if it has none or cannot be read."""


def check_file(pdf: bytes, anchors: Sequence[str], *, reader: FileReader) -> CheckedFile:
    """Never raises for a broken file."""
    verdict = verify(pdf, validator=reader, anchors=anchors)
    return CheckedFile(
        verdict=verdict,
        sha256=sha256(pdf).hexdigest(),
        size=len(pdf),
        # What was too much to check is not opened a second time.
        claimed_code=None if TOO_LARGE in verdict.findings else reader.claimed_code(pdf),
    )
