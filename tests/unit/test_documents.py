"""Digest, states and validity of documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.documents import Validity, content_digest
from tests.support.samples import document

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def _digest(**changes: Any) -> str:
    request: dict[str, Any] = {
        "agency_id": "diw",
        "document_type": "licence",
        "type_version": 1,
        "content": {"a": 1, "b": [1, 2]},
        "valid_from": None,
        "valid_until": None,
    }
    return content_digest(**{**request, **changes})


@given(st.dictionaries(st.text(), _JSON))
def test_order_of_names_does_not_change_the_digest(content: dict[str, Any]) -> None:
    """P2: the digest covers the content, not its spelling."""
    turned = dict(reversed(content.items()))
    assert _digest(content=content) == _digest(content=turned)


@pytest.mark.parametrize(
    "change",
    [
        {"agency_id": "dbd"},
        {"document_type": "e-certificate"},
        {"type_version": 2},
        {"content": {"a": 1, "b": [2, 1]}},
        {"content": {"a": "1", "b": [1, 2]}},
        {"valid_from": date(2026, 1, 1)},
        {"valid_until": date(2026, 1, 1)},
    ],
)
def test_whatever_is_printed_changes_the_digest(change: dict[str, Any]) -> None:
    """P2: nothing that can appear on the document is left out."""
    assert _digest(**change) != _digest()


@pytest.mark.parametrize("value", [1.5, [1.0], {"a": {"b": float("nan")}}])
def test_floats_have_no_canonical_form(value: object) -> None:
    """P2: two spellings of one float would be two digests, so there are none."""
    with pytest.raises(ValueError, match="float"):
        canonical_json(value)


@pytest.mark.parametrize(
    ("start", "end", "verdict"),
    [
        (None, None, Validity.VALID),
        (date(2026, 6, 1), None, Validity.VALID),
        (date(2026, 6, 2), None, Validity.NOT_YET_VALID),
        (None, date(2026, 6, 1), Validity.VALID),
        (None, date(2026, 5, 31), Validity.EXPIRED),
    ],
)
def test_both_ends_of_the_period_belong_to_it(
    start: date | None, end: date | None, verdict: Validity
) -> None:
    """E4: what is published is current to the day."""
    dated = replace(document(), valid_from=start, valid_until=end)
    assert dated.validity_on(date(2026, 6, 1)) is verdict
