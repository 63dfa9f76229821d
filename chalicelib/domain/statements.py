"""Signed statements between agencies: how their fields are spelled, and strictly read.

A statement is canonical JSON under a signature (compact JWS). What comes from another
system is read by these rules before anybody looks at what it says: one object, no name
twice, every field of its own type, size and spelling. Names that are not known are left
alone, so that an agency may add its own.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from chalicelib.domain.errors import MalformedRequestError
from chalicelib.domain.strict_json import json_object

LARGEST = 16 * 1024
"""Bytes of a statement: ten times what an honest one needs."""

CLOCKS_DIFFER_SECONDS = 300
"""So far may the clocks of two systems differ before a time is called impossible. A19 asks
for 30 ms of Tra's own; another agency's system is not Tra's."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DIGEST = re.compile(r"sha-256:([0-9a-f]{64})")
_DIGEST_PREFIX = "sha-256:"
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_LARGEST_COUNT = 10**12


class StatementError(ValueError):
    """A statement cannot be read; `field` is the name that is missing or wrong, empty where it
    is the whole. Quotes nothing of what was sent."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field or 'the statement'} cannot be read")
        self.field = field


def to_the_millisecond(instant: datetime) -> datetime:
    """As a statement can tell it, so that what is kept equals what was signed."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def write_instant(instant: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond: `2026-06-01T05:00:00.000Z`."""
    if instant.tzinfo is None:
        raise ValueError("an instant without time zone proves nothing")
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def write_digest(digest: str) -> str:
    """Hex SHA-256 as statements spell it."""
    return _DIGEST_PREFIX + digest


def jws_digest(jws: str) -> str:
    """Hex SHA-256 of a compact JWS as it stands, signature included: what links name."""
    return hashlib.sha256(jws.encode("utf-8", "surrogatepass")).hexdigest()


def jws_kid(jws: str) -> str | None:
    """Which key a compact JWS says it is signed with; None if it says none, or is no JWS. A
    claim, not a proof."""
    head = jws.partition(".")[0]
    try:
        header = json_object(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, MalformedRequestError):
        return None
    kid = header.get("kid")
    return kid if isinstance(kid, str) else None


_COMPACT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
MOST_JWS = 2 * LARGEST
"""Characters of a signed statement: the largest payload in Base64, its header and signature."""


def claimed_payload(jws: str) -> bytes:
    """What a compact JWS (RFC 7515 §3.1) says, whoever signed it: a claim until its signature
    was checked.

    Raises StatementError if it is too large, or not spelled in the one way that Base64url
    without padding can be (RFC 4648 §3.5): then one signature would have many texts.
    """
    if len(jws) > MOST_JWS or not _COMPACT.fullmatch(jws):
        raise StatementError("")
    _, payload, _ = (_decoded(part) for part in jws.split("."))
    return payload


def _decoded(part: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise StatementError("") from error
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise StatementError("")
    return decoded


def is_line(text: str, most: int) -> bool:
    """One line, not empty, with nothing unseen in it, of at most so many characters."""
    if not 0 < len(text) <= most or text.isspace():
        return False
    return not any(unicodedata.category(character) in _UNSEEN for character in text)


def read_statement(payload: bytes, kind: str) -> Fields:
    """The fields of a statement whose `type` is `kind`. Raises StatementError."""
    if len(payload) > LARGEST:
        raise StatementError("")
    try:
        found = json_object(payload)
    except MalformedRequestError as error:
        raise StatementError("") from error
    fields = Fields(found)
    if fields.text("type", 60) != kind:
        raise StatementError("type")
    return fields


class Fields:
    """The members of one object; every reader raises StatementError with the name."""

    def __init__(self, members: Mapping[str, Any], within: str = "") -> None:
        self._members = members
        self._within = within

    def text(self, name: str, most: int) -> str:
        """One line, not empty, with nothing unseen in it, of at most so many characters."""
        value = self._members.get(name)
        if not isinstance(value, str) or not is_line(value, most):
            raise self._wrong(name)
        return value

    def text_or_none(self, name: str, most: int) -> str | None:
        return None if self._members.get(name) is None else self.text(name, most)

    def count(self, name: str, least: int = 1) -> int:
        value = self._members.get(name)
        if type(value) is not int or not least <= value < _LARGEST_COUNT:
            raise self._wrong(name)
        return value

    def truth(self, name: str) -> bool:
        value = self._members.get(name)
        if not isinstance(value, bool):
            raise self._wrong(name)
        return value

    def instant(self, name: str) -> datetime:
        """RFC 3339 with its offset, of this millennium; in UTC."""
        text = self.text(name, 40)
        if not (_INSTANT.fullmatch(text) and text.startswith("2")):
            raise self._wrong(name)
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError as error:
            raise self._wrong(name) from error

    def instant_or_none(self, name: str) -> datetime | None:
        return None if self._members.get(name) is None else self.instant(name)

    def day(self, name: str) -> date:
        """ISO 8601 date, Common Era."""
        text = self.text(name, 10)
        try:
            if _DAY.fullmatch(text):
                return date.fromisoformat(text)
        except ValueError as error:
            raise self._wrong(name) from error
        raise self._wrong(name)

    def digest(self, name: str) -> str:
        """`sha-256:` and 64 hex digits; the digits."""
        match = _DIGEST.fullmatch(self.text(name, 80))
        if match is None:
            raise self._wrong(name)
        return match[1]

    def digest_or_none(self, name: str) -> str | None:
        return None if self._members.get(name) is None else self.digest(name)

    def object(self, name: str) -> Fields:
        value = self._members.get(name)
        if not isinstance(value, dict):
            raise self._wrong(name)
        return Fields(value, f"{self._within}{name}/")

    def object_or_none(self, name: str) -> Fields | None:
        return None if self._members.get(name) is None else self.object(name)

    def _wrong(self, name: str) -> StatementError:
        return StatementError(f"{self._within}{name}")
