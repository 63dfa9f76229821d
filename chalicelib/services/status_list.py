"""Status list: which documents of a register are revoked, or suspended, as of now (signed)."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.registers import Register
from chalicelib.domain.status_list import (
    MEDIA_TYPE,
    Page,
    Purpose,
    credential,
    encoded_list,
    entity_tag,
    list_url,
    set_indices,
)
from chalicelib.ports import Clock, EvidenceSigner, RegisterStore, SignedList


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRoom:
    """Collaborators of `make_list`."""

    registers: RegisterStore
    signer: EvidenceSigner
    clock: Clock
    public_url: str


def make_list(register: Register, purpose: Purpose, page: Page, *, room: StatusRoom) -> SignedList:
    """The page as it is at this moment: rulings count from their effective time on. Reads only
    what was ever ruled on; writes nothing. Raises UnavailableError, SealError."""
    now = room.clock()
    marked = room.registers.marked(register, page)
    encoded = encoded_list(set_indices(marked, purpose, page, now))
    url = list_url(register, purpose, page, public_url=room.public_url)
    payload = credential(url, purpose, encoded, now, issuer=room.public_url)
    signed = room.signer.sign(payload, media_type=MEDIA_TYPE)
    return SignedList(signed, entity_tag(encoded, now))


def exists(register: Register, page: Page, *, registers: RegisterStore) -> bool:
    """Whether a document can stand there: nothing is signed about registers and pages that
    anybody may think up."""
    if page.parent:
        return registers.children(register, page.parent) > 0
    (first, _), _ = page.span
    return first <= registers.head(register).last_number
