"""Rules of a type about the whole submission."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.type_rules import submission_faults
from tests.support import samples


def _kind(name: str) -> DocumentType:
    kind = PackagedDocumentTypes().get(name)
    assert kind is not None
    return kind


def _told(kind: DocumentType, body: Any) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in submission_faults(kind, body)]


@pytest.mark.parametrize("name", ["e-proxy", "e-card"])
def test_a_period_is_required_where_the_type_says_so(name: str) -> None:
    """A proxy or a card without end is refused at the missing field (issue 5)."""
    kind = _kind(name)
    for field in ("valid_from", "valid_until"):
        for body in ({**kind.example, field: None}, _without(kind.example, field)):
            assert _told(kind, body) == [(f"/{field}", "missing")]


def _without(body: Any, field: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != field}


def test_medical_certificate_stays_within_its_consent() -> None:
    """Health data goes to no agency that the consent does not name, and each other one is
    pointed at (issue 5, PDPA section 26)."""
    kind = _kind("e-medical-certificate")
    body = {**deepcopy(kind.example), "recipients": ["sso", "rd", "dopa", "diw"]}
    assert _told(kind, body) == [
        ("/recipients/1", "outside_scope"),
        ("/recipients/3", "outside_scope"),
    ]
    nobody = deepcopy(kind.example)
    nobody["content"]["consent"]["scope"] = []
    assert _told(kind, nobody) == [("/recipients/0", "outside_scope")]
    assert _told(kind, {**nobody, "recipients": []}) == []


def test_consent_is_required_with_who_when_and_scope() -> None:
    """A medical certificate without recorded consent is no valid content (issue 5)."""
    consent = _kind("e-medical-certificate").content_schema["properties"]["consent"]
    assert set(consent["required"]) == {"given_by", "given_at", "scope"}
    assert "consent" in _kind("e-medical-certificate").content_schema["required"]


def test_a_plain_list_can_be_the_scope() -> None:
    """The pointer of a type may lead to texts, through names with escapes (RFC 6901)."""
    kind = replace(samples.LICENCE, recipients_within="/a~1b/*")
    assert _told(kind, {"content": {"a/b": ["dbd"]}, "recipients": ["dbd", "rd"]}) == [
        ("/recipients/1", "outside_scope")
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["consent", "scope", "agency_id", "x"]), inner)
    ),
    max_leaves=20,
)


@given(content=JSON, recipients=JSON)
def test_any_body_is_answered(content: object, recipients: object) -> None:
    """A body of any shape is answered with faults, and only listed agencies pass (bad input)."""
    kind = _kind("e-medical-certificate")
    found = _told(kind, {"content": content, "recipients": recipients})
    assert all(code == "outside_scope" for _, code in found)


def test_types_without_rules_ask_nothing() -> None:
    """A type that declares no rule accepts any envelope."""
    assert _told(samples.LICENCE, {"recipients": ["dbd"]}) == []
