"""How an agency is reached, as JSON: read, and refused with every fault."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.kms import base64url
from chalicelib.domain.channel_settings import is_webhook_url, reach_of, reply_keys_data
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Unit
from chalicelib.domain.errors import InvalidRequestError

QUEUE = "https://sqs.ap-southeast-7.amazonaws.com/123456789012/letters.fifo"
WEBHOOK = "https://saraban.agency.go.th/tra?unit=1"


def _key(kid: str = "2026", **changes: Any) -> dict[str, Any]:
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (base64url(number.to_bytes(32)) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, **changes}


def _faults(entry: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequestError) as raised:
        reach_of(entry, "/agencies/0")
    return [
        (fault.pointer.removeprefix("/agencies/0"), fault.code) for fault in raised.value.faults
    ]


def test_everything_is_read() -> None:
    """C1: channel, address, keys and units; other members of the entry are not its business."""
    key = _key()
    entry = {
        "agency_id": "dbd",
        "channel": "webhook",
        "webhook_url": WEBHOOK,
        "reply_keys": [{**key, "use": "sig", "alg": "ES256"}, _key("2025")],
        "units": [{"unit_id": "registry", "name_th": "งานสารบรรณ"}],
    }
    reach = reach_of(entry)
    assert (reach.channel, reach.webhook_url, reach.inbox_url) == (
        ChannelKind.WEBHOOK,
        WEBHOOK,
        None,
    )
    assert reach.reply_keys[0] == key
    assert [k["kid"] for k in reach.reply_keys] == ["2026", "2025"]
    assert reach.units == (Unit("registry", "งานสารบรรณ", ""),)
    assert reply_keys_data(reach.reply_keys)[0] == {**key, "use": "sig", "alg": "ES256"}


def test_nothing_need_be_said() -> None:
    """C1: an agency without any of it is reached as the directory does by default."""
    assert reach_of({}).channel is None
    assert reach_of({"channel": "hosted"}).channel is ChannelKind.HOSTED
    assert reach_of({"inbox_url": QUEUE}).inbox_url == QUEUE


@settings(max_examples=25)
@given(st.integers(1, 2**255))
def test_every_key_of_the_curve_is_one(secret: int) -> None:
    """Issue 6, 3: an independent library's keys are read, and none of them with a bit changed."""
    numbers = ec.derive_private_key(secret, ec.SECP256R1()).public_key().public_numbers()
    key = _key(x=base64url(numbers.x.to_bytes(32)), y=base64url(numbers.y.to_bytes(32)))
    assert reach_of({"reply_keys": [key]}).reply_keys == (key,)
    wrong = {**key, "y": base64url((numbers.y ^ 1).to_bytes(32))}
    assert _faults({"reply_keys": [wrong]}) == [("/reply_keys/0", "not_a_key")]


def test_a_private_key_is_refused_loudly() -> None:
    """P6: what must never leave the agency's system is not stored, shown or repeated here."""
    with pytest.raises(InvalidRequestError) as raised:
        reach_of({"reply_keys": [_key(d="c2VjcmV0")]})
    (fault,) = raised.value.faults
    assert (fault.pointer, fault.code) == ("/reply_keys/0/d", "private_key")
    assert "c2VjcmV0" not in fault.detail + fault.detail_th


@pytest.mark.parametrize(
    ("key", "faults"),
    [
        (_key(kty="RSA"), [("/kty", "not_allowed")]),
        (_key(crv="P-384"), [("/crv", "not_allowed")]),
        (_key(alg="none"), [("/alg", "not_allowed")]),
        (_key(use="enc"), [("/use", "not_allowed")]),
        (_key(k="c2VjcmV0"), [("/k", "unknown_field")]),
        (_key(kid=""), [("/kid", "wrong_format")]),
        (_key(kid="a b"), [("/kid", "wrong_format")]),
        (_key(x="AA"), [("/x", "wrong_format")]),
        (_key(x="A" * 42 + "B"), [("/x", "wrong_format")]),
        (_key(x="_" * 42 + "8"), [("", "not_a_key")]),
        (_key(x="A" * 43, y="A" * 43), [("", "not_a_key")]),
        ("key", [("", "wrong_type"), *((f"/{n}", "not_allowed") for n in ("kty", "crv"))]),
    ],
)
def test_only_public_keys_of_p256(key: Any, faults: list[tuple[str, str]]) -> None:
    """Issue 6, 3: what could not check a receipt is told at once: another curve, a spelling that is
    not the one right one, a number beyond the field, a point that is not on the curve."""
    assert _faults({"reply_keys": [key]})[: len(faults)] == [
        (f"/reply_keys/0{place}", code) for place, code in faults
    ]


@pytest.mark.parametrize(
    ("entry", "faults"),
    [
        ({"channel": "fax"}, [("/channel", "not_allowed")]),
        ({"channel": "webhook"}, [("/webhook_url", "missing")]),
        ({"channel": "webhook", "webhook_url": "http://a.go.th/"}, [("/webhook_url", "wrong_format")]),
        ({"channel": "queue", "webhook_url": WEBHOOK}, [("/webhook_url", "not_used")]),
        ({"webhook_url": WEBHOOK}, [("/webhook_url", "not_used")]),
        ({"channel": "hosted", "inbox_url": QUEUE}, [("/inbox_url", "not_used")]),
        ({"inbox_url": "https://queue.amazonaws.com/1/a"}, [("/inbox_url", "wrong_format")]),
        ({"inbox_url": f"{QUEUE}?a"}, [("/inbox_url", "wrong_format")]),
        ({"reply_keys": [_key("a"), _key("a")]}, [("/reply_keys/1/kid", "repeated")]),
        ({"reply_keys": [_key(str(n)) for n in range(9)]}, [("/reply_keys", "too_many")]),
        ({"reply_keys": {}}, [("/reply_keys", "wrong_type")]),
        ({"units": [{"unit_id": "A", "name_th": ""}]}, [("/units/0/unit_id", "wrong_format"), ("/units/0/name_th", "wrong_format")]),
        ({"units": [{"unit_id": "a", "name_th": "ก"}] * 2}, [("/units/1/unit_id", "repeated")]),
    ],
)  # fmt: skip
def test_what_does_not_hold_together(entry: Any, faults: list[tuple[str, str]]) -> None:
    """C1: every fault is told with its place, before anything is stored."""
    assert _faults(entry) == faults


@pytest.mark.parametrize(
    "url",
    [
        "https://a.go.th",
        "https://a.go.th/",
        "https://a.go.th:443/x?y=%20",
        "https://xn--12c.go.th/~a!b$c&d'(e)*+,;=:@",
        "https://a-b.c1.th?x",
    ],
)
def test_which_addresses_are_webhooks(url: str) -> None:
    """C1: any path and query on the HTTPS port of a host with a name."""
    assert is_webhook_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://A.go.th/",
        "https://a_b.go.th/",
        "https://-a.go.th/",
        "https://a.go.th./",
        "https://go/",
        "https://a.go.th:80/",
        "https://a.go.th:443:443/",
        "https://a.go.th@b.go.th/",
        "https://a.go.th\\.b.go.th/",
        "https://a.go.th/\n",
        "https://a.go.th/ก",
        "https://1.2.3.4/",
        f"https://{'a' * 64}.go.th/",
        f"https://{'a.' * 126}go.th/",
        f"https://a.go.th/{'a' * 2000}",
    ],
)
def test_which_addresses_are_none(url: str) -> None:
    """Issue 6, 2: one spelling, so that no two programs read two hosts in it."""
    assert not is_webhook_url(url)
