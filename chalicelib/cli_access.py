"""`tra access-report`: who had to do with a document, or with what an officer had to do.

A table for people, in Thai or English as LANG says, with dates of the Buddhist era; `--json` and
`--csv` for other programs.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chalicelib.domain.access import Action, Relation
from chalicelib.domain.documents import Classification
from chalicelib.domain.thai import be_year, in_bangkok, long_date, to_thai_digits
from chalicelib.services.print_register import harmless

_PATH = "/v1/access-log"
_PAGE = 200

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

_ACTIONS: Mapping[str, tuple[str, str]] = {
    Action.SUBMIT_DOCUMENT: ("ยื่นเรื่องซ้ำ", "submitted again"),
    Action.SEND_LETTER: ("ส่งหนังสือ", "sent"),
    Action.READ_DOCUMENT: ("ดูรายการ", "looked at"),
    Action.SEARCH_DOCUMENTS: ("พบในการค้น", "found in a search"),
    Action.READ_FILE: ("เปิดไฟล์", "read the file"),
    Action.READ_REGISTER: ("ดูทะเบียน", "saw in the register"),
    Action.REVOKE_DOCUMENT: ("สั่งเกี่ยวกับผลบังคับ", "ruled on its standing"),
    Action.READ_LETTERS: ("ดูหนังสือส่ง", "looked at in the outbox"),
    Action.RECALL_LETTER: ("เรียกคืน", "recalled"),
    Action.READ_INBOX: ("ดูหนังสือรับ", "looked at in the inbox"),
    Action.REGISTER_LETTER: ("ลงรับ", "registered"),
    Action.REJECT_LETTER: ("ปฏิเสธ", "rejected"),
    Action.FORWARD_LETTER: ("ส่งต่อ", "passed on"),
    Action.APPROVE_DOCUMENT: ("พิจารณาอนุมัติ", "approval"),
    Action.WITHDRAW_DOCUMENT: ("ถอนเรื่อง", "withdrew"),
    Action.APPOINT_OFFICER: ("แต่งตั้งหรือให้พ้น", "appointed or ended"),
    Action.RESET_FACTOR: ("รีเซ็ตการยืนยันตัว", "reset factors"),
    Action.OPEN_SECRET: ("กำหนดผู้อ่าน", "named readers"),
    Action.READ_ACCESS_LOG: ("อ่านบันทึกการเข้าถึง", "read the access log"),
    Action.USE_PROXY: ("ใช้หนังสือมอบอำนาจ", "used a proxy"),
}

_CLASSIFICATIONS: Mapping[str, tuple[str, str]] = {
    Classification.NORMAL: ("ปกติ", "normal"),
    Classification.CONFIDENTIAL: ("ลับ", "confidential"),
    Classification.SECRET: ("ลับมาก", "secret"),
}

_REASONS: Mapping[str, tuple[str, str]] = {
    "registrar": ("นายทะเบียนข้อมูลข่าวสารลับ", "registrar of secrets"),
    "named_officer": ("ได้รับอนุญาตรายบุคคล", "named officer"),
    Relation.OWN_AGENCY: ("เรื่องของหน่วยงาน", "own agency's"),
    Relation.RECIPIENT_BY_EVENT: ("ผู้รับแจ้ง", "told of it"),
    Relation.RECIPIENT_BY_DELIVERY: ("ผู้รับหนังสือ", "recipient"),
    Relation.CENTRAL_APPROVER: ("ผู้อนุมัติส่วนกลาง", "central approver"),
}

_UNNAMED = ("(ไม่แจ้งชื่อ)", "(not told)")


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
    report.set_defaults(run=run)


def run(options: argparse.Namespace, remote: Any) -> int:
    """Exit code 0; what is refused is raised by `remote`."""
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
    asked = {
        "document_id": options.document,
        "officer": options.officer,
        "from": options.from_,
        "to": options.to,
        "limit": str(_PAGE),
    }
    query = {name: value for name, value in asked.items() if value is not None}
    while True:
        page = remote.json("GET", f"{_PATH}?{urlencode(query)}")
        yield from page["items"]
        if page["cursor"] is None:
            return
        query["cursor"] = page["cursor"]


def _row(one: Mapping[str, Any], *, thai: bool) -> tuple[str, ...]:
    def word(words: Mapping[str, tuple[str, str]], value: str) -> str:
        return _chosen(words.get(value, (value, value)), thai=thai)

    return (
        _when(datetime.fromisoformat(one["at"]), thai=thai),
        one["name_th"] or one["officer"] or _chosen(_UNNAMED, thai=thai),
        one["agency_id"],
        word(_ACTIONS, one["action"]),
        one["thing_id"],
        word(_CLASSIFICATIONS, one["classification"]),
        one["address"] or "–",
        word(_REASONS, one["reason"]),
    )


def _when(at: datetime, *, thai: bool) -> str:
    """Day, month, year of the Buddhist era and time of an access (C5), Asia/Bangkok."""
    local = in_bangkok(at)
    if thai:
        return f"{long_date(local.date())} เวลา {to_thai_digits(f'{local:%H.%M.%S}')} น."
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
