"""Redrive: what lies in a dead-letter queue goes back to work (A5, A28)."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.ports import DeadLetter, DeadLetters

_MOST_SHOWN = 100


def redrive(dead: DeadLetters, *, tell: Callable[[DeadLetter], None]) -> int:
    """Move every message back to its queue, at least once; `tell` hears of each. Returns how many.

    What fails again lies there again later. Dies half-way: what was moved is moved, one message
    may be in both queues, and what was held is back within half a minute. Raises
    UnavailableError.
    """
    moved = 0
    while letters := dead.take():
        for letter in letters:
            dead.give_back(letter)
            moved += 1
            tell(letter)
    return moved


def look(dead: DeadLetters) -> tuple[str, ...]:
    """What lies there, left where it is: a hundred at most, and of a FIFO queue the first of each
    group. Raises UnavailableError."""
    held: list[DeadLetter] = []
    try:
        while len(held) < _MOST_SHOWN and (letters := dead.take()):
            held += letters
    finally:
        for letter in held:
            dead.release(letter)
    return tuple(letter.about for letter in held)
