"""The only room that builds adapters: lazily, once per container.

Each factory imports its adapter inside, so that a function loads only what it
uses: `api` never loads pyHanko or typst, which only sealing needs.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from chalicelib.config import Settings, Stage
from chalicelib.ports import Clock

if TYPE_CHECKING:
    from chalicelib.adapters.dynamodb.registers import DynamoRegisterStore
    from chalicelib.adapters.http_log import HttpLog
    from chalicelib.adapters.kms import KmsEvidenceSigner
    from chalicelib.adapters.oidc import JwksVerifier
    from chalicelib.adapters.preview_function import PreviewFunction
    from chalicelib.adapters.trust import CredentialChecker, RevocationSource, TrustWatch
    from chalicelib.adapters.tsa import TimestampAuthorities
    from chalicelib.adapters.types import PublishedDocumentTypes
    from chalicelib.domain.authority_health import AuthorityHealth
    from chalicelib.domain.batches import BatchRef
    from chalicelib.domain.clock_bound import ClockBound
    from chalicelib.domain.directory import DocumentType
    from chalicelib.domain.evidence_records import RecordVerdict
    from chalicelib.domain.evidence_rounds import RenewalPolicy
    from chalicelib.domain.holidays import Holidays
    from chalicelib.domain.notes import VerifierKey
    from chalicelib.domain.published_types import TypeBundle
    from chalicelib.ports import (
        AccessStore,
        Archive,
        ArchiveInventory,
        ArchiveStamper,
        BatchFiles,
        BatchReader,
        BatchStore,
        Channels,
        ContentChecker,
        CopyPrinter,
        DeadLetters,
        DeliveryStore,
        Directory,
        DocumentStore,
        DocumentTypes,
        EvidenceRecords,
        EvidenceSigner,
        FactorSecrets,
        FactorStore,
        FileChecker,
        Ids,
        LogFiles,
        LogInventory,
        LogSigner,
        LogStore,
        OfficerStore,
        OneTimeCodes,
        PagePainter,
        Previewer,
        ProxyUseStore,
        RegisterPrinter,
        RegisterStore,
        Renderer,
        RoundStore,
        Sealer,
        SecurityKeys,
        StatusLists,
        TypeStore,
        Uploads,
        Vault,
        WorkQueue,
        XmlSealer,
    )
    from chalicelib.services.advance_batch import BatchRoom
    from chalicelib.services.appoint import PersonnelOffice
    from chalicelib.services.approve import ApprovalRoom
    from chalicelib.services.audit import AuditRoom
    from chalicelib.services.audit.room import Watch
    from chalicelib.services.batches import BatchDesk
    from chalicelib.services.bundle import BundleRoom
    from chalicelib.services.bundle_trust import BundleTrust, ReplyKeys
    from chalicelib.services.check_arrival import ArrivalRoom
    from chalicelib.services.check_batch import CheckLine
    from chalicelib.services.check_type import ProofRoom
    from chalicelib.services.checkpoint import CheckpointRoom
    from chalicelib.services.checkpoint_accesses import AccessCheckpointRoom
    from chalicelib.services.close import ClosingRoom
    from chalicelib.services.cosign import CosigningRoom
    from chalicelib.services.decide_case import CaseRoom
    from chalicelib.services.deliver import Courier
    from chalicelib.services.delivery_steps import DeliveryRoom
    from chalicelib.services.dispatch import DispatchRoom
    from chalicelib.services.first_administrator import BootstrapRoom
    from chalicelib.services.name_readers import ReaderRoom
    from chalicelib.services.number import Numberer
    from chalicelib.services.number_batch import BatchNumberer
    from chalicelib.services.preview import PreviewRoom
    from chalicelib.services.print_accesses import PaperRoom
    from chalicelib.services.print_copy import CopyRoom
    from chalicelib.services.print_register import PrintingRoom
    from chalicelib.services.prove import ProvingRoom
    from chalicelib.services.publish_type import PublishingRoom
    from chalicelib.services.reading_copy import ReadingRoom
    from chalicelib.services.records import RecordRoom
    from chalicelib.services.register_letter import ReceivingRoom
    from chalicelib.services.renew import RenewalRoom
    from chalicelib.services.renewals import PlanRoom
    from chalicelib.services.report_access import ReportRoom
    from chalicelib.services.resend_letter import ResendRoom
    from chalicelib.services.reserve import ReservationDesk
    from chalicelib.services.revoke import Bench
    from chalicelib.services.seal import SealingRoom
    from chalicelib.services.seal_chunk import ChunkRoom
    from chalicelib.services.send import SendingRoom
    from chalicelib.services.show_picture import PictureRoom
    from chalicelib.services.status_list import StatusRoom
    from chalicelib.services.sweep import Broom
    from chalicelib.services.take_answer import AnswerRoom
    from chalicelib.services.tell_lock import LockRoom
    from chalicelib.services.use_factor import FactorRoom
    from chalicelib.services.use_proxy import ProxyRoom
    from chalicelib.services.verify import SealValidator
    from chalicelib.services.verify_document import VerificationRoom
    from chalicelib.services.witness import WitnessRoom


def utc_now() -> datetime:
    return datetime.now(UTC)


class House:
    """Everything the handlers need, built on first use."""

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self.trust_watch: TrustWatch | None = None
        """Whoever wants to know what time-stamps show; `handlers/trust_watch.py`."""

    # -- adapters ------------------------------------------------------------

    @cached_property
    def ids(self) -> Ids:
        from chalicelib.adapters.ids import RandomIds

        return RandomIds()

    @cached_property
    def documents(self) -> DocumentStore:
        from chalicelib.adapters.dynamodb.documents import DynamoDocumentStore

        return DynamoDocumentStore(
            self.settings.documents_table, sweep_after=self._sweep_after, vault=self.vault
        )

    @cached_property
    def registers(self) -> RegisterStore:
        return self._register_store

    @cached_property
    def logs(self) -> LogStore:
        return self._register_store

    @cached_property
    def _register_store(self) -> DynamoRegisterStore:
        from chalicelib.adapters.dynamodb.registers import DynamoRegisterStore

        return DynamoRegisterStore(
            self.settings.registers_table,
            self.settings.documents_table,
            sweep_after=self._sweep_after,
            vault=self.vault,
        )

    @cached_property
    def deliveries(self) -> DeliveryStore:
        from chalicelib.adapters.dynamodb.deliveries import DynamoDeliveryStore

        return DynamoDeliveryStore(
            self.settings.deliveries_table, self.settings.registers_table, self.vault
        )

    @cached_property
    def access_log(self) -> AccessStore:
        from chalicelib.adapters.dynamodb.access_log import DynamoAccessStore

        return DynamoAccessStore(self.settings.access_table)

    @cached_property
    def directory(self) -> Directory:
        from chalicelib.adapters.dynamodb.directory import DynamoDirectory

        settings = self.settings
        return DynamoDirectory(
            settings.directory_table, fresh_seconds=settings.directory_fresh_seconds
        )

    @cached_property
    def officers(self) -> OfficerStore:
        from chalicelib.adapters.dynamodb.officers import DynamoOfficers

        return DynamoOfficers(self.settings.officers_table)

    @cached_property
    def factors(self) -> FactorStore:
        from chalicelib.adapters.dynamodb.factors import DynamoFactors

        return DynamoFactors(self.settings.factors_table)

    @cached_property
    def factor_secrets(self) -> FactorSecrets:
        from chalicelib.adapters.factor_secrets import KmsFactorSecrets

        return KmsFactorSecrets(_client("kms"), self.settings.factors_key_id)

    @cached_property
    def one_time_codes(self) -> OneTimeCodes:
        from chalicelib.adapters.totp import PyotpCodes

        return PyotpCodes()

    @cached_property
    def security_keys(self) -> SecurityKeys:
        from chalicelib.adapters.security_keys import WebauthnKeys

        settings = self.settings
        return WebauthnKeys(settings.webauthn_rp_id, settings.webauthn_origins)

    @cached_property
    def holidays(self) -> Holidays:
        from chalicelib.adapters.holidays import read_holidays

        return read_holidays()

    @cached_property
    def types(self) -> DocumentTypes:
        return self._published_types

    @cached_property
    def _published_types(self) -> PublishedDocumentTypes:
        from chalicelib.adapters.types import PackagedDocumentTypes, PublishedDocumentTypes

        return PublishedDocumentTypes(
            PackagedDocumentTypes(),
            self.type_store,
            fresh_seconds=self.settings.directory_fresh_seconds,
        )

    @cached_property
    def type_store(self) -> TypeStore:
        from chalicelib.adapters.type_store import AwsTypeStore

        settings = self.settings
        return AwsTypeStore(settings.directory_table, _client("s3"), settings.archive_bucket)

    @cached_property
    def content_checker(self) -> ContentChecker:
        from chalicelib.adapters.jsonschema import JsonSchemaContentChecker

        return JsonSchemaContentChecker()

    @cached_property
    def archive(self) -> Archive:
        from chalicelib.adapters.s3 import S3Archive

        return S3Archive(_client("s3"), self.settings.archive_bucket, self.vault)

    @cached_property
    def vault(self) -> Vault:
        from chalicelib.adapters.vault import KmsVault

        return KmsVault(_keys, self.settings.secrets_key_id)

    @cached_property
    def log_files(self) -> LogFiles:
        from chalicelib.adapters.log_files import S3LogFiles

        return S3LogFiles(_client("s3"), self.settings.logs_bucket)

    @cached_property
    def log_signer(self) -> LogSigner:
        from chalicelib.adapters.log_signer import KmsLogSigner

        return KmsLogSigner(_client("kms"), self.settings.log_key_id)

    @cached_property
    def archive_inventory(self) -> ArchiveInventory:
        from chalicelib.adapters.archive_inventory import S3ArchiveInventory

        return S3ArchiveInventory(_client("s3"), self.settings.archive_bucket, self.vault)

    @cached_property
    def log_inventory(self) -> LogInventory:
        from chalicelib.adapters.archive_inventory import S3LogInventory

        return S3LogInventory(_client("s3"), self.settings.logs_bucket)

    @cached_property
    def rounds(self) -> RoundStore:
        from chalicelib.adapters.dynamodb.rounds import DynamoRounds

        return DynamoRounds(self.settings.registers_table)

    @cached_property
    def evidence_records(self) -> EvidenceRecords:
        from chalicelib.adapters.ers import DerEvidenceRecords

        return DerEvidenceRecords()

    @cached_property
    def archive_stamper(self) -> ArchiveStamper:
        from chalicelib.adapters.ers_stamps import EmbeddingStamper

        return EmbeddingStamper(self.timestamper, self.revocation)

    @cached_property
    def number_queue(self) -> WorkQueue:
        return self._queue(self.settings.number_queue_url)

    @cached_property
    def batches(self) -> BatchStore:
        from chalicelib.adapters.dynamodb.batches import DynamoBatchStore

        return DynamoBatchStore(self.settings.registers_table, self.settings.documents_table)

    @cached_property
    def batch_files(self) -> BatchFiles:
        from chalicelib.adapters.batch_storage import S3BatchFiles

        return S3BatchFiles(_client("s3"), self.settings.batches_bucket)

    @cached_property
    def batch_reader(self) -> BatchReader:
        from chalicelib.adapters.batch_reading import FileReader

        return FileReader()

    @cached_property
    def batch_queue(self) -> WorkQueue:
        return self._queue(self.settings.batch_queue_url)

    @cached_property
    def batch_seal_queue(self) -> WorkQueue:
        return self._queue(self.settings.batch_seal_queue_url)

    @cached_property
    def seal_queue(self) -> WorkQueue:
        return self._queue(self.settings.seal_queue_url)

    @cached_property
    def deliver_queue(self) -> WorkQueue:
        return self._queue(self.settings.deliver_queue_url)

    @cached_property
    def dispatch_queue(self) -> WorkQueue:
        return self._queue(self.settings.dispatch_queue_url)

    @cached_property
    def channels(self) -> Channels:
        from chalicelib.adapters.channels import AgencyChannels
        from chalicelib.adapters.webhook import Webhooks

        webhooks = Webhooks(
            self._evidence_key, clock=self.clock, local=self.settings.stage is Stage.LOCAL
        )
        return AgencyChannels(_queues, webhooks)

    @cached_property
    def evidence_signer(self) -> EvidenceSigner:
        return self._evidence_key

    @cached_property
    def _evidence_key(self) -> KmsEvidenceSigner:
        from chalicelib.adapters.kms import KmsEvidenceSigner

        return KmsEvidenceSigner(_client("kms"), self.settings.evidence_key_id)

    @cached_property
    def renderer(self) -> Renderer:
        from chalicelib.adapters.typst import TypstRenderer

        return TypstRenderer(bundles=self._published_types.bundle)

    @cached_property
    def sealer(self) -> Sealer:
        from chalicelib.adapters.pades.sealer import PadesSealer

        return PadesSealer(self.credential_checker, self.timestamper, clock=self.clock)

    @cached_property
    def xml_sealer(self) -> XmlSealer:
        from chalicelib.adapters.xades import XadesSealer

        return XadesSealer(
            self.credential_checker,
            self.timestamper,
            anchors=self.directory.trust_anchors,
            clock=self.clock,
        )

    @cached_property
    def revocation(self) -> RevocationSource:
        from chalicelib.adapters.revocation import HttpRevocation

        return HttpRevocation(clock=self.clock)

    @cached_property
    def timestamper(self) -> TimestampAuthorities:
        from chalicelib.adapters.tsa import TimestampAuthorities

        return TimestampAuthorities(
            self.settings.timestamp_urls,
            anchors=self.directory.trust_anchors,
            revocation=self.revocation,
            clock=self.clock,
            policies=self.settings.timestamp_policies,
            timeout=self.settings.timestamp_timeout_ms / 1000,
            room=self.settings.timestamp_room,
            refuse_development=self.settings.is_production,
            watch=self,
        )

    def clock_seen(self, authority: str, bound: ClockBound) -> None:
        """As adapters.trust.TrustWatch: tells the watch of this moment."""
        if self.trust_watch is not None:
            self.trust_watch.clock_seen(authority, bound)

    def authority_changed(self, health: AuthorityHealth) -> None:
        if self.trust_watch is not None:
            self.trust_watch.authority_changed(health)

    @cached_property
    def credential_checker(self) -> CredentialChecker:
        from chalicelib.adapters.clock_witness import ClockWitness
        from chalicelib.adapters.kms import KmsSigningKey
        from chalicelib.adapters.seal_credentials import KmsCredentialChecker

        checker = KmsCredentialChecker(
            key_of=lambda key_id: KmsSigningKey(_client("kms"), key_id),
            anchors=self.directory.trust_anchors,
            revocation=self.revocation,
            clock=self.clock,
            refuse_development=self.settings.is_production,
        )
        return ClockWitness(checker, self.timestamper)

    @cached_property
    def previewer(self) -> Previewer:
        return self._preview_function

    @cached_property
    def page_painter(self) -> PagePainter:
        return self._preview_function

    @cached_property
    def register_printer(self) -> RegisterPrinter:
        return self._preview_function

    @cached_property
    def copy_printer(self) -> CopyPrinter:
        return self._preview_function

    @cached_property
    def _preview_function(self) -> PreviewFunction:
        from chalicelib.adapters.preview_function import PreviewFunction

        return PreviewFunction(_client("lambda"), self.settings.preview_function)

    @cached_property
    def paper_printer(self) -> RegisterPrinter:
        """The printer itself, for the function that has one."""
        from chalicelib.adapters.typst_register import TypstRegisterPrinter

        return TypstRegisterPrinter()

    @cached_property
    def paper_copier(self) -> CopyPrinter:
        """As `paper_printer`, of copies."""
        from chalicelib.adapters.typst_copy import TypstCopyPrinter

        return TypstCopyPrinter()

    def answer_preview(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the `preview` function answers; see `adapters/preview_function.py`."""
        from chalicelib.adapters.preview_function import answer

        return answer(event, self.renderer, self.paper_printer, self.paper_copier)

    @cached_property
    def file_checker(self) -> FileChecker:
        from chalicelib.adapters.verify_function import VerifyFunction

        return VerifyFunction(_client("lambda"), self.settings.verify_function)

    @cached_property
    def status_lists(self) -> StatusLists:
        from chalicelib.adapters.status_function import StatusFunction

        function = self.settings.status_function
        return StatusFunction(_client("lambda"), function, clock=self.clock)

    def answer_status(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the `status` function answers; see `adapters/status_function.py`."""
        from chalicelib.adapters.status_function import answer
        from chalicelib.services.status_list import make_list

        return answer(event, partial(make_list, room=self.status_room))

    @cached_property
    def uploads(self) -> Uploads:
        from chalicelib.adapters.uploads import S3Uploads

        return S3Uploads(_client("s3"), self.settings.uploads_bucket)

    def answer_verification(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the `verify` function answers; see `adapters/verify_function.py`."""
        from chalicelib.adapters.pades_validation import BoundedValidator
        from chalicelib.adapters.verify_function import answer
        from chalicelib.services.check_file import check_file

        check = partial(check_file, reader=BoundedValidator())
        return answer(event, check, self.uploads)

    @cached_property
    def token_verifier(self) -> JwksVerifier:
        from chalicelib.adapters.oidc import JwksVerifier

        return JwksVerifier(
            self.settings.oidc_issuer,
            self.settings.oidc_audience,
            clock=self.clock,
            names=self.settings.oidc_claims,
            leeway=timedelta(seconds=self.settings.oidc_leeway_seconds),
        )

    # -- collaborators of the services ---------------------------------------

    @cached_property
    def numberer(self) -> Numberer:
        from chalicelib.services.number import Numberer

        return Numberer(
            documents=self.documents,
            registers=self.registers,
            directory=self.directory,
            officers=self.officers,
            types=self.types,
            seal_queue=self.seal_queue,
            clock=self.clock,
            pause=_pause,
        )

    @cached_property
    def batch_numberer(self) -> BatchNumberer:
        from chalicelib.services.number_batch import BatchNumberer

        return BatchNumberer(
            batches=self.batches,
            registers=self.registers,
            files=self.batch_files,
            directory=self.directory,
            batch_queue=self.batch_queue,
            clock=self.clock,
            pause=_pause,
            sweep_after=self._sweep_after,
        )

    @cached_property
    def batch_desk(self) -> BatchDesk:
        from chalicelib.services.batches import BatchDesk

        return BatchDesk(
            batches=self.batches,
            files=self.batch_files,
            number_queue=self.number_queue,
            batch_queue=self.batch_queue,
            clock=self.clock,
            ids=self.ids,
            sweep_after=self._sweep_after,
        )

    def batch_room(self, check_line: CheckLine) -> BatchRoom:
        """What goes on with a batch; `check_line` is the edge's own validation."""
        from chalicelib.services.advance_batch import BatchRoom
        from chalicelib.services.check_batch import CheckRoom
        from chalicelib.services.end_batch import EndRoom

        return BatchRoom(
            checking=CheckRoom(
                batches=self.batches,
                files=self.batch_files,
                reader=self.batch_reader,
                check_line=check_line,
                clock=self.clock,
                sweep_after=self._sweep_after,
            ),
            ending=EndRoom(
                batches=self.batches,
                documents=self.documents,
                registers=self.registers,
                archive=self.archive,
                deliver_queue=self.deliver_queue,
                clock=self.clock,
                lock_mode=self.settings.lock_mode,
                public_url=self.settings.public_url,
            ),
            types=self.types,
            directory=self.directory,
            number_queue=self.number_queue,
            batch_queue=self.batch_queue,
            seal_queue=self.batch_seal_queue,
            sweep_after=self._sweep_after,
        )

    @cached_property
    def chunk_room(self) -> ChunkRoom:
        from chalicelib.services.seal_chunk import ChunkRoom

        return ChunkRoom(batches=self.batches, batch_queue=self.batch_queue, clock=self.clock)

    @cached_property
    def sealing_room(self) -> SealingRoom:
        from chalicelib.services.seal import SealingRoom

        return SealingRoom(
            documents=self.documents,
            registers=self.registers,
            directory=self.directory,
            types=self.types,
            renderer=self.renderer,
            sealer=self.sealer,
            xml_sealer=lambda: self.xml_sealer,
            archive=self.archive,
            deliver_queue=self.deliver_queue,
            clock=self.clock,
            public_url=self.settings.public_url,
            lock_mode=self.settings.lock_mode,
        )

    @cached_property
    def courier(self) -> Courier:
        from chalicelib.services.deliver import Courier

        return Courier(
            documents=self.documents,
            directory=self.directory,
            signer=self.evidence_signer,
            archive=self.archive,
            channels=self.channels,
            sending=self.sending_room,
            deliver_queue=self.deliver_queue,
            clock=self.clock,
            public_url=self.settings.public_url,
            lock_mode=self.settings.lock_mode,
        )

    @cached_property
    def delivery_room(self) -> DeliveryRoom:
        from chalicelib.services.delivery_steps import DeliveryRoom

        return DeliveryRoom(
            deliveries=self.deliveries,
            directory=self.directory,
            signer=self.evidence_signer,
            dispatch_queue=self.dispatch_queue,
            holidays=self.holidays,
            clock=self.clock,
            pause=_pause,
            public_url=self.settings.public_url,
            look_after=self._sweep_after,
            give_up_after=timedelta(seconds=self.settings.give_up_after_seconds),
        )

    @cached_property
    def sending_room(self) -> SendingRoom:
        from chalicelib.services.send import SendingRoom

        return SendingRoom(
            steps=self.delivery_room,
            documents=self.documents,
            registers=self.registers,
            ids=self.ids,
        )

    @cached_property
    def dispatch_room(self) -> DispatchRoom:
        from chalicelib.services.archive_delivery import DeliveryArchive
        from chalicelib.services.check_arrival import check_arrival
        from chalicelib.services.dispatch import DispatchRoom
        from chalicelib.services.give_notices import NoticeRoom

        return DispatchRoom(
            steps=self.delivery_room,
            channels=self.channels,
            archive=DeliveryArchive(
                deliveries=self.deliveries,
                archive=self.archive,
                lock_mode=self.settings.lock_mode,
                clock=self.clock,
            ),
            notices=NoticeRoom(
                deliveries=self.deliveries,
                directory=self.directory,
                channels=self.channels,
                clock=self.clock,
                public_url=self.settings.public_url,
            ),
            check_arrival=partial(check_arrival, room=self.arrival_room),
        )

    @cached_property
    def arrival_room(self) -> ArrivalRoom:
        from chalicelib.services.check_arrival import ArrivalRoom

        return ArrivalRoom(
            deliveries=self.deliveries,
            documents=self.documents,
            archive=self.archive,
            checker=self.file_checker,
            anchors=self._believed_anchors,
            clock=self.clock,
        )

    @cached_property
    def receiving_room(self) -> ReceivingRoom:
        from chalicelib.services.register_letter import ReceivingRoom

        return ReceivingRoom(
            delivering=self.delivery_room, registers=self.registers, arrivals=self.arrival_room
        )

    @cached_property
    def answer_room(self) -> AnswerRoom:
        from chalicelib.adapters.jws import check_jws
        from chalicelib.services.take_answer import AnswerRoom

        return AnswerRoom(delivering=self.delivery_room, check_jws=check_jws)

    @cached_property
    def copy_room(self) -> CopyRoom:
        from chalicelib.services.print_copy import CopyRoom

        return CopyRoom(
            deliveries=self.deliveries,
            documents=self.documents,
            archive=self.archive,
            printer=self.copy_printer,
            clock=self.clock,
        )

    @cached_property
    def reader_room(self) -> ReaderRoom:
        from chalicelib.services.name_readers import ReaderRoom

        return ReaderRoom(
            documents=self.documents,
            deliveries=self.deliveries,
            officers=self.officers,
            clock=self.clock,
            pause=_pause,
        )

    @cached_property
    def reading_room(self) -> ReadingRoom:
        from chalicelib.services.reading_copy import ReadingRoom

        return ReadingRoom(archive=self.archive, printer=self.copy_printer, clock=self.clock)

    @cached_property
    def resend_room(self) -> ResendRoom:
        from chalicelib.services.resend_letter import ResendRoom

        return ResendRoom(delivering=self.delivery_room, documents=self.documents, ids=self.ids)

    @cached_property
    def bench(self) -> Bench:
        from chalicelib.services.revoke import Bench

        return Bench(
            documents=self.documents,
            registers=self.registers,
            deliver_queue=self.deliver_queue,
            clock=self.clock,
            pause=_pause,
        )

    @cached_property
    def case_room(self) -> CaseRoom:
        from chalicelib.services.decide_case import CaseRoom

        return CaseRoom(
            documents=self.documents,
            number_queue=self.number_queue,
            deliver_queue=self.deliver_queue,
            clock=self.clock,
            pause=_pause,
        )

    @cached_property
    def approval_room(self) -> ApprovalRoom:
        from chalicelib.services.approve import ApprovalRoom

        return ApprovalRoom(
            cases=self.case_room,
            officers=self.officers,
            signer=self.evidence_signer,
            public_url=self.settings.public_url,
            at_once=self.settings.approve_at_once,
        )

    @cached_property
    def status_room(self) -> StatusRoom:
        from chalicelib.services.status_list import StatusRoom

        return StatusRoom(
            registers=self.registers,
            signer=self.evidence_signer,
            clock=self.clock,
            public_url=self.settings.public_url,
        )

    @cached_property
    def reservation_desk(self) -> ReservationDesk:
        from chalicelib.services.reserve import ReservationDesk

        return ReservationDesk(
            registers=self.registers, clock=self.clock, ids=self.ids, pause=_pause
        )

    @cached_property
    def broom(self) -> Broom:
        from chalicelib.services.sweep import Broom

        return Broom(
            documents=self.documents,
            registers=self.registers,
            batches=self.batches,
            number_queue=self.number_queue,
            seal_queue=self.seal_queue,
            deliver_queue=self.deliver_queue,
            batch_queue=self.batch_queue,
            deliveries=self.deliveries,
            dispatch_queue=self.dispatch_queue,
            cases=self.case_room,
            clock=self.clock,
            sweep_after=self._sweep_after,
        )

    @cached_property
    def checkpoint_room(self) -> CheckpointRoom:
        from chalicelib.adapters.ed25519 import verify
        from chalicelib.services.checkpoint import CheckpointRoom

        return CheckpointRoom(
            registers=self.registers,
            logs=self.logs,
            files=self.log_files,
            signer=self.log_signer,
            verify=verify,
            public_url=self.settings.public_url,
        )

    @cached_property
    def access_checkpoint_room(self) -> AccessCheckpointRoom:
        from chalicelib.services.checkpoint_accesses import (
            PAGE,
            AccessCheckpointRoom,
            AccessLogFiles,
            AccessLogs,
            LeafKeeper,
        )

        keeper = LeafKeeper(
            archive=self.archive,
            lock_mode=self.settings.lock_mode,
            years=self.settings.access_retention_years,
        )
        checkpoints = replace(
            self.checkpoint_room,
            logs=AccessLogs(access_log=self.access_log, states=self.logs),
            files=AccessLogFiles(access_log=self.access_log, public=self.log_files),
            keep=keeper.keep,
            page=PAGE,
        )
        return AccessCheckpointRoom(access_log=self.access_log, checkpoints=checkpoints)

    @cached_property
    def audit_room(self) -> AuditRoom:
        from chalicelib.adapters.ed25519 import verify
        from chalicelib.services.audit import AuditRoom

        return AuditRoom(
            documents=self.documents,
            registers=self.registers,
            deliveries=self.deliveries,
            logs=self.logs,
            archive=self.archive_inventory,
            log_files=self.log_inventory,
            access_log=self.access_log,
            rounds=self.rounds,
            records=self.evidence_records,
            renewal=self.renewal_policy,
            log_key=lambda: self.log_signer.public_key,
            verify=verify,
            verify_evidence=self._verify_evidence,
            clock=self.clock,
            public_url=self.settings.public_url,
            is_paused=self._is_paused,
        )

    def _verify_evidence(self, jws: str) -> bytes:
        """The payload of what the evidence key signed. Raises EvidenceSignatureError."""
        from chalicelib.adapters.jws import check_jws

        return check_jws(jws, self.evidence_signer.jwks())

    def _is_paused(self, ref: BatchRef) -> bool:
        batch = self.batches.get(ref)
        return batch is not None and batch.paused

    @cached_property
    def closing_room(self) -> ClosingRoom:
        from chalicelib.services.close import ClosingRoom

        return ClosingRoom(
            registers=self.registers,
            checkpoints=self.checkpoint_room,
            archive=self.archive,
            signer=self.evidence_signer,
            clock=self.clock,
            lock_mode=self.settings.lock_mode,
        )

    @cached_property
    def record_room(self) -> RecordRoom:
        from chalicelib.services.records import RecordRoom

        return RecordRoom(
            logs=self.logs,
            rounds=self.rounds,
            inventory=self.archive_inventory,
            records=self.evidence_records,
        )

    @cached_property
    def bundle_room(self) -> BundleRoom:
        from chalicelib.services.bundle import BundleRoom
        from chalicelib.services.bundle_deliveries import DeliveriesRoom

        return BundleRoom(
            proving=self.proving_room,
            records=self.record_room,
            deliveries=DeliveriesRoom(
                deliveries=self.deliveries, registers=self.registers, proving=self.proving_room
            ),
            clock=self.clock,
            record_due_after=self.renewal_policy.patience,
        )

    @cached_property
    def renewal_room(self) -> RenewalRoom:
        from chalicelib.services.renew import RenewalRoom

        return RenewalRoom(
            documents=self.documents,
            registers=self.registers,
            logs=self.logs,
            rounds=self.rounds,
            archive=self.archive,
            inventory=self.archive_inventory,
            stamper=self.archive_stamper,
            records=self.evidence_records,
            clock=self.clock,
            lock_mode=self.settings.lock_mode,
            policy=self.renewal_policy,
        )

    @cached_property
    def plan_room(self) -> PlanRoom:
        from chalicelib.services.renewals import PlanRoom

        return PlanRoom(
            documents=self.documents,
            registers=self.registers,
            logs=self.logs,
            rounds=self.rounds,
            clock=self.clock,
            policy=self.renewal_policy,
            timestamp_price_satang=self.settings.timestamp_price_satang,
        )

    @property
    def renewal_policy(self) -> RenewalPolicy:
        from chalicelib.domain.evidence_rounds import RenewalPolicy

        return RenewalPolicy(
            slice_days=self.settings.slice_days,
            lead=timedelta(days=self.settings.renewal_lead_days),
        )

    @cached_property
    def proving_room(self) -> ProvingRoom:
        from chalicelib.services.prove import ProvingRoom

        return ProvingRoom(
            logs=self.logs,
            files=self.log_files,
            signer=self.log_signer,
            public_url=self.settings.public_url,
        )

    @cached_property
    def cosigning_room(self) -> CosigningRoom:
        from chalicelib.adapters.ed25519 import verify
        from chalicelib.services.cosign import CosigningRoom

        return CosigningRoom(
            logs=self.logs, directory=self.directory, verify=verify, clock=self.clock
        )

    @cached_property
    def proxy_uses(self) -> ProxyUseStore:
        from chalicelib.adapters.dynamodb.proxies import DynamoProxyUses

        return DynamoProxyUses(self.settings.registers_table)

    @cached_property
    def proxy_room(self) -> ProxyRoom:
        from chalicelib.services.use_proxy import ProxyRoom

        return ProxyRoom(
            documents=self.documents,
            uses=self.proxy_uses,
            signer=self.evidence_signer,
            archive=self.archive,
            clock=self.clock,
            pause=_pause,
            public_url=self.settings.public_url,
            lock_mode=self.settings.lock_mode,
        )

    @cached_property
    def personnel_office(self) -> PersonnelOffice:
        from chalicelib.services.appoint import PersonnelOffice

        return PersonnelOffice(officers=self.officers, directory=self.directory, clock=self.clock)

    @cached_property
    def factor_room(self) -> FactorRoom:
        from chalicelib.services.use_factor import FactorRoom

        return FactorRoom(
            factors=self.factors,
            secrets=self.factor_secrets,
            codes=self.one_time_codes,
            keys=self.security_keys,
            clock=self.clock,
            ids=self.ids,
            pause=_pause,
            dispatch_queue=self.dispatch_queue,
        )

    @cached_property
    def lock_room(self) -> LockRoom:
        from chalicelib.services.tell_lock import LockRoom

        return LockRoom(
            directory=self.directory,
            channels=self.channels,
            public_url=self.settings.public_url,
        )

    @cached_property
    def preview_room(self) -> PreviewRoom:
        from chalicelib.services.preview import PreviewRoom

        return PreviewRoom(
            directory=self.directory,
            types=self.types,
            copier=self.copy_printer,
            previewer=self.previewer,
            clock=self.clock,
            ids=self.ids,
            public_url=self.settings.public_url,
        )

    @cached_property
    def picture_room(self) -> PictureRoom:
        from chalicelib.services.show_picture import PictureRoom

        return PictureRoom(
            directory=self.directory,
            types=self.types,
            painter=self.page_painter,
            clock=self.clock,
            public_url=self.settings.public_url,
        )

    @cached_property
    def printing_room(self) -> PrintingRoom:
        from chalicelib.services.print_register import PrintingRoom

        return PrintingRoom(
            registers=self.registers,
            deliveries=self.deliveries,
            types=self.types,
            printer=self.register_printer,
            clock=self.clock,
        )

    @cached_property
    def report_room(self) -> ReportRoom:
        from chalicelib.services.report_access import ReportRoom

        return ReportRoom(
            access_log=self.access_log, documents=self.documents, officers=self.officers
        )

    @cached_property
    def paper_room(self) -> PaperRoom:
        from chalicelib.services.print_accesses import PaperRoom

        return PaperRoom(printer=self.register_printer, clock=self.clock)

    @cached_property
    def verification_room(self) -> VerificationRoom:
        from chalicelib.services.verify_document import VerificationRoom

        return VerificationRoom(
            documents=self.documents,
            deliveries=self.deliveries,
            anchors=self._believed_anchors,
            checker=self.file_checker,
            uploads=self.uploads,
            bundle_trust=self._own_keys,
            clock=self.clock,
            ids=self.ids,
        )

    def _own_keys(self) -> BundleTrust:
        """This deployment's keys. All its logs share one, each under its own name."""
        from chalicelib.domain.notes import KeyKind, VerifierKey

        _, _, address = self.settings.public_url.partition("://")
        key = VerifierKey(address, KeyKind.LOG, self.log_signer.public_key)
        return bundle_trust(
            log_keys=(key,),
            jwks=self.evidence_signer.jwks(),
            reply_keys=self._reply_keys,
            anchors=self._believed_anchors(),
        )

    def _reply_keys(self, agency_id: str) -> Sequence[Mapping[str, str]] | None:
        """What an agency's own system signs receipts with, as the directory says."""
        agency = self.directory.agency(agency_id)
        return agency.reply_keys if agency else None

    def _believed_anchors(self) -> tuple[str, ...]:
        """What verifies for the public: in production nothing of the development PKI, whoever
        put it into the directory. (What seals says of itself that it is of that PKI.)"""
        anchors = tuple(self.directory.trust_anchors())
        if not self.settings.is_production:
            return anchors
        from chalicelib.adapters.x509_paths import without_development

        return without_development(anchors)

    @property
    def _sweep_after(self) -> timedelta:
        return timedelta(seconds=self.settings.sweep_after_seconds)

    def _queue(self, url: str) -> WorkQueue:
        from chalicelib.adapters.sqs import SqsWorkQueue

        return SqsWorkQueue(_client("sqs"), url, self.ids)


def seal_validator() -> SealValidator:
    """What verifies seals offline; needs no settings (the `tra` command uses it)."""
    from chalicelib.adapters.pades_validation import BoundedValidator

    return BoundedValidator(seconds=120)


def bundle_trust(
    *,
    log_keys: tuple[VerifierKey, ...] = (),
    jwks: Mapping[str, Any] | None = None,
    reply_keys: ReplyKeys | None = None,
    anchors: tuple[str, ...] = (),
) -> BundleTrust:
    """What verifies evidence bundles under these keys; needs no settings."""
    from chalicelib.adapters.ed25519 import verify
    from chalicelib.adapters.jws import check_jws
    from chalicelib.services.bundle_trust import BundleTrust, no_reply_keys

    return BundleTrust(
        verify=verify,
        check_jws=check_jws,
        log_keys=log_keys,
        jwks=jwks,
        reply_keys=reply_keys or no_reply_keys,
        anchors=anchors,
        check_record=_check_record,
        attached=_attached,
    )


def _attached(pdf: bytes, name: str) -> bytes | None:
    """A file within a PDF; None if there is none, or the PDF cannot be read: then its own verdict
    says so."""
    from chalicelib.adapters.pades_validation import PadesValidator

    return PadesValidator().attached(pdf, name)


def _check_record(record: bytes, data: bytes, anchors: Sequence[str]) -> RecordVerdict:
    """What an evidence record proves; imported only where there is one to be checked."""
    from chalicelib.adapters.ers_validation import ErsValidator
    from chalicelib.domain.errors import EvidenceRecordError
    from chalicelib.domain.evidence_records import judge_record, unreadable_record

    try:
        return judge_record(ErsValidator(utc_now).observe(record, data, anchors))
    except EvidenceRecordError:
        return unreadable_record()


def fetch_json(url: str) -> Mapping[str, Any]:
    """A JSON object from a URL that the user named. Raises UnavailableError."""
    from chalicelib.adapters.jws import fetch

    return fetch(url)


def public_log(url: str) -> HttpLog:
    """A public log of any deployment, over HTTP; needs no settings."""
    from chalicelib.adapters.http_log import HttpLog

    return HttpLog(url)


def new_witness_key(path: Path, name: str) -> VerifierKey:
    """Make a witness key in a file that is not there yet; returns its public half."""
    from chalicelib.adapters.witness_files import new_key

    return new_key(path, name).verifier


@contextmanager
def witness_room(
    url: str, *, key_file: Path, state: Path, log_key: VerifierKey | None
) -> Iterator[WitnessRoom]:
    """What witnesses the log at `url`, with what it remembers under `state`. Without
    `log_key` the log's own word is taken, the first time, and held against it later."""
    from chalicelib.adapters.ed25519 import verify
    from chalicelib.adapters.witness_files import NotebookFiles, read_key
    from chalicelib.services.witness import WitnessRoom

    log, key = public_log(url), read_key(key_file)
    with NotebookFiles.opened(state, url) as notebook:
        yield WitnessRoom(
            log=log,
            log_key=notebook.trust(log_key or log.key()),
            notebook=notebook,
            key=key.verifier,
            sign=key.sign,
            verify=verify,
            clock=utc_now,
        )


def ed25519_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """What checks checkpoints; see `adapters/ed25519.py`."""
    from chalicelib.adapters.ed25519 import verify

    return verify(public_key, message, signature)


def run_function(name: str, event: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Invoke a function of a deployment and wait for what it returns, as JSON. Credentials,
    region and endpoint are those of `environment`. Raises UnavailableError."""
    from chalicelib.adapters.functions import invoke

    return invoke(name, event, environment)


def auditor(stack: str, environment: Mapping[str, str], watch: Watch) -> AuditRoom:
    """What audits a deployment from outside, in this process and with the credentials of
    `environment`: it needs no more than the policy of the `audit` function, and
    permission to read that function's settings. Raises UnavailableError."""
    from chalicelib.adapters.functions import settings_of

    os.environ.update({k: v for k, v in environment.items() if k.startswith("AWS_")})
    settings = Settings.from_environment(settings_of(f"{stack}-audit", environment))
    return replace(House(settings).audit_room, watch=watch)


def renewal_planner(stack: str, environment: Mapping[str, str]) -> PlanRoom:
    """What plans the renewals of a deployment from outside; see `auditor`."""
    from chalicelib.adapters.functions import settings_of

    os.environ.update({k: v for k, v in environment.items() if k.startswith("AWS_")})
    settings = Settings.from_environment(settings_of(f"{stack}-audit", environment))
    return House(settings).plan_room


@contextmanager
def proof_room() -> Iterator[ProofRoom]:
    """What checks and previews types at an author's desk; needs no settings. Within, a process
    of typst's may be running."""
    from chalicelib.adapters.jsonschema import JsonSchemaContentChecker, schema_fault
    from chalicelib.adapters.proof_press import TypstProofPress
    from chalicelib.adapters.type_folders import KIT
    from chalicelib.adapters.types import document_type_of
    from chalicelib.services.check_type import ProofRoom

    press = TypstProofPress()
    try:
        yield ProofRoom(
            press=press,
            checker=JsonSchemaContentChecker,
            schema_fault=schema_fault,
            read_type=document_type_of,
            rules=json.loads((KIT / "type.schema.json").read_bytes()),
            text_rule=json.loads((KIT / "new" / "schema.json").read_bytes())["$defs"]["text"],
        )
    finally:
        press.close()


def type_bundle(folder: Path) -> TypeBundle:
    """A type's folder as it would be published. Raises ConfigurationError, TypeRefusedError."""
    from chalicelib.adapters.type_folders import bundle_of

    return bundle_of(folder)


def new_type_folder(folder: Path, issuer: str | None) -> tuple[Path, ...]:
    """See `adapters/type_folders.py`."""
    from chalicelib.adapters.type_folders import new_folder

    return new_folder(folder, issuer)


def wrapped_picture(picture: bytes) -> str:
    """See `adapters/type_folders.py`."""
    from chalicelib.adapters.type_folders import wrapped_picture as wrapped

    return wrapped(picture)


def dead_letters(stack: str, environment: Mapping[str, str]) -> Mapping[str, DeadLetters]:
    """The dead letters of each queue of a deployment by its name, with the credentials of
    `environment`. Nothing is asked before they are used."""
    from chalicelib.adapters.dead_letters import dead_letters_of

    return dead_letters_of(stack, environment)


def aws_caller(environment: Mapping[str, str]) -> str:
    """Whose credentials those of `environment` are (ARN). Raises UnavailableError."""
    from chalicelib.adapters.functions import caller

    return caller(environment)


def document_type_of(bundle: TypeBundle) -> DocumentType:
    """Raises ConfigurationError if the bundle is incomplete."""
    from chalicelib.adapters.types import document_type_of as read

    return read(bundle)


def publishing_room(stack: str, environment: Mapping[str, str]) -> PublishingRoom:
    """What publishes types to a deployment, from outside, with the credentials of
    `environment`: it writes to the directory table and under `types/` of the archive. See
    `auditor`."""
    from chalicelib.adapters.dynamodb.directory import DynamoDirectory
    from chalicelib.adapters.functions import settings_of
    from chalicelib.adapters.type_folders import packaged_bundles
    from chalicelib.adapters.type_store import AwsTypeStore
    from chalicelib.domain.retention import LockMode
    from chalicelib.services.publish_type import PublishingRoom

    os.environ.update({k: v for k, v in environment.items() if k.startswith("AWS_")})
    # Not all settings: what is deployed there may be of a release that has not all of ours.
    deployed = settings_of(f"{stack}-audit", environment)
    directory = DynamoDirectory(deployed["TRA_DIRECTORY_TABLE"])
    return PublishingRoom(
        store=AwsTypeStore(
            deployed["TRA_DIRECTORY_TABLE"], _client("s3"), deployed["TRA_ARCHIVE_BUCKET"]
        ),
        clock=utc_now,
        lock_mode=LockMode(deployed["TRA_LOCK_MODE"]),
        packaged={bundle.name: bundle.digest for bundle in packaged_bundles()},
        is_agency=lambda agency_id: directory.agency(agency_id) is not None,
    )


def bootstrap_room(stack: str, environment: Mapping[str, str]) -> BootstrapRoom:
    """What gives an agency its first administrator, from outside, with the credentials of
    `environment`: it writes to the table of officers. See `auditor`."""
    from chalicelib.adapters.announcing import OperatorAnnouncer
    from chalicelib.adapters.dynamodb.directory import DynamoDirectory
    from chalicelib.adapters.dynamodb.officers import DynamoOfficers
    from chalicelib.adapters.functions import caller, settings_of
    from chalicelib.adapters.ids import RandomIds
    from chalicelib.services.first_administrator import BootstrapRoom

    os.environ.update({k: v for k, v in environment.items() if k.startswith("AWS_")})
    deployed = settings_of(f"{stack}-api", environment)
    announcer = OperatorAnnouncer(
        _client("logs"),
        _client("cloudwatch"),
        log_group=f"/tra/{stack}/operators",
        caller=caller(environment),
    )
    return BootstrapRoom(
        officers=DynamoOfficers(deployed["TRA_OFFICERS_TABLE"]),
        directory=DynamoDirectory(deployed["TRA_DIRECTORY_TABLE"]),
        clock=utc_now,
        new_id=RandomIds().document_id,
        announce=announcer.announce,
    )


def publish_packaged(stack: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Publish what the package brings, so that each version stays when the next one comes.
    Returns `name version` of all. Raises TypeRefusedError, UnavailableError."""
    from chalicelib.adapters.functions import caller
    from chalicelib.adapters.type_folders import packaged_bundles
    from chalicelib.adapters.types import document_type_of
    from chalicelib.services.publish_type import publish

    room, by = publishing_room(stack, environment), caller(environment)
    for bundle in packaged_bundles():
        publish(bundle, document_type_of(bundle), by=by, room=room)
    return tuple(f"{bundle.name} {bundle.version}" for bundle in packaged_bundles())


def refuse_changed_types(stack: str, environment: Mapping[str, str]) -> None:
    """Raise TypeRefusedError if `publish_packaged` would, before anything is deployed."""
    from chalicelib.adapters.type_folders import packaged_bundles
    from chalicelib.services.publish_type import refuse_changed

    refuse_changed(packaged_bundles(), store=publishing_room(stack, environment).store)


_house: House | None = None


def house() -> House:
    """The house of this container. Raises ConfigurationError naming missing settings."""
    global _house  # noqa: PLW0603 - one per container is what a Lambda environment is
    if _house is None:
        _house = House(Settings.from_environment(os.environ))
    return _house


def furnish(other: House | None) -> House | None:
    """Let tests bring their own house; returns the one it replaces."""
    global _house
    before, _house = _house, other
    return before


_LONGEST_FUNCTION = 27  # seconds; the slowest that is called synchronously, `verify`


@cache
def _client(service: str, region: str | None = None) -> Any:
    import boto3
    from botocore.config import Config

    # A function is waited for as long as it may run, and asked once: a second call would do
    # its work again, and an API that answers within 28 seconds cannot wait for it.
    waits = service == "lambda"
    return boto3.client(
        service,  # type: ignore[call-overload]  # the name is one of our four
        region_name=region,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 1 if waits else 5},
            connect_timeout=1 if waits else 3,
            read_timeout=_LONGEST_FUNCTION if waits else 10,
            # Links are signed for the bucket's own region and with SigV4: S3 refuses the
            # older signature for objects under KMS, and other hosts redirect.
            signature_version="s3v4" if service == "s3" else None,
            s3={"addressing_style": "path" if os.environ.get("AWS_ENDPOINT_URL") else "virtual"},
        ),
    )


_building = Lock()


def _queues(region: str | None) -> Any:
    """The client for the queues of a region: AWS answers for each only there. Threads ask for
    it, and clients cannot be built by several at once."""
    with _building:
        own = _client("sqs")
        return own if region in {None, own.meta.region_name} else _client("sqs", region)


def _keys() -> Any:
    """The client for keys; several threads may be the first to need it."""
    with _building:
        return _client("kms")


def forget_clients() -> None:
    """Build AWS clients anew from now on: tests move the endpoint and hook into clients."""
    _client.cache_clear()


def _pause(attempt: int) -> None:
    """Full jitter, doubling from 20 ms, at most 1 s."""
    time.sleep(random.uniform(0, min(0.02 * 2**attempt, 1.0)))  # noqa: S311 - not a secret
