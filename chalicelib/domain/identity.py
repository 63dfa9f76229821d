"""Whom a verified token names. What that person or application may do is not in it (A7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

_MOST_CHARACTERS = 255
"""OpenID Connect Core 1.0, section 2: a `sub` is no longer."""

_AGENCY = re.compile(r"[0-9A-Za-z_-]{1,64}")
_CLAIMS = re.compile(r"[^,=\s]+(,[^,=\s]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person of an agency (`client_id` is None), or an application, whose token need not tell
    the agency: its registration does. `until` (seconds since 1970) is when the token ends, clocks
    that differ forgiven."""

    subject: str
    agency_id: str | None
    client_id: str | None
    scopes: frozenset[str]
    until: int

    def __post_init__(self) -> None:
        if self.client_id is None and not self.agency_id:
            raise ValueError("a person is somebody of an agency")


class ClaimError(Exception):
    """A claim that is needed is not there, or is nothing that can be meant; the text is its name."""

    def __init__(self, claim: str, *, missing: bool) -> None:
        super().__init__(claim)
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNames:
    """How an issuer calls what is needed of its tokens. Of several names with commas the first
    that is there counts, for `scope` all of them. A name with dots is looked for as it is, then
    as a path into nested claims.

    `application` says whose tokens are those of an application: `claim==value`, or `claim` if any
    value does; empty: those whose client id is also their subject (RFC 9068, section 2.2).
    """

    subject: str = "sub"
    agency: str = "agency"
    client_id: str = "client_id"
    scope: str = "scope"
    application: str = ""

    @classmethod
    def parse(cls, text: str) -> ClaimNames:
        """From pairs `what=claim` with spaces between them. Raises ValueError, saying which."""
        known = {one.name for one in fields(cls)}
        names: dict[str, str] = {}
        for pair in text.split():
            what, _, name = pair.partition("=")
            if what not in known or what in names or not _is_name(what, name):
                raise ValueError(pair)
            names[what] = name
        return cls(**names)

    def identity(self, claims: Mapping[str, Any], *, until: int) -> Identity:
        """Whom verified claims name. Raises ClaimError."""
        subject = self._text(claims, self.subject)
        if subject is None:
            raise ClaimError(self.subject, missing=True)
        client_id = self._client_id(claims, subject)
        agency_id = self._text(claims, self.agency)
        if agency_id is None and client_id is None:
            raise ClaimError(self.agency, missing=True)
        if agency_id is not None and _AGENCY.fullmatch(agency_id) is None:
            raise ClaimError(self.agency, missing=False)
        return Identity(
            subject=subject,
            agency_id=agency_id,
            client_id=client_id,
            scopes=frozenset(
                scope for name in self.scope.split(",") for scope in _words(_found(claims, name))
            ),
            until=until,
        )

    def _client_id(self, claims: Mapping[str, Any], subject: str) -> str | None:
        """None for a person, whose tokens may name the client that asked for them, too."""
        client_id = self._text(claims, self.client_id)
        if not self.application:
            return client_id if client_id == subject else None
        name, _, value = self.application.partition("==")
        said = _found(claims, name)
        if said in (None, "") or (value and said != value):
            return None
        if client_id is None:
            raise ClaimError(self.client_id, missing=True)
        return client_id

    def _text(self, claims: Mapping[str, Any], names: str) -> str | None:
        """One line that can be printed; None if there is no such claim."""
        found = (_found(claims, name) for name in names.split(","))
        value = next((one for one in found if one not in (None, "")), None)
        if value is None:
            return None
        if not isinstance(value, str) or not value.isprintable() or value != value.strip():
            raise ClaimError(names, missing=False)
        if len(value) > _MOST_CHARACTERS:
            raise ClaimError(names, missing=False)
        return value


USUAL_NAMES = ClaimNames()
"""As RFC 9068 and RFC 8693 call them; `agency` has no standard name."""


def _is_name(what: str, name: str) -> bool:
    if what == "application":
        claim, _, value = name.partition("==")
        return _CLAIMS.fullmatch(claim) is not None and "," not in claim and "=" not in value
    return _CLAIMS.fullmatch(name) is not None


def _found(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    value: Any = claims
    for step in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _words(claim: Any) -> list[str]:
    """Issuers write several values as a list, or as one text with spaces (RFC 8693)."""
    values = claim if isinstance(claim, list) else [claim]
    return [word for value in values if isinstance(value, str) for word in value.split()]
