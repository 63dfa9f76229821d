"""Build what is deployed: template, function code and layers.

`python -m infra.package --stage local --out build/package` runs `chalice package`
with `infra/resources.yaml` merged in, then makes of its two archives

    app.zip          app.py, chalicelib, chalice       every function
    layer-base.zip   what every function imports       every function
    layer-seal.zip   typst, pyHanko and what only      `seal`, `preview`,
                     they need                         `verify`

and `template.json`, which names them by relative path (`infra/deploy.py` uploads
them). Archives hold only what Lambda runs: tests, stubs, type hints, build tools and
the API models of AWS services Tra does not call are left out, licences are kept, and
byte code is inside (`unchecked-hash`, PEP 552), which makes imports about three times
faster. Same inputs, same bytes. A second run with the same inputs does nothing.

Why two layers: the embedded AWS unpacks a function's layers once per worker, and AWS
loads them at each cold start; two thirds of the bytes serve rendering and sealing. It also
proves that the API does not depend on them.
"""

from __future__ import annotations

import argparse
import compileall
import csv
import fcntl
import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_REGION = "ap-southeast-7"
"""Bangkok. Any region with these services will do."""

UNZIPPED_LIMIT = 250 * 1024 * 1024
"""AWS refuses a function whose code and layers are larger than this, unpacked."""

SEAL_ONLY = frozenset(
    {
        "aiohappyeyeballs",
        "aiohttp",
        "aiosignal",
        "attrs",
        "frozenlist",
        "idna",
        "lxml",
        "multidict",
        "oscrypto",
        "propcache",
        "pyhanko",
        "pyhanko-certvalidator",
        "signxml",
        "typst",
        "tzlocal",
        "uritools",
        "yarl",
    }
)
"""Distributions that only rendering and sealing import."""

RENDERING_FUNCTIONS = ("Preview", "Seal", "Verify")
"""Logical ids of the functions that get them."""

BOTOCORE_SERVICES = frozenset({"s3", "dynamodb", "sqs", "kms", "lambda", "sts", "xray"})
"""AWS services whose API models are kept; botocore ships four hundred."""

UNUSED_DISTRIBUTIONS = frozenset({"pip", "setuptools", "wheel"})
UNUSED_DIRECTORIES = frozenset({"__pycache__", "tests"})
UNUSED_SUFFIXES = frozenset({".pyi", ".pyx", ".pxd", ".c", ".h", ".hpp", ".typed"})
DIST_INFO_KEPT = frozenset({"METADATA", "entry_points.txt"})
LICENCE_NAMES = ("LICEN", "COPYING", "NOTICE", "AUTHORS")
APP_UNUSED = frozenset({"chalicelib/cli.py"})

_FIXED_DATE = (1980, 1, 1, 0, 0, 0)
_LAYER_ROOT = "/opt"
_APP_ROOT = "/var/task"


class PackageError(Exception):
    """The package cannot be built, or must not be deployed; the text says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """A built package.

    `sizes` maps an archive's name to (zipped, unzipped) bytes.
    """

    directory: Path
    sizes: dict[str, tuple[int, int]]

    @property
    def template(self) -> Path:
        return self.directory / "template.json"

    @property
    def archives(self) -> tuple[Path, ...]:
        return tuple(self.directory / name for name in self.sizes)

    def unzipped(self, *names: str) -> int:
        return sum(self.sizes[name][1] for name in names)


def build(stage: str, out: Path) -> Package:
    """Build into `out` unless it already holds these inputs. Raises PackageError.

    Safe to run twice at a time (a lock file beside `out`), and after a kill: the
    stamp is written last.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with _locked(out.with_suffix(".lock")):
        stamp = out / "package.json"
        inputs = inputs_digest(stage)
        built = _read_stamp(stamp)
        if built.get("inputs") != inputs:
            sizes = _build(stage, out)
            stamp.write_text(json.dumps({"inputs": inputs, "sizes": sizes}, indent=2))
            built = _read_stamp(stamp)
    package = Package(out, {name: (z, u) for name, (z, u) in built["sizes"].items()})
    _refuse_too_large(package)
    return package


