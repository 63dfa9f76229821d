"""`python -m tests.bench.cost_run RESULT`: issue documents of every type and count what it takes.

The measured process, within a deployment on the embedded AWS whose functions rest: it runs
the real handlers of `api`, `number`, `seal`, `deliver` and `checkpoint` on the real tables,
queues, keys and bucket, one invocation at a time, with messages it takes from the queues as
Lambda would. It writes to RESULT, as JSON, what each type used, alone and in batches.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

import app
from chalicelib.bootstrap import House, furnish
from chalicelib.config import Settings
from chalicelib.domain.access import Role
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.registers import SEND
from chalicelib.handlers import exchange, queues, schedules
from chalicelib.handlers.authorizer import authorizer
from infra.client import SCOPES
from tests.bench.cost_model import ALONE, TOGETHER
from tests.bench.metering import Meter, Use, metered, size_of
from tests.support.rooms import CONTEXT, sample_event

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCHES = {"number": 10, "seal": 20, "deliver": 10, "dispatch": 10}
"""As the queues are deployed (handlers/queues.py, handlers/exchange.py)."""

ISSUING = ("number", "seal", "deliver")
"""Functions that a document goes through until it is issued and told of."""

_WARM = 3
_TAKEN = frozenset({201, 202})
_LONG_ENOUGH = 8  # characters of a text that may be another in each document
_PER_ENTRY = 100
"""Bytes that DynamoDB adds to each item, and to each entry of an index, when it bills storage."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One type: what a document of it used, by itself and in company."""

    document_type: str
    retention_years: int
    recipients: int
    pdf_bytes: int
    alone: list[dict[str, Any]]
    together: list[dict[str, Any]]
    stored: dict[str, float]


def told_of(agency: str, role: str) -> dict[str, str]:
    """What the authorizer tells of the agency's application, or of its person with this role
    (infra/people.json)."""
    told = {"agency": agency, "scope": SCOPES, "exp": "4102444800"}
    if role == Role.APPLICATION:
        return {**told, "sub": f"{agency}-app", "client_id": f"{agency}-app"}
    return {**told, "sub": f"{agency}-{role}"}


