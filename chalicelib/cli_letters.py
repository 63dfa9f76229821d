"""`tra letter`, `tra outbox`, `tra deliveries`, `tra recall`, `tra dispute`, `tra resend` for who sends
letters; `tra inbox`, `tra receive`, `tra reject`, `tra forward`, `tra correct`, `tra print` for who
gets them."""

from __future__ import annotations

import argparse
import base64
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chalicelib.domain.receipts import RejectionReason
from chalicelib.domain.strict_json import json_object

_FAILED = 1
_MOST_PAGES = 100
_JSON = "application/json"
_STATES = (
    "planned",
    "relayed",
    "consigned",
    "handed_over",
    "rejected",
    "failed",
    "recalled",
)


def add_to(commands: Any, identity: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `tra`."""
    _add_letter(commands, identity)
    _add_searches(commands, identity)
    _add_sender(commands, identity)
    _add_recipient(commands, identity)


def _add_letter(commands: Any, identity: argparse.ArgumentParser) -> None:
    letter = commands.add_parser("letter", help="send a letter to other agencies, or show one")
    actions = letter.add_subparsers(required=True, metavar="ACTION")
    send = actions.add_parser(
        "send",
        parents=[identity],
        help="show the recipients, ask, and send (JSON file, - for stdin)",
    )
    send.add_argument("file", metavar="FILE")
    sure = send.add_mutually_exclusive_group()
    sure.add_argument("--yes", action="store_true", help="send without asking")
    sure.add_argument("--confirm", metavar="DIGEST", help="of the list of recipients that you saw")
    send.add_argument("--preview", metavar="FILE", type=Path, help="keep the watermarked pages")
    send.add_argument("--key", help="Idempotency-Key; a repeat with the same key is safe")
    send.set_defaults(run=_send)
    show = actions.add_parser("show", parents=[identity], help="how far it is, as JSON")
    show.add_argument("document_id", metavar="ID")
    show.set_defaults(run=_show)


def _add_searches(commands: Any, identity: argparse.ArgumentParser) -> None:
    for name, told in (
        ("outbox", "what the agency sent, newest first"),
        ("inbox", "what arrived at the agency, newest first; with an id: all about it"),
    ):
        search = commands.add_parser(name, parents=[identity], help=told)
        if name == "inbox":
            search.add_argument("delivery_id", metavar="DELIVERY", nargs="?")
            search.add_argument("--unit", help="the unit that has the letter now")
        search.add_argument("--state", choices=_STATES)
        search.add_argument(
            "--q", metavar="TEXT", help="in number, subject or the other agency's id"
        )
        search.add_argument("--from", dest="from_", metavar="DAY", help="first day, YYYY-MM-DD")
        search.add_argument("--to", metavar="DAY", help="last day, YYYY-MM-DD")
        search.add_argument("--limit", type=int, default=50, help="lines (50)")
        search.set_defaults(run=_search, box=name, delivery_id=None, unit=None)


def _add_sender(commands: Any, identity: argparse.ArgumentParser) -> None:
    deliveries = commands.add_parser(
        "deliveries", parents=[identity], help="what became of each send of a letter"
    )
    deliveries.add_argument("document_id", metavar="ID")
    deliveries.set_defaults(run=_deliveries)

    recall = commands.add_parser(
        "recall",
        parents=[identity],
        help="take back one delivery, or (id of a letter) all that are not registered",
    )
    recall.add_argument("id", metavar="DELIVERY|ID")
    recall.set_defaults(run=_recall)

    resend = commands.add_parser(
        "resend", parents=[identity], help="send again what was rejected or failed"
    )
    resend.add_argument("delivery_id", metavar="DELIVERY")
    resend.set_defaults(run=_resend)

    dispute = commands.add_parser(
        "dispute", parents=[identity], help="say that a receipt's receive number is wrong"
    )
    dispute.add_argument("delivery_id", metavar="DELIVERY")
    dispute.add_argument("--year", type=int, required=True, help="of the receive register, CE")
    dispute.add_argument("--number", type=int, required=True, help="the number that is wrong")
    dispute.set_defaults(run=_dispute)


def _add_recipient(commands: Any, identity: argparse.ArgumentParser) -> None:
    for name, told, route in (
        ("receive", "enter a letter in the receive register; prints the receipt", "receipt"),
        ("correct", "answer a disputed receive number with the next one", "correction"),
    ):
        command = commands.add_parser(name, parents=[identity], help=told)
        command.add_argument("delivery_id", metavar="DELIVERY")
        command.add_argument("--jws", action="store_true", help="print the signed receipt itself")
        command.set_defaults(run=_receive, route=route)

    reject = commands.add_parser(
        "reject", parents=[identity], help="send a letter back, and say why"
    )
    reject.add_argument("delivery_id", metavar="DELIVERY")
    reasons = [reason.value for reason in RejectionReason]
    reject.add_argument("--reason", required=True, choices=reasons)
    reject.add_argument("--suggest", metavar="AGENCY", help="the right one, if misdirected")
    reject.add_argument("--note", help="in words, for the sender")
    reject.set_defaults(run=_reject)

    forward = commands.add_parser("forward", parents=[identity], help="pass a letter on to a unit")
    forward.add_argument("delivery_id", metavar="DELIVERY")
    forward.add_argument("--unit", required=True)
    forward.add_argument("--note")
    forward.set_defaults(run=_forward)

    printed = commands.add_parser(
        "print", parents=[identity], help="fetch a copy with the receive stamp on it"
    )
    printed.add_argument("delivery_id", metavar="DELIVERY")
    printed.add_argument("-o", "--output", type=Path, help="default: DELIVERY.pdf")
    printed.set_defaults(run=_print)


# -- sending -------------------------------------------------------------------


def _send(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes: 0 sent, 1 not sent."""
    raw = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    letter = json_object(raw)
    digest = options.confirm
    if digest is None:
        seen = _post(remote, "/v1/letters", {**letter, "dry_run": True})
        _show_recipients(seen, options)
        if not (options.yes or _agreed(options)):
            print("tra: not sent", file=sys.stderr)
            return _FAILED
        digest = seen["confirmation"]["digest"]
    sent = _post(
        remote,
        "/v1/letters",
        {**letter, "dry_run": False, "confirmation": digest},
        Idempotency_Key=options.key or secrets.token_hex(16),
    )
    print(f"{sent['document_id']}  {sent['state']}, to {sent['recipients']}", file=sys.stderr)
    print(sent["document_id"])
    return 0


def _show_recipients(seen: Mapping[str, Any], options: argparse.Namespace) -> None:
    print(*seen["confirmation"]["recipients"], sep="\n", file=sys.stderr)
    if options.preview is not None:
        options.preview.write_bytes(base64.b64decode(seen["preview_base64"]))
    if not options.yes:
        print(f"--confirm {seen['confirmation']['digest']}", file=sys.stderr)


def _agreed(options: argparse.Namespace) -> bool:
    """Only a person at a terminal can be asked; what came by stdin leaves nobody to answer."""
    if options.file == "-" or not sys.stdin.isatty():
        return False
    print("ส่งถึงผู้รับตามรายชื่อนี้หรือไม่ / Send to these? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes", "ใช่"}


def _show(options: argparse.Namespace, remote: Any) -> int:
    _print_json(remote.json("GET", f"/v1/letters/{options.document_id}"))
    return 0


def _deliveries(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes: 0, 1 if a delivery was rejected or failed."""
    path = f"/v1/letters/{options.document_id}/deliveries"
    progress: Mapping[str, Any] = {}
    for page in _pages(remote, path, {"limit": 200}):
        progress = page["progress"]
        for delivery in page["items"]:
            print(_line(delivery, delivery["recipient"]))
            if reason := delivery["reason"]:
                print(f"    [{reason['code']}] {_in_words(reason, remote)}")
    states = progress["states"]
    counts = ", ".join(f"{states[state]} {state}" for state in _STATES if state in states)
    print(f"{progress['ended']}/{progress['total']} ended: {counts or 'not sent yet'}")
    return _FAILED if {"rejected", "failed"} & set(states) else 0


def _recall(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes: 0 all recalled, 1 some have another outcome."""
    if "." in options.id:
        recalled = _post(remote, f"{_delivery_path(options.id)}/recall")
        print(f"{recalled['delivery_id']}  {recalled['state']}")
        return 0
    refused = 0
    for page in _pages(remote, f"/v1/letters/{options.id}/recall", {}, method="POST"):
        print(*(f"{delivery}  recalled" for delivery in page["recalled"]), sep="\n")
        for other in page["not_recalled"]:
            print(f"{other['delivery_id']}  not recalled: {other['reason']}")
        refused += len(page["not_recalled"])
    return _FAILED if refused else 0


def _resend(options: argparse.Namespace, remote: Any) -> int:
    print(_post(remote, f"{_delivery_path(options.delivery_id)}/resend")["delivery_id"])
    return 0


def _dispute(options: argparse.Namespace, remote: Any) -> int:
    body = {"year": options.year, "number": options.number}
    disputed = _post(remote, f"{_delivery_path(options.delivery_id)}/dispute", body)
    print(f"{disputed['delivery_id']}  waits for a corrected receipt")
    return 0


def _delivery_path(delivery_id: str) -> str:
    return f"/v1/letters/{delivery_id.partition('.')[0]}/deliveries/{delivery_id}"


# -- searching -----------------------------------------------------------------


def _search(options: argparse.Namespace, remote: Any) -> int:
    if options.delivery_id is not None:
        _print_json(remote.json("GET", f"/v1/inbox/{options.delivery_id}"))
        return 0
    asked = {
        "state": options.state,
        "q": options.q,
        "from": options.from_,
        "to": options.to,
        "unit": options.unit,
        "limit": min(options.limit, 200),
    }
    other = "sender" if options.box == "inbox" else "recipient"
    left = options.limit
    for page in _pages(remote, f"/v1/{options.box}", asked):
        for delivery in page["items"][:left]:
            print(_line(delivery, delivery[other]))
        left -= len(page["items"])
        if left <= 0:
            break
    return 0


def _line(delivery: Mapping[str, Any], other: str) -> str:
    """One delivery in one line; what must not be overlooked is said."""
    number = delivery["receive_number"]
    marks = [
        f"เลขรับ {number['printed']}" if number else "",
        "เลขรับผิด" if delivery["disputed"] else "",
        f"ซ้ำกับ {delivery['duplicate_of']}" if delivery.get("duplicate_of") else "",
        "ไฟล์ไม่น่าเชื่อถือ" if delivery.get("trust", {}).get("trusted") is False else "",
    ]
    parts = (
        delivery["delivery_id"],
        delivery["state"],
        other,
        delivery["letter_number"],
        delivery["subject"],
        *filter(None, marks),
    )
    return "  ".join(parts)


# -- receiving -----------------------------------------------------------------


def _receive(options: argparse.Namespace, remote: Any) -> int:
    made = _post(remote, f"/v1/inbox/{options.delivery_id}/{options.route}")
    if options.jws:
        print(made["receipt"])
        return 0
    for field in made["fields"]:
        print(f"{field['label']}  {field['value']}")
    return 0


def _reject(options: argparse.Namespace, remote: Any) -> int:
    body = {"reason": options.reason, "suggested_agency": options.suggest, "note": options.note}
    said = {name: value for name, value in body.items() if value}
    rejected = _post(remote, f"/v1/inbox/{options.delivery_id}/rejection", said)
    print(f"{rejected['delivery_id']}  {_in_words(rejected['reason'], remote)}")
    return 0


def _forward(options: argparse.Namespace, remote: Any) -> int:
    body = {"unit": options.unit, **({"note": options.note} if options.note else {})}
    passed = _post(remote, f"/v1/inbox/{options.delivery_id}/forward", body)
    print(f"{passed['delivery_id']}  {passed['unit']}")
    return 0


def _print(options: argparse.Namespace, remote: Any) -> int:
    made = remote.json("GET", f"/v1/inbox/{options.delivery_id}/print")
    path = options.output or Path(f"{options.delivery_id}.pdf")
    path.write_bytes(base64.b64decode(made["pdf_base64"]))
    print(path)
    return 0


# -- parts ---------------------------------------------------------------------


def _post(remote: Any, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> Any:
    raw = None if body is None else json.dumps(body).encode()
    return remote.json("POST", path, body=raw, Content_Type=_JSON, **headers)


def _pages(
    remote: Any, path: str, asked: Mapping[str, Any], *, method: str = "GET"
) -> Iterator[Mapping[str, Any]]:
    """Page after page, as long as the caller wants more."""
    query = {name: value for name, value in asked.items() if value is not None}
    for _ in range(_MOST_PAGES):
        page = remote.json(method, f"{path}?{urlencode(query)}" if query else path)
        yield page
        if page["cursor"] is None:
            return
        query["cursor"] = page["cursor"]


def _in_words(reason: Mapping[str, str], remote: Any) -> str:
    thai = remote.environment.get("LANG", "").startswith("th")
    return reason["detail_th" if thai else "detail"]


def _print_json(told: Any) -> None:
    print(json.dumps(told, ensure_ascii=False, indent=2))
