"""The recipe of the guide for who trusts none of our code: jq, xxd and openssl on approvals."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.approval_records import gist_of
from tests.support.proved_approvals import Proved, proved_approvals

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "approvals.md"
TOOLS = ("sh", "awk", "base64", "jq", "openssl", "sha256sum", "xxd")

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason=f"one of {', '.join(TOOLS)} is not installed"
)


@pytest.fixture(scope="module")
def proved() -> Iterator[Proved]:
    with proved_approvals() as made:
        yield made


def _run(folder: Path, bundle: dict[str, Any], proved: Proved) -> list[str]:
    (script,) = re.findall(
        r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert proved.document.approval is not None
    (folder / "bundle.json").write_text(json.dumps(bundle), encoding="utf-8")
    (folder / "jwks.json").write_text(json.dumps(proved.signer.jwks()), encoding="utf-8")
    (folder / "approval.json").write_bytes(gist_of(proved.document.approval))
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, check=False)
    return done.stdout.decode().splitlines()


def test_the_recipe_of_the_guide_checks_the_approvals(proved: Proved, tmp_path: Path) -> None:
    """C2, P7: with nothing of ours, whoever has bundle and keys checks who approved which content,
    and that no approval is left out or put in; what was changed shows."""
    assert _run(tmp_path, proved.bundle, proved) == [
        "1  approve  one  เจ้าหน้าที่  totp",
        "2  approve  two  เจ้าหน้าที่  totp",
    ]
    forged = copy.deepcopy(proved.bundle)
    head, payload, signature = forged["approval"]["records"][0].split(".")
    forged["approval"]["records"] = [f"{head}.{payload}.{signature[::-1]}"]
    forged["content_digest"] = "0" * 64
    told = _run(tmp_path, forged, proved)
    wrong = ("signature", "content", "record", "file", "number of approvals")
    assert {f"WRONG {what}" for what in wrong} <= set(told)
