"""Verified time-stamps (adapters/tsa.py) for whoever signs with pyHanko."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asn1crypto import cms
from pyhanko.sign.timestamps import TimeStamper

if TYPE_CHECKING:
    from chalicelib.adapters.trust import Timestamper


class PyhankoTimestamper(TimeStamper):
    """Gives pyHanko the tokens of a trust.Timestamper, which verifies them itself."""

    def __init__(self, timestamper: Timestamper) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # pyHanko gives it no types
        self._timestamper = timestamper

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """Raises TimestampError."""
        token = self._timestamper.stamp(message_digest, md_algorithm)
        info: cms.ContentInfo = cms.ContentInfo.load(token.der)
        return info
