"""`tra types`: make a document type of one's own, look at it, check it, publish it.

`new`, `preview`, `check` and `picture` work on this machine alone, with the example and no
other content. `publish`, `list` and `withdraw` reach a deployment with AWS credentials.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from chalicelib.bootstrap import (
    aws_caller,
    document_type_of,
    new_type_folder,
    proof_room,
    publishing_room,
    type_bundle,
    wrapped_picture,
)
from chalicelib.cli_options import add_stack, stack_of
from chalicelib.domain.errors import ConfigurationError, LintError, RenderError, TraError
from chalicelib.domain.published_types import TypeBundle
from chalicelib.domain.type_findings import Finding
from chalicelib.services.check_type import (
    Checked,
    ProofRoom,
    check_type,
    faults_of_body,
    findings_of_error,
    sample_request,
)
from chalicelib.services.publish_type import publish, withdraw

_FOUND, _MISUSED = 1, 2
_LOOK_SECONDS = 0.3


def add_to(commands: Any) -> None:
    """Add the commands to the parser of `tra`."""
    types = commands.add_parser("types", help="document types of your own").add_subparsers(
        required=True, metavar="COMMAND"
    )
    _add(types, "new", _new, "a folder with a complete type to start from").add_argument(
        "--agency", help="the only agency that may issue it; all if not said"
    )
    preview = _add(types, "preview", _preview, "render the example to PDF and PNG")
    preview.add_argument("--watch", action="store_true", help="again whenever a file changes")
    preview.add_argument(
        "--data", type=Path, metavar="FILE", help="another request than the example"
    )
    preview.add_argument("--out", type=Path, metavar="DIR", help="default: build/types/NAME")
    _add(types, "check", _check, "everything that would go wrong, and what to do about it")
    picture = _add(types, "picture", _picture, "make a drawing (.svg) of a PNG or JPEG")
    picture.add_argument("file", type=Path, metavar="FILE")
    publish_it = _add(types, "publish", _publish, "check, then publish this version for ever")
    taken_back = types.add_parser("withdraw", help="take no new documents of a type")
    taken_back.add_argument("name", metavar="NAME")
    taken_back.set_defaults(run=_withdraw)
    listed = types.add_parser("list", help="published types and their versions")
    listed.set_defaults(run=_list)
    for command in (publish_it, taken_back, listed):
        add_stack(command)


def _add(types: Any, name: str, run: Callable[..., int], told: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = types.add_parser(name, help=told)
    command.add_argument("name", metavar="NAME")
    command.add_argument(
        "--in", dest="room", type=Path, default=Path("types"), metavar="DIR", help="default: types"
    )
    command.set_defaults(run=run)
    return command


# -- at the author's desk ------------------------------------------------------------


def _new(options: argparse.Namespace, _remote: Any) -> int:
    folder = options.room / options.name
    try:
        made = new_type_folder(folder, options.agency)
    except FileExistsError:
        return _misused(
            f"{folder} is there already; choose another name.", f"มี {folder} อยู่แล้ว โปรดใช้ชื่ออื่น"
        )
    for path in made:
        print(path)
    here = "" if options.room == Path("types") else f" --in {options.room}"
    print(
        f"\n  tra types preview {options.name}{here} --watch\n  tra types check {options.name}{here}"
    )
    return 0


def _preview(options: argparse.Namespace, _remote: Any) -> int:
    out = options.out or Path("build") / "types" / options.name
    folder = options.room / options.name
    with proof_room() as room:
        outcome = _preview_once(folder, options.data, out, room)
        if not options.watch:
            return outcome
        print(f"watching {folder}; Ctrl-C ends it", file=sys.stderr)
        seen = _stamps(folder, options.data)
        while True:
            time.sleep(_LOOK_SECONDS)
            if (now := _stamps(folder, options.data)) != seen:
                seen = now
                _preview_once(folder, options.data, out, room)


def _preview_once(folder: Path, data: Path | None, out: Path, room: ProofRoom) -> int:
    """Exit codes as the command. A file that is being saved may be half there: that too is only
    something to tell."""
    try:
        bundle = type_bundle(folder)
        found = _previewed(bundle, data, out, room)
    except (TraError, OSError) as error:
        found = [_as_finding(error, folder)]
    _print_findings(found, folder)
    return _FOUND if found else 0


def _previewed(bundle: TypeBundle, data: Path | None, out: Path, room: ProofRoom) -> list[Finding]:
    try:
        kind = document_type_of(bundle)
        body = json.loads(data.read_text(encoding="utf-8")) if data else kind.example
        if faults := faults_of_body(kind, body, room):
            return list(faults)
        request = sample_request(kind, body)
        proof = room.press.proof(bundle, request)
        pages = room.press.pictures(bundle, request)
    except (RenderError, LintError) as error:
        return findings_of_error(error, bundle)
    except (ConfigurationError, ValueError):
        # Whatever is wrong with the JSON files, `check` says it with its place.
        checked = check_type(bundle, room=room)
        if not checked.findings:
            raise
        return list(checked.findings)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob(f"{bundle.name}-*.png"):
        old.unlink()
    (out / f"{bundle.name}.pdf").write_bytes(proof.pdf)
    for number, page in enumerate(pages, start=1):
        (out / f"{bundle.name}-{number}.png").write_bytes(page)
    print(f"{out / bundle.name}.pdf, {len(pages)} × PNG", flush=True)
    if proof.stray:
        detail = f"{'; '.join(proof.stray)}."
        return [Finding("overflow", "template.typ", detail, "ข้อความล้นกรอบหรือทับกัน")]
    return []


def _stamps(folder: Path, data: Path | None) -> dict[Path, int]:
    """When each file was written last; what is not there (any more) is left out."""
    watched = [*folder.glob("*"), *([data] if data else [])]
    stamps = {}
    for path in watched:
        try:
            stamps[path] = path.stat().st_mtime_ns
        except OSError:
            continue
    return stamps


def _check(options: argparse.Namespace, _remote: Any) -> int:
    """Exit codes: 0 nothing found, 1 something to mend."""
    return _FOUND if _checked(options.room / options.name).findings else 0


def _checked(folder: Path) -> Checked:
    try:
        with proof_room() as room:
            checked = check_type(type_bundle(folder), room=room)
    except (ConfigurationError, OSError) as error:
        checked = Checked((_as_finding(error, folder),))
    _print_findings(checked.findings, folder)
    if not checked.findings:
        print(
            f"{folder.name}: nothing to mend; the example has {checked.pages} page(s), the longest "
            f"content {checked.most_pages}\n{folder.name}: ไม่พบสิ่งที่ต้องแก้ ตัวอย่างมี {checked.pages} หน้า "
            f"เนื้อหายาวที่สุด {checked.most_pages} หน้า"
        )
    return checked


def _picture(options: argparse.Namespace, _remote: Any) -> int:
    target = options.room / options.name / f"{options.file.stem.lower()}.svg"
    target.write_text(wrapped_picture(options.file.read_bytes()), encoding="utf-8")
    print(f'{target}\n  #image("{target.name}", width: 30mm, alt: "…")')
    return 0


# -- at a deployment -----------------------------------------------------------------


def _publish(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes: 0 published (now or before), 1 refused, 2 misused."""
    stack = stack_of(options, remote)
    if stack is None:
        return _MISUSED
    folder = options.room / options.name
    if _checked(folder).findings:
        print("tra types: not published / ยังไม่เผยแพร่", file=sys.stderr)
        return _FOUND
    bundle = type_bundle(folder)
    kind = document_type_of(bundle)
    room = publishing_room(stack, remote.environment)
    done = publish(bundle, kind, by=aws_caller(remote.environment), room=room)
    print(f"{bundle.name} {done.version} {done.digest}")
    return 0


