"""Settings, frozen, from the environment; a missing one is named.

Read once per container by `bootstrap`, never at import time. Nothing here is
secret: keys live in KMS, tokens come with requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

from chalicelib.domain.access_log import LEAST_RETENTION_YEARS
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.identity import USUAL_NAMES, ClaimNames
from chalicelib.domain.retention import LockMode

_MOST_LEEWAY = 120
"""Seconds. Clocks that differ by more are wrong, and a token that ended stays one that ended."""

_Choice = TypeVar("_Choice", bound=StrEnum)


class Stage(StrEnum):
    """Where the stack runs. `local` is the embedded AWS; only `prod` is binding."""

    LOCAL = "local"
    DEV = "dev"
    PROD = "prod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a function may need. One set for all functions: each uses its part,
    and its policy, not its settings, decides what it can reach."""

    stage: Stage
    documents_table: str
    registers_table: str
    directory_table: str
    deliveries_table: str
    officers_table: str
    factors_table: str
    access_table: str
    archive_bucket: str
    logs_bucket: str
    number_queue_url: str
    seal_queue_url: str
    deliver_queue_url: str
    dispatch_queue_url: str
    evidence_key_id: str
    log_key_id: str
    factors_key_id: str
    secrets_key_id: str
    preview_function: str
    verify_function: str
    status_function: str
    uploads_bucket: str
    batches_bucket: str
    batch_queue_url: str
    batch_seal_queue_url: str
    public_url: str
    oidc_issuer: str
    oidc_audience: str
    oidc_claims: ClaimNames
    oidc_leeway_seconds: int
    webauthn_rp_id: str
    webauthn_origins: tuple[str, ...]
    timestamp_urls: tuple[str, ...]
    timestamp_policies: tuple[str, ...]
    timestamp_timeout_ms: int
    timestamp_room: int
    lock_mode: LockMode
    sweep_after_seconds: int
    seal_at_once: int
    dispatch_at_once: int
    approve_at_once: int
    give_up_after_seconds: int
    directory_fresh_seconds: int
    slice_days: int
    renewal_lead_days: int
    timestamp_price_satang: int
    access_retention_years: int

    @property
    def is_production(self) -> bool:
        return self.stage is Stage.PROD

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises ConfigurationError naming every variable that is missing or unusable."""
        reader = _Reader(environment)
        stage = reader.one_of("TRA_STAGE", Stage)
        # Keys are bound to a web address: the service's own, unless officers work at another one.
        public = urlsplit(environment.get("TRA_PUBLIC_URL", "").strip())
        settings = cls(
            stage=stage,
            documents_table=reader.text("TRA_DOCUMENTS_TABLE"),
            registers_table=reader.text("TRA_REGISTERS_TABLE"),
            directory_table=reader.text("TRA_DIRECTORY_TABLE"),
            deliveries_table=reader.text("TRA_DELIVERIES_TABLE"),
            officers_table=reader.text("TRA_OFFICERS_TABLE"),
            factors_table=reader.text("TRA_FACTORS_TABLE"),
            access_table=reader.text("TRA_ACCESS_TABLE"),
            archive_bucket=reader.text("TRA_ARCHIVE_BUCKET"),
            logs_bucket=reader.text("TRA_LOGS_BUCKET"),
            number_queue_url=reader.text("TRA_NUMBER_QUEUE_URL"),
            seal_queue_url=reader.text("TRA_SEAL_QUEUE_URL"),
            deliver_queue_url=reader.text("TRA_DELIVER_QUEUE_URL"),
            dispatch_queue_url=reader.text("TRA_DISPATCH_QUEUE_URL"),
            evidence_key_id=reader.text("TRA_EVIDENCE_KEY_ID"),
            log_key_id=reader.text("TRA_LOG_KEY_ID"),
            factors_key_id=reader.text("TRA_FACTORS_KEY_ID"),
            secrets_key_id=reader.text("TRA_SECRETS_KEY_ID"),
            preview_function=reader.text("TRA_PREVIEW_FUNCTION"),
            verify_function=reader.text("TRA_VERIFY_FUNCTION"),
            status_function=reader.text("TRA_STATUS_FUNCTION"),
            uploads_bucket=reader.text("TRA_UPLOADS_BUCKET"),
            batches_bucket=reader.text("TRA_BATCHES_BUCKET"),
            batch_queue_url=reader.text("TRA_BATCH_QUEUE_URL"),
            batch_seal_queue_url=reader.text("TRA_BATCH_SEAL_QUEUE_URL"),
            public_url=reader.text("TRA_PUBLIC_URL").rstrip("/"),
            oidc_issuer=reader.text("TRA_OIDC_ISSUER"),
            oidc_audience=reader.text("TRA_OIDC_AUDIENCE"),
            oidc_claims=reader.claim_names("TRA_OIDC_CLAIMS"),
            oidc_leeway_seconds=reader.number_or(
                "TRA_OIDC_LEEWAY_SECONDS", 5, at_most=_MOST_LEEWAY
            ),
            webauthn_rp_id=reader.text_or("TRA_WEBAUTHN_RP_ID", public.hostname or ""),
            webauthn_origins=tuple(
                reader.text_or("TRA_WEBAUTHN_ORIGINS", f"{public.scheme}://{public.netloc}").split()
            ),
            timestamp_urls=tuple(reader.text("TRA_TIMESTAMP_URLS").split()),
            timestamp_policies=tuple(environment.get("TRA_TIMESTAMP_POLICIES", "").split()),
            timestamp_timeout_ms=reader.number_or("TRA_TIMESTAMP_TIMEOUT_MS", 5_000),
            timestamp_room=reader.number_or("TRA_TIMESTAMP_ROOM", 8_192),
            lock_mode=reader.one_of("TRA_LOCK_MODE", LockMode),
            sweep_after_seconds=reader.number("TRA_SWEEP_AFTER_SECONDS"),
            seal_at_once=max(reader.number("TRA_SEAL_AT_ONCE"), 1),
            dispatch_at_once=max(reader.number_or("TRA_DISPATCH_AT_ONCE", 1), 1),
            approve_at_once=max(reader.number_or("TRA_APPROVE_AT_ONCE", 1), 1),
            give_up_after_seconds=reader.number_or("TRA_GIVE_UP_AFTER_SECONDS", 259_200),
            directory_fresh_seconds=reader.number_or("TRA_DIRECTORY_FRESH_SECONDS", 30),
            slice_days=reader.number("TRA_SLICE_DAYS"),
            renewal_lead_days=reader.number("TRA_RENEWAL_LEAD_DAYS"),
            timestamp_price_satang=reader.number("TRA_TIMESTAMP_PRICE_SATANG"),
            access_retention_years=max(
                reader.number_or("TRA_ACCESS_RETENTION_YEARS", 0), LEAST_RETENTION_YEARS
            ),
        )
        reader.raise_faults()
        if settings.is_production:
            _refuse_in_production(settings)
        return settings


def _refuse_in_production(settings: Settings) -> None:
    """What is handy in development is refused where documents bind (README, stages)."""
    faults = []
    if settings.lock_mode is not LockMode.COMPLIANCE:
        faults.append("TRA_LOCK_MODE must be COMPLIANCE")
    if not settings.public_url.startswith("https://"):
        faults.append("TRA_PUBLIC_URL must use https")
    if not all(origin.startswith("https://") for origin in settings.webauthn_origins):
        faults.append("TRA_WEBAUTHN_ORIGINS must use https")
    if not settings.oidc_issuer.startswith("https://"):
        faults.append("TRA_OIDC_ISSUER must use https")
    if faults:
        raise ConfigurationError("In production: " + "; ".join(faults) + ".")


class _Reader:
    """Reads variables and gathers all faults, so that one deployment shows them all."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._faults: list[str] = []

    def text(self, name: str) -> str:
        value = self._environment.get(name, "").strip()
        if not value:
            self._faults.append(f"{name} is missing")
        return value

    def text_or(self, name: str, usual: str) -> str:
        return self._environment.get(name, "").strip() or usual

    def number(self, name: str) -> int:
        value = self.text(name)
        if value and not (value.isascii() and value.isdigit()):
            self._faults.append(f"{name} is not a whole number")
            return 0
        return int(value or 0)

    def number_or(self, name: str, usual: int, *, at_most: int | None = None) -> int:
        value = self.number(name) if self._environment.get(name, "").strip() else usual
        if at_most is not None and value > at_most:
            self._faults.append(f"{name} must not be more than {at_most}")
        return value

    def claim_names(self, name: str) -> ClaimNames:
        try:
            return ClaimNames.parse(self._environment.get(name, ""))
        except ValueError as error:
            self._faults.append(f"{name}: {error} is no what=claim (docs/guide/sign-in.md)")
            return USUAL_NAMES

    def one_of(self, name: str, kind: type[_Choice]) -> _Choice:
        value = self.text(name)
        try:
            return kind(value)
        except ValueError:
            if value:
                allowed = ", ".join(kind)
                self._faults.append(f"{name} must be one of {allowed}")
            return next(iter(kind))

    def raise_faults(self) -> None:
        if self._faults:
            raise ConfigurationError("Settings: " + "; ".join(self._faults) + ".")
