"""Typed models of officers, authorities and applications."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from chalicelib.domain.access import Action, Actor, Role
from chalicelib.domain.appointing import SUBJECT, application_scopes, is_nobody
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import TopSecretRefusedError
from chalicelib.domain.officers import (
    Appointment,
    Authority,
    AuthorityKind,
    Client,
    Ending,
    standing_at,
)
from chalicelib.domain.persons import Officer
from chalicelib.handlers.factor_models import FactorShown
from chalicelib.handlers.models import TypeName, custom_fault, instant_of
from chalicelib.handlers.register_models import PRINTABLE
from chalicelib.services.appoint import AppointmentRequest
from chalicelib.services.grant_authority import AuthorityRequest
from chalicelib.services.register_client import ClientRequest

MOST_ON_A_PAGE = 200


def _not_blank(text: str) -> str:
    """What is only spaces names nobody, and no signed statement that has it is read back."""
    if text.isspace():
        raise custom_fault(
            "blank",
            "Must say something; these are spaces only.",
            "ต้องระบุข้อความ ไม่ใช่ช่องว่างเท่านั้น",
        )
    return text


Subject = Annotated[str, StringConstraints(pattern=SUBJECT)]
PrintedName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE),
    AfterValidator(_not_blank),
]
Instant = Annotated[str, StringConstraints(max_length=40)]

_SINCE = Field(
    default=None,
    description="From when it holds: ISO 8601 instant with offset, not in the past. At once if "
    "not said.",
    examples=["2026-12-01T00:00:00+07:00"],
)
_UNTIL = Field(
    default=None,
    description="Until when (no longer at that instant). Until it is ended if not said.",
    examples=["2027-10-01T00:00:00+07:00"],
)
_ORDER = Field(
    description="The instrument by which the head of the agency ordered it (คำสั่งที่).",
    examples=["คำสั่งกรมโรงงานอุตสาหกรรม ที่ ๑๒๓/๒๕๖๙"],
)


# -- requests ------------------------------------------------------------------


class _Ordered(FactorShown):
    """Something that begins by an order, for a time."""

    since: Instant | None = _SINCE
    until: Instant | None = _UNTIL
    order: PrintedName = _ORDER

    @field_validator("since", "until")
    @classmethod
    def _is_an_instant(cls, text: str | None) -> str | None:
        if text is not None:
            instant_of(text)
        return text

    def begins(self) -> datetime | None:
        return instant_of(self.since) if self.since else None

    def ends(self) -> datetime | None:
        return instant_of(self.until) if self.until else None


class AppointOfficer(_Ordered):
    """Appoint an officer of your agency. An appointment is never changed: end it and make
    another one."""

    subject: Subject = Field(
        description="`sub` of the person, as your identity provider issues it.",
        examples=["somsri.t"],
    )
    name_th: PrintedName = Field(
        description="Printed under signatures, with title and without parentheses.",
        examples=["นางสมศรี ตัวอย่าง"],
    )
    position_th: PrintedName = Field(examples=["นักวิชาการมาตรฐานชำนาญการ"])
    unit: str | None = Field(
        default=None, max_length=63, description="A unit's id; none: the central Saraban unit."
    )
    roles: list[
        Literal["clerk", "approver", "registrar", "supervisor", "auditor", "administrator"]
    ] = Field(min_length=1, max_length=6)
    clearance: Literal["normal", "confidential", "secret", "top_secret"] = Field(
        default="normal", description="`top_secret` is always refused."
    )

    @field_validator("subject")
    @classmethod
    def _is_somebody(cls, subject: str) -> str:
        if is_nobody(subject):
            raise custom_fault(
                "not_a_person",
                "This name stands for no person in Tra's records.",
                "ชื่อนี้สงวนไว้สำหรับระบบ ไม่ใช่ชื่อบุคคล",
            )
        return subject

    @field_validator("clearance")
    @classmethod
    def _may_be_given(cls, clearance: str) -> str:
        return _not_top_secret(clearance)

    def request(self, appointment_id: str, by: Officer) -> AppointmentRequest:
        return AppointmentRequest(
            appointment_id=appointment_id,
            by=by,
            subject=self.subject,
            name_th=self.name_th,
            position_th=self.position_th,
            unit=self.unit,
            roles=frozenset(map(Role, self.roles)),
            clearance=Classification(self.clearance),
            since=self.begins(),
            until=self.ends(),
            order=self.order,
        )


class GrantAuthority(_Ordered):
    """Let an officer act with the authority of another position. It adds to an appointment, and
    gives no role."""

    holder: Subject = Field(description="`sub` of the officer.", examples=["somsri.t"])
    kind: Literal["delegated", "acting", "acting_in_position"] = Field(
        description="ปฏิบัติราชการแทน, รักษาราชการแทน, รักษาการในตำแหน่ง: printed under the position."
    )
    position_th: PrintedName = Field(
        description="Whose authority it is.", examples=["อธิบดีกรมโรงงานอุตสาหกรรม"]
    )
    document_types: list[TypeName] = Field(
        default=[], max_length=100, description="For these document types only; none: for all."
    )
    most: Literal["normal", "confidential", "secret", "top_secret"] = Field(
        default="normal", description="The highest classification; `top_secret` is always refused."
    )

    @field_validator("most")
    @classmethod
    def _may_be_given(cls, most: str) -> str:
        return _not_top_secret(most)

    def request(self, authority_id: str, by: Officer) -> AuthorityRequest:
        return AuthorityRequest(
            authority_id=authority_id,
            by=by,
            holder=self.holder,
            kind=AuthorityKind(self.kind),
            position_th=self.position_th,
            document_types=frozenset(self.document_types),
            most=Classification(self.most),
            since=self.begins(),
            until=self.ends(),
            order=self.order,
        )


class RegisterClient(FactorShown):
    """Register an application of your agency (client credentials), or give it other scopes."""

    client_id: Subject = Field(
        description="As your identity provider issues it.", examples=["diw-licensing"]
    )
    name_th: PrintedName = Field(examples=["ระบบใบอนุญาตโรงงาน"])
    scopes: list[str] = Field(
        min_length=1,
        max_length=len(Action),
        description="What it may do at most; what its token says besides has no effect.",
        examples=[["documents:submit", "documents:read", "files:read"]],
    )

    @field_validator("scopes")
    @classmethod
    def _are_an_application_s(cls, scopes: list[str]) -> list[str]:
        allowed = application_scopes()
        if set(scopes) - allowed:
            raise custom_fault(
                "not_for_applications",
                f"An application can have: {' '.join(sorted(allowed))}.",
                f"ระบบงานมีสิทธิได้เฉพาะ: {' '.join(sorted(allowed))}",
            )
        return scopes

    def request(self, by: Officer) -> ClientRequest:
        return ClientRequest(
            client_id=self.client_id, by=by, name_th=self.name_th, scopes=frozenset(self.scopes)
        )


class EndIt(FactorShown):
    """End an appointment, an authority or an application: at once, and for good."""

    reason: PrintedName = Field(
        description="In words, with the order if there is one.", examples=["ย้ายไปกองอื่น"]
    )

    def ending(self, caller: Actor, at: datetime) -> Ending:
        return Ending(at=at, by=caller.subject, reason=self.reason)


class ListOfficers(BaseModel):
    """Query of GET /v1/officers and /v1/authorities."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    limit: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|1[0-9]{2}|200)$")] = Field(
        default="50", description=f"1 to {MOST_ON_A_PAGE}."
    )
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=1500)] | None = None


