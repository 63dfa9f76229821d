"""What may be said of a sealed file: observations in, one verdict out.

Words are those of EN 319 102-1 §5.1.3: a total indication, a sub-indication where it
did not pass, and reasons a person understands. The rules are stricter than the
standard's in two points, because Tra knows how its files come to be: a seal must cover
the whole file (the archived bytes are the only bytes, P2), and it must carry a
trusted time-stamp.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Indication(StrEnum):
    """EN 319 102-1 table 4."""

    TOTAL_PASSED = "TOTAL-PASSED"
    INDETERMINATE = "INDETERMINATE"
    TOTAL_FAILED = "TOTAL-FAILED"


# The worse of two indications is the later one.
_SEVERITY = (Indication.TOTAL_PASSED, Indication.INDETERMINATE, Indication.TOTAL_FAILED)

# Sub-indications that are failures rather than doubts (EN 319 102-1 table 5).
_FAILURES = frozenset(
    {"FORMAT_FAILURE", "HASH_FAILURE", "SIG_CRYPTO_FAILURE", "REVOKED", "NOT_YET_VALID"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, in both languages; `code` is stable."""

    code: str
    detail: str
    detail_th: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """Who a seal certificate says sealed. `fingerprint` is its hex SHA-256."""

    common_name: str
    organization: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampObservation:
    """A signature time-stamp. `sound`: imprint and signature are right. `trusted`: it
    leads to an anchor. `problem`: a sub-indication."""

    at: datetime
    authority: str
    sound: bool
    trusted: bool
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealObservation:
    """What was found out about one seal, without judging it."""

    field: str
    sealer: Sealer
    intact: bool
    valid: bool
    whole_file: bool
    trusted: bool
    trust_problem: str | None
    timestamp: TimestampObservation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealVerdict:
    """The verdict on one seal."""

    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]
    field: str
    sealer: Sealer
    sealed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict on a file: as bad as its worst seal. Without seals it says why."""

    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]
    seals: tuple[SealVerdict, ...] = ()

    @property
    def passed(self) -> bool:
        return self.indication is Indication.TOTAL_PASSED


PASSED = Finding(
    "seal_valid",
    "The seal is valid: the file is exactly as it was sealed.",
    "ตราประทับถูกต้อง เอกสารไม่ถูกแก้ไขตั้งแต่ประทับตรา",
)
NO_SEAL = Finding("no_seal", "The file carries no electronic seal.", "ไฟล์นี้ไม่มีตราประทับอิเล็กทรอนิกส์")
NOT_PDF = Finding("not_pdf", "The file is not a PDF.", "ไฟล์นี้ไม่ใช่ PDF")
UNREADABLE = Finding(
    "unreadable",
    "The file is damaged: it cannot be read as a sealed PDF.",
    "ไฟล์เสียหาย ไม่สามารถอ่านเป็น PDF ที่ประทับตราได้",
)
_ALTERED = Finding(
    "altered",
    "The file was changed after it was sealed.",
    "เอกสารถูกแก้ไขหลังจากประทับตรา",
)
_FORGED = Finding(
    "signature_wrong",
    "The seal's signature does not belong to its certificate.",
    "ลายมือชื่อของตราประทับไม่ตรงกับใบรับรอง",
)
_APPENDED = Finding(
    "not_whole_file",
    "The seal does not cover the whole file: something was added to it.",
    "ตราประทับไม่ครอบคลุมทั้งไฟล์ มีการเพิ่มข้อมูลภายหลัง",
)
_NOT_TRUSTED = Finding(
    "sealer_not_trusted",
    "The seal's certificate does not lead to a trusted authority, or cannot be relied on.",
    "ใบรับรองของตราประทับไม่ได้ออกโดยผู้ให้บริการที่เชื่อถือได้ หรือไม่อาจเชื่อถือได้",
)
_NO_TIMESTAMP = Finding(
    "no_timestamp",
    "The seal has no time-stamp, so it is not known when it was made.",
    "ตราประทับไม่มีการประทับรับรองเวลา จึงไม่ทราบเวลาที่ประทับ",
)
_TIMESTAMP_WRONG = Finding(
    "timestamp_wrong",
    "The time-stamp does not belong to this seal.",
    "การประทับรับรองเวลาไม่ตรงกับตราประทับนี้",
)
_TIMESTAMP_NOT_TRUSTED = Finding(
    "timestamp_not_trusted",
    "The time-stamp does not come from a trusted authority.",
    "การประทับรับรองเวลาไม่ได้มาจากผู้ให้บริการที่เชื่อถือได้",
)


def judge(observations: tuple[SealObservation, ...]) -> Verdict:
    """The verdict on a file that could be read."""
    if not observations:
        return not_verifiable(NO_SEAL, Indication.INDETERMINATE, "SIGNED_DATA_NOT_FOUND")
    seals = tuple(judge_seal(observation) for observation in observations)
    worst = max(seals, key=lambda seal: _SEVERITY.index(seal.indication))
    return Verdict(
        indication=worst.indication,
        sub_indication=worst.sub_indication,
        findings=worst.findings,
        seals=seals,
    )


def not_verifiable(finding: Finding, indication: Indication, sub_indication: str) -> Verdict:
    """The verdict on a file in which no seal can be looked at."""
    return Verdict(indication=indication, sub_indication=sub_indication, findings=(finding,))


def judge_seal(seen: SealObservation) -> SealVerdict:
    """All that is wrong with a seal is listed; the first and gravest decides."""
    problems = [*_content_problems(seen), *_timestamp_problems(seen), *_trust_problems(seen)]
    problems.sort(key=lambda problem: problem[0] not in _FAILURES)
    sub_indication = problems[0][0] if problems else None
    return SealVerdict(
        indication=_indication(sub_indication),
        sub_indication=sub_indication,
        findings=tuple(finding for _, finding in problems) or (PASSED,),
        field=seen.field,
        sealer=seen.sealer,
        sealed_at=seen.timestamp.at if seen.timestamp and seen.timestamp.trusted else None,
    )


def _indication(sub_indication: str | None) -> Indication:
    if sub_indication is None:
        return Indication.TOTAL_PASSED
    return Indication.TOTAL_FAILED if sub_indication in _FAILURES else Indication.INDETERMINATE


_Problem = tuple[str, Finding]


def _content_problems(seen: SealObservation) -> list[_Problem]:
    problems: list[_Problem] = []
    if not seen.intact:
        problems.append(("HASH_FAILURE", _ALTERED))
    if not seen.valid:
        problems.append(("SIG_CRYPTO_FAILURE", _FORGED))
    if not seen.whole_file:
        # These are not the bytes that were archived (P2), so no doubt is left.
        problems.append(("HASH_FAILURE", _APPENDED))
    return problems


def _timestamp_problems(seen: SealObservation) -> list[_Problem]:
    stamp = seen.timestamp
    if stamp is None:
        return [("SIG_CONSTRAINTS_FAILURE", _NO_TIMESTAMP)]
    if not stamp.sound:
        return [("SIG_CONSTRAINTS_FAILURE", _TIMESTAMP_WRONG)]
    if not stamp.trusted:
        return [(stamp.problem or "NO_POE", _TIMESTAMP_NOT_TRUSTED)]
    return []


def _trust_problems(seen: SealObservation) -> list[_Problem]:
    # Trust in a signature that is broken anyway says nothing more.
    if seen.trusted or not (seen.intact and seen.valid):
        return []
    return [(seen.trust_problem or "NO_CERTIFICATE_CHAIN_FOUND", _NOT_TRUSTED)]
