"""What somebody keeps of a document, and checks without Tra: file, evidence bundle, keys, names."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import urllib3

from chalicelib import cli

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.client import Client
    from infra.local import Deployment


class NotPassedError(Exception):
    """`tra verify` said something else than TOTAL-PASSED; the text is what it said."""


def verify_offline(
    client: Client,
    document_id: str,
    bundle: Mapping[str, Any],
    deployment: Deployment,
    room: Path,
) -> None:
    """Keep all that is needed in `room`, and have `tra verify` judge it from files alone. Raises
    NotPassedError."""
    log = f"/v1/registers/{bundle['register_id']}/numbers"
    kept = {
        f"evidence-{document_id}.json": bundle,
        "jwks.json": urllib3.request("GET", f"{deployment.url}/.well-known/jwks.json").json(),
        "agencies.json": client.get("/v1/agencies"),
    }
    for name, content in kept.items():
        text = json.dumps(content, ensure_ascii=False, indent=2)
        (room / name).write_text(text, encoding="utf-8")
    file = room / f"{document_id}.pdf"
    file.write_bytes(client.file(document_id))
    evidence, jwks, agencies = (str(room / name) for name in kept)
    command = ["verify", str(file), evidence, "--jwks", jwks, "--agencies", agencies]
    command += ["--anchors", str(deployment.root_certificate)]
    command += ["--log-key", client.call("GET", f"{log}/key").data.decode().strip()]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = cli.main(command)
    if code:
        raise NotPassedError(f"tra {' '.join(command)} ended with {code}:\n{said.getvalue()}")
