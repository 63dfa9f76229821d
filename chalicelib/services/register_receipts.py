"""Lines of registers with what the deliveries of their letters say: who gave a receipt for what was
sent, and which letter stands behind what was received (issue 6.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.register_lines import Line
from chalicelib.domain.registers import RECEIVING, SENDING, EntryState
from chalicelib.ports import DeliveryStore

LETTER_BOOKS = SENDING | RECEIVING


def with_deliveries(lines: Sequence[Line], *, deliveries: DeliveryStore) -> tuple[Line, ...]:
    """The same lines; one read for each that is about a letter. Raises UnavailableError."""
    return tuple(_with_delivery(line, deliveries) for line in lines)


def _with_delivery(line: Line, deliveries: DeliveryStore) -> Line:
    entry = line.entry
    if line.veiled:
        return line
    if entry.delivery_id is not None:
        return replace(line, arrival=deliveries.get(DeliveryId.parse(entry.delivery_id)))
    if entry.register.book not in SENDING or entry.state is not EntryState.ISSUED:
        return line
    if entry.document_id is None:
        return line
    return replace(line, progress=deliveries.progress(entry.document_id))