class Site:
    """The deployment, seen from within its functions."""

    def __init__(self, house: House, meter: Meter, token_url: str) -> None:
        self.house, self.meter = house, meter
        self._sqs: SQSClient = boto3.client("sqs")
        self._token_url = token_url
        settings = house.settings
        self._queues: Mapping[str, tuple[str, Callable[..., Any]]] = {
            "number": (settings.number_queue_url, queues.number),
            "seal": (settings.seal_queue_url, queues.seal),
            "deliver": (settings.deliver_queue_url, queues.deliver),
            "dispatch": (settings.dispatch_queue_url, exchange.dispatch),
        }

    # -- invocations ---------------------------------------------------------

    def identify(self, agency: str) -> None:
        form = [("agency", agency), ("scope", SCOPES), ("role", "application")]
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(self._token_url, body) as answer:
            token = json.loads(answer.read())["access_token"]
        event = {**sample_event("authorizer"), "authorizationToken": f"Bearer {token}"}
        with self.meter.step("authorizer"):
            told = authorizer(event, CONTEXT)
        if told["context"].get("agency") != agency:
            raise RuntimeError(told["context"])

    def submit(self, body: Mapping[str, Any], agency: str, key: str) -> str:
        return str(self.post("/v1/documents", body, agency, key)["document_id"])

    def post(
        self,
        route: str,
        body: Mapping[str, Any],
        agency: str,
        key: str,
        *,
        role: str = "application",
        **path: str,
    ) -> dict[str, Any]:
        """The answer of the API to one request; `path` fills the places of the route."""
        event = sample_event("api")
        event |= {"resource": route, "path": route.format(**path), "pathParameters": path or None}
        event["body"] = json.dumps(body, ensure_ascii=False)
        event["headers"]["Idempotency-Key"] = key
        event["multiValueHeaders"]["Idempotency-Key"] = [key]
        event["requestContext"]["resourcePath"] = route
        event["requestContext"]["authorizer"] = told_of(agency, role)
        with self.meter.step("api"):
            answer = app.app(event, CONTEXT)
            self.meter.add("gateway.request")
        if answer["statusCode"] not in _TAKEN:
            raise RuntimeError(answer["body"])
        told: dict[str, Any] = json.loads(answer["body"])
        return told

    def drain(self, function: str, expected: int) -> None:
        """Invoke a function with what lies in its queue until it has had `expected` messages."""
        url, handler = self._queues[function]
        done = 0
        while done < expected:
            messages = self._received(url, min(_BATCHES[function], expected - done))
            event = {"Records": [_record(function, message) for message in messages]}
            with self.meter.step(function):
                # Lambda's poller asks once for a batch and deletes it with one request. The
                # queue is read here ten at a time, which is no reason to count otherwise.
                self.meter.add(_poller_unit(url), 2, "poller", "ReceiveMessage+DeleteMessageBatch")
                told = handler(event, CONTEXT)
            if told["batchItemFailures"]:
                raise RuntimeError(f"{function} failed; the end of functions.log says why")
            self._delete(url, messages)
            done += len(messages)

    def checkpoint(self) -> None:
        with self.meter.step("checkpoint"):
            told = schedules.checkpoint(sample_event("checkpoint"), CONTEXT)
        if told["failed"]:
            raise RuntimeError(told)

    def _received(self, url: str, count: int) -> list[Any]:
        found: list[Any] = []
        deadline = time.monotonic() + 60
        while len(found) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} messages in {url}")
            answer = self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(10, count - len(found)),
                WaitTimeSeconds=1,
                AttributeNames=["All"],
            )
            found += answer.get("Messages", [])
        return found

    def _delete(self, url: str, messages: Sequence[Mapping[str, Any]]) -> None:
        for message in messages:
            self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    # -- documents -----------------------------------------------------------

    def issue(
        self, kind: DocumentType, agency: str, requests: Sequence[Mapping[str, Any]], run: str
    ) -> list[str]:
        ids = [self.submit(r, agency, f"{kind.name}-{run}-{n}") for n, r in enumerate(requests)]
        for function in ISSUING:
            self.drain(function, len(ids))
        return ids

    def stored(self) -> Counter[str]:
        """Bytes that DynamoDB bills for storing, by table and index."""
        dynamodb: Any = boto3.client("dynamodb")
        settings = self.house.settings
        found: Counter[str] = Counter()
        for table in (
            settings.documents_table,
            settings.registers_table,
            settings.deliveries_table,
        ):
            described = dynamodb.describe_table(TableName=table)["Table"]
            indexes = described.get("GlobalSecondaryIndexes", [])
            keys = [key["AttributeName"] for key in described["KeySchema"]]
            pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
            for item in (item for page in pages for item in page["Items"]):
                found[table] += _PER_ENTRY + size_of(item)
                for index in indexes:
                    if (entry := _projected(item, index, keys)) is not None:
                        found[f"{table}/{index['IndexName']}"] += _PER_ENTRY + size_of(entry)
        return found


class CountedStamps:
    """The time-stamp authorities, and how often they were asked."""

    def __init__(self, authorities: Any, meter: Meter) -> None:
        self._authorities, self._meter = authorities, meter

    def stamp(self, *given: Any, **named: Any) -> Any:
        self._meter.add("timestamp")
        return self._authorities.stamp(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._authorities, name)


def _projected(
    item: Mapping[str, Any], index: Mapping[str, Any], table_keys: Sequence[str]
) -> Mapping[str, Any] | None:
    keys = [key["AttributeName"] for key in index["KeySchema"]]
    if any(key not in item for key in keys):
        return None
    if index["Projection"]["ProjectionType"] == "ALL":
        return item
    kept = {*keys, *table_keys, *index["Projection"].get("NonKeyAttributes", ())}
    return {name: value for name, value in item.items() if name in kept}


