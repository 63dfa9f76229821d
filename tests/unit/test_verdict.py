"""The rules that turn what was seen of a seal into a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.domain.seals import SealLevel
from chalicelib.domain.verdict import (
    Change,
    Indication,
    Rules,
    Sealer,
    SealObservation,
    TimestampObservation,
    judge,
    level_of,
    worse,
)

STAMP = TimestampObservation(
    at=datetime(2026, 11, 21, tzinfo=UTC),
    authority="TSA",
    sound=True,
    trusted=True,
    problem=None,
    ends_at=datetime(2029, 11, 21, tzinfo=UTC),
)
LATER = replace(
    STAMP, at=datetime(2026, 11, 22, tzinfo=UTC), ends_at=datetime(2030, 1, 1, tzinfo=UTC)
)
GOOD = SealObservation(
    field="Seal1",
    sealer=Sealer(common_name="DIW", organization="กรมโรงงานอุตสาหกรรม", fingerprint="00"),
    intact=True,
    valid=True,
    changes=(),
    trusted=True,
    trust_problem=None,
    timestamp=STAMP,
    revocation_known=True,
    data_embedded=True,
    data_stamped=True,
    document_timestamps=(LATER,),
)
BAD_STAMP = replace(STAMP, trusted=False, problem="NO_CERTIFICATE_CHAIN_FOUND")


def untrusted(problem: str | None) -> SealObservation:
    return replace(GOOD, trusted=False, trust_problem=problem)


def test_good_seal_passes() -> None:
    """D3: what nothing speaks against passes, with the time of the seal, its level, and until
    when the file alone proves that."""
    verdict = judge((GOOD,))
    assert verdict.passed
    assert verdict.sub_indication is None
    (seal,) = verdict.seals
    assert seal.sealed_at == STAMP.at
    assert seal.level is SealLevel.B_LTA
    assert seal.document_timestamps == (LATER.at,)
    assert seal.proof_until == LATER.ends_at


@pytest.mark.parametrize(
    ("seen", "indication", "sub_indication", "codes"),
    [
        (replace(GOOD, intact=False), "TOTAL-FAILED", "HASH_FAILURE", ["altered"]),
        (replace(GOOD, valid=False), "TOTAL-FAILED", "SIG_CRYPTO_FAILURE", ["signature_wrong"]),
        *(
            (replace(GOOD, changes=(change,)), "TOTAL-FAILED", "HASH_FAILURE", [code])
            for change, code in {
                Change.CONTENT: "changed_after_seal",
                Change.METADATA: "metadata_changed",
                Change.ANOTHER_SEAL: "another_seal",
                Change.UNCOVERED_BYTES: "not_whole_file",
            }.items()
        ),
        *(
            (untrusted(problem), indication, told or problem, [code])
            for problem, indication, told, code in (
                ("REVOKED", "TOTAL-FAILED", None, "sealer_revoked"),
                ("REVOKED_NO_POE", "INDETERMINATE", None, "sealer_revoked"),
                ("REVOKED_CA_NO_POE", "INDETERMINATE", None, "authority_revoked"),
                ("OUT_OF_BOUNDS_NO_POE", "INDETERMINATE", None, "sealer_expired"),
                ("NOT_YET_VALID", "TOTAL-FAILED", None, "sealer_not_yet_valid"),
                ("NO_POE", "INDETERMINATE", None, "authority_expired"),
                ("TRY_LATER", "INDETERMINATE", None, "revocation_unknown"),
                ("CHAIN_CONSTRAINTS_FAILURE", "INDETERMINATE", None, "certificate_purpose"),
                ("CRYPTO_CONSTRAINTS_FAILURE", "INDETERMINATE", None, "algorithm_weak"),
                (None, "INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND", "sealer_not_trusted"),
            )
        ),
        (
            replace(GOOD, revocation_known=False),
            "INDETERMINATE",
            "TRY_LATER",
            ["revocation_unknown"],
        ),
        (
            replace(GOOD, timestamp=None),
            "INDETERMINATE",
            "SIG_CONSTRAINTS_FAILURE",
            ["no_timestamp"],
        ),
        *(
            (replace(GOOD, timestamp=stamp), "INDETERMINATE", sub_indication, [code])
            for stamp, sub_indication, code in (
                (replace(STAMP, sound=False), "SIG_CONSTRAINTS_FAILURE", "timestamp_wrong"),
                (BAD_STAMP, "NO_CERTIFICATE_CHAIN_FOUND", "timestamp_not_trusted"),
                (
                    replace(BAD_STAMP, problem="OUT_OF_BOUNDS_NO_POE"),
                    "OUT_OF_BOUNDS_NO_POE",
                    "timestamp_expired",
                ),
                (
                    replace(BAD_STAMP, problem="REVOKED_NO_POE"),
                    "REVOKED_NO_POE",
                    "timestamp_revoked",
                ),
            )
        ),
        (
            replace(GOOD, document_timestamps=(replace(LATER, sound=False),)),
            "TOTAL-FAILED",
            "HASH_FAILURE",
            ["document_timestamp_wrong"],
        ),
        (
            replace(GOOD, document_timestamps=(LATER, BAD_STAMP)),
            "INDETERMINATE",
            "NO_CERTIFICATE_CHAIN_FOUND",
            ["document_timestamp_not_trusted"],
        ),
        (
            replace(GOOD, timestamp=None, changes=(Change.CONTENT, Change.METADATA)),
            "TOTAL-FAILED",
            "HASH_FAILURE",
            ["changed_after_seal", "metadata_changed", "no_timestamp"],
        ),
        (
            replace(GOOD, intact=False, trusted=False, trust_problem="GENERIC"),
            "TOTAL-FAILED",
            "HASH_FAILURE",
            ["altered"],
        ),
    ],
)
def test_each_flaw(
    seen: SealObservation, indication: str, sub_indication: str, codes: list[str]
) -> None:
    """P2, A6: every single flaw denies the pass, and the gravest gives the verdict its name."""
    verdict = judge((seen,))
    assert verdict.indication == indication
    assert verdict.sub_indication == sub_indication
    assert [finding.code for finding in verdict.findings] == codes
    assert all(finding.detail_th != finding.detail for finding in verdict.findings)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_worst_seal_decides(position: int) -> None:
    """P2: good seals cannot outvote a broken one, wherever it stands."""
    seals = [GOOD, replace(GOOD, timestamp=None)]
    seals.insert(position, replace(GOOD, intact=False))
    verdict = judge(tuple(seals))
    assert verdict.indication is Indication.TOTAL_FAILED
    assert len(verdict.seals) == 3


def test_untrusted_time_is_not_shown() -> None:
    """A19: a time nobody vouches for is not told as the time of the seal."""
    verdict = judge((replace(GOOD, timestamp=replace(STAMP, trusted=False)),))
    assert verdict.seals[0].sealed_at is None


def test_lapsed_document_timestamp_is_a_note() -> None:
    """Issue 4: a document time-stamp whose time is over takes nothing from a seal that stands
    without it, and is told."""
    lapsed = replace(LATER, trusted=False, problem="OUT_OF_BOUNDS_NO_POE")
    verdict = judge((replace(GOOD, document_timestamps=(lapsed,), data_stamped=False),))
    assert verdict.passed
    (seal,) = verdict.seals
    assert seal.level is SealLevel.B_LT
    assert [note.code for note in seal.notes] == ["document_timestamp_expired"]


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        (replace(GOOD, timestamp=None), SealLevel.B_B),
        (replace(GOOD, timestamp=BAD_STAMP), SealLevel.B_B),
        (replace(GOOD, data_embedded=False), SealLevel.B_T),
        (replace(GOOD, data_stamped=False), SealLevel.B_LT),
        (GOOD, SealLevel.B_LTA),
    ],
)
def test_level_is_what_can_be_trusted(seen: SealObservation, level: SealLevel) -> None:
    """EN 319 142-1 §6: each level needs all of the one before it."""
    assert level_of(seen) is level


def test_who_has_just_checked_revocation_need_not_find_it_in_the_file() -> None:
    """P3: a B-T seal passes the check before it leaves, though it embeds no revocation data."""
    fresh = replace(GOOD, revocation_known=False, data_embedded=False)
    assert not judge((fresh,)).passed
    assert judge((fresh,), Rules(revocation_required=False)).passed


def test_no_seal() -> None:
    """D3: a file without seal is not called forged; nothing is known of it."""
    verdict = judge(())
    assert verdict.indication is Indication.INDETERMINATE
    assert verdict.sub_indication == "SIGNED_DATA_NOT_FOUND"
    assert verdict.findings[0].code == "no_seal"


def test_the_worse_indication_decides() -> None:
    """P2: wherever two verdicts meet, failure beats doubt, and doubt beats success."""
    failed, doubt, passed = (
        Indication.TOTAL_FAILED,
        Indication.INDETERMINATE,
        Indication.TOTAL_PASSED,
    )
    assert worse(passed, doubt) is doubt
    assert worse(failed, doubt) is failed
