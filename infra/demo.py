"""`make demo`: from nothing to sealed documents in recipients' hands, and nothing left.

Starts everything on the embedded AWS, submits documents of two agencies over HTTPS's
local stand-in, waits, downloads them, checks their seals with code that did not make
them, has them verified as anybody can, reads the recipients' queues, re-derives the
registers from their public endpoints, tries to destroy what is archived, prints tables of
documents, letters and accesses, and stops everything. Letters: demo_letters.py; approvals and a
secret letter: demo_officers.py. Leaves
`build/demo/summary.json`, the PDFs, receipts and evidence, and one document of every type on
one picture, `contact-sheet.png`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
import unicodedata
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import urllib3
from botocore.exceptions import ClientError as AwsError

from chalicelib.adapters.types import PackagedDocumentTypes
from infra import client as api
from infra import contact_sheet, local, pictures
from infra.demo_letters import WITH_OWN_KEYS, Post
from infra.demo_officers import POLICY, Desk
from infra.letter_recipient import ReplyKey, list_with
from infra.log_check import CheckedRegister, check_register
from infra.progress import PhaseError, Phases
from infra.seal_check import SealReport, check_seal, check_with_pdfsig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_sqs import SQSClient

TARGET = local.BUILD / "demo"
TEMPLATES = local.ROOT / "chalicelib" / "templates"
ISSUERS = (
    ("diw", "licence"),
    ("diw", "licence"),
    ("dbd", "e-certificate"),
    ("dbd", "e-certificate"),
    ("dbd", "e-proxy"),
    ("diw", "e-card"),
    ("dms", "e-medical-certificate"),
    ("diw", "official-letter"),
    ("cgd", "e-receipt"),
)
"""Which agency issues which example; two of a register show that it counts. A type that is
not among them is issued once, by the first agency that may or by the first above."""

_WAIT_SECONDS = 90
_EVENT_SECONDS = 20


class DemoError(Exception):
    """The demo shows something else than it promises; the text says what."""


@dataclass(slots=True)
class Shown:
    """A document and what was found out about it."""

    view: dict[str, Any]
    file: Path
    sha256: str
    seal: SealReport
    told: tuple[str, ...] = ()


def run(phases: Phases) -> tuple[list[Shown], Post, Desk]:
    """Raises PhaseError when a phase failed; it has been said which and why."""
    with local.reserved(TARGET):
        local.stop(TARGET / "local")  # what a killed demo left running
        shutil.rmtree(TARGET, ignore_errors=True)
        TARGET.mkdir(parents=True)
        return _run(phases)


def _run(phases: Phases) -> tuple[list[Shown], Post, Desk]:
    keys = {agency: ReplyKey() for agency in WITH_OWN_KEYS}
    with local.running(TARGET / "local", phases=phases, setup=_setup(keys)) as deployment:
        log = deployment.directory / "aws.log"
        post = Post(deployment, keys, TARGET / "letters")
        desk = Desk(deployment, TARGET / "officers")
        with phases("sign in and submit documents", log=log) as show:
            clients = _sign_in(deployment)
            submitted = _submit(clients)
            show(f"{len(submitted)} accepted")
        with phases("send the real letters", log=log) as show:
            show(post.send())
        _let_officers_decide(desk, phases, log)
        with phases("number, seal, archive, deliver", log=log) as show:
            views = api.wait_until_told(submitted, seconds=_WAIT_SECONDS, show=show)
            _refuse_unissued(views)
        with phases("download the PDFs", log=log) as show:
            shown = [_download(clients, view) for view in views]
            show(os.path.relpath(TARGET))
        with phases("check the seals") as show:
            _check_seals(shown, deployment)
            show(f"{len(shown)} hold" + ("" if shutil.which("pdfsig") else " (no pdfsig here)"))
        with phases("verify them as anybody can", log=log) as show:
            refused = _verify_in_public(shown, deployment)
            show(f"{len(shown)} TOTAL-PASSED; changed by one byte: {refused}")
        with phases("read the recipients' queues", log=log) as show:
            events = _read_inboxes(deployment, shown)
            show(f"{len(events)} events")
        _follow_the_letters(post, phases, log)
        _show_what_officers_did(desk, phases, log)
        with phases("publish and re-derive the registers", log=log) as show:
            named = {one.view["numbering"]["register_id"] for one in shown}
            registers = _check_registers(
                deployment, sorted(named | post.registers() | desk.registers())
            )
            show(", ".join(f"{r.register_id} 1..{r.numbers}" for r in registers))
        with phases("audit everything, read-only", log=log) as show:
            show(_audit(deployment, [register.register_id for register in registers]))
        with phases("try to destroy what is archived", log=log) as show:
            attempts = _try_to_destroy(deployment, clients, shown)
            show(f"{attempts} attempts refused")
        with phases("check a letter's evidence offline", log=log) as show:
            show(post.verify_offline())
        with phases("check approved documents offline", log=log) as show:
            show(desk.verify_offline())
        _write_summary(shown, events, registers, post)
        if pictures.can_draw():
            with phases("draw a contact sheet") as show:
                show(_draw(shown))
    return shown, post, desk


def _follow_the_letters(post: Post, phases: Phases, log: Path) -> None:
    with phases("letters arrive", log=log) as show:
        post.wait_for_arrival(show)
    with phases("a clerk registers them", log=log) as show:
        show(post.register_at_the_hosted())
    with phases("agencies' own systems answer", log=log) as show:
        show(post.answer_with_own_keys())
    with phases("send the misdirected one again", log=log) as show:
        show(post.send_the_misdirected_again())
        post.wait_for_arrival(show)
        show(post.register_at_the_hosted())
    with phases("give up where nobody answers", log=log) as show:
        post.wait_for_the_end(show)


def _let_officers_decide(desk: Desk, phases: Phases, log: Path) -> None:
    with phases("submit what officers approve", log=log) as show:
        show(desk.submit())
    with phases("officers enrol a second factor", log=log) as show:
        show(desk.enrol())
    with phases("they approve, and refuse one", log=log) as show:
        show(desk.decide())
    with phases("a registrar sends a secret letter", log=log) as show:
        show(desk.send_secret())


def _show_what_officers_did(desk: Desk, phases: Phases, log: Path) -> None:
    with phases("number what was approved", log=log) as show:
        show(desk.wait_for_numbers(show))
    with phases("a registrar reads the secret letter", log=log) as show:
        show(desk.receive_secret(show))
    with phases("an auditor asks who read it", log=log) as show:
        show(desk.report())


def _setup(keys: Mapping[str, ReplyKey]) -> local.Setup:
    """Some agencies answer with keys of their own, one wants approvals. Nobody wants to wait three days to see what
    becomes of a webhook that never answers."""
    own_keys = {agency: {"reply_keys": [key.public]} for agency, key in keys.items()}
    agencies = list_with({**own_keys, **POLICY}, TARGET / "agencies.json")
    return local.Setup(agencies=agencies, parameters={"GiveUpAfterSeconds": "10"})


# -- issuing -----------------------------------------------------------------------


def _issues() -> list[tuple[str, str]]:
    """What is issued by whom: of every packaged type at least one."""
    named = {name for _, name in ISSUERS}
    anybody = ISSUERS[0][0]
    return [
        *ISSUERS,
        *(
            (kind.issuers[0] if kind.issuers else anybody, kind.name)
            for kind in PackagedDocumentTypes().all()
            if kind.name not in named
        ),
    ]


def _sign_in(deployment: local.Deployment) -> dict[str, api.Client]:
    return {
        agency: api.sign_in(deployment.url, deployment.token_url, agency)
        for agency in sorted({agency for agency, _ in _issues()})
    }


def _submit(clients: Mapping[str, api.Client]) -> list[tuple[api.Client, str]]:
    """Each example some times, each time as a request of its own."""
    submitted = []
    for place, (agency, kind) in enumerate(_issues()):
        example = json.loads((TEMPLATES / kind / "example.json").read_text(encoding="utf-8"))
        accepted = clients[agency].submit(example, key=f"demo-{agency}-{kind}-{place}")
        submitted.append((clients[agency], accepted["document_id"]))
    return submitted


def _refuse_unissued(views: Sequence[Mapping[str, Any]]) -> None:
    for view in views:
        if view["state"] != "issued":
            raise DemoError(f"{view['document_id']} is {view['state']}: {view['reason']}")


def _download(clients: Mapping[str, api.Client], view: dict[str, Any]) -> Shown:
    pdf = clients[view["agency_id"]].file(view["document_id"])
    path = TARGET / f"{view['document_type']}-{view['number']}-{view['document_id']}.pdf"
    path.write_bytes(pdf)
    return Shown(view, path, hashlib.sha256(pdf).hexdigest(), SealReport())


# -- checking ------------------------------------------------------------------------


def _check_seals(shown: Sequence[Shown], deployment: local.Deployment) -> None:
    root = deployment.root_certificate.read_text()
    for one in shown:
        one.seal = check_seal(one.file.read_bytes(), root)
        if not one.seal.valid:
            raise DemoError(f"{one.file.name}: {'; '.join(one.seal.problems)}")
        if complaint := check_with_pdfsig(one.file):
            raise DemoError(f"{one.file.name}: pdfsig says: {complaint}")
        if one.sha256 != one.view["file"]["sha256"]:
            raise DemoError(f"{one.file.name} is not the file the register entry names (P2)")


def _verify_in_public(shown: Sequence[Shown], deployment: local.Deployment) -> str:
    """POST /v1/verify needs no token. Returns what it says of a file that was changed."""
    for one in shown:
        verdict = _verdict(one.file.read_bytes(), deployment)
        if verdict["indication"] != "TOTAL-PASSED" or verdict["register_answer"] != "match":
            raise DemoError(f"{one.file.name}: {verdict}")
    changed = bytearray(shown[0].file.read_bytes())
    changed[len(changed) // 3] ^= 1
    verdict = _verdict(bytes(changed), deployment)
    if verdict["indication"] == "TOTAL-PASSED":
        raise DemoError(f"a changed file passed: {verdict}")
    return str(verdict["indication"])


def _verdict(pdf: bytes, deployment: local.Deployment) -> dict[str, Any]:
    answer = urllib3.request(
        "POST",
        f"{deployment.url}/v1/verify",
        body=pdf,
        headers={"Content-Type": "application/pdf"},
        timeout=_WAIT_SECONDS,
    )
    verdict: dict[str, Any] = answer.json()
    if answer.status != HTTPStatus.OK:
        raise DemoError(f"POST /v1/verify answered {answer.status}: {verdict}")
    return verdict


def _check_registers(deployment: local.Deployment, names: Sequence[str]) -> list[CheckedRegister]:
    """Publish checkpoints now, then check the registers as anybody can (P1, P7)."""
    event = (local.ROOT / "events" / "checkpoint.json").read_bytes()
    counts = _invoke(deployment, "CheckpointFunction", event)
    if counts["failed"]:
        raise DemoError(f"checkpoints failed: {counts}")
    http = urllib3.PoolManager()
    return [check_register(deployment.url, name, http) for name in names]


def _audit(deployment: local.Deployment, registers: Sequence[str]) -> str:
    """Let the audit function look at every entry, file, lock, log, delivery and access."""
    counted: Counter[str] = Counter()
    for register_id in (*registers, *_access_logs(registers)):
        event = json.dumps({"register": register_id}).encode()
        report = _invoke(deployment, "AuditFunction", event)
        if report["errors"]:
            raise DemoError(f"{register_id}: {report['findings']}")
        counted.update(report["counts"])
    seen = ", ".join(f"{counted[what]} {what}" for what in ("entries", "deliveries", "accesses"))
    return f"{seen}, 0 findings"


def _access_logs(registers: Sequence[str]) -> list[str]:
    """Of the agencies that have these registers, in the same years."""
    parts = (register_id.split("/") for register_id in registers)
    return sorted({f"{agency}/access/{year}" for agency, _, year in parts})


def _invoke(deployment: local.Deployment, output: str, event: bytes) -> dict[str, Any]:
    name = deployment.outputs[output]
    answer = deployment.session().client("lambda").invoke(FunctionName=name, Payload=event)
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise DemoError(f"{name} failed: {said.get('errorMessage')}")
    return said


def _read_inboxes(deployment: local.Deployment, shown: Sequence[Shown]) -> list[dict[str, Any]]:
    """Every recipient's events, read and deleted as a recipient would."""
    sqs = deployment.session().client("sqs")
    expected = {(r, one.view["document_id"]) for one in shown for r in one.view["recipients"]}
    recipients = sorted({recipient for recipient, _ in expected})
    events: dict[tuple[str, str], dict[str, Any]] = {}
    deadline = time.monotonic() + _EVENT_SECONDS
    while missing := expected - events.keys():
        if time.monotonic() > deadline:
            raise DemoError(f"these events did not arrive: {sorted(missing)}")
        for recipient in recipients:
            for event in _receive(sqs, f"{deployment.stack}-inbox-{recipient}"):
                # A letter's delivery is a thing of its own, and names its document.
                about = event["data"].get("document_id", event["subject"])
                events[recipient, about] = event
    for one in shown:
        document_id = one.view["document_id"]
        one.told = tuple(r for r, subject in sorted(events) if subject == document_id)
    return list(events.values())


