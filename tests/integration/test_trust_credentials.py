"""Seal credentials checked against real keys in KMS, a real CA, and each thing that can be
wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from chalicelib.adapters.bounded_http import BoundedHttp
from chalicelib.adapters.clock_witness import ClockWitness
from chalicelib.adapters.kms import KmsSigningKey
from chalicelib.adapters.revocation import HttpRevocation
from chalicelib.adapters.seal_credentials import KmsCredentialChecker
from chalicelib.adapters.tsa import TimestampAuthorities
from chalicelib.domain.errors import (
    CertificateNotYetValidError,
    RevocationUnknownError,
    SealError,
    UnavailableError,
)
from chalicelib.domain.seals import KeyAlgorithm, SealCredential, SealLevel, SealPolicy
from infra.devservices import running
from infra.pki import DOCUMENT_SIGNING, Authority, Validity, issue_seal_certificate, to_pem
from tests.support.stations import MovingClock, Ticks

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

    from chalicelib.adapters.trust import UsableCredential
    from chalicelib.domain.authority_health import AuthorityHealth
    from chalicelib.domain.clock_bound import ClockBound
    from tests.support.stations import TrustSite

pytestmark = pytest.mark.aws

POLICY = SealPolicy()


@dataclass
class Key:
    """A key in KMS, as far as a checker wants to know it; counts the questions."""

    kms: KMSClient
    key_id: str
    asked: list[str]

    @property
    def algorithm(self) -> KeyAlgorithm:
        return KeyAlgorithm(self.kms.get_public_key(KeyId=self.key_id)["KeySpec"])

    @property
    def public_key_der(self) -> bytes:
        self.asked.append(self.key_id)
        return self.kms.get_public_key(KeyId=self.key_id)["PublicKey"]

    def sign_digest(self, digest: bytes) -> bytes:
        raise NotImplementedError


@dataclass
class Room:
    """A checker and what it needs, all of it real."""

    site: TrustSite
    kms: KMSClient
    clock: MovingClock = field(default_factory=MovingClock)
    asked: list[str] = field(default_factory=list)

    def key(self, algorithm: KeyAlgorithm = KeyAlgorithm.P_256) -> str:
        made = self.kms.create_key(KeySpec=algorithm.value, KeyUsage="SIGN_VERIFY")
        return made["KeyMetadata"]["KeyId"]

    def public(self, key_id: str) -> bytes:
        return self.kms.get_public_key(KeyId=key_id)["PublicKey"]

    def credential(
        self, key_id: str | None = None, *, valid: Validity | None = None
    ) -> SealCredential:
        key_id = key_id or self.key()
        chain = issue_seal_certificate(
            self.site.pki, self.public(key_id), "diw", "กรมโรงงาน", "Works", valid=valid
        )
        return SealCredential(key_id=key_id, chain_pem=chain)

    def checker(self, **changes: Any) -> KmsCredentialChecker:
        settings: dict[str, Any] = {
            "key_of": lambda key_id: Key(self.kms, key_id, self.asked),
            "anchors": lambda: self.site.anchors,
            "revocation": HttpRevocation(clock=self.clock, http=BoundedHttp(timeout=3)),
            "clock": self.clock,
        }
        return KmsCredentialChecker(**(settings | changes))

    def usable(self, *credentials: SealCredential, **changes: Any) -> UsableCredential:
        return self.checker(**changes).usable(credentials, POLICY)

    def refusal(self, *credentials: SealCredential, **changes: Any) -> SealError:
        with pytest.raises(SealError) as error:
            self.usable(*credentials, **changes)
        assert error.value.detail_th.startswith("หน่วยงานไม่มีตราประทับที่ใช้ได้")
        return error.value


@pytest.fixture
def room(_site: TrustSite, kms: KMSClient) -> Room:
    _site.all_up()
    return Room(_site, kms)


def ahead(**by: float) -> Validity:
    """Valid since an hour ago, for so long from now."""
    now = datetime.now(UTC).replace(microsecond=0)
    return Validity(now - timedelta(hours=1), now + timedelta(**by))


# -- good credentials --------------------------------------------------------


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_every_kind_of_key(room: Room, algorithm: KeyAlgorithm) -> None:
    """B7: agencies choose their key; each is matched with its certificate and covered by
    validation data."""
    credential = room.credential(room.key(algorithm))
    usable = room.usable(credential)
    pki = room.site.pki
    assert usable.credential == credential
    assert usable.key.algorithm is algorithm
    leaf = x509.load_pem_x509_certificate(credential.chain_pem[0].encode())
    assert usable.certificate == leaf.public_bytes(Encoding.DER)
    assert usable.issuers == (pki.issuing.der,)
    assert usable.ends_at == leaf.not_valid_after_utc
    data = usable.validation_data
    assert data.certificates == (usable.certificate, pki.issuing.der, pki.root.der)
    assert (len(data.ocsp_responses), len(data.crls)) == (1, 1)


@pytest.mark.parametrize("level", SealLevel)
def test_levels_that_embed_nothing_get_nothing(room: Room, level: SealLevel) -> None:
    """EN 319 142-1 §6: only B-LT and B-LTA carry validation data; all are checked."""
    usable = room.checker().usable([room.credential()], SealPolicy(level=level))
    assert bool(usable.validation_data.certificates) is level.has_validation_data
    assert bool(usable.validation_data.ocsp_responses) is level.has_validation_data


def test_what_cannot_change_is_checked_once(room: Room) -> None:
    """Speed: the second document of a container asks neither KMS nor the CA."""
    checker, credential = room.checker(), room.credential()
    first = checker.usable([credential], POLICY)
    calls = room.site.ocsp.calls, room.site.crl.calls, len(room.asked)
    for _ in range(20):
        assert checker.usable([credential], POLICY) == first
    assert (room.site.ocsp.calls, room.site.crl.calls, len(room.asked)) == calls


# -- rotation ----------------------------------------------------------------


def test_the_new_seal_takes_over_on_its_day(room: Room) -> None:
    """Rotation without a break: a certificate that begins tomorrow is put first today; the
    old one seals until then, the new one from then on."""
    now = datetime.now(UTC).replace(microsecond=0)
    old = room.credential()
    new = room.credential(
        room.key(KeyAlgorithm.RSA_2048),
        valid=Validity(now + timedelta(minutes=2), now + timedelta(days=900)),
    )
    checker = room.checker()
    assert checker.usable([new, old], POLICY).credential == old
    room.clock.ahead = timedelta(minutes=3)
    assert checker.usable([new, old], POLICY).credential == new


def test_the_old_seal_steps_back_in_time(room: Room) -> None:
    """Rotation without a break: when the first certificate has too little time left, the
    next one seals."""
    ending, fresh = room.credential(valid=ahead(days=29)), room.credential()
    assert room.usable(ending, fresh).credential == fresh


def test_a_new_chain_for_the_same_key(room: Room) -> None:
    """Renewal without a break: the directory gives another certificate for the same key,
    and KMS is not asked again."""
    checker, key_id = room.checker(), room.key()
    first, second = room.credential(key_id), room.credential(key_id)
    assert checker.usable([first], POLICY).credential == first
    assert checker.usable([second], POLICY).credential == second
    assert len(room.asked) == 1


def test_a_key_that_is_gone(room: Room) -> None:
    """Rotation without a break: a key that KMS no longer hands out does not stop the other,
    and alone it is an error somebody can act on."""

    def key_of(key_id: str) -> Any:
        return KmsSigningKey(room.kms, key_id)

    good = room.credential()
    gone = SealCredential(key_id=str(uuid4()), chain_pem=room.credential().chain_pem)
    assert room.usable(gone, good, key_of=key_of).credential == good
    assert "KMS refused" in room.refusal(gone, key_of=key_of).detail


def test_a_first_seal_nobody_knows_about(room: Room) -> None:
    """P4: a seal about which nothing can be learnt just now does not stop the other; alone,
    it is worth waiting for."""

    def key_of(key_id: str) -> Any:
        if key_id == first.key_id:
            raise UnavailableError("KMS did not answer.")
        return Key(room.kms, key_id, room.asked)

    first, second = room.credential(), room.credential()
    assert room.usable(first, second, key_of=key_of).credential == second
    with pytest.raises(UnavailableError):
        room.usable(first, key_of=key_of)


def test_a_key_disabled_while_the_container_lives(room: Room) -> None:
    """Rotation without a break: what was checked is not believed against a key that refuses;
    the next seal takes over at once, and the first comes back when its key does."""
    ticks = Ticks()
    checker = room.checker(key_of=lambda key_id: KmsSigningKey(room.kms, key_id), monotonic=ticks)
    seals = [room.credential(), room.credential()]
    first = checker.usable(seals, POLICY)
    assert first.key.sign_digest(bytes(32))
    assert first.credential == seals[0]
    room.kms.disable_key(KeyId=seals[0].key_id)
    with pytest.raises(SealError, match="KMS refused to sign"):
        first.key.sign_digest(bytes(32))
    assert checker.usable(seals, POLICY).credential == seals[1]
    room.kms.enable_key(KeyId=seals[0].key_id)
    assert checker.usable(seals[:1], POLICY).key.sign_digest(bytes(32))  # where no other is
    ticks.advance(61)
    assert checker.usable(seals, POLICY).credential == seals[0]


def test_kms_busy_is_no_refusal(room: Room) -> None:
    """P4: a seal whose key is only slow to answer stays the first."""

    class Busy(Key):
        def sign_digest(self, digest: bytes) -> bytes:
            raise UnavailableError("KMS did not answer.")

    checker = room.checker(key_of=lambda key_id: Busy(room.kms, key_id, room.asked))
    seals = [room.credential(), room.credential()]
    usable = checker.usable(seals, POLICY)
    with pytest.raises(UnavailableError):
        usable.key.sign_digest(bytes(32))
    assert checker.usable(seals, POLICY) == usable


# -- refusals ----------------------------------------------------------------


def test_another_key(room: Room) -> None:
    """A6: a certificate that does not fit the key in KMS is found before sealing."""
    credential = room.credential()
    wrong = SealCredential(key_id=room.key(), chain_pem=credential.chain_pem)
    assert "another key" in room.refusal(wrong).detail


def test_too_little_time_left(room: Room) -> None:
    """A6: a certificate about to expire within the policy does not seal; the policy says
    how long is enough."""
    credential = room.credential(valid=ahead(days=20))
    assert "less than 30 days" in room.refusal(credential).detail
    lax = SealPolicy(least_days_left=10)
    assert room.checker().usable([credential], lax).credential == credential


@pytest.mark.parametrize(
    ("valid", "why", "advice"),
    [
        (Validity(datetime(2026, 1, 1), datetime(2026, 2, 1)), "has expired", "rotate the seal"),
        (Validity(datetime(2031, 1, 1), datetime(2032, 1, 1)), "not yet valid", "keep the seal"),
    ],
    ids=["expired", "not-yet-valid"],
)
def test_out_of_time(room: Room, valid: Validity, why: str, advice: str) -> None:
    """A6: the refusal says when, and what to do about it."""
    said = room.refusal(room.credential(valid=valid)).detail
    assert why in said
    assert advice in said


def test_a_certificate_expires_while_the_container_lives(room: Room) -> None:
    """A6: the credential is remembered, its validity is not."""
    checker, credential = room.checker(), room.credential()
    checker.usable([credential], POLICY)
    room.clock.ahead = timedelta(days=4 * 365)
    with pytest.raises(SealError, match="expired"):
        checker.usable([credential], POLICY)


def test_revoked(room: Room) -> None:
    """A6, B3: a revoked seal stops at once, and the error says which and since when."""
    credential = room.credential()
    leaf = x509.load_pem_x509_certificate(credential.chain_pem[0].encode())
    room.site.pki.revoke(leaf.serial_number)
    said = room.refusal(credential).detail
    assert f"{leaf.serial_number:x}" in said
    assert "is revoked since" in said


def test_revocation_unknown(room: Room) -> None:
    """B3: with OCSP and CRL servers stopped nothing is sealed; when they are back, the same
    container goes on."""
    ticks = Ticks()
    revocation = HttpRevocation(clock=room.clock, http=BoundedHttp(timeout=3), monotonic=ticks)
    checker, credential = room.checker(revocation=revocation), room.credential()
    room.site.ocsp.down()
    room.site.crl.down()
    with pytest.raises(RevocationUnknownError):
        checker.usable([credential], POLICY)
    room.site.ocsp.up()
    room.site.crl.up()
    ticks.advance(11)
    assert checker.usable([credential], POLICY)


def test_a_development_seal_in_production(room: Room) -> None:
    """B7: whatever the anchors say, a development certificate seals nothing there."""
    assert "development PKI" in room.refusal(room.credential(), refuse_development=True).detail


def test_an_unknown_root(room: Room, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A6: a seal that leads to no anchor would prove nothing to a recipient."""
    with running(tmp_path_factory.mktemp("other")) as other:
        said = room.refusal(room.credential(), anchors=lambda: (other.pki.root_pem,)).detail
    assert "no chain of certificates leads to a trust anchor" in said


