"""Copies of received letters with typst (port: CopyPrinter), where typst is loaded.

The pages of the sealed file are placed as pictures that keep their text. What hangs on a page
without being drawn on it (the widget of a visible seal) is not part of a copy.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import typst

from chalicelib.adapters.pdf_objects import PdfFile
from chalicelib.adapters.typst import page_count
from chalicelib.adapters.typst_register import legible
from chalicelib.domain.errors import RenderError

if TYPE_CHECKING:
    from chalicelib.ports import StampSheet

_ROOM = Path(__file__).parent.parent
_END = b"%%EOF"


class TypstCopyPrinter:
    """PDF (no standard of its own: a copy proves nothing). Same file and sheet, same bytes."""

    def print_copy(self, sealed: bytes, sheet: StampSheet) -> bytes:
        """Raises RenderError, without any text of the letter."""
        told = {**asdict(sheet), "pages": _count_pages(sealed)}
        # typst takes files that are no text from a folder only.
        with TemporaryDirectory() as folder, _in_memory(sealed) as place:
            root = Path(folder)
            (root / "letter.pdf").symlink_to(place)
            shutil.copyfile(_ROOM / "print" / "copy.typ", root / "copy.typ")
            return self._compiled(root, told, sheet.created_at)

    def _compiled(self, root: Path, told: dict[str, object], created_at: int) -> bytes:
        nowhere = str(root / "_packages")  # nothing is loaded from the network
        compiler = typst.Compiler(
            str(root / "copy.typ"),
            root=str(root),
            font_paths=self._fonts,
            package_path=nowhere,
            package_cache_path=nowhere,
        )
        try:
            pdf = compiler.compile(
                format="pdf",
                sys_inputs={"sheet": legible(json.dumps(told, ensure_ascii=False))},
                timestamp=created_at,
            )
        except (typst.TypstError, RuntimeError) as error:
            # typst quotes the text it stumbled over: it is not chained.
            raise _unprintable(type(error).__name__) from None
        return cast("bytes", pdf)

    @cached_property
    def _fonts(self) -> typst.Fonts:
        return typst.Fonts(
            include_system_fonts=False,
            include_embedded_fonts=False,
            font_paths=[str(_ROOM / "fonts")],
        )


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path that leads to the bytes without their ever lying on a disk: the letter may be
    classified, and a process that is killed cleans nothing up (memfd_create(2); Linux, as Lambda
    is)."""
    handle = os.memfd_create("letter")
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(data)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _count_pages(sealed: bytes) -> int:
    """Of the file as it was rendered: a seal is added behind it and adds no page."""
    rendered = sealed[: sealed.find(_END) + len(_END)]
    try:
        return page_count(PdfFile(rendered))
    except (LookupError, RecursionError, TypeError, ValueError) as fault:
        raise _unprintable(type(fault).__name__) from None


def _unprintable(fault: str) -> RenderError:
    return RenderError(f"The letter cannot be copied ({fault}).", "ไม่สามารถพิมพ์สำเนาหนังสือนี้ได้")
