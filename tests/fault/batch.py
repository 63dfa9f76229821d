"""`python -m tests.fault.batch --lines 10000`: a batch on the embedded AWS, with real kills.

Tables, buckets, keys, queues, time-stamps and PDFs are real; the functions run in worker
processes that poll the queues as Lambda's pollers do. In the middle of the check, of numbering
and of sealing all workers are killed (SIGKILL) and new ones begin. At the end everything is
audited: register, documents, files and locks, logs, events, and the batch's manifest.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import boto3
import urllib3
from botocore.exceptions import ClientError

from chalicelib import bootstrap
from chalicelib.bootstrap import House
from chalicelib.config import Settings
from chalicelib.domain.batches import (
    Batch,
    BatchFile,
    BatchRef,
    BatchState,
    OnError,
    Start,
    numbers_given,
)
from chalicelib.domain.registers import REGISTER_LOGS
from chalicelib.services import batches as desk_of
from chalicelib.services.audit import audit
from chalicelib.services.batches import BatchRequest
from chalicelib.services.checkpoint import extend
from infra.devservices import running
from tests.support.aws_site import aws_house
from tests.support.batch_files import json_lines
from tests.support.embedded_aws import embedded_aws, environment
from tests.support.rooms import CONTEXT, furnished, sample_event

QUEUES = (
    ("number", "number_queue_url", 10),
    ("batch", "batch_queue_url", 1),
    ("seal", "batch_seal_queue_url", 2),
    ("deliver", "deliver_queue_url", 10),
)
"""Function, its queue, and how many messages it gets at once."""

_TIMEOUTS = {"number": 30, "batch": 300, "seal": 60, "deliver": 30}
_SWEEP_SECONDS = 40
_SILENT = logging.CRITICAL + 1


# -- a worker --------------------------------------------------------------------


def work(settings: Settings) -> None:
    """Poll the queues for ever, as Lambda does: what succeeded is deleted, the rest comes back."""
    from chalicelib.handlers import queues  # noqa: PLC0415 - only workers need the handlers

    logging.getLogger("tra").setLevel(_SILENT)
    sqs: Any = boto3.client("sqs")
    with furnished(House(settings)):
        while True:
            if not sum(_poll(settings, sqs, queues, queue) for queue in QUEUES):
                time.sleep(0.2)  # nothing waits anywhere: as a poller's long poll


def _poll(settings: Settings, sqs: Any, handlers: Any, queue: tuple[str, str, int]) -> bool:
    """One invocation, if anything waits."""
    function, url_name, most = queue
    url = getattr(settings, url_name)
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, AttributeNames=["All"]).get(
        "Messages", []
    )
    if not got:
        return False
    report = getattr(handlers, function)(_event(function, got), _context(function))
    failed = {f["itemIdentifier"] for f in report["batchItemFailures"]}
    for message in got:
        if message["MessageId"] not in failed:
            # Who was slower than the message is hidden loses it: somebody else has it by now.
            with suppress(ClientError):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return True


def _event(function: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    template = sample_event(function)["Records"][0]
    return {
        "Records": [
            {
                **template,
                "messageId": message["MessageId"],
                "body": message["Body"],
                "attributes": {**template["attributes"], **message.get("Attributes", {})},
            }
            for message in messages
        ]
    }


def _context(function: str) -> Any:
    ends = time.monotonic() + _TIMEOUTS[function]
    return SimpleNamespace(
        **{
            **vars(CONTEXT),
            "get_remaining_time_in_millis": lambda: int(1000 * (ends - time.monotonic())),
        }
    )


def write_settings(settings: Settings, path: Path) -> None:
    path.write_text(json.dumps(asdict(settings)), encoding="utf-8")


def read_settings(path: Path) -> Settings:
    kept = json.loads(path.read_text(encoding="utf-8"))
    kinds = get_type_hints(Settings)

    def read(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(value)
        if isinstance(value, dict):
            return kinds[name](**value)
        return value if kinds[name] in {str, int} else kinds[name](value)

    return Settings(**{name: read(name, value) for name, value in kept.items()})


# -- the run ---------------------------------------------------------------------


@dataclass
class Run:
    """One batch, from its file to the audit."""

    house: House
    settings_file: Path
    workers: int
    say: Callable[[str], None]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    swept_at: float = field(default_factory=time.monotonic)

    def start_workers(self) -> None:
        command = [sys.executable, "-m", "tests.fault.batch", "--worker", str(self.settings_file)]
        for _ in range(self.workers):
            with Path(os.devnull).open("w") as nowhere:
                self.processes.append(
                    subprocess.Popen(command, stdout=nowhere, stderr=self._errors())
                )

    def _errors(self) -> Any:
        return (self.settings_file.parent / "workers.log").open("ab")

    def kill_workers(self, when: str) -> None:
        """All at once, in the middle of whatever they do."""
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.processes.clear()
        self.killed[when] += 1
        self.say(f"killed all workers while {when}")
        self.start_workers()

    def demand_workers(self) -> None:
        """A worker that ends by itself is a fault of this test, or of the functions."""
        if any(process.poll() is not None for process in self.processes):
            log = (self.settings_file.parent / "workers.log").read_text(encoding="utf-8")
            raise RuntimeError(f"a worker ended: {log[-2000:]}")

    def end_workers(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def made(self, lines: int) -> BatchRef:
        kind = self.house.types.get("licence")
        assert kind is not None
        request = BatchRequest(
            agency_id="diw",
            submitted_by="app-1",
            document_type=kind,
            file=BatchFile(format="jsonl"),
            on_error=OnError.ALL_OR_NOTHING,
            start=Start.AUTOMATIC,
            defaults={"recipients": ["dbd"]},
            claim=None,
        )
        desk = self.house.batch_desk
        ref = desk_of.create(request, desk=desk).ref
        form = self.house.batch_files.invite(ref)
        fields: dict[str, Any] = {**form.fields, "file": ("lines.jsonl", _file(lines))}
        answer = urllib3.request("POST", form.url, fields=fields)
        assert answer.status in {200, 201, 204}, answer.data
        desk_of.begin_check(ref, desk=desk)
        return ref

    def watch(self, ref: BatchRef, lines: int, kills: int, patience: float) -> Batch:
        """Until the batch has ended; workers die at marks on the way."""
        marks = _marks(lines, kills)
        deadline, said = time.monotonic() + patience, ""
        while True:
            batch = self.batch(ref)
            if batch.state.ended or time.monotonic() > deadline:
                return batch
            if batch.stands != said:
                said = batch.stands
                self.say(said)
            self.demand_workers()
            if marks and marks[0][1](self, batch):
                self.kill_workers(marks.pop(0)[0])
            self.sweep_now_and_then()
            time.sleep(0.1)  # between two looks at what other processes do

    def batch(self, ref: BatchRef) -> Batch:
        found = self.house.batches.get(ref)
        assert found is not None
        return found

    def sweep_now_and_then(self) -> None:
        if time.monotonic() - self.swept_at > _SWEEP_SECONDS:
            self.swept_at = time.monotonic()
            from chalicelib.services.sweep import sweep  # noqa: PLC0415 - as the schedule does

            sweep(broom=self.house.broom)

    def wait_until_told(self, batch: Batch, patience: float) -> None:
        """Until the deliveries behind the batch have ended too."""
        deadline = time.monotonic() + patience
        late = timedelta(days=1)
        while self.house.documents.unsettled(datetime.now(UTC) + late, 1):
            if time.monotonic() > deadline:
                return
            self.sweep_now_and_then()
            time.sleep(0.5)  # between two looks at what other processes do


Mark = tuple[str, Callable[[Run, Batch], bool]]


def _marks(lines: int, kills: int) -> list[Mark]:
    def checking(_: Run, batch: Batch) -> bool:
        return bool(batch.checked.segments) or batch.state is not BatchState.CHECKING

    def numbering(run: Run, batch: Batch) -> bool:
        if batch.state is BatchState.ISSUING:
            return True
        if batch.hold is None:
            return False
        return numbers_given(batch, run.house.registers.head(batch.register)) >= lines // 3

    def sealing(share: float) -> Callable[[Run, Batch], bool]:
        def reached(run: Run, batch: Batch) -> bool:
            return run.house.batches.progress(batch.ref).chunks >= share * batch.chunks > 0

        return reached

    return [
        ("the file is checked", checking),
        ("numbers are given", numbering),
        *((f"documents are sealed ({share:.0%})", sealing(share)) for share in (0.3, 0.6)),
    ][-kills:]


def _file(lines: int) -> bytes:
    body = json.loads(sample_event("api")["body"])["content"]
    return json_lines(
        [
            {"content": {**body, "holder": {**body["holder"], "name": f"บริษัท ทดสอบ {n} จำกัด"}}}
            for n in range(1, lines + 1)
        ]
    )


# -- judgement -------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of it; `wrong` should be empty."""

    lines: int
    killed: dict[str, int]
    seconds: dict[str, float]
    told: int
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        took = ", ".join(f"{name} {spent:.0f} s" for name, spent in self.seconds.items())
        return "\n".join(
            [
                f"batch of {self.lines:,} lines on the embedded AWS: {took}",
                f"  killed (SIGKILL, all workers): {', '.join(self.killed) or 'never'}",
                f"  events that reached the recipient: {self.told:,}",
                f"  wrong: {len(self.wrong)}",
                *(f"    {each}" for each in self.wrong[:20]),
            ]
        )