def inputs_digest(stage: str) -> str:
    """Hex SHA-256 over everything the package is made of."""
    digest = hashlib.sha256(f"{stage} {sys.version}".encode())
    for path in sorted(_input_files()):
        digest.update(f"\n{path.relative_to(ROOT)} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _input_files() -> Iterator[Path]:
    yield from (ROOT / "app.py", ROOT / "requirements.txt", ROOT / "infra" / "resources.yaml")
    yield Path(__file__)
    yield from (ROOT / ".chalice").glob("*.json")
    for path in (ROOT / "chalicelib").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _read_stamp(stamp: Path) -> dict[str, Any]:
    if not stamp.exists():
        return {}
    content: dict[str, Any] = json.loads(stamp.read_text())
    return content


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(stage: str, out: Path) -> dict[str, tuple[int, int]]:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix="package-") as name:
        work = Path(name)
        raw = work / "chalice"
        _chalice_package(stage, raw)
        sizes = {
            "app.zip": _app_archive(raw / "deployment.zip", work / "app", out / "app.zip"),
            **_layer_archives(raw / "layer-deployment.zip", work, out),
        }
        template = yaml.safe_load((raw / "sam.yaml").read_text(encoding="utf-8"))
    _finish_template(template)
    (out / "template.json").write_text(
        json.dumps(template, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    return sizes


def _chalice_package(stage: str, raw: Path) -> None:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("TRA_", "AWS_"))
    }
    environment["AWS_DEFAULT_REGION"] = os.environ.get("AWS_DEFAULT_REGION", DEFAULT_REGION)
    command = [str(Path(sys.executable).parent / "chalice"), "package", "--stage", stage]
    command += ["--template-format", "yaml", "--merge-template", "infra/resources.yaml", str(raw)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode or not (raw / "sam.yaml").exists():
        raise PackageError(f"chalice package failed:\n{done.stdout}{done.stderr}".rstrip())


# -- archives ------------------------------------------------------------------


def _app_archive(source: Path, work: Path, target: Path) -> tuple[int, int]:
    _unpack(source, work)
    for name in APP_UNUSED:
        (work / name).unlink(missing_ok=True)
    _prune(work)
    _compile(work, _APP_ROOT)
    return _pack(work, target)


def _layer_archives(source: Path, work: Path, out: Path) -> dict[str, tuple[int, int]]:
    """Archives are kept under `build/cache` by the digest of what they were made from:
    compiling some thousand files takes most of a build."""
    key = hashlib.sha256(source.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    cache = out.parent / "cache" / f"layers-{key}"
    if not (cache / "sizes.json").exists():
        shutil.rmtree(cache.parent, ignore_errors=True)
        cache.mkdir(parents=True)
        sizes = _build_layers(source, work, cache)
        (cache / "sizes.json").write_text(json.dumps(sizes))
    for archive in cache.glob("*.zip"):
        shutil.copy2(archive, out / archive.name)
    return {
        name: (zipped, unzipped)
        for name, (zipped, unzipped) in json.loads((cache / "sizes.json").read_text()).items()
    }


def _build_layers(source: Path, work: Path, target: Path) -> dict[str, tuple[int, int]]:
    base, seal = work / "base", work / "seal"
    packages = base / "python"
    _unpack(source, work / "raw")
    base.mkdir()
    _installed_in(work / "raw").rename(packages)
    _move_seal_only(packages, seal / "python")
    sizes = {}
    for name, tree in (("layer-base.zip", base), ("layer-seal.zip", seal)):
        _prune(tree)
        _compile(tree, _LAYER_ROOT)
        sizes[name] = _pack(tree, target / name)
    return sizes


def _installed_in(tree: Path) -> Path:
    """Where Chalice put the packages. They move to `python/` itself, which both AWS and
    the embedded AWS search before anything else; `python/lib/…/site-packages` comes last
    on the embedded one, where its own packages would hide ours."""
    found = sorted(tree.glob("python/lib/python3.*/site-packages"))
    return found[0] if found else tree / "python"


def _move_seal_only(source: Path, target: Path) -> None:
    for info in sorted(source.glob("*.dist-info")):
        name = info.name.split("-")[0].replace("_", "-").lower()
        if name not in SEAL_ONLY and name not in UNUSED_DISTRIBUTIONS:
            continue
        for file in _files_of(info, source):
            destination = target / file.relative_to(source)
            destination.parent.mkdir(parents=True, exist_ok=True)
            file.rename(destination)
        if name in UNUSED_DISTRIBUTIONS:
            shutil.rmtree(target / info.name, ignore_errors=True)


def _files_of(info: Path, source: Path) -> Iterator[Path]:
    """The files a distribution installed, by its RECORD (PEP 376)."""
    with (info / "RECORD").open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            path = source / row[0]
            if path.is_file() and path.is_relative_to(source):
                yield path


def _unpack(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as source:
        source.extractall(target)


def _prune(tree: Path) -> None:
    for path in sorted(tree.rglob("*"), reverse=True):
        if path.is_dir():
            if _is_unused_directory(path):
                shutil.rmtree(path)
            elif not any(path.iterdir()):
                path.rmdir()
        elif _is_unused_file(path):
            path.unlink()


def _is_unused_directory(path: Path) -> bool:
    if path.name in UNUSED_DIRECTORIES or path.name.endswith(("-stubs", ".data")):
        return True
    if path.parent.name == "data" and path.parent.parent.name in {"botocore", "boto3"}:
        return path.name not in BOTOCORE_SERVICES
    return False


def _is_unused_file(path: Path) -> bool:
    info = next((part for part in path.parts if part.endswith(".dist-info")), None)
    if info is not None:
        licence = path.name.upper().startswith(LICENCE_NAMES) or "licenses" in path.parts
        return not licence and path.name not in DIST_INFO_KEPT
    return path.suffix in UNUSED_SUFFIXES


def _compile(tree: Path, mounted_at: str) -> None:
    """Byte code beside each source, with the paths Lambda will show in tracebacks."""
    compiled = compileall.compile_dir(
        tree,
        quiet=2,
        force=True,
        workers=os.cpu_count() or 1,
        stripdir=str(tree),
        prependdir=mounted_at,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    broken = [] if compiled else [p for p in tree.rglob("*.py") if not _has_byte_code(p)]
    # Some libraries ship files for other Python versions; ours must all compile.
    ours = [str(p.relative_to(tree)) for p in broken if mounted_at == _APP_ROOT]
    if ours:
        raise PackageError("these files do not compile: " + ", ".join(ours))


def _has_byte_code(source: Path) -> bool:
    return any((source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc"))


def _pack(tree: Path, target: Path) -> tuple[int, int]:
    """Write a zip whose bytes depend on the files alone. Returns (zipped, unzipped) bytes."""
    unzipped = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(p for p in tree.rglob("*") if p.is_file()):
            content = path.read_bytes()
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _FIXED_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, so that the mode below counts
            entry.external_attr = (0o100755 if ".so" in path.suffixes else 0o100644) << 16
            archive.writestr(entry, content)
            unzipped += len(content)
    return target.stat().st_size, unzipped


# -- template --------------------------------------------------------------------


def _finish_template(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    runtime = resources["ManagedLayer"]["Properties"]
    runtime["ContentUri"] = "./layer-base.zip"
    runtime["LayerName"] = {"Fn::Sub": "${AWS::StackName}-base"}
    resources["SealLayer"] = {
        "Type": "AWS::Serverless::LayerVersion",
        "Properties": {
            **runtime,
            "ContentUri": "./layer-seal.zip",
            "LayerName": {"Fn::Sub": "${AWS::StackName}-seal"},
        },
    }
    for name in RENDERING_FUNCTIONS:
        layers = [{"Ref": "ManagedLayer"}, {"Ref": "SealLayer"}]
        resources[name]["Properties"]["Layers"] = layers
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "./app.zip"


def _refuse_too_large(package: Package) -> None:
    total = package.unzipped(*package.sizes)
    if total > UNZIPPED_LIMIT:
        raise PackageError(
            f"seal would be {total / 2**20:.0f} MB unpacked; AWS takes {UNZIPPED_LIMIT / 2**20:.0f}."
        )


def report(package: Package) -> str:
    """One line per archive: name, zipped and unzipped megabytes."""
    lines = [
        f"  {name:16} {zipped / 2**20:6.1f} MB zipped {unzipped / 2**20:6.1f} MB unpacked"
        for name, (zipped, unzipped) in package.sizes.items()
    ]
    total = package.unzipped(*package.sizes) / 2**20
    return "\n".join(
        [*lines, f"  largest function (seal) {total:.1f} of {UNZIPPED_LIMIT // 2**20} MB"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.package", description="Build the package."
    )
    parser.add_argument("--stage", default="local", choices=["local", "dev", "prod"])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "package")
    arguments = parser.parse_args()
    try:
        package = build(arguments.stage, arguments.out.resolve())
    except PackageError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    print(report(package))
    return 0


if __name__ == "__main__":
    sys.exit(main())
