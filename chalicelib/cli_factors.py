"""`tra factor`: enrol, show, give up and reset second factors, by HTTP."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any
from urllib.parse import quote

import segno

from chalicelib.cli_options import add_otp, asked_code, otp_of

_FACTORS = "/v1/me/factors"


def add_to(commands: Any, identity: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `tra`. `identity` says who acts, by default approvers."""
    factor = commands.add_parser("factor", help="second factors: your own, and resetting others'")
    doing = factor.add_subparsers(required=True, metavar="WHAT")

    enrol = doing.add_parser(
        "enrol", parents=[identity], help="enrol an app for codes: a QR code, then its first code"
    )
    enrol.add_argument("--label", default="", help="what you call it")
    enrol.add_argument("--uri", action="store_true", help="print the otpauth URI, no QR code")
    enrol.add_argument("--no-confirm", action="store_true", help="confirm later, within 15 minutes")
    add_otp(enrol)
    enrol.set_defaults(run=_enrol)

    confirm = doing.add_parser(
        "confirm", parents=[identity], help="confirm what was begun, by its first code"
    )
    confirm.add_argument("factor_id", metavar="ID")
    add_otp(confirm)
    confirm.set_defaults(run=_confirm_later)

    show = doing.add_parser("show", parents=[identity], help="show your second factors")
    show.set_defaults(run=_show)

    codes = doing.add_parser(
        "recovery-codes", parents=[identity], help="new recovery codes in the place of the old"
    )
    add_otp(codes)
    codes.set_defaults(run=_recovery_codes)

    remove = doing.add_parser("remove", parents=[identity], help="give one of your factors up")
    remove.add_argument("factor_id", metavar="ID")
    add_otp(remove)
    remove.set_defaults(run=_remove)

    locked = doing.add_parser(
        "locked", parents=[identity], help="whose second factor is locked, for supervisors"
    )
    locked.set_defaults(run=_locked)

    reset = doing.add_parser(
        "reset", parents=[identity], help="give your word for the reset of an officer's factors"
    )
    reset.add_argument("subject", metavar="SUBJECT")
    add_otp(reset)
    reset.set_defaults(run=_reset)


def _enrol(options: argparse.Namespace, remote: Any) -> int:
    """Whoever has a factor shows it first; then the new one is shown, and confirmed."""
    body: dict[str, Any] = {"method": "totp", "label": options.label}
    state = remote.json("GET", _FACTORS)
    if any(factor["state"] == "active" for factor in state["factors"]):
        print("tra: first a code of the factor you have / รหัสจากแอปเดิมก่อน", file=sys.stderr)
        body["otp"] = otp_of(options, remote)
    begun = _post(remote, _FACTORS, body)
    if options.uri:
        print(begun["otpauth_uri"])
    else:
        segno.make(begun["otpauth_uri"], error="l", micro=False).terminal(compact=True)
    if options.no_confirm:
        print(f"{begun['factor_id']}  confirm before {begun['confirm_before']}", file=sys.stderr)
        return 0
    code = asked_code("The app's first code / รหัสแรกจากแอป: ")
    return _confirm(begun["factor_id"], code, remote)


def _confirm_later(options: argparse.Namespace, remote: Any) -> int:
    return _confirm(options.factor_id, otp_of(options, remote), remote)


def _confirm(factor_id: str, code: str, remote: Any) -> int:
    path = f"{_FACTORS}/{quote(factor_id, safe='')}/confirmation"
    done = _post(remote, path, {"otp": "".join(code.split())})
    print(f"{done['factor']['factor_id']}  {done['factor']['state']}", file=sys.stderr)
    _print_codes(done["recovery_codes"])
    return 0


def _show(_options: argparse.Namespace, remote: Any) -> int:
    print(json.dumps(remote.json("GET", _FACTORS), ensure_ascii=False, indent=2))
    return 0


def _recovery_codes(options: argparse.Namespace, remote: Any) -> int:
    body = {"otp": otp_of(options, remote)}
    _print_codes(_post(remote, f"{_FACTORS}/recovery-codes", body)["recovery_codes"])
    return 0


def _remove(options: argparse.Namespace, remote: Any) -> int:
    path = f"{_FACTORS}/{quote(options.factor_id, safe='')}/removal"
    left = _post(remote, path, {"otp": otp_of(options, remote)})
    print(f"{len(left['factors'])} left")
    return 0


def _locked(_options: argparse.Namespace, remote: Any) -> int:
    for one in remote.json("GET", "/v1/factors/locked")["locked"]:
        print(f"{one['subject']}  until {one['locked_until']}")
    return 0


def _reset(options: argparse.Namespace, remote: Any) -> int:
    path = f"/v1/officers/{quote(options.subject, safe='')}/factor-reset"
    done = _post(remote, path, {"otp": otp_of(options, remote)})
    print(f"{done['subject']}  {done['state']}")
    return 0


def _post(remote: Any, path: str, body: dict[str, Any]) -> Any:
    return remote.json(
        "POST", path, body=json.dumps(body).encode(), Content_Type="application/json"
    )


def _print_codes(codes: list[str]) -> None:
    if not codes:
        return
    print(
        "tra: recovery codes, shown this once; keep them on paper, each is good once / "
        "รหัสสำรอง แสดงครั้งเดียว ใช้ได้รหัสละหนึ่งครั้ง โปรดเก็บไว้ในที่ปลอดภัย",
        file=sys.stderr,
    )
    print("\n".join(codes))
