"""What the services need from outside, as Protocols.

Each has a real adapter and a fake in `adapters/memory.py`; one contract suite
(`tests/contract`) runs against both. Adapters translate vendor errors into
`domain.errors`; anything that may heal by waiting becomes `UnavailableError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from chalicelib.domain.access_log import AccessLeaf, AccessRecord
from chalicelib.domain.batches import Batch, BatchFile, BatchRef, BatchWork, Progress
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId
from chalicelib.domain.deliveries import Progress as LetterProgress
from chalicelib.domain.delivery_records import (
    DeliveryChange,
    DeliveryRecord,
    FileCheck,
    OpenItems,
    Passing,
    RefusedAnswer,
)
from chalicelib.domain.directory import Agency, DocumentType, Paper
from chalicelib.domain.documents import (
    ISSUED,
    ArchivedFile,
    Classification,
    Document,
    DocumentState,
    Reason,
    Waiting,
)
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.errors import FieldFault
from chalicelib.domain.evidence_records import ArchiveStamp, Chain
from chalicelib.domain.evidence_rounds import CoveredSlice, Members, Round, RoundEnd, RoundPlan
from chalicelib.domain.factor_events import LockNotice
from chalicelib.domain.keyring import HeldFactor, Keyring
from chalicelib.domain.letter_marks import LetterMarks
from chalicelib.domain.merkle import TreeHead
from chalicelib.domain.officers import Appointment, Authority, Client, Ending
from chalicelib.domain.persons import Officer
from chalicelib.domain.presentation import Attachment
from chalicelib.domain.proxies import Count, Use
from chalicelib.domain.published_types import TypeBundle, TypeRecord
from chalicelib.domain.registers import Block, Entry, Head, LogName, Register
from chalicelib.domain.retention import LockMode
from chalicelib.domain.seals import SealCredential, SealedPdf, SealLevel, SealPolicy
from chalicelib.domain.secrecy import SecretContext as SecretContext  # noqa: PLC0414 - part of this port
from chalicelib.domain.standing import Ruling
from chalicelib.domain.status_list import Marked, Purpose
from chalicelib.domain.status_list import Page as StatusPage
from chalicelib.domain.things import Thing
from chalicelib.domain.type_findings import Faint, TemplateNote
from chalicelib.domain.verdict import CheckedFile


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, timezone-aware, UTC."""


class Ids(Protocol):
    """Fresh identifiers: unguessable where they grant access."""

    def document_id(self) -> str:
        """Sortable by time of creation, unique."""

    def salt(self) -> str:
        """32 random bytes, hex."""

    def verification_code(self) -> str:
        """At least 100 random bits, in letters and digits that survive reading aloud."""


