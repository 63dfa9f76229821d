"""Officers who have a second factor, for the tests of everything that needs one."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyotp

from chalicelib.adapters.totp import PyotpCodes
from chalicelib.domain.access import Action
from chalicelib.domain.approvals import Method
from chalicelib.domain.keyring import HeldFactor
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import Factor, FactorState
from tests.support.rooms import sample_event

if TYPE_CHECKING:
    from tests.support.rooms import Fakes

_BASE = {
    name: value
    for name, value in sample_event("api")["requestContext"]["authorizer"].items()
    if name != "client_id"
}
_ALL = " ".join(Action)
SOMSRI = {**_BASE, "sub": "somsri", "roles": "approver", "scope": _ALL}
BOSS = {**SOMSRI, "sub": "boss", "roles": "supervisor"}
HEAD = {**SOMSRI, "sub": "head", "roles": "administrator"}
"""What the gateway says of three officers of `diw`: an approver, a supervisor, an administrator."""


@dataclass(frozen=True)
class Authenticator:
    """An app with an officer's seed."""

    officer: Officer
    seed: bytes

    def code(self, at: datetime) -> str:
        """What the app shows at that moment."""
        return app_of(self.seed).at(at)


def enrolled(fakes: Fakes, officer: Officer) -> Authenticator:
    """An officer whose app was enrolled and confirmed long ago; no code of it was used yet."""
    seed = PyotpCodes().new_seed()
    held = HeldFactor(
        factor_id=f"factor-{officer.agency_id}",
        factor=Factor(
            agency_id=officer.agency_id,
            subject=officer.subject,
            method=Method.TOTP,
            enrolled_at=fakes.clock(),
            state=FactorState.ACTIVE,
        ),
        sealed=fakes.factor_secrets.seal(seed, officer),
    )
    fakes.factors.save(fakes.factors.keyring(officer).with_held(held))
    return Authenticator(officer, seed)


def app_of(seed: bytes) -> pyotp.TOTP:
    """Any app, apart from the code under test."""
    return pyotp.TOTP(base64.b32encode(seed).decode())