def _receive(sqs: SQSClient, queue: str) -> list[dict[str, Any]]:
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    messages = received.get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


def _try_to_destroy(
    deployment: local.Deployment, clients: Mapping[str, api.Client], shown: Sequence[Shown]
) -> int:
    """As root of the account: nothing that is locked goes away or changes (P2)."""
    s3 = deployment.session().client("s3")
    bucket = deployment.outputs["ArchiveBucket"]
    refused = 0
    for one in shown:
        key, version = _archived_at(clients[one.view["agency_id"]], one.view["document_id"], bucket)
        delete = partial(s3.delete_object, Bucket=bucket, Key=key, VersionId=version)
        attempts: tuple[Callable[[], object], ...] = (
            delete,
            partial(delete, BypassGovernanceRetention=True),
            partial(s3.put_object, Bucket=bucket, Key=key, Body=b"other", IfNoneMatch="*"),
        )
        for attempt in attempts:
            _must_be_refused(attempt, key)
            refused += 1
        kept = s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
        if hashlib.sha256(kept).hexdigest() != one.sha256:
            raise DemoError(f"{key} changed in the archive")
    return refused


def _archived_at(client: api.Client, document_id: str, bucket: str) -> tuple[str, str]:
    """Key and version, from the link the API gives."""
    answer = client.call("GET", f"/v1/documents/{document_id}/file", redirect=False)
    link = urlsplit(answer.headers["Location"])
    query = dict(pair.split("=", 1) for pair in link.query.split("&"))
    return unquote(link.path).removeprefix(f"/{bucket}/"), unquote(query["versionId"])


