"""The process in which templates of others are set; `typst_sandbox` starts and bounds it.

    python -m chalicelib.adapters.typst_child FONTS MEMORY_BYTES

Before the first question it loads all it will ever need and then shuts the doors: it can
open no file and no connection any more (no descriptor is left to open one with), write no
file, take MEMORY_BYTES more than it has and no more, and use so many seconds of processor
for each question. Its root is a folder that is gone, its environment is empty. A limit
that is met ends the process; who asked sees by which signal.

Questions and answers are frames on stdin and stdout: eight bytes of length, then JSON in
which bytes are base64.
"""

from __future__ import annotations

import codecs
import json
import math
import resource
import struct
import sys
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any, BinaryIO

import typst

from chalicelib.adapters.typst import pages_of, stray_text
from chalicelib.domain.directory import Paper

HEAD = struct.Struct(">Q")
_STATM = Path("/proc/self/statm")

# Everything typst loads late, and both fonts; bytes of the page do not matter.
_WARMING = """#set document(title: "ตรา")
#set text(font: "Sarabun", lang: "th")
= ก่อน #strong[เริ่ม] #datetime.today().display()
#table(columns: 2)[๑][กรุงเทพมหานคร]
#image("a.svg", alt: "ก")
"""
_DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9"/></svg>'


def main(fonts: str, memory: str) -> None:
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    compiler = _warmed(fonts)
    _shut_the_doors(int(memory))
    _tell(answers, {"ready": True})
    while (question := _next(questions)) is not None:
        began = _used()
        _allow_processor(question["seconds"])
        try:
            told = _answer(compiler, question)
        except MemoryError:
            told = {"fault": "memory"}
        except BaseException as error:
            # A panic of typst's is nothing less than that; the process can go on.
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            told = {"fault": "crash"}
        _tell(answers, {**told, "seconds": _used() - began})


def _warmed(fonts: str) -> typst.Compiler:
    found = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[fonts]
    )
    root = tempfile.mkdtemp()
    compiler = typst.Compiler(
        root=root, font_paths=found, package_path=root, package_cache_path=root
    )
    Path(root).rmdir()
    files: Any = {"main.typ": _WARMING.encode(), "a.svg": _DRAWING}
    pdf: Any = compiler.compile(files, format="pdf", pdf_standards="a-3a", timestamp=0)
    stray_text(pdf, Paper())
    compiler.compile(files, format="png", timestamp=0)
    codecs.lookup("utf-16-be")
    return compiler


def _shut_the_doors(memory: int) -> None:
    if sys.platform == "linux":  # elsewhere the system does not keep count
        pages = int(_STATM.read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))


def _allow_processor(seconds: float) -> None:
    most = math.ceil(_used() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


def _used() -> float:
    """Seconds of processor, of all threads, since the process began."""
    told = resource.getrusage(resource.RUSAGE_SELF)
    return told.ru_utime + told.ru_stime


# -- a question --------------------------------------------------------------------


def _answer(compiler: typst.Compiler, question: dict[str, Any]) -> dict[str, Any]:
    files: Any = {path: b64decode(data) for path, data in question["files"].items()}
    try:
        made, warnings = compiler.compile_with_warnings(
            files,
            format=question["format"],
            ppi=question["ppi"],
            pdf_standards=question["standards"],
            timestamp=question["timestamp"],
        )
    except typst.TypstError as error:
        return {"fault": "template", "notes": [_note(error)]}
    except RuntimeError:
        return {"fault": "renderer"}
    pages = [made] if isinstance(made, bytes) else made or []
    told = {
        "made": [b64encode(page).decode() for page in pages],
        "notes": [_note(warning) for warning in warnings],
    }
    return told if question["format"] == "png" else {**told, **_measured(made, question)}


def _measured(pdf: Any, question: dict[str, Any]) -> dict[str, Any]:
    """Here, so that what a file costs to look through is bounded, too."""
    try:
        pages = len(pages_of(pdf))
        if pages > question["max_pages"]:
            return {"fault": "pages", "pages": pages, "made": []}
        return {"stray": stray_text(pdf, Paper(**question["paper"])), "pages": pages}
    except (LookupError, RecursionError, TypeError, ValueError):
        return {"stray": ["it cannot be read"], "pages": 0}


def _note(told: typst.TypstError | typst.TypstWarning) -> dict[str, Any]:
    return {"message": told.message, "diagnostic": told.diagnostic, "hints": told.hints}


# -- frames ------------------------------------------------------------------------


def _next(questions: BinaryIO) -> Any:
    """None when nobody asks any more."""
    head = questions.read(HEAD.size)
    return json.loads(questions.read(*HEAD.unpack(head))) if len(head) == HEAD.size else None


def _tell(answers: BinaryIO, told: dict[str, Any]) -> None:
    body = json.dumps(told).encode()
    answers.write(HEAD.pack(len(body)) + body)
    answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