def judge(run: Run, batch: Batch, lines: int) -> Iterator[str]:
    """Everything that is wrong; nothing if the batch is as it should be."""
    if batch.state is not BatchState.DONE or batch.numbered != lines or batch.hold is None:
        yield f"the batch is {batch.stands} with {batch.numbered} numbers ({batch.reason})"
        return
    for log in REGISTER_LOGS:
        extend(batch.register, log, room=run.house.checkpoint_room)
    report = audit(batch.register, room=run.house.audit_room)
    yield from (f"{f.fault} at {f.number} {f.place}" for f in report.findings)
    if report.counts.get("issued") != lines:
        yield f"{report.counts.get('issued')} are issued"
    yield from _judge_manifest(run, batch, lines)


def _judge_manifest(run: Run, batch: Batch, lines: int) -> Iterator[str]:
    assert batch.manifest is not None
    assert batch.hold is not None
    s3: Any = boto3.client("s3")
    bucket = run.house.settings.archive_bucket
    versions = s3.list_object_versions(Bucket=bucket, Prefix=batch.manifest.key)["Versions"]
    if len(versions) != 1:
        yield f"the manifest has {len(versions)} versions"
    stored = s3.get_object(Bucket=bucket, Key=batch.manifest.key)
    if stored.get("ObjectLockMode") != "COMPLIANCE":
        yield "the manifest is not locked"
    rows = [json.loads(row) for row in stored["Body"].read().splitlines()]
    first = batch.hold.after + 1
    wanted = [(n, first + n - 1, "issued") for n in range(1, lines + 1)]
    if [(r["line"], r["number"], r["state"]) for r in rows] != wanted:
        yield "the manifest does not hold each line with its number, in order"


