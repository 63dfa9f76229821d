"""`tra revoke`, `tra suspend`, `tra reinstate`: rulings on issued documents, by HTTP."""

from __future__ import annotations

import argparse
import json
import secrets
from typing import Any

from chalicelib.domain.standing import REASONS_FOR, RulingKind

_COMMANDS = {
    "revoke": ("revocation", RulingKind.REVOKED, "take an issued document back, for good"),
    "suspend": ("suspension", RulingKind.SUSPENDED, "suspend an issued document"),
    "reinstate": (
        "reinstatement",
        RulingKind.REINSTATED,
        "lift a suspension, and withdraw what was ordered for later",
    ),
}


def add_to(commands: Any, identity: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `tra`. `identity` says who acts, by default approvers."""
    for name, (route, kind, told) in _COMMANDS.items():
        command = commands.add_parser(name, parents=[identity], help=told)
        command.add_argument("document_id", metavar="ID")
        codes = [code.value for code in REASONS_FOR[kind]]
        command.add_argument("--reason-code", required=True, choices=codes, help="public")
        command.add_argument("--reason", required=True, help="in words, for the agency alone")
        command.add_argument(
            "--effective-at", metavar="INSTANT", help="ISO 8601 with offset; default: at once"
        )
        command.add_argument("--key", help="Idempotency-Key; a repeat with the same key is safe")
        command.set_defaults(run=run, route=route)


def run(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes as of `tra`: 0 entered, 1 refused."""
    body = {"reason_code": options.reason_code, "reason": options.reason}
    if options.effective_at:
        body["effective_at"] = options.effective_at
    answer = remote.call(
        "POST",
        f"/v1/documents/{options.document_id}/{options.route}",
        body=json.dumps(body).encode(),
        Content_Type="application/json",
        Idempotency_Key=options.key or secrets.token_hex(16),
    )
    made = answer.json()
    ruling, standing = made["ruling"], made["standing"]
    print(f"{ruling['kind']} from {ruling['effective_at']} (decision {ruling['number']})")
    print(f"now {standing['standing']}: {made['links']['status']}")
    return 0
