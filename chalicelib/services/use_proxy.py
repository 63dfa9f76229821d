"""Use an e-Proxy: may this person do this for that one, now? (issue 7, item 8; docs/adr/0050)"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.documents import Document
from chalicelib.domain.errors import (
    ArchiveError,
    FieldFault,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    NotFoundError,
    RegisterConflictError,
    UnavailableError,
)
from chalicelib.domain.persons import Officer
from chalicelib.domain.proxies import (
    Act,
    Count,
    Proxy,
    Use,
    archive_key,
    judge,
    proxies_in,
    statement_of,
)
from chalicelib.domain.retention import LockMode, retain_until
from chalicelib.domain.statements import to_the_millisecond
from chalicelib.ports import Archive, Clock, DocumentStore, EvidenceSigner, ProxyUseStore

_TRIES = 6
_MEDIA_TYPE = "application/jose"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyRoom:
    """Collaborators of `use_proxy`; `pause` as in `number`."""

    documents: DocumentStore
    uses: ProxyUseStore
    signer: EvidenceSigner
    archive: Archive
    clock: Clock
    pause: Callable[[int], None]
    public_url: str
    lock_mode: LockMode


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRequest:
    """Who asks about which act. `document` is the principal's proxy; `further` are the codes of
    those that attorneys gave on, in order. `request_digest` is of what was asked."""

    use_id: str
    by: Officer
    document: Document
    further: tuple[str, ...]
    act: Act
    reference: str
    request_digest: str


@dataclass(frozen=True, slots=True)
class Used:
    """What was answered, and about which proxies, the principal's first."""

    use: Use
    proxies: tuple[Document, ...]


def use_proxy(request: UseRequest, *, room: ProxyRoom) -> Used:
    """Judge an act as of now, and record the answer, whatever it is.

    The answer leaves when its signed statement lies in the archive, and not before. Raises
    InvalidRequestError for a further proxy that is none, IdempotencyKeyReusedError,
    UnavailableError, ArchiveError.

    Dies before step 4: nothing happened. Dies after it: the act counts as used, nobody was
    answered, and the same request, made again, is answered with the same statement.
    """
    for attempt in range(_TRIES):
        # 1. A repeat gets the first answer, whatever became of the proxy since.
        stored = room.uses.use(request.document.document_id, request.use_id)
        if stored is not None:
            return _told(_the_same(stored, request), room)

        # 2. Judge by everything as it stands now.
        now = room.clock()
        chain = _chain(request, now, room)
        used = [room.uses.times(p.document.document_id, request.act.power) for p in chain]
        use = _answer(request, chain, used, now)

        # 3. Sign what was asked and answered.
        payload = statement_of(
            use, chain, request.act, used, issuer=room.public_url, reference=request.reference
        )
        use = replace(use, statement=room.signer.sign(payload))

        # 4. Keep it, and count it if it was allowed, unless somebody used the power meanwhile.
        try:
            kept = room.uses.enter(use, _counts(use, chain, used, request.act))
        except RegisterConflictError:
            room.pause(attempt)
            continue

        # 5. Archived, then answered.
        return _told(_the_same(kept, request), room)
    message = "The proxy is used by others at the same time; repeat the request."
    raise UnavailableError(message)


def find_use(document_id: str, use_id: str, agency_id: str, *, room: ProxyRoom) -> Used:
    """What an agency was answered before. Raises NotFoundError for another agency's."""
    use = room.uses.use(document_id, use_id)
    if use is None or use.asked_by.agency_id != agency_id:
        raise NotFoundError
    return _told(use, room)


def _told(use: Use, room: ProxyRoom) -> Used:
    """Archived first. What the proxies say is fixed since they were issued."""
    found = room.documents.get_many(proxies_in(use))
    proxies = tuple(found[document_id] for document_id in proxies_in(use))
    return Used(_archived(use, proxies[0], room), proxies)


def _chain(request: UseRequest, now: datetime, room: ProxyRoom) -> tuple[Proxy, ...]:
    """Read anew: what was revoked a moment ago is revoked."""
    documents = [room.documents.get(request.document.document_id)]
    documents += [room.documents.by_code(code) for code in request.further]
    proxies = [Proxy.of(document, now) for document in documents]
    seen = {p.document.document_id for p in proxies if p is not None}
    faults = [_no_proxy(position) for position, proxy in enumerate(proxies[1:]) if proxy is None]
    if faults or len(seen) < len(proxies):
        raise InvalidRequestError(faults or [_no_proxy(0)])
    return tuple(p for p in proxies if p is not None)


def _answer(request: UseRequest, chain: Sequence[Proxy], used: Sequence[int], now: datetime) -> Use:
    return Use(
        use_id=request.use_id,
        document_id=request.document.document_id,
        asked_by=request.by,
        at=to_the_millisecond(now),  # as a statement tells it; what holds was looked at as of now
        reasons=judge(chain, request.act, used),
        request_digest=request.request_digest,
        statement="",
    )


def _counts(use: Use, chain: Sequence[Proxy], used: Sequence[int], act: Act) -> list[Count]:
    if not use.allowed:
        return []
    return [
        Count(proxy.document.document_id, act.power, times + 1)
        for proxy, times in zip(chain, used, strict=True)
    ]


def _the_same(stored: Use, request: UseRequest) -> Use:
    if stored.request_digest != request.request_digest:
        raise IdempotencyKeyReusedError
    return stored


def _archived(use: Use, proxy: Document, room: ProxyRoom) -> Use:
    """As long as the proxy's own type is kept, from the year of its use on."""
    statement = use.statement.encode()
    file = room.archive.put_once(
        archive_key(use.document_id, use.use_id),
        statement,
        retain_until(use.at, proxy.retention_years),
        room.lock_mode,
        media_type=_MEDIA_TYPE,
    )
    if file.sha256 != hashlib.sha256(statement).hexdigest():
        raise ArchiveError("The archive holds another statement under this use's key.")
    return use


def _no_proxy(position: int) -> FieldFault:
    return FieldFault(
        f"/sub_proxies/{position}",
        "unknown_proxy",
        "No e-Proxy that was issued has this code, or it is named twice.",
        "ไม่มีหนังสือมอบอำนาจที่ออกแล้วตามรหัสนี้ หรือระบุซ้ำ",
    )
