"""`tra bootstrap`, `tra me`, `tra appoint`, `tra officers`, `tra end-appointment`, `tra authority`,
`tra client`: who may do what in an agency."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from chalicelib.bootstrap import aws_caller, bootstrap_room
from chalicelib.cli_options import add_otp, add_stack, otp_of, stack_of
from chalicelib.domain.access import Role
from chalicelib.domain.appointing import application_scopes
from chalicelib.domain.clearance import RANK
from chalicelib.domain.errors import InvalidRequestError, NotFoundError
from chalicelib.domain.officers import AuthorityKind
from chalicelib.services.first_administrator import (
    FirstAdministrator,
    begin_agency,
    replace_lost,
)

_FAILED, _MISUSED = 1, 2
_PAGE = 200
_ROLES = [role.value for role in Role if role is not Role.APPLICATION]


def add_to(commands: Any, identity: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `tra`. `identity` says who acts, by default
    administrators."""
    _add_bootstrap(commands)
    me = commands.add_parser("me", parents=[identity], help="who I am, and what I may do")
    me.set_defaults(run=_me)
    _add_officers(commands, identity)
    _add_authority(commands, identity)
    _add_client(commands, identity)


def _add_bootstrap(commands: Any) -> None:
    command = commands.add_parser(
        "bootstrap",
        help="appoint an agency's first administrator, once, loudly (needs AWS credentials)",
    )
    command.add_argument("agency_id", metavar="AGENCY")
    command.add_argument("--subject", required=True, help="`sub` of the person's sign-in")
    command.add_argument("--name-th", required=True, help="with title, as printed")
    command.add_argument("--position-th", required=True)
    command.add_argument("--order", required=True, help="the head's instrument (คำสั่งที่)")
    command.add_argument(
        "--administrators-lost",
        action="store_true",
        help="the agency began, and nobody of its administrators can act any more",
    )
    command.add_argument("--yes", action="store_true", help="do not ask")
    add_stack(command)
    command.set_defaults(run=_bootstrap)


def _add_officers(commands: Any, identity: argparse.ArgumentParser) -> None:
    appoint = commands.add_parser("appoint", parents=[identity], help="appoint an officer")
    appoint.add_argument("subject", metavar="SUBJECT", help="`sub` of the person's sign-in")
    appoint.add_argument("--name-th", required=True, help="with title, as printed")
    appoint.add_argument("--position-th", required=True)
    appoint.add_argument("--as", dest="roles", action="append", required=True, choices=_ROLES)
    appoint.add_argument("--clearance", default=RANK[0].value, help=f"default: {RANK[0]}")
    appoint.add_argument("--unit", help="default: the central Saraban unit")
    _add_order(appoint)
    appoint.set_defaults(run=_appoint)

    officers = commands.add_parser(
        "officers", parents=[identity], help="list the agency's officers"
    )
    officers.add_argument("subject", nargs="?", metavar="SUBJECT", help="only this one, in full")
    officers.set_defaults(run=_officers)

    end = commands.add_parser("end-appointment", parents=[identity], help="end an appointment")
    end.add_argument("record", metavar="APPOINTMENT")
    _add_end(end)
    end.set_defaults(run=_end, route="appointments")


def _add_authority(commands: Any, identity: argparse.ArgumentParser) -> None:
    authority = commands.add_parser(
        "authority", help="let an officer act for another (ปฏิบัติราชการแทน …)"
    )
    kinds = authority.add_subparsers(required=True, metavar="WHAT")
    grant = kinds.add_parser("grant", parents=[identity], help="grant an authority")
    grant.add_argument("holder", metavar="SUBJECT")
    grant.add_argument("--kind", required=True, choices=[kind.value for kind in AuthorityKind])
    grant.add_argument("--position-th", required=True, help="whose authority it is")
    grant.add_argument("--type", dest="types", action="append", default=[], help="default: all")
    grant.add_argument("--most", default=RANK[0].value, help=f"classification; default: {RANK[0]}")
    _add_order(grant)
    grant.set_defaults(run=_grant)
    listed = kinds.add_parser("list", parents=[identity], help="list the agency's authorities")
    listed.set_defaults(run=_authorities)
    end = kinds.add_parser("end", parents=[identity], help="revoke an authority")
    end.add_argument("record", metavar="AUTHORITY")
    _add_end(end)
    end.set_defaults(run=_end, route="authorities")


