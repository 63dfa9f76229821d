"""XML and what seals it: keys in KMS and in memory, a checked credential, a real TSA.

`samples_of` makes one signed document per level and key, for tests here and for other
people's validators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING

import urllib3
from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.oid import AuthorityInformationAccessOID

from chalicelib.adapters.trust import TimestampToken, UsableCredential, ValidationData
from chalicelib.adapters.xades import XadesSealer
from chalicelib.domain.seals import KeyAlgorithm, SealCredential, SealLevel, SealPolicy

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

    from chalicelib.adapters.trust import SigningKey
    from infra.pki import DevelopmentPki

RECEIPT = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- made up -->
<r:Receipt xmlns:r="urn:tra:test:receipt" xmlns:p="urn:tra:test:party"
           xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
           xsi:schemaLocation="urn:tra:test:receipt receipt.xsd">
  <r:Number>๑๒/๒๕๖๙</r:Number>
  <r:IssuedAt>2026-11-21T12:00:00+07:00</r:IssuedAt>
  <!-- a remark nobody signs -->
  <p:Seller taxId="0994000000000"><p:Name>กรมโรงงานอุตสาหกรรม</p:Name></p:Seller>
  <p:Buyer><p:Name><![CDATA[ห้างหุ้นส่วน ก & ข]]></p:Name></p:Buyer>
  <r:Line xml:lang="th" r:order='1'>ค่าธรรมเนียมใบอนุญาต &amp; ค่าตรวจ&#13;</r:Line>
  <r:Total currency="THB">3000.00</r:Total>
  <Note xmlns="">ไม่มี namespace</Note>
</r:Receipt>
""".encode()
"""A receipt with what makes canonical forms differ: namespaces, CDATA, entities, comments."""

LEVELS = (SealLevel.B_B, SealLevel.B_T)
_HASHES: Mapping[int, HashAlgorithm] = {32: SHA256(), 48: SHA384(), 64: SHA512()}
_NOTHING = ValidationData(
    certificates=(), ocsp_responses=(), crls=(), fresh_until=datetime.max.replace(tzinfo=UTC)
)


@dataclass(frozen=True)
class KmsKey:
    """A key in KMS (adapters.trust.SigningKey)."""

    client: KMSClient
    key_id: str
    algorithm: KeyAlgorithm

    @classmethod
    def new(cls, client: KMSClient, algorithm: KeyAlgorithm) -> KmsKey:
        made = client.create_key(KeySpec=algorithm.value, KeyUsage="SIGN_VERIFY")
        return cls(client, made["KeyMetadata"]["KeyId"], algorithm)

    @property
    def public_key_der(self) -> bytes:
        return self.client.get_public_key(KeyId=self.key_id)["PublicKey"]

    def sign_digest(self, digest: bytes) -> bytes:
        kind = "RSASSA_PKCS1_V1_5" if self.algorithm.is_rsa else "ECDSA"
        answer = self.client.sign(
            KeyId=self.key_id,
            Message=digest,
            MessageType="DIGEST",
            SigningAlgorithm=f"{kind}_SHA_{len(digest) * 8}",  # type: ignore[arg-type]  # made of parts
        )
        return answer["Signature"]