# -- state -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """An agency's Idempotency-Key and the digest of the body that came with it."""

    agency_id: str
    key: str
    request_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search within one agency. Times bound `submitted_at`, inclusive.

    `visible` are the classifications that whoever asks may know of; beyond them only documents
    for which `named_for` was named. Others are neither given nor counted, in no page and no
    cursor (P6). Of classified documents `text` is looked for in the number only.
    """

    agency_id: str
    state: DocumentState | None = None
    document_type: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    visible: frozenset[Classification] = frozenset({Classification.NORMAL})
    named_for: Officer | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents, newest first, and where to go on (None: nothing follows)."""

    documents: tuple[Document, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A document that still has work to do, as `sweep` sees it."""

    document_id: str
    state: DocumentState
    group: str
    due_at: datetime
    sweeps: int


class DocumentStore(Protocol):
    """Documents and the keys that lead to them. Reads are strongly consistent
    unless said otherwise."""

    def add(
        self, document: Document, claim: IdempotencyClaim | None, *others: Document
    ) -> Document:
        """Store a new document (and the others of its run), their verification codes and
        the idempotency claim in one transaction. A claim seen before with the same digest returns the document
        it made; with another digest raises IdempotencyKeyReusedError."""

    def made_by(self, claim: IdempotencyClaim) -> Document | None:
        """The document that this claim made before. Raises IdempotencyKeyReusedError if the
        key came with another body."""

    def get(self, document_id: str) -> Document | None: ...

    def get_many(self, document_ids: Sequence[str]) -> dict[str, Document]: ...

    def by_code(self, code: str) -> Document | None: ...

    def search(self, search: Search) -> Page:
        """Eventually consistent; never a table scan."""

    def reject(self, document: Document, reason: Reason, at: datetime) -> Document:
        """accepted → rejected. Raises DocumentMovedError if it is no longer accepted."""

    def decide(self, seen: Document, decided: Document) -> None:
        """Write what an officer's decision, a withdrawal or the end of its time made of a
        document that awaits approval: its case and, if that ended, its state (accepted or
        rejected with a reason). Raises DocumentMovedError unless the document is as `seen`,
        ValueError for one that would be accepted without enough decisions on its content.
        Dies half-way: nothing or everything was written."""

    def awaiting(
        self,
        agency_id: str,
        *,
        document_type: str | None,
        limit: int,
        cursor: str | None,
        visible: frozenset[Classification] = frozenset({Classification.NORMAL}),
        named_for: Officer | None = None,
    ) -> Page:
        """Documents on which this agency's approvers have to decide, the one that waits longest
        first; of what is classified as in `Search`. Eventually consistent; never a table scan."""

    def name_readers(self, seen: Document, named: frozenset[Officer]) -> Document:
        """Open a classified document to exactly these officers. Raises DocumentMovedError unless
        those it was open to are as `seen`."""

    def note_waiting(self, document: Document, waiting: Waiting) -> None:
        """Note what a numbered document waits for; since when stays as first noted. Does
        nothing to a document in another state."""

    def ruled_by(self, claim: IdempotencyClaim) -> tuple[Document, Ruling] | None:
        """The ruling that this claim made before, and its document as it is now. Raises
        IdempotencyKeyReusedError if the key came with another body."""

    def keep_evidence(self, document_id: str, evidence: str, *, notice: str = ISSUED) -> str:
        """Keep the first evidence ever given for a notice and return it: repeats send the same
        bytes (P5)."""

    def mark_notified(self, document_id: str, mark: str) -> Document:
        """Note that a recipient of an issued document was told something, or that its evidence,
        or what officers decided on a rejected one, is archived (`told_mark`, `archived_mark`).
        Repeatable. Raises DocumentMovedError if the document is neither issued nor rejected."""

    def settle(self, document: Document) -> None:
        """Nothing is left to do: `sweep` need not look any more, or not before the document
        `wakes_at`. Does nothing if the document was ruled on meanwhile. Repeatable."""

    def sleepers(self, due_before: datetime, limit: int) -> tuple[Unsettled, ...]:
        """Settled documents that had to be looked at again by then, because they expired;
        the one that waits longest first. Eventually consistent."""

    def wake(self, seen: Unsettled, due_at: datetime) -> bool:
        """From now on the document is unsettled, due at that time; False if somebody else
        woke it."""

    def unsettled(self, due_before: datetime, limit: int) -> tuple[Unsettled, ...]:
        """Documents with work left whose due time has passed, most overdue first.
        Eventually consistent."""

    def waiting_since(self, state: DocumentState) -> datetime | None:
        """When the document that waits longest in `state` was submitted; None if none waits.
        Eventually consistent. Reads what is kept of every document with work left, which is
        few in quiet times and all that waits in an outage."""

    def postpone(self, seen: Unsettled, due_at: datetime) -> bool:
        """Move the due time on; False if somebody else did, or it was settled."""


@dataclass(frozen=True, slots=True)
class OfficerPage:
    """Some appointments of an agency, by officer, and where to go on."""

    appointments: tuple[Appointment, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class AuthorityPage:
    """Some authorities of an agency, by holder, and where to go on."""

    authorities: tuple[Authority, ...]
    cursor: str | None


class OfficerStore(Protocol):
    """Appointments, authorities and applications. Strongly consistent unless said otherwise: an
    appointment takes effect at once, and so does its end (A7)."""

    def appointments_of(self, officer: Officer) -> tuple[Appointment, ...]:
        """All of one officer, those that ended too."""

    def appointment(self, agency_id: str, appointment_id: str) -> Appointment | None: ...

    def officers(self, agency_id: str, *, limit: int, cursor: str | None) -> OfficerPage:
        """All appointments of an agency, in pages: an agency may have 10,000 officers."""

    def appoint(self, appointment: Appointment) -> Appointment:
        """Store a new one. The same id again returns what was stored first."""

    def begin(self, appointment: Appointment) -> None:
        """Store the first administrator of an agency. Raises AlreadyBegunError if there ever was
        one. Dies half-way: nothing or everything was written."""

    def administrators(self, agency_id: str) -> tuple[Appointment, ...]:
        """Every appointment of an agency that is, will be or was an administrator's. One small
        query, however many officers there are."""

    def end(
        self, appointment: Appointment, ending: Ending, *, remaining: Appointment | None = None
    ) -> Appointment:
        """Note the end; the first one stands. Raises AppointmentRefusedError if `remaining` has
        an end, in the same moment: two administrators cannot end each other."""

    def grant(self, authority: Authority) -> Authority:
        """As `appoint`."""

    def authority(self, agency_id: str, authority_id: str) -> Authority | None: ...

    def authorities_of(self, holder: Officer) -> tuple[Authority, ...]: ...

    def authorities(self, agency_id: str, *, limit: int, cursor: str | None) -> AuthorityPage:
        """All authorities of an agency, in pages."""

    def revoke_authority(self, authority: Authority, ending: Ending) -> Authority:
        """As `end`."""

    def has_registrar(self, agency_id: str, classification: Classification, at: datetime) -> bool:
        """Whether somebody in the agency is, at that moment, a registrar of secrets cleared so
        far (A13). One small query, however many officers there are."""

    def client(self, client_id: str) -> Client | None: ...

    def clients(self, agency_id: str) -> tuple[Client, ...]:
        """All of an agency, those that ended too. An agency has some dozens."""

    def put_client(self, client: Client) -> None:
        """The last one stands. Raises AppointmentRefusedError if the id is another agency's."""


@dataclass(frozen=True, slots=True)
class LockedFactor:
    """That an officer's second factor is locked, as a supervisor may know it."""

    officer: Officer
    until: datetime


class FactorStore(Protocol):
    """Second factors, all of one officer at once. Strongly consistent."""

    def keyring(self, officer: Officer) -> Keyring:
        """What the officer has; an empty one if nothing was ever written."""

    def save(self, keyring: Keyring) -> None:
        """Write what was made of the keyring read at `keyring.revision`. Raises
        FactorMovedError if somebody wrote since, UnavailableError. Dies half-way: nothing or
        everything was written."""

    def locked(self, agency_id: str, at: datetime) -> tuple[LockedFactor, ...]:
        """Whose factors in an agency are locked then; the longest last."""


class FactorSecrets(Protocol):
    """Encrypts what is secret of a factor, each for its officer (issue 7, item 3)."""

    def seal(self, clear: bytes, officer: Officer) -> bytes:
        """Raises UnavailableError."""

    def open(self, sealed: bytes, officer: Officer) -> bytes:
        """Raises SecretUnreadableError if it was changed or is another officer's,
        UnavailableError."""


class OneTimeCodes(Protocol):
    """TOTP (RFC 6238): six digits, SHA-1, steps of 30 seconds, as every app has them. Pure."""

    def new_seed(self) -> bytes:
        """160 random bits (RFC 4226, section 4)."""

    def step_of(self, seed: bytes, code: str, steps: Sequence[int]) -> int | None:
        """The first of these time steps whose code it is."""

    def uri(self, seed: bytes, officer: Officer) -> str:
        """`otpauth://` as apps scan it. Secret: shown once, never kept."""

    def picture(self, uri: str) -> str:
        """The URI as QR code: SVG in a data URI (RFC 2397). As secret."""


@dataclass(frozen=True, slots=True)
class Asserted:
    """What an assertion says of itself, unchecked: which key, over which challenge."""

    credential_id: str
    challenge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key as it was registered."""

    credential_id: str
    public_key: bytes
    counter: int
    transports: tuple[str, ...]


class SecurityKeys(Protocol):
    """WebAuthn level 2, user verification required, attestation none. Pure. Challenges and
    credential ids are base64url without padding."""

    def challenge_of(self, random: bytes) -> str:
        """Random bytes as a challenge."""

    def registration_options(
        self, officer: Officer, challenge: str, known: Sequence[HeldFactor]
    ) -> Mapping[str, Any]:
        """For `navigator.credentials.create`; not with a key that is `known`."""

    def register(self, credential: Mapping[str, Any], challenge: str) -> NewKey | None:
        """The key, if the browser's answer holds (section 7.1)."""

    def assertion_options(self, challenge: str, known: Sequence[HeldFactor]) -> Mapping[str, Any]:
        """For `navigator.credentials.get`, with one of the keys `known`."""

    def asserted(self, assertion: Mapping[str, Any]) -> Asserted | None:
        """None if it cannot be read."""

    def counter_of(
        self, assertion: Mapping[str, Any], challenge: str, officer: Officer, key: HeldFactor
    ) -> int | None:
        """The authenticator's counter (0: it has none), if the assertion holds (section 7.2) but
        for that the counter went on."""


class ProxyUseStore(Protocol):
    """What e-Proxies were used for. Strongly consistent: a power that may be used once is used
    once."""

    def use(self, document_id: str, use_id: str) -> Use | None: ...

    def times(self, document_id: str, power: str) -> int:
        """How often the power of a proxy was used so far."""

    def enter(self, use: Use, counts: Sequence[Count]) -> Use:
        """Keep a use, and count it, in one transaction. The same id again returns what was kept
        first. Raises RegisterConflictError if one of the powers was used meanwhile."""


class Vault(Protocol):
    """Encrypts what is classified before it reaches any table, queue, log, bucket or cache (A13,
    C5)."""

    def seal(self, clear: bytes, context: SecretContext) -> bytes:
        """Encrypted under a data key of its own, which lies wrapped within. Raises
        UnavailableError."""

    def open(self, sealed: bytes, context: SecretContext) -> bytes:
        """Raises SecretUnreadableError if it was changed or is of another context,
        UnavailableError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSearch:
    """Which accesses a report is to tell. Times are inclusive; `agency_id` leaves only those of
    one agency's officers."""

    since: datetime | None = None
    until: datetime | None = None
    agency_id: str | None = None
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class AccessPage:
    """Some accesses, oldest first, and where to go on (None: nothing follows). It may hold fewer
    than were asked for, and something follow."""

    accesses: tuple[AccessRecord, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAccess:
    """A record as it is kept, for the audit: its bytes, and its place, if it has one. `waits`:
    whoever gives places will find it; `listed`: so will the reports."""

    access_id: str
    body: bytes
    seq: int | None
    waits: bool
    listed: bool = True


class AccessStore(Protocol):
    """The access log: records that wait for their place, and the logs of those that have one."""

    def add(self, *records: AccessRecord) -> None:
        """Keep records; once it returns, these accesses are in the log for ever. The same
        `access_id` again is the same access, as first kept. Raises UnavailableError. Dies
        half-way: some are kept; accesses whose answer never left."""

    def waiting(self, limit: int) -> tuple[AccessRecord, ...]:
        """Records without a place, of all logs, about oldest first. What is found has none;
        what was kept a moment ago may not be found yet."""

    def length(self, log_id: str) -> int:
        """How many places of a log are given. Strongly consistent."""

    def place(self, leaves: Sequence[AccessLeaf]) -> None:
        """Give records of one log the next places, all or none; `MOST_PLACED` at most. Raises
        RegisterConflictError if somebody else gave one of these places, or one of these records
        a place, meanwhile."""

    def leaves(self, log_id: str, *, start: int, limit: int) -> tuple[bytes, ...]:
        """Leaves `start`, `start + 1` … in their fixed order. Strongly consistent."""

    def logs(self) -> tuple[Register, ...]:
        """Every log in which ever a place was given."""

    def of_thing(self, thing: Thing, search: AccessSearch) -> AccessPage:
        """Accesses to a thing in all logs, placed or waiting. Eventually consistent; never a
        table scan."""

    def of_officer(self, officer: Officer, search: AccessSearch) -> AccessPage:
        """Accesses of one officer, placed or waiting. Eventually consistent."""

    def kept(self, log_id: str, access_ids: Sequence[str]) -> dict[str, KeptAccess]:
        """Records of a log by their ids. Strongly consistent."""

    def all_kept(self, log_id: str) -> Iterator[KeptAccess]:
        """Every record of a log; a page at a time. Strongly consistent."""

    def waiting_logs(self) -> tuple[Register, ...]:
        """Logs of which a record waits."""


class RegisterStore(Protocol):
    """Registers. Every write is one transaction together with the documents, and with
    what the outcome log will say of it."""

    def head(self, register: Register) -> Head:
        """How far the register is; Head() for one not begun."""

    def assign(self, block: Block, documents: Mapping[str, Document]) -> None:
        """Write head, entries and documents (as given: numbered) in ONE transaction.

        Entries of a reservation have no document. Raises RegisterConflictError if the
        head moved, is held by a batch, or another transaction was in the way, DocumentMovedError if a
        document is no longer accepted with this digest, RegisterClosedError once the
        year is being closed. Dies half-way: nothing or everything was written.
        """

    def use_reserved(self, entry: Entry, document: Document) -> None:
        """Entry reserved → open with the document's id and digest, document as given
        (numbered), outcome `reservation_used`, in one transaction. Raises
        EntryMovedError if the entry is no longer reserved, DocumentMovedError."""

    def insert(self, entry: Entry, document: Document) -> None:
        """Put an inserted entry under its parent, whose next child it must be; document
        as given (numbered); outcome `inserted`; in one transaction. Raises
        EntryMovedError if the parent has another number of children, DocumentMovedError,
        RegisterClosedError."""

    def release(self, entry: Entry, *, reason: str, by: str, at: datetime) -> None:
        """Reserved → void with reason, actor and time, outcome `void`. Repeatable.
        Raises EntryMovedError if the number was used meanwhile."""

    def finalise(
        self,
        document: Document,
        file: ArchivedFile,
        at: datetime,
        *,
        replaced: Document | None = None,
    ) -> Document:
        """Entry open → issued with the file's digest, document numbered → issued, in one
        transaction. `replaced` is the document it takes the place of, as it will be: that
        ruling is written in the same transaction, as by `rule`. Repeating it returns the
        document as first finalised. Raises RegisterConflictError if `replaced` was ruled on
        meanwhile."""

    def rule(self, document: Document, claim: IdempotencyClaim | None) -> None:
        """Write the last ruling of `document` (given as it will be): document, entry, status
        list, outcome and claim in one transaction; the document is unsettled again. A closed
        year is no hindrance: only numbers are closed. Raises RegisterConflictError if it was
        ruled on meanwhile or the claim was used. Dies half-way: nothing or everything was
        written."""

    def marked(self, register: Register, page: StatusPage) -> tuple[Marked, ...]:
        """The entries of a page of the status list that were ever ruled on, in order."""

    def void(self, document: Document, reason: Reason, *, by: str, at: datetime) -> Document:
        """Entry open → void, document numbered → void, in one transaction. Repeatable."""

    def entry(self, register: Register, number: int, child: int = 0) -> Entry | None: ...

    def children(self, register: Register, number: int) -> int:
        """How many numbers were inserted under this one."""

    def entries(
        self, register: Register, *, after: tuple[int, int] = (0, 0), limit: int = 100
    ) -> tuple[Entry, ...]:
        """Entries after position (number, child), in order; children follow their parent."""

    def opened(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """The same with subject and counterpart, where they are encrypted; only for who may see
        them. Raises SecretUnreadableError, UnavailableError."""

    def registers(self) -> tuple[Register, ...]:
        """Every register that was ever begun."""

    def expired(self, before: datetime, limit: int) -> tuple[Entry, ...]:
        """Reserved entries whose expiry lies before that. Eventually consistent."""

    def begin_closing(self, register: Register) -> Head:
        """From now on no number of this register is given. Repeatable. Raises RegisterHeldError
        while a batch holds it."""

    def mark_closed(self, register: Register, statement: str) -> Head:
        """Note the digest of the closing statement; the first one stands."""


class Lease(StrEnum):
    """What came of asking for a chunk: it is this worker's, it is done already, somebody else
    is at it, or its batch is not to be sealed now (paused, cancelled, ended)."""

    TAKEN = "taken"
    DONE = "done"
    BUSY = "busy"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ChunkState:
    """What is known of a chunk that somebody began."""

    done: bool
    leased_until: datetime


class BatchStore(Protocol):
    """Batches, the registers they hold, and the chunks of their sealing. Strongly consistent
    unless said otherwise. A batch is written only over the revision before it."""

    def add(self, batch: Batch, claim: IdempotencyClaim | None) -> Batch:
        """Store a new batch, once per claim; see `DocumentStore.add`."""

    def made_by(self, claim: IdempotencyClaim) -> Batch | None:
        """The batch that this claim made before. Raises IdempotencyKeyReusedError."""

    def get(self, ref: BatchRef) -> Batch | None: ...

    def of_agency(self, agency_id: str, *, before: str | None, limit: int) -> tuple[Batch, ...]:
        """The agency's batches, newest first, older than the batch id `before`."""

    def save(self, batch: Batch) -> None:
        """Write the next revision. Raises BatchMovedError if another one was written."""

    def due(self, before: datetime, limit: int) -> tuple[BatchRef, ...]:
        """Batches whose due time has passed. Eventually consistent."""

    def hold(self, batch: Batch, seen: Head) -> None:
        """Give the register to the batch, as given (with its hold), in one transaction.

        Raises RegisterConflictError if the head is not as seen any more, BatchMovedError.
        Dies half-way: both know of the hold, or neither.
        """

    def assign(self, block: Block, documents: Sequence[Document], batch: Batch) -> None:
        """Write head, entries, the new documents (as given: numbered) and their codes in ONE
        transaction. `batch` is the one that holds the register; if it is given as it will be
        when it has let go (state issuing), the register is free with the same transaction.

        Raises RegisterConflictError if the head moved, or is not this batch's,
        BatchMovedError. Dies half-way: nothing or everything was written.
        """

    def let_go(self, batch: Batch, seen: Head) -> None:
        """Free the register before all numbers were given; batch as given. Raises
        RegisterConflictError if the head is not as seen, BatchMovedError."""

    def lease(
        self, work: BatchWork, *, owner: str, now: datetime, until: datetime, sealing: bool
    ) -> Lease:
        """Ask for a chunk until a time at which the worker is surely gone. With `sealing` only
        while the batch may be sealed, decided in the same transaction: once it was paused or
        cancelled, nobody begins. A worker that died may take its own chunk again."""

    def finish_chunk(self, work: BatchWork, *, issued: int, void: int) -> None:
        """Note, once, how a chunk ended, and count it. Repeatable."""

    def chunks(self, ref: BatchRef) -> Mapping[int, ChunkState]:
        """Every chunk that somebody began, by its number."""

    def progress(self, ref: BatchRef) -> Progress:
        """The sum of what the finished chunks came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSearch:
    """A search in one agency's outbox (what it sent) or inbox (what came). `text` is looked for
    in number, subject and the other agency's id; times bound `planned_at` or, in the inbox,
    `entered_at`, inclusive. `unit` (inbox only): where the letter is now. `visible` as in
    `Search`, and `named_for` too, which is of the inbox only: whom a sender named is known of the
    letter. Of classified letters `text` is looked for in the number only."""

    agency_id: str
    state: DeliveryState | None = None
    text: str | None = None
    unit: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    visible: frozenset[Classification] = frozenset({Classification.NORMAL})
    named_for: Officer | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Some deliveries, newest first, and where to go on (None: nothing follows)."""

    records: tuple[DeliveryRecord, ...]
    cursor: str | None


class DeliveryStore(Protocol):
    """Deliveries, the evidence of each, what agencies stated about them, and what was refused
    (docs/adr/0041). Strongly consistent unless said otherwise.

    `told`, `archived`, `check` and passing on are noted apart from the state and may be noted
    while others write it.
    """

    def plan(self, planned: Sequence[tuple[Delivery, str, str]], due_at: datetime) -> None:
        """Store new deliveries, each with the JWS of its first evidence and its salt. One that
        is there already stays as it is. Repeatable. Dies half-way: some are stored, each of
        them whole, and the repeat stores the rest."""

    def get(self, delivery_id: DeliveryId) -> DeliveryRecord | None: ...

    def write(self, change: DeliveryChange) -> None:
        """State, evidence, statement and marks in ONE transaction. Raises DeliveryMovedError if
        somebody wrote since `change.seen`."""

    def register(self, change: DeliveryChange, entry: Entry, head: Head) -> None:
        """`write`, and in the same transaction `entry` as the next line of its register (whose
        head is as seen in `head`), final, with its outcome waiting for the log.

        Raises DeliveryMovedError, RegisterConflictError if the head moved, RegisterClosedError.
        Dies half-way: nothing or everything was written.
        """

    def evidence(self, delivery_id: DeliveryId) -> tuple[str, ...]:
        """The chain, as signed, in order."""

    def statement(self, delivery_id: DeliveryId, digest: str) -> str | None:
        """A receipt or rejection, as signed, by the SHA-256 (hex) of its JWS."""

    def statements(self, delivery_id: DeliveryId) -> tuple[str, ...]:
        """All that were kept, in the order they came."""

    def refuse(self, delivery_id: DeliveryId, refused: RefusedAnswer) -> None:
        """Keep what was not believed, once; beyond a hundred of one delivery nothing more."""

    def refused(self, delivery_id: DeliveryId) -> tuple[RefusedAnswer, ...]: ...

    def mark_told(self, delivery_id: DeliveryId, notice: str) -> None:
        """Note that a notice was given. Repeatable."""

    def mark_archived(self, delivery_id: DeliveryId, names: Sequence[str]) -> None:
        """Note what lies in the archive. Repeatable."""

    def keep_check(self, delivery_id: DeliveryId, check: FileCheck) -> None:
        """Note what verification said of the file; the last word stands."""

    def name_readers(self, seen: DeliveryRecord, named: frozenset[Officer]) -> DeliveryRecord:
        """Open a classified letter to exactly these officers of its recipient. Raises
        DeliveryMovedError unless those it was open to are as `seen`."""

    def pass_on(self, delivery_id: DeliveryId, passing: Passing) -> DeliveryRecord:
        """Note that the letter is with another unit now. Raises DeliveryMovedError if somebody
        else passed it on at the same moment."""

    def look_again(self, seen: Delivery, due_at: datetime | None) -> bool:
        """When somebody must look at it again (None: never). False, and nothing is written, if
        somebody wrote the state since `seen`."""

    def due(self, before: datetime, limit: int) -> tuple[DeliveryId, ...]:
        """Deliveries whose due time has passed, most overdue first. Eventually consistent."""

    def first_with(self, agency_id: str, marks: LetterMarks) -> DeliveryId | None:
        """The delivery that brought a letter of these marks to the agency first."""

    def of_letter(
        self, document_id: str, *, cursor: str | None = None, limit: int = 100
    ) -> LetterPage:
        """All attempts to all recipients, by recipient and attempt. Eventually consistent."""

    def progress(self, document_id: str) -> LetterProgress:
        """How far the letter is with all its recipients. Eventually consistent."""

    def outbox(self, search: LetterSearch) -> LetterPage:
        """Eventually consistent; never a table scan."""

    def inbox(self, search: LetterSearch) -> LetterPage:
        """What arrived, whatever became of it. Eventually consistent; never a table scan."""

    def open_items(self) -> OpenItems:
        """All deliveries that have no outcome yet. Eventually consistent."""


class BatchFiles(Protocol):
    """A batch's files: what its agency uploaded, and what Tra keeps of it for some weeks."""

    def invite(self, ref: BatchRef) -> UploadForm:
        """Permission to upload the batch's file, of a limited size. A later upload takes the
        place of an earlier one."""

    def uploaded(self, ref: BatchRef) -> UploadedFile | None:
        """What lies there now, if anything does."""

    def read(self, ref: BatchRef, etag: str, start: int) -> Iterator[bytes]:
        """The bytes from `start` on, in pieces. Raises BatchBrokenError if another file lies
        there by now, UnavailableError."""

    def keep(self, ref: BatchRef, name: str, content: bytes) -> None:
        """Keep a piece under this name; a repeat writes the same again."""

    def kept(self, ref: BatchRef, name: str) -> bytes | None: ...

    def write(self, ref: BatchRef, name: str, pieces: Iterable[bytes]) -> None:
        """Keep a file that is larger than memory."""

    def link(self, ref: BatchRef, name: str, *, filename: str, seconds: int) -> str:
        """A short-lived HTTPS link to a kept file."""


class BatchReader(Protocol):
    """Makes lines of an uploaded file."""

    def read(
        self,
        open_at: Callable[[int], Iterator[bytes]],
        file: BatchFile,
        place: Mapping[str, Any] | None,
        *,
        content_schema: Mapping[str, Any],
    ) -> Iterator[tuple[ReadLine, Mapping[str, Any]]]:
        """The lines from `place` on (None: from the beginning), each with the place after it;
        `open_at` gives the file's bytes from an offset on. Memory does not grow with the file.
        Cells of a CSV file become what `content_schema` says. Raises InvalidRequestError if the
        file cannot be read at all."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line of the file (1-based) and the body it makes; None with why it makes none."""

    number: int
    body: Mapping[str, Any] | None
    faults: tuple[FieldFault, ...] = ()


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file as it lies there; `etag` changes with its bytes."""

    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class LogState:
    """How far a log is published: its tree, the signed note over it, and who co-signed.

    `note` is None before the first checkpoint. `cosignatures` are signature lines
    over exactly this note.
    """

    head: TreeHead
    note: bytes | None = None
    cosignatures: tuple[str, ...] = ()


class LogStore(Protocol):
    """The order of leaves and the state of the logs; strongly consistent."""

    def sequence(self, register: Register) -> int:
        """Give every pending outcome its place in the outcome log, in transactions, and
        return the log's length. Raises RegisterConflictError if another sequencer was in
        the way. Dies half-way: some have their place, for ever; the rest follow."""

    def leaves(
        self, register: Register, log: LogName, *, start: int, limit: int
    ) -> tuple[bytes, ...]:
        """Leaves `start`, `start + 1` … of a log, in their fixed order; of the outcome log
        those that were sequenced."""

    def outcomes_of(self, register: Register, number: int, child: int = 0) -> tuple[int, ...]:
        """Places in the outcome log of what became of an entry, in order; those that were
        sequenced."""

    def state(self, register: Register, log: LogName) -> LogState:
        """What was published last; the empty tree before."""

    def advance(self, register: Register, log: LogName, old: LogState, new: LogState) -> None:
        """Publish `new` in place of `old`. Raises RegisterConflictError if another
        checkpoint was published meanwhile."""


class LogFiles(Protocol):
    """Tiles, entry bundles and the checkpoints of old, as files for everybody to read."""

    def put(self, register: Register, log: LogName, path: str, data: bytes) -> None:
        """Write once. Raises LogForkError if other bytes lie at `path` already."""

    def get(self, register: Register, log: LogName, path: str) -> bytes | None: ...

    def link(self, register: Register, log: LogName, path: str, *, seconds: int) -> str: ...


class LogSigner(Protocol):
    """The Ed25519 key that signs checkpoints."""

    def sign(self, message: bytes) -> bytes:
        """64 bytes (RFC 8032). Raises UnavailableError."""

    @property
    def public_key(self) -> bytes:
        """32 bytes."""


class Directory(Protocol):
    def agency(self, agency_id: str) -> Agency | None: ...

    def agencies(self) -> tuple[Agency, ...]: ...

    def put_agency(self, agency: Agency) -> None: ...

    def trust_anchors(self) -> tuple[str, ...]:
        """PEM certificates of the roots that seals and time-stamps must lead to."""

    def put_trust_anchors(self, pems: Sequence[str]) -> None: ...


class DocumentTypes(Protocol):
    def get(self, name: str, version: int | None = None) -> DocumentType | None:
        """The newest published version, or exactly the one asked for; None if there is none."""

    def all(self) -> tuple[DocumentType, ...]:
        """The newest version of each, by name."""


class TypeStore(Protocol):
    """Published types: their bundles, and the record that says which is which version."""

    def record(self, name: str) -> TypeRecord | None:
        """Strongly consistent; None if nothing of that name was ever published."""

    def records(self) -> tuple[TypeRecord, ...]:
        """All of them, by name; eventually consistent."""

    def bundle(self, name: str, digest: str) -> TypeBundle:
        """Raises UnavailableError, BundleDamagedError if other bytes lie there."""

    def keep(self, bundle: TypeBundle, retain_until: datetime, mode: LockMode) -> None:
        """Store the bundle under its digest, once and locked. Repeatable."""

    def replace(self, old: TypeRecord | None, new: TypeRecord) -> None:
        """`new` in place of `old` (None: of nothing). Raises UnavailableError if something
        else lies there."""


class ContentChecker(Protocol):
    def faults(self, document_type: DocumentType, content: object) -> tuple[FieldFault, ...]:
        """Every violation of the type's JSON Schema at once, pointers from the content's
        root. No message quotes a value."""


# -- messages ----------------------------------------------------------------


class WorkQueue(Protocol):
    """One of Tra's own queues: carries document ids, nothing personal."""

    def send(self, document_ids: Sequence[str], *, group: str | None = None) -> None:
        """Send one message per document. Raises UnavailableError unless all were taken;
        some may have been, and a message may come twice."""

    def send_batch(self, work: Sequence[BatchWork], *, group: str | None = None) -> None:
        """The same for work on batches."""

    def send_deliveries(self, deliveries: Sequence[DeliveryId]) -> None:
        """The same for work on deliveries of letters."""

    def send_lock(self, notice: LockNotice) -> None:
        """The same for what an agency is to hear of a second factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that failed too often, held for some seconds. `about` is what may be shown of
    it: the document, batch or delivery it names, or its message id. `handle` is the store's."""

    about: str
    handle: Any


class DeadLetters(Protocol):
    """One of Tra's queues and its dead-letter queue."""

    def count(self) -> int:
        """About how many lie there."""

    def take(self) -> Sequence[DeadLetter]:
        """Some of them, which nobody else gets for half a minute; none if there are no more."""

    def give_back(self, letter: DeadLetter) -> None:
        """Into its queue again, then out of here. Dies in between: it lies in both, and its
        function finds its work done."""

    def release(self, letter: DeadLetter) -> None:
        """Left as it was."""


class Channels(Protocol):
    """The agencies' own systems, each reached in its way."""

    def hand_in(self, agency: Agency, kind: ChannelKind, event: bytes) -> None:
        """Give an agency's system one CloudEvent (JSON, UTF-8). Returning means: it was taken.
        It may be given twice; the event's id is stable. There is nothing to do for an agency
        that is hosted here. Raises ChannelBusyError, ChannelRefusedError."""


# -- rendering, sealing, archiving -------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """What a template gets. `data` is JSON-able and holds everything printed; `attachments`
    are the files attached to the PDF, each with a name of its own: first the machine-readable
    content, then the same document in other forms."""

    document_type: str
    type_version: int
    max_pages: int
    data: Mapping[str, Any]
    attachments: tuple[Attachment, ...]
    paper: Paper = field(default_factory=Paper)


@dataclass(frozen=True, slots=True)
class LintedPdf:
    """Rendered bytes that passed `Renderer.lint`. Only this can be sealed."""

    pdf: bytes
    pages: int


class Renderer(Protocol):
    def render(self, request: RenderRequest) -> bytes:
        """PDF/A-3a bytes. Same request, same bytes. Raises RenderError."""

    def draw(self, request: RenderRequest, width: int) -> tuple[bytes, ...]:
        """The pages `render` makes, each as PNG, `width` pixels wide. Raises RenderError."""

    def lint(self, pdf: bytes, request: RenderRequest) -> LintedPdf:
        """Check the rendered file against what was asked. Raises LintError."""


class Previewer(Protocol):
    """Rendering for who must not load a renderer: the API asks another function."""

    def render(self, request: RenderRequest) -> LintedPdf:
        """Render and lint. Raises RenderError, LintError, UnavailableError."""


class Side(StrEnum):
    """Of a document of one or two pages."""

    FRONT = "front"
    BACK = "back"
    BOTH = "both"


class PagePainter(Protocol):
    """Pictures of pages, for who must not load a renderer."""

    def paint(self, request: RenderRequest, side: Side, width: int) -> bytes:
        """PNG, `width` pixels wide; both sides stand one below the other. Raises RenderError,
        NoPictureError if there is no such side, UnavailableError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSheet:
    """A register as printed for people (A25): every text is ready. `created_at` is the
    time of printing in seconds since 1970; each of `rows` has a text per head."""

    agency: str
    title: str
    year: str
    extent: str
    selection: str | None
    printed_at: str
    created_at: int
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """Pages of a type that is not published yet: what `Renderer` would make, how text leaves
    its place, and what the renderer warns of."""

    pdf: bytes
    stray: tuple[str, ...]
    warnings: tuple[TemplateNote, ...]


class ProofPress(Protocol):
    """Rendering for the authors of types, within the same bounds as in the service. Errors say
    where in the template they are, and may quote it."""

    def proof(
        self, bundle: TypeBundle, request: RenderRequest, *, accessible: bool = False
    ) -> Proof:
        """PDF/A-3a; `accessible`: PDF/UA-1 as well (ISO 14289-1), or refused. Raises
        TemplateFaultError, TemplateLimitError, RenderError, UnavailableError."""

    def pictures(self, bundle: TypeBundle, request: RenderRequest) -> tuple[bytes, ...]:
        """A PNG of each page. Raises as `proof`."""

    def lint(self, pdf: bytes, request: RenderRequest) -> LintedPdf:
        """As Renderer."""

    def faint(self, pdf: bytes) -> tuple[Faint, ...]:
        """Text whose contrast is below level AA (WCAG 2.2, 1.4.3)."""


class RegisterPrinter(Protocol):
    def print_register(self, sheet: RegisterSheet) -> bytes:
        """PDF bytes, A4 across. Raises RenderError, UnavailableError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StampSheet:
    """What is laid over a copy of a document: the receive stamp (ตรารับ), no `lines` while there is
    none, and when it was printed; `created_at` is that in seconds since 1970. `reader`: whose copy
    it is, over every page of a classified document (C5)."""

    agency: str
    lines: tuple[str, ...]
    printed_at: str
    created_at: int
    reader: str = ""


class CopyPrinter(Protocol):
    def print_copy(self, sealed: bytes, sheet: StampSheet) -> bytes:
        """PDF bytes: the pages of the sealed file, marked as a copy, the stamp on the first.
        Raises RenderError, UnavailableError."""


class Sealer(Protocol):
    def seal(
        self, linted: LintedPdf, credentials: Sequence[SealCredential], policy: SealPolicy
    ) -> SealedPdf:
        """The linted file plus what `policy.level` adds to it, sealed with the first of
        `credentials` that can be used now. Raises SealError naming what is wrong with each
        of them, TimestampError, RevocationUnknownError, UnavailableError."""

    def verify_own(self, sealed: SealedPdf, linted: LintedPdf) -> None:
        """Check a seal just made before it can leave. Raises SealVerificationError."""


class XmlSealer(Protocol):
    def seal_xml(
        self, xml: bytes, credentials: Sequence[SealCredential], policy: SealPolicy
    ) -> bytes:
        """The XML document plus an enveloped XAdES signature as last child of its root
        (EN 319 132-1), made with the first of `credentials` that can be used now and
        checked before it is returned. B-B if `policy.level` is, else B-T: what proves
        for longer lies around it, in the PDF. Raises XmlRefusedError, and as `Sealer`."""


class EvidenceSigner(Protocol):
    def sign(self, payload: bytes, *, media_type: str | None = None) -> str:
        """Compact JWS (RFC 7515), ES256, with `kid`; `typ` if a media type is given."""

    def jwks(self) -> Mapping[str, Any]:
        """The public keys as a JWK Set (RFC 7517)."""


@dataclass(frozen=True, slots=True)
class SignedList:
    """A status list as signed (`application/vc+jwt`); `etag` is the same while its bits are."""

    jwt: str
    etag: str


class StatusLists(Protocol):
    """Signed status lists for who must not sign: the API asks another function."""

    def get(self, register: Register, purpose: Purpose, page: StatusPage) -> SignedList:
        """At most some seconds old. Raises UnavailableError."""


class FileChecker(Protocol):
    """Verification for who must not load a PDF library: the API asks another function."""

    def check(self, pdf: bytes, anchors: Sequence[str]) -> CheckedFile:
        """Raises UnavailableError."""

    def check_upload(self, upload_id: str, anchors: Sequence[str]) -> CheckedFile:
        """Raises NotFoundError if nothing was uploaded under this id, UnavailableError."""

    def check_linked(self, link: str, anchors: Sequence[str]) -> CheckedFile:
        """A file of any size that a short-lived link of this deployment's own (`Archive.link`)
        leads to. Raises UnavailableError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """Where and how to send one file: a form POST with these fields and the file last."""

    url: str
    fields: Mapping[str, str]
    largest: int
    seconds: int


class Uploads(Protocol):
    """Files that the public sends to be verified; they are gone within days."""

    def invite(self, upload_id: str) -> UploadForm:
        """Permission to send one PDF of a limited size."""

    def read(self, upload_id: str) -> bytes:
        """Raises NotFoundError if there is none, UnavailableError."""


class Archive(Protocol):
    def put_once(
        self,
        key: str,
        sealed: bytes,
        retain_until: datetime,
        mode: LockMode,
        *,
        media_type: str = "application/pdf",
        seal_level: SealLevel | None = None,
        proof_until: datetime | None = None,
        secret: SecretContext | None = None,
    ) -> ArchivedFile:
        """Write under Object Lock if nothing lies at `key`; otherwise describe what lies
        there (P2). Whoever was first wins, for ever. What is known of the seal lies with
        the bytes, so that a repeat is told of the seal that won, not of its own.

        With `secret` (whose purpose is `key`) only its encryption is written, and a repeat opens
        what lies there to describe it. Raises SecretUnreadableError, UnavailableError."""

    def put_pieces_once(
        self,
        key: str,
        pieces: Iterable[bytes],
        retain_until: datetime,
        mode: LockMode,
        *,
        media_type: str,
    ) -> ArchivedFile:
        """`put_once` for a file that comes in pieces and need not fit into memory."""

    def find(self, key: str) -> ArchivedFile | None:
        """What lies at `key`, if anything does."""

    def read(self, file: ArchivedFile) -> bytes:
        """Exactly this version's clear bytes. Raises ArchiveError if they are not the ones that
        were archived, SecretUnreadableError, UnavailableError."""

    def link(self, file: ArchivedFile, *, filename: str, seconds: int) -> str:
        """A short-lived HTTPS link to exactly this version. Raises ArchiveError for a classified
        file: nobody could read what lies there, and no link ends at who it was given to."""


# -- evidence records ----------------------------------------------------------


class ArchiveStamper(Protocol):
    """Time-stamps for archives: with all in them that a validator will ask for."""

    def stamp(self, digest: bytes, algorithm: str) -> ArchiveStamp:
        """A checked time-stamp over `digest` (made with `algorithm`). Raises TimestampError,
        RevocationUnknownError."""

    def refresh(self, token: bytes) -> bytes:
        """The same time-stamp with revocation data as of now, for the next one to cover.
        Raises RevocationUnknownError, also if its authority was revoked."""


class EvidenceRecords(Protocol):
    """RFC 4998 in DER. Pure: nothing outside is asked."""

    def record(self, chains: Sequence[Chain]) -> bytes:
        """EvidenceRecord."""

    def sequence(self, chains: Sequence[Chain]) -> bytes:
        """ArchiveTimeStampSequence: what a hash-tree renewal covers of the past."""

    def imprint(self, token: bytes) -> tuple[str, bytes]:
        """Hash algorithm and digest that a token is over. Raises EvidenceRecordError."""


class RoundStore(Protocol):
    """Rounds and slices of evidence: the index of what lies locked in the archive. Strongly
    consistent."""

    def rounds(self) -> tuple[Round, ...]:
        """All, oldest first."""

    def members(self, number: int) -> Members:
        """What a round covers. Raises EvidenceRecordError if there is no such round."""

    def plan(self, plan: RoundPlan) -> None:
        """Write the intent of the next round. Raises RegisterConflictError if that number was
        planned by somebody else."""

    def finish(self, plan: RoundPlan, end: RoundEnd) -> None:
        """Note the slices of the round and the rounds it covers, then how it ended; the first
        end stands. Repeatable. Dies half-way: the round has no end yet, and the repeat
        notes the rest."""

    def slices(self, register: Register) -> tuple[CoveredSlice, ...]:
        """All of a register, in order."""

    def last_slice(self, register: Register) -> CoveredSlice | None: ...

    def slice_of(self, register: Register, place: int) -> CoveredSlice | None:
        """The slice that holds this place of the outcome log."""


# -- reading for the audit ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of a key in the archive, or (`deleted`) the mark that it was deleted."""

    key: str
    version_id: str
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What lies in the archive, whatever was written down of it: `lock_mode` and
    `retain_until` are None without a lock, `sha256` (hex) if nothing tells it. `clear_sha256` is
    that of the clear bytes if what lies there is encrypted and was read; empty if it does not
    open."""

    size: int
    sha256: str | None
    lock_mode: LockMode | None
    retain_until: datetime | None
    clear_sha256: str | None = None


class ArchiveInventory(Protocol):
    """The archive as an auditor sees it: everything that lies there, nothing written."""

    def versions(self, prefix: str) -> Iterator[FileVersion]:
        """Every version and every deletion mark below `prefix`, by key; a page at a time."""

    def examine(
        self, files: Sequence[ArchivedFile], *, read_bytes: bool
    ) -> tuple[Examined | None, ...]:
        """What really lies at each file's key and version; None where nothing does. The
        digest is made from the bytes, or, unless `read_bytes`, is the one the store
        checked when they came. Raises UnavailableError."""

    def digests(
        self, files: Sequence[ArchivedFile], algorithm: str
    ) -> tuple[tuple[str, bytes] | None, ...]:
        """Of the clear bytes at each file's key and version: SHA-256 (hex), and the digest made
        with `algorithm`, as hashlib names it; None where nothing lies. Raises UnavailableError,
        SecretUnreadableError."""

    def read(self, key: str) -> bytes | None:
        """The newest version's clear bytes, for small files. Raises UnavailableError,
        SecretUnreadableError."""


class LogInventory(Protocol):
    """All files of the logs, found without knowing their names."""

    def paths(self, register: Register, log: LogName, prefix: str) -> Iterator[str]:
        """Paths that begin so, in order; a page at a time."""

    def read(
        self, register: Register, log: LogName, paths: Sequence[str]
    ) -> tuple[bytes | None, ...]:
        """Newest bytes at each path. Raises UnavailableError."""
