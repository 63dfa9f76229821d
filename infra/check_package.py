"""Check a built package before anybody deploys it.

    python -m infra.check_package            template, policies, isolated imports
    python -m infra.check_package --measure  and cold import times

Imports are checked with `python -I -S` and nothing but the unpacked archives on
`sys.path`, in AWS's order: on the embedded AWS workers also see its own packages, which
can hide that one is missing from ours.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import package as packaging

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

API = "APIHandler"
NOT_IN_API = (
    "pyhanko",
    "pyhanko_certvalidator",
    "typst",
    "lxml",
    "signxml",
    "aiohttp",
    "fontTools",
)
"""What only rendering and sealing may load; the API answers before it would be ready."""

_FUNCTION = "AWS::Serverless::Function"
_PROBE = """
import json, sys, time
module, *path = json.loads(sys.argv[1])
sys.path[:0] = path
started = time.perf_counter()
__import__(module)
spent = time.perf_counter() - started
print(json.dumps({"ms": spent * 1000, "modules": sorted(sys.modules)}))
"""
_IMPORT_TIME = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \| +(\S+)$", re.MULTILINE)
# What each function builds on its first invocation, so that it is imported, too.
_FIRST_USE = {
    "Seal": (
        "chalicelib.adapters.pades.sealer",
        "chalicelib.adapters.typst",
        "chalicelib.adapters.tsa",
        "chalicelib.adapters.seal_credentials",
        "chalicelib.adapters.xades",
    ),
    "Number": ("chalicelib.adapters.dynamodb.batches", "chalicelib.adapters.batch_storage"),
    "Batch": (
        "chalicelib.adapters.batch_reading",
        "chalicelib.adapters.batch_storage",
        "chalicelib.adapters.dynamodb.batches",
        "chalicelib.adapters.jsonschema",
        "chalicelib.adapters.s3",
    ),
    "Preview": ("chalicelib.adapters.typst", "chalicelib.adapters.typst_register"),
    "Status": ("chalicelib.adapters.dynamodb.registers", "chalicelib.adapters.kms"),
    "Verify": ("chalicelib.adapters.pades_validation", "chalicelib.adapters.uploads"),
    API: (
        "chalicelib.adapters.dynamodb.documents",
        "chalicelib.adapters.s3",
        "chalicelib.services.verify_document",
        "chalicelib.adapters.verify_function",
        "chalicelib.adapters.status_function",
        "chalicelib.adapters.jws",
    ),
}


def problems(package: packaging.Package) -> list[str]:
    """Everything wrong with the package, one sentence each; empty if it may be deployed."""
    template = read_template(package)
    found = [*policy_problems(template), *event_source_problems(template)]
    with unpacked(package) as tree:
        found += import_problems(template, tree)
    return found


def read_template(package: packaging.Package) -> dict[str, Any]:
    template: dict[str, Any] = json.loads(package.template.read_text(encoding="utf-8"))
    return template


def functions(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Properties of every function by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == _FUNCTION
    }


# -- policies --------------------------------------------------------------------


def policy_problems(template: Mapping[str, Any]) -> list[str]:
    """Every function has a role and a policy of its own, and no action is a pattern."""
    found: list[str] = []
    role_of: dict[str, str] = {}
    statements_of: dict[str, str] = {}
    for function, properties in functions(template).items():
        role = properties["Role"]["Fn::GetAtt"][0]
        if role in role_of:
            found.append(f"{function} shares the role {role} with {role_of[role]}.")
        role_of[role] = function
        statements = _statements(template["Resources"][role])
        found += [f"{function}: {problem}" for problem in _statement_problems(statements)]
        policy = json.dumps(statements, sort_keys=True)
        if policy in statements_of:
            found.append(f"{function} has the same policy as {statements_of[policy]}.")
        statements_of[policy] = function
    return found


def _statements(role: Mapping[str, Any]) -> list[dict[str, Any]]:
    policies = role["Properties"].get("Policies", [])
    return [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]


def _statement_problems(statements: list[dict[str, Any]]) -> Iterator[str]:
    if not statements:
        yield "there is no policy."
    for statement in statements:
        actions = _listed(statement.get("Action", []))
        if "NotAction" in statement or "NotResource" in statement:
            yield "a policy that says what is not meant allows everything else."
        yield from (f"the action {a} is a pattern." for a in actions if "*" in a)
        # X-Ray knows no resources; AWS accepts nothing but "*" there.
        if "*" in _listed(statement["Resource"]) and not all(
            a.startswith("xray:") for a in actions
        ):
            yield f"{', '.join(actions)} is allowed on every resource."


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# -- queues ----------------------------------------------------------------------


def event_source_problems(template: Mapping[str, Any]) -> list[str]:
    """Queues report partial batches, are consumed, and have dead letters; a message stays
    hidden for as long as the function that has it may run."""
    resources = template["Resources"]
    found: list[str] = []
    consumed: set[str] = set()
    for function, properties in functions(template).items():
        for event in properties.get("Events", {}).values():
            if event["Type"] != "SQS":
                continue
            queue = event["Properties"]["Queue"]["Fn::Sub"].removeprefix("${").split(".")[0]
            consumed.add(queue)
            if event["Properties"].get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
                found.append(f"{function} does not report partial batches of {queue}.")
            if resources[queue]["Properties"]["VisibilityTimeout"] < properties["Timeout"]:
                found.append(f"{queue} shows a message again while {function} still has it.")
    return [*found, *_queue_problems(resources, consumed)]


def _queue_problems(resources: Mapping[str, Any], consumed: set[str]) -> Iterator[str]:
    queues = {n: r["Properties"] for n, r in resources.items() if r["Type"] == "AWS::SQS::Queue"}
    dead = {
        q["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for q in queues.values()
        if "RedrivePolicy" in q
    }
    for name, queue in queues.items():
        if name in dead:
            continue
        if name not in consumed:
            yield f"Nothing consumes {name}."
        if "RedrivePolicy" not in queue:
            yield f"{name} has no dead-letter queue."


# -- imports ---------------------------------------------------------------------


@contextmanager
def unpacked(package: packaging.Package) -> Iterator[Path]:
    """The archives unpacked side by side, as `app/`, `layer-base/`, `layer-seal/`."""
    with tempfile.TemporaryDirectory(dir=package.directory.parent, prefix="check-") as name:
        for archive in package.archives:
            with zipfile.ZipFile(archive) as source:
                source.extractall(Path(name) / archive.stem)
        yield Path(name)


def import_problems(template: Mapping[str, Any], tree: Path) -> list[str]:
    """Each function imports from its own archives alone; the API loads no renderer. Functions
    of the same archives are the same to an interpreter: it is started once for each module."""
    found: list[str] = []
    import_once = cache(_import)
    for function in functions(template):
        for module in (_module(template, function), *_FIRST_USE.get(function, ())):
            try:
                loaded = import_once(module, _path(template, function, tree))["modules"]
            except _ImportFailedError as error:
                found.append(f"{function} cannot import {module}: {error}")
                continue
            unwanted = sorted(set(NOT_IN_API) & set(loaded))
            if function == API and unwanted:
                found.append(f"{function} loads {', '.join(unwanted)} through {module}.")
    return found


def import_shares_ms(package: packaging.Package, function: str) -> dict[str, float]:
    """Milliseconds spent in modules of each top-level package, largest first, while a new
    interpreter imports what `function` needs to answer its first event. Telling the time of
    each module costs time: the sum is more than `cold_import_ms`."""
    template = read_template(package)
    with unpacked(package) as tree:
        path = _path(template, function, tree)
        lines = "\n".join(
            f"import {module}"
            for module in (_module(template, function), *_FIRST_USE.get(function, ()))
        )
        name = "tra_cold_import"
        (tree / f"{name}.py").write_text(f"{lines}\n")
        _import(name, (*path, str(tree)))  # fills the disk cache
        told = _interpreter(name, (*path, str(tree)), "-X", "importtime").stderr
    shares: dict[str, float] = {}
    for microseconds, module in _IMPORT_TIME.findall(told):
        top = module.split(".")[0]
        shares[top] = shares.get(top, 0) + int(microseconds) / 1000
    return dict(sorted(shares.items(), key=lambda share: -share[1]))


def cold_import_ms(
    package: packaging.Package, function: str, *, samples: int = 5, only: Sequence[str] = ()
) -> list[float]:
    """Milliseconds a new interpreter takes to import what `function` (logical id) needs to
    answer its first event (or `only` these modules), once per sample. The first run, which
    fills the disk cache, is not among them."""
    template = read_template(package)
    with unpacked(package) as tree:
        path = _path(template, function, tree)
        modules = only or (_module(template, function), *_FIRST_USE.get(function, ()))
        name = "tra_cold_import"
        lines = "\n".join(f"import {module}" for module in modules)
        (tree / f"{name}.py").write_text(f"{lines}\n")
        runs = [_import(name, (*path, str(tree)))["ms"] for _ in range(samples + 1)]
    return [float(ms) for ms in runs[1:]]


def _module(template: Mapping[str, Any], function: str) -> str:
    handler: str = functions(template)[function]["Handler"]
    return handler.rsplit(".", 1)[0]


def _path(template: Mapping[str, Any], function: str, tree: Path) -> tuple[str, ...]:
    """`sys.path` as AWS sets it: the function's code first, then its layers."""
    resources = template["Resources"]
    layers = [
        Path(resources[layer["Ref"]]["Properties"]["ContentUri"]).stem
        for layer in functions(template)[function]["Layers"]
    ]
    return (str(tree / "app"), *(str(tree / layer / "python") for layer in layers))


class _ImportFailedError(Exception):
    pass


def _import(module: str, path: tuple[str, ...]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_interpreter(module, path).stdout.splitlines()[-1])
    return result


def _interpreter(
    module: str, path: tuple[str, ...], *options: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", *options, "-c", _PROBE, json.dumps([module, *path])],
        env={"PATH": os.environ.get("PATH", ""), "AWS_DEFAULT_REGION": packaging.DEFAULT_REGION},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise _ImportFailedError(done.stderr.strip().splitlines()[-1])
    return done


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.check_package", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="also measure cold imports")
    arguments = parser.parse_args()
    try:
        package = packaging.build("local", packaging.ROOT / "build" / "package")
    except packaging.PackageError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    found = problems(package)
    for problem in found:
        print(f"package: {problem}", file=sys.stderr)
    if arguments.measure:
        for function in functions(read_template(package)):
            shown = ", ".join(f"{ms:.0f}" for ms in cold_import_ms(package, function))
            print(f"  {function:12} {shown} ms")
    if not found:
        print("package: policies, queues and imports are as they must be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
