"""Look at the seals of a PDF with pyHanko. Implements services.verify.SealValidator.

Revocation is not fetched here: a file's certificates would decide which addresses we
call. Trust means a valid path to the given anchors at the time of the time-stamp.
"""

from __future__ import annotations

import asyncio
import logging
from io import BytesIO
from typing import TYPE_CHECKING

from asn1crypto import parser, pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import extract_tst_data_iter
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from chalicelib.domain.errors import SealVerificationError
from chalicelib.domain.verdict import Sealer, SealObservation, TimestampObservation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pyhanko.sign.validation import EmbeddedPdfSignature, PdfSignatureStatus
    from pyhanko.sign.validation.status import TimestampSignatureStatus


# pyHanko logs whom certificates name, with tracebacks; what was found goes into the
# observation, and names have no place in logs.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)


class PadesValidator:
    """Stateless."""

    def observe(self, pdf: bytes, anchors: Sequence[str]) -> tuple[SealObservation, ...]:
        """Every seal, oldest first. Raises SealVerificationError, with the ETSI
        sub-indication, if the file or a seal in it cannot be read."""
        try:
            return asyncio.run(_observe_all(pdf, anchors))
        except SignatureValidationError as error:
            raise _unreadable(error, error.ades_subindication.standard_name) from error
        except Exception as error:
            raise _unreadable(error, "FORMAT_FAILURE") from error


def validation_context(
    anchors: Sequence[str], *, moment: datetime | None = None
) -> ValidationContext:
    """Trust in `anchors` (PEM) and nothing else, at `moment` (now if None), offline."""
    return ValidationContext(
        trust_roots=[load_pem(anchor) for anchor in anchors],
        moment=moment,
        best_signature_time=moment,
        allow_fetching=False,
        revocation_mode="soft-fail",
    )


def load_pem(text: str) -> x509.Certificate:
    """One certificate. Raises ValueError if the text is not a PEM certificate."""
    _, _, der = pem.unarmor(text.encode("ascii"))
    certificate: x509.Certificate = x509.Certificate.load(der, strict=True)
    return certificate


def _unreadable(error: Exception, sub_indication: str) -> SealVerificationError:
    # Only the kind of error: its text may quote the file.
    return SealVerificationError(
        f"The file cannot be read as a sealed PDF ({type(error).__name__}).", sub_indication
    )


async def _observe_all(pdf: bytes, anchors: Sequence[str]) -> tuple[SealObservation, ...]:
    reader = PdfFileReader(BytesIO(pdf))
    return tuple(
        [await _observe(seal, pdf, anchors) for seal in reader.embedded_regular_signatures]
    )


async def _observe(
    seal: EmbeddedPdfSignature, pdf: bytes, anchors: Sequence[str]
) -> SealObservation:
    status = await async_validate_pdf_signature(
        seal,
        # A seal must have been trustworthy when it was made, not when it is looked
        # at; whether that time can be believed is judged by the time-stamp itself.
        signer_validation_context=validation_context(anchors, moment=_stamped_at(seal)),
        ts_validation_context=validation_context(anchors),
    )
    problem = status.trust_problem_indic
    return SealObservation(
        field=seal.field_name,
        sealer=_sealer(status.signing_cert),
        intact=status.intact,
        valid=status.valid,
        whole_file=_covers_whole_file(seal, status, pdf),
        trusted=status.trusted,
        trust_problem=problem.standard_name if problem else None,
        timestamp=_timestamp(status.timestamp_validity),
    )


def _stamped_at(seal: EmbeddedPdfSignature) -> datetime | None:
    for token in extract_tst_data_iter(seal.signer_info, signed=False):
        moment: datetime = token["encap_content_info"]["content"].parsed["gen_time"].native
        return moment
    return None


def _covers_whole_file(seal: EmbeddedPdfSignature, status: PdfSignatureStatus, pdf: bytes) -> bool:
    """pyHanko compares lengths; here the gap must also be the seal itself, filled up with
    zeros, so that nothing else can hide in it."""
    if status.coverage is not SignatureCoverageLevel.ENTIRE_FILE:
        return False
    _, end_of_first, start_of_second, _ = (int(n) for n in seal.byte_range)
    gap = pdf[end_of_first:start_of_second]
    contents = seal.pkcs7_content
    room_is_empty = not any(contents[_der_length(contents) :])
    return room_is_empty and gap.upper() == b"<%s>" % contents.hex().upper().encode("ascii")


def _der_length(data: bytes) -> int:
    """Length of the first DER value in `data`, in bytes."""
    _, _, _, header, content, trailer = parser.parse(data)
    return len(header) + len(content) + len(trailer)


def _timestamp(status: TimestampSignatureStatus | None) -> TimestampObservation | None:
    if status is None:
        return None
    problem = status.trust_problem_indic
    return TimestampObservation(
        at=status.timestamp,
        authority=_sealer(status.signing_cert).common_name,
        sound=status.intact and status.valid,
        trusted=status.trusted,
        problem=problem.standard_name if problem else None,
    )


def _sealer(certificate: x509.Certificate) -> Sealer:
    subject = certificate.subject.native
    return Sealer(
        common_name=str(subject.get("common_name", "")),
        organization=str(subject.get("organization_name", "")),
        fingerprint=certificate.sha256.hex(),
    )
