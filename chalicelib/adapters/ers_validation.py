"""Look at evidence records with pyHanko (RFC 4998 §5.3); `domain.evidence_records` judges.

Nothing is fetched: all that is looked at is in the record, in the data and in the anchors.
Each time-stamp is looked at as of the time of the next one, which proves that it was
there then; the last one as of now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import cms, core, crl, ocsp, x509
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko.sign.validation.status import TimestampSignatureStatus
from pyhanko_certvalidator import ValidationContext

from chalicelib.adapters.coroutines import result_of
from chalicelib.adapters.ers import DerEvidenceRecords, read_record, sequence_before, token_time
from chalicelib.adapters.ers_stamps import revocation_data, signature_of, signer_of
from chalicelib.adapters.pades_validation import Revocation, load_pem
from chalicelib.domain.algorithms import NEVER, signature_end
from chalicelib.domain.errors import HashTreeError
from chalicelib.domain.evidence_records import (
    ArchiveStampObservation,
    ArchiveTimestamp,
    Chain,
    RecordObservation,
    renewed_leaf,
    stamp_leaf,
)
from chalicelib.domain.hash_tree import digest_of, root_of

# An answer may be as much older than the time-stamp as authorities let theirs be.
_FRESH_ENOUGH = timedelta(days=10)


class ErsValidator:
    """`clock` says when "now" is."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def observe(self, record: bytes, data: bytes, anchors: Sequence[str]) -> RecordObservation:
        """Every time-stamp of the record (DER), oldest first, looked at against the data and
        the anchors (PEM). Raises EvidenceRecordError if the record cannot be read."""
        chains = read_record(record)
        now = self._clock()
        roots = [load_pem(anchor) for anchor in anchors]
        flat = [(n, stamp) for n, chain in enumerate(chains) for stamp in chain]
        times = [token_time(stamp.token) for _, stamp in flat]
        observed = []
        for position, (chain, stamp) in enumerate(flat):
            moment = times[position + 1] if position + 1 < len(flat) else now
            token = _look_at(stamp, roots, moment)
            observed.append(
                ArchiveStampObservation(
                    chain=chain,
                    at=times[position],
                    judged_at=moment,
                    algorithm=stamp.algorithm,
                    bound=_is_bound(record, data, chains, chain, stamp),
                    **token.fields,
                )
            )
        return RecordObservation(stamps=tuple(observed), checked_at=now)


def _is_bound(
    record: bytes, data: bytes, chains: Sequence[Chain], chain: int, stamp: ArchiveTimestamp
) -> bool:
    """Whether the tree of this time-stamp begins with what it must cover (§4.3). Others in its
    first group would be of one data object group with it; that they exist proves no less."""
    try:
        leaf = _leaf_of(record, data, chains, chain, stamp)
        return DerEvidenceRecords().imprint(stamp.token) == (
            stamp.algorithm,
            root_of(stamp.reduced, leaf, stamp.algorithm),
        )
    except HashTreeError:
        return False


def _leaf_of(
    record: bytes, data: bytes, chains: Sequence[Chain], chain: int, stamp: ArchiveTimestamp
) -> bytes:
    position = next(n for n, other in enumerate(chains[chain]) if other is stamp)
    if position:
        return stamp_leaf(chains[chain][position - 1].token, stamp.algorithm)
    digest = digest_of(data, stamp.algorithm)
    if chain:
        return renewed_leaf(digest, sequence_before(record, chain), stamp.algorithm)
    return digest


# -- one time-stamp ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """What a token is, apart from what it covers."""

    authority: str = ""
    sound: bool = False
    trusted: bool = False
    unrevoked: bool = False
    problem: str | None = None
    ends_at: datetime | None = None
    signature_ends_at: datetime = NEVER

    @property
    def fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def _look_at(
    stamp: ArchiveTimestamp, roots: Sequence[x509.Certificate], moment: datetime
) -> _Token:
    try:
        return _look_at_signed(stamp.token, roots, moment)
    except Exception:  # noqa: BLE001 - damaged ASN.1 shows as any error, and is a verdict here
        return _Token(problem="FORMAT_FAILURE")


