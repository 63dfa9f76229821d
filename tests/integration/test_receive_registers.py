"""A receive register is a register like any other: read, printed, published, checked, closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.findings import Fault
from chalicelib.domain.registers import Book, LogName, Register, statement_key
from chalicelib.domain.statements import claimed_payload
from chalicelib.handlers import schedules
from chalicelib.services.audit import audit
from chalicelib.services.close import close_all
from infra.log_check import check_register
from tests.fault.harness import World
from tests.integration.conftest import Api
from tests.support.evidence import LocalSigner
from tests.support.letters import Mail
from tests.support.rooms import CONTEXT, Fakes, furnished, sample_event
from tests.support.samples import AGENCIES, document

SENT = Register("diw", "send", 2026)
RECEIVED = Register("dbd", "receive", 2026)
LINES = "/v1/registers/{agency}/{book}/{year}"
NEW_YEAR = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
"""1 January 2027, 00:00 in Bangkok."""

_APPLICATION = sample_event("api")["requestContext"]["authorizer"]
CLERK = {**_APPLICATION, "agency": "dbd", "sub": "dbd-1", "roles": "clerk"}
CLERK["scope"] = "registers:read"


@dataclass
class Office:
    """dbd has registered two letters of diw."""

    api: Api
    deliveries: list[DeliveryId]

    @property
    def fakes(self) -> Fakes:
        return self.api.fakes


@pytest.fixture
def office() -> Iterator[Office]:
    fakes = Fakes(signer=LocalSigner())
    fakes.directory.put_agency(replace(AGENCIES[0], letter_prefix="อก ๐๓๐๒"))
    world = World(fakes)
    world.accept(
        *(replace(document(n, recipients=("dbd",)), book=Book("diw", "send")) for n in "AB")
    )
    for function in ("number", "seal"):
        while world.step(function):
            pass
    house = fakes.house()
    mail = Mail(house)
    ids = []
    for letter in ("A", "B"):
        sent = house.documents.get(letter)
        assert sent is not None
        (delivery_id,) = mail.send(sent, {"dbd": ChannelKind.HOSTED})
        mail.arrives(delivery_id)
        mail.is_registered(delivery_id)
        mail.is_settled(delivery_id)
        ids.append(delivery_id)
    with furnished(house):
        yield Office(Api(fakes), ids)


def test_a_received_letter_stands_there_as_its_sender_printed_it(office: Office) -> None:
    """A16, A1: number and date are the letter's own, its sender stands under จาก, and the line
    leads to the receipt."""
    path = {"agency": "dbd", "book": "receive", "year": "2026"}
    page = office.api.call("GET", LINES, path=path, authorizer=CLERK).json
    first = page["items"][0]
    wanted = {
        "running_number": "๑",
        "letter_number": "อก ๐๓๐๒/๑",
        "dated": "2026-11-21",
        "from": "กรม",
        "subject": "เชิญประชุม",
        "action": "ลงทะเบียนรับแล้ว",
        "document_id": None,
        "delivery_id": str(office.deliveries[0]),
    }
    assert {name: first[name] for name in wanted} == wanted
    assert first["remarks"].startswith("รับเมื่อ")
    spreadsheet = office.api.call("GET", LINES, path={**path, "year": "2026.csv"}, authorizer=CLERK)
    assert "อก ๐๓๐๒/๒" in spreadsheet.text


def test_anybody_checks_a_receive_register(office: Office) -> None:
    """P1, P7: a program that trusts nobody gets the same root, and learns neither which letter
    nor who sent it."""
    schedules.checkpoint(sample_event("checkpoint"), CONTEXT)
    public = _Public(office.api)
    checked = check_register("https://tra.test", RECEIVED.register_id, public)  # type: ignore[arg-type]  # what is used of it
    assert (checked.numbers, checked.outcomes) == (2, 2)
    for words in ("diw", str(office.deliveries[0]), _digest(office)):
        assert not [each for each in public.answers if words.encode() in each]


def test_a_receive_register_is_closed_as_any_other(office: Office) -> None:
    """A18, A22: the year ends with a statement that counts what was received, and neither the
    sender's register nor the recipient's raises an alarm."""
    fakes = office.fakes
    house = fakes.house()
    fakes.clock.now = NEW_YEAR
    done = close_all(room=house.closing_room)
    assert (done.closed, done.waiting, done.failed) == (2, 0, ())
    signed = fakes.archive.files[statement_key(RECEIVED)].decode()
    stated = json.loads(claimed_payload(signed))
    assert (stated["last_number"], stated["issued"], stated["void"]) == (2, 2, 0)
    for register in (SENT, RECEIVED):
        found = {f.fault for f in audit(register, room=house.audit_room).findings}
        assert found <= {Fault.RECORD_BEHIND}, "nobody renews here"


def _digest(office: Office) -> str:
    sent = office.fakes.ledger.get("A")
    assert sent is not None
    assert sent.file is not None
    return sent.file.sha256


class _Public:
    """What anybody gets of dbd's receive register over the API's own routes; redirects are
    followed, as an HTTP client does."""

    def __init__(self, api: Api) -> None:
        self.answers: list[bytes] = []
        self._api = api

    def request(self, _method: str, url: str) -> SimpleNamespace:
        rest = url.partition(f"/v1/registers/{RECEIVED.register_id}/")[2]
        status, data = self._answer(rest)
        self.answers.append(data)
        return SimpleNamespace(status=status, data=data)

    def _answer(self, rest: str) -> tuple[int, bytes]:
        log, _, file = rest.partition("/")
        if file.startswith("tile/"):
            return 200, self._api.fakes.log_files.files[RECEIVED, LogName(log), file]
        path = dict(zip(("agency", "book", "year"), RECEIVED.register_id.split("/"), strict=True))
        names = {"number": file} if log == "proof" else {"log": log}
        route = "proof/{number}" if log == "proof" else f"{{log}}/{file}"
        answer = self._api.call("GET", f"{LINES}/{route}", path={**path, **names}, authorizer={})
        return answer.status, answer.text.encode()
