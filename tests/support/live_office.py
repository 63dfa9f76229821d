"""An agency that sends letters and one that gets them, on real tables, buckets, keys and queues:
every function runs in this process as Lambda would call it, and all that it says is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.endpoint import Endpoint

from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.adapters.status_function import StatusFunction
from chalicelib.adapters.verify_function import fetch
from chalicelib.bootstrap import House
from chalicelib.domain.access import Role
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency, Unit
from chalicelib.domain.documents import Classification
from chalicelib.domain.persons import Officer
from chalicelib.domain.verdict import CheckedFile
from chalicelib.handlers import audits, exchange, queues, renewals, schedules
from chalicelib.services.check_file import check_file
from infra.devservices import DevServices
from tests.integration.conftest import Answer, Api
from tests.support.appointed import appoint
from tests.support.aws_site import aws_house
from tests.support.factors import Authenticator, enrolled
from tests.support.planting import in_bucket, in_queue, in_table, told_by
from tests.support.previews import near_preview
from tests.support.rooms import CONTEXT, NearStatus, sample_event
from tests.support.secret_office import one

SENDER, RECIPIENT, BY_QUEUE, STRANGER = "diw", "dbd", "rd", "onep"
_HANDLERS: dict[str, Callable[[Any, Any], Any]] = {
    "number": queues.number,
    "seal": queues.seal,
    "deliver": queues.deliver,
    "dispatch": exchange.dispatch,
}
_TABLES = ("documents", "registers", "directory", "deliveries", "officers", "factors", "access")
_BUCKETS = ("archive", "logs", "batches")

_LONG = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 900_000})
"""Of functions that may run for a quarter of an hour."""


class _Checker:
    """The `verify` function at the other end of the call, in this process."""

    def check(self, pdf: bytes, anchors: Sequence[str]) -> CheckedFile:
        return check_file(pdf, anchors, reader=PadesValidator())

    def check_linked(self, link: str, anchors: Sequence[str]) -> CheckedFile:
        return self.check(fetch(link), anchors)


@dataclass
class LiveOffice:
    """`said`: every request to AWS and every message, by what it is; `told`: answers to who must
    not know."""

    house: House
    inboxes: dict[str, str]
    said: dict[str, bytes] = field(default_factory=dict)
    told: dict[str, bytes] = field(default_factory=dict)

    @property
    def _stores(self) -> Any:
        house = self.house
        return SimpleNamespace(
            officers=house.officers,
            factors=house.factors,
            factor_secrets=house.factor_secrets,
            clock=house.clock,
        )

    # -- people ------------------------------------------------------------------

    def appoint(self, who: dict[str, Any]) -> Officer:
        officer = Officer(who["agency"], who["sub"])
        appoint(
            self.house.officers,
            officer,
            frozenset(Role(role) for role in who["roles"].split()),
            clearance=Classification(who["clearance"]),
            name=who["name"],
            at=self.house.clock(),
        )
        return officer

    def with_an_app(self, who: dict[str, Any]) -> Authenticator:
        return enrolled(self._stores, self.appoint(who))

    # -- requests ------------------------------------------------------------------

    def ask(
        self,
        method: str,
        route: str,
        by: dict[str, Any] | None,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        **path: str,
    ) -> Answer:
        """A request; without `by` from the public."""
        api = Api(self._stores)
        return api.call(
            method,
            route,
            path=path or None,
            query=query,
            body=body,
            headers=headers,
            authorizer=by or {},
            arrange=by is not None,
        )

    def pry(self, what: str, answer: Answer) -> Answer:
        """Keep an answer to somebody who must not know."""
        self.told[f"{what} {answer.status}"] = b"\n".join(
            [*told_by(answer.headers), answer.text.encode()]
        )
        return answer

    def send(self, body: dict[str, Any], by: dict[str, Any]) -> str:
        """Looked at, confirmed and sent; its id."""
        seen = self.ask("POST", "/v1/letters", by, {**body, "dry_run": True})
        assert seen.status == 200, seen.text
        digest = seen.json["confirmation"]["digest"]
        sent = self.ask("POST", "/v1/letters", by, {**body, "confirmation": digest})
        assert sent.status == 202, sent.text
        document_id: str = sent.json["document_id"]
        return document_id

    # -- functions -----------------------------------------------------------------

    def rest(self) -> None:
        """Hand messages to their functions until none is left."""
        sqs: Any = boto3.client("sqs")
        urls = {name: getattr(self.house.settings, f"{name}_queue_url") for name in _HANDLERS}
        while any(self._work_off(sqs, name, url) for name, url in urls.items()):
            pass

    def _work_off(self, sqs: Any, function: str, url: str) -> bool:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get(
            "Messages", []
        )
        if not got:
            return False
        template = sample_event(function)["Records"][0]
        records = []
        for message in got:
            self.said[f"message to {function} {message['MessageId']}"] = b"\n".join(
                told_by(message)
            )
            records.append(
                {
                    **template,
                    "messageId": message["MessageId"],
                    "body": message["Body"],
                    "attributes": {**template["attributes"], **message["Attributes"]},
                }
            )
        report = _HANDLERS[function]({"Records": records}, CONTEXT)
        assert report == {"batchItemFailures": []}, (function, report)
        for message in got:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return True

    def watch(self) -> None:
        """What schedules do: checkpoints, sweeping, evidence records, the audit."""
        schedules.checkpoint(sample_event("checkpoint"), _LONG)
        schedules.sweep(sample_event("sweep"), _LONG)
        renewals.renew(sample_event("renew"), _LONG)

    def audit(self) -> dict[str, Any]:
        return dict(audits.audit({}, _LONG))

    # -- all that lies there -----------------------------------------------------------

    def everything(self) -> dict[str, bytes]:
        """Every item, object and message."""
        settings = self.house.settings
        dynamodb: Any = boto3.client("dynamodb")
        s3: Any = boto3.client("s3")
        sqs: Any = boto3.client("sqs")
        found: dict[str, bytes] = {}
        for name in _TABLES:
            found |= in_table(dynamodb, getattr(settings, f"{name}_table"))
        for name in _BUCKETS:
            found |= in_bucket(s3, getattr(settings, f"{name}_bucket"))
        for url in (*self.inboxes.values(), *sqs.list_queues().get("QueueUrls", ())):
            found |= in_queue(sqs, url)
        return found


@contextmanager
def overheard(office: LiveOffice) -> Iterator[None]:
    """Within, every request to AWS is kept: address, headers and body, whatever the service."""
    made = Endpoint.make_request

    def hear(endpoint: Endpoint, operation: Any, request: dict[str, Any]) -> Any:
        body: Any = request.get("body")
        if hasattr(body, "read"):
            body = body.read()
            request["body"].seek(0)
        told = [*told_by(body), *told_by(dict(request["headers"])), *told_by(request["url"])]
        what = f"{operation.service_model.service_name}.{operation.name}"
        office.said[f"{what} {len(office.said)}"] = b"\n".join(told)
        return made(endpoint, operation, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpoint, "make_request", hear)
        yield


def live_office(services: DevServices) -> LiveOffice:
    """Sender and recipient with registrars of secrets; letters of the sender are approved by an
    officer with a second factor."""
    house, inboxes = aws_house(services)
    sqs: Any = boto3.client("sqs")
    for url in inboxes.values():
        # This process is root, not the role of `deliver`; tests/e2e has the real policy.
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    preview = near_preview()
    vars(house).update(
        previewer=preview,
        page_painter=preview,
        register_printer=preview,
        copy_printer=preview,
        file_checker=_Checker(),
        status_lists=StatusFunction(
            NearStatus(house),  # type: ignore[arg-type]  # what is used of it
            "status",
            clock=house.clock,
        ),
    )
    directory = house.directory
    sender, recipient = directory.agency(SENDER), directory.agency(RECIPIENT)
    assert sender is not None
    assert recipient is not None
    policy = ApprovalPolicy(approvers=1)
    directory.put_agency(
        replace(sender, letter_prefix="อก ๐๓๐๑", approvals={"official-letter": policy})
    )
    directory.put_agency(
        replace(
            recipient,
            channel=ChannelKind.HOSTED,
            letter_prefix="พณ ๐๘๐๑",
            units=(Unit("saraban", "งานสารบรรณ"), Unit("law", "ฝ่ายกฎหมาย")),
        )
    )
    directory.put_agency(Agency(agency_id=STRANGER, name_th="หน่วยงานอื่น", name_en="Another"))
    office = LiveOffice(house, inboxes)
    office.appoint(one(BY_QUEUE, "registrar", "secret"))
    return office
