"""Cold imports of functions, from the packaged archives, in a bare interpreter."""

from __future__ import annotations

import sys

from infra import check_package
from infra import package as packaging
from tests.bench.results import SUMMARY, Result, duration

_SAMPLES = 9
_SHOWN = 8


def cold_import_api_ms() -> Result:
    """What the API imports to answer its first request."""
    return _measure("APIHandler", target="≤ 900 ms, below the seal's")


def cold_import_seal_ms() -> Result:
    """What `seal` imports to make its first document."""
    return _measure("Seal", target="≤ 2000 ms")


def _measure(function: str, *, target: str) -> Result:
    package = packaging.build("local", packaging.ROOT / "build" / "package")
    samples = check_package.cold_import_ms(package, function, samples=_SAMPLES)
    without = check_package.cold_import_ms(
        package, function, samples=_SAMPLES, only=("boto3", "pynamodb.models")
    )
    _tell_shares(function, check_package.import_shares_ms(package, function))
    return duration(samples, without, target=target, against="boto3 + pynamodb alone")


def _tell_shares(function: str, shares: dict[str, float]) -> None:
    """Leave a table of packages in build/bench, and show its beginning."""
    rows = [f"| {package} | {ms:.1f} |" for package, ms in shares.items()]
    text = "\n".join(["| package | ms |", "|---|---|", *rows])
    path = SUMMARY.parent / f"cold-import-{function.lower()}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")
    most = ", ".join(f"{package} {ms:.0f}" for package, ms in list(shares.items())[:_SHOWN])
    print(f"    {function}: {most} ms; all in {path}", file=sys.stderr)
