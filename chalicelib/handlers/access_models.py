"""Typed models of the access log's reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from chalicelib.domain.access import Action, Relation
from chalicelib.domain.documents import Classification
from chalicelib.domain.things import ThingKind
from chalicelib.handlers.models import IsoDate, SubmitDocument
from chalicelib.services.report_access import Told, ToldPage


class AskAccesses(BaseModel):
    """Query of GET /v1/access-log: of a document, or of an officer."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    document_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")] | None = Field(
        default=None, description="Who had to do with this document."
    )
    officer: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")] | None = Field(
        default=None,
        description="With what this officer of the own agency had to do: as the issuer names the "
        "officer (`sub`).",
    )
    from_: IsoDate | None = Field(
        default=None, alias="from", description="First day, Asia/Bangkok."
    )
    to: IsoDate | None = Field(default=None, description="Last day, Asia/Bangkok.")
    limit: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|1[0-9]{2}|200)$")] = Field(
        default="100", description="1 to 200."
    )
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None

    @field_validator("from_", "to")
    @classmethod
    def _is_a_day(cls, text: str | None) -> str | None:
        return SubmitDocument._is_a_day(text)  # noqa: SLF001 - the same rule for all dates


class AccessView(BaseModel):
    """One access: who, when, what, from where, why it was allowed."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    access_id: str
    at: datetime
    agency_id: str = Field(description="Whose officer or application it was.")
    officer: str | None = Field(
        description="As the issuer names the officer; null of another agency's officer, unless the "
        "document is classified."
    )
    name_th: str | None = Field(description="Of the own agency's officers.")
    position_th: str | None
    appointment_id: str | None = Field(
        description="What allowed it; null of an application, and of other agencies."
    )
    action: Action
    kind: ThingKind
    thing_id: str = Field(description="A document's id, mostly.")
    classification: Classification
    address: str | None = Field(description="From where; null of other agencies.")
    request_id: str | None = Field(description="The gateway's; null of other agencies.")
    relation: Relation = Field(description="What the agency is to the thing.")
    reason: str = Field(description="Why it was allowed.")

    @classmethod
    def of(cls, told: Told) -> Self:
        one, appointed = told.access, told.appointment
        return cls(
            access_id=one.access_id,
            at=one.at,
            agency_id=one.agency_id,
            officer=one.subject if told.named else None,
            name_th=appointed.name_th if appointed else None,
            position_th=appointed.position_th if appointed else None,
            appointment_id=one.appointment_id if told.own else None,
            action=one.action,
            kind=one.kind,
            thing_id=one.thing_id,
            classification=one.classification,
            address=one.address if told.own else None,
            request_id=one.request_id if told.own else None,
            relation=one.relation,
            reason=one.reason,
        )


class AccessPage(BaseModel):
    """Some accesses, oldest first. There may be none and a cursor nevertheless."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    items: list[AccessView]
    cursor: str | None

    @classmethod
    def of(cls, page: ToldPage) -> Self:
        return cls(items=[AccessView.of(one) for one in page.accesses], cursor=page.cursor)
