"""Rendering with typst, and the check of what came out (port Renderer).

PDF/A-3a, tagged, in Thai, only with the fonts of `chalicelib/fonts`, with the
machine-readable content attached, and other forms of the document if it has any
(ขมธอ. 11-2560). Same request, same bytes: the file's time is that of the numbering, and
nothing else varies.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import segno
import typst

from chalicelib.adapters.pdf_objects import PdfFile
from chalicelib.adapters.pdf_text import Piece, UnreadableTextError, entry, pieces_of
from chalicelib.adapters.typst_sandbox import Job, Printed, Sandbox, TooManyPagesError
from chalicelib.domain.errors import LintError, RenderError, UnavailableError
from chalicelib.domain.pictures import decode_picture
from chalicelib.domain.presentation import Attachment, break_anywhere
from chalicelib.domain.published_types import SHARED, TYPE_NAME, TypeBundle
from chalicelib.ports import LintedPdf, RenderRequest

if TYPE_CHECKING:
    from chalicelib.domain.directory import Paper

_ROOM = Path(__file__).parent.parent
TEMPLATES = _ROOM / "templates"
FONTS = _ROOM / "fonts"

_MM_PER_INCH = 25.4
_POINTS_PER_MM = 72 / _MM_PER_INCH
_TOLERANCE = 1.0  # points; rounding in typst's output
_LAST_SPACE = 0.3  # of the text size: a broken line may end with an unseen space

# Longest run without a space that is left alone, per attempt: words first as the
# dictionary breaks them; then, if a line left its place, harder and harder.
ATTEMPTS = (None, 60, 30, 10)

_KEPT_BUNDLES = 16
# `render` measures, and `lint` asks again of the same bytes: so many files are remembered,
# for those that are made side by side.
_BATCH = 8
# Choosing the best of eight masks is most of a QR code's cost, and any mask scans.
_QR_MASK = 3
_DARK = re.compile(rb"\x01+")

# Nothing else belongs in a rendered file. Actions, scripts and forms hang on other
# entries of the catalog, on its other names, or on pages (ISO 19005-3, 6.4 to 6.6).
_CATALOG_ENTRIES = frozenset(
    {
        "/Type",
        "/Pages",
        "/Metadata",
        "/OutputIntents",
        "/Lang",
        "/StructTreeRoot",
        "/MarkInfo",
        "/ViewerPreferences",
        "/Names",
        "/AF",
    }
)
_CATALOG_NAMES = frozenset({"/EmbeddedFiles"})
_ACTIVE_PAGE_ENTRIES = ("/AA", "/Annots")


Bundles = Callable[[str, int], TypeBundle | None]


class TypstRenderer:
    """Packaged templates are set here, all others (`bundles`: by name and version) in the
    bounded process of `sandbox`.

    One compiler, kept: typst remembers fonts, and how everything is set that did not
    change since the last documents. That holds as long as `sys.inputs` stays the same (it
    is part of whatever typst remembers), so content comes as files."""

    def __init__(
        self,
        templates: Path = TEMPLATES,
        fonts: Path = FONTS,
        *,
        bundles: Bundles | None = None,
        sandbox: Sandbox | None = None,
    ) -> None:
        self._templates = templates
        self._bundles = lru_cache(maxsize=_KEPT_BUNDLES)(bundles or _no_bundle)
        self._sandbox = sandbox or Sandbox(fonts)
        self._turn = Lock()  # a compiler that works refuses a second caller
        self._fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(fonts)]
        )
        self._version = lru_cache(maxsize=None)(self._read_version)

    def render(self, request: RenderRequest) -> bytes:
        """PDF/A-3a bytes, a function of `request` and the template of its version alone.

        Raises RenderError (never with content in its text): a letter the font lacks, or text
        that cannot be kept in its place; TemplateLimitError: the template takes more than it
        may; UnavailableError: the version is nowhere to be found yet.
        """
        bundle = self._bundle_of(request)
        if bundle is None:
            return self._print(request)[0]
        with self._sandbox.job(bundle.digest) as job:
            printed = print_bundle(job, bundle, request)
        if printed.stray:
            raise _overflow()
        return printed.pdf

    def draw(self, request: RenderRequest, width: int) -> tuple[bytes, ...]:
        """The pages that `render` makes, as PNG of `width` pixels. Raises what `render` raises."""
        ppi = width * _MM_PER_INCH / request.paper.width
        bundle = self._bundle_of(request)
        if bundle is None:
            _, files = self._print(request)
            with self._turn:
                drawn = _compile(self._compiler, files, request, {"format": "png", "ppi": ppi})
            return (drawn,) if isinstance(drawn, bytes) else tuple(drawn)
        with self._sandbox.job(bundle.digest) as job:
            printed, files = _best_attempt(job, bundle, request, ("a-3a",))
            if printed.stray:
                raise _overflow()
            return job.make(files, request, ppi=ppi).made

    def _bundle_of(self, request: RenderRequest) -> TypeBundle | None:
        """None for what is packaged. Raises as `render` does where there is neither."""
        if self._version(request.document_type) == request.type_version:
            return None
        bundle = self._bundles(request.document_type, request.type_version)
        if bundle is None:
            raise self._missing(request)
        return bundle

    def _print(self, request: RenderRequest) -> tuple[bytes, Mapping[str, bytes]]:
        """The file, and what it was made of."""
        for longest in ATTEMPTS:
            files = request_files(request, longest)
            with self._turn:
                pdf = cast("bytes", _compile(self._compiler, files, request))
            if not stray_text(pdf, request.paper):
                return pdf, files
        raise _overflow()

    def lint(self, pdf: bytes, request: RenderRequest) -> LintedPdf:
        """Check the rendered file against the rules of the house; what is sealed is exactly
        the bytes that were looked at. Raises LintError with every broken rule."""
        try:
            pages, faults = _inspect(pdf, request)
        except (LookupError, RecursionError, TypeError, ValueError) as fault:
            raise LintError("The rendered file cannot be read.") from fault
        if faults:
            raise LintError("The rendered file must not be sealed: " + "; ".join(faults) + ".")
        return LintedPdf(pdf, pages)

    def _missing(self, request: RenderRequest) -> RenderError | UnavailableError:
        """A version may still come with the deployment that goes on; a type without any has
        no template."""
        self._bundles.cache_clear()
        if self._version(request.document_type) is None:
            return RenderError("There is no template for this document type.")
        return UnavailableError(
            f"Version {request.type_version} of this document type is not installed."
        )

    def _read_version(self, document_type: str) -> object:
        """Of the packaged template; None if there is none."""
        path = self._templates / document_type / "type.json"
        if not TYPE_NAME.fullmatch(document_type) or not path.is_file():
            return None
        return json.loads(path.read_bytes())["version"]

    @cached_property
    def _compiler(self) -> typst.Compiler:
        # What is packaged imports no packages (a test looks); typst would fetch them.
        nowhere = self._templates / "_packages"
        return typst.Compiler(
            root=str(self._templates),
            font_paths=self._fonts,
            package_path=str(nowhere),
            package_cache_path=str(nowhere),
        )


# -- rendering ---------------------------------------------------------------


def _no_bundle(_name: str, _version: int) -> None:
    """Nothing but what is packaged."""


def print_bundle(
    job: Job, bundle: TypeBundle, request: RenderRequest, *, standards: Sequence[str] = ("a-3a",)
) -> Printed:
    """The first attempt at which all text keeps its place, or the last. Raises as `Job.make`;
    what has too many pages may have fewer once its lines can be broken."""
    return _best_attempt(job, bundle, request, standards)[0]


def _best_attempt(
    job: Job, bundle: TypeBundle, request: RenderRequest, standards: Sequence[str]
) -> tuple[Printed, Mapping[str, bytes]]:
    """See `print_bundle`; and what it was made of."""
    for longest in ATTEMPTS:
        files = {**request_files(request, longest), **own_files(bundle)}
        try:
            printed = job.make(files, request, standards=standards)
        except TooManyPagesError:
            if longest == ATTEMPTS[-1]:
                raise
            continue
        if not printed.stray:
            break
    return printed, files


def own_files(bundle: TypeBundle) -> dict[str, bytes]:
    """The files of a bundle where its template looks for them."""
    return {
        path if path.startswith(SHARED) else f"{bundle.name}/{path}": data
        for path, data in bundle.files.items()
    }


def _overflow() -> RenderError:
    return RenderError("A text cannot be kept inside the page.", "ข้อความบางส่วนล้นออกนอกหน้ากระดาษ")


def request_files(request: RenderRequest, longest: int | None) -> dict[str, bytes]:
    """What a template reads of one document, and the file that includes the template."""
    data = dict(request.data)
    if longest is not None:
        data = {**data, **break_anywhere(_printed(data), longest)}
    told = [
        {
            "name": attached.name,
            "media_type": attached.media_type,
            "relationship": attached.relationship.value,
        }
        for attached in request.attachments
    ]
    return {
        "main.typ": b'#include "/%b/template.typ"' % request.document_type.encode(),
        "request/data.json": json.dumps(data, ensure_ascii=False).encode(),
        "request/pictures.json": _numbers(data["pictures"]).encode(),
        "request/attachments.json": json.dumps(told).encode(),
        **{f"request/attachment-{at}": file.data for at, file in enumerate(request.attachments)},
        "request/paper.json": json.dumps(asdict(request.paper)).encode(),
        "request/qr.svg": _qr_svg(data["verify_url"]).encode(),
    }


_PDF: Mapping[str, Any] = {"format": "pdf", "pdf_standards": "a-3a"}


def _compile(
    compiler: typst.Compiler,
    files: Mapping[str, bytes],
    request: RenderRequest,
    form: Mapping[str, Any] = _PDF,
) -> Any:
    try:
        return compiler.compile(
            input=files,  # several files, of which typst's stubs do not know
            timestamp=request.data["created_at"],
            **form,
        )
    except typst.TypstError as error:
        # typst quotes the text it stumbled over, so its message stays out of ours.
        raise RenderError("The template cannot make a page of this content.") from _Quiet(error)
    except RuntimeError as error:
        # Memory, fonts, files: the content is not to blame, and another try may do.
        raise UnavailableError("The renderer failed.") from _Quiet(error)


def _printed(data: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of `data` that come from outside and are printed."""
    return {name: data[name] for name in ("display", "signatory", "agency", "verify_url_display")}