class SoftwareKey:
    """A key in memory (adapters.trust.SigningKey), where a thousand signatures are wanted."""

    def __init__(self, algorithm: KeyAlgorithm) -> None:
        self.algorithm = algorithm
        self._key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
        match algorithm:
            case KeyAlgorithm.RSA_2048 | KeyAlgorithm.RSA_3072:
                self._key = rsa.generate_private_key(65537, int(algorithm.value[-4:]))
            case KeyAlgorithm.P_256:
                self._key = ec.generate_private_key(ec.SECP256R1())
            case KeyAlgorithm.P_384:
                self._key = ec.generate_private_key(ec.SECP384R1())

    @property
    def public_key_der(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign_digest(self, digest: bytes) -> bytes:
        made_with = Prehashed(_HASHES[len(digest)])
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(digest, padding.PKCS1v15(), made_with)
        return self._key.sign(digest, ec.ECDSA(made_with))


def credential_for(
    key: SigningKey, pki: DevelopmentPki, *, begins: datetime | None = None
) -> UsableCredential:
    """Certified by the development CA for three years."""
    begins = begins or datetime.now(UTC) - timedelta(minutes=5)
    public_key = load_der_public_key(key.public_key_der)
    assert isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    issuer = pki.issuing.certificate
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string("CN=XAdES test seal,O=กรมโรงงานอุตสาหกรรม,C=TH"))
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=3 * 365))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_sealing_only(), critical=True)
        .add_extension(_pointers(pki), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type]  # a CA key signs
            critical=False,
        )
        .sign(pki.issuing.key, SHA256())
    )
    der = certificate.public_bytes(Encoding.DER)
    pems = tuple(c.public_bytes(Encoding.PEM).decode() for c in (certificate, issuer))
    return UsableCredential(
        credential=SealCredential(key_id="of-the-test", chain_pem=pems),
        key=key,
        certificate=der,
        issuers=(issuer.public_bytes(Encoding.DER),),
        ends_at=certificate.not_valid_after_utc,
        validation_data=_NOTHING,
    )


def _sealing_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pointers(pki: DevelopmentPki) -> x509.AuthorityInformationAccess:
    def at(path: str) -> x509.UniformResourceIdentifier:
        return x509.UniformResourceIdentifier(f"{pki.base_url}/{path}")

    return x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, at("ocsp")),
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, at("issuing.crt")),
        ]
    )


@dataclass(frozen=True)
class OneCredential:
    """adapters.trust.CredentialChecker that was told the answer."""

    usable_one: UsableCredential

    def usable(self, credentials: Sequence[SealCredential], policy: SealPolicy) -> UsableCredential:
        return self.usable_one


@dataclass(frozen=True)
class DevelopmentTsa:
    """adapters.trust.Timestamper over the development TSA; believes what it gets."""

    url: str
    room: int = 8_192

    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        request = tsp.TimeStampReq(
            {
                "version": 1,
                "message_imprint": {
                    "hash_algorithm": {"algorithm": algorithm},
                    "hashed_message": digest,
                },
                "cert_req": True,
                "nonce": 4,
            }
        )
        answer = urllib3.request(
            "POST",
            self.url,
            body=request.dump(),
            headers={"Content-Type": "application/timestamp-query"},
        )
        token = tsp.TimeStampResp.load(answer.data)["time_stamp_token"]
        info = token["content"]["encap_content_info"]["content"].parsed
        return TimestampToken(
            der=token.dump(),
            at=info["gen_time"].native,
            authority=self.url,
            ends_at=datetime.max.replace(tzinfo=UTC),
            validation_data=_NOTHING,
        )


def sealer_of(
    usable: UsableCredential,
    pki: DevelopmentPki,
    *,
    rsa_digest: str = "sha256",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> XadesSealer:
    return XadesSealer(
        OneCredential(usable),
        DevelopmentTsa(pki.timestamp_url),
        anchors=lambda: [pki.root_pem],
        clock=clock,
        rsa_digest=rsa_digest,
    )


def samples_of(
    pki: DevelopmentPki, keys: Sequence[SigningKey], xml: bytes = RECEIPT
) -> Iterator[tuple[str, bytes]]:
    """One signed document per level and key, RSA with both hashes; each with a file name
    that says what it is, such as `xades-B-T-RSA_2048-sha512.xml`."""
    for key, level in product(keys, LEVELS):
        usable = credential_for(key, pki)
        digests = ("sha256", "sha512") if key.algorithm.is_rsa else (key.algorithm.digest,)
        for digest in digests:
            sealer = sealer_of(usable, pki, rsa_digest=digest)
            sealed = sealer.seal_xml(xml, [usable.credential], SealPolicy(level=level))
            yield f"xades-{level}-{key.algorithm.name}-{digest}.xml", sealed
