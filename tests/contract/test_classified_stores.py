"""Classified documents, register lines, letters and files in the stores: one suite for the fakes
and for DynamoDB, S3 and KMS on the embedded AWS. What a store gives back is whole; what lies in
it tells nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.archive_inventory import S3ArchiveInventory
from chalicelib.adapters.dynamodb import documents, searching
from chalicelib.adapters.dynamodb.deliveries import DynamoDeliveryStore
from chalicelib.adapters.dynamodb.documents import DynamoDocumentStore
from chalicelib.adapters.dynamodb.items import EntryItem
from chalicelib.adapters.dynamodb.registers import DynamoRegisterStore
from chalicelib.adapters.memory import MemoryArchive, MemoryLedger
from chalicelib.adapters.memory_deliveries import MemoryDeliveryStore
from chalicelib.adapters.memory_inventory import MemoryArchiveInventory
from chalicelib.adapters.s3 import S3Archive
from chalicelib.adapters.vault import KmsVault
from chalicelib.domain.approvals import Choice
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.classification import Classification
from chalicelib.domain.deliveries import Delivery, Moved, SentLetter, happen, plan
from chalicelib.domain.delivery_events import Consigned, DeliveryEvent, Rejected
from chalicelib.domain.delivery_evidence import give_evidence
from chalicelib.domain.delivery_records import DeliveryChange, Passing, RefusedAnswer
from chalicelib.domain.documents import (
    ArchivedFile,
    Decision,
    Document,
    Reason,
    Waiting,
    content_digest,
)
from chalicelib.domain.errors import (
    ArchiveError,
    DeliveryMovedError,
    DocumentMovedError,
    SecretUnreadableError,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.receipt_judgement import Refusal
from chalicelib.domain.registers import (
    SEND_SECRET,
    Book,
    Entry,
    EntryState,
    Head,
    Register,
    Reserve,
    lay_out_block,
    lay_out_reservation,
    numbering_of,
)
from chalicelib.domain.retention import LockMode
from chalicelib.domain.secrecy import SecretContext
from chalicelib.domain.standing import ReasonCode, RulingKind
from chalicelib.ports import (
    Archive,
    ArchiveInventory,
    DeliveryStore,
    DocumentStore,
    LetterSearch,
    RegisterStore,
    Search,
)
from tests.contract.test_deliveries import INBOX, letter, registering, sign
from tests.support.approving import ONE, case_of, decided, decision, waiting_for
from tests.support.delivering import BUDGET, ISSUER, SENT_AT, later, received
from tests.support.planting import in_bucket, in_table, leaks
from tests.support.samples import NOON, SWEEP_AFTER, claim_of, document
from tests.support.tables import create_table

SECRET, CONFIDENTIAL = Classification.SECRET, Classification.CONFIDENTIAL
EVERYTHING = frozenset(Classification)
BOOK = Book("diw", SEND_SECRET)
REGISTER = BOOK.in_year(2026)
UNTIL = NOON + timedelta(days=3650)
FILE = ArchivedFile(
    key="documents/diw/send-secret/2026/D1.pdf",
    version_id="v1",
    sha256="ab" * 32,
    size=12,
    lock_mode=LockMode.COMPLIANCE,
    retain_until=UNTIL,
)


def word() -> str:
    """What nobody can guess, and nothing else holds; in Thai, as what is planted for real."""
    thai = "กขคงจฉชซญดตถทธนบปผฝพฟมยรลวศสหอ"
    return "ลับ" + "".join(secrets.choice(thai) for _ in range(12))


@dataclass
class Stores:
    documents: DocumentStore
    registers: RegisterStore
    deliveries: DeliveryStore
    archive: Archive
    inventory: ArchiveInventory
    everything: Callable[[], Mapping[str, bytes]]
    """All that lies in tables and buckets, by its place."""
    move: Callable[[str, str], None] = field(default=lambda _from, _to: None)

    def number(self, *accepted: Document, after: int = 0) -> list[Document]:
        register = accepted[0].book.in_year(2026)
        claims = [replace(claim_of(d), subject=subject_of(d)) for d in accepted]
        block = lay_out_block(register, Head(after), claims, NOON)
        numbered = [
            d.numbered(numbering_of(e, "อก ๐๓๐๑"))
            for d, e in zip(accepted, block.entries, strict=True)
        ]
        self.registers.assign(block, {d.document_id: d for d in numbered})
        return numbered


def subject_of(accepted: Document) -> str:
    return str(accepted.content["subject"])


@pytest.fixture(params=["memory", pytest.param("aws", marks=pytest.mark.aws)])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    if request.param == "memory":
        ledger = MemoryLedger(sweep_after=SWEEP_AFTER)
        archive = MemoryArchive()

        def move(old: str, new: str) -> None:
            archive.files[new] = archive.files[old]

        yield Stores(
            ledger,
            ledger,
            MemoryDeliveryStore(ledger),
            archive,
            MemoryArchiveInventory(archive),
            lambda: dict(archive.files),
            move,
        )
        return
    request.getfixturevalue("aws")
    yield from _on_aws()


def _on_aws() -> Iterator[Stores]:
    client: Any = boto3.client("dynamodb")
    s3: Any = boto3.client("s3")
    kms: Any = boto3.client("kms")
    run = uuid4().hex[:8]
    names = {
        logical: create_table(client, logical, f"{logical.lower()}-{run}")
        for logical in ("DocumentsTable", "RegistersTable", "DeliveriesTable")
    }
    bucket = f"archive-{run}"
    s3.create_bucket(
        Bucket=bucket,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name},
    )
    key = kms.create_key()["KeyMetadata"]["Arn"]
    vault = KmsVault(lambda: kms, key)
    table_of_documents, registers, deliveries = names.values()

    def everything() -> dict[str, bytes]:
        found = in_bucket(s3, bucket)
        for table in names.values():
            found |= in_table(client, table)
        return found

    def move(old: str, new: str) -> None:
        there = s3.get_object(Bucket=bucket, Key=old)
        s3.put_object(
            Bucket=bucket,
            Key=new,
            Body=there["Body"].read(),
            Metadata=there["Metadata"],
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=UNTIL,
        )

    yield Stores(
        DynamoDocumentStore(table_of_documents, sweep_after=SWEEP_AFTER, vault=vault),
        DynamoRegisterStore(registers, table_of_documents, sweep_after=SWEEP_AFTER, vault=vault),
        DynamoDeliveryStore(deliveries, registers, vault),
        S3Archive(s3, bucket, vault),
        S3ArchiveInventory(s3, bucket, vault),
        everything,
        move,
    )
    for table in names.values():
        client.delete_table(TableName=table)


def classified(
    document_id: str = "D1",
    *words: str,
    classification: Classification = SECRET,
    at: datetime = NOON,
    named: frozenset[Officer] = frozenset(),
) -> Document:
    """An accepted letter of which every text is one of the words."""
    subject, person = words or (word(), word())
    body = {"subject": subject, "addressee": {"name": person}, "paragraphs": [subject + person]}
    made = document(document_id, content=body, at=at, recipients=("rd",))
    return replace(made, classification=classification, book=BOOK, named=named)


# -- documents -------------------------------------------------------------------


def test_a_classified_document_reads_back_equal(stores: Stores) -> None:
    """P2, A13: encrypted and decrypted, the content is what was accepted, and its digest is."""
    accepted = classified(named=frozenset({Officer("diw", "reader-1")}))
    stores.documents.add(accepted, None)
    found = stores.documents.get("D1")
    assert found == accepted
    assert found is not None
    again = content_digest(
        agency_id="diw",
        document_type="licence",
        type_version=1,
        content=found.content,
        valid_from=None,
        valid_until=None,
    )
    assert again == accepted.content_digest
    assert json.loads(json.dumps(dict(found.content))) == accepted.content
    assert found.weight == accepted.weight


def test_all_that_may_quote_a_document_reads_back_equal(stores: Stores) -> None:
    """P4, A13: reasons, what it waits for, rulings and decisions of officers are encrypted too,
    and their readers get every word of them."""
    first, second, third = classified("D1"), classified("D2"), classified("D3")
    for each in (first, second, third):
        stores.documents.add(each, None)
    reason = Reason("lint_failed", word(), word())
    assert stores.documents.reject(first, reason, NOON).reason == reason
    (numbered,) = stores.number(second)
    waiting = Waiting(Reason("seal_failed", word(), word()), NOON)
    stores.documents.note_waiting(numbered, waiting)
    found = stores.documents.get("D2")
    assert found is not None
    assert found.waiting == waiting
    issued = stores.registers.finalise(numbered, FILE, NOON)
    for kind in (RulingKind.SUSPENDED, RulingKind.REVOKED):
        why = Decision(
            kind=kind,
            reason_code=ReasonCode.ERROR,
            reason=word(),
            by="head-1",
            agency_id="diw",
        )
        issued = issued.ruled(why, NOON + timedelta(hours=1))
        stores.registers.rule(issued, None)
    assert stores.documents.get("D2") == issued
    (voided,) = stores.number(third, after=1)
    assert stores.registers.void(voided, reason, by="seal", at=NOON).reason == reason
    assert stores.documents.get("D3") == voided.voided(reason, NOON)


def test_a_case_of_approval_reads_back_equal(stores: Stores) -> None:
    """B7, A13: what officers said of a classified document, and the signed record of it."""
    waiting = waiting_for(ONE, classified())
    stores.documents.add(waiting, None)
    why = word()
    said = decision(waiting, choice=Choice.REJECT, reason=why, record=f"e30.{why}.c2ln")
    ended = decided(waiting, said)
    stores.documents.decide(waiting, ended)
    found = stores.documents.get("D1")
    assert found == ended
    assert case_of(ended).decisions[0].reason == why


@pytest.mark.parametrize("form", [SECRET, Classification.NORMAL])
def test_nothing_of_it_lies_in_the_tables(stores: Stores, form: Classification) -> None:
    """Issue 7, 6: no item holds a word of a classified document, its lines or its decisions, in
    any form; of a normal one, planted the same way, every place is found: so the search sees."""
    words = {name: word() for name in ("subject", "person", "reason", "waiting", "ruling", "said")}
    planted = classified("D1", words["subject"], words["person"], classification=form)
    ended = classified("D2", words["subject"], words["person"], classification=form)
    judged = waiting_for(
        ONE, classified("D3", words["subject"], words["person"], classification=form)
    )
    for each in (planted, ended, judged):
        stores.documents.add(each, None)
    stores.documents.reject(ended, Reason("x", words["reason"], words["reason"]), NOON)
    said = decision(judged, choice=Choice.REJECT, reason=words["said"], record=words["said"])
    stores.documents.decide(judged, decided(judged, said))
    (numbered,) = stores.number(planted)
    waits = Reason("x", words["waiting"], words["waiting"])
    stores.documents.note_waiting(numbered, Waiting(waits, NOON))
    issued = stores.registers.finalise(numbered, FILE, NOON)
    why = Decision(
        kind=RulingKind.REVOKED,
        reason_code=ReasonCode.ERROR,
        reason=words["ruling"],
        by="head-1",
        agency_id="diw",
    )
    stores.registers.rule(issued.ruled(why, NOON), None)
    found = leaks(stores.everything(), words.values())
    told = set().union(*found.values()) if found else set()
    if form is SECRET:
        assert not found
    elif isinstance(stores.documents, DynamoDocumentStore):
        assert told == set(words.values())


def test_search_sees_what_it_may(stores: Stores) -> None:
    """Issue 7, 6 and P6: hidden documents are in no page, no count and no cursor; who is named
    for one finds that one."""
    reader = Officer("diw", "reader-1")
    every = [
        document("N1"),
        classified("C1", classification=CONFIDENTIAL, at=NOON + timedelta(minutes=1)),
        classified("S1", at=NOON + timedelta(minutes=2), named=frozenset({reader})),
        classified("S2", at=NOON + timedelta(minutes=3)),
        replace(document("N2", at=NOON + timedelta(minutes=4))),
    ]
    for each in every:
        stores.documents.add(each, None)

    def found(**asked: Any) -> list[str]:
        page = stores.documents.search(Search(agency_id="diw", **asked))
        assert page.cursor is None
        return [d.document_id for d in page.documents]

    assert found() == ["N2", "N1"]
    assert found(visible=frozenset({Classification.NORMAL, CONFIDENTIAL})) == ["N2", "C1", "N1"]
    assert found(visible=EVERYTHING) == ["N2", "S2", "S1", "C1", "N1"]
    assert found(named_for=reader) == ["N2", "S1", "N1"]
    assert found(named_for=Officer("dbd", "reader-1")) == ["N2", "N1"]
    assert found(visible=frozenset()) == []
    first = stores.documents.search(Search(agency_id="diw", limit=1))
    second = stores.documents.search(Search(agency_id="diw", limit=1, cursor=first.cursor))
    assert [d.document_id for d in second.documents] == ["N1"]


@pytest.mark.parametrize("text", [None, "ไม่มีคำนี้"])
def test_no_cursor_names_what_is_hidden(
    stores: Stores, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: a search that read its share, and stands among documents that must not be known, goes
    on with a cursor that names none of them, finds all that may be known, and ends."""
    monkeypatch.setattr(searching, "SEARCH_PAGES", 1)
    monkeypatch.setattr(documents, "SEARCH_PAGE_SIZE", 2)
    times = [NOON + timedelta(minutes=n) for n in range(12)]
    normal = {0, 5, 6}
    for n, at in enumerate(times):
        made = document(f"N{n:02d}", at=at) if n in normal else classified(f"S{n:02d}", at=at)
        stores.documents.add(made, None)
    found: list[str] = []
    cursor: str | None = None
    for _ in times:
        page = stores.documents.search(Search(agency_id="diw", text=text, cursor=cursor))
        found += [d.document_id for d in page.documents]
        cursor = page.cursor
        if cursor is None:
            break
        padded = cursor + "=" * (-len(cursor) % 4)
        assert b"#S" not in base64.urlsafe_b64decode(padded)
    assert cursor is None
    assert found == ([] if text else ["N06", "N05", "N00"])


