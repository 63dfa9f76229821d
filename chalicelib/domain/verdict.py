"""What may be said of a sealed file: observations in, one verdict out.

Words are those of EN 319 102-1 §5.1.3: a total indication, a sub-indication where it
did not pass, and reasons a person understands. The rules are stricter than the standard's
in two points, because Tra knows how its files come to be: after the seal nothing may follow
but what keeps it provable (validation data and document time-stamps), since the archived
bytes are the only bytes (P2); and a seal must carry a trusted time-stamp.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.seals import SealLevel


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


class Aspect(StrEnum):
    """What a finding is about."""

    FILE = "file"
    SEAL = "seal"
    CHANGES = "changes"
    CHAIN = "chain"
    REVOCATION = "revocation"
    TIMESTAMP = "timestamp"
    REGISTER = "register"
    DOCUMENT = "document"
    BUNDLE = "bundle"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, in both languages; `code` is stable (docs/guide/verify.md lists them)."""

    code: str
    detail: str
    detail_th: str
    aspect: Aspect = Aspect.FILE


class Change(StrEnum):
    """What followed the seal though only validation data and time-stamps may."""

    CONTENT = "content"
    METADATA = "metadata"
    ANOTHER_SEAL = "another_seal"
    UNCOVERED_BYTES = "uncovered_bytes"
    """Bytes that neither a seal nor a revision accounts for, also within a seal's own room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the checker knows besides the file and the anchors.

    `now` is the time of checking (None: the clock's). `proven_at`: something outside the
    file (an evidence record, RFC 4998) proves that these bytes existed then. `ocsp_responses`
    and `crls` (DER) are fresh answers, obtained by the checker; no address in a file is ever
    called.
    """

    now: datetime | None = None
    proven_at: datetime | None = None
    ocsp_responses: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """Who a seal certificate says sealed. `fingerprint` is its hex SHA-256."""

    common_name: str
    organization: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampObservation:
    """A time-stamp, of the signature or of the document. `sound`: imprint and signature are
    right. `trusted`: it leads to an anchor, at a time that can be proven. `problem`: a
    sub-indication. `revocation_known`: verified data say that its certificates stood.
    `ends_at`: when the first certificate of its chain ends."""

    at: datetime
    authority: str
    sound: bool
    trusted: bool
    problem: str | None
    revocation_known: bool = True
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealObservation:
    """What was found out about one seal, without judging it.

    `revocation_known`: verified data, embedded or fresh, say that no certificate of the
    chain was revoked when the seal was made; `data_embedded`: the embedded ones suffice.
    `document_timestamps` are those over this seal, oldest first; `data_stamped`: a trusted
    one of them covers the validation data.
    """

    field: str
    sealer: Sealer
    intact: bool
    valid: bool
    changes: tuple[Change, ...]
    trusted: bool
    trust_problem: str | None
    timestamp: TimestampObservation | None
    revocation_known: bool = True
    data_embedded: bool = False
    data_stamped: bool = False
    document_timestamps: tuple[TimestampObservation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How strict a judgement is. Who has just checked revocation without embedding the data
    (a B-T seal is verified before it leaves) need not ask for it."""

    revocation_required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SealVerdict:
    """The verdict on one seal. `level` is what it reaches, as far as it can be trusted;
    from `proof_until` on the file alone does not prove its time any more (None if it proves
    nothing now, as one that failed). `notes` do not touch the verdict."""

    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]
    field: str
    sealer: Sealer
    sealed_at: datetime | None
    level: SealLevel
    document_timestamps: tuple[datetime, ...] = ()
    proof_until: datetime | None = None
    notes: tuple[Finding, ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """A verdict on a file, its hex SHA-256, and the verification code that its attached
    content claims, if any: a claim, not a proof."""

    verdict: Verdict
    sha256: str
    size: int
    claimed_code: str | None


PASSED = Finding(
    "seal_valid",
    "The seal is valid: the file is exactly as it was sealed.",
    "ตราประทับถูกต้อง เอกสารไม่ถูกแก้ไขตั้งแต่ประทับตรา",
    Aspect.SEAL,
)
NO_SEAL = Finding(
    "no_seal",
    "The file carries no electronic seal.",
    "ไฟล์นี้ไม่มีตราประทับอิเล็กทรอนิกส์",
    Aspect.SEAL,
)
NOT_PDF = Finding("not_pdf", "The file is not a PDF.", "ไฟล์นี้ไม่ใช่ PDF")
UNREADABLE = Finding(
    "unreadable",
    "The file is damaged: it cannot be read as a sealed PDF.",
    "ไฟล์เสียหาย ไม่สามารถอ่านเป็น PDF ที่ประทับตราได้",
)
TOO_LARGE = Finding(
    "too_large_to_check",
    "The file is too large or too convoluted to be checked.",
    "ไฟล์ใหญ่หรือซับซ้อนเกินกว่าจะตรวจสอบได้",
)
_ALTERED = Finding(
    "altered",
    "The file was changed after it was sealed.",
    "เอกสารถูกแก้ไขหลังจากประทับตรา",
    Aspect.CHANGES,
)
_FORGED = Finding(
    "signature_wrong",
    "The seal's signature does not belong to its certificate.",
    "ลายมือชื่อของตราประทับไม่ตรงกับใบรับรอง",
    Aspect.SEAL,
)
_CHANGES = {
    Change.CONTENT: Finding(
        "changed_after_seal",
        "Something that can be seen or used was added or replaced after the seal.",
        "มีการเพิ่มหรือแทนที่เนื้อหาของเอกสารหลังจากประทับตรา",
        Aspect.CHANGES,
    ),
    Change.METADATA: Finding(
        "metadata_changed",
        "The title or other information about the document was changed after the seal.",
        "ชื่อเรื่องหรือข้อมูลกำกับเอกสารถูกแก้ไขหลังจากประทับตรา",
        Aspect.CHANGES,
    ),
    Change.ANOTHER_SEAL: Finding(
        "another_seal",
        "Another seal was added after this one; these are not the bytes that were archived.",
        "มีการประทับตราอื่นเพิ่มหลังจากตรานี้ จึงไม่ใช่ไฟล์ที่เก็บไว้ในคลัง",
        Aspect.CHANGES,
    ),
    Change.UNCOVERED_BYTES: Finding(
        "not_whole_file",
        "The file holds bytes that neither the seal nor its time-stamps account for.",
        "ไฟล์มีข้อมูลที่ทั้งตราประทับและการประทับรับรองเวลาไม่ครอบคลุม",
        Aspect.CHANGES,
    ),
}
_NOT_TRUSTED = Finding(
    "sealer_not_trusted",
    "The seal's certificate does not lead to a trusted authority, or cannot be relied on.",
    "ใบรับรองของตราประทับไม่ได้ออกโดยผู้ให้บริการที่เชื่อถือได้ หรือไม่อาจเชื่อถือได้",
    Aspect.CHAIN,
)
_SEALER_REVOKED = Finding(
    "sealer_revoked",
    "The seal's certificate was revoked before the time that can be proven for the seal.",
    "ใบรับรองของตราประทับถูกเพิกถอนก่อนเวลาประทับตราที่พิสูจน์ได้",
    Aspect.REVOCATION,
)
_SEALER_EXPIRED = Finding(
    "sealer_expired",
    "The seal's certificate was out of its period at the time that can be proven for the seal.",
    "ใบรับรองของตราประทับไม่อยู่ในช่วงอายุ ณ เวลาประทับตราที่พิสูจน์ได้",
    Aspect.CHAIN,
)
_SEALER_NOT_YET_VALID = Finding(
    "sealer_not_yet_valid",
    "The seal's certificate was not valid yet when the seal was made.",
    "ใบรับรองของตราประทับยังไม่เริ่มมีผลเมื่อประทับตรา",
    Aspect.CHAIN,
)
_AUTHORITY_REVOKED = Finding(
    "authority_revoked",
    "A certificate of the authority that certified the sealer was revoked.",
    "ใบรับรองของผู้ให้บริการที่ออกใบรับรองตราประทับถูกเพิกถอน",
    Aspect.REVOCATION,
)
_AUTHORITY_ENDED = Finding(
    "authority_expired",
    "The sealer's authority has ended, and nothing proves that the validation data are older.",
    "ใบรับรองของผู้ออกใบรับรองหมดอายุแล้ว และไม่มีหลักฐานว่าข้อมูลตรวจสอบมีอยู่ก่อนนั้น",
    Aspect.CHAIN,
)
_WEAK = Finding(
    "algorithm_weak",
    "An algorithm or key of the seal or its certificates is not secure.",
    "อัลกอริทึมหรือกุญแจของตราประทับหรือใบรับรองไม่ปลอดภัยเพียงพอ",
    Aspect.SEAL,
)
_PURPOSE = Finding(
    "certificate_purpose",
    "A certificate is not meant for what it was used for.",
    "ใบรับรองไม่ได้กำหนดให้ใช้เพื่อวัตถุประสงค์นี้",
    Aspect.CHAIN,
)
_REVOCATION_UNKNOWN = Finding(
    "revocation_unknown",
    "Nothing shows whether the seal's certificates were revoked: the file holds no such data "
    "for the time of the seal, and none were given.",
    "ไม่มีข้อมูลแสดงว่าใบรับรองของตราประทับถูกเพิกถอนหรือไม่ ณ เวลาประทับตรา",
    Aspect.REVOCATION,
)
_NO_TIMESTAMP = Finding(
    "no_timestamp",
    "The seal has no time-stamp, so it is not known when it was made.",
    "ตราประทับไม่มีการประทับรับรองเวลา จึงไม่ทราบเวลาที่ประทับ",
    Aspect.TIMESTAMP,
)
_TIMESTAMP_WRONG = Finding(
    "timestamp_wrong",
    "The time-stamp does not belong to this seal.",
    "การประทับรับรองเวลาไม่ตรงกับตราประทับนี้",
    Aspect.TIMESTAMP,
)
_TIMESTAMP_NOT_TRUSTED = Finding(
    "timestamp_not_trusted",
    "The time-stamp does not come from a trusted authority.",
    "การประทับรับรองเวลาไม่ได้มาจากผู้ให้บริการที่เชื่อถือได้",
    Aspect.TIMESTAMP,
)
_TIMESTAMP_EXPIRED = Finding(
    "timestamp_expired",
    "The time-stamp's certificate has ended, and nothing newer proves the time.",
    "ใบรับรองของการประทับรับรองเวลาหมดอายุ และไม่มีหลักฐานใหม่กว่าที่ยืนยันเวลา",
    Aspect.TIMESTAMP,
)
_TIMESTAMP_REVOKED = Finding(
    "timestamp_revoked",
    "The time-stamp's certificate was revoked.",
    "ใบรับรองของการประทับรับรองเวลาถูกเพิกถอน",
    Aspect.TIMESTAMP,
)
_DOCUMENT_TIMESTAMP_WRONG = Finding(
    "document_timestamp_wrong",
    "A document time-stamp does not fit the file: something before it was changed.",
    "การประทับรับรองเวลาของเอกสารไม่ตรงกับไฟล์ ข้อมูลก่อนหน้านั้นถูกแก้ไข",
    Aspect.CHANGES,
)
_DOCUMENT_TIMESTAMP_NOT_TRUSTED = Finding(
    "document_timestamp_not_trusted",
    "A document time-stamp does not come from a trusted authority.",
    "การประทับรับรองเวลาของเอกสารไม่ได้มาจากผู้ให้บริการที่เชื่อถือได้",
    Aspect.TIMESTAMP,
)
_DOCUMENT_TIMESTAMP_EXPIRED = Finding(
    "document_timestamp_expired",
    "The certificate of a document time-stamp has ended: it proves nothing any more.",
    "ใบรับรองของการประทับรับรองเวลาของเอกสารหมดอายุแล้ว จึงไม่เป็นหลักฐานอีกต่อไป",
    Aspect.TIMESTAMP,
)

_EXPIRED = frozenset({"OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED", "EXPIRED"})
_REVOKED = frozenset({"REVOKED", "REVOKED_NO_POE", "REVOKED_CA_NO_POE"})
_WEAK_PROBLEMS = frozenset({"CRYPTO_CONSTRAINTS_FAILURE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"})
_TRUST = {
    "REVOKED": _SEALER_REVOKED,
    "REVOKED_NO_POE": _SEALER_REVOKED,
    "REVOKED_CA_NO_POE": _AUTHORITY_REVOKED,
    "NOT_YET_VALID": _SEALER_NOT_YET_VALID,
    "NO_POE": _AUTHORITY_ENDED,
    "TRY_LATER": _REVOCATION_UNKNOWN,
    "CHAIN_CONSTRAINTS_FAILURE": _PURPOSE,
    **dict.fromkeys(_EXPIRED, _SEALER_EXPIRED),
    **dict.fromkeys(_WEAK_PROBLEMS, _WEAK),
}


def judge(observations: tuple[SealObservation, ...], rules: Rules | None = None) -> Verdict:
    """The verdict on a file that could be read."""
    if not observations:
        return not_verifiable(NO_SEAL, Indication.INDETERMINATE, "SIGNED_DATA_NOT_FOUND")
    chosen = rules or Rules()
    seals = tuple(judge_seal(observation, chosen) for observation in observations)
    worst = max(seals, key=lambda seal: _SEVERITY.index(seal.indication))
    return Verdict(
        indication=worst.indication,
        sub_indication=worst.sub_indication,
        findings=worst.findings,
        seals=seals,
    )


def worse(one: Indication, other: Indication) -> Indication:
    """Of two indications the one that decides."""
    return max(one, other, key=_SEVERITY.index)


def not_verifiable(finding: Finding, indication: Indication, sub_indication: str) -> Verdict:
    """The verdict on a file in which no seal can be looked at."""
    return Verdict(indication=indication, sub_indication=sub_indication, findings=(finding,))


def judge_seal(seen: SealObservation, rules: Rules) -> SealVerdict:
    """All that is wrong with a seal is listed; the first and gravest decides."""
    problems = [
        *_content_problems(seen),
        *_timestamp_problems(seen),
        *_document_timestamp_problems(seen),
        *_trust_problems(seen, rules),
    ]
    problems.sort(key=lambda problem: problem[0] not in _FAILURES)
    sub_indication = problems[0][0] if problems else None
    proofs = [stamp for stamp in _stamps(seen) if stamp.sound and stamp.trusted]
    indication = _indication(sub_indication)
    proves = proofs and indication is not Indication.TOTAL_FAILED
    return SealVerdict(
        indication=indication,
        sub_indication=sub_indication,
        findings=_without_repeats(finding for _, finding in problems) or (PASSED,),
        field=seen.field,
        sealer=seen.sealer,
        sealed_at=seen.timestamp.at if seen.timestamp in proofs and seen.timestamp else None,
        level=level_of(seen),
        document_timestamps=tuple(s.at for s in seen.document_timestamps if s in proofs),
        proof_until=proofs[-1].ends_at if proves else None,
        notes=_notes(seen),
    )


def level_of(seen: SealObservation) -> SealLevel:
    """The PAdES baseline level whose demands are met and can be trusted (EN 319 142-1 §6)."""
    stamp = seen.timestamp
    if stamp is None or not (stamp.sound and stamp.trusted):
        return SealLevel.B_B
    if not seen.data_embedded:
        return SealLevel.B_T
    return SealLevel.B_LTA if seen.data_stamped else SealLevel.B_LT


def _stamps(seen: SealObservation) -> tuple[TimestampObservation, ...]:
    first = (seen.timestamp,) if seen.timestamp else ()
    return (*first, *seen.document_timestamps)


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
    # These are not the bytes that were archived (P2), so no doubt is left.
    problems += [("HASH_FAILURE", _CHANGES[change]) for change in seen.changes]
    return problems


def _timestamp_problems(seen: SealObservation) -> list[_Problem]:
    stamp = seen.timestamp
    if stamp is None:
        return [("SIG_CONSTRAINTS_FAILURE", _NO_TIMESTAMP)]
    if not stamp.sound:
        return [("SIG_CONSTRAINTS_FAILURE", _TIMESTAMP_WRONG)]
    if stamp.trusted:
        return []
    problem = stamp.problem or "NO_POE"
    if problem in _EXPIRED:
        return [(problem, _TIMESTAMP_EXPIRED)]
    return [(problem, _TIMESTAMP_REVOKED if problem in _REVOKED else _TIMESTAMP_NOT_TRUSTED)]


def _document_timestamp_problems(seen: SealObservation) -> list[_Problem]:
    problems: list[_Problem] = []
    for stamp in seen.document_timestamps:
        if not stamp.sound:
            problems.append(("HASH_FAILURE", _DOCUMENT_TIMESTAMP_WRONG))
        elif not stamp.trusted and stamp.problem not in _EXPIRED:
            sub_indication = stamp.problem or "NO_POE"
            revoked = sub_indication in _REVOKED
            finding = _TIMESTAMP_REVOKED if revoked else _DOCUMENT_TIMESTAMP_NOT_TRUSTED
            problems.append((sub_indication, finding))
    return problems


def _trust_problems(seen: SealObservation, rules: Rules) -> list[_Problem]:
    # Trust in a signature that is broken anyway says nothing more.
    if not (seen.intact and seen.valid):
        return []
    if not seen.trusted:
        problem = seen.trust_problem or "NO_CERTIFICATE_CHAIN_FOUND"
        return [(problem, _TRUST.get(problem, _NOT_TRUSTED))]
    if rules.revocation_required and not seen.revocation_known:
        return [("TRY_LATER", _REVOCATION_UNKNOWN)]
    return []


def _notes(seen: SealObservation) -> tuple[Finding, ...]:
    """A time-stamp whose time is over takes nothing from a seal that stands without it."""
    lapsed = any(
        stamp.sound and not stamp.trusted and stamp.problem in _EXPIRED
        for stamp in seen.document_timestamps
    )
    return (_DOCUMENT_TIMESTAMP_EXPIRED,) if lapsed else ()


def _without_repeats(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))