# -- answers -------------------------------------------------------------------


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class EndingView(_Answer):
    at: datetime
    by: str
    reason: str

    @classmethod
    def of(cls, ending: Ending | None) -> Self | None:
        if ending is None:
            return None
        return cls(at=ending.at, by=ending.by, reason=ending.reason)


class AppointmentView(_Answer):
    """One officer's roles, as appointed."""

    appointment_id: str
    subject: str
    name_th: str
    position_th: str
    unit: str | None
    roles: list[Role]
    clearance: Classification
    since: datetime
    until: datetime | None
    order: str
    appointed_by: str = Field(
        description="Subject of the administrator; `bootstrap` of the agency's first one."
    )
    appointed_at: datetime
    ended: EndingView | None
    holds: bool = Field(description="Whether it holds now.")

    @classmethod
    def of(cls, one: Appointment, now: datetime) -> Self:
        return cls(
            appointment_id=one.appointment_id,
            subject=one.subject,
            name_th=one.name_th,
            position_th=one.position_th,
            unit=one.unit,
            roles=sorted(one.roles),
            clearance=one.clearance,
            since=one.period.since,
            until=one.period.until,
            order=one.order,
            appointed_by=one.appointed_by,
            appointed_at=one.appointed_at,
            ended=EndingView.of(one.ended),
            holds=one.holds(now),
        )


