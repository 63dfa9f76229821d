"""Which addresses are somebody's on the public Internet: no function is sent anywhere else.

Whoever may name a host could otherwise reach what only this side of the network may see: the
metadata of the machine (169.254.169.254), an internal service, a database.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# IANA's registries of special-purpose addresses (RFC 6890), multicast and reserved space. They
# are spelled out, for what Python calls global has changed from version to version.
_NOT_PUBLIC_V4 = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Of IPv6 only 2000::/3 is given to anybody: so IPv4 in disguise (::ffff:0:0/96, NAT64 in
# 64:ff9b::/96), ULA, link-local and multicast are out. Within it: Teredo and other protocols, 6to4
# (both carry an IPv4 address), documentation.
_PUBLIC_V6 = ip_network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ip_network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def is_public(address: str) -> bool:
    """Whether it is an address (IPv4 or IPv6) of the public Internet."""
    match _read(address):
        case IPv4Address() as four:
            return not any(four in block for block in _NOT_PUBLIC_V4)
        case IPv6Address() as six:
            return six in _PUBLIC_V6 and not any(six in block for block in _NOT_PUBLIC_V6)
        case None:
            return False


def is_loopback(address: str) -> bool:
    """Whether it is this machine itself."""
    found = _read(address)
    return found is not None and found.is_loopback


def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
