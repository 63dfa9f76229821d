"""Evidence records (RFC 4998): what they are made of, and what may be said of one.

A record is a sequence of chains of archive time-stamps. Within a chain each time-stamp
covers the one before (time-stamp renewal); a new chain covers the data again, under
another hash algorithm, together with all older chains (hash-tree renewal, §5.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from chalicelib.domain.algorithms import hash_end
from chalicelib.domain.hash_tree import ReducedHashTree, digest_of
from chalicelib.domain.verdict import Finding, Indication


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveTimestamp:
    """An archive time-stamp of one leaf: `token` is an RFC 3161 token (DER ContentInfo) over
    the root that `reduced` leads to; `algorithm` as hashlib names it."""

    algorithm: str
    reduced: ReducedHashTree
    token: bytes


Chain = tuple[ArchiveTimestamp, ...]


class EndReason(StrEnum):
    """Why a proof ends."""

    CERTIFICATE = "certificate"
    """A certificate of the newest time-stamp ends."""
    SIGNATURE = "signature_algorithm"
    """The time-stamp's signature algorithm ends."""
    HASH = "hash_algorithm"
    """The hash algorithm of the tree ends: nothing but the data themselves helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStamp:
    """A time-stamp that was checked, with all that a validator will ask for in itself.
    `ends_at` is when it stops to prove anything, `because` why."""

    token: bytes
    at: datetime
    authority: str
    ends_at: datetime
    because: EndReason


def stamp_leaf(token: bytes, algorithm: str) -> bytes:
    """What a time-stamp renewal hashes of the time-stamp before (RFC 4998 §5.2)."""
    return digest_of(token, algorithm)


def renewed_leaf(data_digest: bytes, sequence_der: bytes, algorithm: str) -> bytes:
    """What a hash-tree renewal hashes of one data object (RFC 4998 §5.2): its new digest
    and that of all its chains (DER ArchiveTimeStampSequence)."""
    return digest_of(data_digest + digest_of(sequence_der, algorithm), algorithm)


# -- what was seen of one -----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStampObservation:
    """One archive time-stamp, looked at and not judged.

    `chain` counts from 0. `bound`: its tree begins with what it must cover. `sound`: the
    token is over the tree's root and its signature is right. `trusted`: it leads to an
    anchor at `judged_at`, the time of the next time-stamp, or of the check for the last
    one. `unrevoked`: revocation data in the record itself say that it was not revoked.
    `ends_at` is when the first of its certificates ends.
    """

    chain: int
    at: datetime
    judged_at: datetime
    authority: str
    algorithm: str
    bound: bool
    sound: bool
    trusted: bool
    unrevoked: bool
    problem: str | None
    ends_at: datetime | None
    signature_ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordObservation:
    """A record that could be read: its time-stamps, oldest first."""

    stamps: tuple[ArchiveStampObservation, ...]
    checked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVerdict:
    """What a record proves: that the data existed at `proven_at`, and until when it will do
    so without renewal. Neither, unless it passed."""

    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]
    proven_at: datetime | None
    proof_until: datetime | None

    @property
    def passed(self) -> bool:
        return self.indication is Indication.TOTAL_PASSED


RECORD_VALID = Finding(
    "record_valid",
    "The evidence record proves that the file existed, as it is, when the record was begun.",
    "ระเบียนหลักฐานพิสูจน์ว่าไฟล์นี้มีอยู่และไม่เปลี่ยนแปลงตั้งแต่เวลาที่เริ่มระเบียน",
)
RECORD_UNREADABLE = Finding(
    "record_unreadable",
    "The evidence record cannot be read.",
    "ไม่สามารถอ่านระเบียนหลักฐานได้",
)
_OTHER_DATA = Finding(
    "record_of_other_data",
    "The evidence record does not belong to this file.",
    "ระเบียนหลักฐานไม่ใช่ของไฟล์นี้",
)
_BROKEN_CHAIN = Finding(
    "record_broken",
    "A time-stamp of the evidence record does not cover the one before it.",
    "การประทับรับรองเวลาในระเบียนหลักฐานไม่ต่อเนื่องกัน",
)
_STAMP_WRONG = Finding(
    "record_stamp_wrong",
    "A time-stamp of the evidence record is not what its authority signed.",
    "การประทับรับรองเวลาในระเบียนหลักฐานไม่ตรงกับที่ผู้ให้บริการลงนาม",
)
_DISORDER = Finding(
    "record_disorder",
    "The times of the evidence record do not go forward.",
    "ลำดับเวลาในระเบียนหลักฐานไม่ถูกต้อง",
)
_NOT_TRUSTED = Finding(
    "record_stamp_not_trusted",
    "A time-stamp of the evidence record did not lead to a trusted authority when it was renewed.",
    "การประทับรับรองเวลาในระเบียนหลักฐานไม่ได้มาจากผู้ให้บริการที่เชื่อถือได้ ณ เวลาที่ต่ออายุ",
)
_REVOCATION_UNKNOWN = Finding(
    "record_revocation_unknown",
    "The evidence record does not show that the certificate of a time-stamp was not revoked.",
    "ระเบียนหลักฐานไม่แสดงว่าใบรับรองของการประทับรับรองเวลาไม่ถูกเพิกถอน",
)
_ALGORITHM_ENDED = Finding(
    "record_algorithm_ended",
    "An algorithm of the evidence record was too weak before it was renewed.",
    "อัลกอริทึมในระเบียนหลักฐานหมดความปลอดภัยก่อนการต่ออายุ",
)
_MIXED = Finding(
    "record_algorithms_mixed",
    "The time-stamps of one chain use different hash algorithms.",
    "การประทับรับรองเวลาในสายเดียวกันใช้อัลกอริทึมแฮชต่างกัน",
)

_FAILURES = frozenset({"HASH_FAILURE", "SIG_CRYPTO_FAILURE", "FORMAT_FAILURE", "REVOKED"})

_Problem = tuple[str, Finding]


def judge_record(
    seen: RecordObservation, *, ends: Mapping[str, datetime] | None = None
) -> RecordVerdict:
    """RFC 4998 §5.3 over what was seen. All that is wrong is listed; the gravest decides.
    `ends`: see `algorithms.hash_end`."""
    problems = [
        *_binding_problems(seen.stamps),
        *_order_problems(seen.stamps),
        *_trust_problems(seen.stamps),
        *_algorithm_problems(seen, ends),
    ]
    problems.sort(key=lambda problem: problem[0] not in _FAILURES)
    if problems:
        return _refused(problems)
    return RecordVerdict(
        indication=Indication.TOTAL_PASSED,
        sub_indication=None,
        findings=(RECORD_VALID,),
        proven_at=seen.stamps[0].at,
        proof_until=_proof_until(seen.stamps[-1], ends),
    )


def unreadable_record() -> RecordVerdict:
    """The verdict on bytes that are no evidence record."""
    return _refused([("FORMAT_FAILURE", RECORD_UNREADABLE)])


def _refused(problems: Sequence[_Problem]) -> RecordVerdict:
    gravest = problems[0][0]
    failed = gravest in _FAILURES
    return RecordVerdict(
        indication=Indication.TOTAL_FAILED if failed else Indication.INDETERMINATE,
        sub_indication=gravest,
        findings=tuple(dict.fromkeys(finding for _, finding in problems)),
        proven_at=None,
        proof_until=None,
    )


def _binding_problems(stamps: Sequence[ArchiveStampObservation]) -> list[_Problem]:
    problems: list[_Problem] = []
    if not stamps[0].bound:
        problems.append(("HASH_FAILURE", _OTHER_DATA))
    if not all(stamp.bound for stamp in stamps[1:]):
        problems.append(("HASH_FAILURE", _BROKEN_CHAIN))
    if not all(stamp.sound for stamp in stamps):
        problems.append(("SIG_CRYPTO_FAILURE", _STAMP_WRONG))
    return problems


def _order_problems(stamps: Sequence[ArchiveStampObservation]) -> list[_Problem]:
    if all(before.at <= after.at for before, after in pairwise(stamps)):
        return []
    return [("TIMESTAMP_ORDER_FAILURE", _DISORDER)]


def _trust_problems(stamps: Sequence[ArchiveStampObservation]) -> list[_Problem]:
    sound = [stamp for stamp in stamps if stamp.sound]
    problems = [
        (stamp.problem or "NO_CERTIFICATE_CHAIN_FOUND", _NOT_TRUSTED)
        for stamp in sound
        if not stamp.trusted
    ]
    problems += [("TRY_LATER", _REVOCATION_UNKNOWN) for s in sound if s.trusted and not s.unrevoked]
    return problems


def _algorithm_problems(
    seen: RecordObservation, ends: Mapping[str, datetime] | None
) -> list[_Problem]:
    """A chain's hash must last until the next chain begins, a signature until the next
    time-stamp."""
    problems: list[_Problem] = []
    for chain in range(seen.stamps[-1].chain + 1):
        algorithms = {stamp.algorithm for stamp in seen.stamps if stamp.chain == chain}
        later = [stamp.at for stamp in seen.stamps if stamp.chain > chain]
        needed = min(later, default=seen.checked_at)
        if len(algorithms) > 1:
            problems.append(("CRYPTO_CONSTRAINTS_FAILURE", _MIXED))
        if any(hash_end(algorithm, ends) <= needed for algorithm in algorithms):
            problems.append(("CRYPTO_CONSTRAINTS_FAILURE_NO_POE", _ALGORITHM_ENDED))
    if any(stamp.signature_ends_at <= stamp.judged_at for stamp in seen.stamps):
        problems.append(("CRYPTO_CONSTRAINTS_FAILURE_NO_POE", _ALGORITHM_ENDED))
    return problems


def _proof_until(
    last: ArchiveStampObservation, ends: Mapping[str, datetime] | None
) -> datetime | None:
    if last.ends_at is None:
        return None
    return min(last.ends_at, last.signature_ends_at, hash_end(last.algorithm, ends))
