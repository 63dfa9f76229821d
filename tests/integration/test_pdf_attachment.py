"""The file attached to the PDF: what it is called, what it is, and that XML in it is sealed."""

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


def _attached(pdf: bytes) -> Attached:
    """The only attachment, which must hang both on the name tree and on the document."""
    root = cast("Any", pypdf.PdfReader(BytesIO(pdf)).trailer["/Root"])
    (_, listed) = root["/Names"]["/EmbeddedFiles"]["/Names"]
    (associated,) = root["/AF"]
    assert listed.get_object() == associated.get_object()
    specification = listed.get_object()
    stream = specification["/EF"]["/F"].get_object()
    return Attached(
        specification["/UF"],
        stream["/Subtype"].removeprefix("/"),
        specification["/AFRelationship"],
        stream.get_data(),
    )


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_every_type_attaches_its_content(renderer: TypstRenderer, kind: DocumentType) -> None:
    """Issue 4, item 2: the machine-readable JSON is attached as what the page says (Data)."""
    request = _request(kind)
    attached = _attached(renderer.lint(renderer.render(request), request).pdf)
    expected = Attached("content.json", "application/json", "/Data", request.attachment.data)
    assert attached == expected


def test_signed_xml_is_attached_and_holds(
    renderer: TypstRenderer, signed: tuple[Attachment, str]
) -> None:
    """Issue 4, item 2: XML content is attached under its standard name, as the same document
    in another form, with its own signature, which holds for whoever takes it out."""
    attachment, root = signed
    request = replace(_request(TYPES[0]), attachment=attachment)
    attached = _attached(renderer.lint(renderer.render(request), request).pdf)
    assert (attached.name, attached.media_type) == ("ETDA-invoice.xml", "text/xml")
    assert attached.relationship == "/Alternative"
    seen = XadesValidator().observe(attached.data, [root], at=datetime.now(UTC))
    assert seen.sub_indication is None
    assert seen.stamp is not None


def test_page_with_signed_xml_is_pdf_a_and_repeatable(
    renderer: TypstRenderer, signed: tuple[Attachment, str]
) -> None:
    """P8: given the same attachment, rendering gives the same bytes; they still say PDF/A-3a."""
    request = replace(_request(TYPES[0]), attachment=signed[0])
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
    request = replace(_request(TYPES[0]), attachment=attachment)
    attached = _attached(renderer.lint(renderer.render(request), request).pdf)
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
    request = replace(_request(TYPES[0]), attachment=INVOICE)
    pdf = renderer.render(replace(request, attachment=other))
    with pytest.raises(LintError, match="the attachment is not"):
        renderer.lint(pdf, request)
