"""EU DSS on the XML that Tra seals with XAdES (EN 319 132-1), as attached to a receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import pytest

from chalicelib.domain.seals import KeyAlgorithm, SealLevel, SealPolicy
from infra.devservices import DevServices
from tests.interop.matrix import requested
from tests.interop.verdicts import SealAnswer
from tests.interop.workshop import Workshop
from tests.support.validators import Job, ask
from tests.support.xades_samples import RECEIPT, SoftwareKey, samples_of

pytestmark = pytest.mark.java

_LEVELS = (SealLevel.B_B, SealLevel.B_T)
_BY_KMS = {
    f"receipt.{level}.{key.name}": (level, key) for level, key in product(_LEVELS, KeyAlgorithm)
}
# The hash of the signed sample of ขมธอ. 3-2560.
_SHA_512 = {f"xades-{level}-RSA_2048-sha512": level for level in _LEVELS}
_ETAX = {
    f"e-receipt.{level}.{key.name}": (level, key)
    for level, key in product(_LEVELS, (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256))
}
_ALL = {name: level for name, (level, _) in (_BY_KMS | _ETAX).items()} | _SHA_512
_DAMAGED = "changed"


@pytest.fixture(scope="module")
def said(results: Path, dev: DevServices, workshop: Workshop) -> Mapping[str, SealAnswer]:
    """DSS on every file, and on the same with another total."""
    root = results / "files" / "xml-root.pem"
    root.write_text(dev.pki.root_pem)
    jobs = []
    for name, xml in _sealed(dev, workshop):
        changed = xml.replace(b"3000.00", b"9000.00")
        assert changed != xml
        for title, content in ((name, xml), (f"{name}.{_DAMAGED}", changed)):
            path = results / "files" / f"{title}.xml"
            path.write_bytes(content)
            jobs.append(
                Job(name=title, check="seal", file=str(path), anchor=str(root), loopback=True)
            )
    java = ask(jobs, results / "reports")
    answers = {job.name: SealAnswer(java[job.name, "seal"]) for job in jobs}
    (results / "table-2.md").write_text(_table(answers), encoding="utf-8")
    return answers


def _sealed(dev: DevServices, workshop: Workshop) -> Iterator[tuple[str, bytes]]:
    for name, (level, key) in _BY_KMS.items():
        yield name, workshop.seal_xml(RECEIPT, key, SealPolicy(level=level))
    (invoice,) = (each.data for each in requested("e-receipt").attachments if each.is_xml)
    for name, (level, key) in _ETAX.items():
        yield name, workshop.seal_xml(invoice, key, SealPolicy(level=level))
    for file_name, xml in samples_of(dev.pki, [SoftwareKey(KeyAlgorithm.RSA_2048)]):
        name = file_name.removesuffix(".xml")
        if name in _SHA_512:
            yield name, xml


def _table(answers: Mapping[str, SealAnswer]) -> str:
    lines = (f"| {name} | {answer} | {answer.level} |\n" for name, answer in answers.items())
    return "### XML\n\n| file | EU DSS | level |\n|---|---|---|\n" + "".join(lines)


@pytest.mark.parametrize(("name", "level"), _ALL.items())
def test_dss_accepts(said: Mapping[str, SealAnswer], name: str, level: SealLevel) -> None:
    """A6: EU DSS says TOTAL-PASSED of the seal of an XML, at the level asked for."""
    assert said[name].accepts(level, "XAdES"), said[name].said


@pytest.mark.parametrize("name", _ALL)
def test_dss_refuses_another_total(said: Mapping[str, SealAnswer], name: str) -> None:
    """P2: DSS sees that the XML says something else than what was sealed."""
    assert said[f"{name}.{_DAMAGED}"].indication == "TOTAL-FAILED"
