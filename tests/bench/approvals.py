"""One code approves a list of a thousand: how long, against its signatures and writes alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import boto3

from chalicelib.adapters.dynamodb.documents import DynamoDocumentStore
from chalicelib.adapters.kms import KmsEvidenceSigner
from chalicelib.adapters.memory import MemoryQueue
from chalicelib.adapters.memory_officers import MemoryOfficers
from chalicelib.domain.approvals import ApprovalPolicy, Choice, Method
from chalicelib.domain.documents import Document, DocumentState
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import FactorUse
from chalicelib.services.approve import (
    MOST_DECISIONS,
    ApprovalRoom,
    Asked,
    Outcome,
    approve,
)
from chalicelib.services.decide_case import CaseRoom
from tests.bench.results import Result, single
from tests.support.approved import approver, with_case
from tests.support.embedded_aws import embedded_aws
from tests.support.rooms import Clock
from tests.support.samples import NOON, SWEEP_AFTER, document
from tests.support.tables import create_table

_ROUNDS = 3
_AT_ONCE = 8  # as bootstrap has it
_REGION = "ap-southeast-1"


def approval_list_1000_seconds() -> Result:
    """From the list to the last decision: every document read, judged, its record signed by KMS of
    the embedded AWS, and the decision written to DynamoDB on its condition. Beside it as many
    bare calls of Sign and conditional UpdateItem, as many at once."""
    with _desk() as desk:
        desk.approve(desk.submit("warm", 50))
        desk.bare("warm", 50)
        ours, bare = [], []
        for n in range(_ROUNDS):
            waiting = desk.submit(f"round-{n}", MOST_DECISIONS)
            ours.append(_timed(lambda waiting=waiting: desk.approve(waiting)))  # type: ignore[misc]  # this round's
            bare.append(_timed(lambda n=n: desk.bare(f"bare-{n}", MOST_DECISIONS)))  # type: ignore[misc]  # likewise
    return single(
        ours,
        bare,
        unit="s",
        target="≤ 20 s",
        against="1,000 bare KMS signatures and conditional updates",
    )


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@dataclass
class _Desk:
    """An officer with a list, on real tables and a real key of the embedded AWS."""

    store: DynamoDocumentStore
    room: ApprovalRoom
    officer: Officer
    appointment_id: str
    kms: Any
    key_id: str
    dynamodb: Any
    table: str

    def appointments_for(self, documents: Sequence[Document]) -> list[str]:
        return [self.appointment_id] * len(documents)

    def submit(self, run: str, count: int) -> list[Document]:
        """So many documents that await approval; not part of what is measured."""
        made = [self._waiting(f"{run}-{n}") for n in range(count)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda one: self.store.add(one, None), made))
        return made

    @staticmethod
    def _waiting(document_id: str) -> Document:
        accepted = document(document_id)
        waiting = replace(
            accepted,
            verification_code=sha256(document_id.encode()).hexdigest()[:26].upper(),
            state=DocumentState.AWAITING_APPROVAL,
        )
        return with_case(waiting, ApprovalPolicy(approvers=1))

    def approve(self, documents: list[Document]) -> None:
        list_of = [
            Asked(
                document_id=one.document_id,
                content_digest=one.content_digest,
                choice=Choice.APPROVE,
            )
            for one in documents
        ]
        answers = approve(
            list_of,
            self,
            lambda: FactorUse(Method.TOTP, "totp/59000000"),
            room=self.room,
            in_time=lambda: True,
        )
        if {answer.outcome for answer in answers} != {Outcome.DECIDED}:
            raise RuntimeError("not all of the list was decided")

    def bare(self, run: str, count: int) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(partial(self._bare_one, run), range(count)))

    def _bare_one(self, run: str, number: int) -> None:
        self.kms.sign(
            KeyId=self.key_id,
            Message=os.urandom(32),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        self.dynamodb.update_item(
            TableName=self.table,
            Key={"pk": {"S": f"BARE#{run}-{number}"}},
            UpdateExpression="SET decided = :one",
            ConditionExpression="attribute_not_exists(decided)",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )


@contextmanager
def _desk() -> Iterator[_Desk]:
    with TemporaryDirectory() as room, embedded_aws(Path(room)) as url:
        reached = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": _REGION,
        }
        with patch.dict(os.environ, reached):
            kms, dynamodb = boto3.client("kms"), boto3.client("dynamodb")
            made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
            key_id = made["KeyMetadata"]["KeyId"]
            table = create_table(dynamodb, "DocumentsTable", "documents")
            store = DynamoDocumentStore(table, sweep_after=SWEEP_AFTER)
            appointment = approver(at=NOON)
            officers = MemoryOfficers()
            officers.appoint(appointment)
            cases = CaseRoom(
                documents=store,
                number_queue=MemoryQueue(),
                deliver_queue=MemoryQueue(),
                clock=Clock(),
                pause=lambda _attempt: None,
            )
            yield _Desk(
                store=store,
                room=ApprovalRoom(
                    cases=cases,
                    officers=officers,
                    signer=KmsEvidenceSigner(kms, key_id),
                    public_url="https://tra.test",
                    at_once=_AT_ONCE,
                ),
                officer=Officer(appointment.agency_id, appointment.subject),
                appointment_id=appointment.appointment_id,
                kms=kms,
                key_id=key_id,
                dynamodb=dynamodb,
                table=table,
            )
