"""Typed models of e-Proxies at work."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chalicelib.domain.persons import Officer
from chalicelib.domain.proxies import (
    MOST_LINKS,
    Act,
    Person,
    Proxy,
    Reason,
    Refused,
    told_in,
    words,
)
from chalicelib.domain.standing import Standing
from chalicelib.handlers.register_models import PRINTABLE
from chalicelib.services.use_proxy import Used

_Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{10,64}$")]
_Name = Annotated[str, StringConstraints(max_length=200, pattern=PRINTABLE)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


# -- requests ------------------------------------------------------------------


class PersonShown(_Strict):
    """A person as you know one: of a person who is here, from the identity card. Kept nowhere."""

    registration_no: str = Field(
        pattern=r"^[0-9]{13}$",
        repr=False,
        description="Identity or registration number: 13 Arabic digits.",
        examples=["3501200456785"],
    )
    name: _Name | None = Field(
        default=None,
        repr=False,
        description="Needed where the proxy has only the last four digits of the number.",
        examples=["นายคมสัน ท่าเรือ"],
    )

    def person(self) -> Person:
        return Person(name=self.name or "", registration_no=self.registration_no)


class UseProxy(_Strict):
    """An act for which an attorney shows a proxy."""

    attorney: PersonShown = Field(description="Who is here.")
    principal: PersonShown | None = Field(
        default=None, description="For whom you believe it is; checked if said."
    )
    power: str = Field(
        max_length=60,
        pattern=r"^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$",
        description="Code of the power that the act needs.",
        examples=["licence.factory.apply"],
    )
    amount_thb: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,10}\.[0-9]{2}$",
        description="Money of this act, in baht with two decimals, as a string.",
        examples=["500.00"],
    )
    sub_proxies: list[_Code] = Field(
        default=[],
        max_length=MOST_LINKS - 1,
        description="Codes of the proxies by which an attorney empowered the next "
        "(มอบอำนาจช่วง), in order.",
    )
    reference: str = Field(
        default="",
        max_length=100,
        pattern=r"^[0-9A-Za-z/._-]*$",
        description="Your own id of the matter, for the record. No personal data.",
        examples=["case-2569-000123"],
    )

    def act(self) -> Act:
        return Act(
            attorney=self.attorney.person(),
            principal=self.principal.person() if self.principal else None,
            power=self.power,
            amount=Decimal(self.amount_thb) if self.amount_thb else None,
        )


# -- answers -------------------------------------------------------------------


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class RefusalView(_Answer):
    code: Refused
    proxy: int = Field(description="Which of `proxies` says so, from 0.")
    detail: str
    detail_th: str

    @classmethod
    def of(cls, reason: Reason) -> Self:
        detail, detail_th = words(reason.why)
        return cls(code=reason.why, proxy=reason.link, detail=detail, detail_th=detail_th)


class CoveredView(_Answer):
    """What a proxy says of an act that it covers."""

    principal: str = Field(description="Name of who gave it.")
    attorney: str = Field(description="Name of who received it.")
    power_text: str = Field(description="The power in words.")
    exclusions: list[str] = Field(
        description="What the powers do not include, in words: a person has to read them."
    )
    use_number: int = Field(description="The how-manieth use of this power this is.")
    uses_left: int | None = Field(description="Null: as often as needed.")


class ProxyView(_Answer):
    document_id: str
    printed_number: str | None
    standing: Standing = Field(description="In the moment it was asked.")
    covered: CoveredView | None = Field(description="Null of an act that is refused.")


class ProxyUse(_Answer):
    """The answer, recorded for ever. Act only if `allowed` is true."""

    use_id: str
    allowed: bool
    reasons: list[RefusalView]
    asked_at: datetime
    asked_by: str = Field(description="Subject of the officer or application that asked.")
    power: str
    amount_thb: str | None
    reference: str
    proxies: list[ProxyView] = Field(description="The principal's first.")
    statement: str = Field(
        description="All of this signed, without any name (compact JWS, `tra.proxy-use.v1`): what "
        "you later show on what authority was acted."
    )
    links: dict[str, str]

    @classmethod
    def of(cls, used: Used, url: str) -> Self:
        use, told = used.use, told_in(used.use)
        asked_by: Officer = use.asked_by
        power = told["act"]["power"]
        return cls(
            use_id=use.use_id,
            allowed=use.allowed,
            reasons=[RefusalView.of(reason) for reason in use.reasons],
            asked_at=use.at,
            asked_by=asked_by.subject,
            power=power,
            amount_thb=told["act"]["amount_thb"],
            reference=told["asked_by"]["reference"],
            proxies=[
                ProxyView(
                    document_id=document.document_id,
                    printed_number=one["printed_number"],
                    standing=Standing(one["standing"]),
                    covered=_covered(
                        Proxy(document=document, standing=Standing.VALID), power, one["use_number"]
                    )
                    if use.allowed
                    else None,
                )
                for document, one in zip(used.proxies, told["proxies"], strict=True)
            ],
            statement=use.statement,
            links={"self": f"{url}/{use.use_id}"},
        )


def _covered(proxy: Proxy, code: str, use_number: int) -> CoveredView:
    power = proxy.power(code)
    if power is None:
        raise ValueError("an act that is covered has a power")
    return CoveredView(
        principal=proxy.principal.name,
        attorney=proxy.attorney.name,
        power_text=power.text,
        exclusions=list(proxy.exclusions),
        use_number=use_number,
        uses_left=power.times - use_number if power.times is not None else None,
    )
