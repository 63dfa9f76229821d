"""`tra access-report`: who had to do with a document, or with what an officer had to do.

A table for people, in Thai or English as LANG says, with dates of the Buddhist era; `--json` and
`--csv` for other programs, `--pdf` for paper.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chalicelib.domain.access_words import (
    UNNAMED,
    action_words,
    classification_words,
    moment_in_thai,
    reason_words,
)
from chalicelib.domain.thai import be_year, in_bangkok
from chalicelib.services.print_register import harmless

_PATH = "/v1/access-log"
_PAGE = 200
_NEXT = re.compile(r'<[^?>]*\?([^>]*)>; rel="next"')

_HEADS = (
    ("วัน เดือน ปี เวลา", "when"),
    ("ผู้เข้าถึง", "who"),
    ("หน่วยงาน", "agency"),
    ("การกระทำ", "what"),
    ("สิ่งที่เข้าถึง", "thing"),
    ("ชั้นความลับ", "classification"),
    ("จาก", "from"),
    ("เหตุที่เข้าถึงได้", "why"),
)


def add_to(commands: Any, identity: argparse.ArgumentParser) -> None:
    """Add the command to the parser of `tra`."""
    report = commands.add_parser(
        "access-report",
        parents=[identity],
        help="who had to do with a document, or with what an officer had to do (auditors)",
    )
    about = report.add_mutually_exclusive_group(required=True)
    about.add_argument("--document", metavar="ID")
    about.add_argument("--officer", metavar="SUB", help="as the issuer names the officer")
    report.add_argument("--from", dest="from_", metavar="DAY", help="first day, YYYY-MM-DD")
    report.add_argument("--to", metavar="DAY", help="last day, YYYY-MM-DD")
    form = report.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as the interface tells it")
    form.add_argument("--csv", metavar="FILE", help="for spreadsheets (- for stdout)")
    form.add_argument("--pdf", metavar="FILE", type=Path, help="in Thai, to print")
    report.set_defaults(run=run)


def run(options: argparse.Namespace, remote: Any) -> int:
    """Exit code 0; what is refused is raised by `remote`."""
    if options.pdf:
        return _print_pdf(options, remote)
    accesses = list(_accesses(options, remote))
    if options.json:
        print(json.dumps({"items": accesses}, ensure_ascii=False, indent=2))
        return 0
    thai = remote.environment.get("LANG", "").startswith("th")
    rows = [_row(one, thai=thai) for one in accesses]
    heads = tuple(_chosen(head, thai=thai) for head in _HEADS)
    if options.csv:
        _write_csv(options.csv, [heads, *rows])
        return 0
    _print_table([heads, *rows])
    print(f"{len(rows)} {_chosen(('ครั้ง', 'accesses'), thai=thai)}", file=sys.stderr)
    return 0


def _accesses(options: argparse.Namespace, remote: Any) -> Iterator[Mapping[str, Any]]:
    """Page after page, to the end: a report that leaves something out is none."""
    query = _query(options)
    while True:
        page = remote.json("GET", f"{_PATH}?{urlencode(query)}")
        yield from page["items"]
        if page["cursor"] is None:
            return
        query["cursor"] = page["cursor"]


def _print_pdf(options: argparse.Namespace, remote: Any) -> int:
    """One file, or several: FILE, FILE-2 … Prints their names."""
    path: str | None = f"{_PATH}?{urlencode(_query(options))}"
    files = 0
    while path is not None:
        answer = remote.call("GET", path, Accept="application/pdf, application/json")
        files += 1
        file = options.pdf if files == 1 else _numbered(options.pdf, files)
        file.write_bytes(answer.data)
        print(file)
        following = _NEXT.match(answer.headers.get("Link", ""))
        path = f"{_PATH}?{following[1]}" if following else None
    return 0


def _numbered(file: Path, number: int) -> Path:
    return file.with_name(f"{file.stem}-{number}{file.suffix}")


def _query(options: argparse.Namespace) -> dict[str, str]:
    asked = {
        "document_id": options.document,
        "officer": options.officer,
        "from": options.from_,
        "to": options.to,
        "limit": str(_PAGE),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _row(one: Mapping[str, Any], *, thai: bool) -> tuple[str, ...]:
    return (
        _when(datetime.fromisoformat(one["at"]), thai=thai),
        one["name_th"] or one["officer"] or _chosen(UNNAMED, thai=thai),
        one["agency_id"],
        _chosen(action_words(one["action"]), thai=thai),
        one["thing_id"],
        _chosen(classification_words(one["classification"]), thai=thai),
        one["address"] or "–",
        _chosen(reason_words(one["reason"]), thai=thai),
    )


def _when(at: datetime, *, thai: bool) -> str:
    """Day, month, year of the Buddhist era and time of an access (C5), Asia/Bangkok."""
    if thai:
        return moment_in_thai(at)
    local = in_bangkok(at)
    return f"{local.day} {local:%b} {be_year(local.year)} BE {local:%H:%M:%S}"


def _chosen(words: tuple[str, str], *, thai: bool) -> str:
    return words[0 if thai else 1]


def _write_csv(path: str, rows: Sequence[Sequence[str]]) -> None:
    """With a byte order mark: without it spreadsheets take Thai for something else. No cell is a
    formula: an issuer may name somebody in any way."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    if path == "-":
        sys.stdout.write(text.getvalue())
    else:
        Path(path).write_text(text.getvalue(), encoding="utf-8-sig", newline="")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (w - _width(cell)) for cell, w in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _width(text: str) -> int:
    """Columns on a terminal: Thai vowels above and below take none."""
    return sum(unicodedata.category(character) not in {"Mn", "Me"} for character in text)
