"""Addresses of the public Internet, and those that only look like it."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.public_addresses import is_loopback, is_public


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("9.255.255.255", "10.0.0.0"),
        ("11.0.0.0", "10.255.255.255"),
        ("100.63.255.255", "100.64.0.0"),
        ("100.128.0.0", "100.127.255.255"),
        ("126.255.255.255", "127.0.0.0"),
        ("169.253.255.255", "169.254.0.0"),
        ("172.15.255.255", "172.16.0.0"),
        ("172.32.0.0", "172.31.255.255"),
        ("192.167.255.255", "192.168.0.0"),
        ("198.17.255.255", "198.18.0.0"),
        ("198.20.0.0", "198.19.255.255"),
        ("223.255.255.255", "224.0.0.0"),
        ("2001:200::", "2001:1ff:ffff::"),
        ("2001:db7::", "2001:db8::"),
        ("2003::", "2002::"),
        ("2a00::1", "4000::"),
        ("2606:4700::1111", "1fff:ffff::"),
    ],
)
def test_ranges_end_where_they_should(inside: str, outside: str) -> None:
    """Issue 6, 2: neighbours on both sides of each range's end."""
    assert is_public(inside)
    assert not is_public(outside)


@settings(max_examples=200)
@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_python_knows_to_be_private_is_not_public(address: object) -> None:
    """Issue 6, 2: an independent list agrees; ours may only be stricter."""
    if is_public(str(address)):
        found = ip_address(str(address))
        assert found.is_global
        assert not found.is_multicast
        assert not found.is_reserved


@settings(max_examples=100)
@given(st.ip_addresses(v=4))
def test_no_disguise_helps(address: object) -> None:
    """Issue 6, 2: an IPv4 address within IPv6 (mapped, NAT64, 6to4) is never public, whatever it
    is by itself."""
    packed = socket.inet_aton(str(address))
    for prefix, suffix in (
        (bytes(10) + b"\xff\xff", b""),
        (bytes.fromhex("0064ff9b") + bytes(8), b""),
        (bytes.fromhex("2002"), bytes(10)),
    ):
        assert not is_public(socket.inet_ntop(socket.AF_INET6, prefix + packed + suffix))


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "0x7f.1", "2130706433", "1.2.3.4/8"])
def test_what_is_no_address(text: str) -> None:
    """Issue 6, 2: what cannot be read is not connected to."""
    assert not is_public(text)
    assert not is_loopback(text)


def test_loopback_is_this_machine_alone() -> None:
    """Issue 6, 2: what the local stage may reach besides."""
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("169.254.169.254")
    assert not is_loopback("10.0.0.1")
