"""Progress for a person: one line per phase, with seconds; a failing phase says what
failed and where its log is."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WIDTH = 34
_CLEAR_LINE = "\r\x1b[K"


class PhaseError(Exception):
    """A phase failed; it has been said which and why."""


class Phases:
    """Runs named phases one after another and times them."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str, *, log: Path | None = None) -> Iterator[Callable[[str], None]]:
        """Yields a function that shows how far the phase is. Raises PhaseError in place
        of any exception of the phase (its cause)."""
        started = time.monotonic()
        self._live(f"  {name:{_WIDTH}} …")
        last = ""

        def show(text: str) -> None:
            nonlocal last
            last = text
            self._live(f"  {name:{_WIDTH}} {time.monotonic() - started:5.1f} s  {text}")

        try:
            yield show
        except BaseException as error:
            self._line(f"  {name:{_WIDTH}} {time.monotonic() - started:5.1f} s  FAILED")
            if not isinstance(error, Exception):
                raise
            self._explain(name, error, log)
            raise PhaseError(name) from error
        self.seconds[name] = time.monotonic() - started
        self._line(f"  {name:{_WIDTH}} {self.seconds[name]:5.1f} s  {last}".rstrip())

    def _explain(self, name: str, error: Exception, log: Path | None) -> None:
        if isinstance(error, PhaseError):
            return
        print(f"\n{name}: {error or type(error).__name__}", file=sys.stderr)
        if log is not None:
            print(f"log: {log}", file=sys.stderr)

    def _live(self, text: str) -> None:
        if not self._quiet and sys.stdout.isatty():
            print(f"{_CLEAR_LINE}{text}", end="", flush=True)

    def _line(self, text: str) -> None:
        if self._quiet:
            return
        print(f"{_CLEAR_LINE if sys.stdout.isatty() else ''}{text}", flush=True)
