"""Agencies and document types: what the directory knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.office_hours import OfficeHours
from chalicelib.domain.pointers import value_at
from chalicelib.domain.reminders import Reminders
from chalicelib.domain.seals import SealCredential, SealPolicy


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of an agency that letters are passed on to (งานสารบรรณ, กอง, สำนัก)."""

    unit_id: str
    name_th: str
    name_en: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """A juristic-person agency. `inbox_url` is its own SQS queue, `webhook_url` where its own
    system takes messages over HTTPS; `channel` says which of them letters come by (C1), and
    if it does not: the queue if there is one, else the inbox hosted here. `reply_keys` are the
    public keys (JWK, each with `kid`) that its own system signs receipts with. `units` are
    those that a letter can be passed on to. `witness_key` (vkey) is what its co-signatures on
    other agencies' logs are checked with.

    `seals` are its seals in order of preference: documents are sealed with the first that
    can be used at that moment, so a new one put first takes over from the day it is valid.
    `office` is when it works (E2), `reminders` when it is told that a letter waits (A14).
    `approvals` says, by type, how its officers approve, where that differs from the type.
    """

    agency_id: str
    name_th: str
    name_en: str
    letter_prefix: str | None = None
    signatory_position_th: str | None = None
    channel: ChannelKind | None = None
    inbox_url: str | None = None
    webhook_url: str | None = None
    reply_keys: tuple[Mapping[str, str], ...] = ()
    units: tuple[Unit, ...] = ()
    seals: tuple[SealCredential, ...] = ()
    witness_key: str | None = None
    office: OfficeHours = field(default_factory=OfficeHours)
    reminders: Reminders = field(default_factory=Reminders)
    approvals: Mapping[str, ApprovalPolicy] = field(default_factory=dict)

    @property
    def reached_by(self) -> ChannelKind:
        """The channel that letters to it come by."""
        if self.channel is not None:
            return self.channel
        return ChannelKind.QUEUE if self.inbox_url else ChannelKind.HOSTED

    @property
    def receives_events(self) -> bool:
        """Whether a system of its own is told of documents and letters, by queue or webhook."""
        return self.reached_by in {ChannelKind.QUEUE, ChannelKind.WEBHOOK}

    @property
    def is_reachable(self) -> bool:
        """Whether letters can be handed to that channel."""
        match self.reached_by:
            case ChannelKind.HOSTED:
                return True
            case ChannelKind.QUEUE:
                return self.inbox_url is not None
            case ChannelKind.WEBHOOK:
                return self.webhook_url is not None
            case _:
                return False

    def unit(self, unit_id: str) -> Unit | None:
        return next((unit for unit in self.units if unit.unit_id == unit_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The pages of a document type in millimetres: their size, and margins. No text may
    stand beside the left and right ones; a footer lies in the bottom one. A4 if not said."""

    width: float = 210
    height: float = 297
    left: float = 25
    right: float = 25
    top: float = 16
    bottom: float = 21


class AttachmentKind(StrEnum):
    """What lies in the PDF for machines: the content as canonical JSON, or another form of it."""

    CONTENT = "content"
    ETAX = "etax"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentType:
    """A template, a JSON Schema (2020-12), a book and a retention rule under one
    name and version.

    `subject_at` and `counterpart_at` say where in the content the register's columns
    subject (เรื่อง) and to (ถึง) are found (JSON Pointer, RFC 6901).
    `requires` and `recipients_within` are rules about the whole submission
    (`domain/type_rules.py`). `business_key` points at the values that together name one case of
    the agency (a licence's applicant and factory, say): within a batch no two lines may have the
    same. `phone_image` says that documents may be shown as pictures on phones (E4). `issuers`
    are the only agencies that may issue this type; empty means all. `approval` says how many
    officers approve such a document at least.
    """

    name: str
    version: int
    title_th: str
    title_en: str
    book: str
    retention_years: int
    max_pages: int
    subject_at: str | None = None
    counterpart_at: str | None = None
    requires: tuple[str, ...] = ()
    recipients_within: str | None = None
    business_key: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    attachment: AttachmentKind = AttachmentKind.CONTENT
    phone_image: bool = False
    paper: Paper = field(default_factory=Paper)
    seal: SealPolicy = field(default_factory=SealPolicy)
    approval: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    content_schema: Mapping[str, Any]
    example: Mapping[str, Any]

    def is_issued_by(self, agency_id: str) -> bool:
        return not self.issuers or agency_id in self.issuers

    def approved_by(self, agency: Agency) -> ApprovalPolicy:
        """How documents of this type are approved in that agency: as it has set, but no more
        freely than the type demands."""
        own = agency.approvals.get(self.name)
        return self.approval if own is None else own.at_least(self.approval)

    def subject_of(self, content: Mapping[str, Any]) -> str:
        return _text_at(content, self.subject_at) or self.title_th

    def counterpart_of(self, content: Mapping[str, Any]) -> str:
        return _text_at(content, self.counterpart_at)


def _text_at(content: Mapping[str, Any], pointer: str | None) -> str:
    """The text at a JSON Pointer, empty where there is none."""
    value = value_at(content, pointer) if pointer else None
    return value if isinstance(value, str) else ""