def _withdraw(options: argparse.Namespace, remote: Any) -> int:
    stack = stack_of(options, remote)
    if stack is None:
        return _MISUSED
    room = publishing_room(stack, remote.environment)
    record = withdraw(options.name, by=aws_caller(remote.environment), room=room)
    print(f"{record.name} {record.newest.version} withdrawn")
    return 0


def _list(options: argparse.Namespace, remote: Any) -> int:
    stack = stack_of(options, remote)
    if stack is None:
        return _MISUSED
    for record in publishing_room(stack, remote.environment).store.records():
        for one in record.versions:
            newest = one is record.newest
            state = "withdrawn" if newest and record.withdrawn_at else "current" if newest else ""
            day = f"{one.published_at:%Y-%m-%d}"
            print(f"{record.name:<28} {one.version:>4}  {day}  {one.digest[:16]}  {state}".rstrip())
    return 0


# -- telling -------------------------------------------------------------------------


def _as_finding(error: Exception, folder: Path) -> Finding:
    if isinstance(error, TraError):
        return Finding(error.code, "", error.detail, error.detail_th)
    return Finding("unreadable", "", f"{folder}: {error}", f"อ่าน {folder} ไม่ได้: {error}")


def _print_findings(found: Iterable[Finding], folder: Path) -> None:
    for finding in found:
        told = replace(finding, place=f"{folder / finding.place}" if finding.place else "")
        where = f"{told.place}: " if told.place else ""
        print(f"{where}[{told.code}]\n    {told.detail_th}\n    {told.detail}", file=sys.stderr)


def _misused(message: str, message_th: str) -> int:
    print(f"tra types: {message}\n  {message_th}", file=sys.stderr)
    return _MISUSED
