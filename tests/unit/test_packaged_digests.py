"""The packaged types are what was looked at under their version (issue 5 item 2)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from chalicelib.adapters.type_folders import packaged_bundles
from chalicelib.domain.published_types import TypeBundle

DIGESTS = Path(__file__).parents[1] / "golden" / "type-digests.json"


@pytest.mark.parametrize("bundle", packaged_bundles(), ids=lambda bundle: bundle.name)
def test_a_changed_type_has_a_new_version(bundle: TypeBundle) -> None:
    """Issue 5 item 2: once published, a version never changes, so whoever changes a packaged type,
    or the house style they share, raises its version. TRA_LOOKED=1 takes down the new digest (and
    replaces the old one, for versions that were published nowhere yet)."""
    known = json.loads(DIGESTS.read_text(encoding="utf-8"))
    versions = known.setdefault(bundle.name, {})
    if os.environ.get("TRA_LOOKED"):
        versions[str(bundle.version)] = bundle.digest
        DIGESTS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    assert versions.get(str(bundle.version)) == bundle.digest, (
        f"{bundle.name} {bundle.version} was taken down with other files: raise `version` in its "
        "type.json if it was published anywhere, then run this test with TRA_LOOKED=1"
    )
