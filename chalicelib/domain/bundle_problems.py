"""What speaks against a proof, and how several such things come to one verdict (EN 319 102-1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.domain.verdict import Finding, Indication, worse

FORMAT, HASH, SIGNATURE, REVOKED, MISSING, SUSPENDED = (
    "FORMAT_FAILURE",
    "HASH_FAILURE",
    "SIG_CRYPTO_FAILURE",
    "REVOKED",
    "NO_POE",
    "TRY_LATER",
)
"""The sub-indications of EN 319 102-1 that fit proofs which are no signatures of documents."""

_FAILURES = (FORMAT, HASH, SIGNATURE, REVOKED)


@dataclass(frozen=True, slots=True)
class Problem:
    """What speaks against a bundle, and what it is called."""

    sub_indication: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Judged:
    """All that speaks against a proof, failures first; the first decides."""

    indication: Indication
    sub_indication: str | None
    findings: tuple[Finding, ...]


def judge(problems: Iterable[Problem], *, valid: Finding) -> Judged:
    """`valid` is what is said where nothing speaks against it."""
    ranked = sorted(problems, key=lambda problem: problem.sub_indication not in _FAILURES)
    indication = Indication.TOTAL_PASSED
    for problem in ranked:
        indication = worse(indication, _indication(problem.sub_indication))
    return Judged(
        indication=indication,
        sub_indication=ranked[0].sub_indication if ranked else None,
        findings=tuple(dict.fromkeys(problem.finding for problem in ranked)) or (valid,),
    )


def _indication(sub_indication: str) -> Indication:
    failed = sub_indication in _FAILURES
    return Indication.TOTAL_FAILED if failed else Indication.INDETERMINATE
