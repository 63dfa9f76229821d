"""The same look in a process of its own, which may use so much memory and time and no more.

pyHanko's limits bound what a stream unpacks to; this bounds everything else that a file made
for the purpose could cost (tables, recursion, quadratic work), so that one request cannot take
a function with it. The process is forked: nothing is loaded again.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from chalicelib.adapters.pades_validation.reading import MiB
from chalicelib.adapters.pades_validation.trust import Material, check_anchors
from chalicelib.adapters.pades_validation.validator import PadesValidator
from chalicelib.domain.errors import SealVerificationError, TooLargeToCheckError
from chalicelib.domain.verdict import Circumstances, SealObservation

_GRACE_SECONDS = 2.0
_CLAIM_SECONDS = 5
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedValidator:
    """`seconds` of time, of processor or of the clock, and `memory` bytes beyond what this
    process has."""

    seconds: int = 15
    memory: int = 1024 * MiB
    inner: PadesValidator = field(default_factory=PadesValidator)

    def observe(
        self,
        pdf: bytes,
        anchors: Sequence[str],
        circumstances: Circumstances | None = None,
    ) -> tuple[SealObservation, ...]:
        """Raises like PadesValidator, and TooLargeToCheckError if a bound was met."""
        known = circumstances or Circumstances()
        # What is wrong with these is said here.
        check_anchors(anchors)
        Material.given(known.ocsp_responses, known.crls)
        observations: tuple[SealObservation, ...] = self._ask(
            self.seconds, self.inner.observe, pdf, anchors, known
        )
        return observations

    def claimed_code(self, pdf: bytes) -> str | None:
        """As PadesValidator; None if a bound was met, which is nearer here."""
        try:
            code: str | None = self._ask(_CLAIM_SECONDS, self.inner.claimed_code, pdf)
        except TooLargeToCheckError:
            return None
        return code

    def _ask(self, seconds: int, work: Callable[..., Any], *question: Any) -> Any:
        context = multiprocessing.get_context("fork")
        mine, theirs = context.Pipe(duplex=False)
        child = context.Process(target=self._work, args=(theirs, seconds, work, question))
        child.start()
        theirs.close()
        try:
            return _answer(mine, seconds + _GRACE_SECONDS)
        finally:
            child.kill()  # it has answered, or it never will
            child.join()
            mine.close()

    def _work(
        self, answers: Connection, seconds: int, work: Callable[..., Any], question: Any
    ) -> None:
        _limit(seconds, self.memory)
        try:
            answers.send((None, work(*question)))
        except MemoryError:
            answers.send((TooLargeToCheckError, ("memory",)))
        except TooLargeToCheckError as error:
            answers.send((TooLargeToCheckError, (error.limit,)))
        except SealVerificationError as error:
            answers.send((SealVerificationError, (error.detail, error.sub_indication)))


def _answer(answers: Connection, seconds: float) -> Any:
    """What the process sent: a value, or an error and what it is made of."""
    if not answers.poll(seconds):
        raise TooLargeToCheckError("seconds")
    try:
        error, told = answers.recv()
    except EOFError as ended:  # killed by a limit, without a word
        raise TooLargeToCheckError("memory") from ended
    if error is not None:
        raise error(*told)
    return told


def _limit(seconds: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform == "linux":
        pages = int(_STATM.read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
