"""The `tra` command: issue, follow, fetch and verify documents against any deployment,
look into its public logs and witness them, make and publish document types.

Where it talks to comes from the environment (`TRA_URL`, `TRA_TOKEN`, or
`TRA_TOKEN_URL` to fetch one); after `make up` from `build/local/env`.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from chalicelib import (
    cli_access,
    cli_approvals,
    cli_audit,
    cli_batch,
    cli_factors,
    cli_letters,
    cli_officers,
    cli_proxies,
    cli_readers,
    cli_redrive,
    cli_renewals,
    cli_rulings,
    cli_types,
    cli_verify,
)
from chalicelib.bootstrap import (
    ed25519_verify,
    new_witness_key,
    public_log,
    run_function,
    witness_room,
)
from chalicelib.cli_options import add_stack, stack_of
from chalicelib.domain.errors import TraError
from chalicelib.domain.merkle import leaf_hash, verify_inclusion
from chalicelib.domain.notes import Note, VerifierKey, open_checkpoint
from chalicelib.services.witness import witness
from chalicelib.version import VERSION

_LOCAL_ENVIRONMENT = Path("build/local/env")
_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.5
_FAILED, _MISUSED = 1, 2
_MULTIPLE_CHOICES, _BAD_REQUEST = 300, 400
# What the schedule sends; Chalice reads these members.
_ON_DEMAND = {
    "version": "0",
    "id": "on-demand",
    "detail-type": "Scheduled Event",
    "source": "tra.command",
    "account": "",
    "time": "",
    "region": "",
    "resources": [],
    "detail": {},
}
_AWAITING = "awaiting_approval"
_ENDED = frozenset({"issued", "rejected", "void"})


class CommandError(TraError):
    """The command cannot be done; the text says what to do."""

    code = "command"


@dataclass(frozen=True)
class Remote:
    """One deployment, seen over HTTP."""

    environment: Mapping[str, str]
    agency: str | None
    role: str | None
    person: str | None = None

    @cached_property
    def token(self) -> str:
        """`TRA_TOKEN`, or one from `TRA_TOKEN_URL`: of the application `TRA_CLIENT_ID` by its
        secret, or, of the development issuer alone, of a person."""
        if given := self.environment.get("TRA_TOKEN"):
            return given
        form = {"grant_type": "client_credentials", **self._who()}
        answer = _http(
            "POST",
            self._setting("TRA_TOKEN_URL"),
            body=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        return str(_json(answer)["access_token"])

    def _who(self) -> dict[str, str]:
        """Raises CommandError if nobody is named."""
        if client_id := self.environment.get("TRA_CLIENT_ID"):
            secret = self.environment.get("TRA_CLIENT_SECRET", "")
            return {"client_id": client_id, "client_secret": secret}
        if self.person is not None:
            return {"sub": self.person}
        if self.agency is not None:
            return {"agency": self.agency, "role": self.role or "clerk"}
        message = "Name the agency (--agency), or set TRA_TOKEN to a token of your issuer."
        raise CommandError(message)

    def log_url(self, log: str) -> str:
        """The public address of `<agency>/<book>/<year>/<numbers or outcomes>`."""
        return f"{self._setting('TRA_URL').rstrip('/')}/v1/registers/{log}"

    def call(
        self, method: str, path: str, *, body: bytes | None = None, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        url = self._setting("TRA_URL").rstrip("/") + path
        sent = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "Accept-Language": self.environment.get("LANG", "en")[:2],
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return _http(method, url, body=body, headers=sent)

    def json(self, method: str, path: str, *, body: bytes | None = None, **headers: str) -> Any:
        """What `call` answers, as JSON."""
        return _json(self.call(method, path, body=body, **headers))

    def follow(self, path: str) -> bytes:
        """The file that a route leads to. The link carries its own permission: the token stays
        here. A classified file has no link: it is the answer."""
        answer = self.call("GET", path)
        if answer.status < _MULTIPLE_CHOICES:
            told = _json(answer)
            if "pdf_base64" not in told:
                raise CommandError("The deployment did not answer with a link to the file.")
            return base64.b64decode(told["pdf_base64"])
        return _http("GET", answer.headers["Location"]).data

    def send(self, url: str, pieces: Iterator[bytes], headers: Mapping[str, str]) -> None:
        """POST to a place that the deployment named, without the token."""
        _http("POST", url, body=pieces, headers=headers)

    def _setting(self, name: str) -> str:
        value = self.environment.get(name)
        if not value:
            message = f"{name} is not set. Run `make up`, or point it at your deployment."
            raise CommandError(message)
        return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 refused or failed or not verified, 2 misused."""
    options = _parser().parse_args(arguments)
    remote = Remote(
        _environment(),
        getattr(options, "agency", None),
        getattr(options, "role", None),
        getattr(options, "person", None),
    )
    try:
        outcome = int(options.run(options, remote))
        sys.stdout.flush()
    except TraError as error:
        print(f"tra: {error.detail}", file=sys.stderr)
        return _FAILED
    except BrokenPipeError:  # whoever read our output has enough (`tra … | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except OSError as error:
        print(f"tra: {error.filename}: {error.strerror}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return 130
    return outcome


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tra", description="Issue, follow, fetch and verify official documents."
    )
    parser.add_argument("--version", action="version", version=f"tra {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    identity = _identity("clerk")

    token = commands.add_parser("token", parents=[identity], help="print a bearer token")
    token.set_defaults(run=_token)

    issue = commands.add_parser(
        "issue", parents=[identity], help="submit a document (JSON file, - for stdin)"
    )
    issue.add_argument("file", metavar="FILE")
    issue.add_argument("--key", help="Idempotency-Key; a repeat with the same key is safe")
    issue.add_argument("--no-wait", action="store_true", help="do not wait until it ends")
    issue.add_argument("--timeout", type=float, default=120, help="seconds to wait (120)")
    issue.set_defaults(run=_issue)

    show = commands.add_parser("show", parents=[identity], help="show a document")
    show.add_argument("document_id", metavar="ID")
    show.set_defaults(run=_show)

    evidence = commands.add_parser(
        "evidence", parents=[identity], help="fetch everything that proves a document"
    )
    evidence.add_argument("document_id", metavar="ID")
    evidence.add_argument("--delivery", metavar="ID", help="of a letter, only this delivery")
    evidence.add_argument("-o", "--output", help="default: stdout")
    evidence.set_defaults(run=_evidence)

    file = commands.add_parser(
        "file",
        parents=[identity],
        help="fetch the sealed PDF; of what is classified, a copy that names its reader",
    )
    file.add_argument("document_id", metavar="ID|DELIVERY")
    file.add_argument(
        "--sealed", action="store_true", help="of what is classified, the sealed file (registrar)"
    )
    file.add_argument("-o", "--output", help="default: ID.pdf; - for stdout")
    file.set_defaults(run=_file)

    cli_rulings.add_to(commands, _identity("approver"))
    cli_approvals.add_to(commands, _identity("approver"), _identity("clerk"))
    image = commands.add_parser(
        "image", parents=[identity], help="fetch a picture of a document, for a phone"
    )
    image.add_argument("document_id", metavar="ID")
    image.add_argument("--side", choices=("front", "back", "both"), default="front")
    image.add_argument("-o", "--output", help="default: ID-SIDE.png; - for stdout")
    image.set_defaults(run=_image)

    cli_verify.add_to(commands)
    _add_log_commands(commands)
    cli_batch.add_to(commands, _identity("application"))
    cli_factors.add_to(commands, _identity("approver"))
    cli_letters.add_to(commands, _identity("clerk"))
    cli_officers.add_to(commands, _identity("administrator"))
    cli_proxies.add_to(commands, _identity("clerk"))
    cli_readers.add_to(commands, _identity("registrar"))
    cli_audit.add_to(commands)
    cli_access.add_to(commands, _identity("auditor"))
    cli_renewals.add_to(commands)
    cli_redrive.add_to(commands)
    cli_types.add_to(commands)
    return parser


def _identity(role: str) -> argparse.ArgumentParser:
    """Who acts. A parser of its own for each default: argparse shares what parents bring."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--agency", default=os.environ.get("TRA_AGENCY"), help="act for it")
    chosen = os.environ.get("TRA_ROLE", role)
    parser.add_argument("--role", default=chosen, help=f"default: {role}")
    person = os.environ.get("TRA_PERSON")
    parser.add_argument("--person", default=person, help="sign in as (local stack: diw-approver2)")
    return parser


def _add_log_commands(commands: Any) -> None:
    a_log = {
        "metavar": "LOG",
        "help": "agency/book/year/numbers or …/outcomes; agency/access/year/accesses",
    }

    log = commands.add_parser("log", help="show a public log's checkpoint, and verify it")
    log.add_argument("log", **a_log)
    log.add_argument("--log-key", metavar="VKEY", help="default: the one the log names")
    log.add_argument("--number", type=int, help="show and verify the entry of this number")
    log.set_defaults(run=_log)

    witness = commands.add_parser(
        "witness",
        parents=[_identity("application")],
        help="co-sign a log's checkpoint, if it continues the last one seen",
    )
    witness.add_argument("log", nargs="?", **a_log)
    witness.add_argument("--key", metavar="FILE", type=Path, help="the witness's key file")
    witness.add_argument("--state", metavar="DIR", type=Path, help="what the witness remembers")
    witness.add_argument("--log-key", metavar="VKEY", help="default: the one seen first")
    witness.add_argument("--no-submit", action="store_true", help="only print the co-signature")
    witness.add_argument("--new-key", metavar="FILE", type=Path, help="make a key, print its vkey")
    witness.add_argument("--name", help="of the new key: a URL without scheme")
    witness.set_defaults(run=_witness)

    checkpoint = commands.add_parser(
        "checkpoint", help="extend all public logs now (needs AWS credentials)"
    )
    add_stack(checkpoint)
    checkpoint.set_defaults(run=_checkpoint)


# -- commands ------------------------------------------------------------------


def _token(_options: argparse.Namespace, remote: Remote) -> int:
    print(remote.token)
    return 0


def _issue(options: argparse.Namespace, remote: Remote) -> int:
    raw = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    key = options.key or secrets.token_hex(16)
    answer = remote.call(
        "POST", "/v1/documents", body=raw, Content_Type="application/json", Idempotency_Key=key
    )
    accepted = _json(answer)
    if "document_id" not in accepted:  # a dry run
        print(json.dumps({k: v for k, v in accepted.items() if k != "preview_base64"}, indent=2))
        return 0
    print(f"{accepted['document_id']}  {accepted['state']}", file=sys.stderr)
    if accepted["state"] == _AWAITING:
        print("tra: officers have to approve it first: tra approvals", file=sys.stderr)
    if options.no_wait or accepted["state"] == _AWAITING:
        print(accepted["document_id"])
        return 0
    return _print_document(_wait_until_ended(accepted, remote, options.timeout))


def _show(options: argparse.Namespace, remote: Remote) -> int:
    print(json.dumps(_document(options.document_id, remote), ensure_ascii=False, indent=2))
    return 0


def _evidence(options: argparse.Namespace, remote: Remote) -> int:
    bundle = _whole_bundle(options.document_id, options.delivery, remote)
    text = json.dumps(bundle, ensure_ascii=False, indent=2)
    if options.output:
        Path(options.output).write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    if bundle["missing"]:
        missing = ", ".join(bundle["missing"])
        print(f"tra: not there yet: {missing}; ask again later", file=sys.stderr)
    return 0


def _whole_bundle(document_id: str, delivery: str | None, remote: Remote) -> dict[str, Any]:
    """The bundle with all deliveries of the letter: the interface gives some at a time. What is
    asked later is newer; each delivery is proven by itself."""
    asked = {"delivery": delivery} if delivery else {}
    path = f"/v1/documents/{document_id}/evidence"
    bundle: dict[str, Any] = remote.json("GET", f"{path}?{urlencode(asked)}" if asked else path)
    while bundle["cursor"]:
        more = remote.json("GET", f"{path}?{urlencode({'cursor': bundle['cursor']})}")
        bundle["deliveries"] += more["deliveries"]
        bundle["missing"] += [part for part in more["missing"] if part not in bundle["missing"]]
        bundle["cursor"] = more["cursor"]
    return bundle


def _file(options: argparse.Namespace, remote: Remote) -> int:
    thing = "inbox" if "." in options.document_id else "documents"
    form = "?form=sealed" if options.sealed else ""
    pdf = remote.follow(f"/v1/{thing}/{options.document_id}/file{form}")
    return _keep(pdf, options.output or f"{options.document_id}.pdf")


def _image(options: argparse.Namespace, remote: Remote) -> int:
    path = f"/v1/documents/{options.document_id}/image?side={options.side}"
    png = base64.b64decode(_json(remote.call("GET", path))["png_base64"])
    return _keep(png, options.output or f"{options.document_id}-{options.side}.png")


def _keep(data: bytes, output: str) -> int:
    if output == "-":
        sys.stdout.buffer.write(data)
        return 0
    path = Path(output)
    path.write_bytes(data)
    print(f"{path}  {len(data)} bytes")
    return 0


def _log(options: argparse.Namespace, remote: Remote) -> int:
    log = public_log(remote.log_url(options.log))
    key = VerifierKey.parse(options.log_key) if options.log_key else log.key()
    note = log.checkpoint()
    checkpoint = open_checkpoint(note, key, ed25519_verify).checkpoint
    print(note.decode(), end="")
    names = [signature.name for signature in Note.from_bytes(note).signatures[1:]]
    print(f"verified: {checkpoint.size} entries, co-signed by {', '.join(names) or 'nobody'}")
    if options.number is not None:
        leaf, proof = log.inclusion(options.number)
        verify_inclusion(leaf_hash(leaf), options.number - 1, proof, checkpoint.head)
        print(f"{leaf.decode()}\nverified: entry {options.number - 1} of this log")
    return 0


def _witness(options: argparse.Namespace, remote: Remote) -> int:
    if options.new_key is not None:
        if not options.name:
            raise CommandError("Name the key (--name), e.g. witness.example.go.th/1.")
        print(new_witness_key(options.new_key, options.name).vkey)
        return 0
    if not (options.log and options.key and options.state):
        raise CommandError("Name the log, --key FILE and --state DIR; or --new-key FILE.")
    log_key = VerifierKey.parse(options.log_key) if options.log_key else None
    url = remote.log_url(options.log)
    with witness_room(url, key_file=options.key, state=options.state, log_key=log_key) as room:
        told = witness(room=room)
    print(f"{told.previous_size} -> {told.checkpoint.size} entries: consistent", file=sys.stderr)
    line = told.cosignature.line.strip()
    if not options.no_submit:
        body = json.dumps({"cosignature": line}).encode()
        path = f"/v1/registers/{options.log}/cosignatures"
        remote.call("POST", path, body=body, Content_Type="application/json")
    print(line)
    return 0


def _checkpoint(options: argparse.Namespace, remote: Remote) -> int:
    stack = stack_of(options, remote)
    if stack is None:
        return _MISUSED
    counts = run_function(f"{stack}-checkpoint", _ON_DEMAND, remote.environment)
    print(json.dumps(counts))
    return _FAILED if counts["failed"] else 0


# -- parts ---------------------------------------------------------------------


def _wait_until_ended(document: dict[str, Any], remote: Remote, timeout: float) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    state, said = document["state"], None
    while state not in _ENDED:
        if time.monotonic() > deadline:
            message = (
                f"Still {state} after {timeout:.0f} s. Nothing is lost: "
                f"`tra show {document['document_id']}` tells how it goes on."
            )
            raise CommandError(message)
        time.sleep(_POLL_SECONDS)
        document = _document(document["document_id"], remote)
        if document["state"] != state:
            state = document["state"]
            print(f"{document['document_id']}  {state}", file=sys.stderr)
        if (waiting := _waiting(document, remote)) and waiting != said:
            said = waiting
            print(f"{document['document_id']}  {said}", file=sys.stderr)
    return document


def _waiting(document: Mapping[str, Any], remote: Remote) -> str | None:
    """What the document waits for, in the caller's language; None if it waits for nothing."""
    waiting = document.get("waiting")
    if not waiting:
        return None
    thai = remote.environment.get("LANG", "").startswith("th")
    since = f"{waiting['since'][:19]}Z"
    return f"waiting since {since} [{waiting['code']}] {waiting['detail_th' if thai else 'detail']}"


def _document(document_id: str, remote: Remote) -> dict[str, Any]:
    found: dict[str, Any] = _json(remote.call("GET", f"/v1/documents/{document_id}"))
    return found


def _print_document(document: dict[str, Any]) -> int:
    if document["reason"]:
        print(f"{document['state']}: {document['reason']['detail']}")
        return _FAILED
    print(document["document_id"], document["printed_number"], document["file"]["sha256"])
    return 0


def _environment() -> dict[str, str]:
    """The environment; what is not set there comes from the local deployment, if one runs."""
    local: dict[str, str] = {}
    if "TRA_URL" not in os.environ and _LOCAL_ENVIRONMENT.is_file():
        for line in _LOCAL_ENVIRONMENT.read_text(encoding="utf-8").splitlines():
            words = shlex.split(line, comments=True)
            pairs = (word.partition("=") for word in words)
            local |= {name: value for name, separator, value in pairs if separator}
    return {**local, **os.environ}


def _http(
    method: str,
    url: str,
    *,
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> urllib3.BaseHTTPResponse:
    try:
        answer = urllib3.request(
            method,
            url,
            body=body,
            headers=headers,
            timeout=_TIMEOUT_SECONDS,
            redirect=False,
            retries=False,
        )
    except urllib3.exceptions.HTTPError as error:
        raise CommandError(f"{url.partition('?')[0]} cannot be reached: {error}") from error
    if answer.status >= _BAD_REQUEST:
        raise CommandError(_problem(answer))
    return answer


def _problem(answer: urllib3.BaseHTTPResponse) -> str:
    try:
        problem = answer.json()
        if "error" in problem:  # an issuer's (RFC 6749 §5.2)
            return f"{answer.status} {problem['error']}: {problem.get('error_description', '')}"
        lines = [f"{answer.status} {problem['title']}"]
        if problem.get("detail"):
            lines.append(f"  {problem['detail']}")
        lines += [f"  {e['pointer'] or '/'}: {e['detail']}" for e in problem.get("errors") or ()]
    except (ValueError, KeyError, TypeError):
        return f"The deployment answered {answer.status}."
    return "\n".join(lines)


def _json(answer: urllib3.BaseHTTPResponse) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise CommandError(f"The answer is not JSON (status {answer.status}).") from error


if __name__ == "__main__":
    sys.exit(main())
