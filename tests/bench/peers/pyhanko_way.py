"""pyHanko's documented way: `PdfSigner` with a `SimpleSigner` (its library guide, "Signing").

Time-stamps come from the same authority in this process as ours, without request and
nonce; revocation data is the same and lies in the validation context, as its guide has it
for B-LT and B-LTA, so nothing is fetched. Signers and time-stampers are kept.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from asn1crypto import cms, crl, keys, ocsp, x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from chalicelib.domain.seals import SealLevel

if TYPE_CHECKING:
    from chalicelib.adapters.trust import Timestamper, UsableCredential
    from tests.support.sealing import SoftwareKey


# asn1crypto takes a length that ends like this for "indefinite", and encodes all of it again
# and again: fifty times as long for one of many tokens. That is nobody's documented way.
_TAKEN_FOR_INDEFINITE = b"\x80"


class PyHankoWay:
    """Seals files with one credential at one level."""

    def __init__(
        self,
        key: SoftwareKey,
        usable: UsableCredential,
        timestamper: Timestamper,
        root: bytes,
        level: SealLevel,
    ) -> None:
        self._level = level
        self._signer = _signer(key, usable)
        self._stamper = _LocalStamper(timestamper) if level.stamped else None
        data = timestamper.stamp(bytes(32)).validation_data
        self._root = x509.Certificate.load(root)
        self._certificates = [
            x509.Certificate.load(der)
            for der in (*usable.validation_data.certificates, *data.certificates)
        ]
        self._answers = _loaded(
            ocsp.OCSPResponse, usable.validation_data.ocsp_responses + data.ocsp_responses
        )
        self._lists = _loaded(crl.CertificateList, usable.validation_data.crls + data.crls)

    def seal(self, pdf: bytes) -> bytes:
        """A sealed file; a field `Seal1`, invisible."""
        settings: dict[str, Any] = {}
        if self._level.has_validation_data:
            settings = {
                "embed_validation_info": True,
                "use_pades_lta": self._level is SealLevel.B_LTA,
                "validation_context": self._context(),
            }
        metadata = PdfSignatureMetadata(
            field_name="Seal1", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES, **settings
        )
        signer = PdfSigner(metadata, signer=self._signer, timestamper=self._stamper)
        output = BytesIO()
        signer.sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf)), output=output)
        return output.getvalue()

    def _context(self) -> ValidationContext:
        # One per file: pyHanko gathers in it what it found out.
        return ValidationContext(
            trust_roots=[self._root],
            other_certs=self._certificates,
            ocsps=self._answers,
            crls=self._lists,
            allow_fetching=False,
            revocation_mode="hard-fail",
        )


class _LocalStamper(TimeStamper):
    def __init__(self, timestamper: Timestamper) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # pyHanko gives it no types
        self._timestamper = timestamper

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        token = self._timestamper.stamp(message_digest, md_algorithm).der
        while token[:4].endswith(_TAKEN_FOR_INDEFINITE):
            token = self._timestamper.stamp(message_digest, md_algorithm).der
        loaded: cms.ContentInfo = cms.ContentInfo.load(token)
        return loaded


def _signer(key: SoftwareKey, usable: UsableCredential) -> SimpleSigner:
    issuers = SimpleCertificateStore()
    issuers.register_multiple([x509.Certificate.load(der) for der in usable.issuers])
    private = key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SimpleSigner(
        signing_cert=x509.Certificate.load(usable.certificate),
        signing_key=keys.PrivateKeyInfo.load(private),
        cert_registry=issuers,
    )


def _loaded(kind: Any, ders: tuple[bytes, ...]) -> list[Any]:
    return [kind.load(der) for der in dict.fromkeys(ders)]
