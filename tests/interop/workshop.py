"""Tra's own sealers with nothing put on: keys in KMS, certificates, revocation data and
time-stamps of the development PKI over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3

from chalicelib.adapters.kms import KmsSigningKey
from chalicelib.adapters.pades.sealer import PadesSealer
from chalicelib.adapters.revocation import HttpRevocation
from chalicelib.adapters.seal_credentials import KmsCredentialChecker
from chalicelib.adapters.tsa import TimestampAuthorities
from chalicelib.adapters.xades import XadesSealer
from chalicelib.domain.seals import KeyAlgorithm, SealCredential, SealPolicy
from chalicelib.services.attach import sealed_attachment
from infra.pki import issue_seal_certificate
from tests.interop.matrix import AGENCY, printed, rendered, requested

if TYPE_CHECKING:
    from chalicelib.ports import LintedPdf
    from infra.devservices import DevServices
    from tests.interop.matrix import Sealed


class Workshop:
    """One credential per kind of key, and what seals with them."""

    def __init__(self, dev: DevServices) -> None:
        self._kms = boto3.client("kms")
        self._pki = dev.pki
        revocation = HttpRevocation(clock=_now)
        checker = KmsCredentialChecker(
            key_of=lambda key_id: KmsSigningKey(self._kms, key_id),
            anchors=self._anchors,
            revocation=revocation,
            clock=_now,
        )
        timestamper = TimestampAuthorities(
            [dev.pki.timestamp_url], anchors=self._anchors, revocation=revocation, clock=_now
        )
        self._sealer = PadesSealer(checker, timestamper, clock=_now)
        self._xml_sealer = XadesSealer(checker, timestamper, anchors=self._anchors, clock=_now)
        self._credentials = {algorithm: self._credential(algorithm) for algorithm in KeyAlgorithm}

    def seal(self, cell: Sealed) -> bytes:
        """The file of one cell of the matrix, past Tra's own check as before an archive."""
        linted = self._linted(cell)
        sealed = self._sealer.seal(linted, [self._credentials[cell.key]], cell.policy)
        self._sealer.verify_own(sealed, linted)
        return sealed.pdf

    def _linted(self, cell: Sealed) -> LintedPdf:
        """XML among the attachments gets its own seal first, as `seal` does it."""
        request = requested(cell.kind)
        if not any(attachment.is_xml for attachment in request.attachments):
            return rendered(cell.kind)
        credentials = [self._credentials[cell.key]]
        attachments = tuple(
            sealed_attachment(each, credentials, cell.policy, xml_sealer=lambda: self._xml_sealer)
            for each in request.attachments
        )
        return printed(replace(request, attachments=attachments))

    def seal_xml(self, xml: bytes, key: KeyAlgorithm, policy: SealPolicy) -> bytes:
        """An attachment with a seal of its own."""
        return self._xml_sealer.seal_xml(xml, [self._credentials[key]], policy)

    def _credential(self, algorithm: KeyAlgorithm) -> SealCredential:
        made = self._kms.create_key(KeySpec=algorithm.value, KeyUsage="SIGN_VERIFY")
        key_id = made["KeyMetadata"]["KeyId"]
        public = self._kms.get_public_key(KeyId=key_id)["PublicKey"]
        chain = issue_seal_certificate(
            self._pki, public, AGENCY.agency_id, AGENCY.name_th, AGENCY.name_en
        )
        return SealCredential(key_id=key_id, chain_pem=chain)

    def _anchors(self) -> tuple[str, ...]:
        return (self._pki.root_pem,)


def _now() -> datetime:
    return datetime.now(UTC)
