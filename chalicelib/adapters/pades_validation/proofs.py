"""Time-stamps from the newest to the oldest: what is proven to have existed when.

The shape of EN 319 102-1 §5.6.3, for PDF: the newest document time-stamp must be believed
now (or at the time that something outside the file proves); each older one must be
believed at the time the next newer one proves, with the validation data that one covers. So
a certificate that ended or was revoked after a proven time does no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyhanko.sign.validation import async_validate_pdf_timestamp
from pyhanko.sign.validation.generic_cms import (
    extract_tst_data_iter,
    message_imprint_checker,
    validate_tst_signed_data,
)
from pyhanko.sign.validation.status import TimestampSignatureStatus

from chalicelib.adapters.pades_validation.reading import covered_end, shown
from chalicelib.adapters.pades_validation.trust import (
    Material,
    Revocation,
    ends_at,
    problem_of,
    validation_context,
)
from chalicelib.domain.verdict import TimestampObservation

if TYPE_CHECKING:
    from datetime import datetime

    from asn1crypto import cms
    from pyhanko.sign.validation import EmbeddedPdfSignature


@dataclass(frozen=True, slots=True)
class Proof:
    """All bytes up to `end` existed at `at`; `material` is what could be known of
    certificates then. `from_file`: the file alone holds all of it. `stamped`: a document
    time-stamp says so, not the checker's clock."""

    at: datetime
    end: int
    material: Material
    from_file: bool = True
    stamped: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """Document time-stamps as observed, oldest first, and what they prove, newest first."""

    stamps: tuple[tuple[EmbeddedPdfSignature, TimestampObservation], ...]
    proofs: tuple[Proof, ...]


async def prove(
    stamps: Sequence[EmbeddedPdfSignature], newest: Proof, anchors: Sequence[str]
) -> Chain:
    """Walk the document time-stamps (oldest first) from `newest`, what the checker knows."""
    observed: list[tuple[EmbeddedPdfSignature, TimestampObservation]] = []
    proofs = [newest]
    for stamp in reversed(stamps):
        seen = await _document_timestamp(stamp, proofs[-1], anchors)
        observed.append((stamp, seen))
        if seen.sound and seen.trusted and seen.at <= proofs[-1].at:
            revision = stamp.reader.get_historical_resolver(stamp.signed_revision)
            material = Material.embedded(revision)
            proofs.append(Proof(seen.at, covered_end(stamp), material, stamped=True))
    return Chain(tuple(reversed(observed)), tuple(proofs))


async def _document_timestamp(
    stamp: EmbeddedPdfSignature, proof: Proof, anchors: Sequence[str]
) -> TimestampObservation:
    context = validation_context(anchors, moment=proof.at, material=proof.material)
    status = await async_validate_pdf_timestamp(stamp, context, skip_diff=True)
    return _observation(status)


async def signature_timestamp(
    signer_info: cms.SignerInfo, proof: Proof, anchors: Sequence[str]
) -> TimestampObservation | None:
    """The seal's own time-stamp, believed at the time of `proof`. Of several the first that
    can be trusted, else the last."""
    seen: TimestampObservation | None = None
    for token in extract_tst_data_iter(signer_info, signed=False):
        seen = await _token(token, signer_info, proof, anchors)
        if seen.sound and seen.trusted:
            return seen
    return seen


async def _token(
    token: cms.SignedData, signer_info: cms.SignerInfo, proof: Proof, anchors: Sequence[str]
) -> TimestampObservation:
    status = await _validated(token, signer_info, proof.at, proof.material, anchors)
    if not (status.intact and status.valid and status.trusted):
        return _observation(status)
    # Data for the time of the stamp must be there; newer ones than that cannot be in a file.
    known = await _validated(
        token,
        signer_info,
        status.timestamp,
        proof.material,
        anchors,
        revocation=Revocation.FOR_THE_TIME,
    )
    return _observation(status, revocation_known=known.trusted)


async def _validated(
    token: cms.SignedData,
    signer_info: cms.SignerInfo,
    moment: datetime,
    material: Material,
    anchors: Sequence[str],
    *,
    revocation: Revocation = Revocation.IF_THERE,
) -> TimestampSignatureStatus:
    context = validation_context(anchors, moment=moment, material=material, revocation=revocation)
    fields = await validate_tst_signed_data(token, context, message_imprint_checker(signer_info))
    return TimestampSignatureStatus(**fields)


def _observation(
    status: TimestampSignatureStatus, *, revocation_known: bool = True
) -> TimestampObservation:
    names = status.signing_cert.subject.native
    return TimestampObservation(
        at=status.timestamp,
        authority=shown(names.get("common_name")),
        sound=status.intact and status.valid,
        trusted=status.trusted,
        problem=problem_of(status),
        revocation_known=revocation_known,
        ends_at=ends_at(status),
    )
