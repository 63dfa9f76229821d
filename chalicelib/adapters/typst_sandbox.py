"""Setting templates of others in a bounded process, kept for the next document.

What a template may take is `Bounds`; `typst_child` says how the process is shut in. A process
serves one published version of one type: no template meets what another one left.

Whatever happens in there comes back as one of three: pages, an error of the template
(RenderError, TemplateLimitError: the same document would meet it again), or an error of the
machine (UnavailableError: another time it may do). Time on the processor is the template's,
time on the clock is the machine's. A process that ends for want of memory, or crashes, is
started anew and asked once more, for what earlier documents left in it may be to blame.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from chalicelib.domain.errors import RenderError, TemplateLimitError, UnavailableError
from chalicelib.domain.type_findings import TemplateFaultError, TemplateNote

if TYPE_CHECKING:
    from chalicelib.ports import RenderRequest

MiB = 1024 * 1024
_CHILD = "chalicelib.adapters.typst_child"
_HEAD = 8
_KEPT = 2  # processes; a function that renders has room for their memory twice
_READY_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`processor` seconds for one document, whatever its attempts; `clock` seconds for one
    answer, in which a busy machine must find that time; bytes of `memory` beyond what the
    process has when it is ready; bytes of one `answer`."""

    processor: float = 5.0
    clock: float = 15.0
    memory: int = 512 * MiB
    answer: int = 64 * MiB


@dataclass(frozen=True, slots=True)
class Printed:
    """`made`: the PDF, or a PNG for each page. `stray` says how its text leaves its place."""

    made: tuple[bytes, ...]
    stray: tuple[str, ...]
    notes: tuple[TemplateNote, ...]

    @property
    def pdf(self) -> bytes:
        return self.made[0]