def _numbers(pictures: Sequence[str]) -> str:
    """Pictures as lists of numbers: typst is handed texts only."""
    return json.dumps([list(decode_picture(picture)) for picture in pictures])


class _Quiet(Exception):  # noqa: N818 - not raised: it stands in for a cause that quotes content
    """A vendor error without its text."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__name__)


def _qr_svg(url: str) -> str:
    """QR code (ISO/IEC 18004), error correction M, as a line through each row of dark modules.
    The quiet zone is the white of the page, which the template leaves around it."""
    rows = segno.make(url, error="m", micro=False, mask=_QR_MASK).matrix
    lines = "".join(
        f"M{dark.start()} {y}.5h{dark.end() - dark.start()}"
        for y, row in enumerate(rows)
        for dark in _DARK.finditer(row)
    )
    size = len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}">'
        f'<path stroke="#000" d="{lines}"/></svg>'
    )


# -- looking at the result ---------------------------------------------------


def _inspect(pdf: bytes, request: RenderRequest) -> tuple[int, list[str]]:
    """Number of pages, and every rule the file breaks."""
    reader, pages = _read(pdf)
    faults = [
        *_faults_of_catalog(reader),
        *_faults_of_pages(pages, request),
        *_faults_of_conformance(reader),
        *_faults_of_attachments(reader, request.attachments),
        *_faults_of_fonts(pages),
        *stray_text(pdf, request.paper),
    ]
    return len(pages), faults


def _open(pdf: bytes) -> PdfFile:
    if not pdf.startswith(b"%PDF-"):
        raise LintError("The rendered file is not a PDF.")
    reader = PdfFile(pdf)
    if reader.encrypted:
        raise LintError("The rendered file is encrypted.")
    return reader


@lru_cache(maxsize=_BATCH)
def _read(pdf: bytes) -> tuple[PdfFile, list[Any]]:
    reader = _open(pdf)
    return reader, _pages(reader)


def pages_of(pdf: bytes) -> list[Any]:
    """Raises LintError, and what reading a PDF raises."""
    return _read(pdf)[1]


def _pages(reader: PdfFile) -> list[Any]:
    return list(_leaves(reader.root["/Pages"]))


def page_count(reader: PdfFile) -> int:
    """Raises what reading a PDF raises."""
    return len(_pages(reader))


def _leaves(node: Any) -> list[Any]:
    if node["/Type"] == "/Page":
        return [node]
    return [leaf for kid in _members(node["/Kids"]) for leaf in _leaves(kid)]


def _members(array: Any) -> list[Any]:
    """Members of a PDF array with references followed (iterating it does not)."""
    return [array[index] for index in range(len(array))]


def _faults_of_catalog(reader: PdfFile) -> list[str]:
    names = entry(reader.root, "/Names", {})
    if not (set(reader.root) <= _CATALOG_ENTRIES and set(names) <= _CATALOG_NAMES):
        return ["it holds more than pages: perhaps actions, forms or an outline"]
    return []


def _faults_of_pages(pages: Sequence[Any], request: RenderRequest) -> list[str]:
    faults = []
    if not 1 <= len(pages) <= request.max_pages:
        faults.append(f"it has {len(pages)} pages, allowed are 1 to {request.max_pages}")
    paper = request.paper
    if not all(_has_size(page, paper) for page in pages):
        faults.append(f"a page is not {paper.width:g} x {paper.height:g} mm")
    if any(entry in page for page in pages for entry in _ACTIVE_PAGE_ENTRIES):
        faults.append("a page holds annotations or actions")
    return faults


def _has_size(page: Any, paper: Paper) -> bool:
    left, bottom, right, top = (float(edge) for edge in page["/MediaBox"])
    have = (right - left, top - bottom)
    want = (paper.width * _POINTS_PER_MM, paper.height * _POINTS_PER_MM)
    return all(abs(a - b) < _TOLERANCE for a, b in zip(have, want, strict=True))


def _faults_of_conformance(reader: PdfFile) -> list[str]:
    """The file must say that it is PDF/A-3a (ISO 19005-3, 6.6.4), be tagged and in Thai."""
    faults = []
    try:
        metadata = reader.root["/Metadata"].data
    except KeyError:
        metadata = b""
    if _xmp(metadata, b"part") != b"3" or _xmp(metadata, b"conformance") != b"A":
        faults.append("it does not declare PDF/A-3a")
    if "/StructTreeRoot" not in reader.root or entry(reader.root, "/Lang", None) not in {
        "th",
        "th-TH",
    }:
        faults.append("it is not tagged as Thai")
    return faults


def _xmp(metadata: bytes, name: bytes) -> bytes | None:
    found = re.search(rb"<pdfaid:" + name + rb">([^<]*)</pdfaid:" + name + rb">", metadata)
    return found[1] if found else None


def _faults_of_attachments(reader: PdfFile, expected: Sequence[Attachment]) -> list[str]:
    """Exactly the files that were asked for, byte for byte, and told as what they are."""
    # The name tree is in the order of the names (ISO 32000-1 §7.9.6).
    specifications = [spec for _, spec in _embedded_files(reader)]
    associated = _members(entry(reader.root, "/AF", ()))
    if not len(specifications) == len(associated) == len(expected):
        return [f"it does not have exactly {len(expected)} attachment(s)"]
    if any(specification not in associated for specification in specifications):
        return ["an attachment is not associated with it"]
    by_name = sorted(expected, key=lambda attachment: attachment.name)
    pairs = zip(specifications, by_name, strict=True)
    return [fault for pair in pairs for fault in _faults_of_attachment(*pair)]


def _faults_of_attachment(specification: Any, expected: Attachment) -> list[str]:
    stream = specification["/EF"]["/F"]
    told = (
        specification["/UF"],
        entry(stream, "/Subtype", None),
        entry(specification, "/AFRelationship", None),
    )
    faults = []
    if told != _as_told(expected):
        faults.append(
            f"the attachment is not {expected.name} of type {expected.media_type}"
            f" with relationship {expected.relationship}"
        )
    if stream.data != expected.data:
        faults.append("the attachment is not what was asked for")
    return faults


def _as_told(attachment: Attachment) -> tuple[str, str, str]:
    """Name, type and relationship as the file writes them (ISO 32000-1 §7.11.4, ISO
    19005-3 §6.8)."""
    return (
        attachment.name,
        f"/{attachment.media_type}",
        f"/{attachment.relationship.capitalize()}",
    )


def _embedded_files(reader: PdfFile) -> list[tuple[str, Any]]:
    try:
        tree = reader.root["/Names"]["/EmbeddedFiles"]
    except KeyError:
        return []
    return list(_named(tree))


def _named(node: Any) -> list[tuple[str, Any]]:
    names = _members(entry(node, "/Names", ()))
    found = list(zip(names[::2], names[1::2], strict=True))
    return found + [pair for kid in _members(entry(node, "/Kids", ())) for pair in _named(kid)]


def _faults_of_fonts(pages: Sequence[Any]) -> list[str]:
    for page in pages:
        fonts = entry(page["/Resources"], "/Font", {})
        if not all(_is_embedded(fonts[name]) for name in fonts):
            return ["a font is not embedded"]
    return []


def _is_embedded(font: Any) -> bool:
    parts = _members(entry(font, "/DescendantFonts", (font,)))
    return all(
        any(name in entry(part, "/FontDescriptor", {}) for name in ("/FontFile2", "/FontFile3"))
        for part in parts
    )


@lru_cache(maxsize=_BATCH)
def stray_text(pdf: bytes, paper: Paper) -> tuple[str, ...]:
    """Text beyond the side margins or on top of other text of its line.

    typst says nothing of a line it cannot break, so the file is measured. What is
    too long downwards becomes further pages, which are counted elsewhere.
    """
    try:
        pages = [_upright_text(page) for page in pages_of(pdf)]
    except UnreadableTextError as fault:
        return (f"its text cannot be measured ({fault})",)
    faults = []
    if any(_leaves_frame(piece, paper) for pieces in pages for piece in pieces):
        faults.append("text leaves the page frame")
    if any(_overlaps(pieces) for pieces in pages):
        faults.append("text lies on other text")
    return tuple(faults)


def _upright_text(page: Any) -> list[Piece]:
    return [piece for piece in pieces_of(page) if piece.upright]


def _leaves_frame(piece: Piece, paper: Paper) -> bool:
    left = paper.left * _POINTS_PER_MM
    right = (paper.width - paper.right) * _POINTS_PER_MM
    slack = max(_TOLERANCE, piece.size * _LAST_SPACE)
    beside = piece.left < left - _TOLERANCE or piece.right > right + slack
    return beside or not 0 < piece.baseline < paper.height * _POINTS_PER_MM - piece.size


def _overlaps(pieces: Sequence[Piece]) -> bool:
    lines = defaultdict(list)
    for piece in pieces:
        lines[round(piece.baseline, 1)].append((piece.left, piece.right))
    return any(
        end > start + _TOLERANCE
        for line in lines.values()
        for (_, end), (start, _) in pairwise(sorted(line))
    )
