"""Reset an officer's second factors: two other officers, each showing an own one (issue 7, item 3)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from chalicelib.domain.errors import FactorMovedError, ForbiddenError, NotFoundError
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import FactorUse, ShownFactor
from chalicelib.services.use_factor import TRIES, FactorRoom, busy, use_factor


class ResetState(StrEnum):
    """`asked`: one officer's word is there, for a day. `reset`: nothing is left to use."""

    ASKED = "asked"
    RESET = "reset"


def reset_factors(
    owner: Officer, by: Officer, shown: ShownFactor, *, purpose: str, room: FactorRoom
) -> ResetState:
    """Give one word for a reset; with the second, of somebody else, all factors of `owner` are
    gone, and who that is enrols anew. Who may do it, in the same agency, was checked before.

    Raises ForbiddenError for the owner, NotFoundError, FactorRefusedError, UnavailableError. Dies half-way: the
    factor is spent, the same request goes on within an hour. Repeatable.
    """
    # 1. Nobody resets the own ones, nor those of another agency.
    if owner.agency_id != by.agency_id:
        raise NotFoundError
    if owner == by:
        raise ForbiddenError("own_factor", *_OWN)

    # 2. The officer's own factor, for exactly this; a repeat says again what was said then.
    use = use_factor(by, shown, purpose=purpose, room=room)
    said_at = _when(use, by, room)

    for attempt in range(TRIES):
        # 3. Nothing left: whoever said the second word has been here. What the owner enrolled
        #    since is not what the word was about.
        keyring = room.factors.keyring(owner)
        if all(one.factor.enrolled_at > said_at for one in keyring.held):
            return ResetState.RESET

        # 4. The word.
        noted = keyring.reset(by.subject, room.clock())
        try:
            room.factors.save(noted)
        except FactorMovedError:
            room.pause(attempt)
            continue
        return ResetState.ASKED if noted.held else ResetState.RESET
    raise busy()


def _when(use: FactorUse, by: Officer, room: FactorRoom) -> datetime:
    """When a use was made for the first time."""
    grants = room.factors.keyring(by).grants
    return max((one.at for one in grants if one.use == use), default=room.clock())


_OWN = (
    "Nobody resets the own second factor: two other officers do.",
    "ไม่มีใครรีเซ็ตการยืนยันตัวตนขั้นที่สองของตนเองได้ ต้องให้เจ้าหน้าที่อื่นสองคนดำเนินการ",
)
