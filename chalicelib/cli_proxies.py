"""`tra proxy use`: ask whether an attorney may act, by an e-Proxy, and have it recorded."""

from __future__ import annotations

import argparse
import json
import secrets
from collections.abc import Mapping
from typing import Any

_FAILED = 1


def add_to(commands: Any, identity: argparse.ArgumentParser) -> None:
    """Add the command to the parser of `tra`. `identity` says who acts, by default a clerk."""
    proxy = commands.add_parser("proxy", help="use an e-Proxy (หนังสือมอบอำนาจ)")
    kinds = proxy.add_subparsers(required=True, metavar="WHAT")
    use = kinds.add_parser("use", parents=[identity], help="may this attorney do this now?")
    use.add_argument("code", metavar="CODE", help="of the proxy's QR code")
    use.add_argument("--attorney", required=True, metavar="ID", help="13 digits of who is here")
    use.add_argument("--name", help="needed where the proxy has only four digits of the number")
    use.add_argument("--power", required=True, help="code of the power, e.g. fee.pay")
    use.add_argument("--amount", metavar="BAHT", help="of this act: 500.00")
    use.add_argument("--principal", metavar="ID", help="13 digits; checked if said")
    use.add_argument(
        "--sub-proxy", dest="sub", action="append", default=[], metavar="CODE", help="มอบอำนาจช่วง"
    )
    use.add_argument("--reference", default="", help="your own id of the matter")
    use.add_argument("--key", help="Idempotency-Key; a repeat with the same key counts once")
    use.set_defaults(run=_use)


def _use(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes: 0 allowed, 1 refused."""
    body = {
        "attorney": {"registration_no": options.attorney, "name": options.name},
        "principal": {"registration_no": options.principal} if options.principal else None,
        "power": options.power,
        "amount_thb": options.amount,
        "sub_proxies": options.sub,
        "reference": options.reference,
    }
    told = remote.json(
        "POST",
        f"/v1/proxies/{options.code}/uses",
        body=json.dumps(body).encode(),
        Content_Type="application/json",
        Idempotency_Key=options.key or secrets.token_hex(16),
    )
    if not told["allowed"]:
        print(f"ไม่อนุญาต / refused: {told['use_id']}")
        for reason in told["reasons"]:
            print(f"  [{reason['code']}] {reason['detail_th']} / {reason['detail']}")
        return _FAILED
    print(f"อนุญาต / allowed: {told['use_id']}")
    for proxy in told["proxies"]:
        _show(proxy)
    return 0


def _show(proxy: Mapping[str, Any]) -> None:
    covered = proxy["covered"]
    left = covered["uses_left"]
    print(f"  {proxy['printed_number']}  {covered['principal']} → {covered['attorney']}")
    print(f"    {covered['power_text']}")
    print(
        f"    ครั้งที่ / use {covered['use_number']}"
        + (f", เหลือ / left {left}" if left is not None else "")
    )
    for exclusion in covered["exclusions"]:
        print(f"    ! {exclusion}")
