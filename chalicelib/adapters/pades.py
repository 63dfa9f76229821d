"""Seals: PAdES B-T (EN 319 142-1) by a P-256 key in KMS, through pyHanko.

The seal is one incremental revision behind the linted bytes, which stay untouched.
Nothing is written anywhere: a process that dies half-way leaves no trace but a spent
KMS signature and time-stamp, and sealing again is always allowed until the first
sealed bytes are archived (P2, P8).
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko_certvalidator.registry import SimpleCertificateStore

from chalicelib.adapters.kms import KmsSigningKey
from chalicelib.adapters.pades_validation import PadesValidator, load_pem
from chalicelib.domain.errors import SealError, SealVerificationError
from chalicelib.domain.seals import SealedPdf, SealLevel
from chalicelib.domain.verdict import Rules, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from asn1crypto import cms, x509
    from mypy_boto3_kms import KMSClient
    from pyhanko.sign.timestamps import TimeStamper

    from chalicelib.domain.seals import SealCredential, SealPolicy
    from chalicelib.ports import Clock, LintedPdf

FIELD_NAME = "Seal1"
_DIGEST = "sha256"
_NEEDED_USAGES = ("digital_signature", "non_repudiation")
# Room in /Contents beside our own certificates: attributes and signature, then a
# time-stamp token with its chain (an RSA chain of a real TSA takes about 6 kB).
_ROOM_FOR_CMS = 1_024
_ROOM_FOR_TIMESTAMP = 8_192


@dataclass(frozen=True, slots=True)
class _PreparedSeal:
    """A credential that was checked once: certificates parsed, key matched."""

    key: KmsSigningKey
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...]

    @property
    def bytes_reserved(self) -> int:
        """Hex digits to reserve for /Contents, which pyHanko would otherwise find out by
        a dry run that costs half of the sealing."""
        chain = sum(len(c.dump()) for c in (self.certificate, *self.issuers))
        return 2 * (chain + _ROOM_FOR_CMS + _ROOM_FOR_TIMESTAMP)


class PadesSealer:
    """Implements ports.Sealer. Credentials are prepared once per container."""

    def __init__(
        self,
        kms: KMSClient,
        timestamper: TimeStamper,
        *,
        anchors: Callable[[], Sequence[str]],
        clock: Clock,
    ) -> None:
        self._anchors = anchors
        self._kms = kms
        self._timestamper = timestamper
        self._clock = clock
        self._validator = PadesValidator()
        self._prepared: dict[SealCredential, _PreparedSeal] = {}

    def seal(
        self,
        linted: LintedPdf,
        credentials: Sequence[SealCredential],
        policy: SealPolicy,  # noqa: ARG002 - B-T whatever it says
    ) -> SealedPdf:
        """`linted.pdf` followed by one revision: an invisible field `Seal1` with a CMS
        signature (ETSI.CAdES.detached, ESS signing-certificate-v2) and an RFC 3161
        signature time-stamp. Two calls give different bytes.

        Raises SealError (credential unusable or file unsealable), TimestampError,
        UnavailableError.
        """
        # 1. A credential that fits its key and is valid now.
        credential = credentials[0]
        now = self._clock()
        prepared = self._prepare(credential)
        _check_validity(prepared.certificate, now)
        try:
            # 2. Write the revision with room for the signature, and digest the rest.
            embedding = _Embedding(linted.pdf, now, prepared.bytes_reserved)
            # 3. Sign the digest in KMS; stamp the signature.
            signature = asyncio.run(self._sign(prepared, embedding.digest))
            # 4. Put it into its room.
            return SealedPdf(
                pdf=embedding.complete(signature),
                credential=credential,
                level=SealLevel.B_T,
                stamped_at=None,
                proof_until=prepared.certificate.not_valid_after,
            )
        except (PdfError, SigningError) as error:
            raise SealError(
                f"The file cannot be sealed: {type(error).__name__}.", "ไม่สามารถประทับตราไฟล์นี้ได้"
            ) from error

    def verify_own(self, sealed: SealedPdf, linted: LintedPdf) -> None:
        """Check a seal just made, before it can leave (P3): the linted bytes are its
        exact beginning, there is exactly one seal, by this credential, over the whole
        file, and it and its time-stamp are trusted to the anchors.

        Raises SealVerificationError with the ETSI sub-indication.
        """
        if not sealed.pdf.startswith(linted.pdf):
            raise SealVerificationError(
                "The sealed file does not begin with the linted one.", "FORMAT_FAILURE"
            )
        observations = self._validator.observe(sealed.pdf, self._anchors())
        # The credential was checked just now; only what the level embeds can be asked for.
        rules = Rules(revocation_required=sealed.level.has_validation_data)
        verdict = judge(observations, rules)
        if not verdict.passed:
            codes = ", ".join(finding.code for finding in verdict.findings)
            raise SealVerificationError(
                f"The new seal does not verify: {codes}.", verdict.sub_indication
            )
        if [seal.sealer.fingerprint for seal in observations] != [_fingerprint(sealed.credential)]:
            raise SealVerificationError(
                "The file does not carry exactly one seal by this agency's certificate.",
                "SIG_CONSTRAINTS_FAILURE",
            )

    def _prepare(self, credential: SealCredential) -> _PreparedSeal:
        if credential not in self._prepared:
            self._prepared[credential] = _prepare(self._kms, credential)
        return self._prepared[credential]

    async def _sign(self, prepared: _PreparedSeal, digest: bytes) -> cms.ContentInfo:
        return await _KmsSigner(prepared).async_sign(
            digest, _DIGEST, use_pades=True, timestamper=self._timestamper
        )


class _KmsSigner(Signer):
    """pyHanko's CMS builder over a key in KMS."""

    def __init__(self, prepared: _PreparedSeal) -> None:
        issuers = SimpleCertificateStore()
        issuers.register_multiple(prepared.issuers)
        super().__init__(
            signing_cert=prepared.certificate, cert_registry=issuers, embed_roots=False
        )
        self._key = prepared.key

    async def async_sign_raw(
        self,
        data: bytes,
        digest_algorithm: str,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - pyHanko's signature
    ) -> bytes:
        if dry_run or digest_algorithm != _DIGEST:
            raise SigningError("seals are made with SHA-256 and never tried out")
        return self._key.sign_digest(hashlib.sha256(data).digest())


