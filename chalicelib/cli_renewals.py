"""`tra renewals`: what loses proof when, what has evidence records, what renewing costs.

Runs in this process with read-only credentials, as `tra audit` does.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from chalicelib.bootstrap import renewal_planner
from chalicelib.cli_options import add_stack, stack_of
from chalicelib.services.renewals import RenewalPlan, plan_renewals

_MISUSED = 2


def add_to(commands: Any) -> None:
    """Add the command to the parser of `tra`."""
    command = commands.add_parser(
        "renewals", help="show what loses proof when, and what renewal costs (read-only)"
    )
    command.add_argument("--json", action="store_true", help="machine-readable")
    add_stack(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace, remote: Any) -> int:
    """Exit codes: 0 shown, 2 misused."""
    stack = stack_of(options, remote)
    if stack is None:
        return _MISUSED
    plan = plan_renewals(room=renewal_planner(stack, remote.environment))
    if options.json:
        print(json.dumps(asdict(plan), default=str))
    else:
        print(as_text(plan), end="")
    return 0


def as_text(plan: RenewalPlan) -> str:
    """The plan for people, in Thai and English."""
    due = f"{plan.next_due_at:%Y-%m-%d}" if plan.next_due_at else "-"
    cost = plan.cost
    lines = [
        f"มีระเบียนหลักฐาน / with evidence record:      {plan.with_record}",
        f"ยังไม่มี / not yet:                            {plan.without_record}",
        f"รอบที่ต้องต่ออายุตอนนี้ / rounds due now:        {plan.due_now} (next: {due})",
        "",
        f"{'หมดอายุ / until':<18}{'พิสูจน์ด้วย / by':<20}{'สาเหตุ / why':<24}{'เอกสาร / documents':>18}",
        *(
            f"{loss.month:<18}{loss.proof.value:<20}{loss.reason.value:<24}{loss.documents:>18}"
            for loss in plan.losses
        ),
        "",
        "12 เดือนข้างหน้า / coming twelve months:",
        f"  time-stamps {cost.time_stamps}, THB {cost.time_stamps_thb}",
        f"  S3 PUT {cost.puts}, GET {cost.gets}, USD {cost.requests_usd}",
        f"  S3 bytes {cost.bytes}, USD {cost.storage_usd_month} per month",
    ]
    return "\n".join(lines) + "\n"