def _must_be_refused(attempt: Callable[[], object], key: str) -> None:
    try:
        attempt()
    except AwsError:
        return
    raise DemoError(f"{key} could be deleted or overwritten")


# -- showing -------------------------------------------------------------------------


def _write_summary(
    shown: Sequence[Shown],
    events: Sequence[Mapping[str, Any]],
    registers: Sequence[CheckedRegister],
    post: Post,
) -> None:
    documents = [
        {
            "document_id": one.view["document_id"],
            "document_type": one.view["document_type"],
            "agency_id": one.view["agency_id"],
            "number": one.view["number"],
            "printed_number": one.view["printed_number"],
            "state": one.view["state"],
            "file": one.file.name,
            "sha256": one.sha256,
            "retain_until": one.view["retain_until"],
            "verify_url": one.view["links"]["verify"],
        }
        for one in shown
    ]
    summary = {
        "documents": documents,
        "events": list(events),
        "registers": [asdict(register) for register in registers],
        "deliveries": [delivery for one in post.sent for delivery in one.deliveries],
    }
    text = json.dumps(summary, ensure_ascii=False, indent=2) + "\n"
    (TARGET / "summary.json").write_text(text, encoding="utf-8")


def _draw(shown: Sequence[Shown]) -> str:
    """One document of each type on one picture, as a reader sees it, under both its names."""
    by_type = {one.view["document_type"]: one for one in shown}
    cells = [
        contact_sheet.Shown(
            by_type[kind.name].file,
            kind.title_th,
            (kind.title_en, f"{kind.name} · {by_type[kind.name].view['printed_number']}"),
        )
        for kind in PackagedDocumentTypes().all()
    ]
    target = TARGET / "contact-sheet.png"
    contact_sheet.contact_sheet(cells, target)
    return f"{len(cells)} types in {os.path.relpath(target)}"


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Head and rows, each column as wide as it must be; Thai marks take no column."""
    widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(_padded(cell, w) for cell, w in zip(row, widths, strict=True)) for row in rows
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def _rows(shown: Sequence[Shown]) -> list[tuple[str, ...]]:
    head = ("type", "agency", "number", "SHA-256", "sealed by", "retained until", "told")
    return [head, *map(_row, shown)]


def _row(one: Shown) -> tuple[str, ...]:
    return (
        one.view["document_type"],
        one.view["agency_id"],
        one.view["printed_number"],
        f"{one.sha256[:16]}…",
        one.seal.organization or one.seal.signer,
        one.view["retain_until"][:10],
        ", ".join(one.told) or "–",
    )


def _columns(text: str) -> int:
    return sum(unicodedata.category(character) not in {"Mn", "Me"} for character in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _columns(text))


def main() -> int:
    phases = Phases()
    started = time.monotonic()
    try:
        shown, post, desk = run(phases)
    except PhaseError:
        return 1
    except local.LocalError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{table(_rows(shown))}\n\n{table(post.rows())}\n\n{table(desk.rows())}\n")
    print(f"{os.path.relpath(TARGET / 'summary.json')} and the PDFs beside it", end=" · ")
    print(f"{time.monotonic() - started:.0f} s · everything is stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