def _look_at_signed(token: bytes, roots: Sequence[x509.Certificate], moment: datetime) -> _Token:
    signed = cms.ContentInfo.load(token, strict=True)["content"]
    crls, answers = revocation_data(signed)
    # The data are of the day of the time-stamp and older than their own nextUpdate by now:
    # what they say still counts here, and `_revocation` asks them as of their own time.
    known = Revocation.IF_THERE.value
    status = _status(signed, _context(roots, crls, answers, moment, revinfo_policy=known))
    told = _revocation(signed, roots, crls, answers, moment)
    revoked = _problem(told) if told and (_problem(told) or "").startswith("REVOKED") else None
    signer = signer_of(signed)
    return _Token(
        authority=str(signer.subject.native.get("common_name", "")),
        sound=status.intact and status.valid,
        trusted=status.trusted and not revoked,
        unrevoked=told is not None and told.trusted,
        problem=revoked or _problem(status),
        ends_at=_end_of(status, signer),
        signature_ends_at=signature_end(*signature_of(token)),
    )


def _problem(status: TimestampSignatureStatus) -> str | None:
    problem = status.trust_problem_indic
    return problem.standard_name if problem else None


def _status(signed: cms.SignedData, context: ValidationContext) -> TimestampSignatureStatus:
    info = signed["encap_content_info"]["content"].parsed
    imprint = info["message_imprint"]["hashed_message"].native
    fields = result_of(validate_tst_signed_data(signed, context, lambda _algorithm: imprint))
    return TimestampSignatureStatus(**fields)


def _context(
    roots: Sequence[x509.Certificate],
    crls: Sequence[crl.CertificateList],
    answers: Sequence[ocsp.OCSPResponse],
    moment: datetime,
    **policy: Any,
) -> ValidationContext:
    return ValidationContext(
        trust_roots=list(roots),
        crls=list(crls),
        ocsps=list(answers),
        moment=moment,
        best_signature_time=moment,
        allow_fetching=False,
        **policy,
    )


def _revocation(
    signed: cms.SignedData,
    roots: Sequence[x509.Certificate],
    crls: Sequence[crl.CertificateList],
    answers: Sequence[ocsp.OCSPResponse],
    moment: datetime,
) -> TimestampSignatureStatus | None:
    """What the token's own revocation data say, at the newest time they speak of; None if
    they say nothing. They must be about the time of the token or later, and not from after
    `moment`: what came later nobody has time-stamped yet."""
    made_at = signed["encap_content_info"]["content"].parsed["gen_time"].native
    times = _spoken_of(crls, answers)
    known = [at for at in times if made_at - _FRESH_ENOUGH <= at <= moment]
    if not known:
        return None
    return _status(signed, _context(roots, crls, answers, max(known), revocation_mode="require"))


def _spoken_of(
    crls: Sequence[crl.CertificateList], answers: Sequence[ocsp.OCSPResponse]
) -> list[datetime]:
    """The times as of which the data speak (thisUpdate)."""
    times = [one["tbs_cert_list"]["this_update"].native for one in crls]
    for answer in answers:
        if answer["response_status"].native == "successful":
            responses = answer.response_data["responses"]
            times += [single["this_update"].native for single in responses]
    return [at.astimezone(UTC) for at in times]


def _end_of(status: TimestampSignatureStatus, signer: x509.Certificate) -> datetime | None:
    """When the first certificate of the path ends; without a path, the signer's own."""
    path = status.validation_path
    certificates = list(path.iter_certs(include_root=True)) if path else [signer]
    ends = [certificate.not_valid_after for certificate in certificates]
    return min(ends) if ends and not isinstance(ends, core.Void) else None