# -- documents that differ ---------------------------------------------------------


def varied(kind: DocumentType, house: House, count: int) -> Iterator[dict[str, Any]]:
    """Requests like the example, no two alike: each text of the content that may be longer
    carries a number, so that typst finds as little from the document before as in real life."""
    example = json.loads(json.dumps(kind.example))
    if kind.book == SEND:
        example["recipients"] = []  # to send it is another sum (`letter_cost_run`)
    places = [
        place
        for place in _texts(example["content"], ())
        if not house.content_checker.faults(kind, _with(example["content"], [place], " 77"))
    ]
    for n in range(count):
        yield {**example, "content": _with(example["content"], places, f" {n + 11}")}


def _texts(value: Any, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    match value:
        case str() if len(value) >= _LONG_ENOUGH:
            yield at
        case dict():
            for name, member in value.items():
                yield from _texts(member, (*at, name))
        case list():
            for position, member in enumerate(value):
                yield from _texts(member, (*at, position))


def _with(content: Any, places: Sequence[tuple[Any, ...]], more: str) -> Any:
    changed = json.loads(json.dumps(content))
    for *way, last in places:
        around = changed
        for step in way:
            around = around[step]
        around[last] += more
    return changed


# -- counting --------------------------------------------------------------------


def count(kind: DocumentType, site: Site) -> Counted:
    agency = kind.issuers[0] if kind.issuers else "diw"
    requests = list(varied(kind, site.house, _WARM + ALONE + TOGETHER))
    site.identify(agency)
    site.issue(kind, agency, requests[:_WARM], "warm")
    site.checkpoint()
    site.meter.take()

    for n, request in enumerate(requests[_WARM : _WARM + ALONE]):
        site.identify(agency)
        site.issue(kind, agency, [request], f"alone-{n}")
        site.checkpoint()
    alone = site.meter.take()

    before = site.stored()
    ids = site.issue(kind, agency, requests[_WARM + ALONE :], "together")
    site.checkpoint()
    together = site.meter.take()
    stored = site.stored() - before

    files = [site.house.documents.get(document_id) for document_id in ids]
    sizes = [document.file.size for document in files if document and document.file]
    return Counted(
        document_type=kind.name,
        retention_years=kind.retention_years,
        recipients=0 if kind.book == SEND else len(kind.example.get("recipients", ())),
        pdf_bytes=round(statistics.mean(sizes)),
        alone=per_document(alone, ALONE),
        together=per_document(together, TOGETHER),
        stored={where: amount / TOGETHER for where, amount in stored.items()},
    )


def per_document(counted: Counter[Use], documents: int) -> list[dict[str, Any]]:
    return [{**asdict(use), "amount": amount / documents} for use, amount in counted.items()]


def _record(function: str, message: Mapping[str, Any]) -> dict[str, Any]:
    template = sample_event(function)["Records"][0]
    attributes = {**template["attributes"], **message.get("Attributes", {})}
    return {
        **template,
        "messageId": message["MessageId"],
        "body": message["Body"],
        "attributes": attributes,
    }


def _poller_unit(url: str) -> str:
    return "sqs.fifo" if url.endswith(".fifo") else "sqs.standard"


def main(result: Path) -> None:
    with metered() as meter:
        house = House(Settings.from_environment(os.environ))
        vars(house)["timestamper"] = CountedStamps(house.timestamper, meter)
        furnish(house)
        site = Site(house, meter, os.environ["TRA_TOKEN_URL"])
        counted = []
        for kind in house.types.all():
            print(f"    {kind.name}", file=sys.stderr, flush=True)
            counted.append(asdict(count(kind, site)))
    result.write_text(json.dumps(counted), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
