"""The recipe of the guide for who trusts none of our code: jq, xxd and openssl."""

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

from tests.support.letter_desk import Desk, letter_desk

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "delivery-evidence.md"
TOOLS = ("sh", "awk", "base64", "jq", "openssl", "sha256sum", "xxd")

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason=f"one of {', '.join(TOOLS)} is not installed"
)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with letter_desk() as made:
        yield made


def _run(folder: Path, bundle: dict[str, Any], jwks: object) -> list[str]:
    (script,) = re.findall(
        r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (folder / "bundle.json").write_text(json.dumps(bundle), encoding="utf-8")
    (folder / "jwks.json").write_text(json.dumps(jwks), encoding="utf-8")
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, check=False)
    return done.stdout.decode().splitlines()


def test_the_recipe_of_the_guide_checks_a_bundle(desk: Desk, tmp_path: Path) -> None:
    """Issue 6.4, P7: with nothing of ours, whoever has bundle and keys follows the chain from the
    file to the receipt and to its line in the receive register; what was changed shows."""
    bundle = desk.ask("A", delivery="A.dbd.1").json
    said = _run(tmp_path, bundle, desk.signer.jwks())
    events, (receipt, line) = said[:3], said[3:]
    names = ["SubmissionAcceptance", "ContentConsignment", "ContentHandover"]
    assert [event.split()[1] for event in events] == names
    assert receipt == "tra.receipt.v1  ร/ ๒๕๖๙/ ๑  เจ้าหน้าที่สารบรรณ"
    assert line == "dbd/receive/2026 number 1"
    forged = copy.deepcopy(bundle)
    (delivery,) = forged["deliveries"]
    head, payload, signature = delivery["events"][1].split(".")
    delivery["events"][1] = f"{head}.{payload}.{signature[::-1]}"
    delivery["receive_entries"][0]["salt"] = "00" * 32
    told = _run(tmp_path, forged, desk.signer.jwks())
    wrong = ("signature", "link", "delivery in the register", "file in the register")
    assert {f"WRONG {what}" for what in wrong} <= set(told)