def test_a_missing_issuer(room: Room) -> None:
    """A6: a chain with a hole is refused."""
    credential = room.credential()
    alone = SealCredential(key_id=credential.key_id, chain_pem=credential.chain_pem[:1])
    assert "no chain of certificates" in room.refusal(alone).detail


@pytest.mark.parametrize(
    "chain", [(), ("junk",), ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",)]
)
def test_unreadable_certificates(room: Room, chain: tuple[str, ...]) -> None:
    """P4: a credential entered wrongly is a clear error, not a crash."""
    assert "cannot be read" in room.refusal(SealCredential(key_id="k", chain_pem=chain)).detail


def test_all_refusals_are_listed(room: Room) -> None:
    """P4: an agency whose seals all fail is told about each of them, and keys are not named:
    an ARN tells the account."""
    short, wrong = room.credential(valid=ahead(days=3)), room.credential()
    wrong = SealCredential(key_id=room.key(), chain_pem=wrong.chain_pem)
    error = room.refusal(short, wrong)
    assert "seal 1: its certificate chain ends" in error.detail
    assert "seal 2: its certificate belongs to another key" in error.detail
    assert "ตราที่ 2" in error.detail_th
    assert wrong.key_id not in error.detail
    assert "none at all" in room.refusal().detail


# -- profiles ----------------------------------------------------------------


def usages(**given: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: given.get(name, False) for name in names.split()})


