"""What every XmlSealer must do, shown on XAdES with a real TSA and on the fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from chalicelib.adapters.memory import MarkingXmlSealer
from chalicelib.domain.errors import XmlRefusedError
from chalicelib.domain.seals import KeyAlgorithm, SealCredential, SealPolicy
from infra.devservices import running
from tests.support.xades_samples import RECEIPT, SoftwareKey, credential_for, sealer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.ports import XmlSealer

CREDENTIALS = (SealCredential(key_id="key-diw", chain_pem=()),)
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"


@pytest.fixture(params=["xades", "memory"], scope="module")
def sealer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[XmlSealer]:
    if request.param == "memory":
        yield MarkingXmlSealer()
        return
    with running(tmp_path_factory.mktemp("pki")) as dev:
        yield sealer_of(credential_for(SoftwareKey(KeyAlgorithm.P_256), dev.pki), dev.pki)


def canonical(root: etree._Element) -> bytes:
    form: bytes = etree.tostring(root, method="c14n", with_comments=False)
    return form


def test_adds_a_signature_and_nothing_else(sealer: XmlSealer) -> None:
    """The signature is the root's last child; without it the document is what it was."""
    root = etree.fromstring(sealer.seal_xml(RECEIPT, CREDENTIALS, SealPolicy()))
    signature = root[-1]
    assert [element.tag for element in root.iter(SIGNATURE)] == [signature.tag]
    root.remove(signature)
    assert canonical(root) == canonical(etree.fromstring(RECEIPT))


def test_no_two_seals_are_alike(sealer: XmlSealer) -> None:
    """P2: sealing again gives other bytes, so nobody may rely on making the same file twice."""
    first, second = (sealer.seal_xml(RECEIPT, CREDENTIALS, SealPolicy()) for _ in range(2))
    assert first != second


@pytest.mark.parametrize("xml", [b"", b"not XML", b"{}"])
def test_refuses_what_is_no_xml(sealer: XmlSealer, xml: bytes) -> None:
    """P4: what can never be signed says so at once, with an error that no retry heals."""
    with pytest.raises(XmlRefusedError) as raised:
        sealer.seal_xml(xml, CREDENTIALS, SealPolicy())
    assert not raised.value.retryable


def test_refuses_what_is_signed_already(sealer: XmlSealer) -> None:
    """A document carries one signature: that of the agency that issues it."""
    sealed = sealer.seal_xml(RECEIPT, CREDENTIALS, SealPolicy())
    with pytest.raises(XmlRefusedError):
        sealer.seal_xml(sealed, CREDENTIALS, SealPolicy())
