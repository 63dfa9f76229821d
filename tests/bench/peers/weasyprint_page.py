"""The licence for weasyprint: its page, emblem and fonts, and what stands in each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from chalicelib.adapters.typst import FONTS, TEMPLATES
from chalicelib.ports import RenderRequest

_HERE = Path(__file__).parent
_PAGE = (_HERE / "licence.html", _HERE / "licence.css", TEMPLATES / "_common" / "emblem.svg")


def leave(room: Path, requests: list[RenderRequest], plan: dict[str, Any]) -> None:
    """All that `weasyprint_peer.py` wants to find in its room."""
    room.mkdir(parents=True, exist_ok=True)
    for file in (*_PAGE, *FONTS.glob("*.ttf")):
        shutil.copy(file, room)
    (room / "plan.json").write_text(json.dumps(plan))
    (room / "requests.json").write_text(json.dumps([_plain(request) for request in requests]))


def _plain(request: RenderRequest) -> dict[str, Any]:
    data = {name: value for name, value in request.data.items() if name != "created_at"}
    return {"data": data, "attachment": request.attachments[0].data.decode()}
