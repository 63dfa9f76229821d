"""`tra verify`: verify sealed PDFs and evidence bundles, offline.

Exit codes: 0 everything passed; 1 something failed; 2 nothing failed, but something is
indeterminate (or the command was misused); 3 a file or key could not be read.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from chalicelib.bootstrap import bundle_trust, fetch_json, public_log, seal_validator
from chalicelib.domain.bundle_verdict import BundleVerdict
from chalicelib.domain.delivery_verdict import DeliveryVerdict, SignedBy
from chalicelib.domain.errors import TraError
from chalicelib.domain.notes import VerifierKey
from chalicelib.domain.registers import Register
from chalicelib.domain.verdict import Circumstances, Finding, Indication, SealVerdict, Verdict
from chalicelib.services.bundle_trust import BundleTrust, ReplyKeys
from chalicelib.services.verify import verify
from chalicelib.services.verify_bundle import verify_bundle

_CODES = {Indication.TOTAL_PASSED: 0, Indication.TOTAL_FAILED: 1, Indication.INDETERMINATE: 2}
_UNREADABLE = 3
_PDF_MARK = b"%PDF-"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
_STDIN = "-"

_WORDS = {
    "th": {
        Indication.TOTAL_PASSED: "ผ่านการตรวจสอบ",
        Indication.TOTAL_FAILED: "ไม่ผ่านการตรวจสอบ",
        Indication.INDETERMINATE: "ยังสรุปไม่ได้",
        "seal": "{field}: ประทับโดย {who} เมื่อ {when} ระดับ {level}",
        "until": "ไฟล์นี้พิสูจน์เวลาได้ด้วยตัวเองถึง {until}",
        "unknown": "ไม่ทราบเวลา",
        "checked": "ตรวจสอบแล้ว: {parts}",
        "missing": "ไม่มีหรือไม่ได้ตรวจสอบ: {parts}",
        "delivery": "ส่งถึง {recipient} ({id}): {verdict} ({indication})",
        "state": "ผล: {state}",
        "number": "เลขทะเบียนรับ {number}",
        "arrived": "เข้าระบบผู้รับเมื่อ {when}",
        SignedBy.RECIPIENT: "ลงนามโดยหน่วยงานผู้รับ",
        SignedBy.SERVICE: "ลงนามโดยระบบในนามผู้รับ",
    },
    "en": {
        Indication.TOTAL_PASSED: "passed",
        Indication.TOTAL_FAILED: "failed",
        Indication.INDETERMINATE: "indeterminate",
        "seal": "{field}: sealed by {who} at {when}, level {level}",
        "until": "the file alone proves its time until {until}",
        "unknown": "an unknown time",
        "checked": "checked: {parts}",
        "missing": "missing or not checked: {parts}",
        "delivery": "to {recipient} ({id}): {verdict} ({indication})",
        "state": "outcome: {state}",
        "number": "receive number {number}",
        "arrived": "arrived {when}",
        SignedBy.RECIPIENT: "signed by the recipient",
        SignedBy.SERVICE: "signed for the recipient by the service",
    },
}


class UnreadableInputError(TraError):
    """A file, key or anchor that the command needs cannot be read."""

    code = "unreadable_input"


@dataclass(frozen=True, slots=True)
class _Checked:
    """A verdict and the file it is on."""

    path: str
    verdict: Verdict | BundleVerdict


def add_to(commands: Any) -> None:
    """Add the command to the parser of `tra`."""
    command = commands.add_parser(
        "verify",
        help="verify sealed PDFs and evidence bundles, offline",
        epilog="Exit codes: 0 passed, 1 failed, 2 indeterminate, 3 an input cannot be read.",
    )
    command.add_argument(
        "files", nargs="+", metavar="FILE", help="PDF or bundle (JSON), - for stdin"
    )
    command.add_argument(
        "--anchors",
        "--trust",
        action="append",
        metavar="PEM",
        help="root certificate of seals and time-stamps (TRA_TRUST_ANCHORS)",
    )
    command.add_argument(
        "--agencies",
        metavar="FILE|URL",
        help="GET /v1/agencies: keys of recipients' own systems (TRA_AGENCIES)",
    )
    command.add_argument(
        "--keys",
        metavar="URL",
        help="a deployment to take log key, jwks and agencies from; it is believed for them",
    )
    command.add_argument("--jwks", metavar="FILE|URL", help="keys of the evidence (TRA_JWKS)")
    command.add_argument(
        "--log-key", action="append", metavar="VKEY", help="key of any of the logs (TRA_LOG_KEY)"
    )
    command.add_argument("--ocsp", action="append", default=[], metavar="DER", help="fresh answer")
    command.add_argument("--crl", action="append", default=[], metavar="DER", help="fresh list")
    command.add_argument("--lang", choices=["th", "en"], help="default: by LANG")
    command.add_argument("--json", action="store_true", help="machine-readable verdicts")
    command.set_defaults(run=run)


def run(options: argparse.Namespace, remote: Any) -> int:
    environment: Mapping[str, str] = remote.environment
    language = options.lang or ("th" if environment.get("LANG", "").startswith("th") else "en")
    try:
        done = _verify_all(options, environment)
    except TraError as error:
        return _unreadable(error.detail_th if language == "th" else error.detail)
    except OSError as error:
        return _unreadable(f"{error.filename}: {error.strerror}")
    if options.json:
        verdicts = {"format": "tra.verdicts.v1", "files": [_plain(one) for one in done]}
        print(json.dumps(verdicts, ensure_ascii=False, indent=2))
    else:
        for one in done:
            _print(one, language)
    return _exit_code(done)


def _unreadable(message: str) -> int:
    print(f"tra verify: {message}", file=sys.stderr)
    return _UNREADABLE


# -- verifying ----------------------------------------------------------------------


def _verify_all(options: argparse.Namespace, environment: Mapping[str, str]) -> list[_Checked]:
    """Bundles first: what they prove of a file's time is believed of the file. In the order
    the files were named."""
    contents = {path: _read(path) for path in options.files}
    pdfs = {path: content for path, content in contents.items() if _is_pdf(path, content)}
    bundles = {p: _bundle(p, c) for p, c in contents.items() if p not in pdfs}
    anchors = _anchors(options.anchors, environment)
    if pdfs and not anchors:
        message = "Name the root certificate to trust: --anchors root.pem."
        raise UnreadableInputError(message, "โปรดระบุใบรับรองหลักที่เชื่อถือ: --anchors root.pem")
    trust = _trust(options, environment, anchors, list(bundles.values()))
    verdicts: dict[str, Verdict | BundleVerdict] = {}
    proven: dict[str, datetime | None] = {}
    for path, bundle in bundles.items():
        pdf = _companion(bundle, pdfs, alone=len(bundles) == 1)
        verdict = verify_bundle(
            bundle, trust=trust, now=datetime.now(UTC), pdf=pdfs[pdf] if pdf else None
        )
        verdicts[path] = verdict
        if pdf and verdict.passed:
            proven[pdf] = verdict.proven_at
    ocsp_responses, crls = _all(options.ocsp), _all(options.crl)
    for path, content in pdfs.items():
        known = Circumstances(proven_at=proven.get(path), ocsp_responses=ocsp_responses, crls=crls)
        verdicts[path] = verify(
            content, validator=seal_validator(), anchors=anchors, circumstances=known
        )
    return [_Checked(path, verdicts[path]) for path in contents]


def _read(path: str) -> bytes:
    return sys.stdin.buffer.read() if path == _STDIN else Path(path).read_bytes()


def _is_pdf(path: str, content: bytes) -> bool:
    if content.startswith(_PDF_MARK):
        return True
    if path == _STDIN:
        return not content.lstrip().startswith(b"{")
    return not path.lower().endswith(".json")


def _bundle(path: str, content: bytes) -> Mapping[str, Any]:
    try:
        bundle = json.loads(content)
    except (ValueError, RecursionError):
        bundle = None
    if not isinstance(bundle, dict):
        raise UnreadableInputError(f"{path} is not a JSON object.", f"{path} ไม่ใช่ JSON object")
    return bundle


def _companion(bundle: Mapping[str, Any], pdfs: Mapping[str, bytes], *, alone: bool) -> str | None:
    """The PDF a bundle speaks of; of one PDF beside one bundle that is meant, whatever its
    digest."""
    file = bundle.get("file")
    digest = file.get("sha256") if isinstance(file, dict) else None
    for path, content in pdfs.items():
        if sha256(content).hexdigest() == digest:
            return path
    return next(iter(pdfs)) if alone and len(pdfs) == 1 else None


def _trust(
    options: argparse.Namespace,
    environment: Mapping[str, str],
    anchors: tuple[str, ...],
    bundles: Sequence[Mapping[str, Any]],
) -> BundleTrust:
    base = (options.keys or "").rstrip("/")
    named = options.log_key or environment.get("TRA_LOG_KEY", "").split()
    log_keys = [VerifierKey.parse(key) for key in named]
    if base and not log_keys:
        log_keys = _log_keys(base, bundles)
    return bundle_trust(
        log_keys=tuple(log_keys),
        jwks=_keys(options.jwks or environment.get("TRA_JWKS"), base, "/.well-known/jwks.json"),
        reply_keys=_reply_keys(
            _keys(options.agencies or environment.get("TRA_AGENCIES"), base, "/v1/agencies")
        ),
        anchors=anchors,
    )


def _log_keys(base: str, bundles: Sequence[Mapping[str, Any]]) -> list[VerifierKey]:
    """One key speaks for all logs of a deployment; any of its registers names it."""
    for bundle in bundles:
        try:
            register = Register.parse(str(bundle.get("register_id")))
        except ValueError:
            continue
        return [public_log(f"{base}/v1/registers/{register.register_id}/numbers").key()]
    return []


def _keys(source: str | None, base: str, path: str) -> Mapping[str, Any] | None:
    """From where the user said, else from the deployment that is believed for its keys."""
    if source is None and base:
        source = base + path
    if source is None:
        return None
    if source.startswith(("https://", "http://")):
        return fetch_json(source)
    return _bundle(source, Path(source).read_bytes())


def _reply_keys(agencies: Mapping[str, Any] | None) -> ReplyKeys | None:
    """Keys by agency, out of what GET /v1/agencies answers. Raises UnreadableInputError."""
    if agencies is None:
        return None
    try:
        keys = {one["agency_id"]: list(one["reply_keys"]) for one in agencies["items"]}
    except (KeyError, TypeError) as error:
        message = "This is not what GET /v1/agencies answers."
        raise UnreadableInputError(message, "ไม่ใช่คำตอบของ GET /v1/agencies") from error
    return keys.get


def _anchors(named: Sequence[str] | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    paths = named or environment.get("TRA_TRUST_ANCHORS", "").split(os.pathsep)
    return tuple(pem for path in paths if path for pem in _anchors_in(path))


def _anchors_in(path: str) -> list[str]:
    found = _PEM.findall(Path(path).read_text(encoding="utf-8", errors="replace"))
    if not found:
        message = f"{path} is no trust anchor: name the root certificate to trust, as PEM."
        raise UnreadableInputError(message, f"{path} ไม่ใช่ใบรับรอง (PEM) โปรดระบุใบรับรองหลักที่เชื่อถือ")
    return found


def _all(paths: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(Path(path).read_bytes() for path in paths)


# -- telling ------------------------------------------------------------------------


def _exit_code(done: Sequence[_Checked]) -> int:
    indications = {one.verdict.indication for one in done}
    for indication in (Indication.TOTAL_FAILED, Indication.INDETERMINATE):
        if indication in indications:
            return _CODES[indication]
    return _CODES[Indication.TOTAL_PASSED]


def _print(one: _Checked, language: str) -> None:
    words, verdict = _WORDS[language], one.verdict
    sub_indication = f", {verdict.sub_indication}" if verdict.sub_indication else ""
    print(f"{one.path}: {words[verdict.indication]} ({verdict.indication}{sub_indication})")
    _print_findings(verdict.findings, language)
    if isinstance(verdict, BundleVerdict):
        _print_parts(verdict, words)
        for delivery in verdict.deliveries:
            _print_delivery(delivery, words, language)
        return
    for seal in verdict.seals:
        _print_seal(seal, words)
        _print_findings(seal.notes, language)


def _print_findings(findings: Sequence[Finding], language: str) -> None:
    for finding in findings:
        detail = finding.detail_th if language == "th" else finding.detail
        print(f"  [{finding.code}] {detail}")


def _print_seal(seal: SealVerdict, words: Mapping[Any, str]) -> None:
    when = f"{seal.sealed_at:%Y-%m-%d %H:%M:%S} UTC" if seal.sealed_at else words["unknown"]
    who = seal.sealer.organization or seal.sealer.common_name
    print("  " + words["seal"].format(field=seal.field, who=who, when=when, level=seal.level))
    if seal.proof_until:
        print("  " + words["until"].format(until=f"{seal.proof_until:%Y-%m-%d}"))


def _print_parts(verdict: BundleVerdict, words: Mapping[Any, str]) -> None:
    for name, parts in (("checked", verdict.checked), ("missing", verdict.missing)):
        if parts:
            print("  " + words[name].format(parts=", ".join(parts)))


def _print_delivery(verdict: DeliveryVerdict, words: Mapping[Any, str], language: str) -> None:
    """What became of the letter there, and what speaks against that."""
    told = words["delivery"].format(
        recipient=verdict.recipient,
        id=verdict.delivery_id,
        verdict=words[verdict.indication],
        indication=verdict.indication,
    )
    print(f"  {told}")
    facts = [words["state"].format(state=verdict.state)] if verdict.state else []
    if verdict.receive_number:
        facts.append(words["number"].format(number=verdict.receive_number))
    if verdict.received:
        when = f"{verdict.received.entered_at:%Y-%m-%d %H:%M:%S} UTC"
        facts.append(words["arrived"].format(when=when))
    if verdict.signed_by:
        facts.append(words[verdict.signed_by])
    if facts:
        print("    " + ", ".join(facts))
    for finding in verdict.findings:
        print(f"    [{finding.code}] {finding.detail_th if language == 'th' else finding.detail}")


def _plain(one: _Checked) -> Any:
    verdict = json.loads(json.dumps(asdict(one.verdict), default=_instant))
    return {"file": one.path, **verdict}


def _instant(value: object) -> str:
    """RFC 3339, as the interface tells times."""
    if not isinstance(value, datetime):
        raise TypeError(type(value).__name__)
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
