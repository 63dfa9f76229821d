"""POST /v1/verify: what anybody may send, and what the register says to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest

from chalicelib.adapters.verify_function import VerifyFunction
from chalicelib.bootstrap import house
from chalicelib.config import Stage
from chalicelib.domain.documents import Document, DocumentState, Reason
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.evidence import verify_url
from chalicelib.domain.presentation import machine_readable
from chalicelib.domain.standing import ReasonCode, Replacement, Ruling, RulingKind
from chalicelib.handlers.verifying import MAX_PDF_BYTES
from chalicelib.services.checkpoint import checkpoint_all
from infra.devservices import running
from tests.fault.harness import World
from tests.integration.conftest import Answer, Api
from tests.support import attacks
from tests.support.evidence import LocalSigner, sha256
from tests.support.foreign_seals import Hand, page
from tests.support.rooms import Fakes, NearLambda, furnished, sample_event
from tests.support.samples import AGENCIES, NOON

PAGE = """\
#set document(title: "ใบอนุญาต", date: datetime(year: 2026, month: 11, day: 21))
#set text(lang: "th", font: "Sarabun")
#pdf.attach("content.json", bytes(sys.inputs.content), relationship: "data",
            mime-type: "application/json", description: "content")
= ใบอนุญาต
"""


@dataclass(frozen=True)
class Desk:
    """An issued document of this register whose archived file is really sealed."""

    api: Api
    hand: Hand
    document: Document
    sealed: bytes
    bundle: dict[str, Any]

    def send(self, pdf: bytes, content_type: str = "application/pdf") -> Answer:
        """As the gateway hands bytes on."""
        return self.api.send_file("/v1/verify", pdf, content_type)

    def ask(self, body: object, path: str = "/v1/verify") -> Answer:
        headers = {"content-type": "application/json"}
        return self.api.call("POST", path, body=body, headers=headers, authorizer={})


def keep(fakes: Fakes, document: Document) -> None:
    """Put a document into the ledger as it is."""
    fakes.ledger._documents[document.document_id] = document


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    fakes = Fakes(signer=LocalSigner())
    with running(tmp_path_factory.mktemp("pki")) as dev, furnished(fakes.house()):
        api, hand = Api(fakes), Hand(dev)
        fakes.directory.put_trust_anchors([dev.pki.root_pem])
        body = json.loads(sample_event("api")["body"])
        document_id = api.submit({**body, "recipients": ["dbd"]}).json["document_id"]
        World(fakes).run_to_rest()
        checkpoint_all(room=house().checkpoint_room)
        path = {"document_id": document_id}
        bundle = api.call("GET", "/v1/documents/{document_id}/evidence", path=path).json
        issued = fakes.ledger.get(document_id)
        assert issued is not None
        assert issued.file is not None
        url = verify_url(issued, house().settings.public_url)
        content = machine_readable(issued, AGENCIES[0], verify_url=url).data.decode()
        sealed = hand.seal(page(tmp_path_factory.mktemp("t"), PAGE, content=content))
        # What `seal` would have archived, had the renderer been the real one.
        file = replace(issued.file, sha256=sha256(sealed))
        archived = replace(issued, file=file, valid_from=None, valid_until=None)
        keep(fakes, archived)
        yield Desk(api, hand, archived, sealed, bundle)


@pytest.fixture(autouse=True)
def _as_it_was(desk: Desk) -> Iterator[None]:
    yield
    keep(desk.api.fakes, desk.document)


def codes(answer: Answer) -> list[str]:
    return [finding["code"] for finding in answer.json["findings"]]


def test_our_own_file(desk: Desk) -> None:
    """E4, P7: the seal's verdict, the register's answer and the document's validity in one."""
    answer = desk.send(desk.sealed)
    assert answer.status == 200, answer.text
    told = answer.json
    assert (told["indication"], told["sub_indication"]) == ("TOTAL-PASSED", None)
    assert told["register_answer"] == "match"
    assert told["document"]["status"] == "valid"
    assert told["document"]["document_id"] == desk.document.document_id
    assert told["file_sha256"] == sha256(desk.sealed)
    (seal,) = told["seals"]
    assert seal["level"] == "B-LTA"
    assert seal["sealed_at"]
    assert all(f["detail_th"] != f["detail_en"] for f in told["findings"])
    assert answer.headers["Cache-Control"] == "no-store"


