"""W3C Bitstring Status List: which bit is whose, and how the bits are written."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.registers import Register
from chalicelib.domain.standing import Mark, ReasonCode, RulingKind
from chalicelib.domain.status_list import (
    PLACES,
    Marked,
    Page,
    Purpose,
    credential,
    encoded_list,
    set_indices,
    status_entries,
)
from tests.support.samples import NOON

REGISTER = Register("diw", "licence", 2026)


def _bits(encoded: str) -> bytes:
    assert encoded[0] == "u"  # multibase: base64url without padding
    return gzip.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)))


def _mark(number: int, kind: RulingKind, hours: int) -> Mark:
    return Mark(
        number=number,
        kind=kind,
        reason_code=ReasonCode.ERROR,
        decided_at=NOON,
        effective_at=NOON + timedelta(hours=hours),
    )


@given(st.sets(st.integers(0, PLACES - 1), max_size=20))
def test_the_first_bit_is_the_leftmost(indices: set[int]) -> None:
    """Bitstring Status List v1.0, 3.3: index 0 is the left-most bit; at least 16 kB."""
    bits = _bits(encoded_list(indices))
    assert len(bits) == 16 * 1024
    text = "".join(f"{byte:08b}" for byte in bits)
    assert {i for i, bit in enumerate(text) if bit == "1"} == indices


def test_the_same_bits_are_the_same_text() -> None:
    """api.md: a list that says the same has the same tag."""
    assert encoded_list([7, 3]) == encoded_list([3, 7])
    assert encoded_list([]) != encoded_list([0])


@pytest.mark.parametrize(
    ("number", "child", "page", "index"),
    [
        (1, 0, "0", 0),
        (131_072, 0, "0", 131_071),
        (131_073, 0, "1", 0),
        (12, 1, "under-12", 0),
        (12, 9_999, "under-12", 9_998),
    ],
)
def test_each_number_has_one_place(number: int, child: int, page: str, index: int) -> None:
    """Issue 5, item 5: number n at n - 1; an inserted one on its parent's own page."""
    of = Page.of(number, child)
    assert (str(of), of.index_of(number, child)) == (page, index)
    assert Page.parse(page) == of
    first, last = of.span
    assert first <= (number, child) <= last
    for entry, purpose in zip(
        status_entries(REGISTER, number, child, public_url="https://tra.test"),
        ("revocation", "suspension"),
        strict=True,
    ):
        url = f"https://tra.test/v1/registers/diw/licence/2026/status/{purpose}/{page}"
        assert entry == {
            "id": f"{url}#{index}",
            "type": "BitstringStatusListEntry",
            "statusPurpose": purpose,
            "statusListIndex": str(index),
            "statusListCredential": url,
        }


@pytest.mark.parametrize("text", ["", "-1", "01", "x", "under-0", "under-", "12345678", "๑", "1/2"])
def test_other_pages_do_not_exist(text: str) -> None:
    """P4: a page has one spelling."""
    assert Page.parse(text) is None


def test_bits_follow_effective_times() -> None:
    """Issue 5, item 5: a bit is set from the time a decision holds, and not before."""
    marked = [
        Marked(number=2, child=0, marks=(_mark(1, RulingKind.REVOKED, 5),)),
        Marked(number=3, child=0, marks=(_mark(1, RulingKind.SUSPENDED, 0),)),
        Marked(number=3, child=1, marks=(_mark(1, RulingKind.REVOKED, 0),)),
        Marked(number=4, child=0, marks=(_mark(1, RulingKind.SUPERSEDED, 0),)),
    ]
    page, later = Page(0), NOON + timedelta(hours=6)
    assert set_indices(marked, Purpose.REVOCATION, page, NOON) == (3,)
    assert set_indices(marked, Purpose.REVOCATION, page, later) == (1, 3)
    assert set_indices(marked, Purpose.SUSPENSION, page, later) == (2,)
    assert set_indices(marked, Purpose.REVOCATION, Page(parent=3), NOON) == (0,)


def test_the_credential_is_a_status_list_credential() -> None:
    """Bitstring Status List v1.0, 2.2; VC data model 2.0: the members a reader demands."""
    made = json.loads(
        credential("https://x/0", Purpose.SUSPENSION, "uH4", NOON, issuer="https://x")
    )
    assert made["@context"] == ["https://www.w3.org/ns/credentials/v2"]
    assert made["type"] == ["VerifiableCredential", "BitstringStatusListCredential"]
    assert made["id"] == "https://x/0"
    assert (made["validFrom"], made["validUntil"]) == (
        "2026-11-21T05:00:00Z",
        "2026-11-21T05:10:00Z",
    )
    assert made["credentialSubject"] == {
        "id": "https://x/0#list",
        "type": "BitstringStatusList",
        "statusPurpose": "suspension",
        "encodedList": "uH4",
        "ttl": 30_000,
    }
