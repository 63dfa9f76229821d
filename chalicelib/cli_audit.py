"""`tra audit`: audit registers from any machine, with read-only credentials.

The audit runs in this process, so nobody has to believe a function of the operator: it
reads tables, archive and logs itself, hashes every file, and shows how far it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chalicelib.bootstrap import auditor
from chalicelib.cli_options import add_stack, stack_of
from chalicelib.domain.errors import TraError
from chalicelib.domain.findings import Report
from chalicelib.domain.registers import ACCESS_BOOK, Register
from chalicelib.services.audit import (
    AuditRoom,
    Progress,
    Unaudited,
    access_logs,
    audit,
    audit_all,
)

_FOUND, _MISUSED = 1, 2
_WIDTH = 72
_SHOWN = 50


def add_to(commands: Any) -> None:
    """Add the command to the parser of `tra`."""
    command = commands.add_parser(
        "audit", help="look for gaps, lost files, broken locks and forked logs (read-only)"
    )
    command.add_argument(
        "register",
        nargs="?",
        metavar="REGISTER",
        help="agency/book/year; agency/access/year for an access log",
    )
    command.add_argument(
        "--all", action="store_true", help="every register and access log there is"
    )
    command.add_argument("--json", metavar="FILE", help="write the report there (- for stdout)")
    command.add_argument(
        "--quick", action="store_true", help="compare stored checksums; do not read every file"
    )
    add_stack(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes: 0 clean (perhaps with warnings), 1 findings or not readable, 2 misused."""
    environment: Mapping[str, str] = remote.environment
    stack = stack_of(options, remote)
    if stack is None:
        return _MISUSED
    if bool(options.register) == options.all:
        return _misused("name one register (agency/book/year), or --all")
    register = _register(options.register) if options.register else None
    if options.register and register is None:
        return _misused(f"{options.register!r} is no register; one is named agency/book/year")
    done = _audit(register, stack, environment, quick=options.quick)
    _print(done)
    if options.json:
        _write(options.json, done)
    return _exit_code(done)


def _audit(
    register: Register | None, stack: str, environment: Mapping[str, str], *, quick: bool
) -> list[Report | Unaudited]:
    line = _ProgressLine()
    room = replace(auditor(stack, environment, line.show), read_bytes=not quick)
    try:
        if register is None:
            return list(audit_all(room=room))
        return [audit(_demand_begun(register, room), room=room)]
    finally:
        line.end()


def _demand_begun(register: Register, room: AuditRoom) -> Register:
    begun = (
        register in access_logs(room)
        if register.book == ACCESS_BOOK
        else room.registers.head(register).last_number
    )
    if not begun:
        message = f"There is no register {register.register_id}."
        raise NoSuchRegisterError(message, f"ไม่มีทะเบียน {register.register_id}")
    return register


class NoSuchRegisterError(TraError):
    """An empty register has no faults; a name misspelt must not look clean."""

    code = "no_such_register"


def _register(text: str) -> Register | None:
    try:
        return Register.parse(text)
    except ValueError:
        return None


def _print(done: list[Report | Unaudited]) -> None:
    for one in done:
        name = one.register.register_id
        if isinstance(one, Unaudited):
            why = one.error.detail if one.error else "no time left"
            print(f"{name}: not audited: {why}", file=sys.stderr)
            continue
        looked = ", ".join(f"{count} {what}" for what, count in one.counts.items() if count)
        verdict = "clean" if one.clean else f"{one.errors} finding(s)"
        warned = f", {one.warnings} warning(s)" if one.warnings else ""
        print(f"{name}: {verdict}{warned}  [{looked}]", file=sys.stderr)
        _print_findings(one)


def _print_findings(report: Report) -> None:
    for finding in report.findings[:_SHOWN]:
        where = " ".join(
            str(part)
            for part in (
                f"no. {finding.number}" if finding.number else None,
                f"/{finding.child}" if finding.child else None,
                finding.document_id,
                finding.log,
                finding.place,
            )
            if part
        )
        print(f"  {finding.fault}  {where}\n    {finding.detail_th}\n    {finding.detail}")
    left = report.errors + report.warnings - len(report.findings[:_SHOWN])
    if left > 0:
        print(f"  … and {left} more")


def _write(path: str, done: list[Report | Unaudited]) -> None:
    reports = [
        {"register_id": one.register.register_id, "clean": False, "audited": False}
        if isinstance(one, Unaudited)
        else {**one.to_json(), "audited": True}
        for one in done
    ]
    text = json.dumps({"format": "tra.audits.v1", "registers": reports}, ensure_ascii=False)
    if path == "-":
        print(text)
    else:
        Path(path).write_text(text + "\n", encoding="utf-8")


def _exit_code(done: list[Report | Unaudited]) -> int:
    return 0 if all(isinstance(one, Report) and one.clean for one in done) else _FOUND


def _misused(message: str) -> int:
    print(f"tra audit: {message}", file=sys.stderr)
    return _MISUSED


class _ProgressLine:
    """One line on a terminal that is written over; nothing where nobody looks."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def show(self, progress: Progress) -> None:
        if self._shown:
            of = f" of {progress.total}" if progress.total else ""
            line = f"  {progress.part}: {progress.done}{of}"
            print(f"\r{line:<{_WIDTH}}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print(f"\r{'':<{_WIDTH}}\r", end="", file=sys.stderr, flush=True)
