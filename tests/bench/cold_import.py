"""Cold imports of functions, from the packaged archives, in a bare interpreter."""

from __future__ import annotations

from infra import check_package
from infra import package as packaging
from tests.bench.results import Result, duration

_SAMPLES = 9


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
    return duration(samples, without, target=target, against="boto3 + pynamodb alone")
