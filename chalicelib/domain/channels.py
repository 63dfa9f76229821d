"""Channels: the ways by which a letter reaches an agency (C1)."""

from __future__ import annotations

from enum import StrEnum


class ChannelKind(StrEnum):
    """How a recipient is reached, as the directory says (C1)."""

    HOSTED = "hosted"
    QUEUE = "queue"
    WEBHOOK = "webhook"
    ECMS = "ecms"
    EMAIL = "email"

    @property
    def confirms_arrival(self) -> bool:
        """Taken by the channel is arrived in the recipient's system; the others tell of the
        arrival later, or never."""
        return self in {ChannelKind.HOSTED, ChannelKind.QUEUE, ChannelKind.WEBHOOK}
