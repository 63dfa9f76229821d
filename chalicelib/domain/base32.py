"""Crockford base 32: no vowels to spell words with, no letters that read like digits."""

from __future__ import annotations

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def base32(value: int) -> str:
    """The low 130 bits of `value` as 26 characters; text order is number order."""
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
