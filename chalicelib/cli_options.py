"""Options that several commands of `tra` have."""

from __future__ import annotations

import argparse
import getpass
import sys
import warnings
from typing import Any

from chalicelib.domain.errors import TraError


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


def otp_of(options: argparse.Namespace, remote: Any, asked: str = "Code / รหัสจากแอป: ") -> str:
    """The second factor of who acts: asked for at the terminal, so that it stands in no history of
    commands; scripts put it into TRA_OTP, or give --otp. Raises NoCodeError."""
    given: str | None = getattr(options, "otp", None) or remote.environment.get("TRA_OTP")
    return given or asked_code(asked)


def asked_code(asked: str) -> str:
    """What is typed, unseen: a recovery code is good until it is used. Raises NoCodeError where
    there is no terminal, or nothing was typed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            typed = getpass.getpass(asked).strip()
        except (EOFError, getpass.GetPassWarning) as error:
            raise NoCodeError from error
    if not typed:
        raise NoCodeError
    return typed


class NoCodeError(TraError):
    """A command needs a second factor, and there is nobody to ask."""

    code = "no_code"

    def __init__(self) -> None:
        super().__init__(
            "Nothing was done: this needs a second factor. Type the code at a terminal, or put it into "
            "TRA_OTP. / ต้องยืนยันตัวตนขั้นที่สอง โปรดพิมพ์รหัส หรือกำหนด TRA_OTP"
        )


def add_otp(command: argparse.ArgumentParser) -> None:
    """For commands that need a second factor."""
    told = "second factor, for scripts: others see it in the list of processes. TRA_OTP, or asked"
    command.add_argument("--otp", metavar="CODE", help=told)
