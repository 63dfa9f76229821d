"""Is a certificate revoked? Asked where the certificate itself says: OCSP, then CRL.

Answers are verified before they count and kept in the container for as long as their
issuer says; what is no longer fresh is never handed out. They are asked for again some
time before that, and if nobody answers then, what is still fresh goes on serving.

Only certificates with a verified path to a trust anchor may be asked about: they decide
which addresses we call. Nothing is written: a process that dies has lost its answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Generic, TypeVar

from chalicelib.adapters.bounded_http import BoundedHttp
from chalicelib.adapters.revocation_answers import (
    NoAnswerError,
    Proof,
    Question,
    from_crl,
    from_ocsp,
    pointers,
)
from chalicelib.adapters.trust import ValidationData
from chalicelib.adapters.x509_paths import certificate, common_name
from chalicelib.domain.errors import CertificateRevokedError, RevocationUnknownError

if TYPE_CHECKING:
    from cryptography import x509

    from chalicelib.ports import Clock

_Pair = tuple[bytes, bytes]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_REFRESH_AFTER = timedelta(hours=1)
_RETRY_AFTER = timedelta(minutes=1)
_PAUSE_AFTER_FAILURE = 10.0  # seconds
_MOST_REMEMBERED = 512  # certificates, with their answers of about 2 kB


@dataclass(slots=True)
class _Slot:
    """What is known of one certificate. `lock` lets one thread at a time ask."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    proof: Proof | None = None
    refresh_at: datetime | None = None
    failed_at: float = float("-inf")
    failure: str = ""

    def fresh(self, now: datetime) -> Proof | None:
        proof = self.proof
        return proof if proof is not None and now < proof.fresh_until else None

    def is_due(self, now: datetime) -> bool:
        return self.refresh_at is None or now >= self.refresh_at


@dataclass(slots=True)
class _Bundle:
    """The answers about one chain, put together once."""

    made: tuple[tuple[Proof, ...], ValidationData] | None = None

    def of(self, chain: tuple[bytes, ...], proofs: tuple[Proof, ...]) -> ValidationData:
        made = self.made  # read once: another thread may put it together anew
        if made is None or made[0] != proofs:
            made = self.made = (proofs, _assembled(chain, proofs))
        return made[1]


class _Recent(Generic[_Key, _Value]):
    """Values made at first use; those used longest ago are forgotten. Safe to share between
    threads; who holds a forgotten value keeps it for himself."""

    def __init__(self, most: int, make: Callable[[], _Value]) -> None:
        self._most = most
        self._make = make
        self._lock = threading.Lock()
        self._values: dict[_Key, _Value] = {}

    def at(self, key: _Key) -> _Value:
        with self._lock:
            value = self._values.pop(key, None)
            if value is None:
                value = self._make()
            self._values[key] = value  # now the last
            if len(self._values) > self._most:
                del self._values[next(iter(self._values))]
            return value


