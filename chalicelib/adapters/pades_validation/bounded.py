"""The same look in a process of its own, which may use so much memory and time and no more.

pyHanko's limits bound what a stream unpacks to; this bounds everything else that a file made
for the purpose could cost (tables, recursion, quadratic work), so that one request cannot take
a function with it. The process is forked: nothing is loaded again.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from chalicelib.adapters.pades_validation.reading import MiB
from chalicelib.adapters.pades_validation.validator import PadesValidator
from chalicelib.domain.errors import SealVerificationError, TooLargeToCheckError
from chalicelib.domain.verdict import Circumstances, SealObservation

_GRACE_SECONDS = 2.0
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedValidator:
    """`seconds` of time, of processor or of the clock, and `memory` bytes beyond what this
    process has."""

    seconds: int = 20
    memory: int = 1024 * MiB
    inner: PadesValidator = field(default_factory=PadesValidator)

    def observe(
        self,
        pdf: bytes,
        anchors: Sequence[str],
        circumstances: Circumstances | None = None,
    ) -> tuple[SealObservation, ...]:
        """Raises like PadesValidator, and TooLargeToCheckError if a bound was met."""
        context = multiprocessing.get_context("fork")
        mine, theirs = context.Pipe(duplex=False)
        child = context.Process(
            target=self._look, args=(theirs, pdf, anchors, circumstances or Circumstances())
        )
        child.start()
        theirs.close()
        try:
            return _answer(mine, self.seconds + _GRACE_SECONDS)
        finally:
            child.kill()  # it has answered, or it never will
            child.join()
            mine.close()

    def _look(self, answers: Connection, *question: Any) -> None:
        _limit(self.seconds, self.memory)
        try:
            answers.send(self.inner.observe(*question))
        except MemoryError:
            answers.send((_TOO_LARGE, "memory"))
        except TooLargeToCheckError as error:
            answers.send((_TOO_LARGE, error.limit))
        except SealVerificationError as error:
            answers.send((_UNREADABLE, error.detail, error.sub_indication))


_TOO_LARGE, _UNREADABLE = "too large", "unreadable"


def _answer(answers: Connection, seconds: float) -> tuple[SealObservation, ...]:
    told: Any
    try:
        told = answers.recv() if answers.poll(seconds) else (_TOO_LARGE, "seconds")
    except EOFError:  # killed by a limit, without a word
        told = (_TOO_LARGE, "memory")
    match told:
        case (str(kind), limit) if kind == _TOO_LARGE:
            raise TooLargeToCheckError(limit)
        case (str(kind), detail, sub_indication) if kind == _UNREADABLE:
            raise SealVerificationError(detail, sub_indication)
    observations: tuple[SealObservation, ...] = told
    return observations


def _limit(seconds: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":
        pages = int(_STATM.read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
