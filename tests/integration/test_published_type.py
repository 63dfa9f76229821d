"""A type that was published long ago renders with the code of today (issue 5 item 2)."""

from __future__ import annotations

import json
import os
from pathlib import Path

from chalicelib.adapters.type_folders import bundle_of, new_folder
from chalicelib.adapters.types import document_type_of
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.published_types import TypeBundle
from chalicelib.services.check_type import sample_request

PUBLISHED = Path(__file__).parents[1] / "golden" / "published-type.json"


def test_what_was_published_can_still_be_rendered(tmp_path: Path) -> None:
    """What code gives to templates is only added to: a bundle as it was published with its own
    house style, kept here unchanged, makes pages that pass every rule. TRA_LOOKED=1 makes it anew,
    which nobody may do once a release has published types."""
    if os.environ.get("TRA_LOOKED"):
        new_folder(tmp_path / "old-type", None)
        bundle = bundle_of(tmp_path / "old-type")
        PUBLISHED.write_text(
            json.dumps({"digest": bundle.digest, "bundle": json.loads(bundle.to_bytes())}, indent=1)
            + "\n",
            encoding="utf-8",
        )
    kept = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    bundle = TypeBundle.from_bytes(json.dumps(kept["bundle"]).encode(), kept["digest"])
    kind = document_type_of(bundle)
    renderer = TypstRenderer(tmp_path / "none", bundles=lambda _name, _version: bundle)
    request = sample_request(kind, kind.example)
    assert renderer.lint(renderer.render(request), request).pages == 1
