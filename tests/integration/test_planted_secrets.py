"""Issue 7, 6: words planted in classified letters are found nowhere in clear.

One secret and one normal letter of each kind go the same whole way on the embedded AWS, from
submission to receipt, rejection, revocation, registers, prints, audit and errors. Then every item
of every table, every object of every bucket with its metadata, every message, every request that
went to AWS, all logs and metrics, and every answer to somebody who must not know are searched for
the planted words, in clear, escaped, as UTF-16, hex and Base64, and within whatever is compressed.
The words of the normal letters are found, each of them: so the search sees, and without the
encryption it would find the others.
"""

from __future__ import annotations

import base64
import logging
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from typing import Any

import pypdf
import pytest

from chalicelib import bootstrap
from chalicelib.domain.access import Action
from chalicelib.domain.documents import Document
from chalicelib.handlers.telemetry import logger
from infra.devservices import running
from tests.integration.conftest import Answer
from tests.support.live_office import (
    BY_QUEUE,
    RECIPIENT,
    SENDER,
    STRANGER,
    LiveOffice,
    live_office,
    overheard,
)
from tests.support.planting import leaks
from tests.support.rooms import furnished
from tests.support.secret_office import one

pytestmark = pytest.mark.aws

_THAI = "กขคงจฉชซญดตถทธนบปผฝพฟมยรลวศสหอ"


def _who(agency: str, role: str, clearance: str = "normal", **more: str) -> dict[str, Any]:
    """With every scope: what they may not do, their roles and clearance say."""
    return {**one(agency, role, clearance), "scope": " ".join(Action), **more}


_FROM = _who(SENDER, "clerk registrar", "secret")
_TO = _who(RECIPIENT, "clerk registrar", "secret")
_APPROVER = _who(SENDER, "registrar approver", "secret")
_REFUSER = _who(SENDER, "approver registrar", "secret", sub="diw-refuser")
_OUTSIDERS = (
    _who(SENDER, "clerk"),
    _who(SENDER, "registrar", "confidential"),
    _who(RECIPIENT, "clerk"),
    _who(RECIPIENT, "supervisor"),
    _who(STRANGER, "registrar", "secret"),
    {**_who(SENDER, "application", "secret"), "client_id": "diw-app"},
)
_DOCUMENT = "/v1/documents/{document_id}"
_ARRIVAL = "/v1/inbox/{delivery_id}"


def _word() -> str:
    return "".join(secrets.choice(_THAI) for _ in range(14))


@dataclass
class Planted:
    """Words that stand in one letter each, by where they stand; `classification` of all."""

    classification: str
    words: dict[str, str] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    """Ids, by what becomes of the letter."""

    def __getitem__(self, place: str) -> str:
        return self.words.setdefault(place, _word())

    def letter(self, which: str) -> dict[str, Any]:
        return {
            "subject": f"เรื่อง{self[f'{which} subject']}",
            "to": [RECIPIENT, BY_QUEUE] if which == "kept" else [RECIPIENT],
            "addressee": f"ท่าน{self[f'{which} addressee']}",
            "paragraphs": [f"ด้วย{self[f'{which} paragraph']}", "จึงเรียนมาเพื่อโปรดทราบ"],
            "references": [
                {"agency": self[f"{which} reference"], "number": "พณ ๐๘๐๖/๑", "date": "2026-10-02"}
            ],
            "enclosures": [self[f"{which} enclosure"]],
            "signatory": {
                "name": f"นาย{self[f'{which} signatory']}",
                "position": self[f"{which} position"],
            },
            "contact": {
                "office": self[f"{which} contact"],
                "telephone": "๐๒",
                "email": "a@b.example",
            },
            "copies_to": [self[f"{which} copies"]],
            "classification": self.classification,
        }


@dataclass
class Life:
    """What was planted, and all that was heard while it lived."""

    office: LiveOffice
    secret: Planted
    normal: Planted
    logs: StringIO
    printed: str = ""


