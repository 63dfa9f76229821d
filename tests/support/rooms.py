"""A house whose adapters are the fakes: all functions run, nothing leaves the process."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chalicelib import bootstrap
from chalicelib.adapters.batch_reading import FileReader
from chalicelib.adapters.holidays import read_holidays
from chalicelib.adapters.jsonschema import JsonSchemaContentChecker
from chalicelib.adapters.memory import (
    CountingIds,
    CountingSigner,
    MarkingSealer,
    MarkingXmlSealer,
    MemoryArchive,
    MemoryChannels,
    MemoryDirectory,
    MemoryInboxes,
    MemoryLedger,
    MemoryQueue,
    MemoryUploads,
    PlainRenderer,
)
from chalicelib.adapters.memory_access import MemoryAccessStore
from chalicelib.adapters.memory_batches import MemoryBatchFiles, MemoryBatchStore
from chalicelib.adapters.memory_deliveries import MemoryDeliveryStore
from chalicelib.adapters.memory_factors import MemoryFactors, MemoryFactorSecrets
from chalicelib.adapters.memory_inventory import MemoryArchiveInventory, MemoryLogInventory
from chalicelib.adapters.memory_logs import MemoryLogFiles, MemoryLogSigner
from chalicelib.adapters.memory_officers import MemoryOfficers
from chalicelib.adapters.memory_proxies import MemoryProxyUses
from chalicelib.adapters.memory_rounds import MemoryRounds
from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.adapters.status_function import StatusFunction
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst_copy import TypstCopyPrinter
from chalicelib.adapters.typst_register import TypstRegisterPrinter
from chalicelib.adapters.verify_function import VerifyFunction, answer
from chalicelib.bootstrap import House
from chalicelib.domain.holidays import Holidays
from chalicelib.domain.verdict import PASSED, CheckedFile, Indication, Verdict
from chalicelib.services.check_file import check_file
from tests.support.samples import AGENCIES, NOON, SWEEP_AFTER, settings

_EVENTS = Path(__file__).parent.parent.parent / "events"

CONTEXT = SimpleNamespace(
    aws_request_id="52fdfc07-2182-454f-963f-5f0f9a621d72",
    function_name="tra-test",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:ap-southeast-1:123456789012:function:tra-test",
    get_remaining_time_in_millis=lambda: 30_000,
)


def sample_event(name: str) -> dict[str, Any]:
    """The sample event of a trigger."""
    event: dict[str, Any] = json.loads((_EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


class NearLambda:
    """The `verify` function at the other end of the call, in this process, on the same bytes. In
    the archive a mark of `MarkingSealer` is a seal; all else is really checked."""

    def __init__(
        self, uploads: MemoryUploads, archive: MemoryArchive | None = None, *, broken: bool = False
    ) -> None:
        self._uploads, self._archive, self._broken = uploads, archive or MemoryArchive(), broken

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert FunctionName == "verify"
        if self._broken:
            return {"FunctionError": "Unhandled", "Payload": BytesIO(b"{}")}
        asked = json.loads(Payload)
        check = partial(_check, archived="link" in asked or self._is_archived(asked))
        told = answer(asked, check, self._uploads, self._fetch)
        return {"Payload": BytesIO(json.dumps(told).encode())}

    def _is_archived(self, asked: dict[str, Any]) -> bool:
        """Of a classified file the API sends the clear bytes: there is no link."""
        digest = sha256(base64.b64decode(asked.get("pdf", ""))).hexdigest()
        found = map(self._archive.find, self._archive.files)
        return any(one and one.stored and one.sha256 == digest for one in found)

    def _fetch(self, link: str) -> bytes:
        """What `MemoryArchive.link` leads to."""
        return self._archive.files[link.removeprefix("memory:").partition("?")[0]]


def _check(pdf: bytes, anchors: Sequence[str], *, archived: bool) -> CheckedFile:
    if archived and b"\n%sealed " in pdf:
        verdict = Verdict(
            indication=Indication.TOTAL_PASSED, sub_indication=None, findings=(PASSED,)
        )
        return CheckedFile(
            verdict=verdict, sha256=sha256(pdf).hexdigest(), size=len(pdf), claimed_code=None
        )
    return check_file(pdf, anchors, reader=PadesValidator())


class NearStatus:
    """The `status` function at the other end of the call, in this process."""

    def __init__(self, house: House) -> None:
        self._house = house

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert FunctionName == "status"
        told = self._house.answer_status(json.loads(Payload))
        return {"Payload": BytesIO(json.dumps(told).encode())}


@dataclass
class Clock:
    """A clock that the test moves."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Fakes:
    """The fakes behind a house, for tests to look into."""

    clock: Clock = field(default_factory=Clock)
    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger(sweep_after=SWEEP_AFTER))
    deliveries: MemoryDeliveryStore = field(init=False)
    directory: MemoryDirectory = field(default_factory=lambda: MemoryDirectory(AGENCIES, ("root",)))
    proxy_uses: MemoryProxyUses = field(default_factory=MemoryProxyUses)
    officers: MemoryOfficers = field(default_factory=MemoryOfficers)
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    factors: MemoryFactors = field(default_factory=MemoryFactors)
    factor_secrets: MemoryFactorSecrets = field(default_factory=MemoryFactorSecrets)
    access_log: MemoryAccessStore = field(default_factory=MemoryAccessStore)
    log_files: MemoryLogFiles = field(default_factory=MemoryLogFiles)
    log_signer: MemoryLogSigner = field(default_factory=MemoryLogSigner)
    rounds: MemoryRounds = field(default_factory=MemoryRounds)
    stamper: Any = None
    inboxes: MemoryInboxes = field(default_factory=MemoryInboxes)
    channels: MemoryChannels = field(init=False)
    number_queue: MemoryQueue = field(default_factory=MemoryQueue)
    seal_queue: MemoryQueue = field(default_factory=MemoryQueue)
    deliver_queue: MemoryQueue = field(default_factory=MemoryQueue)
    dispatch_queue: MemoryQueue = field(default_factory=MemoryQueue)
    batch_queue: MemoryQueue = field(default_factory=MemoryQueue)
    batch_seal_queue: MemoryQueue = field(default_factory=MemoryQueue)
    batch_files: MemoryBatchFiles = field(default_factory=MemoryBatchFiles)
    renderer: Any = field(default_factory=PlainRenderer)
    printer: Any = field(default_factory=TypstRegisterPrinter)
    sealer: Any = field(default_factory=MarkingSealer)
    xml_sealer: Any = field(default_factory=MarkingXmlSealer)
    signer: Any = field(default_factory=CountingSigner)
    seal_at_once: int = 1
    approve_at_once: int = 8
    holidays: Holidays = field(default_factory=read_holidays)
    uploads: MemoryUploads = field(default_factory=MemoryUploads)

    def __post_init__(self) -> None:
        self.deliveries = MemoryDeliveryStore(self.ledger)
        self.channels = MemoryChannels(self.inboxes)

    def house(self, wrap: Callable[[str, Any], Any] = lambda _name, port: port) -> House:
        """A house on these fakes; `wrap` may put something between it and each port."""
        at_once = {"seal_at_once": self.seal_at_once, "approve_at_once": self.approve_at_once}
        house = House(settings(**at_once), self.clock)
        ports = {
            "documents": self.ledger,
            "registers": self.ledger,
            "logs": self.ledger,
            "deliveries": self.deliveries,
            "factors": self.factors,
            "factor_secrets": self.factor_secrets,
            "access_log": self.access_log,
            "log_files": self.log_files,
            "log_signer": self.log_signer,
            "directory": self.directory,
            "officers": self.officers,
            "proxy_uses": self.proxy_uses,
            "archive": self.archive,
            "archive_inventory": MemoryArchiveInventory(self.archive),
            "log_inventory": MemoryLogInventory(self.log_files),
            "rounds": self.rounds,
            "archive_stamper": self.stamper,
            "channels": self.channels,
            "number_queue": self.number_queue,
            "seal_queue": self.seal_queue,
            "deliver_queue": self.deliver_queue,
            "dispatch_queue": self.dispatch_queue,
            "batch_queue": self.batch_queue,
            "batch_seal_queue": self.batch_seal_queue,
            "batch_files": self.batch_files,
            "batches": MemoryBatchStore(self.ledger),
            "renderer": self.renderer,
            "sealer": self.sealer,
            "xml_sealer": self.xml_sealer,
            "evidence_signer": self.signer,
            "uploads": self.uploads,
            "file_checker": VerifyFunction(NearLambda(self.uploads, self.archive), "verify"),  # type: ignore[arg-type]  # what is used of it
        }
        ports["status_lists"] = StatusFunction(
            NearStatus(house),  # type: ignore[arg-type]  # what is used of it
            "status",
            clock=self.clock,
        )
        # Cached properties: what lies in the instance is what is used.
        vars(house).update({name: wrap(name, port) for name, port in ports.items()})
        vars(house).update(
            ids=CountingIds(),
            types=PackagedDocumentTypes(),
            content_checker=JsonSchemaContentChecker(),
            batch_reader=FileReader(),
            holidays=self.holidays,
            register_printer=self.printer,
            copy_printer=TypstCopyPrinter(),
        )
        return house


@contextmanager
def furnished(house: House) -> Iterator[None]:
    """Within, handlers find this house; afterwards the one from before."""
    before = bootstrap.furnish(house)
    try:
        yield
    finally:
        bootstrap.furnish(before)
