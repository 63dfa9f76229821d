"""Other people's validators: EU DSS, veraPDF and BouncyCastle (one Java program, see
tests/interop/validators), poppler's pdfsig, and openssl.

Nothing here shares code with what makes or checks seals in Tra, but asn1crypto, which
cuts a signature out of its file.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from asn1crypto import cms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRAM = Path(__file__).parents[2] / "build" / "interop" / "validators"
_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")
# Of RFC 3161: what a time-stamp signs (§2.4.2), and where a signature carries one (appendix A).
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_TIMESTAMP_ATTRIBUTE = "1.2.840.113549.1.9.16.2.14"
_OK = "ok"


# -- the Java program ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One question to the Java program; see its Main."""

    name: str
    check: str
    file: str
    anchor: str = ""
    data: str = ""
    loopback: bool = False
    strict: bool = False


def ask(jobs: Sequence[Job], reports: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What the validators said, by name and check; full reports go to `reports`."""
    command = ["java", "-cp", f"{PROGRAM}/validators.jar:{PROGRAM}/lib/*"]
    lines = "".join(json.dumps(asdict(job)) + "\n" for job in jobs)
    run = subprocess.run(
        [*command, "tra.interop.Main", str(reports)],
        input=lines,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    return {(answer["name"], answer["check"]): answer for answer in answers}


# -- pdfsig --------------------------------------------------------------------


def pdfsig(path: Path) -> str:
    """ "ok" if poppler finds the first signature valid, else what it says of it.

    Its trust store knows no development root (-nocert), and it cannot check document
    time-stamps before poppler 24, so those are left to the others.
    """
    run = subprocess.run(
        ["pdfsig", "-nocert", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    said = re.findall(r"Signature Validation: (.*)", run.stdout)
    if not said:
        return "no signature" if "does not contain any signatures" in run.stdout else "unreadable"
    return _OK if said[0] == "Signature is Valid." else said[0]


# -- openssl -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A signature as it lies in a PDF: its CMS and the bytes it covers."""

    content: cms.ContentInfo
    covered: bytes

    @property
    def is_timestamp(self) -> bool:
        kind: str = self.content["content"]["encap_content_info"]["content_type"].dotted
        return kind == _TST_INFO


def openssl(path: Path, anchor: Path) -> str:
    """ "ok" if openssl verifies every signature and time-stamp in the file to the anchor:
    `cms -verify -cades` (RFC 5035) and `ts -verify`; else what it says first."""
    try:
        embedded = list(_embedded(path.read_bytes()))
    except (ValueError, TypeError, KeyError) as error:
        return f"not to be taken apart ({type(error).__name__})"
    if not embedded:
        return "no signature"
    with TemporaryDirectory() as room:
        for signature in embedded:
            said = _verify(signature, Path(room), anchor)
            if said != _OK:
                return said
    return _OK


def _embedded(pdf: bytes) -> Iterator[_Embedded]:
    for found in _BYTE_RANGE.findall(pdf):
        start, first, second, rest = (int(number) for number in found)
        der = bytes.fromhex(pdf[first + 1 : second - 1].decode("ascii"))
        covered = pdf[start : start + first] + pdf[second : second + rest]
        yield _Embedded(cms.ContentInfo.load(der), covered)


def _verify(signature: _Embedded, room: Path, anchor: Path) -> str:
    if signature.is_timestamp:
        return _verify_token(signature.content, signature.covered, room, anchor)
    for token in signature_timestamps(signature.content):
        stamped = signature.content["content"]["signer_infos"][0]["signature"].native
        said = _verify_token(token, stamped, room, anchor)
        if said != _OK:
            return said
    der, data = _written(room, signature.content, signature.covered)
    return _run(
        "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", der, "-content", data,
        "-CAfile", anchor, "-out", room / "out",
    )  # fmt: skip


def signature_timestamps(content: cms.ContentInfo) -> list[cms.ContentInfo]:
    """Tokens in the first signer's unsigned attributes."""
    attributes = content["content"]["signer_infos"][0]["unsigned_attrs"]
    return [
        attribute["values"][0]
        for attribute in attributes or ()
        if attribute["type"].dotted == _TIMESTAMP_ATTRIBUTE
    ]


def _verify_token(token: Any, stamped: bytes, room: Path, anchor: Path) -> str:
    der, data = _written(room, token, stamped)
    return _run("ts", "-verify", "-token_in", "-in", der, "-data", data, "-CAfile", anchor)


def _written(room: Path, content: Any, data: bytes) -> tuple[Path, Path]:
    der_path, data_path = room / "der", room / "data"
    der_path.write_bytes(content.dump())
    data_path.write_bytes(data)
    return der_path, data_path


def _run(*arguments: object) -> str:
    run = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    if run.returncode == 0:
        return _OK
    said = re.findall(r"::?reason\((.*?)\)|:([^:]+):[^:]*\.c:\d+|Verify error: ?(.*)", run.stderr)
    return "; ".join("".join(parts) for parts in said) or run.stderr.strip()


def versions() -> dict[str, str]:
    """The version of each validator, for the report."""
    libraries = {path.name for path in (PROGRAM / "lib").glob("*.jar")}

    def library(name: str) -> str:
        pattern = re.compile(rf"{name}-(\d[\w.]*)\.jar")
        return next(found[1] for jar in libraries if (found := pattern.fullmatch(jar)))

    return {
        "EU DSS": library("dss-pades"),
        "veraPDF": library("validation-model-jakarta"),
        "BouncyCastle": library("bcpkix-jdk18on"),
        "pdfsig": _first(["pdfsig", "-v"], r"version (\S+)"),
        "openssl": _first(["openssl", "version"], r"OpenSSL (\S+)"),
        "Java": _first(["java", "-version"], r'version "([^"]+)"'),
    }


def _first(command: list[str], pattern: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(pattern, run.stdout + run.stderr)
    return found[1] if found else "unknown"