@pytest.fixture(scope="module")
def life(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Both letters through their whole life, once for this module."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    bootstrap.forget_clients()
    with running(tmp_path_factory.mktemp("pki")) as services, pytest.MonkeyPatch.context() as patch:
        metrics = StringIO()
        patch.setattr("sys.stdout", metrics)
        office = live_office(services)
        lived = Life(office, Planted("secret"), Planted("normal"), stream)
        with furnished(office.house), overheard(office):
            for planted in (lived.normal, lived.secret):
                _live(office, planted)
            office.watch()
            office.told["audit"] = str(office.audit()).encode()
            _fail(office, lived.secret, patch)
        lived.printed = metrics.getvalue()
        yield lived
    logger._logger.removeHandler(handler)
    bootstrap.forget_clients()


# -- the way of a letter ---------------------------------------------------------


def _live(office: LiveOffice, planted: Planted) -> None:
    for which in ("kept", "rejected", "unapproved"):
        planted.sent[which] = office.send(planted.letter(which), _FROM)
    _approve(office, planted)
    office.rest()
    assert _now(office, planted, "kept").state == "issued"
    assert _now(office, planted, "unapproved").state == "rejected"
    _arrive(office, planted)
    office.rest()
    _look(office, planted)
    reason = {"reason_code": "error", "reason": planted["revocation"]}
    kept = planted.sent["kept"]
    _good(office.ask("POST", f"{_DOCUMENT}/revocation", _APPROVER, reason, document_id=kept))
    office.rest()
    if planted.classification == "secret":
        _pry(office, planted)


def _approve(office: LiveOffice, planted: Planted) -> None:
    approver, refuser = office.with_an_app(_APPROVER), office.with_an_app(_REFUSER)
    route = f"{_DOCUMENT}/approvals"
    wanted = [_now(office, planted, which) for which in ("kept", "rejected")]
    several = [_decision(document) for document in wanted]
    now = office.house.clock()
    body = {"decisions": several, "otp": approver.code(now)}
    _good(office.ask("POST", "/v1/approvals", _APPROVER, body))
    refused = _now(office, planted, "unapproved")
    no = {"decision": "reject", "reason": planted["refusal"], "otp": refuser.code(now)}
    body = {**_decision(refused), **no}
    body.pop("document_id")
    _good(office.ask("POST", route, _REFUSER, body, document_id=refused.document_id))


def _decision(document: Document) -> dict[str, str]:
    return {
        "document_id": document.document_id,
        "content_digest": document.content_digest,
        "decision": "approve",
    }


def _arrive(office: LiveOffice, planted: Planted) -> None:
    """The recipient reads, passes on and registers one, and rejects the other."""
    kept, rejected = (f"{planted.sent[which]}.{RECIPIENT}.1" for which in ("kept", "rejected"))
    for part in ("", "/file", "/print"):
        _good(office.ask("GET", f"{_ARRIVAL}{part}", _TO, delivery_id=kept))
    passing = {"unit": "law", "note": planted["passing"]}
    _good(office.ask("POST", f"{_ARRIVAL}/forward", _TO, passing, delivery_id=kept))
    _good(office.ask("POST", f"{_ARRIVAL}/receipt", _TO, None, delivery_id=kept))
    no = {"reason": "other", "note": planted["rejection"]}
    answer = office.ask("POST", f"{_ARRIVAL}/rejection", _TO, no, delivery_id=rejected)
    if planted.classification == "secret":
        # It would go to the sender's own system in clear: of a secret letter, codes only.
        assert answer.status == 422
        no = {"reason": "misdirected"}
        answer = office.ask("POST", f"{_ARRIVAL}/rejection", _TO, no, delivery_id=rejected)
    _good(answer)


def _look(office: LiveOffice, planted: Planted) -> None:
    """Who may see it looks at everything."""
    document_id = planted.sent["kept"]
    for part in ("", "/file", "/evidence", "/approval"):
        _good(office.ask("GET", f"{_DOCUMENT}{part}", _FROM, document_id=document_id))
    for agency, by, book in ((SENDER, _FROM, "send"), (RECIPIENT, _TO, "receive")):
        secret = planted.classification == "secret"
        named = f"{book}-secret" if secret else book
        for form in ("", ".csv", ".pdf"):
            _good(_register(office, agency, named, form, by))
    for box, by in (("/v1/documents", _FROM), ("/v1/outbox", _FROM), ("/v1/inbox", _TO)):
        _good(office.ask("GET", box, by, query={"q": planted["kept subject"]}))
        _good(office.ask("GET", box, by))


def _pry(office: LiveOffice, planted: Planted) -> None:
    """Everybody who must not know asks for everything, and the public for what is public."""
    for which, document_id in planted.sent.items():
        for by in _OUTSIDERS:
            _pry_at(office, document_id, by)
        code = _now(office, planted, which).verification_code
        for route in ("/v/{code}", "/v1/status/{code}"):
            office.pry(f"{which} {route}", office.ask("GET", route, None, code=code))
    for by in _OUTSIDERS:
        for box in ("/v1/documents", "/v1/outbox", "/v1/inbox", "/v1/approvals"):
            for query in ({}, {"q": planted["kept subject"]}):
                office.pry(f"{box} {query} {by['sub']}", office.ask("GET", box, by, query=query))
        _pry_in_registers(office, by)


def _pry_at(office: LiveOffice, document_id: str, by: dict[str, Any]) -> None:
    for part in ("", "/file", "/evidence", "/approval", "/preview", "/readers", "/image"):
        answer = office.ask("GET", f"{_DOCUMENT}{part}", by, document_id=document_id)
        office.pry(f"{document_id} {part} {by['sub']}", answer)
    for part in ("", "/file", "/print", "/readers"):
        delivery_id = f"{document_id}.{RECIPIENT}.1"
        answer = office.ask("GET", f"{_ARRIVAL}{part}", by, delivery_id=delivery_id)
        office.pry(f"{delivery_id} {part} {by['sub']}", answer)


def _pry_in_registers(office: LiveOffice, by: dict[str, Any]) -> None:
    for book in ("send-secret", "receive-secret"):
        for form in ("", ".csv", ".pdf"):
            answer = _register(office, by["agency"], book, form, by)
            office.pry(f"{book}{form} {by['sub']}", answer)
            office.told[f"{book}{form} {by['sub']} text"] = _text_of(answer).encode()


def _register(office: LiveOffice, agency: str, book: str, form: str, by: dict[str, Any]) -> Answer:
    route, year = "/v1/registers/{agency}/{book}/{year}", f"{office.house.clock().year}{form}"
    return office.ask("GET", route, by, agency=agency, book=book, year=year)


def _fail(office: LiveOffice, planted: Planted, patch: pytest.MonkeyPatch) -> None:
    """Faults in the request, and a fault that quotes what it stumbled over."""
    wrong = {**planted.letter("faulty"), "urgency": planted["urgency"], "retention_years": 1}
    faulty = office.ask("POST", "/v1/letters", _FROM, wrong)
    assert faulty.status == 422
    office.told["faults of another's request"] = b""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot handle {planted['broken']}")

    document_id = planted.sent["kept"]
    with patch.context() as within:
        within.setattr(type(office.house.documents), "get", broken)
        answer = office.ask("GET", _DOCUMENT, _FROM, document_id=document_id)
    assert answer.status == 500
    office.pry("an unforeseen error", answer)


def _now(office: LiveOffice, planted: Planted, which: str) -> Document:
    found = office.house.documents.get(planted.sent[which])
    assert found is not None
    return found


def _good(answer: Answer) -> Answer:
    """It did what was asked (a normal file is a link)."""
    assert answer.status in {200, 201, 202, 303}, answer.text
    return answer


def _text_of(answer: Answer) -> str:
    """Of the pages in an answer: fonts hide text from a search of bytes."""
    if answer.status != 200 or "pdf_base64" not in answer.text:
        return ""
    reader = pypdf.PdfReader(BytesIO(base64.b64decode(answer.json["pdf_base64"])))
    return "".join(page.extract_text() for page in reader.pages) + str(reader.metadata)


# -- what was found ----------------------------------------------------------------


def test_no_planted_word_lies_anywhere(life: Life) -> None:
    """A13, C5: tables, buckets, metadata and queues hold no word of a secret letter, of what was
    decided on it, or of what its recipient wrote, in any form; every word of the normal one lies
    somewhere in clear."""
    found = leaks(
        life.office.everything(), [*life.secret.words.values(), *life.normal.words.values()]
    )
    told = set().union(*found.values())
    secret = {where: words & set(life.secret.words.values()) for where, words in found.items()}
    assert {where: words for where, words in secret.items() if words} == {}
    missed = {place for place, word in life.normal.words.items() if word not in told}
    assert missed == set()


def test_no_planted_word_travels(life: Life) -> None:
    """C5: no request to DynamoDB, S3, SQS or KMS, and no message, carries one: it is encrypted
    before it leaves the process. (What somebody types into a search travels as it was typed; it
    is kept nowhere.)"""
    said = {what: told for what, told in life.office.said.items() if "dynamodb.Query" not in what}
    asked = Counter(what.partition(" ")[0] for what in said)
    for service in ("kms.GenerateDataKey", "kms.Decrypt", "s3.PutObject", "sqs.SendMessageBatch"):
        assert asked[service] > 0
    assert leaks(said, life.secret.words.values()) == {}
    words = set(life.normal.words.values())
    assert set().union(*leaks(said, words).values()) >= words - {life.normal.words["revocation"]}


def test_no_planted_word_is_logged_or_counted(life: Life) -> None:
    """PDPA, C5: neither logs nor metrics hold a word of either, though errors were raised that
    quote them."""
    heard = {"logs": life.logs.getvalue().encode(), "printed": life.printed.encode()}
    assert b"TRA-SEAL-002" in heard["logs"]
    assert b"RuntimeError" in heard["logs"]
    words = [*life.secret.words.values(), *life.normal.words.values()]
    assert leaks(heard, words) == {}


def test_nobody_else_is_told_a_planted_word(life: Life) -> None:
    """P6: every answer to the uncleared, to other agencies and to the public, errors and printed
    registers among them, is without a word of the secret letters."""
    assert len(life.office.told) > 100
    assert leaks(life.office.told, life.secret.words.values()) == {}


def test_the_audit_and_the_watch_go_on(life: Life) -> None:
    """A26: registers, logs, archive and deliveries of secret letters are audited like any other,
    and nothing is found."""
    assert b"'errors': 0" in life.office.told["audit"], life.logs.getvalue()[-6000:]
    assert b"'not_audited': 0" in life.office.told["audit"], life.logs.getvalue()[-6000:]
