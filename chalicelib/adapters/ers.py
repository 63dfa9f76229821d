"""Evidence records as DER (RFC 4998 §2.1, ASN.1 of 1988). Port: EvidenceRecords.

Tokens are carried as the bytes they are: whoever renews a time-stamp hashes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from asn1crypto import algos, cms, core, tsp

from chalicelib.domain.errors import EvidenceRecordError
from chalicelib.domain.evidence_records import ArchiveTimestamp, Chain
from chalicelib.domain.hash_tree import ReducedHashTree

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")

# 20 years of renewals every month are 240; what is longer is meant to exhaust us.
_MOST_STAMPS = 1_000
_MOST_GROUPS = 256
LARGEST_RECORD = 8 * 1024 * 1024
"""Bytes. A time-stamp with its revocation data has about 10 kB."""


class _Attribute(core.Sequence):
    _fields = [("type", core.ObjectIdentifier), ("values", core.SetOf, {"spec": core.Any})]  # noqa: RUF012 - as asn1crypto declares it


class _Attributes(core.SetOf):
    _child_spec = _Attribute


class _CryptoInfos(core.SequenceOf):
    _child_spec = _Attribute


class _EncryptionInfo(core.Sequence):
    _fields = [("type", core.ObjectIdentifier), ("value", core.Any)]  # noqa: RUF012 - as above


class _PartialHashtree(core.SequenceOf):
    _child_spec = core.OctetString


class _ReducedHashtree(core.SequenceOf):
    _child_spec = _PartialHashtree


class _ArchiveTimeStamp(core.Sequence):
    _fields = [  # noqa: RUF012 - as above
        ("digest_algorithm", algos.DigestAlgorithm, {"implicit": 0, "optional": True}),
        ("attributes", _Attributes, {"implicit": 1, "optional": True}),
        ("reduced_hashtree", _ReducedHashtree, {"implicit": 2, "optional": True}),
        ("time_stamp", cms.ContentInfo),
    ]


class _ArchiveTimeStampChain(core.SequenceOf):
    _child_spec = _ArchiveTimeStamp


class _ArchiveTimeStampSequence(core.SequenceOf):
    _child_spec = _ArchiveTimeStampChain


class _DigestAlgorithms(core.SequenceOf):
    _child_spec = algos.DigestAlgorithm


class _EvidenceRecord(core.Sequence):
    _fields = [  # noqa: RUF012 - as above
        ("version", core.Integer),
        ("digest_algorithms", _DigestAlgorithms),
        ("crypto_infos", _CryptoInfos, {"implicit": 0, "optional": True}),
        ("encryption_info", _EncryptionInfo, {"implicit": 1, "optional": True}),
        ("archive_time_stamp_sequence", _ArchiveTimeStampSequence),
    ]


# asn1crypto has no types; these three keep that to one place.


def _made(kind: Any, value: Any) -> Any:
    return kind(value)


def _loaded(kind: Any, der: bytes) -> Any:
    return kind.load(der, strict=True)


def _der(value: Any) -> bytes:
    return cast("bytes", value.dump())


def readable(read: Callable[_P, _T]) -> Callable[_P, _T]:
    """asn1crypto parses on access, so damage may show anywhere within `read`: all of it
    becomes EvidenceRecordError."""

    @wraps(read)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return read(*args, **kwargs)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as e:
            # Only the kind of error: its text may quote the bytes.
            message = f"This is no evidence record or time-stamp ({type(e).__name__})."
            raise EvidenceRecordError(message, "อ่านระเบียนหลักฐานไม่ได้") from e

    return guarded


class DerEvidenceRecords:
    """Stateless."""

    def record(self, chains: Sequence[Chain]) -> bytes:
        """DER EvidenceRecord, version 1."""
        used = dict.fromkeys(stamp.algorithm for chain in chains for stamp in chain)
        record = _made(
            _EvidenceRecord,
            {
                "version": 1,
                "digest_algorithms": [_algorithm(name) for name in used],
                "archive_time_stamp_sequence": _sequence(chains),
            },
        )
        return _der(record)

    def sequence(self, chains: Sequence[Chain]) -> bytes:
        """DER ArchiveTimeStampSequence: what a hash-tree renewal covers of the past."""
        return _der(_sequence(chains))

    def imprint(self, token: bytes) -> tuple[str, bytes]:
        """The hash algorithm and the digest that a time-stamp token is over. Raises
        EvidenceRecordError."""
        algorithm, digest = _imprint(token)
        return algorithm, digest


def _sequence(chains: Sequence[Chain]) -> Any:
    return _made(
        _ArchiveTimeStampSequence,
        [
            _made(_ArchiveTimeStampChain, [_archive_time_stamp(stamp) for stamp in chain])
            for chain in chains
        ],
    )


def _archive_time_stamp(stamp: ArchiveTimestamp) -> Any:
    fields: dict[str, Any] = {
        "digest_algorithm": _algorithm(stamp.algorithm),
        "time_stamp": cms.ContentInfo.load(stamp.token),
    }
    # A single leaf is the root itself: there is no tree to reduce (RFC 4998 §5.2).
    if len(stamp.reduced) > 1:
        fields["reduced_hashtree"] = [list(group) for group in stamp.reduced]
    return _made(_ArchiveTimeStamp, fields)


def _algorithm(name: str) -> algos.DigestAlgorithm:
    try:
        return algos.DigestAlgorithm({"algorithm": name})
    except (ValueError, KeyError) as error:
        raise EvidenceRecordError(f"The hash algorithm {name} has no name in ASN.1.") from error


# -- reading -----------------------------------------------------------------


@readable
def read_record(der: bytes) -> tuple[Chain, ...]:
    """The chains of a record, oldest first; none is empty. Raises EvidenceRecordError."""
    if len(der) > LARGEST_RECORD:
        raise ValueError
    record = _loaded(_EvidenceRecord, der)
    if record["version"].native != 1:
        raise ValueError
    sequence = record["archive_time_stamp_sequence"]
    if not len(sequence) or sum(len(chain) for chain in sequence) > _MOST_STAMPS:
        raise ValueError
    if any(not len(chain) for chain in sequence):
        raise ValueError
    return tuple(tuple(_read_stamp(stamp) for stamp in chain) for chain in sequence)


@readable
def sequence_before(der: bytes, chain: int) -> bytes:
    """DER of the first `chain` chains of a record, exactly as they stand in it."""
    record = _loaded(_EvidenceRecord, der)
    older = [record["archive_time_stamp_sequence"][n] for n in range(chain)]
    return _der(_made(_ArchiveTimeStampSequence, older))


@readable
def token_info(token: bytes) -> tsp.TSTInfo:
    """What the authority signed. Raises EvidenceRecordError."""
    content = cms.ContentInfo.load(token, strict=True)
    if content["content_type"].native != "signed_data":
        raise ValueError
    encapsulated = content["content"]["encap_content_info"]
    if encapsulated["content_type"].native != "tst_info":
        raise ValueError
    info = encapsulated["content"].parsed
    if not isinstance(info, tsp.TSTInfo):
        raise TypeError
    return info


@readable
def _imprint(token: bytes) -> tuple[str, bytes]:
    imprint = token_info(token)["message_imprint"]
    return imprint["hash_algorithm"]["algorithm"].native, imprint["hashed_message"].native


@readable
def token_time(token: bytes) -> datetime:
    """When a token says it was made, UTC. Raises EvidenceRecordError."""
    at = token_info(token)["gen_time"].native
    if not isinstance(at, datetime):
        raise TypeError
    return at.astimezone(UTC)


def _read_stamp(stamp: _ArchiveTimeStamp) -> ArchiveTimestamp:
    token = stamp["time_stamp"].dump()
    stated = stamp["digest_algorithm"]
    if isinstance(stated, core.Void):
        stated = token_info(token)["message_imprint"]["hash_algorithm"]
    return ArchiveTimestamp(
        algorithm=stated["algorithm"].native,
        reduced=_read_reduced(stamp["reduced_hashtree"]),
        token=token,
    )


def _read_reduced(groups: Any) -> ReducedHashTree:
    if isinstance(groups, core.Void):
        return ()
    if not len(groups) or len(groups) > _MOST_GROUPS or any(not len(group) for group in groups):
        raise ValueError
    return tuple(tuple(bytes(digest.native) for digest in group) for group in groups)
