"""Other people's validators on everything Tra seals, and on what can happen to it.

Run by `make interop`, which builds the Java program these ask; see docs/guide/interop.md.
All files, and what each validator said in full, stay in build/interop.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.interop.workshop import Workshop

from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.domain.seals import SealLevel
from chalicelib.services.verify import verify
from infra.devservices import DevServices, running
from tests.interop.matrix import DAMAGES, MATRIX, TYPES, Damaged, Sealed, rendered
from tests.interop.verdicts import Row, SealAnswer, table
from tests.support.validators import PROGRAM, Job, ask, openssl, pdfsig, versions

pytestmark = pytest.mark.java

_ROOM = PROGRAM.parent
_FILES, _REPORTS, _TABLE = _ROOM / "files", _ROOM / "reports", _ROOM / "table.md"
# What a B-B or B-T file does not carry may be asked for, from the development PKI.
_ASKS = frozenset({SealLevel.B_B, SealLevel.B_T})


@dataclass(frozen=True, slots=True)
class Said:
    """All answers, by name of the file."""

    unsealed: Mapping[str, Mapping[str, Any]]
    sealed: Mapping[str, Row]
    damaged: Mapping[str, Row]


@pytest.fixture(scope="module")
def said(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Said]:
    """Everything is made and asked about once; the tests only look."""
    if not (PROGRAM / "validators.jar").exists():
        pytest.fail("the validators are not built: run this with `make interop`")
    shutil.rmtree(_FILES, ignore_errors=True)
    shutil.rmtree(_REPORTS, ignore_errors=True)
    _FILES.mkdir(parents=True)
    with running(tmp_path_factory.mktemp("pki")) as dev:
        answers = _all_answers(dev)
    _TABLE.write_text(
        table(versions(), answers.unsealed, answers.sealed.values(), answers.damaged.values()),
        encoding="utf-8",
    )
    yield answers


def _all_answers(dev: DevServices) -> Said:
    anchor = _written("root.pem", dev.pki.root_pem.encode())
    for name in TYPES:
        _written(f"{name}.pdf", rendered(name).pdf)
    workshop = Workshop(dev)
    made = {cell: workshop.seal(cell) for cell in MATRIX}
    for cell, pdf in made.items():
        _written(f"{cell.name}.pdf", pdf)
    for case in DAMAGES:
        _written(f"{case.name}.pdf", case.happen(made[case.base]))
    jobs = [Job(name=name, check="pdfa", file=_file(name)) for name in TYPES]
    for case in (*MATRIX, *DAMAGES):
        jobs += _jobs(case, anchor)
    java = ask(jobs, _REPORTS)
    return Said(
        unsealed={name: java[name, "pdfa"] for name in TYPES},
        sealed={case.name: _row(case.name, java, anchor) for case in MATRIX},
        damaged={case.name: _row(case.name, java, anchor) for case in DAMAGES},
    )


def _jobs(case: Sealed | Damaged, anchor: Path) -> list[Job]:
    level = case.level if isinstance(case, Sealed) else case.base.level
    file, loopback = _file(case.name), level in _ASKS
    return [
        Job(name=case.name, check="pdfa", file=file),
        *(
            Job(
                name=_by_policy(case.name, strict=strict),
                check="seal",
                file=file,
                anchor=str(anchor),
                loopback=loopback,
                strict=strict,
            )
            for strict in (False, True)
        ),
    ]


def _row(name: str, java: Mapping[tuple[str, str], Mapping[str, Any]], anchor: Path) -> Row:
    path = Path(_file(name))
    return Row(
        name=name,
        shipped=SealAnswer(java[_by_policy(name, strict=False), "seal"]),
        strict=SealAnswer(java[_by_policy(name, strict=True), "seal"]),
        pdfa=java[name, "pdfa"],
        pdfsig=pdfsig(path),
        openssl=openssl(path, anchor),
        ours=verify(path.read_bytes(), validator=PadesValidator(), anchors=[anchor.read_text()]),
    )


def _by_policy(name: str, *, strict: bool) -> str:
    return f"{name}.strict" if strict else name


def _file(name: str) -> str:
    return str(_FILES / f"{name}.pdf")


def _written(name: str, content: bytes) -> Path:
    path = _FILES / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", TYPES)
def test_pdfa_before_sealing(said: Said, name: str) -> None:
    """A3: veraPDF finds every document type PDF/A-3a as it is rendered."""
    assert said.unsealed[name] == {**said.unsealed[name], "compliant": True, "failed": []}


@pytest.mark.parametrize("cell", MATRIX, ids=lambda cell: cell.name)
def test_everyone_accepts(said: Said, cell: Sealed) -> None:
    """A6: EU DSS says TOTAL-PASSED at exactly the level asked for, by its own policy and by
    one that forbids any change; veraPDF finds PDF/A-3a; pdfsig and openssl agree."""
    row = said.sealed[cell.name]
    for answer in (row.shipped, row.strict):
        assert answer.accepts(cell.level), answer.said
    assert row.pdfa["compliant"], row.pdfa["failed"]
    assert (row.pdfsig, row.openssl) == ("ok", "ok")


@pytest.mark.parametrize(
    "cell", [cell for cell in MATRIX if cell.level.has_validation_data], ids=lambda cell: cell.name
)
def test_tra_agrees(said: Said, cell: Sealed) -> None:
    """P3: what others accept without asking anybody, Tra's own verification accepts too."""
    assert said.sealed[cell.name].ours.passed, said.sealed[cell.name].ours.findings


@pytest.mark.parametrize("case", DAMAGES, ids=lambda case: case.name)
def test_nobody_takes_it_for_what_was_sealed(said: Said, case: Damaged) -> None:
    """P2: a damaged file does not pass in DSS as the file that Tra made, nor in Tra."""
    row = said.damaged[case.name]
    assert not row.strict.accepts(case.base.level), row.strict.said
    assert not row.ours.passed
