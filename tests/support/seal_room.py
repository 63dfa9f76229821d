"""A room to seal in: a linted page, credentials of every kind, and what pyHanko sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typst
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.policy_decl import (
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from chalicelib.adapters.coroutines import result_of
from chalicelib.adapters.pades.order import SealOrder
from chalicelib.adapters.pades.sealer import PadesSealer
from chalicelib.adapters.pades_validation import load_pem, validation_context
from chalicelib.adapters.trust import UsableCredential
from chalicelib.domain.seals import KeyAlgorithm, SealAppearance, SealedPdf, SealLevel, SealPolicy
from chalicelib.ports import LintedPdf
from infra.pki import DevelopmentPki
from tests.support.sealing import GivenChecker, LocalTimestamper, local_pki, usable_credential

FONTS = Path(__file__).parents[2] / "chalicelib" / "fonts"

VISIBLE = SealAppearance(left_mm=120, bottom_mm=30, width_mm=60, height_mm=20)

_PAGE = """\
#set document(title: "ใบอนุญาต", date: datetime(year: 2026, month: 11, day: 21))
#set text(lang: "th", font: "Sarabun")
#pdf.attach("content.json", bytes("{}"), relationship: "data",
            mime-type: "application/json", description: "content")
= ใบอนุญาตประกอบกิจการ
เลขที่ ๑๒/๒๕๖๙
"""


@cache
def page(pages: int = 1, text: str = "") -> LintedPdf:
    """A PDF/A-3a file as typst writes it; `text` is printed as it is."""
    with TemporaryDirectory() as room:
        source = Path(room) / "page.typ"
        source.write_text(_PAGE + "#sys.inputs.text" + "\n#pagebreak()\nหน้าถัดไป" * (pages - 1))
        pdf = typst.compile(
            str(source),
            pdf_standards=["a-3a"],
            font_paths=[str(FONTS)],
            ignore_system_fonts=True,
            sys_inputs={"text": text},
        )
    assert isinstance(pdf, bytes)
    return LintedPdf(pdf, pages=pages)


@dataclass(repr=False)
class SealRoom:
    """Everything for seals in one process."""

    pki: DevelopmentPki
    stamper: LocalTimestamper
    checker: GivenChecker = field(default_factory=GivenChecker)

    @classmethod
    def at(cls, directory: Path) -> SealRoom:
        pki = local_pki(directory)
        return cls(pki, LocalTimestamper(pki))

    @property
    def root_pem(self) -> str:
        return self.pki.root_pem

    def credential(self, algorithm: KeyAlgorithm = KeyAlgorithm.P_256) -> UsableCredential:
        """The same one each time it is asked for."""
        for usable in self.checker.known:
            if usable.key.algorithm is algorithm:
                return usable
        self.checker.known.append(usable_credential(self.pki, algorithm))
        return self.checker.known[-1]

    def sealer(self) -> PadesSealer:
        return PadesSealer(self.checker, self.stamper, clock=lambda: datetime.now(UTC))

    def seal(
        self,
        level: SealLevel = SealLevel.B_LTA,
        algorithm: KeyAlgorithm = KeyAlgorithm.P_256,
        *,
        linted: LintedPdf | None = None,
        appearance: SealAppearance | None = None,
    ) -> SealedPdf:
        policy = SealPolicy(level=level, appearance=appearance)
        credentials = [self.credential(algorithm).credential]
        return self.sealer().seal(linted or page(), credentials, policy)

    def order(
        self,
        level: SealLevel,
        algorithm: KeyAlgorithm = KeyAlgorithm.P_256,
        appearance: SealAppearance | None = None,
    ) -> SealOrder:
        """What the two ways of writing are told."""
        return SealOrder(
            usable=self.credential(algorithm),
            policy=SealPolicy(level=level, appearance=appearance),
            timestamper=self.stamper,
            at=datetime(2026, 11, 22, 5, 0, tzinfo=UTC),
        )


# -- what pyHanko sees --------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What a seal says and what pyHanko says of it."""

    fields: tuple[str, ...]
    sound: bool
    trusted: bool
    coverage: str
    changes: str
    signed: frozenset[str]
    unsigned: frozenset[str]
    digest: str
    mechanism: str
    signer: bytes
    certificates: frozenset[bytes]
    said_time: datetime
    has_timestamp: bool
    store: tuple[frozenset[bytes], ...]
    rectangle: tuple[float, ...]
    page: int
    tagged: bool


def facts_of(pdf: bytes, root_pem: str) -> Facts:
    """Whatever must be the same, whichever way the seal was written."""
    reader = PdfFileReader(BytesIO(pdf), strict=True)
    (seal,) = reader.embedded_regular_signatures
    status = result_of(async_validate_pdf_signature(seal, validation_context([root_pem])))
    info = seal.signer_info
    widget = seal.sig_field
    stamp = status.timestamp_validity
    return Facts(
        fields=tuple(signature.field_name for signature in reader.embedded_signatures),
        sound=status.intact and status.valid and (stamp is None or stamp.valid),
        trusted=status.trusted,
        coverage=status.coverage.name if status.coverage else "",
        changes=status.modification_level.name if status.modification_level else "",
        signed=_kinds(info["signed_attrs"]) - {"cms_algorithm_protection"},
        unsigned=_kinds(info["unsigned_attrs"]),
        digest=info["digest_algorithm"]["algorithm"].native,
        mechanism=info["signature_algorithm"]["algorithm"].native,
        signer=status.signing_cert.sha256,
        certificates=frozenset(c.chosen.sha256 for c in seal.signed_data["certificates"]),
        said_time=seal.self_reported_timestamp,
        has_timestamp=stamp is not None,
        store=_store(reader),
        rectangle=tuple(round(float(edge), 2) for edge in widget["/Rect"]),
        page=widget.raw_get("/P").idnum,
        tagged="/StructParent" in widget,
    )


def _kinds(attributes: Any) -> frozenset[str]:
    return frozenset(attribute["type"].native for attribute in attributes or ())


def _store(reader: PdfFileReader) -> tuple[frozenset[bytes], ...]:
    """Certificates, OCSP responses and CRLs of the document security store."""
    if "/DSS" not in reader.root:
        return ()
    store = reader.root["/DSS"]
    return tuple(
        frozenset(store[name][n].data for n in range(len(store[name])))
        for name in ("/Certs", "/OCSPs", "/CRLs")
    )


def lta_problem(pdf: bytes, anchors: Sequence[str]) -> str | None:
    """What pyHanko's long-term validation (EN 319 102-1 §5.6.3) has against a file, offline
    and with revocation information required; None is nothing."""
    reader = PdfFileReader(BytesIO(pdf), strict=True)
    (seal,) = reader.embedded_regular_signatures
    trust = SimpleTrustManager.build([load_pem(anchor) for anchor in anchors])
    specification = SignatureValidationSpec(
        CertValidationPolicySpec(
            trust_manager=trust, revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO)
        ),
        revinfo_gathering_policy=RevocationInfoGatheringSpec(RevinfoOnlineFetchingRule.LOCAL_ONLY),
    )
    result = result_of(ades_lta_validation(seal, PdfSignatureValidationSpec(specification)))
    return None if result.ades_subindic is AdESPassed.OK else str(result.ades_subindic)
