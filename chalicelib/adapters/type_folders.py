"""Folders that hold a document type: made for authors, and made into bundles to be published.

Needed where types are made and published, by a person or at deployment; no function loads it.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from importlib import metadata
from pathlib import Path
from struct import Struct
from typing import Any

from chalicelib.adapters.types import TEMPLATES
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.published_types import (
    SHARED,
    TYPE_NAME,
    TypeBundle,
    TypeRefusedError,
    bad_name,
)

KIT = TEMPLATES.parent / "kit"
_HOUSE_STYLE = TEMPLATES / "_common"
_FONTS = TEMPLATES.parent / "fonts"
_BIG_PAIR, _SHORT_PAIR = Struct(">II"), Struct(">HH")
# A start-of-frame marker, its length and precision, then height and width (ITU T.81, B.2.2).
_JPEG_FRAME = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]..\x08(....)", re.DOTALL)


def bundle_of(folder: Path) -> TypeBundle:
    """A type's folder with the house style as it is now.

    Raises ConfigurationError if there is no folder, or its `type.json` names no version;
    TypeRefusedError as TypeBundle.
    """
    try:
        version = _version(json.loads((folder / "type.json").read_text(encoding="utf-8")))
        files = {path.name: path.read_bytes() for path in _visible(folder)}
        files |= {f"{SHARED}{path.name}": path.read_bytes() for path in _visible(_HOUSE_STYLE)}
    except json.JSONDecodeError as error:
        place = f"{folder / 'type.json'}:{error.lineno}:{error.colno}"
        raise ConfigurationError(
            f"{place}: this is not JSON: {error.msg}.", f"{place}: ไม่ใช่ JSON ที่ถูกต้อง: {error.msg}"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"{folder} holds no document type: type.json is missing, or has no `version` from 1 on. "
            "`tra types new NAME` makes one.",
            f"{folder} ไม่มีประเภทเอกสาร: ไม่มี type.json หรือไม่มี `version` ตั้งแต่ 1 ขึ้นไป "
            "สร้างใหม่ได้ด้วย `tra types new NAME`",
        ) from error
    return TypeBundle(name=folder.name, version=version, files=files, made_with=made_with())


def packaged_bundles(folder: Path = TEMPLATES) -> tuple[TypeBundle, ...]:
    """The types of the package as they are published, by name."""
    return tuple(bundle_of(path.parent) for path in sorted(folder.glob("*/type.json")))


def made_with() -> dict[str, str]:
    """The typst and the fonts that make pages here."""
    fonts = {
        f"fonts/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(_FONTS.glob("*.ttf"))
    }
    return {"typst": metadata.version("typst"), **fonts}


def _version(rules: Any) -> int:
    version = rules["version"]
    if type(version) is not int or version < 1:
        raise ValueError("a version is a number from 1 on")
    return version


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


# -- folders for authors -------------------------------------------------------------


def new_folder(folder: Path, issuer: str | None) -> tuple[Path, ...]:
    """A complete type to start from, named as the folder, which must not be there yet.
    Raises TypeRefusedError for a name that no type may have, FileExistsError."""
    if not TYPE_NAME.fullmatch(folder.name):
        raise bad_name()
    folder.mkdir(parents=True)
    for source in sorted((KIT / "new").iterdir()):
        text = source.read_text(encoding="utf-8")
        (folder / source.name).write_text(text.replace("NAME", folder.name), encoding="utf-8")
    if issuer is not None:
        path = folder / "type.json"
        rules = {**json.loads(path.read_text(encoding="utf-8")), "issuers": [issuer]}
        text = json.dumps(rules, ensure_ascii=False, indent=2)
        path.write_text(text + "\n", encoding="utf-8")
    return tuple(sorted(folder.iterdir()))


def wrapped_picture(picture: bytes) -> str:
    """A PNG or JPEG as a drawing (SVG) of its size, which is what templates can show: typst
    takes nothing but text from memory. Raises TypeRefusedError for anything else."""
    kind, (width, height) = _read_head(picture)
    data = b64encode(picture).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">'
        f'<image width="{width}" height="{height}" href="data:image/{kind};base64,{data}"/></svg>\n'
    )


def _read_head(picture: bytes) -> tuple[str, tuple[int, int]]:
    if picture.startswith(b"\x89PNG\r\n\x1a\n") and picture[12:16] == b"IHDR":
        return "png", _BIG_PAIR.unpack_from(picture, 16)
    found = _JPEG_FRAME.search(picture) if picture.startswith(b"\xff\xd8\xff") else None
    if found is None:
        raise TypeRefusedError("This is no PNG or JPEG picture.", "ไฟล์นี้ไม่ใช่ภาพ PNG หรือ JPEG")
    height, width = _SHORT_PAIR.unpack(found[1])
    return "jpeg", (width, height)