def test_who_approves_is_shown_what_they_may_know(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: hidden documents are in no page and no cursor of the list of what awaits approval."""
    monkeypatch.setattr(searching, "SEARCH_PAGES", 1)
    monkeypatch.setattr(documents, "SEARCH_PAGE_SIZE", 2)
    reader = Officer("diw", "reader-1")
    for n in range(6):
        at = NOON + timedelta(minutes=n)
        named = frozenset({reader}) if n == 3 else frozenset[Officer]()
        made = document(f"N{n}", at=at) if n in {1, 4} else classified(f"S{n}", at=at, named=named)
        stores.documents.add(waiting_for(ONE, made), None)

    def found(**asked: Any) -> list[str]:
        ids: list[str] = []
        cursor: str | None = None
        for _ in range(9):
            page = stores.documents.awaiting(
                "diw", document_type=None, limit=1, cursor=cursor, **asked
            )
            ids += [d.document_id for d in page.documents]
            cursor = page.cursor
            if cursor is None:
                break
        assert cursor is None
        return ids

    assert found() == ["N1", "N4"]
    assert found(named_for=reader) == ["N1", "S3", "N4"]
    assert found(visible=EVERYTHING) == ["S0", "N1", "S2", "S3", "N4", "S5"]


def test_a_classified_document_is_found_by_its_number_alone(stores: Stores) -> None:
    """A2, A13: what a search looks in holds nothing of the content."""
    subject = word()
    accepted = classified("D1", subject, word())
    stores.documents.add(accepted, None)
    (numbered,) = stores.number(accepted)
    assert numbered.numbering is not None

    def found(text: str) -> int:
        wanted = Search(agency_id="diw", text=text, visible=EVERYTHING)
        return len(stores.documents.search(wanted).documents)

    assert found(subject) == 0
    assert found(numbered.numbering.printed) == 1


# -- lines of registers ------------------------------------------------------------


def test_a_line_is_read_without_its_texts_and_opened_by_who_may(stores: Stores) -> None:
    """A13: whoever reads a register sees number, date and classification; the texts are there for
    who has them opened, and what is not known is not taken for nothing."""
    accepted = classified()
    stores.documents.add(accepted, None)
    stores.number(accepted)
    (line,) = stores.registers.entries(REGISTER)
    assert (line.subject, line.counterpart, line.classification) == ("", "", SECRET)
    assert line.sealed
    (opened,) = stores.registers.opened([line])
    assert opened.subject == subject_of(accepted)
    assert opened.counterpart == claim_of(accepted).counterpart
    assert opened.sealed is None
    assert stores.registers.opened([replace(line, sealed=None)]) == (replace(line, sealed=None),)


def test_the_texts_of_one_line_do_not_open_at_another(stores: Stores) -> None:
    """A13: who can write the table cannot give one number the subject of another."""
    accepted = [classified(f"D{n}") for n in range(1, 4)]
    for each in accepted:
        stores.documents.add(each, None)
    stores.number(*accepted)
    one, two, _ = stores.registers.entries(REGISTER)
    with pytest.raises(SecretUnreadableError):
        stores.registers.opened([replace(two, sealed=one.sealed)])
    relabelled = replace(one, classification=CONFIDENTIAL)
    with pytest.raises(SecretUnreadableError):
        stores.registers.opened([relabelled])


def test_why_a_secret_number_is_reserved_stays_secret(stores: Stores) -> None:
    """A22, A13: a reservation in a secret book tells nobody what it is for, before and after its
    number is used."""
    reason, subject = word(), word()
    reserve = Reserve(
        reservation_id="R1", owner="clerk-1", reason=reason, expires_at=NOON + timedelta(days=1)
    )
    block = lay_out_reservation(REGISTER, Head(), reserve, ["5a" * 32], NOON)
    stores.registers.assign(block, {})
    (kept,) = stores.registers.entries(REGISTER)
    assert kept.reserve == replace(reserve, reason="")
    assert stores.registers.opened([kept]) == (replace(block.entries[0], sealed=None),)
    accepted = classified("D1", subject, word(), classification=CONFIDENTIAL)
    stores.documents.add(accepted, None)
    numbered = accepted.numbered(numbering_of(kept, "อก ๐๓๐๑"))
    (opened,) = stores.registers.opened([kept])
    used = replace(opened, subject=subject, counterpart="x", classification=CONFIDENTIAL)
    stores.registers.use_reserved(used, numbered)
    (line,) = stores.registers.opened(stores.registers.entries(REGISTER))
    assert (line.state, line.classification) == (EntryState.OPEN, CONFIDENTIAL)
    assert (line.subject, line.reserve) == (subject, reserve)
    assert not leaks(stores.everything(), [reason, subject])


def test_the_logs_are_made_without_opening_anything(stores: Stores) -> None:
    """P7: leaves of a secret register hold commitments; no key is needed to make them."""
    accepted = classified()
    stores.documents.add(accepted, None)
    stores.number(accepted)
    (line,) = stores.registers.entries(REGISTER)
    leaf = line.number_leaf()
    assert leaf.commitment == accepted.commitment
    assert subject_of(accepted).encode() not in leaf.to_bytes()


# -- deliveries ----------------------------------------------------------------------


def secret_letter(which: int = 1, subject: str = "") -> SentLetter:
    return letter(which, subject=subject or word(), classification=SECRET)


def planned(stores: Stores, sent: SentLetter) -> Delivery:
    moved = plan(sent, "dga", ChannelKind.HOSTED, at=SENT_AT, budget=BUDGET)
    delivery, (jws,) = give_evidence(moved, issuer=ISSUER, sign=sign)
    stores.deliveries.plan([(delivery, jws, "5a" * 32)], later(60))
    return delivery


def take(stores: Stores, seen: Delivery, event: DeliveryEvent, statement: str | None) -> Delivery:
    moved = happen(seen, event)
    assert isinstance(moved, Moved)
    delivery, evidence = give_evidence(moved, issuer=ISSUER, sign=sign)
    step = DeliveryChange(seen=seen, delivery=delivery, evidence=evidence, statement=statement)
    stores.deliveries.write(step)
    return delivery


@pytest.mark.parametrize("form", [SECRET, Classification.NORMAL])
def test_a_secret_letter_goes_its_whole_way_in_the_dark(
    stores: Stores, form: Classification
) -> None:
    """Issue 7, 6: subject, the recipient's reasons, what was signed about them, whom it was
    passed on to and why, and what was not believed: read as written, and told by no item; of a
    normal letter all of it is found there."""
    words = {n: word() for n in ("subject", "why", "signed", "note", "refused")}
    sent = replace(secret_letter(1, words["subject"]), classification=form)
    first = planned(stores, sent)
    arrived = take(stores, first, Consigned(at=later(20), received=received()), None)
    passing = Passing(unit="unit-1", by="clerk-1", at=later(25), note=words["note"])
    assert stores.deliveries.pass_on(first.id, passing).passed_on == (passing,)
    statement = sign(json.dumps({"reason": words["signed"]}).encode())
    digest = hashlib.sha256(statement.encode()).hexdigest()
    rejected = take(
        stores,
        arrived,
        Rejected(
            at=later(30),
            received=received(),
            reason=Reason("misdirected", words["why"], words["why"]),
            digest=digest,
        ),
        statement,
    )
    refused = RefusedAnswer(text=words["refused"], refusal=Refusal.UNREADABLE, at=later(40))
    stores.deliveries.refuse(first.id, refused)
    record = stores.deliveries.get(first.id)
    assert record is not None
    assert record.delivery == rejected
    assert record.delivery.letter == sent
    assert record.passed_on == (passing,)
    assert stores.deliveries.statement(first.id, digest) == statement
    assert stores.deliveries.statements(first.id) == (statement,)
    assert len(stores.deliveries.evidence(first.id)) == rejected.evidence_count
    assert stores.deliveries.refused(first.id) == (refused,)
    found = leaks(stores.everything(), words.values())
    if form is SECRET:
        assert not found
    elif isinstance(stores.deliveries, DynamoDeliveryStore):
        assert set().union(*found.values()) == set(words.values())


def test_lists_of_letters_show_what_they_may(stores: Stores) -> None:
    """P6: a secret letter is in no inbox and no outbox of who is not cleared, and is found there
    by its number alone."""
    subject = word()
    for sent in (letter(1, subject="ขอเชิญประชุม"), secret_letter(2, subject)):
        take(stores, planned(stores, sent), Consigned(at=later(20), received=received()), None)

    def found(agency: str, **asked: Any) -> list[str]:
        search = LetterSearch(agency_id=agency, **asked)
        look = stores.deliveries.inbox if agency == "dga" else stores.deliveries.outbox
        return sorted(r.delivery.letter.number for r in look(search).records)

    both = [letter(1).number, letter(2).number]
    for agency in ("dga", "slc"):
        assert found(agency) == both[:1]
        assert found(agency, visible=EVERYTHING) == both
        assert found(agency, visible=frozenset({SECRET})) == both[1:]
        assert found(agency, visible=frozenset()) == []
        assert found(agency, visible=EVERYTHING, text=subject) == []
        assert found(agency, visible=EVERYTHING, text="นร ๐๕๐๕/2") == both[1:]


def test_readers_of_a_document_are_named_on_what_was_seen(stores: Stores) -> None:
    """A13: exactly these read it from now on; who saw others named is refused, a repeat too, and
    names nobody twice."""
    stores.documents.add(classified("D1"), None)
    seen = stores.documents.get("D1")
    assert seen is not None
    first, second = Officer("diw", "reader-1"), Officer("diw", "reader-2")
    once = stores.documents.name_readers(seen, frozenset({first}))
    assert once.named == frozenset({first})
    with pytest.raises(DocumentMovedError):
        stores.documents.name_readers(seen, frozenset({second}))
    both = stores.documents.name_readers(once, frozenset({first, second}))
    assert stores.documents.get("D1") == both
    nobody = stores.documents.name_readers(both, frozenset())
    assert nobody == seen
    search = Search(agency_id="diw", named_for=first)
    assert stores.documents.search(search).documents == ()


def test_readers_of_a_letter_are_named_on_what_was_seen(stores: Stores) -> None:
    """A13: the same of a letter that came; whom its recipient names finds it in the inbox, and whom
    nobody named does not, neither there nor in the sender's outbox."""
    sent = planned(stores, secret_letter(1))
    take(stores, sent, Consigned(at=later(20), received=received()), None)
    seen = stores.deliveries.get(sent.id)
    assert seen is not None
    reader, other = Officer("dga", "reader-1"), Officer("dga", "reader-2")
    once = stores.deliveries.name_readers(seen, frozenset({reader}))
    assert once == replace(seen, named=frozenset({reader}))
    assert stores.deliveries.get(sent.id) == once
    with pytest.raises(DeliveryMovedError):
        stores.deliveries.name_readers(seen, frozenset({other}))

    def found(officer: Officer) -> int:
        search = LetterSearch(agency_id="dga", named_for=officer)
        return len(stores.deliveries.inbox(search).records)

    assert (found(reader), found(other)) == (1, 0)
    outbox = LetterSearch(agency_id="slc", named_for=reader)
    assert stores.deliveries.outbox(outbox).records == ()
    assert stores.deliveries.name_readers(once, frozenset()) == seen
    assert found(reader) == 0


def test_a_line_of_a_secret_receive_register_is_encrypted(stores: Stores) -> None:
    """A13: the recipient's register tells as little as the sender's."""
    subject = word()
    seen = take(
        stores,
        planned(stores, secret_letter(1, subject)),
        Consigned(at=later(20), received=received()),
        None,
    )
    step, entry = registering(seen, Head())
    secret_inbox = Register("dga", "receive-secret", INBOX.year)
    line: Entry = replace(
        entry,
        register=secret_inbox,
        subject=subject,
        counterpart="สำนักเลขาธิการคณะรัฐมนตรี",
        classification=SECRET,
    )
    stores.deliveries.register(step, line, Head())
    (kept,) = stores.registers.entries(secret_inbox)
    assert (kept.subject, kept.counterpart) == ("", "")
    assert stores.registers.opened([kept]) == (replace(line, sealed=None),)
    assert not leaks(stores.everything(), [subject])


# -- the archive -------------------------------------------------------------------


def secrecy(key: str, **changes: Any) -> SecretContext:
    return SecretContext(
        **{
            "document_id": "D1",
            "agency_id": "diw",
            "classification": SECRET,
            "purpose": key,
            **changes,
        }
    )


def put(stores: Stores, key: str, clear: bytes, **context: Any) -> ArchivedFile:
    return stores.archive.put_once(
        key, clear, UNTIL, LockMode.COMPLIANCE, secret=secrecy(key, **context)
    )


def test_a_classified_file_is_archived_as_its_encryption(stores: Stores) -> None:
    """P2, A13: digest and size are those of the clear file; what lies there is described beside
    them, and tells nothing."""
    planted = word()
    clear = f"%PDF-1.7 {planted}".encode()
    file = put(stores, "documents/x/D1.pdf", clear)
    assert (file.sha256, file.size) == (hashlib.sha256(clear).hexdigest(), len(clear))
    assert file.stored is not None
    assert file.stored.size > file.size
    assert stores.archive.read(file) == clear
    assert stores.archive.find("documents/x/D1.pdf") == file
    assert stores.inventory.read("documents/x/D1.pdf") == clear
    assert not leaks(stores.everything(), [planted])


def test_the_first_secret_bytes_win(stores: Stores) -> None:
    """P2, P8: a repeat, which encrypts anew, goes on with the file that was first."""
    first = put(stores, "documents/x/D1.pdf", b"first")
    assert put(stores, "documents/x/D1.pdf", b"second") == first
    assert stores.archive.read(first) == b"first"


def test_what_another_document_left_there_is_not_taken(stores: Stores) -> None:
    """P2, A13: what lies at a key and was encrypted for something else stops who finds it."""
    put(stores, "documents/x/D1.pdf", b"first")
    with pytest.raises(SecretUnreadableError):
        put(stores, "documents/x/D1.pdf", b"second", document_id="D2")


def test_a_moved_file_does_not_open(stores: Stores) -> None:
    """A13: an object copied to another key, metadata and all, opens for nobody."""
    put(stores, "documents/x/D1.pdf", b"first")
    stores.move("documents/x/D1.pdf", "documents/x/D2.pdf")
    if isinstance(stores.archive, MemoryArchive):
        stores.archive._secret["documents/x/D2.pdf"] = secrecy("documents/x/D2.pdf")
    with pytest.raises(SecretUnreadableError):
        stores.inventory.read("documents/x/D2.pdf")


def test_no_link_leads_to_a_classified_file(stores: Stores) -> None:
    """P6: a link would give who has it what nobody can read, or, in clear, what nobody may."""
    file = put(stores, "documents/x/D1.pdf", b"first")
    with pytest.raises(ArchiveError):
        stores.archive.link(file, filename="D1.pdf", seconds=60)


def test_other_bytes_than_were_archived_are_not_read(stores: Stores) -> None:
    """P2: what is served is what was sealed, or nothing."""
    file = put(stores, "documents/x/D1.pdf", b"first")
    with pytest.raises(ArchiveError):
        stores.archive.read(replace(file, sha256="00" * 32))
    clear = stores.archive.put_once("documents/x/D3.pdf", b"third", UNTIL, LockMode.COMPLIANCE)
    assert stores.archive.read(clear) == b"third"


def test_the_auditor_sees_both_digests(stores: Stores) -> None:
    """A26: what lies there is held against what was stored, its clear bytes against what was
    sealed; evidence records are over the clear bytes, so that they prove the PDF."""
    clear = b"%PDF-1.7 first"
    file = put(stores, "documents/x/D1.pdf", clear)
    quick, read = (
        stores.inventory.examine([file], read_bytes=read_bytes)[0] for read_bytes in (False, True)
    )
    assert quick is not None
    assert read is not None
    assert file.stored is not None
    assert (quick.size, quick.sha256) == (file.stored.size, file.stored.sha256)
    assert (read.sha256, read.clear_sha256) == (file.stored.sha256, file.sha256)
    (digests,) = stores.inventory.digests([file], "sha384")
    assert digests == (file.sha256, hashlib.sha384(clear).digest())


@pytest.mark.parametrize("gone", [("sealed",), ("classification",), ("sealed", "classification")])
def test_a_line_that_lost_its_texts_is_not_taken_for_one_without(
    stores: Stores, gone: tuple[str, ...]
) -> None:
    """A13, P2: a line of a register of secrets of which somebody took away what was encrypted, or
    that it is, or put a clear text there, is told of as classified, and never as one whose subject
    is empty, or what was put there."""
    accepted = classified("D1", classification=CONFIDENTIAL)
    stores.documents.add(accepted, None)
    stores.number(accepted)
    if not isinstance(stores.registers, DynamoRegisterStore):
        return
    entries = stores.registers._entries
    item = entries(REGISTER.register_id, EntryItem.line_of(1))
    removed = [getattr(entries, name).remove() for name in gone]
    item.update(actions=[*removed, entries.subject.set("เรื่องอื่น")])
    (kept,) = stores.registers.entries(REGISTER)
    assert kept.is_classified
    assert kept.subject == ""
    with pytest.raises(SecretUnreadableError):
        stores.registers.opened([kept])
