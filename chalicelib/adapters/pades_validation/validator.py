"""The observation of each seal: what is in it, what follows it, who is behind it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyhanko.pdf_utils.misc import PdfDecodeLimitError
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError

from chalicelib.adapters.coroutines import result_of
from chalicelib.adapters.pades_validation.changes import changes_after
from chalicelib.adapters.pades_validation.claim import attached_file, claimed_code
from chalicelib.adapters.pades_validation.proofs import Proof, prove, signature_timestamp
from chalicelib.adapters.pades_validation.reading import (
    covered_end,
    is_document_timestamp,
    open_pdf,
    shown,
    signatures_in,
)
from chalicelib.adapters.pades_validation.trust import (
    Material,
    Revocation,
    check_anchors,
    issuers_of,
    problem_of,
    validation_context,
)
from chalicelib.domain.errors import SealVerificationError, TooLargeToCheckError
from chalicelib.domain.verdict import (
    Circumstances,
    Sealer,
    SealObservation,
    TimestampObservation,
)

if TYPE_CHECKING:
    from asn1crypto import x509
    from pyhanko.sign.validation import EmbeddedPdfSignature, PdfSignatureStatus

    from chalicelib.adapters.pades_validation.proofs import Chain

# pyHanko logs whom certificates name, with tracebacks; what was found goes into the
# observation, and names have no place in logs.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)

_REVOKED = frozenset({"REVOKED", "REVOKED_NO_POE", "REVOKED_CA_NO_POE"})
_NO_CIRCUMSTANCES = Circumstances()


class PadesValidator:
    """Stateless."""

    def observe(
        self,
        pdf: bytes,
        anchors: Sequence[str],
        circumstances: Circumstances = _NO_CIRCUMSTANCES,
    ) -> tuple[SealObservation, ...]:
        """Every seal, oldest first. Raises SealVerificationError, with the ETSI
        sub-indication, if the file or a seal in it cannot be read; TooLargeToCheckError if
        that would take more than a file deserves; MalformedRequestError if the fresh
        revocation data are none, ConfigurationError if an anchor is none."""
        check_anchors(anchors)
        fresh = Material.given(circumstances.ocsp_responses, circumstances.crls)
        try:
            return result_of(_Room(pdf, anchors, circumstances, fresh).observe())
        except SignatureValidationError as error:
            problem = error.ades_subindication
            name = problem.standard_name if problem else "FORMAT_FAILURE"
            raise _unreadable(error, name) from error
        except (RecursionError, MemoryError, PdfDecodeLimitError) as error:
            raise TooLargeToCheckError(type(error).__name__) from error
        except TooLargeToCheckError:
            raise
        except Exception as error:
            if isinstance(error.__cause__, PdfDecodeLimitError | RecursionError):
                raise TooLargeToCheckError(type(error).__name__) from error
            raise _unreadable(error, "FORMAT_FAILURE") from error

    def claimed_code(self, pdf: bytes) -> str | None:
        """See `claim`; None for whatever cannot be read."""
        try:
            return claimed_code(pdf)
        except Exception:  # noqa: BLE001 - a stranger's file may fail in any way; it claims nothing then
            return None

    def attached(self, pdf: bytes, name: str) -> bytes | None:
        """The attachment of that name; None for whatever cannot be read."""
        try:
            return attached_file(pdf, name)
        except Exception:  # noqa: BLE001 - as above
            return None


def _unreadable(error: Exception, sub_indication: str) -> SealVerificationError:
    # Only the kind of error: its text may quote the file.
    return SealVerificationError(
        f"The file cannot be read as a sealed PDF ({type(error).__name__}).", sub_indication
    )


@dataclass(frozen=True, slots=True)
class _Room:
    """One file, looked at once."""

    pdf: bytes
    anchors: Sequence[str]
    circumstances: Circumstances
    fresh: Material

    async def observe(self) -> tuple[SealObservation, ...]:
        # 1. The file and its signatures.
        reader = open_pdf(self.pdf)
        signatures = signatures_in(reader)
        seals = [s for s in signatures if not is_document_timestamp(s)]
        if not seals:
            return ()
        # 2. What the document time-stamps prove, from now back.
        known = self.circumstances
        now = known.proven_at or known.now or datetime.now(UTC)
        embedded = Material.embedded(reader)
        newest = Proof(now, len(self.pdf), self.fresh | embedded, from_file=not self.fresh)
        stamps = [s for s in signatures if is_document_timestamp(s)]
        chain = await prove(stamps, newest, self.anchors)
        # 3. Each seal under these proofs: the oldest is the best one, if the file had all by
        #    then; what the checker brought along comes last.
        alone = replace(newest, material=embedded, from_file=True)
        proofs = (*reversed(chain.proofs[1:]), alone, *chain.proofs[:1])
        return tuple([await self._seal(s, signatures, chain, proofs) for s in seals])

    async def _seal(
        self,
        seal: EmbeddedPdfSignature,
        signatures: list[EmbeddedPdfSignature],
        chain: Chain,
        proofs: Sequence[Proof],
    ) -> SealObservation:
        for proof in proofs:
            if proof.end < covered_end(seal):
                continue
            seen = await self._under(seal, proof)
            if seen.trusted and seen.revocation_known:
                break
        seen = await self._with_fresh(seal, seen)
        return replace(
            seen,
            changes=changes_after(seal, signatures, self.pdf),
            document_timestamps=tuple(
                stamp for made, stamp in chain.stamps if covered_end(made) > covered_end(seal)
            ),
        )

    async def _under(self, seal: EmbeddedPdfSignature, proof: Proof) -> SealObservation:
        """The seal with what `proof` proves; changes and document time-stamps come later."""
        stamp = await signature_timestamp(seal.signer_info, proof, self.anchors)
        sealed_at = _proven(stamp, proof)
        status = await self._validated(seal, sealed_at, proof.material)
        problem = problem_of(status) or _issuer_problem(status, proof.at)
        known = False
        if problem is None:
            strict = await self._validated(seal, sealed_at, proof.material, Revocation.FOR_THE_TIME)
            known = strict.trusted and (stamp is None or stamp.revocation_known)
            # An older answer said "good"; one for the time itself goes before it.
            if (told := problem_of(strict)) in _REVOKED:
                problem = told
        embedded = known and proof.from_file and bool(proof.material)
        return SealObservation(
            field=shown(seal.field_name),
            sealer=_sealer(status.signing_cert),
            intact=status.intact,
            valid=status.valid,
            changes=(),
            trusted=problem is None,
            trust_problem=problem,
            timestamp=stamp,
            revocation_known=known,
            data_embedded=embedded,
            data_stamped=embedded and proof.stamped,
        )

    async def _with_fresh(
        self, seal: EmbeddedPdfSignature, seen: SealObservation
    ) -> SealObservation:
        """An older answer in the file may say "good" and hide a newer one that says since when
        it was not; the newer one is asked alone."""
        if not (self.fresh and seen.trusted):
            return seen
        moment = seen.timestamp.at if seen.timestamp else None
        embedded = Material(Material.embedded(seal.reader).certificates)
        status = await self._validated(seal, moment, self.fresh | embedded)
        problem = problem_of(status)
        return replace(seen, trusted=problem is None, trust_problem=problem)

    async def _validated(
        self,
        seal: EmbeddedPdfSignature,
        moment: datetime | None,
        material: Material,
        revocation: Revocation = Revocation.IF_THERE,
    ) -> PdfSignatureStatus:
        context = validation_context(
            self.anchors, moment=moment, material=material, revocation=revocation
        )
        return await async_validate_pdf_signature(
            seal,
            signer_validation_context=context,
            ts_validation_context=validation_context(self.anchors),
            skip_diff=True,
        )


def _proven(stamp: TimestampObservation | None, proof: Proof) -> datetime:
    """The best signature time (EN 319 102-1 §5.5): when the seal is first proven to have been
    there."""
    if stamp is not None and stamp.sound and stamp.trusted:
        return min(stamp.at, proof.at)
    return proof.at


def _issuer_problem(status: PdfSignatureStatus, proven_at: datetime) -> str | None:
    """Who issued the certificates must still have stood when their word is first proven to
    have been given: afterwards anybody who came by the key could have given it."""
    ended = any(issuer.not_valid_after < proven_at for issuer in issuers_of(status))
    return "NO_POE" if ended else None


def _sealer(certificate: x509.Certificate) -> Sealer:
    subject = certificate.subject.native
    return Sealer(
        common_name=shown(subject.get("common_name")),
        organization=shown(subject.get("organization_name")),
        fingerprint=certificate.sha256.hex(),
    )
