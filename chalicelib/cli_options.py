"""Options that several commands of `tra` have."""

from __future__ import annotations

import argparse
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
