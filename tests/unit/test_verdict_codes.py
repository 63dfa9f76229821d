"""Every reason that a verdict can have is in the guide, and every row of the guide is one."""

from __future__ import annotations

import re
from pathlib import Path

from chalicelib.domain import approval_verdict, bundle_verdict, delivery_verdict, verdict
from chalicelib.domain.verdict import Finding
from chalicelib.services import verify_document

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "verify.md"


def _findings() -> list[Finding]:
    found: list[Finding] = []
    for module in (verdict, bundle_verdict, approval_verdict, delivery_verdict, verify_document):
        for member in vars(module).values():
            if isinstance(member, Finding):
                found.append(member)
            elif isinstance(member, dict):
                found += [value for value in member.values() if isinstance(value, Finding)]
    return found


def test_the_guide_lists_every_code() -> None:
    """api.md: codes are stable and documented; none is forgotten and none is left over."""
    rows = re.findall(r"^\| (`[^|]+) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    codes = {finding.code for finding in _findings()}
    assert codes <= listed
    others = {"register_answer", "match", "differs", "void", "unknown"}
    assert listed - codes - others == set()


def test_each_reason_is_told_in_both_languages() -> None:
    """Issue 4: a person reads why in Thai and in English; two reasons never share a code."""
    by_code: dict[str, set[tuple[str, str]]] = {}
    for finding in _findings():
        assert finding.detail.isascii() or "–" in finding.detail
        assert re.search("[ก-๛]", finding.detail_th)
        by_code.setdefault(finding.code, set()).add((finding.detail, finding.detail_th))
    assert all(len(texts) == 1 for texts in by_code.values())
