"""Parts of transactions that put lines into registers, and what their failures mean.

Who numbers something (documents, letters that were received) writes its own items in the same
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.faults import Cancellation, translated
from chalicelib.adapters.dynamodb.items import (
    BegunItem,
    EntryItem,
    HeadItem,
    PendingItem,
    bind,
    to_text,
)
from chalicelib.adapters.sealed_parts import NoVault, sealed_entry
from chalicelib.domain.registers import Block, Head, PendingOutcome, Register
from chalicelib.ports import Vault


class RegisterLines:
    """Heads, entries and waiting outcomes of one table."""

    def __init__(self, registers_table: str, vault: Vault | None = None) -> None:
        self.vault = vault or NoVault()
        self.heads = bind(HeadItem, registers_table)
        self.entries = bind(EntryItem, registers_table)
        self._begun = bind(BegunItem, registers_table)
        self._pending = bind(PendingItem, registers_table)

    def head(self, register: Register) -> Head:
        with translated():
            try:
                found = self.heads.get(register.register_id, HeadItem.LINE, consistent_read=True)
            except DoesNotExist:
                return Head()
            return found.to_domain()

    def put_block(self, transaction: TransactWrite, block: Block) -> int:
        """Its entries, and the register itself if it begins with them. Returns how many items
        that puts."""
        for entry in block.entries:
            transaction.save(
                self.entries.of(sealed_entry(entry, self.vault)),
                condition=self.entries.register_id.does_not_exist(),
            )
        if block.after == 0:
            transaction.save(self._begun(BegunItem.PARTITION, block.register.register_id))
        return len(block.entries) + (block.after == 0)

    def put_outcome(
        self, transaction: TransactWrite, register: Register, outcome: PendingOutcome
    ) -> None:
        transaction.save(
            self._pending.of(register, outcome),
            condition=self._pending.register_id.does_not_exist(),
        )

    def move_head(self, transaction: TransactWrite, block: Block) -> None:
        """From the number before the block to its last one, unless the register is closing or
        held."""
        heads = self.heads
        transaction.update(
            heads(block.register.register_id, HeadItem.LINE),
            actions=[
                heads.last_number.set(block.last),
                heads.last_at.set(to_text(block.entries[-1].numbered_at)),
            ],
            condition=free_after(heads, block.after),
        )


def free_after(heads: type[HeadItem], last_number: int) -> Condition:
    """The head still stands at this number, and anybody may take the next one."""
    free: Condition = (
        (heads.last_number == last_number)
        & heads.closing.does_not_exist()
        & heads.held_by.does_not_exist()
    )
    return free if last_number else heads.register_id.does_not_exist() | free


class Found:
    """Cancellation reasons by name. pynamodb sends checks, then puts, then updates."""

    def __init__(
        self,
        reasons: Sequence[Cancellation],
        *,
        checks: Sequence[str] = (),
        puts: int,
        updates: Sequence[str],
    ) -> None:
        start = len(checks)
        self.busy = Cancellation.BUSY in reasons
        self._puts = reasons[start : start + puts]
        self._later = reasons[start + puts + len(updates) :]
        self._named = dict(zip(checks, reasons, strict=False)) | dict(
            zip(updates, reasons[start + puts :], strict=False)
        )

    def failed(self, name: str) -> bool:
        return self._named.get(name) is Cancellation.CONDITION

    def stopped(self, name: str) -> bool:
        """Its condition failed, or another transaction held it."""
        return self._named.get(name, Cancellation.NONE) is not Cancellation.NONE

    @property
    def any_later_update(self) -> bool:
        return Cancellation.CONDITION in self._later

    def any_put(self, first: int) -> bool:
        return Cancellation.CONDITION in self._puts[:first]

    def any_busy_put(self, first: int) -> bool:
        return Cancellation.BUSY in self._puts[:first]
