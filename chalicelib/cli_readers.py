"""`tra readers`: the registrar of secrets says who may read a classified document or letter."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_to(commands: Any, identity: argparse.ArgumentParser) -> None:
    """Add the command to the parser of `tra`."""
    readers = commands.add_parser(
        "readers",
        parents=[identity],
        help="officers to whom a classified document (ID) or received letter (DELIVERY) is open",
    )
    readers.add_argument("id", metavar="ID|DELIVERY")
    readers.add_argument(
        "--add", action="append", default=[], metavar="SUBJECT", help="may read from now on"
    )
    readers.add_argument(
        "--remove", action="append", default=[], metavar="SUBJECT", help="may read no longer"
    )
    readers.set_defaults(run=_readers)


def _readers(options: argparse.Namespace, remote: Any) -> int:
    # A delivery's id has dots in it, a document's has none.
    thing = "inbox" if "." in options.id else "documents"
    path = f"/v1/{thing}/{options.id}/readers"
    if options.add or options.remove:
        body = json.dumps({"add": options.add, "remove": options.remove}).encode()
        told = remote.json("POST", path, body=body, Content_Type="application/json")
    else:
        told = remote.json("GET", path)
    for reader in told["readers"]:
        words = (reader["subject"], reader["name"] or "-", reader["position"] or "no appointment")
        print("  ".join(words))
    return 0