def _add_client(commands: Any, identity: argparse.ArgumentParser) -> None:
    client = commands.add_parser("client", help="register the agency's applications")
    kinds = client.add_subparsers(required=True, metavar="WHAT")
    register = kinds.add_parser("register", parents=[identity], help="register, or change scopes")
    register.add_argument("client_id", metavar="CLIENT")
    register.add_argument("--name-th", required=True)
    scopes = " ".join(sorted(application_scopes()))
    register.add_argument("--scope", dest="scopes", action="append", required=True, help=scopes)
    _add_factor(register)
    register.set_defaults(run=_register)
    listed = kinds.add_parser("list", parents=[identity], help="list the agency's applications")
    listed.set_defaults(run=_clients)
    end = kinds.add_parser("end", parents=[identity], help="end an application")
    end.add_argument("record", metavar="CLIENT")
    _add_end(end)
    end.set_defaults(run=_end, route="clients")


def _add_order(command: argparse.ArgumentParser) -> None:
    command.add_argument("--order", required=True, help="the head's instrument (คำสั่งที่)")
    command.add_argument("--since", metavar="INSTANT", help="ISO 8601 with offset; default: now")
    command.add_argument("--until", metavar="INSTANT", help="default: until it is ended")
    command.add_argument("--key", help="Idempotency-Key; a repeat with the same key is safe")
    _add_factor(command)


def _add_end(command: argparse.ArgumentParser) -> None:
    command.add_argument("--reason", required=True, help="in words, with the order if there is one")
    _add_factor(command)


def _add_factor(command: argparse.ArgumentParser) -> None:
    add_otp(command)


# -- the first administrator -------------------------------------------------------