# -- the credential ----------------------------------------------------------


def _prepare(kms: KMSClient, credential: SealCredential) -> _PreparedSeal:
    """Raises SealError naming what is wrong with the credential, UnavailableError."""
    try:
        certificate, *issuers = (load_pem(text) for text in credential.chain_pem)
    except ValueError as error:
        raise _unusable("its certificates cannot be read", "อ่านใบรับรองไม่ได้") from error
    usage = certificate.key_usage_value
    allowed = usage.native if usage is not None else set()
    if missing := [name for name in _NEEDED_USAGES if name not in allowed]:
        raise _unusable(
            f"its certificate lacks the key usage {', '.join(missing)}",
            "ใบรับรองไม่ได้กำหนดให้ใช้สำหรับการลงลายมือชื่อ",
        )
    key = KmsSigningKey(kms, credential.key_id)
    if certificate.public_key.dump() != key.public_key_der:
        raise _unusable(
            "its certificate belongs to another key than the one in KMS",
            "ใบรับรองไม่ตรงกับกุญแจในระบบ KMS",
        )
    return _PreparedSeal(key, certificate, tuple(issuers))


def _check_validity(certificate: x509.Certificate, now: datetime) -> None:
    if now < certificate.not_valid_before:
        raise _unusable("its certificate is not yet valid", "ใบรับรองยังไม่เริ่มมีผล")
    if now > certificate.not_valid_after:
        raise _unusable("its certificate has expired", "ใบรับรองหมดอายุแล้ว")


def _unusable(why: str, why_th: str) -> SealError:
    return SealError(f"The seal cannot be used: {why}.", f"ใช้ตราประทับไม่ได้: {why_th}")


def _fingerprint(credential: SealCredential) -> str:
    digest: bytes = load_pem(credential.chain_pem[0]).sha256
    return digest.hex()


# -- the revision ------------------------------------------------------------


class _PdfAWriter(IncrementalPdfFileWriter):
    """Writes a revision that keeps the file PDF/A-3 (ISO 19005-3)."""

    def _update_meta(self) -> None:
        """Nothing: pyHanko would rewrite the XMP and lose its PDF/A part (§6.6.4)."""

    def _write_header(self, stream: BinaryIO) -> None:
        # typst's last line has no end, and §6.1.9 wants one before an object number.
        super()._write_header(stream)  # type: ignore[no-untyped-call]  # pyHanko gives it no types
        stream.write(b"\n")


class _Embedding:
    """A revision written with an empty seal in it."""

    def __init__(self, pdf: bytes, now: datetime, bytes_reserved: int) -> None:
        writer = _PdfAWriter(BytesIO(pdf))
        steps = PdfCMSEmbedder(SigFieldSpec(FIELD_NAME)).write_cms(FIELD_NAME, writer)
        field = next(steps).get_object()
        field[pdf_name("/AP")] = _empty_appearance(writer)
        placeholder = SignatureObject(
            timestamp=now, subfilter=SigSeedSubFilter.PADES, bytes_reserved=bytes_reserved
        )
        steps.send(SigObjSetup(sig_placeholder=placeholder))
        prepared, self._output = steps.send(SigIOSetup(md_algorithm=_DIGEST))
        self._steps = steps
        self.digest: bytes = prepared.document_digest

    def complete(self, signature: cms.ContentInfo) -> bytes:
        self._steps.send(signature)
        sealed: bytes = self._output.getvalue()
        return sealed


def _empty_appearance(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    """PDF/A-3 wants every widget to have a normal appearance (ISO 19005-3 §6.3.3)."""
    form = generic.StreamObject(
        dict_data={
            pdf_name("/Type"): pdf_name("/XObject"),
            pdf_name("/Subtype"): pdf_name("/Form"),
            pdf_name("/BBox"): generic.ArrayObject([generic.NumberObject(0)] * 4),
        },
        stream_data=b"",
    )
    return generic.DictionaryObject({pdf_name("/N"): writer.add_object(form)})
