"""Tell an agency's own system that a second factor of one of its officers was locked (A28)."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.errors import ChannelRefusedError
from chalicelib.domain.factor_events import LockNotice, locked_event
from chalicelib.ports import Channels, Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRoom:
    """Collaborators of `tell_lock`."""

    directory: Directory
    channels: Channels
    public_url: str


def tell_lock(notice: LockNotice, *, room: LockRoom) -> bool:
    """Whether the agency's system took it; one that is hosted here has none, and reads the list.

    Raises ChannelBusyError: the message comes again. Dies half-way: it is told again, by the
    same bytes.
    """
    agency = room.directory.agency(notice.agency_id)
    if agency is None:
        return False
    event = locked_event(notice, public_url=room.public_url)
    try:
        room.channels.hand_in(agency, agency.reached_by, event)
    except ChannelRefusedError:
        return False
    return True
