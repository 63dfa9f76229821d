"""Trust and seals together: what the checker lets through is sealed, and holds for readers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from chalicelib.adapters.kms import KmsSigningKey
from chalicelib.adapters.pades import reference
from chalicelib.adapters.pades.order import SealOrder
from chalicelib.adapters.pades.sealer import PadesSealer
from chalicelib.adapters.pades.self_test import check_with_pyhanko
from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.adapters.revocation import HttpRevocation
from chalicelib.adapters.seal_credentials import KmsCredentialChecker
from chalicelib.adapters.tsa import TimestampAuthorities
from chalicelib.adapters.xades import XadesSealer
from chalicelib.domain.errors import SealError
from chalicelib.domain.seals import SealCredential, SealLevel, SealPolicy
from chalicelib.ports import LintedPdf
from infra.devservices import running
from infra.pki import issue_seal_certificate, to_pem
from tests.support.foreign_seals import page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_kms import KMSClient

    from infra.devservices import DevServices

pytestmark = pytest.mark.aws

POLICY = SealPolicy(level=SealLevel.B_LTA)
XML = "<หนังสือ>๑</หนังสือ>".encode()


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Room:
    """All that seals, all of it real."""

    kms: KMSClient
    dev: DevServices
    linted: LintedPdf
    checker: KmsCredentialChecker
    timestamper: TimestampAuthorities

    @property
    def sealer(self) -> PadesSealer:
        return PadesSealer(self.checker, self.timestamper, clock=now)

    def anchors(self) -> tuple[str, ...]:
        return (self.dev.pki.root_pem,)

    def credential(self, usage: x509.KeyUsage | None = None) -> SealCredential:
        """For a new key; `usage` instead of what the development CA gives."""
        key_id = self.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")[
            "KeyMetadata"
        ]["KeyId"]
        public = self.kms.get_public_key(KeyId=key_id)["PublicKey"]
        leaf, issuer = issue_seal_certificate(self.dev.pki, public, "diw", "กรมโรงงาน", "Works")
        if usage is not None:
            leaf = self._with(leaf, public, usage)
        return SealCredential(key_id=key_id, chain_pem=(leaf, issuer))

    def _with(self, leaf: str, public: bytes, usage: x509.KeyUsage) -> str:
        issued = x509.load_pem_x509_certificate(leaf.encode())
        builder = (
            x509.CertificateBuilder()
            .subject_name(issued.subject)
            .issuer_name(issued.issuer)
            .public_key(load_der_public_key(public))  # type: ignore[arg-type]  # it is a P-256 one
            .serial_number(x509.random_serial_number())
            .not_valid_before(issued.not_valid_before_utc)
            .not_valid_after(issued.not_valid_after_utc)
        )
        for each in issued.extensions:
            value = usage if isinstance(each.value, x509.KeyUsage) else each.value
            builder = builder.add_extension(value, critical=each.critical)
        return to_pem(builder.sign(self.dev.pki.issuing.key, hashes.SHA256()))


@pytest.fixture(scope="module")
def room(aws_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    kms = boto3.client(
        "kms",
        endpoint_url=aws_endpoint,
        region_name="ap-southeast-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    linted = LintedPdf(page(tmp_path_factory.mktemp("typst")), pages=1)
    with running(tmp_path_factory.mktemp("pki")) as dev:
        revocation = HttpRevocation(clock=now)
        checker = KmsCredentialChecker(
            key_of=lambda key_id: KmsSigningKey(kms, key_id),
            anchors=lambda: [dev.pki.root_pem],
            revocation=revocation,
            clock=now,
        )
        timestamper = TimestampAuthorities(
            [dev.pki.timestamp_url],
            anchors=lambda: [dev.pki.root_pem],
            revocation=revocation,
            clock=now,
        )
        yield Room(kms, dev, linted, checker, timestamper)


@pytest.fixture(scope="module")
def type_a(room: Room) -> SealCredential:
    """EN 319 412-2 §4.3.2: nonRepudiation and nothing else."""
    others = (
        "digital_signature key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    )
    usage = x509.KeyUsage(content_commitment=True, **dict.fromkeys(others.split(), False))
    return room.credential(usage)


def holds(room: Room, pdf: bytes) -> bool:
    (seal,) = PadesValidator().observe(pdf, room.anchors())
    return seal.intact and seal.valid and seal.trusted and seal.revocation_known


def test_a_type_a_seal(room: Room, type_a: SealCredential) -> None:
    """B7, A6: a seal by the kind of certificate that EN 319 412-2 prefers passes the own
    check, pyHanko's, and the validator."""
    sealed = room.sealer.seal(room.linted, [type_a], POLICY)
    room.sealer.verify_own(sealed, room.linted)
    assert holds(room, sealed.pdf)


def test_a_type_a_seal_by_the_reference_way(room: Room, type_a: SealCredential) -> None:
    """B7, A6: the same where pyHanko writes the seal."""
    usable = room.checker.usable([type_a], POLICY)
    order = SealOrder(usable=usable, policy=POLICY, timestamper=room.timestamper, at=now())
    pdf = reference.write_seal(room.linted.pdf, order).pdf
    check_with_pyhanko(pdf, POLICY.level)
    assert holds(room, pdf)


def test_a_type_a_seal_on_xml(room: Room, type_a: SealCredential) -> None:
    """B7: the same for an attachment, which its sealer reads again itself."""
    sealer = XadesSealer(room.checker, room.timestamper, anchors=room.anchors, clock=now)
    assert b"SignatureValue" in sealer.seal_xml(XML, [type_a], SealPolicy(level=SealLevel.B_T))


def test_the_next_seal_takes_over_from_a_disabled_key(room: Room) -> None:
    """Rotation without a break: a warm container whose first key was disabled fails once and
    seals with the second when the document is tried again."""
    seals = [room.credential(), room.credential()]
    sealer = room.sealer
    assert sealer.seal(room.linted, seals, POLICY).credential == seals[0]
    room.kms.disable_key(KeyId=seals[0].key_id)
    with pytest.raises(SealError, match="KMS refused to sign"):
        sealer.seal(room.linted, seals, POLICY)
    again = sealer.seal(room.linted, seals, POLICY)
    sealer.verify_own(again, room.linted)
    assert again.credential == seals[1]
    assert holds(room, again.pdf)
