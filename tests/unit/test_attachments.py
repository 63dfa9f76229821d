"""Attachments: which are XML, which names they may have, which are sealed on their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.adapters.memory import MarkingXmlSealer
from chalicelib.domain.presentation import Attachment
from chalicelib.domain.seals import SealCredential, SealPolicy
from chalicelib.services.attach import sealed_attachment

CREDENTIALS = (SealCredential(key_id="key-diw", chain_pem=()),)
JSON = Attachment(name="content.json", media_type="application/json", data=b"{}")


def _sealed(attachment: Attachment) -> Attachment:
    return sealed_attachment(attachment, CREDENTIALS, SealPolicy(), xml_sealer=MarkingXmlSealer)


@pytest.mark.parametrize("media_type", ["text/xml", "application/xml", "application/x+xml"])
def test_xml_gets_its_own_seal(media_type: str) -> None:
    """Issue 4, item 2: XML carries its own signature; all else of the attachment stays."""
    xml = Attachment(name="ETDA-invoice.xml", media_type=media_type, data=b"<a></a>")
    sealed = _sealed(xml)
    assert b"<ds:Signature" in sealed.data
    assert replace(sealed, data=xml.data) == xml


def test_json_stays_as_it_is() -> None:
    """What is not XML is sealed by the PDF around it alone."""
    assert _sealed(JSON) == JSON


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x.xml", "a/b.xml", "x\n.xml", ".hidden"])
def test_names_are_plain(name: str) -> None:
    """A name from elsewhere cannot lead a reader's program out of its folder."""
    with pytest.raises(ValueError, match="plain file name"):
        replace(JSON, name=name)


def test_content_is_not_shown() -> None:
    """No content in logs: an attachment prints without its data."""
    assert "secret" not in repr(replace(JSON, data=b"secret"))