SEAL_USAGE = usages(digital_signature=True, content_commitment=True)


def purposes(*oids: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(oids)


def certified(
    room: Room, key_id: str, *extensions: tuple[x509.ExtensionType, bool], by: Authority
) -> str:
    """A certificate by `by`, with these extensions only."""
    now = datetime.now(UTC)
    public: Any = load_der_public_key(room.public(key_id))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string("CN=Odd one"))
        .issuer_name(by.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=900))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return to_pem(builder.sign(by.key, hashes.SHA256()))


END_ENTITY = (x509.BasicConstraints(ca=False, path_length=None), True)
ODD: dict[str, tuple[tuple[tuple[x509.ExtensionType, bool], ...], str]] = {
    "without-non-repudiation": (
        (END_ENTITY, (usages(digital_signature=True), True)),
        "lacks the key usage nonRepudiation",
    ),
    "without-usages": ((END_ENTITY,), "lacks the key usage nonRepudiation"),
    "a-ca": (
        ((x509.BasicConstraints(ca=True, path_length=None), True), (SEAL_USAGE, True)),
        "is a CA's",
    ),
    "for-servers": (
        (END_ENTITY, (SEAL_USAGE, True), (purposes(ExtendedKeyUsageOID.SERVER_AUTH), True)),
        "for other purposes",
    ),
    "for-time-stamps": (
        (END_ENTITY, (SEAL_USAGE, True), (purposes(ExtendedKeyUsageOID.TIME_STAMPING), False)),
        "for other purposes",
    ),
    "unknown-critical-extension": (
        (
            END_ENTITY,
            (SEAL_USAGE, True),
            (
                x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.7"), b"\5\0"),
                True,
            ),
        ),
        "1.3.6.1.4.1.32473.7",
    ),
}


