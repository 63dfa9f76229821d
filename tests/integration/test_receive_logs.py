"""The public logs of receive registers: anybody checks them, and nobody learns who writes to whom."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from chalicelib.domain.registers import REGISTER_LOGS, LogName, Register
from chalicelib.handlers.operations import OPERATIONS
from infra.log_check import check_register
from tests.integration.conftest import Api
from tests.support.letter_desk import Desk, letter_desk

SENT, RECEIVED = Register("diw", "send", 2026), Register("dbd", "receive", 2026)
_URL = "https://tra.test"


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with letter_desk() as made:
        yield made


@dataclass
class Anybody:
    """An HTTP client without a token, for the API in this process; it follows redirects."""

    desk: Desk

    def request(self, _method: str, url: str) -> Any:
        path = urlsplit(url).path
        for operation in OPERATIONS:
            names = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", operation.path), path)
            if names and operation.method == "GET":
                return self._answer(operation.path, names.groupdict())
        raise AssertionError(f"no route has {path}")

    def _answer(self, route: str, names: dict[str, str]) -> Any:
        fakes = self.desk.world.fakes
        answer = Api(fakes).call("GET", route, path=names, authorizer={})
        if answer.status != 303:
            return SimpleNamespace(status=answer.status, data=answer.text.encode())
        register, log = "{agency}/{book}/{year}".format(**names), names["log"]
        where = urlsplit(answer.headers["Location"]).path.removeprefix(f"{register}/{log}/")
        data = fakes.log_files.files[Register.parse(register), LogName(log), where]
        return SimpleNamespace(status=200, data=data)


@pytest.mark.parametrize("register", [SENT, RECEIVED])
def test_anybody_checks_a_receive_register(desk: Desk, register: Register) -> None:
    """P1, P7: by the standards alone and without a token, numbers of a receive register run 1, 2,
    3 …, each has an outcome, and every proof leads to the signed root; as those of any other."""
    found = check_register(_URL, register.register_id, Anybody(desk))  # type: ignore[arg-type]  # what is used of it
    assert (found.numbers, found.outcomes) == (3, 3)


def test_nothing_leads_from_a_receive_register_to_a_sender(desk: Desk) -> None:
    """P6, ADR 41: no value that one agency's public logs, statements and lists tell stands in the
    other's, but the words of their grammar and instants; nor does a hash of what the sender's
    tell, alone or two together."""
    sent, received = (_told(desk, register) for register in (SENT, RECEIVED))
    shared = {value for value in sent & received if not _is_instant(value)}
    assert shared == {"1", "2", "3", "0", "None", "issued"}
    ids = {f"{name}.dbd.1" for name in "ABC"}
    digests = {bytes.fromhex(value) for value in sent if re.fullmatch("[0-9a-f]{64}", value)}
    known = {value.encode() for value in sent | ids} | digests
    guesses = {sha256(one).hexdigest() for one in known}
    guesses |= {sha256(one + other).hexdigest() for one, other in product(known, known)}
    assert not guesses & received
    # Subject and commitment of two letters, one of them corrected, and three receipts.
    assert len({value for value in received if re.fullmatch("[0-9a-f]{64}", value)}) == 7


def test_public_answers_name_no_delivery(desk: Desk) -> None:
    """P6: what anybody can ask about a receive register names no delivery, document or sender."""
    anybody = Anybody(desk)
    base = f"{_URL}/v1/registers/{RECEIVED.register_id}"
    texts = [
        anybody.request("GET", f"{base}/proof/{number}").data.decode() for number in (1, 2, 3)
    ] + [
        anybody.request("GET", f"{base}/status/revocation/1").data.decode(),
        anybody.request("GET", f"{_URL}/v1/agencies").data.decode(),
    ]
    document = desk.house.documents.get("A")
    assert document is not None
    assert document.file is not None
    secrets = ("A.dbd.1", '"A"', "diw/send", "dbd.1", document.file.sha256, "ตัวอย่าง")
    assert all(secret not in text for text in texts for secret in secrets)


def _told(desk: Desk, register: Register) -> set[str]:
    """Every value in the leaves of both logs of a register."""
    leaves = [
        leaf
        for log in REGISTER_LOGS
        for leaf in desk.world.fakes.ledger.leaves(register, log, start=0, limit=100)
    ]
    assert len(leaves) == 6
    members = [json.loads(leaf) for leaf in leaves]
    return {str(value) for one in members for name, value in one.items() if name != "v"}


def _is_instant(value: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", value) is not None
