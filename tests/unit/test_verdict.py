"""The rules that turn what was seen of a seal into a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.domain.verdict import (
    Indication,
    Sealer,
    SealObservation,
    TimestampObservation,
    judge,
)

STAMP = TimestampObservation(
    at=datetime(2026, 11, 21, tzinfo=UTC), authority="TSA", sound=True, trusted=True, problem=None
)
GOOD = SealObservation(
    field="Seal1",
    sealer=Sealer(common_name="DIW", organization="กรมโรงงานอุตสาหกรรม", fingerprint="00"),
    intact=True,
    valid=True,
    whole_file=True,
    trusted=True,
    trust_problem=None,
    timestamp=STAMP,
)


def test_good_seal_passes() -> None:
    """D3: what nothing speaks against passes, with the time of the seal."""
    verdict = judge((GOOD,))
    assert verdict.passed
    assert verdict.sub_indication is None
    assert verdict.seals[0].sealed_at == STAMP.at


@pytest.mark.parametrize(
    ("seen", "indication", "sub_indication", "codes"),
    [
        (replace(GOOD, intact=False), "TOTAL-FAILED", "HASH_FAILURE", ["altered"]),
        (replace(GOOD, valid=False), "TOTAL-FAILED", "SIG_CRYPTO_FAILURE", ["signature_wrong"]),
        (replace(GOOD, whole_file=False), "TOTAL-FAILED", "HASH_FAILURE", ["not_whole_file"]),
        (
            replace(GOOD, trusted=False, trust_problem="REVOKED"),
            "TOTAL-FAILED",
            "REVOKED",
            ["sealer_not_trusted"],
        ),
        (
            replace(GOOD, trusted=False, trust_problem=None),
            "INDETERMINATE",
            "NO_CERTIFICATE_CHAIN_FOUND",
            ["sealer_not_trusted"],
        ),
        (
            replace(GOOD, timestamp=None),
            "INDETERMINATE",
            "SIG_CONSTRAINTS_FAILURE",
            ["no_timestamp"],
        ),
        (
            replace(GOOD, timestamp=replace(STAMP, sound=False, trusted=False)),
            "INDETERMINATE",
            "SIG_CONSTRAINTS_FAILURE",
            ["timestamp_wrong"],
        ),
        (
            replace(GOOD, timestamp=replace(STAMP, trusted=False, problem="EXPIRED")),
            "INDETERMINATE",
            "EXPIRED",
            ["timestamp_not_trusted"],
        ),
        (
            replace(GOOD, timestamp=None, whole_file=False),
            "TOTAL-FAILED",
            "HASH_FAILURE",
            ["not_whole_file", "no_timestamp"],
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


def test_no_seal() -> None:
    """D3: a file without seal is not called forged; nothing is known of it."""
    verdict = judge(())
    assert verdict.indication is Indication.INDETERMINATE
    assert verdict.sub_indication == "SIGNED_DATA_NOT_FOUND"
    assert verdict.findings[0].code == "no_seal"
