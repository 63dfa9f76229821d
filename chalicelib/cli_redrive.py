"""`tra redrive`: show what lies in the dead-letter queues, and send it back to work."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from chalicelib.bootstrap import dead_letters
from chalicelib.cli_options import add_stack, stack_of
from chalicelib.ports import DeadLetter, DeadLetters
from chalicelib.services.redrive import look, redrive

_MISUSED = 2


def add_to(commands: Any) -> None:
    """Add the command to the parser of `tra`."""
    command = commands.add_parser(
        "redrive", help="send messages that failed too often back to work (needs AWS credentials)"
    )
    command.add_argument("queue", nargs="*", metavar="QUEUE", help="default: all of them")
    command.add_argument("--dry-run", action="store_true", help="only show what lies there")
    add_stack(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes: 0 done, 2 misused."""
    stack = stack_of(options, remote)
    if stack is None:
        return _MISUSED
    found = dead_letters(stack, remote.environment)
    names: Sequence[str] = options.queue or tuple(found)
    unknown = [name for name in names if name not in found]
    if unknown:
        known = " ".join(found)
        print(f"tra redrive: ไม่มีคิว / no such queue: {' '.join(unknown)} ({known})", file=sys.stderr)
        return _MISUSED
    for name in names:
        _work_off(name, found[name], dry_run=options.dry_run)
    return 0


def _work_off(name: str, dead: DeadLetters, *, dry_run: bool) -> None:
    count = dead.count()
    if not count:
        print(f"{name}: ว่าง / empty")
        return
    print(f"{name}: ค้างอยู่ / in the dead-letter queue: {count}")
    if dry_run:
        shown = look(dead)
        for about in shown:
            print(f"  {about}")
        if count > len(shown):
            print(f"  … +{count - len(shown)}")
        return
    moved = redrive(dead, tell=_show)
    print(f"{name}: ส่งกลับแล้ว / sent back to work: {moved}")


def _show(letter: DeadLetter) -> None:
    """At once: whoever breaks off knows how far it went."""
    print(f"  {letter.about}", flush=True)