def test_production_believes_no_development_seal(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 4, 7: a development root in the directory makes nothing pass in production."""
    monkeypatch.setattr(house(), "settings", replace(house().settings, stage=Stage.PROD))
    told = desk.send(desk.sealed).json
    assert (told["indication"], told["sub_indication"]) == (
        "INDETERMINATE",
        "NO_CERTIFICATE_CHAIN_FOUND",
    )


def test_the_document_has_expired(desk: Desk) -> None:
    """E4: a good seal on a document whose period is over says both."""
    keep(desk.api.fakes, replace(desk.document, valid_until=date(2026, 1, 1)))
    told = desk.send(desk.sealed).json
    assert told["indication"] == "TOTAL-PASSED"
    assert told["document"]["status"] == "expired"
    assert [f["code"] for f in told["findings"]] == ["seal_valid", "document_expired"]


@pytest.mark.parametrize(
    ("kind", "verdict", "code"),
    [
        (RulingKind.REVOKED, ("TOTAL-FAILED", "REVOKED"), "document_revoked"),
        (RulingKind.SUPERSEDED, ("TOTAL-FAILED", "REVOKED"), "document_replaced"),
        (RulingKind.SUSPENDED, ("INDETERMINATE", "TRY_LATER"), "document_suspended"),
        (RulingKind.REINSTATED, ("TOTAL-PASSED", None), "seal_valid"),
    ],
)
def test_the_document_was_ruled_on(
    desk: Desk, kind: RulingKind, verdict: tuple[str, str | None], code: str
) -> None:
    """Issue 5, item 5: a genuine file of a document that does not stand says so from the moment
    the decision holds; so does a bundle from before it."""
    ruling = Ruling(
        number=1,
        kind=kind,
        reason_code=ReasonCode.ERROR,
        reason="x",
        by="approver-1",
        agency_id="diw",
        decided_at=NOON,
        effective_at=NOON + timedelta(hours=1),
        replaced_by=Replacement("D2", "๒/๒๕๖๙") if kind is RulingKind.SUPERSEDED else None,
    )
    keep(desk.api.fakes, replace(desk.document, rulings=(ruling,)))
    assert codes(desk.send(desk.sealed)) == ["seal_valid"]
    desk.api.fakes.clock.now = NOON + timedelta(hours=1)
    try:
        told = desk.send(desk.sealed)
        assert (told.json["indication"], told.json["sub_indication"]) == verdict
        assert codes(told) == [code]
        assert told.json["register_answer"] == "match"
        assert told.json["document"]["status"] == kind.standing
        by = "๒/๒๕๖๙" if kind is RulingKind.SUPERSEDED else None
        assert told.json["document"]["replaced_by"] == by
    finally:
        desk.api.fakes.clock.now = NOON


def test_a_bundle_from_before_a_ruling(desk: Desk) -> None:
    """Issue 5, item 5: the register knows better than a bundle that was fetched earlier."""
    made = desk.document
    revoked = Ruling(
        number=1,
        kind=RulingKind.REVOKED,
        reason_code=ReasonCode.ERROR,
        reason="x",
        by="approver-1",
        agency_id="diw",
        decided_at=NOON,
        effective_at=NOON,
    )
    issued_file = made.file
    assert issued_file is not None
    file = replace(issued_file, sha256=desk.bundle["file"]["sha256"])
    keep(desk.api.fakes, replace(made, file=file, rulings=(revoked,)))
    told = desk.ask(desk.bundle)
    assert (told.json["indication"], codes(told)) == ("TOTAL-FAILED", ["document_revoked"])
    assert told.json["document"]["status"] == "revoked"


def test_well_sealed_but_not_the_archived_file(desk: Desk) -> None:
    """P2: a second sealed file of the same document is not the document."""
    file = desk.document.file
    assert file is not None
    keep(desk.api.fakes, replace(desk.document, file=replace(file, sha256="ab" * 32)))
    answer = desk.send(desk.sealed)
    assert answer.json["indication"] == "TOTAL-FAILED"
    assert answer.json["register_answer"] == "differs"
    assert answer.json["document"] is None
    assert codes(answer) == ["register_differs"]


def test_number_is_void(desk: Desk) -> None:
    """P1: a file whose number ended as void is no document, however well it is sealed."""
    void = replace(desk.document, state=DocumentState.VOID, reason=Reason("x", "x", "x"))
    keep(desk.api.fakes, void)
    answer = desk.send(desk.sealed)
    assert (answer.json["indication"], answer.json["register_answer"]) == ("TOTAL-FAILED", "void")
    assert codes(answer) == ["document_void"]


def test_nothing_is_confirmed_before_it_is_final(desk: Desk) -> None:
    """P3: a document that is not issued yet is as unknown as any other."""
    keep(desk.api.fakes, replace(desk.document, state=DocumentState.NUMBERED))
    told = desk.send(desk.sealed).json
    assert (told["register_answer"], told["document"]) == ("unknown", None)


def test_others_files(desk: Desk, tmp_path: Any) -> None:
    """P6: a file that is not of this deployment gets the verdict on its seal, and no more."""
    told = desk.send(desk.hand.seal(page(tmp_path))).json
    assert told["indication"] == "TOTAL-PASSED"
    assert (told["register_answer"], told["document"]) == ("unknown", None)


def test_a_forged_file(desk: Desk) -> None:
    """P2: a changed file fails by its seal and by the register, both told."""
    answer = desk.send(attacks.annotation_added(desk.sealed))
    assert answer.json["indication"] == "TOTAL-FAILED"
    assert codes(answer) == ["changed_after_seal", "register_differs"]


@pytest.mark.parametrize("junk", [b"", b"PK", b"%PDF-1.7\n", bytes(1000)])
def test_junk_has_a_verdict(desk: Desk, junk: bytes) -> None:
    """P4: whatever is sent as a PDF, the answer is a verdict and never an error."""
    answer = desk.send(junk)
    assert answer.status == 200
    assert answer.json["indication"] == "TOTAL-FAILED"


@pytest.mark.parametrize(
    "content_type", ["", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_a_pdf_of_another_name_is_told_its_type(desk: Desk, content_type: str) -> None:
    """P4: a PDF sent without its type is refused with the type to send, not as wrong JSON."""
    for pdf in (desk.sealed, desk.sealed + bytes(1024 * 1024)):
        answer = desk.send(pdf, content_type)
        assert (answer.status, answer.json["code"]) == (400, "malformed_request")
        assert "Content-Type: application/pdf" in answer.json["detail"]


def test_larger_files_are_uploaded(desk: Desk) -> None:
    """api.md: what does not fit into a request is refused with 413, uploaded, and verified."""
    answer = desk.send(b"%PDF-" + bytes(MAX_PDF_BYTES))
    assert (answer.status, answer.json["code"]) == (413, "request_too_large")
    assert "/v1/verify/uploads" in answer.json["detail"]
    invited = desk.ask(None, "/v1/verify/uploads")
    assert invited.status == 201
    upload_id = "A" * 26
    assert desk.ask({"upload": upload_id}).status == 404
    desk.api.fakes.uploads.files[upload_id] = desk.sealed
    assert desk.ask({"upload": upload_id}).json["register_answer"] == "match"
    assert desk.ask({"upload": "../documents/x"}).status == 422
    assert desk.ask({"upload": 7}).status == 422
    assert desk.ask({"upload": None}).status == 404


def test_a_bundle(desk: Desk) -> None:
    """P7: a bundle is verified under this deployment's own keys; tampered ones say where."""
    told = desk.ask(desk.bundle).json
    assert told["indication"] == "TOTAL-PASSED"
    assert "number_log" in told["bundle"]["checked"]
    assert told["bundle"]["missing"] == ["file", "evidence_records"]
    answer = desk.ask({**desk.bundle, "content_digest": "ab" * 32})
    assert answer.json["indication"] == "TOTAL-FAILED"
    assert "commitment_wrong" in codes(answer)
    assert answer.json["document"] is None
    assert codes(desk.ask({})) == ["bundle_malformed"]
    assert desk.ask("[]").status == 400


def test_a_function_that_fails_is_told_as_unavailable() -> None:
    """P4: who cannot be answered now may ask again."""
    broken = VerifyFunction(NearLambda(Fakes().uploads, broken=True), "verify")  # type: ignore[arg-type]  # what is used of it
    with pytest.raises(UnavailableError):
        broken.check(b"x", ())
