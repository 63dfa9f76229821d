"""Which files the validators are asked about, and how they are made: every document type,
level and kind of key, the seal visible or not, and what can happen to a sealed file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain, product

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.directory import Agency
from chalicelib.domain.registers import Numbering
from chalicelib.domain.seals import KeyAlgorithm, SealAppearance, SealLevel, SealPolicy
from chalicelib.ports import LintedPdf, RenderRequest
from chalicelib.services.seal import render_request
from tests.support import damage
from tests.support.samples import printable

TYPES = {kind.name: kind for kind in PackagedDocumentTypes().all()}
AGENCY = Agency(
    agency_id="diw",
    name_th="กรมโรงงานอุตสาหกรรม",
    name_en="Department of Industrial Works",
)
_NUMBERED_AT = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
# Fits on the smallest paper, a card.
_APPEARANCE = SealAppearance(left_mm=4, bottom_mm=4, width_mm=45, height_mm=16)
_KEY_NAMES = {
    KeyAlgorithm.RSA_2048: "RSA-2048",
    KeyAlgorithm.RSA_3072: "RSA-3072",
    KeyAlgorithm.P_256: "P-256",
    KeyAlgorithm.P_384: "P-384",
}


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed file of the matrix."""

    kind: str
    level: SealLevel
    key: KeyAlgorithm
    visible: bool = False

    @property
    def name(self) -> str:
        parts = [self.kind, self.level, _KEY_NAMES[self.key]]
        return ".".join([*parts, "visible"] if self.visible else parts)

    @property
    def policy(self) -> SealPolicy:
        return SealPolicy(level=self.level, appearance=_APPEARANCE if self.visible else None)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A sealed file to which something happened; or whose root the reader does not trust."""

    base: Sealed
    what: str
    happen: Callable[[bytes, bytes], bytes]
    """From the file, and another one sealed by the same agency."""
    trusted: bool = True

    @property
    def name(self) -> str:
        return f"{self.base.name}.{self.what}"


# Every kind of seal on one type, and every type with the seals that agencies will use.
_EVERY_SEAL = product(["licence"], SealLevel, KeyAlgorithm, [False, True])
_EVERY_TYPE = product(
    TYPES,
    [SealLevel.B_T, SealLevel.B_LT, SealLevel.B_LTA],
    [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256],
    [False],
)
_EVERY_PAGE = product(TYPES, [SealLevel.B_LTA], [KeyAlgorithm.P_256], [True])
MATRIX = tuple(
    dict.fromkeys(Sealed(*cell) for cell in chain(_EVERY_SEAL, _EVERY_TYPE, _EVERY_PAGE))
)

# What each base below becomes, by what happened to it.
_HAPPENINGS: dict[str, Callable[[bytes], bytes]] = {
    "flipped-page": damage.flipped_page,
    "flipped-signature": damage.flipped_signature,
    "appended-bytes": damage.appended_bytes,
    "appended-page-content": damage.appended_page_content,
    "appended-annotation": damage.appended_annotation,
    "without-seal-timestamp": damage.without_seal_timestamp,
    "without-last-revision": damage.without_last_revision,
    "truncated": damage.truncated,
    "broken-xref": damage.broken_xref,
}
_BASES = (
    Sealed("licence", SealLevel.B_T, KeyAlgorithm.RSA_2048),
    Sealed("licence", SealLevel.B_LTA, KeyAlgorithm.P_256),
)
OTHER = Sealed("e-certificate", SealLevel.B_LTA, KeyAlgorithm.P_256)
"""The other document of the same agency."""


def _alone(happen: Callable[[bytes], bytes]) -> Callable[[bytes, bytes], bytes]:
    """What happens to a file without another one."""
    return lambda pdf, _other: happen(pdf)


DAMAGES = (
    *(
        Damaged(base, what, _alone(happen))
        for base in _BASES
        for what, happen in _HAPPENINGS.items()
    ),
    *(Damaged(base, "seal-of-another", damage.with_contents_of) for base in _BASES),
    *(Damaged(base, "untrusted-root", _alone(lambda pdf: pdf), trusted=False) for base in _BASES),
    Damaged(_BASES[1], "flipped-document-timestamp", _alone(damage.flipped_document_timestamp)),
)


@cache
def requested(kind_name: str) -> RenderRequest:
    """What the renderer is asked for the example of a document type."""
    kind = TYPES[kind_name]
    numbering = Numbering(year=2026, number=12, printed="๑๒/๒๕๖๙", numbered_at=_NUMBERED_AT)
    document = printable(kind, kind.example["content"], numbering)
    return render_request(document, AGENCY, kind, public_url="https://tra.test")


def printed(request: RenderRequest) -> LintedPdf:
    """As Tra prints it before sealing."""
    renderer = _renderer()
    return renderer.lint(renderer.render(request), request)


@cache
def rendered(kind_name: str) -> LintedPdf:
    """The example of a document type with its attachments as they are, unsigned."""
    return printed(requested(kind_name))


@cache
def _renderer() -> TypstRenderer:
    return TypstRenderer()