@pytest.mark.parametrize("defect", ODD)
def test_profiles_that_do_not_seal(room: Room, defect: str) -> None:
    """B7: a certificate for something else, or with what is not understood, does not commit
    an agency."""
    extensions, why = ODD[defect]
    key_id, issuing = room.key(), room.site.pki.issuing
    pem = certified(room, key_id, *extensions, by=issuing)
    chain = (pem, to_pem(issuing.certificate))
    assert why in room.refusal(SealCredential(key_id=key_id, chain_pem=chain)).detail


def changed(room: Room, key_id: str, *extensions: x509.ExtensionType | type) -> SealCredential:
    """A seal as the development CA issues it, with these extensions instead of its own; a
    class stands for none of its kind."""
    issued = room.credential(key_id)
    leaf = x509.load_pem_x509_certificate(issued.chain_pem[0].encode())
    instead = {kind if isinstance(kind, type) else type(kind) for kind in extensions}
    kept = [(e.value, e.critical) for e in leaf.extensions if type(e.value) not in instead]
    new = [(e, True) for e in extensions if isinstance(e, x509.ExtensionType)]
    pem = certified(room, key_id, *kept, *new, by=room.site.pki.issuing)
    return SealCredential(key_id=key_id, chain_pem=(pem, *issued.chain_pem[1:]))


