"""`tra batch`: many documents from one file."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_POLL_SECONDS = 2.0
_FAILED = 1
_PIECE = 1 << 20
_ENDED = frozenset({"refused", "done", "cancelled"})
_RESTING = frozenset({"ready", "paused"})
_BAR = 30


def add_to(commands: Any, identity: argparse.ArgumentParser) -> None:
    """Add the command to the parser of `tra`."""
    command = commands.add_parser("batch", help="issue many documents from one file")
    actions = command.add_subparsers(required=True, metavar="ACTION")

    submit = actions.add_parser("submit", parents=[identity], help="upload a file and check it")
    submit.add_argument("file", metavar="FILE", type=Path, help="JSON Lines, or CSV")
    submit.add_argument("--type", required=True, metavar="NAME", help="document type of all lines")
    submit.add_argument(
        "--csv-mapping",
        metavar="FILE",
        type=_json_file,
        help="the file is CSV; JSON: from column to JSON Pointer",
    )
    submit.add_argument(
        "--defaults", metavar="JSON", type=json.loads, default={}, help="what lines leave out"
    )
    submit.add_argument("--skip-invalid", action="store_true", help="go on without bad lines")
    submit.add_argument(
        "--manual", action="store_true", help="only check; `tra batch start` goes on"
    )
    submit.add_argument("--key", help="Idempotency-Key; a repeat with the same key is safe")
    submit.add_argument("--watch", action="store_true", help="follow it to its end")
    submit.set_defaults(run=_submit)

    for name, told in (
        ("show", "how far it is"),
        ("start", "number and issue a checked batch"),
        ("pause", "seal nothing further"),
        ("resume", "go on with a paused batch"),
        ("cancel", "end it: what is issued stays"),
        ("watch", "follow it to its end"),
    ):
        action = actions.add_parser(name, parents=[identity], help=told)
        action.add_argument("batch_id", metavar="ID")
        action.set_defaults(run=_watch_it if name == "watch" else _ask, asked=name)

    for name, told in (
        ("report", "every bad line, as JSON Lines or (--csv) for a spreadsheet"),
        ("manifest", "what became of each line"),
    ):
        action = actions.add_parser(name, parents=[identity], help=told)
        action.add_argument("batch_id", metavar="ID")
        action.add_argument("-o", "--output", type=Path, help="default: stdout")
        if name == "report":
            action.add_argument("--csv", action="store_true")
        action.set_defaults(run=_fetch, asked=name, csv=False)


def _json_file(name: str) -> Any:
    try:
        return json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name} cannot be read as JSON") from error


def _submit(options: argparse.Namespace, remote: Any) -> int:
    body: dict[str, Any] = {
        "document_type": options.type,
        "on_error": "skip_invalid" if options.skip_invalid else "all_or_nothing",
        "start": "manual" if options.manual else "automatic",
        "defaults": options.defaults,
    }
    if options.csv_mapping:
        body |= {"format": "csv", "mapping": options.csv_mapping}
    made = remote.json(
        "POST",
        "/v1/batches",
        body=json.dumps(body).encode(),
        Content_Type="application/json",
        Idempotency_Key=options.key or secrets.token_hex(16),
    )
    batch_id = made["batch_id"]
    print(f"{batch_id}  {made['state']}", file=sys.stderr)
    if made["upload"]:  # a repeat with the same key may be further on
        size = options.file.stat().st_size
        print(f"{batch_id}  uploading {size:,} bytes", file=sys.stderr)
        _upload(made["upload"], options.file, size, remote)
    made = remote.json("POST", f"/v1/batches/{batch_id}/check")
    if not options.watch:
        print(batch_id)
        return 0
    return _watch(batch_id, remote)


def _upload(form: Mapping[str, Any], file: Path, size: int, remote: Any) -> None:
    """A form POST that never holds the file in memory. The form is the permission: the token
    stays here."""
    boundary = secrets.token_hex(16)
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form["fields"].items()
    )
    head += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="batch"\r\n\r\n'
    parts = head.encode(), f"\r\n--{boundary}--\r\n".encode()
    remote.send(
        form["url"],
        _pieces(file, *parts),
        {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(size + sum(map(len, parts))),
        },
    )


def _pieces(file: Path, head: bytes, tail: bytes) -> Iterator[bytes]:
    yield head
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            yield piece
    yield tail


def _ask(options: argparse.Namespace, remote: Any) -> int:
    base = f"/v1/batches/{options.batch_id}"
    if options.asked == "show":
        batch = remote.json("GET", base)
    else:
        batch = remote.json("POST", f"{base}/{options.asked}")
    print(json.dumps(batch, ensure_ascii=False, indent=2))
    return 0


def _watch_it(options: argparse.Namespace, remote: Any) -> int:
    return _watch(options.batch_id, remote)


def _watch(batch_id: str, remote: Any) -> int:
    """Exit codes: 0 done, or resting; 1 refused or cancelled."""
    progress = _ProgressLine()
    while True:
        batch = remote.json("GET", f"/v1/batches/{batch_id}")
        progress.show(batch)
        if batch["state"] in _ENDED | _RESTING:
            break
        time.sleep(_POLL_SECONDS)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(summary(batch))
    if batch["reason"]:
        thai = remote.environment.get("LANG", "").startswith("th")
        reason = batch["reason"]
        print(f"[{reason['code']}] {reason['detail_th' if thai else 'detail']}")
    if batch["invalid"]:
        print(f"tra batch report {batch_id}")
    return _FAILED if batch["state"] in {"refused", "cancelled"} else 0


class _ProgressLine:
    """One line that changes, where somebody looks; else a line each time it changes."""

    def __init__(self) -> None:
        self._said = ""

    def show(self, batch: Mapping[str, Any]) -> None:
        filled = _BAR * batch["percent"] // 100
        bar = "#" * filled + "." * (_BAR - filled)
        line = f"{batch['state']:<16} [{bar}] {batch['percent']:3d} %  {summary(batch)}"
        if sys.stderr.isatty():
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        elif line != self._said:
            print(line, file=sys.stderr, flush=True)
        self._said = line


def summary(batch: Mapping[str, Any]) -> str:
    """Where it stands, in one line."""
    parts = [f"{batch['lines']:,} lines"]
    parts += [
        f"{batch[name]:,} {name}"
        for name in ("invalid", "numbered", "issued", "void")
        if batch[name]
    ]
    if batch["first_number"]:
        parts.append(f"numbers {batch['first_number']}-{batch['last_number']}")
    return f"{batch['batch_id']} {batch['state']}: {', '.join(parts)}"


def _fetch(options: argparse.Namespace, remote: Any) -> int:
    query = "?format=csv" if options.csv else ""
    content = remote.follow(f"/v1/batches/{options.batch_id}/{options.asked}{query}")
    if options.output is None:
        sys.stdout.buffer.write(content)
        return 0
    options.output.write_bytes(content)
    print(f"{options.output}  {len(content)} bytes")
    return 0
