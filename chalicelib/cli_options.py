"""Options that several commands of `tra` have."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any


def add_stack(command: argparse.ArgumentParser) -> None:
    """Which deployment, for commands that work with AWS credentials."""
    command.add_argument("--stack", help="TRA_STACK")


def stack_of(options: argparse.Namespace, remote: Any) -> str | None:
    """The deployment; None if nobody named it, which has been said then."""
    stack: str | None = options.stack or remote.environment.get("TRA_STACK")
    if not stack:
        print(
            "tra: name the stack: --stack, or TRA_STACK / โปรดระบุ --stack หรือ TRA_STACK",
            file=sys.stderr,
        )
    return stack or None


def otp_of(options: argparse.Namespace, remote: Any) -> str:
    """The second factor of who acts: asked for at the terminal, so that it stands in no history of
    commands; scripts put it into TRA_OTP, or give --otp."""
    given: str | None = getattr(options, "otp", None) or remote.environment.get("TRA_OTP")
    return given or getpass.getpass("Code / รหัสจากแอป: ").strip()


def add_otp(command: argparse.ArgumentParser) -> None:
    """For commands that need a second factor."""
    told = "second factor, for scripts: others see it in the list of processes. TRA_OTP, or asked"
    command.add_argument("--otp", metavar="CODE", help=told)
