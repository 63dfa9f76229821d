"""A second reader for the first seal of its kind: pyHanko looks at the whole file.

`own_check` looks at what a seal must be; pyHanko also follows every reference and compares
the revisions object by object, at a hundred times the cost. What could only show there
(typst writes otherwise after an update, say) shows in the first file of a container.
Trust is not asked for here: credential and time-stamps were checked before their use.
"""

from __future__ import annotations

import logging
from io import BytesIO
from typing import TYPE_CHECKING

from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import async_validate_pdf_timestamp
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from chalicelib.adapters.coroutines import result_of
from chalicelib.domain.errors import SealVerificationError
from chalicelib.domain.seals import SealLevel

if TYPE_CHECKING:
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

# pyHanko logs whom certificates name; names have no place in logs.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)


def check_with_pyhanko(pdf: bytes, level: SealLevel) -> None:
    """One seal, intact, and after it nothing but what `level` adds. Raises
    SealVerificationError."""
    try:
        sound = result_of(_is_sound(pdf, level))
    except Exception as error:
        # A reader meets damage in its own ways; its texts may quote the file.
        raise SealVerificationError(
            f"pyHanko cannot read the new seal ({type(error).__name__}).", "FORMAT_FAILURE"
        ) from error
    if not sound:
        raise SealVerificationError("pyHanko does not find the new seal sound.", "FORMAT_FAILURE")


async def _is_sound(pdf: bytes, level: SealLevel) -> bool:
    reader = PdfFileReader(BytesIO(pdf))
    seals = list(reader.embedded_regular_signatures)
    stamps = list(reader.embedded_timestamp_signatures)
    if len(seals) != 1 or len(stamps) != int(level is SealLevel.B_LTA):
        return False
    return await _seal_is_sound(seals[0], level) and all(
        [await _stamp_is_sound(stamp) for stamp in stamps]
    )


async def _seal_is_sound(seal: EmbeddedPdfSignature, level: SealLevel) -> bool:
    status = await async_validate_pdf_signature(seal, _nobody_trusted())
    stamp = status.timestamp_validity
    if level.has_validation_data:
        extent = status.coverage >= SignatureCoverageLevel.ENTIRE_REVISION
        extent = extent and status.modification_level is ModificationLevel.LTA_UPDATES
    else:
        extent = status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    stamped = (stamp is not None) == level.stamped and (
        stamp is None or (stamp.intact and stamp.valid)
    )
    return bool(status.intact and status.valid and extent and stamped)


async def _stamp_is_sound(stamp: EmbeddedPdfSignature) -> bool:
    status = await async_validate_pdf_timestamp(stamp, _nobody_trusted())
    whole = status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    return bool(status.intact and status.valid and whole)


def _nobody_trusted() -> ValidationContext:
    return ValidationContext(trust_roots=[], allow_fetching=False, revocation_mode="soft-fail")
