"""P8 with nothing faked: real tables, bucket, keys, queues, time-stamps, PDFs.

Every call that `number`, `seal`, `deliver`, `checkpoint` and `close` make to AWS is found by
running them once; then each is killed before and after each call, runs again, and what lies
in AWS is audited.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import botocore.handlers
import pytest

from chalicelib import bootstrap
from chalicelib.bootstrap import House
from chalicelib.domain.documents import Document, DocumentState, archive_key
from chalicelib.domain.registers import REGISTER_LOGS, Book, EntryState, Register
from chalicelib.handlers import queues
from chalicelib.services.audit import audit
from chalicelib.services.checkpoint import extend
from chalicelib.services.close import close_year
from chalicelib.services.reserve import ReservationRequest, reserve
from infra.devservices import DevServices, running
from tests.support.aws_site import aws_house
from tests.support.rooms import CONTEXT, furnished, sample_event
from tests.support.samples import document

pytestmark = pytest.mark.aws

FUNCTIONS = ("number", "seal", "deliver")


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Gun:
    """Hooks every AWS call of this process; fires at one moment while `armed`."""

    armed: bool = False
    fire_at: int | None = None
    seen: list[str] = field(default_factory=list)

    @contextmanager
    def aimed(self, fire_at: int | None) -> Iterator[None]:
        self.armed, self.fire_at, self.seen = True, fire_at, []
        try:
            yield
        finally:
            self.armed = False

    def before(self, model: Any, **_: Any) -> None:
        self._moment(f"before {model.name}")

    def after(self, model: Any, **_: Any) -> None:
        self._moment(f"after {model.name}")

    def _moment(self, what: str) -> None:
        if not self.armed:
            return
        self.seen.append(what)
        if len(self.seen) - 1 == self.fire_at:
            self.armed = False
            raise Killed(what)


@pytest.fixture(scope="module")
def gun() -> Iterator[Gun]:
    gun = Gun()
    hooks = [("before-call", gun.before), ("after-call", gun.after)]
    botocore.handlers.BUILTIN_HANDLERS.extend(hooks)
    yield gun
    for hook in hooks:
        botocore.handlers.BUILTIN_HANDLERS.remove(hook)


@dataclass
class Site:
    """Everything in AWS that the functions touch, made for this module."""

    house: House
    inboxes: dict[str, str]

    def accept(self, count: int) -> list[Document]:
        """Accepted licences in a book that nobody used before."""
        book = Book("diw", f"licence-{uuid4().hex[:8]}")
        made = []
        for _ in range(count):
            ids = self.house.ids
            body = json.loads(sample_event("api")["body"])["content"]
            fresh = replace(
                document(
                    ids.document_id(),
                    recipients=("dbd", "rd"),
                    content=body,
                    at=datetime.now(UTC),
                ),
                book=book,
                verification_code=ids.verification_code(),
            )
            made.append(self.house.documents.add(fresh, None))
        return made

    def run(self, function: str, documents: list[Document]) -> None:
        """One invocation, as SQS would make it."""
        template = sample_event(function)["Records"][0]
        event = {
            "Records": [
                {
                    **template,
                    "messageId": str(n),
                    "body": json.dumps({"document_id": d.document_id}),
                }
                for n, d in enumerate(documents)
            ]
        }
        with furnished(self.house):
            assert getattr(queues, function)(event, CONTEXT) == {"batchItemFailures": []}

    def events(self) -> list[dict[str, Any]]:
        """Whatever lies in the recipients' queues, taken out."""
        sqs: Any = boto3.client("sqs")
        found = []
        for url in self.inboxes.values():
            while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                for message in got:
                    found.append(json.loads(message["Body"]))
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture(scope="module")
def site(aws: str, gun: Gun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    bootstrap.forget_clients()
    with running(tmp_path_factory.mktemp("pki")) as services:
        yield _build(services)
    bootstrap.forget_clients()


def _build(services: DevServices) -> Site:
    house, inboxes = aws_house(services)
    for url in inboxes.values():
        # This process is root, not the role of `deliver`; tests/e2e has the real policy.
        sqs: Any = boto3.client("sqs")
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    return Site(house, inboxes)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_killed_before_and_after_every_call_to_aws(function: str, site: Site, gun: Gun) -> None:
    """P1, P2, P5, P8: same number, one version of one file, one set of events, whenever it dies."""
    # What a container reads only once is read now.
    assert _problems(site, _run_all(site, function, gun, None)) == []
    undisturbed = _run_all(site, function, gun, None)
    moments = gun.seen
    assert _problems(site, undisturbed) == []
    assert len(moments) >= 6
    for moment, what in enumerate(moments):
        documents = _run_all(site, function, gun, moment)
        assert _problems(site, documents) == [], f"{function} killed {what}"


# -- publishing and closing ------------------------------------------------------


def _checkpoint(site: Site, register: Register) -> None:
    for log in REGISTER_LOGS:
        extend(register, log, room=site.house.checkpoint_room)


def _close(site: Site, register: Register) -> None:
    """As on 1 January of the next year."""
    room = replace(site.house.closing_room, clock=lambda: datetime.now(UTC).replace(year=2104))
    assert close_year(register, room=room).statement is not None


@pytest.mark.parametrize("publish", [_checkpoint, _close], ids=["checkpoint", "close"])
def test_publishing_killed_before_and_after_every_call_to_aws(
    publish: Callable[[Site, Register], None], site: Site, gun: Gun
) -> None:
    """P7, P8: whenever it dies and runs again, the whole audit finds nothing: logs, tiles,
    checkpoints, statement, entries, files and locks agree."""
    _publish(site, publish, gun, None)  # what a container reads only once is read now
    _publish(site, publish, gun, None)
    moments = gun.seen
    assert len(moments) >= 10
    for moment, what in enumerate(moments):
        register = _publish(site, publish, gun, moment)
        report = audit(register, room=site.house.audit_room)
        assert report.findings == (), f"{publish.__name__} killed {what}"
        assert report.counts["number_leaves"] == 3


def _publish(
    site: Site, publish: Callable[[Site, Register], None], gun: Gun, moment: int | None
) -> Register:
    """A register with an issued document and two reserved numbers; `publish` dies at `moment`
    and is run again."""
    documents = site.accept(1)
    for step in FUNCTIONS:
        site.run(step, documents)
    book = documents[0].book
    reserve(
        ReservationRequest(
            book=book,
            count=2,
            owner="clerk",
            reason="test",
            expires_at=datetime.now(UTC) + timedelta(days=1),
        ),
        desk=site.house.reservation_desk,
    )
    register = book.at(datetime.now(UTC))
    with gun.aimed(moment):
        if moment is None:
            publish(site, register)
            return register
        with pytest.raises(Killed):
            publish(site, register)
    publish(site, register)
    return register


def _run_all(site: Site, function: str, gun: Gun, moment: int | None) -> list[Document]:
    """The whole way of two documents; `function` dies at `moment` and is run again."""
    documents = site.accept(2)
    for step in FUNCTIONS:
        if step != function:
            site.run(step, documents)
            continue
        with gun.aimed(moment):
            if moment is None:
                site.run(step, documents)
                continue
            with pytest.raises(Killed):
                site.run(step, documents)
        site.run(step, documents)
    return documents


def _problems(site: Site, documents: list[Document]) -> list[str]:
    """What is wrong with these documents in AWS."""
    register = documents[0].book.at(datetime.now(UTC))
    entries = site.house.registers.entries(register)
    found = []
    if [(e.number, e.document_id) for e in entries] != [
        (n, d.document_id) for n, d in enumerate(documents, start=1)
    ]:
        found.append(f"entries are {[(e.number, e.document_id) for e in entries]}")
    for before, entry in zip(documents, entries, strict=True):
        after = site.house.documents.get(before.document_id)
        assert after is not None
        if after.state is not DocumentState.ISSUED or entry.state is not EntryState.ISSUED:
            found.append(f"{after.state}, {entry.state}")
        found += _file_problems(site, after, entry.file_digest)
    events = site.events()
    told = sorted({(e["subject"], e["data"]["recipient"]) for e in events})
    if told != sorted((d.document_id, r) for d in documents for r in d.recipients):
        found.append(f"told {told}")
    if len({json.dumps(e, sort_keys=True) for e in events}) != len(told):
        found.append("a repeated event differs from the first")
    return found


def _file_problems(site: Site, after: Document, entry_digest: str | None) -> Iterator[str]:
    s3: Any = boto3.client("s3")
    bucket, key = site.house.settings.archive_bucket, archive_key(after)
    versions = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    if len(versions) != 1:
        yield f"{len(versions)} versions"
    stored = s3.get_object(Bucket=bucket, Key=key)
    digest = hashlib.sha256(stored["Body"].read()).hexdigest()
    if after.file is None or {digest} != {after.file.sha256, entry_digest}:
        yield "the register names another file"
    if stored.get("ObjectLockMode") != "COMPLIANCE":
        yield "the file is not locked"
