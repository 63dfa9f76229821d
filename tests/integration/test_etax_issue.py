"""A receipt from submission to verification: real pages, real seals, in this process."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdf
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from chalicelib.adapters.memory import MemoryDirectory, PlainRenderer
from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.adapters.preview_function import PreviewFunction, answer
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.adapters.typst_copy import TypstCopyPrinter
from chalicelib.adapters.typst_register import TypstRegisterPrinter
from chalicelib.adapters.xades import XADES, XadesSealer
from chalicelib.adapters.xades_validation import XadesValidator
from chalicelib.bootstrap import house
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.errors import XmlRefusedError
from chalicelib.domain.verdict import Circumstances
from chalicelib.services.verify import verify
from tests.fault.harness import World
from tests.integration.conftest import Api
from tests.support import etax
from tests.support.rooms import Fakes, furnished
from tests.support.samples import AGENCIES
from tests.support.seal_room import SealRoom

_found = PackagedDocumentTypes().get("e-receipt")
assert _found is not None
KIND = _found
BODY: dict[str, Any] = {**KIND.example, "recipients": ["dbd"]}


@dataclass(frozen=True, repr=False)
class Issued:
    """A receipt under its seal, and what it was sealed with."""

    room: SealRoom
    fakes: Fakes
    document: Document
    pdf: bytes

    @property
    def attachments(self) -> dict[str, bytes]:
        listed = pypdf.PdfReader(BytesIO(self.pdf)).attachments
        return {name: data for name, (data,) in listed.items()}

    @property
    def xml(self) -> bytes:
        return self.attachments["ETDA-invoice.xml"]


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issued]:
    room = SealRoom.at(tmp_path_factory.mktemp("pki"))
    agency = replace(AGENCIES[0], seals=(room.credential().credential,))
    fakes = Fakes(
        directory=MemoryDirectory((agency, *AGENCIES[1:]), (room.root_pem,)),
        renderer=TypstRenderer(),
        sealer=room.sealer(),
        xml_sealer=XadesSealer(
            room.checker, room.stamper, anchors=lambda: (room.root_pem,), clock=_now
        ),
    )
    fakes.clock.now = _now()
    with furnished(fakes.house()):
        document_id = Api(fakes).submit(BODY).json["document_id"]
        World(fakes).run_to_rest()
        document = fakes.ledger.get(document_id)
        assert document is not None
        assert document.state is DocumentState.ISSUED, document.reason
        assert document.file is not None
        yield Issued(room, fakes, document, fakes.archive.files[document.file.key])


def _now() -> datetime:
    return datetime.now(UTC)


def test_both_forms_are_attached(issued: Issued) -> None:
    """B3, P2: the sealed file carries the XML that a tax authority reads and the content whose
    digest is bound to the number; the XML names that digest, too."""
    assert set(issued.attachments) == {"content.json", "ETDA-invoice.xml"}
    record = json.loads(issued.attachments["content.json"])
    assert record["content"] == BODY["content"]
    assert record["content_digest"] == issued.document.content_digest
    assert issued.document.content_digest.encode() in issued.xml


@etax.needs_standards
def test_the_sealed_xml_is_valid(issued: Issued) -> None:
    """Issue 5, item 1: the XML taken out of the sealed PDF keeps to XSD and Schematron."""
    assert etax.faults(issued.xml) == []


def test_the_seal_of_the_xml_holds_alone(issued: Issued) -> None:
    """Issue 5, item 1: XAdES with a time-stamp, to the agency's root, without the PDF; another
    total breaks it."""
    observe = partial(XadesValidator().observe, anchors=[issued.room.root_pem], at=_now())
    seen = observe(issued.xml)
    assert seen.sub_indication is None
    assert seen.stamp is not None
    changed = issued.xml.replace(b"5000.00", b"9000.00")
    assert observe(changed).sub_indication == "HASH_FAILURE"


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")
def test_xmlsec_agrees(issued: Issued, tmp_path: Path) -> None:
    """A second opinion in C on the XML as it came out of the PDF."""
    issuing = issued.room.pki.issuing.certificate.public_bytes(Encoding.PEM)
    (tmp_path / "root.pem").write_text(issued.room.root_pem)
    (tmp_path / "issuing.pem").write_bytes(issuing)
    command = ["xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem", "root.pem"]
    command += ["--untrusted-pem", "issuing.pem", "--id-attr:Id", f"{XADES}:SignedProperties"]
    outcomes = []
    for xml in (issued.xml, issued.xml.replace(b"5000.00", b"9000.00")):
        (tmp_path / "signed.xml").write_bytes(xml)
        done = subprocess.run([*command, "signed.xml"], cwd=tmp_path, check=False, timeout=60)
        outcomes.append(done.returncode)
    assert outcomes[0] == 0
    assert outcomes[1] != 0


def test_verification_knows_the_file(issued: Issued) -> None:
    """P7, E4: a PDF with two attachments is verified as any other, and finds its register."""
    verdict = verify(
        issued.pdf,
        validator=PadesValidator(),
        anchors=[issued.room.root_pem],
        circumstances=Circumstances(),
    )
    assert verdict.passed, verdict
    told = Api(issued.fakes).send_file("/v1/verify", issued.pdf).json
    assert (told["indication"], told["register_answer"]) == ("TOTAL-PASSED", "match")
    assert told["document"]["document_id"] == issued.document.document_id


def test_a_dry_run_shows_both(issued: Issued) -> None:
    """api.md, dry_run: everything is checked and shown with the XML unsigned and marked; no
    number is given."""

    class Lambda:
        def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - AWS's names
            printers = TypstRegisterPrinter(), TypstCopyPrinter()
            reply = answer(json.loads(Payload), TypstRenderer(), *printers)
            return {"Payload": BytesIO(json.dumps(reply).encode())}

    vars(house())["previewer"] = PreviewFunction(Lambda(), "preview")  # type: ignore[arg-type]  # what is used of it
    shown = Api(issued.fakes).submit({**BODY, "dry_run": True})
    assert shown.status == 200, shown.text
    pdf = base64.b64decode(shown.json["preview_base64"])
    listed = pypdf.PdfReader(BytesIO(pdf)).attachments
    (xml,) = listed["ETDA-invoice.xml"]
    assert b"<ram:ID>SPECIMEN</ram:ID>" in xml
    assert b"Signature" not in xml


def test_xml_that_cannot_be_sealed_ends_the_document(fakes: Fakes) -> None:
    """P4: what can never be sealed does not come back for ever; its number is void with a
    reason."""

    class Refusing:
        def seal_xml(self, *_: Any) -> bytes:
            raise XmlRefusedError("The XML cannot be used.", "ใช้ XML นี้ไม่ได้")

    fakes.xml_sealer, fakes.renderer = Refusing(), PlainRenderer()
    with furnished(fakes.house()):
        document_id = Api(fakes).submit(BODY).json["document_id"]
        World(fakes).run_to_rest()
    document = fakes.ledger.get(document_id)
    assert document is not None
    assert document.state is DocumentState.VOID
    assert document.reason is not None
    assert document.reason.code == "xml_refused"


def _put(pointer: str, value: Any) -> dict[str, Any]:
    """The body with another value at a pointer into its content."""
    body: dict[str, Any] = json.loads(json.dumps(BODY))
    holder: Any = body["content"]
    *way, last = pointer.split("/")[1:]
    for step in way:
        holder = holder[int(step) if isinstance(holder, list) else step]
    holder[int(last) if isinstance(holder, list) else last] = value
    return body


@pytest.mark.parametrize(
    ("pointer", "value", "code"),
    [
        ("/total_thb", "5000.01", "wrong_amount"),
        ("/vat_thb", "130.85", "wrong_amount"),
        ("/taxes/1/vat_thb", "130.83", "wrong_amount"),
        ("/lines/1/amount_thb", "1869.17", "wrong_amount"),
        ("/lines/0/amount_thb", "-3000.00", "wrong_pattern"),
        ("/lines/0/quantity", "-1", "wrong_pattern"),
        ("/lines/0/quantity", "0", "wrong_format"),
        ("/lines/1/quantity", "2.5000000", "wrong_pattern"),
        ("/lines/1/unit_price_thb", "747.6650000", "wrong_pattern"),
        ("/lines/1/vat_rate", "10", "not_allowed"),
        ("/paid_at", "2569-11-21T09:30:00+07:00", "wrong_format"),
        ("/payee/tax_id", "0994000000007", "wrong_check_digit"),
        ("/payer/tax_id", "0115500000001", "wrong_check_digit"),
        ("/payer/branch", "0", "wrong_pattern"),
        ("/payee/address/subdistrict_code", "109999", "unknown_code"),
        ("/payer/address/country", "XX", "unknown_code"),
        ("/payer/name", "บริษัท\u202e จำกัด", "wrong_pattern"),
        ("/adjustment", {"original_thb": "1.00", "correct_thb": "1.00"}, "unknown_field"),
    ],
)
def test_bad_receipts_store_nothing(api: Api, pointer: str, value: object, code: str) -> None:
    """Bad input: each wrong figure, number, time and code is told at its field in both languages,
    without its value, and nothing is stored (issue 5, item 3)."""
    answer = api.submit(_put(pointer, value))
    assert answer.status == 422, answer.text
    told = {(fault["pointer"], fault["code"]) for fault in answer.json["errors"]}
    assert (f"/content{pointer}", code) in told
    assert not (isinstance(value, str) and len(value) > 4 and value in answer.text)
    thai = api.submit(_put(pointer, value), accept_language="th")
    assert thai.json["errors"] != answer.json["errors"]
    assert api.fakes.number_queue.messages == []