SEALS: dict[str, tuple[x509.ExtensionType | type, ...]] = {
    "type-A": (usages(content_commitment=True),),
    "type-B": (SEAL_USAGE,),
    "type-F": (usages(content_commitment=True, digital_signature=True, key_encipherment=True),),
    "no-purpose": (x509.ExtendedKeyUsage,),
    "document-signing": (purposes(DOCUMENT_SIGNING),),
    "mail": (purposes(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION),),
    "any": (purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),),
    "adobe": (purposes(x509.ObjectIdentifier("1.2.840.113583.1.1.5")),),
    "microsoft": (purposes(x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12")),),
}


@pytest.mark.parametrize("profile", SEALS)
def test_profiles_that_seal(room: Room, profile: str) -> None:
    """B7, EN 319 412-2 §4.3.2, RFC 9336: what recognised CAs issue for seals, is taken."""
    credential = changed(room, room.key(), *SEALS[profile])
    assert room.usable(credential).credential == credential


def test_a_seal_may_not_issue_seals(room: Room) -> None:
    """RFC 5280 §4.2.1.9: a certificate signed by an end entity's key leads nowhere."""
    forger = room.site.pki.tsa  # has a key, and a path to the root
    key_id = room.key()
    pem = certified(room, key_id, END_ENTITY, (SEAL_USAGE, True), by=forger)
    chain = (pem, to_pem(forger.certificate), to_pem(room.site.pki.issuing.certificate))
    said = room.refusal(SealCredential(key_id=key_id, chain_pem=chain)).detail
    assert "may not issue certificates" in said


def test_a_chain_longer_than_its_issuer_allows(room: Room) -> None:
    """RFC 5280 §4.2.1.9: below a CA with path length 0 there is no other CA."""

    pki, middle_key = room.site.pki, ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    middle = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string("CN=Middle"))
        .issuer_name(pki.issuing.certificate.subject)
        .public_key(middle_key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=900))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usages(key_cert_sign=True), critical=True)
        .sign(pki.issuing.key, hashes.SHA256())
    )
    key_id = room.key()
    leaf = certified(room, key_id, END_ENTITY, (SEAL_USAGE, True), by=Authority(middle, middle_key))
    chain = (leaf, to_pem(middle), to_pem(pki.issuing.certificate))
    said = room.refusal(SealCredential(key_id=key_id, chain_pem=chain)).detail
    assert "longer than it allows" in said


