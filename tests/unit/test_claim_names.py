"""How issuers call their claims, and whose token is whose (issue 7.2)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.identity import USUAL_NAMES, ClaimError, ClaimNames, Identity

KEYCLOAK_PERSON: dict[str, Any] = {
    "sub": "f3b2c1d0-1111-4222-8333-444455556666",
    "azp": "tra-web",
    "scope": "openid documents:read documents:submit",
    "preferred_username": "somsri",
    "agency": "diw",
    "realm_access": {"roles": ["administrator", "registrar"]},
}
KEYCLOAK_APPLICATION: dict[str, Any] = {
    "sub": "0a0a0a0a-2222-4333-8444-555566667777",
    "azp": "diw-app",
    "client_id": "diw-app",
    "scope": "documents:submit",
    "preferred_username": "service-account-diw-app",
}
ENTRA_PERSON: dict[str, Any] = {
    "sub": "pairwise",
    "oid": "11111111-2222-3333-4444-555555555555",
    "azp": "99999999-0000-0000-0000-000000000000",
    "scp": "documents:read files:read",
    "extn.agency": "diw",
    "idtyp": "user",
}
ENTRA_APPLICATION: dict[str, Any] = {
    "sub": "22222222-2222-3333-4444-555555555555",
    "oid": "22222222-2222-3333-4444-555555555555",
    "azp": "aaaaaaaa-0000-0000-0000-000000000000",
    "roles": ["documents:submit"],
    "idtyp": "app",
}
_GUIDE = Path(__file__).parent.parent.parent / "docs" / "guide" / "sign-in.md"
KEYCLOAK, ENTRA = re.findall(
    r"^ +OidcClaims='(.*)'$", _GUIDE.read_text(encoding="utf-8"), re.MULTILINE
)


def _named(claims: dict[str, Any], names: str = "") -> Identity:
    return ClaimNames.parse(names).identity(claims, until=1)


def test_the_usual_names() -> None:
    """RFC 9068: an application's client id is its subject; a person's token may name the client
    that asked for it, and is no application's for that."""
    claims = {"sub": "somsri", "agency": "diw", "client_id": "web", "scope": "a b"}
    assert _named(claims) == Identity(
        subject="somsri", agency_id="diw", client_id=None, scopes=frozenset({"a", "b"}), until=1
    )
    assert _named({"sub": "app", "client_id": "app"}).client_id == "app"
    assert ClaimNames.parse("  ") == USUAL_NAMES


@pytest.mark.parametrize(
    ("claims", "names", "expected"),
    [
        (KEYCLOAK_PERSON, KEYCLOAK, (KEYCLOAK_PERSON["sub"], "diw", None)),
        (KEYCLOAK_APPLICATION, KEYCLOAK, (KEYCLOAK_APPLICATION["sub"], None, "diw-app")),
        (ENTRA_PERSON, ENTRA, (ENTRA_PERSON["oid"], "diw", None)),
        (ENTRA_APPLICATION, ENTRA, (ENTRA_APPLICATION["oid"], None, ENTRA_APPLICATION["azp"])),
    ],
)
def test_tokens_as_providers_write_them(
    claims: dict[str, Any], names: str, expected: tuple[str, str | None, str | None]
) -> None:
    """docs/guide/sign-in.md: the settings told there read these tokens."""
    found = _named(claims, names)
    assert (found.subject, found.agency_id, found.client_id) == expected
    assert any(scope.startswith("documents:") for scope in found.scopes)


def test_a_name_with_dots_is_first_what_it_says() -> None:
    """Claims with a domain of their own (OpenID Connect Core, 5.1.2) have dots in their names."""
    name = "https://tra.go.th/agency"
    assert _named({"sub": "a", name: "diw"}, f"agency={name}").agency_id == "diw"
    nested = {"sub": "a", "x.y": "diw", "x": {"y": "rd"}}
    assert _named(nested, "agency=x.y").agency_id == "diw"
    assert _named(nested, "agency=none,x.y").agency_id == "diw"


@pytest.mark.parametrize("claim", [None, 7, {"a": 1}, [1, None], ""])
def test_scopes_that_are_none(claim: object) -> None:
    """P6: what is no text is no scope."""
    assert _named({"sub": "a", "agency": "diw", "scope": claim}).scopes == frozenset()


@pytest.mark.parametrize(
    ("claims", "names", "missing"),
    [
        ({"agency": "diw"}, "", "sub"),
        ({"sub": "", "agency": "diw"}, "", "sub"),
        ({"sub": "a"}, "", "agency"),
        ({"sub": "a", "client_id": "web"}, "", "agency"),
        ({"sub": "a", "x": "diw"}, "agency=x.y", "x.y"),
        ({"sub": "a", "idtyp": "app"}, ENTRA.replace("subject=oid ", ""), "azp"),
    ],
)
def test_what_is_missing_is_named(claims: dict[str, Any], names: str, missing: str) -> None:
    """P6: without who it is, and of which agency, nothing can be looked up."""
    with pytest.raises(ClaimError, match=f"^{missing}$") as error:
        _named(claims, names)
    assert error.value.missing


@pytest.mark.parametrize(
    "text",
    [
        "roles=roles",
        "agency",
        "agency=",
        "agency=a agency=b",
        "=a",
        "scope=a,,b",
        "application=a==b=c",
        "application=a,b",
    ],
)
def test_names_that_cannot_be_meant_are_refused(text: str) -> None:
    """P4: at the start, and not by refusing everybody later. There is no claim for roles."""
    with pytest.raises(ValueError, match=re.escape(text.rsplit(maxsplit=1)[-1])):
        ClaimNames.parse(text)
