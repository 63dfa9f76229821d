"""Whether an act is covered by an e-Proxy, decided without any store (issue 7, item 8)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.documents import Classification, DocumentState
from chalicelib.domain.proxies import (
    Act,
    Match,
    Person,
    Proxy,
    Refused,
    identified,
    judge,
    words,
)
from chalicelib.domain.standing import Standing
from tests.support.samples import NOON, document

CONTENT: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent.parent / "chalicelib/templates/e-proxy/example.json").read_bytes()
)["content"]
KHOMSAN = Person(name="นายคมสัน ท่าเรือ", registration_no="3501200456785")
SOMBAT = Person(name="นายสมบัติ ตัวแทน", registration_no="1100700012343")
COMPANY = Person(name="บริษัท สวนมะพร้าวแม่กลอง จำกัด", registration_no="0755560000012")
PAY = Act(attorney=KHOMSAN, principal=None, power="fee.pay", amount=Decimal("500.00"))


def proxy(
    content: Mapping[str, Any] = CONTENT, standing: Standing = Standing.VALID, **changes: Any
) -> Proxy:
    paper = replace(document(), document_type="e-proxy", content={**content, **changes})
    return Proxy(document=paper, standing=standing)


def given_on(**changes: Any) -> Proxy:
    """From the attorney to Sombat."""
    content = {
        **CONTENT,
        "principal": {
            "kind": "natural_person",
            "name": KHOMSAN.name,
            "registration_no": KHOMSAN.registration_no,
        },
        "attorney": {
            "kind": "natural_person",
            "name": SOMBAT.name,
            "registration_no": SOMBAT.registration_no,
        },
    }
    return proxy(content, **changes)


def refusals(
    act: Act, *chain: Proxy, used: Sequence[int] | None = None
) -> list[tuple[Refused, int]]:
    found = judge(chain, act, used if used is not None else [0] * len(chain))
    return [(reason.why, reason.link) for reason in found]


def test_what_the_proxy_grants_is_allowed() -> None:
    """Item 8: attorney, power, amount and count as the proxy says."""
    assert refusals(PAY, proxy()) == []
    assert refusals(replace(PAY, principal=COMPANY), proxy()) == []
    assert refusals(replace(PAY, amount=Decimal("10000.00")), proxy(), used=[2]) == []
    assert refusals(replace(PAY, power="licence.factory.apply", amount=None), proxy()) == []


@pytest.mark.parametrize("standing", [s for s in Standing if s is not Standing.VALID])
def test_a_proxy_out_of_force_covers_nothing(standing: Standing) -> None:
    """Item 8: revoked, replaced, suspended, expired, not yet valid: each by its name."""
    assert refusals(PAY, proxy(standing=standing)) == [(Refused(standing.value), 0)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"power": "licence.factory"}, Refused.POWER_NOT_GRANTED),
        ({"power": "licence.factory.apply.all"}, Refused.POWER_NOT_GRANTED),
        ({"power": "fee"}, Refused.POWER_NOT_GRANTED),
        ({"amount": None}, Refused.AMOUNT_MISSING),
        ({"amount": Decimal("10000.01")}, Refused.AMOUNT_EXCEEDED),
        ({"principal": SOMBAT}, Refused.NOT_THE_PRINCIPAL),
    ],
)
def test_what_lies_beyond_is_refused(changes: dict[str, Any], reason: Refused) -> None:
    """Item 8: no power includes another, an unsaid amount is none, a limit is a limit."""
    assert refusals(replace(PAY, **changes), proxy()) == [(reason, 0)]


def test_a_power_is_used_as_often_as_it_may() -> None:
    """Item 8: the third of three is the last."""
    assert refusals(PAY, proxy(), used=[3]) == [(Refused.USED_UP, 0)]


def test_a_stranger_learns_nothing_of_the_powers() -> None:
    """P6: whoever is not the attorney is told that, whatever else is wrong."""
    for power in ("fee.pay", "none.such"):
        act = replace(PAY, attorney=SOMBAT, power=power, amount=Decimal("99999.00"))
        assert refusals(act, proxy(), used=[9]) == [(Refused.NOT_THE_ATTORNEY, 0)]


@pytest.mark.parametrize(
    ("named", "shown", "found"),
    [
        ({"registration_no": "3501200456785"}, KHOMSAN, Match.SAME),
        ({"registration_no": "3501200456785"}, replace(KHOMSAN, name="อื่น"), Match.SAME),
        ({"registration_no": "3501200456785"}, SOMBAT, Match.OTHER),
        ({"registration_no": "3501200456785"}, Person(name=KHOMSAN.name), Match.OTHER),
        ({"id_last4": "6785"}, KHOMSAN, Match.SAME),
        ({"id_last4": "6785"}, replace(KHOMSAN, name="นายคมสัน  ท่าเรือ "), Match.SAME),
        ({"id_last4": "6785"}, replace(KHOMSAN, name="นายคมสัน ท่าเรื"), Match.OTHER),
        ({"id_last4": "6786"}, KHOMSAN, Match.OTHER),
        ({"id_last4": "6785"}, Person(name=KHOMSAN.name), Match.OTHER),
        ({}, KHOMSAN, Match.UNKNOWN),
    ],
)
def test_who_is_the_attorney(named: dict[str, str], shown: Person, found: Match) -> None:
    """Item 8: the whole number, or its last digits with the name; a name alone proves nobody."""
    person = Person.named({"kind": "natural_person", "name": KHOMSAN.name, **named})
    assert identified(person, shown) is found


def test_a_name_alone_needs_a_person_to_look() -> None:
    """Item 8: many people have one name; a machine does not decide on it."""
    nameless = {"kind": "natural_person", "name": KHOMSAN.name}
    assert refusals(PAY, proxy(attorney=nameless)) == [(Refused.ATTORNEY_UNIDENTIFIED, 0)]


def test_a_power_may_be_given_on_where_the_proxy_says_so() -> None:
    """Item 8 (มอบอำนาจช่วง): only with leave, from the attorney himself, each within its limits."""
    act = replace(PAY, attorney=SOMBAT, principal=COMPANY)
    free = proxy(sub_delegation=True)
    assert refusals(act, free, given_on()) == []
    assert refusals(act, proxy(), given_on()) == [(Refused.NO_SUB_DELEGATION, 0)]
    assert refusals(act, free, given_on(standing=Standing.REVOKED)) == [(Refused.REVOKED, 1)]
    assert refusals(act, free, given_on(), used=[0, 3]) == [(Refused.USED_UP, 1)]
    assert refusals(act, proxy(sub_delegation=True, powers=[]), given_on()) == [
        (Refused.POWER_NOT_GRANTED, 0)
    ]


def test_a_chain_hangs_together() -> None:
    """Item 8: somebody else's proxy is no link, and who is not at its end does not act."""
    free = proxy(sub_delegation=True)
    act = replace(PAY, attorney=SOMBAT)
    stranger = given_on(principal={"kind": "natural_person", "name": "x", "id_last4": "6785"})
    assert refusals(act, free, stranger) == [(Refused.CHAIN_BROKEN, 1)]
    assert refusals(PAY, free, given_on()) == [(Refused.NOT_THE_ATTORNEY, 1)]


@pytest.mark.parametrize(
    "changes",
    [
        {"document_type": "licence"},
        {"state": DocumentState.NUMBERED},
        {"classification": Classification.SECRET},
    ],
)
def test_nothing_else_is_a_proxy(changes: dict[str, Any]) -> None:
    """P3, A13: another document, one that is not issued, and a classified one are none."""
    issued = replace(document(), document_type="e-proxy", state=DocumentState.ISSUED)
    assert Proxy.of(replace(issued, **changes), NOON) is None
    assert Proxy.of(None, NOON) is None


def test_each_refusal_is_told_in_both_languages() -> None:
    """Reasons are for people too."""
    assert all(len(set(words(why))) == 2 for why in Refused)


def test_a_person_is_not_printed() -> None:
    """PDPA: no trace, log or error shows who it was."""
    assert "3501200456785" not in repr(PAY)
    assert KHOMSAN.name not in str([KHOMSAN])