class Sandbox:
    """Processes that set pages with the fonts of a folder, one at a time."""

    def __init__(
        self,
        fonts: Path,
        bounds: Bounds | None = None,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._fonts = fonts
        self._bounds = bounds or Bounds()
        self._environment = dict(environment or {})
        self._turn = Lock()
        self._children: OrderedDict[str, _Child] = OrderedDict()

    @contextmanager
    def job(self, whose: str) -> Iterator[Job]:
        """One document of the template `whose`; its attempts share one allowance."""
        with self._turn:
            yield Job(self, whose, self._bounds.processor)

    def close(self) -> None:
        """End all processes. They begin anew when they are asked again."""
        while self._children:
            self._children.popitem()[1].end()

    def ask(self, whose: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """What the process answers; asked again if it ended as it would not in a new one."""
        try:
            return self._child(whose).ask(question, self._bounds)
        except _EndedError as first:
            self._forget(whose)
            if first.final:
                raise first.error from None
        try:
            return self._child(whose).ask(question, self._bounds)
        except _EndedError as again:
            self._forget(whose)
            raise again.error from None

    def _child(self, whose: str) -> _Child:
        if whose not in self._children:
            while len(self._children) >= _KEPT:
                self._children.popitem(last=False)[1].end()
            self._children[whose] = _Child(self._fonts, self._bounds, self._environment)
        self._children.move_to_end(whose)
        return self._children[whose]

    def _forget(self, whose: str) -> None:
        if (child := self._children.pop(whose, None)) is not None:
            child.end()


@dataclass(slots=True)
class Job:
    """The attempts at one document."""

    sandbox: Sandbox
    whose: str
    seconds: float

    def make(
        self,
        files: Mapping[str, bytes],
        request: RenderRequest,
        *,
        standards: Sequence[str] = (),
        ppi: float | None = None,
    ) -> Printed:
        """A PDF that follows `standards`; with `ppi` a picture of each page instead. Raises
        RenderError, TemplateLimitError, UnavailableError."""
        told = self.sandbox.ask(
            self.whose,
            {
                "files": {path: b64encode(data).decode() for path, data in files.items()},
                "format": "pdf" if ppi is None else "png",
                "ppi": ppi,
                "standards": list(standards),
                "timestamp": request.data["created_at"],
                "paper": asdict(request.paper),
                "max_pages": request.max_pages,
                "seconds": max(self.seconds, 0),
            },
        )
        self.seconds -= told["seconds"]
        notes = [
            TemplateNote(note["message"], note["diagnostic"], tuple(note["hints"]))
            for note in told.get("notes", ())
        ]
        _raise_fault(told, notes, request)
        made = tuple(b64decode(page) for page in told["made"])
        return Printed(made, tuple(told.get("stray", ())), tuple(notes))


def _raise_fault(
    told: Mapping[str, Any], notes: Sequence[TemplateNote], request: RenderRequest
) -> None:
    match told.get("fault"):
        case None:
            return
        case "template":
            raise TemplateFaultError(notes)
        case "crash":
            raise _broken()
        case "pages":
            raise TooManyPagesError(told["pages"], request.max_pages)
        case _:
            raise UnavailableError("The renderer failed.")


# -- limits ------------------------------------------------------------------------


def _too_slow(bounds: Bounds) -> TemplateLimitError:
    return TemplateLimitError(
        f"The template takes more than {bounds.processor:g} seconds; it may be looping.",
        f"แม่แบบใช้เวลาเกิน {bounds.processor:g} วินาที อาจวนไม่รู้จบ",
    )


def _too_big(bounds: Bounds) -> TemplateLimitError:
    return TemplateLimitError(
        f"The template takes more than {bounds.memory // MiB} MiB of memory.",
        f"แม่แบบใช้หน่วยความจำเกิน {bounds.memory // MiB} MiB",
    )


class TooManyPagesError(TemplateLimitError):
    """What is on the pages was not looked at."""

    def __init__(self, pages: int, most: int) -> None:
        super().__init__(
            f"The document has {pages} pages; its type allows {most}.",
            f"เอกสารมี {pages} หน้า ประเภทเอกสารนี้ให้ได้ไม่เกิน {most} หน้า",
        )


def _broken() -> RenderError:
    return RenderError(
        "The renderer broke down over this template.", "โปรแกรมจัดหน้าทำงานกับแม่แบบนี้ไม่ได้"
    )


class _EndedError(Exception):
    """The process is gone or of no more use, and what to say if it will not do otherwise.
    `final`: a new process would end in the same way."""

    def __init__(self, error: Exception, *, final: bool) -> None:
        super().__init__()
        self.error = error
        self.final = final


# -- the process -------------------------------------------------------------------


class _Child:
    """One process, from its start to its end."""

    def __init__(self, fonts: Path, bounds: Bounds, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", _CHILD, str(fonts), str(bounds.memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a crash would quote what it stumbled over
            cwd="/",
            # Nothing of ours: no credentials, no settings. One thread, one heap, so that the
            # limits mean the same on every machine.
            env={
                "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
                "PYTHONDONTWRITEBYTECODE": "1",
                "MALLOC_ARENA_MAX": "2",
                "RAYON_NUM_THREADS": "1",
                **environment,
            },
            start_new_session=True,  # Ctrl-C is for whoever asks
        )
        self._ready = False

    def ask(self, question: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
        """Raises _EndedError; the process is of no more use then."""
        if not self._ready:
            self._receive(_READY_SECONDS, bounds)
            self._ready = True
        body = json.dumps(question).encode()
        try:
            # It reads nothing but questions, and is waiting for one.
            self._stdin.write(len(body).to_bytes(_HEAD, "big") + body)
            self._stdin.flush()
        except OSError:
            raise self._ended(bounds) from None
        return self._receive(bounds.clock, bounds)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _receive(self, seconds: float, bounds: Bounds) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        size = int.from_bytes(self._read(_HEAD, deadline, bounds), "big")
        if size > bounds.answer:
            raise _EndedError(_too_big(bounds), final=True)
        told: dict[str, Any] = json.loads(self._read(size, deadline, bounds))
        if told.get("fault") == "memory":
            raise _EndedError(_too_big(bounds), final=False)
        return told

    def _read(self, size: int, deadline: float, bounds: Bounds) -> bytes:
        parts: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while size:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    message = "The machine is too busy to make the page in time."
                    raise _EndedError(UnavailableError(message), final=True)
                part = os.read(self._stdout.fileno(), min(size, MiB))
                if not part:
                    raise self._ended(bounds)
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def _ended(self, bounds: Bounds) -> _EndedError:
        """Why a process ended that nobody here ended."""
        code = self._process.wait()
        if code == -signal.SIGXCPU:
            return _EndedError(_too_slow(bounds), final=True)
        if code == -signal.SIGKILL or not self._ready:  # the machine took it, or never gave it
            return _EndedError(UnavailableError("The renderer was ended."), final=False)
        error = _too_big(bounds) if code == -signal.SIGABRT else _broken()
        return _EndedError(error, final=False)

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    @property
    def _stdout(self) -> Any:
        return self._process.stdout
