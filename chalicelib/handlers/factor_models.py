"""Models of second factors: what is shown with a request, enrolled, and told of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from chalicelib.domain.access import Action
from chalicelib.domain.approvals import Method
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.keyring import HeldFactor, Keyring
from chalicelib.domain.second_factor import FactorState, ShownFactor, purpose_of
from chalicelib.services.reset_factor import ResetState

SHOWN = ("otp", "assertion")
"""The members of a body that show a factor; all others are what it is shown for."""


class FactorShown(BaseModel):
    """The second factor of who asks (A9, B7): mixed into the body of every request that needs it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    otp: str | None = Field(
        default=None,
        min_length=6,
        max_length=40,
        repr=False,
        description="Six digits of an enrolled app, or a recovery code.",
        examples=["287082"],
    )
    assertion: dict[str, Any] | None = Field(
        default=None,
        repr=False,
        description="A WebAuthn assertion over a challenge of POST /v1/me/factors/challenges, as "
        "`PublicKeyCredential.toJSON()` gives it.",
    )

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self.otp is not None and self.assertion is not None:
            raise PydanticCustomError("two_factors", "Show a code or an assertion, not both.")
        return self

    def shown(self) -> ShownFactor:
        """Raises InvalidRequestError if none was."""
        found = self.shown_if_any()
        if found is None:
            raise InvalidRequestError([_MISSING])
        return found

    def shown_if_any(self) -> ShownFactor | None:
        if self.otp is None and self.assertion is None:
            return None
        return ShownFactor(otp=self.otp, assertion=self.assertion)


def purpose_of_request(
    action: Action, path: Mapping[str, str], body: Mapping[str, Any], *, key: str | None = None
) -> str:
    """What a factor shown with a request allows: exactly this request. `body` as it came; what
    shows the factor is left out. `key` is the Idempotency-Key of a request that makes something
    new each time. The same as POST /v1/me/factors/challenges makes of `action` and `what` = the
    values in the path, all other members of the body, and the key as `idempotency_key`.

    Raises InvalidRequestError for numbers with a fraction, which have no one spelling.
    """
    asked = {name: value for name, value in body.items() if name not in SHOWN}
    # As they are called, however the path spells it: who asks for a challenge knows no path.
    named = {name: unquote(value) for name, value in path.items()}
    try:
        return purpose_of(action, {**asked, **named} | ({"idempotency_key": key} if key else {}))
    except ValueError as error:
        raise InvalidRequestError([_NOT_CANONICAL]) from error


_MISSING = FieldFault(
    "/otp",
    "missing",
    "Show your second factor: a code in `otp`, or an `assertion`.",
    "โปรดแสดงการยืนยันตัวตนขั้นที่สองด้วยรหัสใน otp หรือ assertion",
)
_NOT_CANONICAL = FieldFault(
    "",
    "no_canonical_form",
    "Numbers with a fraction have no one spelling; write them as strings.",
    "ตัวเลขทศนิยมเขียนได้หลายแบบ โปรดส่งเป็นข้อความ",
)


# -- own factors ---------------------------------------------------------------


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class BeginFactor(FactorShown):
    """Enrol an app for codes (`totp`) or a key (`webauthn`). Whoever has a second factor already
    shows it, and each use of it enrols one."""

    method: Literal["totp", "webauthn"]
    label: str = Field(
        default="",
        max_length=60,
        description="What its owner calls it; nobody else sees it.",
        examples=["กุญแจสีดำ"],
    )


class ConfirmFactor(BaseModel):
    """The first use of what was begun: of an app a code, of a key what the browser made."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    otp: str | None = Field(default=None, pattern=r"^[0-9]{6}$", repr=False, examples=["287082"])
    credential: dict[str, Any] | None = Field(
        default=None,
        repr=False,
        description="`PublicKeyCredential.toJSON()` of `navigator.credentials.create(options)`.",
    )

    @property
    def proof(self) -> str | dict[str, Any]:
        """Raises InvalidRequestError unless it is one of both."""
        if self.otp is not None and self.credential is None:
            return self.otp
        if self.credential is not None and self.otp is None:
            return self.credential
        raise InvalidRequestError([_NO_PROOF])


class ShowFactor(FactorShown):
    """Nothing but the second factor."""


class AskChallenge(BaseModel):
    """What an assertion is to allow, as the request that shows it will ask for it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    action: Action = Field(
        strict=False,
        description="The scope of that request's route.",
        examples=["documents:approve"],
    )
    what: dict[str, Any] = Field(
        description="All members of its body but `otp` and `assertion`, the values in its path by "
        "their names, and `idempotency_key` if it appoints or grants under such a key."
    )


class FactorView(_Answer):
    """One factor of whoever asks."""

    factor_id: str
    method: Method
    label: str
    state: FactorState
    enrolled_at: datetime
    locked_until: datetime | None = Field(
        description="No code is taken before, not even a good one."
    )

    @classmethod
    def of(cls, held: HeldFactor, now: datetime) -> Self:
        factor = held.factor
        return cls(
            factor_id=held.factor_id,
            method=held.method,
            label=held.label,
            state=factor.state,
            enrolled_at=factor.enrolled_at,
            locked_until=factor.locked_until if factor.is_locked(now) else None,
        )


class FactorsView(_Answer):
    """All second factors of whoever asks."""

    factors: list[FactorView]
    recovery_codes_left: int
    reset_asked: bool = Field(
        description="Another officer gave a first word for a reset; a good code takes it back."
    )

    @classmethod
    def of(cls, keyring: Keyring, now: datetime) -> Self:
        return cls(
            factors=[
                FactorView.of(held, now)
                for held in keyring.held
                if held.is_active or held.waits(now)
            ],
            recovery_codes_left=keyring.recovery_left,
            reset_asked=keyring.reset_asked_at is not None,
        )


class FactorBegun(_Answer):
    """What is shown once: the seed of an app as URI and as picture, or a key's options."""

    factor_id: str
    method: Method
    confirm_before: datetime
    otpauth_uri: str | None = Field(default=None, repr=False)
    qr: str | None = Field(default=None, repr=False, description="The URI as SVG, a data URI.")
    options: dict[str, Any] | None = Field(
        default=None, description="For `navigator.credentials.create` (level 3: parse from JSON)."
    )
    links: dict[str, str]


class FactorConfirmed(_Answer):
    """The factor is in use. Recovery codes are shown this once, if no others are left."""

    factor: FactorView
    recovery_codes: list[str] = Field(repr=False)


class RecoveryCodes(_Answer):
    """Shown this once; those of before are void."""

    recovery_codes: list[str] = Field(repr=False)


class AssertionAsked(_Answer):
    """Options for an assertion, which holds five minutes and for nothing but `purpose`."""

    purpose: str = Field(description="SHA-256 (hex) of what it allows.")
    options: dict[str, Any] = Field(description="For `navigator.credentials.get`.")


# -- of other officers -----------------------------------------------------------


class ResetView(_Answer):
    subject: str
    state: ResetState = Field(
        description="`asked`: another officer has to say the same within a day."
    )


class LockedView(_Answer):
    subject: str
    locked_until: datetime


class LockedFactors(_Answer):
    """Whose second factor is locked after wrong codes, in the caller's agency."""

    locked: list[LockedView]


_NO_PROOF = FieldFault(
    "/otp",
    "missing",
    "Send a code of the app in `otp`, or the key's answer in `credential`.",
    "โปรดส่งรหัสจากแอปใน otp หรือคำตอบของกุญแจใน credential",
)