class AuthorityView(_Answer):
    """Whose authority an officer may use besides the own."""

    authority_id: str
    holder: str
    kind: AuthorityKind
    words_th: str = Field(description="As printed under the officer's own position.")
    position_th: str
    document_types: list[str]
    most: Classification
    since: datetime
    until: datetime | None
    order: str
    granted_by: str
    granted_at: datetime
    ended: EndingView | None
    holds: bool = Field(description="Whether it holds now.")

    @classmethod
    def of(cls, one: Authority, now: datetime) -> Self:
        return cls(
            authority_id=one.authority_id,
            holder=one.holder,
            kind=one.kind,
            words_th=f"{one.kind.words} {one.position_th}",
            position_th=one.position_th,
            document_types=sorted(one.document_types),
            most=one.most,
            since=one.period.since,
            until=one.period.until,
            order=one.order,
            granted_by=one.granted_by,
            granted_at=one.granted_at,
            ended=EndingView.of(one.ended),
            holds=one.holds(now),
        )


class ClientView(_Answer):
    """An application of the agency."""

    client_id: str
    name_th: str
    scopes: list[str]
    registered_by: str
    registered_at: datetime
    ended: EndingView | None

    @classmethod
    def of(cls, one: Client) -> Self:
        return cls(
            client_id=one.client_id,
            name_th=one.name_th,
            scopes=sorted(one.scopes),
            registered_by=one.registered_by,
            registered_at=one.registered_at,
            ended=EndingView.of(one.ended),
        )


class _Page(_Answer):
    cursor: str | None = Field(description="Pass it on for the next page; null at the end.")


class OfficerListing(_Page):
    items: list[AppointmentView] = Field(description="By officer; those that ended too.")


class AuthorityListing(_Page):
    items: list[AuthorityView] = Field(description="By holder; those that ended too.")


class ClientListing(_Answer):
    items: list[ClientView]


class OfficerView(_Answer):
    """One officer, with everything that was ever decided about that person's appointments."""

    subject: str
    roles: list[Role] = Field(description="Of all appointments that hold now.")
    clearance: Classification = Field(
        description="The highest of them; it counts with the roles of the same appointment only."
    )
    appointments: list[AppointmentView]
    authorities: list[AuthorityView]

    @classmethod
    def of(
        cls,
        officer: Officer,
        appointments: Sequence[Appointment],
        authorities: Sequence[Authority],
        now: datetime,
    ) -> Self:
        standing = standing_at(appointments, officer.agency_id, officer.subject, now)
        return cls(
            subject=officer.subject,
            roles=sorted(standing.roles),
            clearance=standing.clearance,
            appointments=[AppointmentView.of(one, now) for one in appointments],
            authorities=[AuthorityView.of(one, now) for one in authorities],
        )


class WhoAmI(_Answer):
    """Who asks, and what that person or application may do now."""

    kind: Literal["officer", "application"]
    agency_id: str
    subject: str
    scopes: list[str] = Field(description="Of this token, as far as they count here.")
    roles: list[Role]
    appointments: list[AppointmentView] = Field(description="That hold now; none of applications.")
    authorities: list[AuthorityView] = Field(description="That hold now; none of applications.")

    @classmethod
    def of(
        cls,
        caller: Actor,
        appointments: Sequence[Appointment],
        authorities: Sequence[Authority],
        now: datetime,
    ) -> Self:
        is_application = Role.APPLICATION in caller.roles
        held = [one for one in appointments if one.holds(now)]
        standing = standing_at(held, caller.agency_id, caller.subject, now)
        return cls(
            kind="application" if is_application else "officer",
            agency_id=caller.agency_id,
            subject=caller.subject,
            scopes=sorted(caller.scopes & {action.value for action in Action}),
            roles=sorted(caller.roles if is_application else standing.roles),
            appointments=[AppointmentView.of(one, now) for one in held],
            authorities=[AuthorityView.of(one, now) for one in authorities if one.holds(now)],
        )


def _not_top_secret(classification: str) -> str:
    """Who is cleared for what never travels here, reads it on paper (A24)."""
    if classification == Classification.TOP_SECRET:
        raise custom_fault(
            TopSecretRefusedError.code,
            "The Saraban regulation (annex 6) keeps top secret (ลับที่สุด) documents out of every "
            "electronic system, so nobody is cleared for them here.",
            "ระเบียบงานสารบรรณ (ภาคผนวก 6) ห้ามรับส่งเอกสารชั้นลับที่สุดด้วยระบบอิเล็กทรอนิกส์ "
            "จึงไม่มีผู้ใดได้รับอนุญาตให้เข้าถึงชั้นลับที่สุดในระบบนี้",
        )
    return classification