def _told(inbox: str, house: House) -> int:
    """Different events in the recipient's queue."""
    sqs: Any = boto3.client("sqs")
    seen: set[str] = set()
    while got := sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages"):
        for message in got:
            seen.add(json.loads(message["Body"])["id"])
            sqs.delete_message(QueueUrl=inbox, ReceiptHandle=message["ReceiptHandle"])
    return len(seen)


def run_batch(
    room: Path, *, lines: int, workers: int, kills: int, patience: float, say: Callable[[str], None]
) -> Outcome:
    """The whole of it, on the embedded AWS that the environment points at."""
    bootstrap.forget_clients()
    (room / "pki").mkdir()
    with running(room / "pki") as services:
        made, inboxes = aws_house(services)
        sqs: Any = boto3.client("sqs")
        for url in inboxes.values():
            # These processes are root, not the role of `deliver`; tests/e2e has the real policy.
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
        settings = _with(made.settings, sweep_after_seconds=_SWEEP_SECONDS, seal_at_once=10)
        write_settings(settings, room / "settings.json")
        run = Run(House(settings), room / "settings.json", workers, say)
        run.start_workers()
        try:
            started = time.monotonic()
            ref = run.made(lines)
            batch = run.watch(ref, lines, kills, patience)
            ended = time.monotonic()
            run.wait_until_told(batch, patience)
            told = time.monotonic()
        finally:
            run.end_workers()
        wrong = list(judge(run, batch, lines))
        reached = _told(inboxes["dbd"], run.house)
        if reached != lines:
            wrong.append(f"{reached} events reached the recipient")
    bootstrap.forget_clients()
    seconds = {"issued after": ended - started, "all told after": told - started}
    return Outcome(lines, dict(run.killed), seconds, reached, tuple(wrong))


def _with(settings: Settings, **changes: Any) -> Settings:
    return Settings(**{**{n: getattr(settings, n) for n in get_type_hints(Settings)}, **changes})


@contextmanager
def _environment(url: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment(url))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault.batch", description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=4, help="0 to 4, the last ones on the way")
    parser.add_argument("--patience", type=float, default=7_200, help="seconds")
    parser.add_argument("--worker", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(read_settings(options.worker))
        return 0
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"  {time.monotonic() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="tra-batch-") as name:
        (room := Path(name) / "aws").mkdir()
        with embedded_aws(room) as url, _environment(url):
            outcome = run_batch(
                Path(name),
                lines=options.lines,
                workers=options.workers,
                kills=options.kills,
                patience=options.patience,
                say=say,
            )
    print(outcome)
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
