"""Pages of types that are not published yet (port ProofPress)."""

from __future__ import annotations

from pathlib import Path

from chalicelib.adapters.pdf_contrast import faint_text
from chalicelib.adapters.typst import (
    FONTS,
    TypstRenderer,
    own_files,
    pages_of,
    print_bundle,
    request_files,
)
from chalicelib.adapters.typst_sandbox import Sandbox
from chalicelib.domain.published_types import TypeBundle
from chalicelib.domain.type_findings import Faint
from chalicelib.ports import LintedPdf, Proof, RenderRequest

_ARCHIVAL = ("a-3a",)
_ACCESSIBLE = ("a-3a", "ua-1")
_PPI = 110


class TypstProofPress:
    """In the process that published types are set in."""

    def __init__(self, fonts: Path = FONTS) -> None:
        self._sandbox = Sandbox(fonts)
        self._renderer = TypstRenderer(fonts=fonts, sandbox=self._sandbox)

    def proof(
        self, bundle: TypeBundle, request: RenderRequest, *, accessible: bool = False
    ) -> Proof:
        standards = _ACCESSIBLE if accessible else _ARCHIVAL
        with self._sandbox.job(bundle.digest) as job:
            printed = print_bundle(job, bundle, request, standards=standards)
        return Proof(printed.pdf, printed.stray, printed.notes)

    def pictures(self, bundle: TypeBundle, request: RenderRequest) -> tuple[bytes, ...]:
        with self._sandbox.job(bundle.digest) as job:
            files = {**request_files(request, None), **own_files(bundle)}
            return job.make(files, request, ppi=_PPI).made

    def lint(self, pdf: bytes, request: RenderRequest) -> LintedPdf:
        return self._renderer.lint(pdf, request)

    def faint(self, pdf: bytes) -> tuple[Faint, ...]:
        return tuple(faint_text(pages_of(pdf)))

    def close(self) -> None:
        self._sandbox.close()
