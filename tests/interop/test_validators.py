"""Other people's validators on every PDF Tra seals, and on what can happen to it.

Run by `make interop`, which builds the Java program these ask; see docs/guide/interop.md.
All files, and what each validator said in full, stay in build/interop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.verdict import Circumstances
from chalicelib.services.verify import verify
from infra.devservices import DevServices
from infra.pki import DevelopmentPki, open_pki
from tests.interop.matrix import DAMAGES, MATRIX, OTHER, TYPES, Damaged, Sealed, rendered
from tests.interop.verdicts import Row, SealAnswer, table
from tests.interop.workshop import Workshop
from tests.support.validators import Job, ask, openssl, pdfsig

pytestmark = pytest.mark.java

# What a file of these levels does not carry may be asked for, from the development PKI.
_ASKS = frozenset({SealLevel.B_B, SealLevel.B_T})
_STAMPED = [cell for cell in MATRIX if cell.level.stamped]


@dataclass(frozen=True, slots=True)
class Said:
    """All answers, by name of the file."""

    unsealed: Mapping[str, Mapping[str, Any]]
    sealed: Mapping[str, Row]
    damaged: Mapping[str, Row]


@dataclass(frozen=True, slots=True)
class _Case:
    """One file, the root it is read with, and whether its reader may ask for more."""

    name: str
    path: Path
    anchor: Path
    asks: bool

    @property
    def strict_name(self) -> str:
        return f"{self.name}.strict"

    @property
    def jobs(self) -> list[Job]:
        file, anchor = str(self.path), str(self.anchor)
        return [
            Job(name=self.name, check="pdfa", file=file),
            Job(name=self.name, check="seal", file=file, anchor=anchor, loopback=self.asks),
            Job(
                name=self.strict_name,
                check="seal",
                file=file,
                anchor=anchor,
                loopback=self.asks,
                strict=True,
            ),
        ]


@pytest.fixture(scope="module")
def said(
    results: Path, dev: DevServices, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> Said:
    """Everything is made and asked about once; the tests only look."""
    files = results / "files"
    unsealed = [_written(files / f"{name}.pdf", rendered(name).pdf) for name in TYPES]
    stranger = open_pki(tmp_path_factory.mktemp("stranger"), "http://127.0.0.1:9", stage="local")
    sealed, damaged = _cases(files, workshop, dev.pki, stranger)
    cases = [*sealed, *damaged]
    jobs = [Job(name=path.stem, check="pdfa", file=str(path)) for path in unsealed]
    java = ask([*jobs, *(job for case in cases for job in case.jobs)], results / "reports")
    known = _revocation_lists(dev)
    rows = {case.name: _row(case, java, known if case.asks else Circumstances()) for case in cases}
    said = Said(
        unsealed={name: java[name, "pdfa"] for name in TYPES},
        sealed={case.name: rows[case.name] for case in sealed},
        damaged={case.name: rows[case.name] for case in damaged},
    )
    text = table(said.unsealed, said.sealed.values(), said.damaged.values())
    (results / "table-1.md").write_text(text, encoding="utf-8")
    return said


def _cases(
    files: Path, workshop: Workshop, pki: DevelopmentPki, stranger: DevelopmentPki
) -> tuple[list[_Case], list[_Case]]:
    """The sealed and the damaged files, written."""
    root = _written(files / "root.pem", pki.root_pem.encode())
    other_root = _written(files / "stranger.pem", stranger.root_pem.encode())
    made = {cell: workshop.seal(cell) for cell in MATRIX}
    sealed = [
        _Case(cell.name, _written(files / f"{cell.name}.pdf", pdf), root, cell.level in _ASKS)
        for cell, pdf in made.items()
    ]
    damaged = [
        _Case(
            case.name,
            _written(files / f"{case.name}.pdf", case.happen(made[case.base], made[OTHER])),
            root if case.trusted else other_root,
            case.base.level in _ASKS,
        )
        for case in DAMAGES
    ]
    return sealed, damaged


def _row(
    case: _Case, java: Mapping[tuple[str, str], Mapping[str, Any]], known: Circumstances
) -> Row:
    return Row(
        name=case.name,
        shipped=SealAnswer(java[case.name, "seal"]),
        strict=SealAnswer(java[case.strict_name, "seal"]),
        pdfa=java[case.name, "pdfa"],
        pdfsig=pdfsig(case.path),
        openssl=openssl(case.path, case.anchor),
        ours=verify(
            case.path.read_bytes(),
            validator=PadesValidator(),
            anchors=[case.anchor.read_text()],
            circumstances=known,
        ),
    )


def _revocation_lists(dev: DevServices) -> Circumstances:
    """What whoever checks a B-T seal has to fetch: the CRLs of both CAs."""
    urls = (f"{dev.pki.base_url}/{name}.crl" for name in ("issuing", "root"))
    return Circumstances(crls=tuple(urllib3.request("GET", url).data for url in urls))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", TYPES)
def test_pdfa_before_sealing(said: Said, name: str) -> None:
    """A3: veraPDF finds every document type PDF/A-3a as it is rendered."""
    assert said.unsealed[name].get("compliant"), said.unsealed[name]


@pytest.mark.parametrize("cell", MATRIX, ids=lambda cell: cell.name)
def test_everyone_accepts(said: Said, cell: Sealed) -> None:
    """A6: EU DSS says TOTAL-PASSED at exactly the level asked for, by its own policy and by
    one that forbids any change; veraPDF finds PDF/A-3a; pdfsig and openssl agree."""
    row = said.sealed[cell.name]
    for answer in (row.shipped, row.strict):
        assert answer.accepts(cell.level), answer.said
    assert row.pdfa.get("compliant"), row.pdfa
    assert (row.pdfsig, row.openssl) == ("ok", "ok")


@pytest.mark.parametrize("cell", _STAMPED, ids=lambda cell: cell.name)
def test_tra_agrees(said: Said, cell: Sealed) -> None:
    """P3: what others accept, Tra's own verification accepts at the same level. (A seal
    without a time-stamp it does not; its rules are stricter there.)"""
    row = said.sealed[cell.name]
    assert row.ours_accepts(cell.level), row.ours


@pytest.mark.parametrize("case", DAMAGES, ids=lambda case: case.name)
def test_nobody_takes_it_for_what_was_sealed(said: Said, case: Damaged) -> None:
    """P2: a damaged file is not accepted at its level by DSS, nor by Tra."""
    row = said.damaged[case.name]
    assert not row.strict.accepts(case.base.level), row.strict.said
    assert not row.ours_accepts(case.base.level), row.ours


@pytest.mark.parametrize("case", DAMAGES, ids=lambda case: case.name)
def test_tra_passes_nothing_that_dss_refuses(said: Said, case: Damaged) -> None:
    """P3: Tra's verdict is never milder than that of the reference validator."""
    row = said.damaged[case.name]
    assert row.strict.indication == "TOTAL-PASSED" or not row.ours.passed
