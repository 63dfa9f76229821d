"""Registers with entries in them, without the work of issuing documents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.registers import Entry, Register, Reserve, lay_out_reservation
from chalicelib.ports import RegisterStore
from tests.support.samples import NOON

REGISTER = Register("diw", "licence", 2026)

_BLOCK = 90


def give_numbers(registers: RegisterStore, count: int, register: Register = REGISTER) -> None:
    """The next `count` numbers, as reservations: they need no documents."""
    reserve = Reserve(
        reservation_id="R1", owner="clerk-1", reason="test", expires_at=NOON + timedelta(days=1)
    )
    while count:
        head = registers.head(register)
        taken = min(count, _BLOCK)
        salts = [
            hashlib.sha256(f"{register.register_id}{head.last_number + n}".encode()).hexdigest()
            for n in range(taken)
        ]
        registers.assign(lay_out_reservation(register, head, reserve, salts, NOON), {})
        count -= taken


def void_numbers(registers: RegisterStore, *numbers: int, register: Register = REGISTER) -> None:
    """Let reserved numbers expire: each puts one entry into the outcome log."""
    for number in numbers:
        entry = registers.entry(register, number)
        assert isinstance(entry, Entry)
        registers.release(entry, reason="reservation_expired", by="sweep", at=NOON)


@dataclass(frozen=True)
class BruteForce:
    """RFC 9162 2.1.1 word by word; slow, and nobody's code but this."""

    leaves: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        return self._hash(self.leaves)

    def _hash(self, leaves: tuple[bytes, ...]) -> bytes:
        if not leaves:
            return hashlib.sha256(b"").digest()
        if len(leaves) == 1:
            return hashlib.sha256(b"\x00" + leaves[0]).digest()
        k = 1
        while k * 2 < len(leaves):
            k *= 2
        return hashlib.sha256(b"\x01" + self._hash(leaves[:k]) + self._hash(leaves[k:])).digest()
