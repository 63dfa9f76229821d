"""The files attached to the PDF: what they are called, what they are, and that XML among them
is sealed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import pypdf
import pytest

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.adapters.xades_validation import XadesValidator
from chalicelib.domain.errors import LintError
from chalicelib.domain.presentation import Attachment, Relationship
from chalicelib.domain.registers import Numbering
from chalicelib.domain.seals import KeyAlgorithm, SealPolicy
from chalicelib.services.attach import sealed_attachment
from chalicelib.services.seal import render_request
from infra.devservices import running
from tests.support import samples
from tests.support.xades_samples import RECEIPT, SoftwareKey, credential_for, sealer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.domain.directory import DocumentType
    from chalicelib.ports import RenderRequest

TYPES = PackagedDocumentTypes().all()
INVOICE = Attachment(
    name="ETDA-invoice.xml",
    media_type="text/xml",
    relationship=Relationship.ALTERNATIVE,
    data=RECEIPT,
)


@dataclass(frozen=True)
class Attached:
    """An attachment as an independent reader sees it."""

    name: str
    media_type: str
    relationship: str
    data: bytes


@pytest.fixture(scope="module")
def renderer() -> TypstRenderer:
    return TypstRenderer()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Attachment, str]]:
    """An XML attachment sealed by an agency, and the root to trust."""
    with running(tmp_path_factory.mktemp("pki")) as dev:
        usable = credential_for(SoftwareKey(KeyAlgorithm.P_256), dev.pki)
        sealer = sealer_of(usable, dev.pki)
        credentials = [usable.credential]
        yield (
            sealed_attachment(INVOICE, credentials, SealPolicy(), xml_sealer=lambda: sealer),
            dev.pki.root_pem,
        )


def _request(kind: DocumentType) -> RenderRequest:
    numbering = Numbering(
        year=2026,
        number=12,
        printed="๑๒/๒๕๖๙",
        numbered_at=datetime(2026, 11, 21, 5, 0, tzinfo=UTC),
    )
    document = samples.printable(kind, kind.example["content"], numbering)
    return render_request(document, samples.AGENCIES[0], kind, public_url="https://tra.test")


def _attached(pdf: bytes) -> list[Attached]:
    """All attachments, by name; each must hang both on the name tree and on the document."""
    root = cast("Any", pypdf.PdfReader(BytesIO(pdf)).trailer["/Root"])
    listed = [member.get_object() for member in root["/Names"]["/EmbeddedFiles"]["/Names"][1::2]]
    associated = [member.get_object() for member in root["/AF"]]
    assert len(associated) == len(listed)
    assert all(specification in associated for specification in listed)
    return [_as_read(specification) for specification in listed]


def _as_read(specification: Any) -> Attached:
    stream = specification["/EF"]["/F"].get_object()
    return Attached(
        specification["/UF"],
        stream["/Subtype"].removeprefix("/"),
        specification["/AFRelationship"],
        stream.get_data(),
    )


def _lone(pdf: bytes) -> Attached:
    (attached,) = _attached(pdf)
    return attached


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_every_type_attaches_its_content(renderer: TypstRenderer, kind: DocumentType) -> None:
    """Issue 4, item 2: the machine-readable JSON is attached as what the page says (Data), and
    whatever else a type attaches beside it as the same document in another form."""
    request = _request(kind)
    attached = _attached(renderer.lint(renderer.render(request), request).pdf)
    record, *others = request.attachments
    assert Attached("content.json", "application/json", "/Data", record.data) in attached
    for other in others:
        assert Attached(other.name, other.media_type, "/Alternative", other.data) in attached
    assert len(attached) == len(request.attachments)


def test_receipt_attaches_both(renderer: TypstRenderer) -> None:
    """B3: a receipt has the XML of ขมธอ. 3-2560 under the name that readers look for, and the
    content that the digest and the register speak of (P2)."""
    request = _request(_receipt())
    attached = _attached(renderer.lint(renderer.render(request), request).pdf)
    assert {file.name for file in attached} == {"content.json", "ETDA-invoice.xml"}


def _receipt() -> DocumentType:
    return next(kind for kind in TYPES if kind.name == "e-receipt")


@pytest.mark.parametrize("missing", [0, 1])
def test_lint_wants_every_attachment(renderer: TypstRenderer, missing: int) -> None:
    """P2: a file that lacks one of its attachments is not sealed; nor is one with one too many."""
    request = _request(_receipt())
    fewer = replace(request, attachments=(request.attachments[1 - missing],))
    with pytest.raises(LintError, match="does not have exactly 2 attachment"):
        renderer.lint(renderer.render(fewer), request)
    with pytest.raises(LintError, match="does not have exactly 1 attachment"):
        renderer.lint(renderer.render(request), fewer)


def test_lint_wants_attachments_under_their_names(renderer: TypstRenderer) -> None:
    """P2: attachments that swapped their contents are seen, both of them."""
    request = _request(_receipt())
    record, xml = request.attachments
    swapped = (replace(record, data=xml.data), replace(xml, data=record.data))
    with pytest.raises(LintError, match=r"not what was asked for.*not what was asked for"):
        renderer.lint(renderer.render(replace(request, attachments=swapped)), request)


def test_signed_xml_is_attached_and_holds(
    renderer: TypstRenderer, signed: tuple[Attachment, str]
) -> None:
    """Issue 4, item 2: XML content is attached under its standard name, as the same document
    in another form, with its own signature, which holds for whoever takes it out."""
    attachment, root = signed
    request = replace(_request(TYPES[0]), attachments=(attachment,))
    attached = _lone(renderer.lint(renderer.render(request), request).pdf)
    assert (attached.name, attached.media_type) == ("ETDA-invoice.xml", "text/xml")
    assert attached.relationship == "/Alternative"
    seen = XadesValidator().observe(attached.data, [root], at=datetime.now(UTC))
    assert seen.sub_indication is None
    assert seen.stamp is not None


def test_page_with_signed_xml_is_pdf_a_and_repeatable(
    renderer: TypstRenderer, signed: tuple[Attachment, str]
) -> None:
    """P8: given the same attachment, rendering gives the same bytes; they still say PDF/A-3a."""
    request = replace(_request(TYPES[0]), attachments=(signed[0],))
    pdf = renderer.render(request)
    assert TypstRenderer().render(request) == pdf
    metadata = pypdf.PdfReader(BytesIO(pdf)).xmp_metadata
    assert metadata is not None
    told = metadata.rdf_root.toxml()
    assert "<pdfaid:part>3</pdfaid:part>" in told
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in told


@pytest.mark.parametrize("relationship", Relationship)
def test_each_relationship_is_written(renderer: TypstRenderer, relationship: Relationship) -> None:
    """ISO 19005-3 §6.8: a file says how its attachment relates to the page."""
    attachment = replace(INVOICE, relationship=relationship)
    request = replace(_request(TYPES[0]), attachments=(attachment,))
    attached = _lone(renderer.lint(renderer.render(request), request).pdf)
    assert attached.relationship == f"/{relationship.capitalize()}"


@pytest.mark.parametrize(
    "other",
    [
        replace(INVOICE, name="content.xml"),
        replace(INVOICE, media_type="application/xml"),
        replace(INVOICE, relationship=Relationship.DATA),
        replace(INVOICE, data=RECEIPT.replace(b"3000.00", b"9000.00")),
    ],
    ids=["name", "type", "relationship", "data"],
)
def test_lint_refuses_another_attachment(renderer: TypstRenderer, other: Attachment) -> None:
    """P2: what is sealed carries exactly the attachment that was asked for."""
    request = replace(_request(TYPES[0]), attachments=(INVOICE,))
    pdf = renderer.render(replace(request, attachments=(other,)))
    with pytest.raises(LintError, match="the attachment is not"):
        renderer.lint(pdf, request)
