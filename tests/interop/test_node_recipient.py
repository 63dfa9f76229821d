"""A recipient that Tra did not write: the sample in docs/guide, in Node, against real letters.

It is written from the published interface alone and shares no code with Tra.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3

from chalicelib.adapters.jws import check_jws
from chalicelib.adapters.webhook import Webhooks
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, RetryBudget, plan
from chalicelib.domain.delivery_evidence import give_evidence
from chalicelib.domain.delivery_messages import delivered_event
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import ChannelRefusedError
from chalicelib.domain.receipt_judgement import (
    Accepted,
    Duplicate,
    judge_receipt,
    judge_rejection,
)
from chalicelib.domain.receipts import Receipt, Rejection
from infra import agency_list, local, real_letters
from infra import client as api
from infra.demo_letters import SCOPE
from tests.support.delivering import ISSUER, LETTER, Signer
from tests.support.evidence import LocalSigner

SAMPLE = Path(__file__).parents[2] / "docs" / "guide" / "samples" / "node-recipient"

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
    pytest.mark.skipif(
        not (SAMPLE / "node_modules" / ".ready").exists(),
        reason="the recipient in Node is not installed: make interop does it",
    ),
]

RECIPIENT = "dga"
TRA = Signer()
PDF = b"%PDF- a sealed letter"


def test_sample_passes_its_own_tests() -> None:
    """Issue 6: what an agency's developer runs first (npm test) passes."""
    said = subprocess.run(
        ["node", "--test"], cwd=SAMPLE, check=False, capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0, said.stdout


def _delivery(
    document_id: str, number: str, sign: Callable[[bytes], str] = TRA.sign
) -> tuple[Delivery, bytes]:
    """A delivery to dga, sent just now, and the message that tells of it."""
    letter = replace(
        LETTER, document_id=document_id, number=number, file_digest=sha256(PDF).hexdigest()
    )
    now = datetime.now(UTC)
    moved = plan(
        letter, "dga", ChannelKind.QUEUE, at=now, budget=RetryBudget(now + timedelta(days=3))
    )
    delivery, (evidence,) = give_evidence(moved, issuer=ISSUER, sign=sign)
    return delivery, delivered_event(delivery, evidence, public_url=ISSUER)


# The sample's core with a Tra that gives one file and finds every seal good.
_DRIVER = """
import { readFileSync } from "node:fs";
import { compactVerify, createLocalJWKSet } from "jose";
import { Journal } from "./journal.mjs";
import { Recipient } from "./letters.mjs";

const [journal, key, jwks, pdf] = process.argv.slice(1);
const keys = createLocalJWKSet(JSON.parse(readFileSync(jwks)));
const signed = async (jws) =>
  JSON.parse(Buffer.from((await compactVerify(jws, keys)).payload).toString());
const recipient = new Recipient({
  agency: { id: "dga", name: "สำนักงานพัฒนารัฐบาลดิจิทัล", receiver: "นางสาวสมมติ รับหนังสือ", prefix: "สพร" },
  key: JSON.parse(readFileSync(key)),
  journal: await Journal.open(journal),
  tra: {
    publicUrl: "https://tra.test",
    signed,
    file: async () => Buffer.from(pdf),
    verdict: async () => ({ indication: "TOTAL-PASSED", register_answer: "match" }),
  },
  answer: async (kind, delivery, jws) => console.log(JSON.stringify({ kind, delivery, jws })),
});
for (const line of readFileSync(0, "utf8").split("\\n").filter(Boolean))
  await recipient.take(line, new Date());
"""


def test_what_it_states_is_believed(tmp_path: Path) -> None:
    """A1, P5: receipt and rejection made in Node are accepted by the rules that judge them, the
    times and both numbers are read as meant, and said twice they are the same bytes."""
    key = _new_key(tmp_path)
    (tmp_path / "jwks.json").write_text(json.dumps(TRA.jwks))
    first, message = _delivery("01HFIRST", "นร ๐๕๐๕/๑๗๑๒๑")
    other, same_file = _delivery("01HOTHER", "นร ๐๕๐๕/๑๗๑๒๒")
    texts = [message, message, same_file]
    files = [str(tmp_path / name) for name in ("journal.jsonl", "key.json", "jwks.json")]
    said = subprocess.run(
        ["node", "--input-type=module", "-e", _DRIVER, *files, PDF.decode()],
        cwd=SAMPLE,
        input=b"\n".join(texts),
        check=True,
        capture_output=True,
        timeout=60,
    )
    receipt, again, rejection = map(json.loads, said.stdout.splitlines())
    assert again == receipt

    def verify(jws: str) -> tuple[str, bytes]:
        return "dga", check_jws(jws, {"keys": [key]})

    now = datetime.now(UTC)
    judged = judge_receipt(first, receipt["jws"], verify=verify, now=now)
    assert isinstance(judged, Accepted)
    assert isinstance(judged.statement, Receipt)
    assert judged.statement.number == 1
    assert judged.statement.printed.startswith("สพร ร/ ")
    assert judged.statement.received.entered_at <= judged.statement.registered_at
    repeated = judge_receipt(judged.moved.delivery, again["jws"], verify=verify, now=now)
    assert isinstance(repeated, Duplicate)
    refused = judge_rejection(other, rejection["jws"], verify=verify, now=now)
    assert isinstance(refused, Accepted)
    assert isinstance(refused.statement, Rejection)
    assert refused.statement.code.value == "duplicate"


def _new_key(room: Path) -> dict[str, Any]:
    """A key of the agency's own in `key.json`; its public half, for the directory."""
    made = subprocess.run(
        ["node", "new-key.mjs", room / "key.json"], cwd=SAMPLE, check=True, capture_output=True
    )
    public: dict[str, Any] = json.loads(made.stdout)
    assert "d" not in public
    return public


# -- by webhook ------------------------------------------------------------------------


def test_a_webhook_as_tra_sends_it_is_taken(tmp_path: Path) -> None:
    """C1: what Tra posts is believed in Node: taken with 2xx if it was sent to this address, now;
    refused if it was sent to another one, or an hour ago. It waits on disk, for nobody gives a
    token here."""
    signer = LocalSigner()
    (tmp_path / ".well-known").mkdir()
    (tmp_path / ".well-known" / "jwks.json").write_text(json.dumps(signer.jwks()))
    _new_key(tmp_path)
    _, message = _delivery("01HFIRST", "นร ๐๕๐๕/๑๗๑๒๑", signer.sign)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = f"http://127.0.0.1:{port}/tra"
    with _serving(partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as url:
        receiver = subprocess.Popen(
            ["node", SAMPLE / "webhook.mjs"],
            cwd=tmp_path,
            env={
                **os.environ,
                **_settings(url, ISSUER, f"{url}/token", tmp_path),
                "PORT": str(port),
                "WEBHOOK_URL": own,
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert receiver.stdout is not None
            assert json.loads(receiver.stdout.readline()) == {"did": "listening", "port": port}
            _post(signer, own, message)
            with pytest.raises(ChannelRefusedError, match="401"):
                _post(signer, f"{own}/elsewhere", message)
            with pytest.raises(ChannelRefusedError, match="401"):
                _post(signer, own, message, ago=timedelta(hours=1))
        finally:
            receiver.kill()
            receiver.communicate()
    (kept,) = (tmp_path / "spool").iterdir()
    assert json.loads(kept.read_text(encoding="utf-8"))["text"].encode() == message


def _post(signer: LocalSigner, url: str, message: bytes, *, ago: timedelta = timedelta()) -> None:
    agency = Agency(agency_id="dga", name_th="ก", name_en="A", webhook_url=url)
    Webhooks(signer, clock=lambda: datetime.now(UTC) - ago, local=True).send(agency, message)


@contextmanager
def _serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Where it answers, in a thread of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _settings(url: str, public_url: str, token_url: str, room: Path) -> dict[str, str]:
    """What the sample reads from its environment."""
    form = f"agency={RECIPIENT}&role=application&scope=files:read inbox:register inbox:reject"
    return {
        "TRA_URL": url,
        "TRA_PUBLIC_URL": public_url,
        "TRA_TOKEN_URL": token_url,
        "TRA_TOKEN_FORM": f"grant_type=client_credentials&{form}",
        "AGENCY_ID": RECIPIENT,
        "AGENCY_NAME": "สำนักงานพัฒนารัฐบาลดิจิทัล (องค์การมหาชน)",
        "RECEIVER": "นางสาวสมมติ รับหนังสือ",
        "RECEIVE_PREFIX": "สพร",
        "SIGNING_KEY": str(room / "key.json"),
        "JOURNAL": str(room / "journal.jsonl"),
    }


# -- on the deployed stack -----------------------------------------------------------

_SECONDS = 90
_VISIBLE_AGAIN = "5"  # seconds: who was killed loses a message soon


class KilledError(Exception):
    """The client was killed at this request, which nobody has answered."""


@dataclass
class Between:
    """Stands between the client and Tra: passes all on, and keeps what went by. `kill` is called
    once, at the first answer that the client gives, before Tra has it. For the file of the
    document `swapped` that of `other` is given."""

    upstream: str
    kill: Callable[[], None] | None = None
    swapped: str = ""
    other: str = ""
    answers: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        answering = path.startswith("/v1/inbox/")
        if answering and self.kill is not None:
            kill, self.kill = self.kill, None
            kill()
            raise KilledError
        if path == f"/v1/documents/{self.swapped}/file":
            path = f"/v1/documents/{self.other}/file"
        answer = self.http.request(
            method, f"{self.upstream}{path}", headers=headers, body=body, redirect=False
        )
        if answering:
            self.answers.append((path, body, answer.data))
        return answer


@pytest.fixture
def room(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def deployment(room: Path) -> Iterator[local.Deployment]:
    """The whole stack, with the client's key in the directory."""
    listed = json.loads(agency_list.AGENCIES.read_text(encoding="utf-8"))
    (own,) = (a for a in listed["agencies"] if a["agency_id"] == RECIPIENT)
    own["reply_keys"] = [_new_key(room)]
    agencies = room / "agencies.json"
    agencies.write_text(json.dumps(listed))
    setup = local.Setup(agencies=agencies)
    with local.running(local.BUILD / "interop" / "node", stack="tra-node", setup=setup) as running:
        yield running


@pytest.fixture
def between(deployment: local.Deployment) -> Iterator[tuple[Between, str]]:
    """The proxy, and where it answers."""
    proxy = Between(deployment.url)

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            wanted = ("Authorization", "Content-Type", "Idempotency-Key")
            headers = {name: self.headers[name] for name in wanted if name in self.headers}
            try:
                answer = proxy.pass_on(self.command, self.path, headers, self.rfile.read(length))
            except KilledError:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name in ("Content-Type", "Location"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

        do_GET = do_POST = _handle  # noqa: N815 - as the server calls them

        def log_message(self, *_: object) -> None:
            """Nothing: the client's own log tells enough."""

    with _serving(Handler) as url:
        yield proxy, url


@dataclass(frozen=True)
class Client:
    """The sample as a process: its settings, its queue, its journal."""

    environment: dict[str, str]
    room: Path

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["node", SAMPLE / "recipient.mjs", "--once"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def journal(self) -> list[dict[str, Any]]:
        text = (self.room / "journal.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


def _send(clerk: api.Client, name: str, to: str) -> str:
    """A real letter, its list of recipients confirmed; the id of the document."""
    letter = {**real_letters.read(name).content, "to": [to], "urgency": "most_express"}
    seen = clerk.call("POST", "/v1/letters", json=letter, headers={"Idempotency-Key": name})
    letter["confirmation"] = seen.json()["confirmation"]["digest"]
    document_id: str = clerk.post("/v1/letters", letter, key=name)["document_id"]
    return document_id


def _until(clerk: api.Client, document_id: str, *states: str) -> dict[str, Any]:
    """The one delivery of a letter, once it is in one of these states."""
    deadline = time.monotonic() + _SECONDS
    while True:
        items = clerk.get(f"/v1/letters/{document_id}/deliveries")["items"]
        if items and items[0]["state"] in states:
            delivery: dict[str, Any] = items[0]
            return delivery
        assert time.monotonic() < deadline, items
        time.sleep(0.3)


def test_letters_on_the_deployed_stack(
    deployment: local.Deployment, between: tuple[Between, str], room: Path
) -> None:
    """Issue 6, done when: a real letter goes to an agency with a system and key of its own. It is
    killed between registering and answering, gets messages twice and a forged one among them;
    the letter has one outcome, one number and one receipt, which its sender verifies. A letter
    whose file is not the one that was sent is rejected, and its sender is told why."""
    proxy, url = between
    clerk = api.sign_in(deployment.url, deployment.token_url, "slc", ("clerk",), SCOPE)
    sqs = deployment.session().client("sqs")
    queue = sqs.get_queue_url(QueueName=f"{deployment.stack}-inbox-{RECIPIENT}")["QueueUrl"]
    # Only Tra may put messages there; what is injected here is put in by the account's root.
    sqs.set_queue_attributes(
        QueueUrl=queue, Attributes={"VisibilityTimeout": _VISIBLE_AGAIN, "Policy": ""}
    )
    settings = _settings(url, deployment.url, deployment.token_url, room)
    client = Client({**os.environ, **settings, "QUEUE_URL": queue}, room)

    # A letter arrives; the client is killed when it has registered it, before Tra hears of it.
    first = _send(clerk, "slc-17121", RECIPIENT)
    assert _until(clerk, first, "consigned")["received"]["entered_at"]
    killed = client.start()
    proxy.kill = killed.kill
    killed.communicate(timeout=_SECONDS)
    assert killed.returncode == -9
    (line,) = client.journal()
    assert (line["kind"], line["number"]) == ("receipt", 1)
    assert _until(clerk, first, "consigned", "handed_over")["state"] == "consigned"

    # Another one, whose file somebody changed on the way; and the first one's message again and
    # again, once forged.
    second = _send(clerk, "mot-154", RECIPIENT)
    _until(clerk, second, "consigned")
    proxy.swapped, proxy.other = second, first
    message = _message_of(sqs, queue, first)
    forged = {**message, "data": {**message["data"], "letter_number": "นร ๐๕๐๕/๙๙๙๙๙"}}
    for injected in (message, forged, message):
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(injected, ensure_ascii=False))
    _run_until_empty(client, sqs, queue)

    # One outcome, one number, one receipt.
    handed_over = _until(clerk, first, "handed_over")
    assert (handed_over["receive_number"]["number"], handed_over["attempt"]) == (1, 1)
    receipts = [
        (sent, got)
        for path, sent, got in proxy.answers
        if path == f"/v1/inbox/{line['delivery_id']}/receipt"
    ]
    assert len(receipts) >= 3
    assert {json.loads(sent)["receipt"] for sent, _ in receipts} == {line["answer"]}
    assert {json.loads(got)["receipt"] for _, got in receipts} == {line["answer"]}
    lines = client.journal()
    assert [one["kind"] for one in lines].count("receipt") == 1
    assert [one["why"] for one in lines if one["kind"] == "aside"] == [
        "the evidence says something else of letter_number"
    ]

    # The sender believes it by the key in the directory.
    detail = clerk.get(f"/v1/letters/{first}/deliveries/{line['delivery_id']}")
    (receipt,) = detail["receipts"]
    listed = agency_list.read_agencies(room / "agencies.json")
    (public,) = next(a for a in listed if a.agency_id == RECIPIENT).reply_keys
    said = Receipt.read(check_jws(receipt["receipt"], {"keys": [public]}))
    assert said.letter_number == detail["letter_number"]
    assert said.file_digest == clerk.show(first)["file"]["sha256"]

    # The other one: rejected, and the sender sees why.
    rejected = _until(clerk, second, "rejected")
    assert rejected["reason"]["code"] == "not_trusted"
    assert rejected["receive_number"] is None

    # And one answered by the queue for replies.
    third = _send(clerk, "dga-186", RECIPIENT)
    _until(clerk, third, "consigned")
    client.environment["REPLY_QUEUE_URL"] = deployment.outputs["RepliesQueue"]
    _run_until_empty(client, sqs, queue)
    assert _until(clerk, third, "handed_over")["receive_number"]["number"] == 2


def _message_of(sqs: Any, queue: str, document_id: str) -> dict[str, Any]:
    """The event that tells of a letter, looked at and left in the queue."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        received = sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=1
        )
        for message in received.get("Messages", []):
            event: dict[str, Any] = json.loads(message["Body"])
            if event["data"]["document_id"] == document_id:
                return event
    raise AssertionError(f"nothing in {queue} tells of {document_id}")


def _run_until_empty(client: Client, sqs: Any, queue: str) -> None:
    """Let it work until no message is left, not even one that it did not manage before."""
    waiting = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        running = client.start()
        output, _ = running.communicate(timeout=_SECONDS)
        assert running.returncode == 0, output
        counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=waiting)["Attributes"]
        if not any(int(count) for count in counts.values()):
            return
    raise AssertionError(f"messages are left: {counts}\n{output}")
