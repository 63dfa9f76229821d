"""An e-Proxy at work: whether somebody may act for another, at this moment (issue 7, item 8).

A proxy (หนังสือมอบอำนาจ, type `e-proxy`) names principal, attorney, and powers by code, each with limits. It is
judged as of now: standing, attorney, power, amount, how often it was used. Who is not the attorney is
told that, and nothing else of what the proxy says.
"""

from __future__ import annotations

import hmac
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.persons import Officer
from chalicelib.domain.standing import Standing
from chalicelib.domain.statements import claimed_payload, write_digest, write_instant

PROXY_TYPE = "e-proxy"
USE = "tra.proxy-use.v1"

MOST_LINKS = 3
"""Proxies that may hang together: the principal's, and two given on by attorneys (มอบอำนาจช่วง)."""


class Refused(StrEnum):
    """Why an act is not covered; the values are stable. Those of standing are `Standing`'s."""

    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    NOT_YET_VALID = "not_yet_valid"
    NOT_THE_ATTORNEY = "not_the_attorney"
    ATTORNEY_UNIDENTIFIED = "attorney_unidentified"
    NOT_THE_PRINCIPAL = "not_the_principal"
    POWER_NOT_GRANTED = "power_not_granted"
    AMOUNT_MISSING = "amount_missing"
    AMOUNT_EXCEEDED = "amount_exceeded"
    USED_UP = "used_up"
    NO_SUB_DELEGATION = "no_sub_delegation"
    CHAIN_BROKEN = "chain_broken"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not, and which proxy of the chain says so, from 0."""

    why: Refused
    link: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as a proxy or an application names one. Never to be printed or logged."""

    name: str = ""
    registration_no: str | None = None
    id_last4: str | None = None

    @classmethod
    def named(cls, told: Mapping[str, Any]) -> Person:
        """As `principal` or `attorney` of a proxy's content."""
        return cls(
            name=told["name"],
            registration_no=told.get("registration_no"),
            id_last4=told.get("id_last4"),
        )

    def __repr__(self) -> str:
        return "Person()"


