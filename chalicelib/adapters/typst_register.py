"""Registers on paper with typst (port: RegisterPrinter), where typst is loaded."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typst

from chalicelib.domain.errors import RenderError

if TYPE_CHECKING:
    from chalicelib.ports import RegisterSheet

_ROOM = Path(__file__).parent.parent
_TEMPLATES = _ROOM / "print"  # beside `templates`, whose every folder is a document type
_FONTS = _ROOM / "fonts"


# All but what Sarabun has.
_UNPRINTABLE = re.compile(
    r"[^\n -~\u00a0-\u00ac\u00ae-\u017e\u0e01-\u0e3a\u0e3f-\u0e5b\u200b–—‘’“”•…€™]"
)


class TypstRegisterPrinter:
    """PDF/A-2a: tagged, in Thai, with the fonts of `chalicelib/fonts` alone. Same sheet, same
    bytes."""

    def print_register(self, sheet: RegisterSheet) -> bytes:
        """A register must print whatever stands in it: a letter the font lacks prints as "?".
        Raises RenderError, without any text of the sheet."""
        try:
            pdf = self._compiler.compile(
                format="pdf",
                sys_inputs={"sheet": legible(json.dumps(asdict(sheet), ensure_ascii=False))},
                pdf_standards="a-2a",
                timestamp=sheet.created_at,
            )
        except (typst.TypstError, RuntimeError) as error:
            # typst quotes the text it stumbled over: it is not chained.
            fault = type(error).__name__
            raise RenderError(
                f"The register cannot be printed ({fault}).", "ไม่สามารถพิมพ์ทะเบียนนี้ได้"
            ) from None
        return cast("bytes", pdf)

    @cached_property
    def _compiler(self) -> typst.Compiler:
        nowhere = str(_TEMPLATES / "_packages")  # nothing is loaded from the network
        return typst.Compiler(
            str(_TEMPLATES / "register.typ"),
            root=str(_TEMPLATES),
            font_paths=typst.Fonts(
                include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(_FONTS)]
            ),
            package_path=nowhere,
            package_cache_path=nowhere,
        )


def legible(text: str) -> str:
    """With "?" in place of every letter that the font lacks."""
    return _UNPRINTABLE.sub("?", text)
