"""Models of second factors: what is shown with a request, enrolled, and told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from chalicelib.domain.access import Action
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.second_factor import ShownFactor, purpose_of

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


def purpose_of_request(action: Action, path: Mapping[str, str], body: Mapping[str, Any]) -> str:
    """What a factor shown with a request allows: exactly this request. `body` as it came; what
    shows the factor is left out. The same as POST /v1/me/factors/challenges makes of `action` and
    `what` = the values in the path and all other members of the body.

    Raises InvalidRequestError for numbers with a fraction, which have no one spelling.
    """
    asked = {name: value for name, value in body.items() if name not in SHOWN}
    try:
        return purpose_of(action, {**asked, **path})
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
