"""Folders that hold a document type, made into bundles: what is published.

Needed where types are published, by a person or at deployment; no function loads it.
"""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

from chalicelib.adapters.types import TEMPLATES
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.published_types import SHARED, TypeBundle

_HOUSE_STYLE = TEMPLATES / "_common"
_FONTS = TEMPLATES.parent / "fonts"


def bundle_of(folder: Path) -> TypeBundle:
    """A type's folder with the house style as it is now.

    Raises ConfigurationError if there is no folder, or its `type.json` names no version;
    TypeRefusedError as TypeBundle.
    """
    try:
        version = _version(json.loads((folder / "type.json").read_text(encoding="utf-8")))
        files = {path.name: path.read_bytes() for path in _visible(folder)}
        files |= {f"{SHARED}{path.name}": path.read_bytes() for path in _visible(_HOUSE_STYLE)}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"{folder} holds no document type: type.json is missing, is not JSON, or has no `version` from 1 on.",
            f"{folder} ไม่มีประเภทเอกสาร: ไม่มี type.json ไม่ใช่ JSON หรือไม่มี `version` ตั้งแต่ 1 ขึ้นไป",
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
