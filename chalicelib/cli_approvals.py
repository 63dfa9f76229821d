"""`tra approvals`, `tra preview-approval`, `tra approve`, `tra refuse`, `tra return` for who approves;
`tra withdraw` for who submitted."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chalicelib.cli_options import add_otp, otp_of
from chalicelib.services.approve import MOST_DECISIONS

_FAILED, _MISUSED = 1, 2
_JSON = "application/json"
_PAGE = 200
_MOST_REPEATS = 60
_SHORT = 16
# `tra reject` sends a letter back.
_DECISIONS = {
    "approve": ("approve", "approve documents, all with one code"),
    "refuse": ("reject", "reject documents: they end without a number"),
    "return": ("return", "return documents for correction: the submitter sends others"),
}


def add_to(
    commands: Any, approver: argparse.ArgumentParser, submitter: argparse.ArgumentParser
) -> None:
    """Add the commands to the parser of `tra`. The other two say who acts: approvers, or who
    submitted."""
    awaiting = commands.add_parser(
        "approvals", parents=[approver], help="what awaits your agency's approvers"
    )
    awaiting.add_argument("--type", metavar="TYPE", help="only documents of this type")
    awaiting.add_argument("--ids", action="store_true", help="only the ids, for `tra approve`")
    awaiting.set_defaults(run=_awaiting)

    preview = commands.add_parser(
        "preview-approval", parents=[approver], help="fetch what is to be approved, watermarked"
    )
    preview.add_argument("document_id", metavar="ID")
    preview.add_argument("-o", "--output", type=Path, help="default: ID-preview.pdf")
    preview.set_defaults(run=_preview)

    for name, (decision, told) in _DECISIONS.items():
        command = commands.add_parser(name, parents=[approver], help=told)
        command.add_argument("document_ids", metavar="ID", nargs="+")
        command.add_argument("--reason", required=name != "approve", help="in words; one line")
        command.add_argument("--authority", metavar="ID", help="the authority that is used")
        command.add_argument(
            "--digest", metavar="HEX", help="of the one document, as seen before (no preview then)"
        )
        command.add_argument(
            "--previews", metavar="DIR", type=Path, default=Path("approvals"), help="(approvals)"
        )
        add_otp(command)
        command.set_defaults(run=_decide, decision=decision)

    withdraw = commands.add_parser(
        "withdraw", parents=[submitter], help="take a document back before it is approved"
    )
    withdraw.add_argument("document_id", metavar="ID")
    withdraw.set_defaults(run=_withdraw)


# -- looking -------------------------------------------------------------------


def _awaiting(options: argparse.Namespace, remote: Any) -> int:
    found = list(_pages(options.type, remote))
    for item in found:
        if options.ids:
            print(item["document_id"])
            continue
        told = f"{item['approvals']}/{item['approvers']}"
        print(
            f"{item['document_id']}  {item['agency_id']:6} {item['document_type']:22} {told:4}"
            f"until {item['expires_at'][:10]}  {item['content_digest'][:_SHORT]}…  "
            f"{item['subject']}{'  (decided by you)' if item['decided_by_you'] else ''}"
        )
    if not found:
        print("nothing awaits you", file=sys.stderr)
    return 0


def _pages(kind: str | None, remote: Any) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        asked = {"limit": str(_PAGE), **({"type": kind} if kind else {})}
        asked |= {"cursor": cursor} if cursor else {}
        page = remote.json("GET", f"/v1/approvals?{urlencode(asked)}")
        yield from page["items"]
        cursor = page["cursor"]


def _preview(options: argparse.Namespace, remote: Any) -> int:
    file = options.output or Path(f"{options.document_id}-preview.pdf")
    print(f"{file}  {_keep_preview(options.document_id, file, remote)}")
    return 0


def _keep_preview(document_id: str, file: Path, remote: Any) -> str:
    """The digest of what the file shows."""
    shown = remote.json("GET", f"/v1/documents/{document_id}/preview")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(base64.b64decode(shown["preview_base64"]))
    return str(shown["content_digest"])


# -- deciding ------------------------------------------------------------------


def _decide(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes as of `tra`: 0 every decision holds, 1 some were refused."""
    ids = list(dict.fromkeys(options.document_ids))
    if options.digest and len(ids) > 1:
        print("--digest is of one document; name only that", file=sys.stderr)
        return _MISUSED
    if len(ids) > MOST_DECISIONS:
        print(f"one code is good for {MOST_DECISIONS} documents; name fewer", file=sys.stderr)
        return _MISUSED
    decisions = [_decision(document_id, options, remote) for document_id in ids]
    documents = "this document" if len(ids) == 1 else f"these {len(ids)} documents"
    asked = f"To {options.decision} {documents}, look at the previews; then your code: "
    body = {"decisions": decisions, "otp": otp_of(options, remote, asked)}
    return _told(_sent(body, remote))


def _decision(document_id: str, options: argparse.Namespace, remote: Any) -> dict[str, str]:
    """What was seen is what is decided on: the digest comes with the preview."""
    digest = options.digest
    if digest is None:
        file = options.previews / f"{document_id}.pdf"
        digest = _keep_preview(document_id, file, remote)
        print(f"{document_id}  {digest}  {file}")
    said = {"document_id": document_id, "content_digest": digest, "decision": options.decision}
    if options.reason:
        said["reason"] = options.reason
    if options.authority:
        said["authority_id"] = options.authority
    return said


def _sent(body: Mapping[str, Any], remote: Any) -> list[dict[str, Any]]:
    """The results of the whole list: what was not come to in time goes on with the same code."""
    for _ in range(_MOST_REPEATS):
        answer = remote.json(
            "POST", "/v1/approvals", body=json.dumps(body).encode(), Content_Type=_JSON
        )
        results: list[dict[str, Any]] = answer["results"]
        if not answer["left"]:
            break
        print(f"{answer['left']} left", file=sys.stderr)
    return results


def _told(results: Sequence[Mapping[str, Any]]) -> int:
    for one in results:
        error = one["error"]
        why = f"  {error['reason'] or error['code']}: {error['detail']}" if error else ""
        print(f"{one['document_id']}  {one['outcome']}  {one['state'] or '–'}{why}")
    holds = {"decided", "already_so"}
    return 0 if all(one["outcome"] in holds for one in results) else _FAILED


def _withdraw(options: argparse.Namespace, remote: Any) -> int:
    answer = remote.json(
        "POST",
        f"/v1/documents/{options.document_id}/withdrawal",
        body=b"{}",
        Content_Type=_JSON,
    )
    print(f"{answer['document_id']}  {answer['case']}")
    return 0