class Match(StrEnum):
    """Whether somebody is the one who is named."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"
    """The proxy names only a name: many people have it, so a person has to look."""


def identified(named: Person, shown: Person) -> Match:
    """By the whole identity number where the proxy has it; else by its last four digits and the
    name. `shown` has the whole number. Takes the same time whatever is wrong."""
    number = shown.registration_no or ""
    if named.registration_no is not None:
        return _same(named.registration_no, number)
    if named.id_last4 is None:
        return Match.UNKNOWN
    return _same(f"{named.id_last4}{_plain(named.name)}", f"{number[-4:]}{_plain(shown.name)}")


def _same(one: str, other: str) -> Match:
    return Match.SAME if hmac.compare_digest(one.encode(), other.encode()) else Match.OTHER


def _plain(name: str) -> str:
    """Names are the same however they are spaced and composed."""
    return " ".join(unicodedata.normalize("NFC", name).split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """One power of a proxy. `limit` is the most of one act, `times` how often."""

    code: str
    text: str
    limit: Decimal | None
    times: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy as it stands at one moment."""

    document: Document
    standing: Standing

    @classmethod
    def of(cls, document: Document | None, at: datetime) -> Proxy | None:
        """None for what is no proxy that was issued: nobody is told that there is something
        else. A classified one is used on paper."""
        if document is None or document.document_type != PROXY_TYPE or document.is_classified:
            return None
        if document.state is not DocumentState.ISSUED:
            return None
        return cls(document=document, standing=document.standing_at(at).standing)

    @property
    def principal(self) -> Person:
        return Person.named(self.document.content["principal"])

    @property
    def attorney(self) -> Person:
        return Person.named(self.document.content["attorney"])

    @property
    def may_be_given_on(self) -> bool:
        return bool(self.document.content["sub_delegation"])

    @property
    def exclusions(self) -> tuple[str, ...]:
        """In words: whether an act is one of them, a person judges."""
        return tuple(self.document.content.get("exclusions", ()))

    def power(self, code: str) -> Power | None:
        """Exactly this one: no code includes another, however it is spelled."""
        found = (one for one in self.document.content["powers"] if one["code"] == code)
        told = next(found, None)
        if told is None:
            return None
        limit = told.get("amount_limit_thb")
        return Power(
            code=code,
            text=told["text"],
            limit=Decimal(limit) if limit is not None else None,
            times=told.get("count_limit"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody wants to do for another, as an agency sees it."""

    attorney: Person
    principal: Person | None
    power: str
    amount: Decimal | None


def judge(chain: Sequence[Proxy], act: Act, used: Sequence[int]) -> tuple[Reason, ...]:
    """Why the act is not covered; empty if it is. `chain` begins with the principal's own proxy;
    `used` says how often the power of each was used.

    Whether somebody is the attorney comes first and alone: who is not learns nothing of powers
    and limits. That a proxy is not in force anybody learns by its code anyway.
    """
    fallen = tuple(
        Reason(Refused(proxy.standing.value), link)
        for link, proxy in enumerate(chain)
        if proxy.standing is not Standing.VALID
    )
    strangers = tuple(_strangers(chain, act))
    if strangers:
        return (*fallen, *strangers)
    beyond = (
        reason
        for link, proxy in enumerate(chain)
        for reason in _beyond(proxy.power(act.power), act, used[link], link)
    )
    return (*fallen, *_not_given_on(chain), *beyond)


def _strangers(chain: Sequence[Proxy], act: Act) -> Iterable[Reason]:
    """Each proxy is given by the attorney of the one before; the last attorney is who acts."""
    match identified(chain[-1].attorney, act.attorney):
        case Match.OTHER:
            yield Reason(Refused.NOT_THE_ATTORNEY, len(chain) - 1)
        case Match.UNKNOWN:
            yield Reason(Refused.ATTORNEY_UNIDENTIFIED, len(chain) - 1)
    for link in range(1, len(chain)):
        if identified(chain[link - 1].attorney, chain[link].principal) is not Match.SAME:
            yield Reason(Refused.CHAIN_BROKEN, link)
    if (
        act.principal is not None
        and identified(chain[0].principal, act.principal) is not Match.SAME
    ):
        yield Reason(Refused.NOT_THE_PRINCIPAL)


def _not_given_on(chain: Sequence[Proxy]) -> Iterable[Reason]:
    for link, proxy in enumerate(chain[:-1]):
        if not proxy.may_be_given_on:
            yield Reason(Refused.NO_SUB_DELEGATION, link)


def _beyond(power: Power | None, act: Act, used: int, link: int) -> Iterable[Reason]:
    if power is None:
        yield Reason(Refused.POWER_NOT_GRANTED, link)
        return
    if power.limit is not None and act.amount is None:
        yield Reason(Refused.AMOUNT_MISSING, link)
    elif power.limit is not None and act.amount is not None and act.amount > power.limit:
        yield Reason(Refused.AMOUNT_EXCEEDED, link)
    if power.times is not None and used >= power.times:
        yield Reason(Refused.USED_UP, link)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What an agency asked of a proxy, and was answered; `statement` is that, signed (compact JWS).
    `request_digest` is of what was asked. Nobody's identity number is in it."""

    use_id: str
    document_id: str
    asked_by: Officer
    at: datetime
    reasons: tuple[Reason, ...]
    request_digest: str
    statement: str

    @property
    def allowed(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Count:
    """The `number`-th allowed use of a power of a proxy, from 1."""

    document_id: str
    power: str
    number: int


def statement_of(
    use: Use, chain: Sequence[Proxy], act: Act, used: Sequence[int], *, issuer: str, reference: str
) -> bytes:
    """What is signed (canonical JSON): who asked when about which act, by which proxies, with which
    content and standing, and the verdict. `reference` is the agency's own name of the matter.

    Who acted is who the proxy names, or it was refused; the statement itself names nobody (PDPA).
    """
    return canonical_json(
        {
            "iss": issuer,
            "type": USE,
            "use_id": use.use_id,
            "asked_at": write_instant(use.at),
            "asked_by": {
                "agency_id": use.asked_by.agency_id,
                "subject": use.asked_by.subject,
                "reference": reference,
            },
            "act": {
                "power": act.power,
                "amount_thb": f"{act.amount:.2f}" if act.amount is not None else None,
            },
            "proxies": [
                _told(proxy, number if use.allowed else None)
                for proxy, number in zip(chain, (count + 1 for count in used), strict=True)
            ],
            "verdict": "allowed" if use.allowed else "refused",
            "reasons": [{"code": one.why.value, "proxy": one.link} for one in use.reasons],
        }
    )


def _told(proxy: Proxy, number: int | None) -> dict[str, Any]:
    document = proxy.document
    return {
        "document_id": document.document_id,
        "agency_id": document.agency_id,
        "printed_number": document.numbering.printed if document.numbering else None,
        "content_digest": write_digest(document.content_digest),
        "file_digest": write_digest(document.file.sha256) if document.file else None,
        "standing": proxy.standing.value,
        "use_number": number,
    }


def proxies_in(use: Use) -> tuple[str, ...]:
    """Ids of the proxies that a use was about, the principal's first."""
    return tuple(one["document_id"] for one in told_in(use)["proxies"])


def told_in(use: Use) -> dict[str, Any]:
    """What the statement of a use says; our own, so its signature is not looked at."""
    told: dict[str, Any] = json.loads(claimed_payload(use.statement))
    return told


def archive_key(document_id: str, use_id: str) -> str:
    """Where the statement of a use lies."""
    return f"proxies/{document_id}/{use_id}.jws"


def words(why: Refused) -> tuple[str, str]:
    """English and Thai, for people."""
    return _WORDS[why]


_WORDS = {
    Refused.REVOKED: ("The proxy was revoked.", "หนังสือมอบอำนาจถูกเพิกถอนแล้ว"),
    Refused.SUPERSEDED: ("The proxy was replaced by another.", "หนังสือมอบอำนาจถูกแทนที่ด้วยฉบับอื่นแล้ว"),
    Refused.EXPIRED: ("The proxy has expired.", "หนังสือมอบอำนาจหมดอายุแล้ว"),
    Refused.SUSPENDED: ("The proxy is suspended.", "หนังสือมอบอำนาจถูกพักใช้อยู่"),
    Refused.NOT_YET_VALID: ("The proxy is not valid yet.", "หนังสือมอบอำนาจยังไม่มีผลใช้บังคับ"),
    Refused.NOT_THE_ATTORNEY: (
        "This is not the attorney whom the proxy names.",
        "ผู้นี้ไม่ใช่ผู้รับมอบอำนาจตามหนังสือมอบอำนาจ",
    ),
    Refused.ATTORNEY_UNIDENTIFIED: (
        "The proxy names its attorney by name only; a person has to look at the original.",
        "หนังสือมอบอำนาจระบุผู้รับมอบอำนาจเพียงชื่อ เจ้าหน้าที่ต้องตรวจจากต้นฉบับ",
    ),
    Refused.NOT_THE_PRINCIPAL: (
        "The proxy is not given by this principal.",
        "หนังสือมอบอำนาจนี้ไม่ได้ออกโดยผู้มอบอำนาจรายนี้",
    ),
    Refused.POWER_NOT_GRANTED: (
        "The proxy does not give this power.",
        "หนังสือมอบอำนาจไม่ได้ให้อำนาจนี้",
    ),
    Refused.AMOUNT_MISSING: (
        "The power has a limit of money; say the amount of this act in `amount_thb`.",
        "อำนาจนี้มีวงเงิน โปรดระบุจำนวนเงินของการกระทำนี้ใน amount_thb",
    ),
    Refused.AMOUNT_EXCEEDED: (
        "The amount is above the limit of this power.",
        "จำนวนเงินเกินวงเงินของอำนาจนี้",
    ),
    Refused.USED_UP: (
        "The power was used as often as the proxy allows.",
        "อำนาจนี้ถูกใช้ครบจำนวนครั้งแล้ว",
    ),
    Refused.NO_SUB_DELEGATION: (
        "The proxy does not allow the attorney to empower another.",
        "หนังสือมอบอำนาจไม่อนุญาตให้มอบอำนาจช่วง",
    ),
    Refused.CHAIN_BROKEN: (
        "The proxy is not given by the attorney of the one before it.",
        "หนังสือมอบอำนาจช่วงไม่ได้ออกโดยผู้รับมอบอำนาจของฉบับก่อนหน้า",
    ),
}
