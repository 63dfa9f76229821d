"""Sealed files made by pyHanko itself, with a real PKI: what others' programs would make.

They show that Tra accepts good files it did not make, and are the raw material of the
malicious ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typst
from asn1crypto import keys
from asn1crypto import pem as asn1_pem
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfTimeStamper
from pyhanko.sign.timestamps import HTTPTimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from chalicelib.adapters.coroutines import result_of
from chalicelib.domain.seals import SealLevel
from infra.pki import issue_seal_certificate, to_pem

if TYPE_CHECKING:
    from infra.devservices import DevServices

FONTS = Path(__file__).parents[2] / "chalicelib" / "fonts"
PAGE = """\
#set document(title: "ใบอนุญาต", date: datetime(year: 2026, month: 11, day: 21))
#set text(lang: "th", font: "Sarabun")
#pdf.attach("content.json", bytes("{}"), relationship: "data",
            mime-type: "application/json", description: "content")
= ใบอนุญาตประกอบกิจการ
เลขที่ ๑๒/๒๕๖๙
"""


def page(folder: Path, text: str = PAGE, **inputs: str) -> bytes:
    """A PDF/A-3 page with an attachment, as the renderer makes them."""
    source = folder / "page.typ"
    source.write_text(text)
    pdf = typst.compile(
        str(source),
        pdf_standards=["a-3a"],
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
        sys_inputs=inputs,
    )
    assert isinstance(pdf, bytes)
    return pdf


def asn1(text: str) -> asn1_x509.Certificate:
    _, _, der = asn1_pem.unarmor(text.encode())
    certificate: asn1_x509.Certificate = asn1_x509.Certificate.load(der)
    return certificate


@dataclass(repr=False)
class Hand:
    """Somebody with a key who seals: by default with a certificate of the development PKI."""

    dev: DevServices
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    chain: tuple[str, ...] = ()
    agency: str = "diw"
    days: int = 365
    signs: bool = True

    def __post_init__(self) -> None:
        if not self.chain:
            public = self.key.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
            self.chain = issue_seal_certificate(
                self.dev.pki, public, self.agency, "กรมโรงงานอุตสาหกรรม", self.agency.upper()
            )
            self.chain = (self._adjusted(self.chain[0]), *self.chain[1:])

    def _adjusted(self, issued: str) -> str:
        """The certificate with the period and purpose asked for, by the same authority."""
        usual = x509.load_pem_x509_certificate(issued.encode())
        builder = x509.CertificateBuilder(
            usual.issuer,
            usual.subject,
            usual.public_key(),
            usual.serial_number,
            usual.not_valid_before_utc,
            usual.not_valid_before_utc + timedelta(days=self.days),
        )
        for extension in usual.extensions:
            value = extension.value
            if isinstance(value, x509.KeyUsage) and not self.signs:
                value = x509.KeyUsage(*[False] * 2, *[True], *[False] * 6)
            builder = builder.add_extension(value, extension.critical)
        issuing = self.dev.pki.issuing
        return to_pem(builder.sign(issuing.key, hashes.SHA256()))

    @property
    def certificate(self) -> asn1_x509.Certificate:
        return asn1(self.chain[0])

    def signer(self) -> SimpleSigner:
        store = SimpleCertificateStore()
        store.register_multiple(asn1(text) for text in self.chain[1:])
        der = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return SimpleSigner(
            signing_cert=self.certificate,
            signing_key=keys.PrivateKeyInfo.load(der),
            cert_registry=store,
        )

    def context(self) -> ValidationContext:
        """Trust in the development root, with its revocation data fetched."""
        return ValidationContext(
            trust_roots=[asn1(self.dev.pki.root_pem)],
            other_certs=[asn1(text) for text in self.chain[1:]],
            allow_fetching=True,
            revocation_mode="hard-fail",
            moment=datetime.now(UTC),
        )

    def renewed(self, pdf: bytes, *, trusting: bool = True) -> bytes:
        """`pdf` with one more document time-stamp, of this PKI; its validation data first,
        if the file is to be trusted by it."""
        stamper = HTTPTimeStamper(self.dev.pki.timestamp_url)
        updater = PdfTimeStamper(stamper)
        output = BytesIO()
        if trusting:
            renewal = updater.async_update_archival_timestamp_chain(
                PdfFileReader(BytesIO(pdf)), self.context(), in_place=False, output=output
            )
        else:
            renewal = updater.async_timestamp_pdf(
                IncrementalPdfFileWriter(BytesIO(pdf)), "sha256", None, output=output
            )
        result_of(renewal)
        return output.getvalue()

    def seal(
        self,
        pdf: bytes,
        level: SealLevel = SealLevel.B_LTA,
        *,
        name: str = "Seal1",
        **options: Any,
    ) -> bytes:
        """`pdf` sealed by pyHanko as its documentation says."""
        with_data = level.has_validation_data
        metadata = PdfSignatureMetadata(
            field_name=name,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            embed_validation_info=with_data,
            use_pades_lta=level is SealLevel.B_LTA,
            validation_context=self.context() if with_data else None,
            **options,
        )
        stamper = HTTPTimeStamper(self.dev.pki.timestamp_url) if level.stamped else None
        signer = PdfSigner(metadata, signer=self.signer(), timestamper=stamper)
        output = result_of(signer.async_sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf))))
        sealed: bytes = output.getvalue()
        return sealed