def _bootstrap(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes: 0 appointed, 1 refused or not confirmed, 2 misused."""
    stack = stack_of(options, remote)
    if stack is None:
        return _MISUSED
    first = FirstAdministrator(
        agency_id=options.agency_id,
        subject=options.subject,
        name_th=options.name_th,
        position_th=options.position_th,
        order=options.order,
    )
    print(_warning(first, stack, aws_caller(remote.environment), lost=options.administrators_lost))
    if not (options.yes or _confirmed(first.agency_id)):
        print("tra bootstrap: ไม่ได้ทำสิ่งใด / nothing was done", file=sys.stderr)
        return _FAILED
    room = bootstrap_room(stack, remote.environment)
    appoint = replace_lost if options.administrators_lost else begin_agency
    try:
        made = appoint(first, room=room)
    except NotFoundError:
        print(
            f"tra bootstrap: ไม่มีหน่วยงานนี้ / no such agency: {first.agency_id} "
            "(python -m infra.onboard)",
            file=sys.stderr,
        )
        return _FAILED
    except InvalidRequestError as error:
        for fault in error.faults:
            option = "--" + fault.pointer[1:].replace("_", "-")
            print(f"tra bootstrap: {option}: {fault.detail_th} / {fault.detail}", file=sys.stderr)
        return _MISUSED
    print(f"แต่งตั้งแล้ว / appointed: {made.subject}  {made.appointment_id}")
    print("ขั้นต่อไป ลงทะเบียนการยืนยันตัวตนขั้นที่สอง และแต่งตั้งผู้ดูแลคนที่สอง")
    print(
        "Next: enrol a second factor (tra factor), and appoint a second administrator (tra appoint)."
    )
    return 0


def _warning(first: FirstAdministrator, stack: str, caller: str, *, lost: bool) -> str:
    what_th = "ตั้งผู้ดูแลแทนผู้ดูแลที่สูญเสียไปทั้งหมด" if lost else "ตั้งผู้ดูแลคนแรก ซึ่งทำได้ครั้งเดียว"
    what = (
        "another administrator in place of lost ones" if lost else "the first administrator, once"
    )
    return "\n".join(
        [
            f"** {what_th} ของหน่วยงาน {first.agency_id} ใน {stack}",
            f"** {what}, of {first.agency_id} in {stack}",
            f"   {first.subject}  {first.name_th}  {first.position_th}  {first.order}",
            f"   ด้วยสิทธิของ / with the credentials of {caller}",
            "   ผู้นี้แต่งตั้งเจ้าหน้าที่ทุกคนของหน่วยงานได้ บันทึกไว้ถาวร (appointed_by: bootstrap)",
            "   และส่งสัญญาณเตือนถึงผู้ดูแลระบบทุกคน",
            "   This person can appoint every officer of the agency. It is kept on record for ever",
            f"   and raises the alarm {stack}-administrator-bootstrapped.",
        ]
    )


def _confirmed(agency_id: str) -> bool:
    print("พิมพ์รหัสหน่วยงานเพื่อยืนยัน / type the agency's id to go on: ", end="", flush=True)
    return sys.stdin.readline().strip() == agency_id


# -- over the API ------------------------------------------------------------------


def _me(_options: argparse.Namespace, remote: Any) -> int:
    print(json.dumps(remote.json("GET", "/v1/me"), ensure_ascii=False, indent=2))
    return 0


def _appoint(options: argparse.Namespace, remote: Any) -> int:
    body = {
        "subject": options.subject,
        "name_th": options.name_th,
        "position_th": options.position_th,
        "unit": options.unit,
        "roles": options.roles,
        "clearance": options.clearance,
        **_ordered(options, remote),
    }
    made = _send(remote, "/v1/officers", body, options)
    print(f"แต่งตั้งแล้ว / appointed: {_appointment_line(made)}")
    return 0


def _officers(options: argparse.Namespace, remote: Any) -> int:
    if options.subject:
        path = f"/v1/officers/{quote(options.subject, safe='')}"
        print(json.dumps(remote.json("GET", path), ensure_ascii=False, indent=2))
        return 0
    for one in _all(remote, "/v1/officers"):
        print(_appointment_line(one))
    return 0


def _grant(options: argparse.Namespace, remote: Any) -> int:
    body = {
        "holder": options.holder,
        "kind": options.kind,
        "position_th": options.position_th,
        "document_types": options.types,
        "most": options.most,
        **_ordered(options, remote),
    }
    made = _send(remote, "/v1/authorities", body, options)
    print(f"มอบอำนาจแล้ว / granted: {_authority_line(made)}")
    return 0


def _authorities(_options: argparse.Namespace, remote: Any) -> int:
    for one in _all(remote, "/v1/authorities"):
        print(_authority_line(one))
    return 0


def _register(options: argparse.Namespace, remote: Any) -> int:
    body = {
        "client_id": options.client_id,
        "name_th": options.name_th,
        "scopes": options.scopes,
        "otp": otp_of(options, remote),
    }
    made = _send(remote, "/v1/clients", body, options)
    print(f"ลงทะเบียนแล้ว / registered: {_client_line(made)}")
    return 0


def _clients(_options: argparse.Namespace, remote: Any) -> int:
    for one in remote.json("GET", "/v1/clients")["items"]:
        print(_client_line(one))
    return 0


def _end(options: argparse.Namespace, remote: Any) -> int:
    path = f"/v1/{options.route}/{quote(options.record, safe='')}/end"
    body = {"reason": options.reason, "otp": otp_of(options, remote)}
    ended = _send(remote, path, body, options)["ended"]
    print(f"สิ้นสุดแล้ว / ended: {ended['at']}  {ended['by']}  {ended['reason']}")
    return 0


# -- parts -------------------------------------------------------------------------


def _ordered(options: argparse.Namespace, remote: Any) -> dict[str, Any]:
    return {
        "order": options.order,
        "since": options.since,
        "until": options.until,
        "otp": otp_of(options, remote),
    }


def _send(
    remote: Any, path: str, body: Mapping[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    sent: dict[str, Any] = remote.json(
        "POST",
        path,
        body=json.dumps(body).encode(),
        Content_Type="application/json",
        Idempotency_Key=getattr(options, "key", None) or secrets.token_hex(16),
    )
    return sent


def _all(remote: Any, path: str) -> Iterator[dict[str, Any]]:
    """Page by page, shown as they come."""
    query = {"limit": str(_PAGE)}
    while True:
        page = remote.json("GET", f"{path}?{urlencode(query)}")
        yield from page["items"]
        if page["cursor"] is None:
            return
        query["cursor"] = page["cursor"]


def _appointment_line(one: Mapping[str, Any]) -> str:
    roles = ",".join(one["roles"])
    unit = one["unit"] or "-"
    return (
        f"{_mark(one)} {one['subject']:24} {roles:24} {one['clearance']:12} {unit:12} "
        f"{one['appointment_id']}  {one['name_th']}  {one['position_th']}"
        f"{_by_bootstrap(one)}"
    )


def _authority_line(one: Mapping[str, Any]) -> str:
    types = ",".join(one["document_types"]) or "*"
    return (
        f"{_mark(one)} {one['holder']:24} {types:24} {one['most']:12} "
        f"{one['authority_id']}  {one['words_th']}  {one['order']}"
    )


def _client_line(one: Mapping[str, Any]) -> str:
    mark = "-" if one["ended"] else "+"
    return f"{mark} {one['client_id']:32} {one['name_th']}  {' '.join(one['scopes'])}"


def _mark(one: Mapping[str, Any]) -> str:
    """Holds now, or not (any more, or yet)."""
    return "+" if one["holds"] else "-"


def _by_bootstrap(one: Mapping[str, Any]) -> str:
    return "  [bootstrap]" if one["appointed_by"] == "bootstrap" else ""
