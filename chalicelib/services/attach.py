"""Attach: what goes into the PDF for machines is final before the page is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.domain.presentation import Attachment
from chalicelib.domain.seals import SealCredential, SealPolicy

if TYPE_CHECKING:
    from chalicelib.ports import XmlSealer


def sealed_attachment(
    attachment: Attachment,
    credentials: Sequence[SealCredential],
    policy: SealPolicy,
    *,
    xml_sealer: Callable[[], XmlSealer],
) -> Attachment:
    """The attachment as it goes into the PDF: XML carries its own signature (XAdES), which
    holds wherever the XML goes without the PDF; anything else stays as it is.

    Comes before rendering, whose bytes then depend on this attachment alone. Each call
    makes another signature; that is harmless, because only the file that is archived
    first counts (P2). The sealer is asked for only then: few documents carry XML, and what
    signs it takes long to load. Raises as `ports.XmlSealer.seal_xml`.
    """
    if not attachment.is_xml:
        return attachment
    return replace(attachment, data=xml_sealer().seal_xml(attachment.data, credentials, policy))
