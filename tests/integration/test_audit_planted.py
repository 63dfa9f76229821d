"""The audit over real tables, buckets and keys: every planted fault is found (P1, P2, P7).

Only rendering and sealing are faked; what a fault is planted in is real. Files are locked
in GOVERNANCE mode, so that the planter can break locks as no function can.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib import bootstrap
from chalicelib.adapters.dynamodb.items import LeafItem, MarkedItem
from chalicelib.adapters.memory import (
    MarkingSealer,
    MarkingXmlSealer,
    MemoryInboxes,
    MemoryQueue,
    PlainRenderer,
)
from chalicelib.bootstrap import House
from chalicelib.domain.documents import Decision, Document, archive_key
from chalicelib.domain.findings import Fault
from chalicelib.domain.merkle import TreeHead
from chalicelib.domain.notes import Checkpoint, sign_checkpoint
from chalicelib.domain.registers import REGISTER_LOGS, Book, LogName, NumberWish, Register, WishKind
from chalicelib.domain.retention import LockMode
from chalicelib.domain.standing import REASONS_FOR, RulingKind
from chalicelib.ports import LogState
from chalicelib.services.audit import audit
from chalicelib.services.checkpoint import extend, log_key
from chalicelib.services.deliver import deliver
from chalicelib.services.number import number
from chalicelib.services.reserve import ReservationRequest, give_back, reserve
from chalicelib.services.revoke import rule
from chalicelib.services.seal import seal
from tests.support.evidence import LocalSigner
from tests.support.samples import AGENCIES, document, settings
from tests.support.tables import create_table

pytestmark = pytest.mark.aws


@dataclass
class Site:
    """Everything in AWS that an audit reads, with clients that may do anything."""

    house: House
    s3: Any
    dynamodb: Any

    def build(self) -> Shelf:
        """A register that nobody used before: 1-4 issued, 5 void, 6 reserved and used, 2/1
        inserted; checkpointed twice."""
        shelf = Shelf(self, Register("diw", f"book-{uuid4().hex[:8]}", datetime.now(UTC).year))
        shelf.issue(2)
        shelf.checkpoint()
        shelf.issue(2)
        shelf.reserve_two()
        shelf.issue(1, NumberWish(WishKind.RESERVED, shelf.register.year, 6))
        shelf.issue(1, NumberWish(WishKind.INSERTED, shelf.register.year, 2))
        shelf.checkpoint()
        return shelf

    def build_ruled(self) -> Shelf:
        """As `build`, with 3 suspended and 4 revoked, and told so."""
        shelf = self.build()
        shelf.rule(3, RulingKind.SUSPENDED)
        shelf.rule(4, RulingKind.REVOKED)
        shelf.checkpoint()
        return shelf


@dataclass
class Shelf:
    """One register and what a planter does to it."""

    site: Site
    register: Register

    # -- honest work ---------------------------------------------------------

    def issue(self, count: int, wish: NumberWish | None = None) -> list[Document]:
        house = self.site.house
        made = []
        for _ in range(count):
            fresh = replace(
                document(house.ids.document_id(), at=datetime.now(UTC)),
                book=Book("diw", self.register.book),
                salt=house.ids.salt(),
                verification_code=house.ids.verification_code(),
                wish=wish,
            )
            made.append(house.documents.add(fresh, None))
        number([d.document_id for d in made], to=house.numberer)
        return [seal(d.document_id, room=house.sealing_room) for d in made]

    def reserve_two(self) -> None:
        desk = self.site.house.reservation_desk
        request = ReservationRequest(
            book=Book("diw", self.register.book),
            count=2,
            owner="clerk-1",
            reason="รอ",
            expires_at=datetime.now(UTC) + timedelta(days=2),
        )
        reserve(request, desk=desk)
        give_back(self.register, 5, by="clerk-1", desk=desk)

    def checkpoint(self) -> None:
        for log in REGISTER_LOGS:
            extend(self.register, log, room=self.site.house.checkpoint_room)

    def rule(self, number: int, kind: RulingKind) -> None:
        decision = Decision(
            kind=kind,
            reason_code=REASONS_FOR[kind][0],
            reason="เหตุผล",
            by="approver-1",
            agency_id="diw",
        )
        document_id = self.document(number).document_id
        rule(document_id, decision, None, bench=self.site.house.bench)
        deliver(document_id, courier=self.site.house.courier)

    # -- looking -------------------------------------------------------------

    def document(self, number: int) -> Document:
        entry = self.site.house.registers.entry(self.register, number)
        assert entry is not None
        found = self.site.house.documents.get(entry.document_id or "")
        assert found is not None
        return found

    def key(self, number: int) -> str:
        return archive_key(self.document(number))

    def line(self, number: int) -> dict[str, Any]:
        return {
            "register_id": {"S": self.register.register_id},
            "line": {"S": f"N#{number:010d}"},
        }

    def log_key(self, log: LogName, path: str) -> str:
        return f"logs/{self.register.register_id}/{log}/{path}"

    def ruling_key(self, number: int) -> str:
        return f"rulings/{self.register.register_id}/{self.document(number).document_id}/1.jws"

    # -- planting ------------------------------------------------------------

    def forget_in_document(self, number: int) -> None:
        """As if nobody had ruled on it."""
        self.site.dynamodb.update_item(
            TableName=self.site.house.settings.documents_table,
            Key={"pk": {"S": f"DOC#{self.document(number).document_id}"}},
            UpdateExpression="REMOVE rulings, ruled",
        )

    def forget_in_entry(self, number: int) -> None:
        self.site.dynamodb.update_item(
            TableName=self.site.house.settings.registers_table,
            Key=self.line(number),
            UpdateExpression="REMOVE marks, ruled",
        )

    def forget_in_list(self, number: int) -> None:
        key = {**self.line(number), "register_id": {"S": MarkedItem.partition(self.register)}}
        self.site.dynamodb.delete_item(TableName=self.site.house.settings.registers_table, Key=key)

    def swap_ruling(self, number: int) -> None:
        """Delete it past its lock and put another there."""
        bucket, key = self.site.house.settings.archive_bucket, self.ruling_key(number)
        version = self.site.s3.head_object(Bucket=bucket, Key=key)["VersionId"]
        self.site.s3.delete_object(
            Bucket=bucket, Key=key, VersionId=version, BypassGovernanceRetention=True
        )
        until = self.document(number).file
        assert until is not None
        self.site.house.archive.put_once(key, b"other", until.retain_until, LockMode.GOVERNANCE)

    def hide_ruling(self, number: int) -> None:
        self.site.s3.delete_object(
            Bucket=self.site.house.settings.archive_bucket, Key=self.ruling_key(number)
        )

    def shorten_ruling(self, number: int) -> None:
        self.site.s3.put_object_retention(
            Bucket=self.site.house.settings.archive_bucket,
            Key=self.ruling_key(number),
            Retention={
                "Mode": "GOVERNANCE",
                "RetainUntilDate": datetime.now(UTC) + timedelta(days=30),
            },
            BypassGovernanceRetention=True,
        )

    def set_entry(self, number: int, **values: str) -> None:
        for name, value in values.items():
            self.site.dynamodb.update_item(
                TableName=self.site.house.settings.registers_table,
                Key=self.line(number),
                UpdateExpression="SET #n = :v",
                ExpressionAttributeNames={"#n": name},
                ExpressionAttributeValues={":v": {"S": value}},
            )

    def remove_entry(self, number: int) -> None:
        self.site.dynamodb.delete_item(
            TableName=self.site.house.settings.registers_table, Key=self.line(number)
        )

    def edit_outcome(self, seq: int) -> None:
        key = {
            "register_id": {"S": LeafItem.partition(self.register)},
            "line": {"S": LeafItem.line_of(seq)},
        }
        table = self.site.house.settings.registers_table
        item = self.site.dynamodb.get_item(TableName=table, Key=key)["Item"]
        body = json.loads(item["body"]["S"])
        item["body"]["S"] = json.dumps(
            {**body, "file_digest": "ab" * 32},
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        self.site.dynamodb.put_item(TableName=table, Item=item)

    def put_on_top(self, number: int) -> None:
        self.site.s3.put_object(
            Bucket=self.site.house.settings.archive_bucket, Key=self.key(number), Body=b"other"
        )

    def swap_file(self, number: int) -> None:
        """Delete the version past its lock and put other bytes there."""
        file = self.document(number).file
        assert file is not None
        bucket = self.site.house.settings.archive_bucket
        self.site.s3.delete_object(
            Bucket=bucket,
            Key=file.key,
            VersionId=file.version_id,
            BypassGovernanceRetention=True,
        )
        self.site.house.archive.put_once(
            file.key, b"other bytes", file.retain_until, LockMode.GOVERNANCE
        )

    def hide_file(self, number: int) -> None:
        """A deletion mark: the file is still there, but nobody finds it by its key."""
        self.site.s3.delete_object(
            Bucket=self.site.house.settings.archive_bucket, Key=self.key(number)
        )

    def unknown_file(self) -> None:
        key = f"documents/{self.register.register_id}/01UNKNOWN.pdf"
        until = datetime.now(UTC) + timedelta(days=1)
        self.site.house.archive.put_once(key, b"x", until, LockMode.GOVERNANCE)

    def shorten_lock(self, number: int) -> None:
        until = datetime.now(UTC) + timedelta(days=30)
        self._retain(number, {"Mode": "GOVERNANCE", "RetainUntilDate": until})

    def archive_unlocked(self) -> None:
        """A document whose register names a version that nobody locked."""
        (made,) = self.issue(1)
        assert made.file is not None
        bucket = self.site.house.settings.archive_bucket
        body = self.site.s3.get_object(Bucket=bucket, Key=made.file.key)["Body"].read()
        self.site.s3.delete_object(
            Bucket=bucket,
            Key=made.file.key,
            VersionId=made.file.version_id,
            BypassGovernanceRetention=True,
        )
        unlocked = self.site.s3.put_object(Bucket=bucket, Key=made.file.key, Body=body)
        self.site.dynamodb.update_item(
            TableName=self.site.house.settings.documents_table,
            Key={"pk": {"S": f"DOC#{made.document_id}"}},
            UpdateExpression="SET #f.version_id = :v",
            ExpressionAttributeNames={"#f": "file"},
            ExpressionAttributeValues={":v": {"S": unlocked["VersionId"]}},
        )

    def truncate(self, log: LogName, path: str) -> None:
        bucket, key = self.site.house.settings.logs_bucket, self.log_key(log, path)
        data = self.site.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        self.site.s3.put_object(Bucket=bucket, Key=key, Body=data[:-1])

    def lose(self, log: LogName, path: str) -> None:
        self.site.s3.delete_object(
            Bucket=self.site.house.settings.logs_bucket, Key=self.log_key(log, path)
        )

    def fork(self) -> None:
        """The real key signs another history of the same length, and it is published."""
        house = self.site.house
        key = log_key(
            self.register,
            LogName.NUMBERS,
            public_url=house.settings.public_url,
            public_key=house.log_signer.public_key,
        )
        state = house.logs.state(self.register, LogName.NUMBERS)
        head = TreeHead(state.head.size, bytes(32))
        note = sign_checkpoint(
            Checkpoint(key.name, head.size, head.root), key, house.log_signer.sign
        )
        house.logs.advance(self.register, LogName.NUMBERS, state, LogState(head, note.to_bytes()))

    def _retain(self, number: int, retention: dict[str, Any]) -> None:
        self.site.s3.put_object_retention(
            Bucket=self.site.house.settings.archive_bucket,
            Key=self.key(number),
            Retention=retention,
            BypassGovernanceRetention=True,
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
    s3.put_bucket_versioning(Bucket=f"logs-{run}", VersioningConfiguration={"Status": "Enabled"})
    house = House(
        settings(
            documents_table=create_table(dynamodb, "DocumentsTable", f"documents-{run}"),
            registers_table=create_table(dynamodb, "RegistersTable", f"registers-{run}"),
            directory_table=create_table(dynamodb, "DirectoryTable", f"directory-{run}"),
            archive_bucket=f"archive-{run}",
            logs_bucket=f"logs-{run}",
            log_key_id=kms.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")[
                "KeyMetadata"
            ]["KeyId"],
            lock_mode=LockMode.GOVERNANCE,
        )
    )
    vars(house).update(
        renderer=PlainRenderer(),
        sealer=MarkingSealer(),
        xml_sealer=MarkingXmlSealer,
        seal_queue=MemoryQueue(),
        deliver_queue=MemoryQueue(),
        inboxes=MemoryInboxes(),
        evidence_signer=LocalSigner(),
    )
    for agency in AGENCIES:
        house.directory.put_agency(agency)
    house.directory.put_trust_anchors(("root",))
    yield Site(house, s3, dynamodb)
    bootstrap.forget_clients()


def test_an_untouched_register_has_no_findings(site: Site) -> None:
    """P1-P4, P7: read through the real adapters, honest work raises no alarm."""
    report = audit(site.build().register, room=site.house.audit_room)
    assert report.findings == ()
    assert report.counts["entries"] == 7
    assert report.counts["files"] == report.counts["keys"] == 6
    assert report.counts["checkpoints"] == 4


PLANTED: dict[str, tuple[Callable[[Shelf], None], set[Fault]]] = {
    "a removed entry": (lambda s: s.remove_entry(3), {Fault.GAP}),
    "a changed digest": (
        lambda s: s.set_entry(3, content_digest="0" * 64),
        {Fault.DIGEST_MISMATCH},
    ),
    "a changed commitment": (
        lambda s: s.set_entry(3, commitment="0" * 64),
        {Fault.DIGEST_MISMATCH, Fault.NUMBER_LOG_MISMATCH},
    ),
    "an edited outcome": (lambda s: s.edit_outcome(0), {Fault.OUTCOME_LOG_MISMATCH}),
    "a file put on top": (lambda s: s.put_on_top(3), {Fault.MORE_THAN_ONE_VERSION}),
    "a swapped file": (
        lambda s: s.swap_file(3),
        {Fault.ENTRY_WITHOUT_FILE, Fault.FILE_WITHOUT_ENTRY},
    ),
    "a hidden file": (lambda s: s.hide_file(3), {Fault.MORE_THAN_ONE_VERSION}),
    "a file nobody knows": (Shelf.unknown_file, {Fault.FILE_WITHOUT_ENTRY}),
    "a shortened lock": (lambda s: s.shorten_lock(3), {Fault.LOCK_TOO_SHORT}),
    "a missing lock": (Shelf.archive_unlocked, {Fault.LOCK_MISSING}),
    "a truncated tile": (
        lambda s: s.truncate(LogName.NUMBERS, "tile/0/000.p/6"),
        {Fault.TILE_DAMAGED},
    ),
    "a truncated bundle of outcomes": (
        lambda s: s.truncate(LogName.OUTCOMES, "tile/entries/000.p/9"),
        {Fault.TILE_DAMAGED},
    ),
    "a lost checkpoint": (
        lambda s: s.lose(LogName.NUMBERS, "checkpoints/000000000006"),
        {Fault.CHECKPOINT_HISTORY},
    ),
    "a forked log": (Shelf.fork, {Fault.FORKED_LOG}),
}


RULED: dict[str, tuple[Callable[[Shelf], None], set[Fault]]] = {
    "a ruling taken out of the document": (
        lambda s: s.forget_in_document(4),
        {Fault.STANDING_MISMATCH, Fault.FILE_WITHOUT_ENTRY},
    ),
    "a ruling taken out of the entry": (
        lambda s: s.forget_in_entry(4),
        {Fault.STANDING_MISMATCH, Fault.OUTCOME_LOG_MISMATCH},
    ),
    "a line taken out of the status list": (
        lambda s: s.forget_in_list(4),
        {Fault.STANDING_MISMATCH},
    ),
    "a swapped ruling": (lambda s: s.swap_ruling(4), {Fault.RULING_DIFFERS}),
    "a hidden ruling": (
        lambda s: s.hide_ruling(4),
        {Fault.RULING_MISSING, Fault.MORE_THAN_ONE_VERSION},
    ),
    "a short lock": (lambda s: s.shorten_ruling(4), {Fault.LOCK_TOO_SHORT}),
}


def test_honest_rulings_have_no_findings(site: Site) -> None:
    """Issue 5, item 5: through the real adapters too, five places tell the same."""
    report = audit(site.build_ruled().register, room=site.house.audit_room)
    assert report.findings == ()
    assert report.counts["rulings"] == 2


@pytest.mark.parametrize("name", RULED)
def test_a_fault_planted_in_rulings_is_found(site: Site, name: str) -> None:
    """Issue 5, item 5: whoever takes a decision back in one place is found by the others."""
    plant, expected = RULED[name]
    shelf = site.build_ruled()
    plant(shelf)
    report = audit(shelf.register, room=site.house.audit_room)
    assert set(report.found) == expected, [f.to_json() for f in report.findings]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_and_named(site: Site, name: str) -> None:
    """P1, P2, P7: whatever somebody does to table, archive or log, the audit says what."""
    plant, expected = PLANTED[name]
    shelf = site.build()
    plant(shelf)
    report = audit(shelf.register, room=site.house.audit_room)
    assert set(report.found) == expected, [f.to_json() for f in report.findings]


def test_without_reading_bytes_the_checksum_of_the_store_counts(site: Site) -> None:
    """P2: the quick audit compares the digest that S3 itself checked at the upload."""
    shelf = site.build()
    quick = replace(site.house.audit_room, read_bytes=False)
    assert audit(shelf.register, room=quick).clean
    table = site.house.settings.documents_table
    made = shelf.document(1)
    shelf.set_entry(1, file_digest="0" * 64)
    site.dynamodb.update_item(
        TableName=table,
        Key={"pk": {"S": f"DOC#{made.document_id}"}},
        UpdateExpression="SET #f.sha256 = :v",
        ExpressionAttributeNames={"#f": "file"},
        ExpressionAttributeValues={":v": {"S": "0" * 64}},
    )
    assert Fault.DIGEST_MISMATCH in audit(shelf.register, room=quick).found


def test_what_cannot_be_read_is_no_clean_report(site: Site) -> None:
    """A28: an audit that could not look fails; it does not report an empty register."""
    house = House(replace(site.house.settings, registers_table="no-such-table"))
    with pytest.raises(Exception, match="did not take the request") as raised:
        audit(Register("diw", "licence", 2026), room=house.audit_room)
    assert raised.value.retryable  # type: ignore[attr-defined]  # a TraError, by its text