def test_a_curve_that_does_not_seal(room: Room) -> None:
    """ETSI TS 119 312, KeyAlgorithm: other kinds of keys are refused before KMS is asked."""
    public = ec.generate_private_key(ec.SECP521R1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    chain = issue_seal_certificate(room.site.pki, der, "diw", "กรม", "Works")
    said = room.refusal(SealCredential(key_id="never asked", chain_pem=chain)).detail
    assert "of a kind that does not seal" in said
    assert room.asked == []


# -- or is it the clock? -------------------------------------------------------


@dataclass
class Heard:
    """A watch that remembers."""

    bounds: list[ClockBound] = field(default_factory=list)

    def clock_seen(self, _authority: str, bound: ClockBound) -> None:
        self.bounds.append(bound)

    def authority_changed(self, health: AuthorityHealth) -> None:
        """Not asked for here."""


def witness(room: Room, heard: Heard, ticks: Ticks) -> ClockWitness:
    timestamper = TimestampAuthorities(
        room.site.timestamp_urls[:1],
        anchors=lambda: room.site.anchors,
        revocation=HttpRevocation(clock=room.clock, http=BoundedHttp(timeout=3)),
        clock=room.clock,
        watch=heard,
    )
    return ClockWitness(room.checker(), timestamper, pause=60, monotonic=ticks)


@pytest.mark.parametrize(
    ("minutes", "refusal"), [(10, RevocationUnknownError), (-90, CertificateNotYetValidError)]
)
def test_a_clock_that_lets_no_credential_pass_is_still_told(
    room: Room, minutes: int, refusal: type[Exception]
) -> None:
    """A19: with a clock so wrong that revocation answers are stale, or certificates not valid
    yet, the alarm's measurement is taken all the same, once in a while."""
    heard, ticks = Heard(), Ticks()
    credential = room.credential(valid=ahead(days=90))
    room.clock.advance(timedelta(minutes=minutes))
    room.site.crl.down()  # whose lists are good for days
    checker = witness(room, heard, ticks)
    before = room.site.tsa.calls
    for _ in range(3):
        with pytest.raises(refusal):
            checker.usable([credential], POLICY)
    assert [bound.exceeds() for bound in heard.bounds] == [True]
    assert room.site.tsa.calls == before + 1
    ticks.advance(61)
    with pytest.raises(refusal):
        checker.usable([credential], POLICY)
    assert len(heard.bounds) == 2


def test_no_token_is_spent_on_other_refusals(room: Room) -> None:
    """What no clock can mend asks for no time-stamp; nor does a credential that is good."""
    heard, before = Heard(), room.site.tsa.calls
    checker = witness(room, heard, Ticks())
    assert checker.usable([room.credential()], POLICY)
    with pytest.raises(SealError):
        checker.usable([room.credential(valid=ahead(days=3))], POLICY)
    assert (heard.bounds, room.site.tsa.calls) == ([], before)


def test_no_authority_hides_no_refusal(room: Room) -> None:
    """Where no time-stamp can be had either, what is said is what was wrong first."""
    room.site.tsa.down()
    room.site.crl.down()
    room.clock.advance(timedelta(minutes=10))
    with pytest.raises(RevocationUnknownError):
        witness(room, Heard(), Ticks()).usable([room.credential(valid=ahead(days=90))], POLICY)