class HttpRevocation:
    """Implements trust.RevocationSource. Safe to share between threads: one asks, the
    others use what is still fresh, or wait for its answer, also if that is a failure.

    A revocation becomes known here within `refresh_after` at the latest, or half of the
    time an answer is fresh, if that is less. After a refresh that failed, the next is
    tried `retry_after` later. Where nothing is fresh, a failure stands for
    `pause_after_failure` seconds, so that the documents of a batch do not each pay for the
    same timeouts. Of more than `most_remembered` certificates, those asked about longest ago
    are forgotten.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        http: BoundedHttp | None = None,
        refresh_after: timedelta = _REFRESH_AFTER,
        retry_after: timedelta = _RETRY_AFTER,
        pause_after_failure: float = _PAUSE_AFTER_FAILURE,
        most_remembered: int = _MOST_REMEMBERED,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._http = http or BoundedHttp(timeout=5.0)
        self._refresh_after = refresh_after
        self._retry_after = retry_after
        self._pause = pause_after_failure
        self._monotonic = monotonic
        self._slots = _Recent[_Pair, _Slot](most_remembered, _Slot)
        self._bundles = _Recent[tuple[bytes, ...], _Bundle](most_remembered, _Bundle)

    def validation_data(self, chain: Sequence[bytes]) -> ValidationData:
        """Raises CertificateRevokedError naming the certificate, RevocationUnknownError
        naming each address and why it did not help."""
        key = tuple(chain)
        proofs = tuple(self._proof(pair) for pair in pairwise(key))
        return self._bundles.at(key).of(key, proofs)

    def _proof(self, pair: _Pair) -> Proof:
        slot = self._slots.at(pair)
        now = self._clock()
        proof = slot.fresh(now)
        if proof is None or slot.is_due(now):
            proof = self._renewed(pair, slot)
        if proof.revoked_at is not None:
            raise _revoked(certificate(pair[0]), proof.revoked_at)
        return proof

    def _renewed(self, pair: _Pair, slot: _Slot) -> Proof:
        asked_at = self._monotonic()
        fresh = slot.fresh(self._clock())
        with _held(slot.lock, wait=fresh is None) as mine:
            if not mine and fresh is not None:
                return fresh  # somebody else is asking already
            now = self._clock()
            fresh = slot.fresh(now)
            if fresh is not None and not slot.is_due(now):
                return fresh  # somebody else has asked meanwhile
            if fresh is None and slot.failed_at > asked_at - self._pause:
                raise _unknown(slot.failure)
            return self._ask(pair, slot, fresh, now)

    def _ask(self, pair: _Pair, slot: _Slot, fresh: Proof | None, now: datetime) -> Proof:
        try:
            proof = self._fetched(pair, now)
        except NoAnswerError as error:
            if fresh is None:
                slot.failed_at, slot.failure = self._monotonic(), str(error)
                raise _unknown(slot.failure) from error
            slot.refresh_at = now + self._retry_after
            return fresh
        if slot.proof is not None and not proof.supersedes(slot.proof, now):
            proof = slot.proof  # somebody played us an old answer; ask again soon
            slot.refresh_at = now + self._retry_after
            return proof
        slot.proof = proof
        slot.refresh_at = now + min(self._refresh_after, (proof.fresh_until - now) / 2)
        return proof

    def _fetched(self, pair: _Pair, now: datetime) -> Proof:
        """Raises NoAnswerError listing every attempt."""
        subject = certificate(pair[0])
        question = Question(subject, certificate(pair[1]), now, self._http)
        places = pointers(subject)
        failures = []
        for url in places.ocsp:
            try:
                return from_ocsp(question, url)
            except NoAnswerError as error:
                failures.append(f"OCSP {url}: {error}")
        for url in places.crl:
            try:
                return from_crl(question, url)
            except NoAnswerError as error:
                failures.append(f"CRL {url}: {error}")
        why = "; ".join(failures) or "it names neither OCSP nor CRL"
        raise NoAnswerError(f"{common_name(subject)}: {why}")


@contextmanager
def _held(lock: threading.Lock, *, wait: bool) -> Iterator[bool]:
    mine = lock.acquire(blocking=wait)
    try:
        yield mine
    finally:
        if mine:
            lock.release()


def _assembled(chain: tuple[bytes, ...], proofs: tuple[Proof, ...]) -> ValidationData:
    """Everything once, in the order it is found."""
    responders = (r for proof in proofs for r in proof.certificates)
    return ValidationData(
        certificates=tuple(dict.fromkeys((*chain, *responders))),
        ocsp_responses=tuple(dict.fromkeys(o for proof in proofs for o in proof.ocsp_responses)),
        crls=tuple(dict.fromkeys(c for proof in proofs for c in proof.crls)),
        fresh_until=min(proof.fresh_until for proof in proofs),
    )


def _revoked(subject: x509.Certificate, at: datetime) -> CertificateRevokedError:
    name, serial = common_name(subject), f"{subject.serial_number:x}"
    return CertificateRevokedError(
        f"The certificate {name} (serial {serial}) is revoked since {at:%Y-%m-%d %H:%M} UTC.",
        f"ใบรับรอง {name} (เลขที่ {serial}) ถูกเพิกถอนตั้งแต่ {at:%Y-%m-%d %H:%M} UTC",
    )


def _unknown(why: str) -> RevocationUnknownError:
    return RevocationUnknownError(
        f"Nobody says whether a certificate is revoked. {why}",
        f"ไม่สามารถตรวจสอบสถานะการเพิกถอนใบรับรองได้ ({why})",
    )
