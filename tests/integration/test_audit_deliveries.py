"""The audit of deliveries over real tables, buckets and keys: what is planted is found (P5, B9).

Only rendering and sealing are faked. Files are locked in GOVERNANCE mode, so that the planter
can break locks as no function can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib import bootstrap
from chalicelib.adapters.memory import (
    MarkingSealer,
    MarkingXmlSealer,
    MemoryInboxes,
    MemoryQueue,
    PlainRenderer,
)
from chalicelib.bootstrap import House
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_records import archive_prefix
from chalicelib.domain.findings import Fault
from chalicelib.domain.registers import REGISTER_LOGS, Book, Register
from chalicelib.domain.retention import LockMode
from chalicelib.domain.statements import jws_digest
from chalicelib.services.audit import audit
from chalicelib.services.checkpoint import extend
from chalicelib.services.number import number
from chalicelib.services.seal import seal
from tests.support.evidence import LocalSigner
from tests.support.letters import Mail
from tests.support.samples import AGENCIES, document, settings
from tests.support.tables import create_table

pytestmark = pytest.mark.aws


@dataclass
class Site:
    """Everything in AWS that an audit of deliveries reads, with clients that may do anything."""

    house: House
    s3: Any
    dynamodb: Any

    def build(self) -> Sent:
        """A letter of a new agency: registered by a new one hosted here, and rejected by another."""
        run = uuid4().hex[:8]
        for name in ("from", "here", "there"):
            agency = replace(AGENCIES[0], agency_id=f"{name}-{run}", letter_prefix="อก ๐๓๐๒")
            self.house.directory.put_agency(agency)
        letter = replace(
            document(
                self.house.ids.document_id(),
                agency_id=f"from-{run}",
                at=datetime.now(UTC),
                recipients=(f"here-{run}", f"there-{run}"),
            ),
            book=Book(f"from-{run}", "send"),
            verification_code=self.house.ids.verification_code(),
        )
        self.house.documents.add(letter, None)
        number([letter.document_id], to=self.house.numberer)
        issued = seal(letter.document_id, room=self.house.sealing_room)
        mail = Mail(self.house)
        here, there = mail.send(
            issued, {f"here-{run}": ChannelKind.HOSTED, f"there-{run}": ChannelKind.HOSTED}
        )
        mail.arrives(here)
        mail.arrives(there)
        mail.is_registered(here)
        mail.is_rejected(there)
        mail.is_settled(here)
        mail.is_settled(there)
        now = datetime.now(UTC)
        sent = Sent(
            self,
            mail,
            here,
            there,
            Book(f"from-{run}", "send").at(now),
            Book(f"here-{run}", "receive").at(now),
        )
        for register in (sent.outgoing, sent.incoming):
            for log in REGISTER_LOGS:
                extend(register, log, room=self.house.checkpoint_room)
        return sent


@dataclass
class Sent:
    """A letter that was sent to two agencies, and what a planter does to it."""

    site: Site
    mail: Mail
    here: DeliveryId
    there: DeliveryId
    outgoing: Register
    incoming: Register

    def found(self) -> set[Fault]:
        room = self.site.house.audit_room
        reports = [audit(register, room=room) for register in (self.outgoing, self.incoming)]
        return {fault for report in reports for fault in report.found}

    # -- planting ------------------------------------------------------------

    def remove_item(self, delivery_id: DeliveryId, line: str) -> None:
        key = {"pk": {"S": f"DELIVERY#{delivery_id}"}, "sk": {"S": line}}
        table = self.site.house.settings.deliveries_table
        gone = self.site.dynamodb.delete_item(TableName=table, Key=key, ReturnValues="ALL_OLD")
        assert gone["Attributes"]

    def remove_statements(self, delivery_id: DeliveryId) -> None:
        for jws in self.site.house.deliveries.statements(delivery_id):
            self.remove_item(delivery_id, f"STATEMENT#{jws_digest(jws)}")

    def remove_line(self) -> None:
        self.site.dynamodb.delete_item(
            TableName=self.site.house.settings.registers_table,
            Key={
                "register_id": {"S": self.incoming.register_id},
                "line": {"S": f"N#{1:010d}"},
            },
        )

    def hide_evidence(self) -> None:
        self.site.s3.delete_object(
            Bucket=self.site.house.settings.archive_bucket,
            Key=archive_prefix(self.here) + "evidence-0001.jws",
        )


@pytest.fixture(scope="module")
def site(aws: str) -> Iterator[Site]:
    bootstrap.forget_clients()
    run = uuid4().hex[:8]
    dynamodb: Any = boto3.client("dynamodb")
    s3: Any = boto3.client("s3")
    kms: Any = boto3.client("kms")
    region = {"LocationConstraint": s3.meta.region_name}
    for bucket, lock in ((f"archive-{run}", True), (f"logs-{run}", False)):
        s3.create_bucket(
            Bucket=bucket, ObjectLockEnabledForBucket=lock, CreateBucketConfiguration=region
        )
    log_key = kms.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")
    house = House(
        settings(
            documents_table=create_table(dynamodb, "DocumentsTable", f"documents-{run}"),
            registers_table=create_table(dynamodb, "RegistersTable", f"registers-{run}"),
            directory_table=create_table(dynamodb, "DirectoryTable", f"directory-{run}"),
            deliveries_table=create_table(dynamodb, "DeliveriesTable", f"deliveries-{run}"),
            archive_bucket=f"archive-{run}",
            logs_bucket=f"logs-{run}",
            log_key_id=log_key["KeyMetadata"]["KeyId"],
            lock_mode=LockMode.GOVERNANCE,
        )
    )
    vars(house).update(
        renderer=PlainRenderer(),
        sealer=MarkingSealer(),
        xml_sealer=MarkingXmlSealer(),
        seal_queue=MemoryQueue(),
        deliver_queue=MemoryQueue(),
        inboxes=MemoryInboxes(),
        evidence_signer=LocalSigner(),
    )
    house.directory.put_trust_anchors(("root",))
    yield Site(house, s3, dynamodb)
    bootstrap.forget_clients()


def test_honest_deliveries_have_no_findings(site: Site) -> None:
    """P5: read through the real adapters, a registered and a rejected delivery raise no alarm."""
    sent = site.build()
    report = audit(sent.outgoing, room=site.house.audit_room)
    assert report.findings == ()
    assert report.counts["deliveries"] == 2
    assert report.counts["delivery_files"] == report.counts["evidence"] + 2
    assert audit(sent.incoming, room=site.house.audit_room).findings == ()


PLANTED: dict[str, tuple[Callable[[Sent], None], set[Fault]]] = {
    "a delivery removed": (
        lambda s: s.remove_item(s.here, "#STATE"),
        {Fault.NUMBER_WITHOUT_RECEIPT, Fault.FILE_WITHOUT_ENTRY},
    ),
    "a number removed": (Sent.remove_line, {Fault.RECEIPT_WITHOUT_NUMBER, Fault.GAP}),
    "evidence removed": (
        lambda s: s.remove_item(s.there, "EVIDENCE#000002"),
        {Fault.EVIDENCE_WRONG, Fault.FILE_WITHOUT_ENTRY},
    ),
    "a receipt removed": (
        lambda s: s.remove_statements(s.here),
        {Fault.STATEMENT_MISSING, Fault.FILE_WITHOUT_ENTRY},
    ),
    "evidence hidden": (
        Sent.hide_evidence,
        {Fault.MORE_THAN_ONE_VERSION},
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_planted_in_deliveries_is_found(site: Site, name: str) -> None:
    """P5, B9: whoever takes a delivery, a number, a receipt or evidence away is found."""
    plant, expected = PLANTED[name]
    sent = site.build()
    plant(sent)
    assert sent.found() == expected
