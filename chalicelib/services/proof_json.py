"""Inclusion proofs as a bundle has them."""

from __future__ import annotations

import base64
from typing import Any

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.registers import LogName, Register
from chalicelib.services.prove import Inclusion, ProvingRoom, prove_inclusion


def plain_proof(inclusion: Inclusion) -> dict[str, Any]:
    """JSON: the place, the leaf, the proof and the signed checkpoint."""
    return {
        "index": inclusion.index,
        "leaf": inclusion.leaf.decode(),
        "proof": [base64.b64encode(node).decode() for node in inclusion.proof],
        "checkpoint": inclusion.published.note.decode(),
    }


def number_proof(register: Register, number: int, *, room: ProvingRoom) -> dict[str, Any] | None:
    """Proof of a number's place; None while no checkpoint includes it."""
    try:
        return plain_proof(prove_inclusion(register, LogName.NUMBERS, number - 1, room=room))
    except NotFoundError:
        return None
