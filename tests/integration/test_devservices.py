"""PKI and issuer as served over HTTP, checked with openssl and a real process."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import jwt
import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from chalicelib import cli
from chalicelib.adapters.oidc import JwksVerifier
from chalicelib.adapters.webhook import Webhooks
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import ConfigurationError, UnauthenticatedError, UnavailableError
from infra.devservices import build, running
from infra.pki import (
    MARK,
    Validity,
    issue_seal_certificate,
    load_pki,
    open_pki,
    to_pem,
)
from tests.support.evidence import LocalSigner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.devservices import DevServices
    from infra.pki import DevelopmentPki


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServices]:
    with running(tmp_path_factory.mktemp("pki")) as services:
        yield services


def get(url: str) -> bytes:
    answer = urllib3.request("GET", url, timeout=5, retries=False)
    assert answer.status == 200, url
    return answer.data


def post(url: str, body: bytes, content_type: str = "application/octet-stream") -> bytes:
    answer = urllib3.request(
        "POST", url, body=body, headers={"Content-Type": content_type}, timeout=5, retries=False
    )
    assert answer.status == 200, url
    return answer.data


def seal_chain(pki: DevelopmentPki) -> tuple[x509.Certificate, x509.Certificate]:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    chain = issue_seal_certificate(pki, der, "diw", "กรมโรงงานอุตสาหกรรม", "Industrial Works")
    leaf, issuing = (x509.load_pem_x509_certificate(pem.encode()) for pem in chain)
    return leaf, issuing


needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)


# -- PKI ---------------------------------------------------------------------


def test_every_subject_says_development_only(dev: DevServices) -> None:
    """B7: nobody can mistake a development seal for one that binds."""
    leaf, issuing = seal_chain(dev.pki)
    for certificate in (leaf, issuing, dev.pki.root.certificate, dev.pki.tsa.certificate):
        units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert [unit.value for unit in units] == [MARK]
        assert MARK in str(names[0].value)


def test_seal_certificate_profile(dev: DevServices) -> None:
    """B3, B7: the seal certificate names the agency as a legal person and may commit to
    content (EN 319 412-3)."""
    leaf, issuing = seal_chain(dev.pki)
    leaf.verify_directly_issued_by(issuing)
    issuing.verify_directly_issued_by(dev.pki.root.certificate)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    name = {attribute.oid: attribute.value for attribute in leaf.subject}
    assert name[NameOID.ORGANIZATION_NAME] == "กรมโรงงานอุตสาหกรรม"
    assert name[NameOID.ORGANIZATION_IDENTIFIER] == "TR:TH-diw"


def test_long_agency_names_fit(dev: DevServices) -> None:
    """B7: an agency with a very long name still gets a certificate (RFC 5280 limits: 64)."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (pem, _) = issue_seal_certificate(dev.pki, der, "x", "ก" * 200, "A" * 200)
    names = x509.load_pem_x509_certificate(pem.encode()).subject
    assert str(names.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value).endswith(f"({MARK})")


def test_revocation_is_published(dev: DevServices) -> None:
    """B3: what is revoked shows in the OCSP answer and in the CRL its certificate names."""
    leaf, issuing = seal_chain(dev.pki)
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuing, hashes.SHA256()).build()
    access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    ocsp_url = next(
        a.access_location.value
        for a in access
        if a.access_method == AuthorityInformationAccessOID.OCSP
    )
    points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    crl_url = next(iter(points)).full_name[0].value

    def status() -> tuple[ocsp.OCSPCertStatus, bool]:
        answer = ocsp.load_der_ocsp_response(post(ocsp_url, request.public_bytes(Encoding.DER)))
        crl = x509.load_der_x509_crl(get(crl_url))
        assert crl.is_signature_valid(dev.pki.issuing.key.public_key())
        listed = crl.get_revoked_certificate_by_serial_number(leaf.serial_number)
        return answer.certificate_status, listed is not None

    assert status() == (ocsp.OCSPCertStatus.GOOD, False)
    dev.pki.revoke(leaf.serial_number)
    assert status() == (ocsp.OCSPCertStatus.REVOKED, True)


def test_published_certificates(dev: DevServices) -> None:
    """B3: the issuer's certificate is where the AIA pointer says."""
    issuing = x509.load_der_x509_certificate(get(f"{dev.url}/pki/issuing.crt"))
    assert issuing == dev.pki.issuing.certificate
    assert get(f"{dev.url}/pki/root.pem").decode() == dev.pki.root_pem


@pytest.mark.parametrize("body", [b"", b"junk", b"\x30\x80", b"\x30\x03\x02\x01\x01"])
def test_malformed_requests_are_refused(dev: DevServices, body: bytes) -> None:
    """RFC 3161 §2.4.2, RFC 6960 §4.2.1: nonsense gets a refusal, not a crash."""
    # PKIStatusInfo: rejection (2), badDataFormat (bit 5); no token.
    refusal = bytes.fromhex("30 09 30 07 02 01 02 03 02 02 04")
    assert post(f"{dev.url}/pki/tsa", body) == refusal
    answered = ocsp.load_der_ocsp_response(post(f"{dev.url}/pki/ocsp", body))
    assert answered.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


@needs_openssl
@pytest.mark.parametrize("which", [0, 1], ids=["P-256", "RSA-2048"])
def test_openssl_accepts_the_timestamps(dev: DevServices, tmp_path: Path, which: int) -> None:
    """A19: the time-stamps hold for another implementation (RFC 3161, openssl ts), and state
    fractions of a second and how accurate they are."""
    data, query, reply, root = (tmp_path / n for n in ("data", "query", "reply", "root.pem"))
    data.write_bytes(b"anything")
    root.write_text(dev.pki.root_pem)
    openssl("ts", "-query", "-data", data, "-sha256", "-cert", "-out", query)
    url = dev.pki.timestamp_urls[which]
    reply.write_bytes(post(url, query.read_bytes(), "application/timestamp-query"))
    said = openssl("ts", "-verify", "-in", reply, "-queryfile", query, "-CAfile", root)
    assert "Verification: OK" in said
    shown = openssl("ts", "-reply", "-in", reply, "-text")
    assert re.search(r"Time stamp: .*:\d\d\.\d+ ", shown)
    assert "0x01 millis" in shown
    data.write_bytes(b"something else")
    with pytest.raises(subprocess.CalledProcessError):
        openssl("ts", "-verify", "-in", reply, "-data", data, "-CAfile", root)


@needs_openssl
@pytest.mark.parametrize("name", ["sha1", "sha256"])
def test_openssl_accepts_the_ocsp_answers(dev: DevServices, tmp_path: Path, name: str) -> None:
    """B3: another implementation asks by either hash, and believes the answer, which says
    until when it is good."""
    leaf, issuing = seal_chain(dev.pki)
    paths = {n: tmp_path / f"{n}.pem" for n in ("leaf", "issuing", "root")}
    for path, certificate in zip(
        paths.values(), (leaf, issuing, dev.pki.root.certificate), strict=True
    ):
        path.write_text(to_pem(certificate))
    asked = ("ocsp", f"-{name}", "-issuer", paths["issuing"], "-cert", paths["leaf"])
    trust = ("-CAfile", paths["root"], "-verify_other", paths["issuing"])
    said = openssl(*asked, "-url", dev.pki.ocsp_url, *trust)
    assert "leaf.pem: good" in said
    assert "Response verify OK" in said
    assert "Next Update" in said
    dev.pki.revoke(leaf.serial_number)
    assert "leaf.pem: revoked" in openssl(*asked, "-url", dev.pki.ocsp_url, *trust)


@needs_openssl
def test_openssl_accepts_chain_and_crls(dev: DevServices, tmp_path: Path) -> None:
    """B3: another implementation follows the chain with the CRLs of both CAs, and stops at
    what is revoked."""
    leaf, issuing = seal_chain(dev.pki)
    trusted, untrusted, subject = (tmp_path / n for n in ("root", "issuing", "leaf"))
    crls = [x509.load_der_x509_crl(get(f"{dev.url}/pki/{n}.crl")) for n in ("issuing", "root")]
    pems = [crl.public_bytes(Encoding.PEM).decode() for crl in crls]
    trusted.write_text(dev.pki.root_pem + "".join(pems))
    untrusted.write_text(to_pem(issuing))
    subject.write_text(to_pem(leaf))
    check = ("verify", "-crl_check_all", "-x509_strict", "-CAfile", trusted)
    assert "OK" in openssl(*check, "-untrusted", untrusted, subject)
    dev.pki.revoke(leaf.serial_number)
    crl = x509.load_der_x509_crl(get(f"{dev.url}/pki/issuing.crl"))
    trusted.write_text(dev.pki.root_pem + crl.public_bytes(Encoding.PEM).decode() + pems[1])
    with pytest.raises(subprocess.CalledProcessError) as error:
        openssl(*check, "-untrusted", untrusted, subject)
    assert "certificate revoked" in error.value.stderr


def test_seal_certificates_for_rsa_keys(dev: DevServices) -> None:
    """B7: the CA certifies keys of either kind, for as long as it is told."""
    public = rsa.generate_private_key(65_537, 2_048).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    now = datetime.now(UTC).replace(microsecond=0)
    valid = Validity(now - timedelta(days=1), now + timedelta(days=3))
    pem, _ = issue_seal_certificate(dev.pki, der, "rd", "กรม", "Revenue", valid=valid)
    leaf = x509.load_pem_x509_certificate(pem.encode())
    leaf.verify_directly_issued_by(dev.pki.issuing.certificate)
    assert leaf.public_key() == public
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (valid.start, valid.end)


def test_a_revoked_ca_is_on_the_roots_crl(tmp_path: Path) -> None:
    """B3: each CA lists what it issued itself."""
    with running(tmp_path) as services:
        serial = services.pki.issuing.certificate.serial_number
        services.pki.revoke(serial)
        lists = [
            x509.load_der_x509_crl(get(f"{services.url}/pki/{name}.crl"))
            for name in ("root", "issuing")
        ]
        found = [crl.get_revoked_certificate_by_serial_number(serial) for crl in lists]
    assert [entry is not None for entry in found] == [True, False]


def test_a_server_that_is_down_answers_nobody(tmp_path: Path) -> None:
    """P4: tests that take it down take it down also for connections kept open."""
    with urllib3.PoolManager(retries=False) as pool:
        with running(tmp_path) as services:
            url = f"{services.url}/healthz"
            assert pool.request("GET", url).status == 200
        with pytest.raises(urllib3.exceptions.HTTPError):
            pool.request("GET", url)


def openssl(*arguments: object) -> str:
    command = ["openssl", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout + run.stderr


def test_production_is_refused(tmp_path: Path) -> None:
    """B7: no development key is even made where documents bind."""
    with pytest.raises(ConfigurationError):
        open_pki(tmp_path / "pki", "http://localhost", stage="prod")
    with pytest.raises(ConfigurationError):
        build(0, tmp_path / "pki", "tra", stage="prod")
    assert not (tmp_path / "pki").exists()


def test_it_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B7: whoever starts it is told what it is."""
    open_pki(tmp_path / "pki", "http://localhost", stage="local")
    assert MARK in capsys.readouterr().err


def test_keys_are_private_and_stay(tmp_path: Path) -> None:
    """P2: seals made before a restart, even on another port, still lead to the root."""
    first = open_pki(tmp_path, "http://127.0.0.1:1/pki", stage="local")
    leaf, issuing = seal_chain(first)
    second = open_pki(tmp_path, "http://127.0.0.1:2/pki", stage="local")
    assert second.root.certificate == first.root.certificate
    leaf.verify_directly_issued_by(second.issuing.certificate)
    issuing.verify_directly_issued_by(second.root.certificate)
    assert "127.0.0.1:2" in str(second.tsa.certificate.extensions)
    for key in tmp_path.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_load_pki(tmp_path: Path) -> None:
    """Another process can issue certificates of the PKI that is being served."""
    with pytest.raises(ConfigurationError):
        load_pki(tmp_path / "none", stage="local")
    made = open_pki(tmp_path, "http://127.0.0.1:1/pki", stage="local")
    loaded = load_pki(tmp_path, stage="local")
    assert loaded.issuing.certificate == made.issuing.certificate
    assert loaded.base_url == made.base_url


# -- issuer ------------------------------------------------------------------


def fetch_token(dev: DevServices, **form: str) -> str:
    body = urlencode({"agency": "diw", "role": "clerk", **form}).encode()
    answer = post(f"{dev.url}/oidc/token", body, "application/x-www-form-urlencoded")
    return str(json.loads(answer)["access_token"])


def test_tokens_over_http(dev: DevServices) -> None:
    """P6: discovery, keys and tokens work over real HTTP, through a key rotation."""
    verifier = JwksVerifier(
        f"{dev.url}/oidc", "tra", clock=lambda: datetime.now(UTC), refetch_after=timedelta(0)
    )
    old = fetch_token(dev)
    assert verifier.verify(old).agency_id == "diw"
    post(f"{dev.url}/oidc/rotate", b"")
    assert verifier.verify(fetch_token(dev)).subject == "diw-clerk"
    assert verifier.verify(old).agency_id == "diw"


@pytest.mark.parametrize(
    ("arguments", "secret", "subject"),
    [
        (["--agency", "diw"], None, "diw-clerk"),
        (["--agency", "diw", "--role", "approver"], None, "diw-approver"),
        (["--person", "rd-approver2"], None, "rd-approver2"),
        ([], "not-a-secret-of-diw", "diw-app"),
    ],
)
def test_the_command_signs_in(
    dev: DevServices,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    arguments: list[str],
    secret: str | None,
    subject: str,
) -> None:
    """Issue 7.2: `tra token` for a person of the local stack, and for an application with its
    secret."""
    _environment(monkeypatch, dev, secret)
    assert cli.main(["token", *arguments]) == 0
    claims = jwt.decode(capsys.readouterr().out.strip(), options={"verify_signature": False})
    assert claims["sub"] == subject


def test_the_command_says_why_it_got_no_token(
    dev: DevServices, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """P4: a wrong secret is told, and not repeated."""
    _environment(monkeypatch, dev, "wrong-secret")
    assert cli.main(["token"]) == 1
    told = capsys.readouterr()
    assert "client_secret is wrong" in told.err
    assert "wrong-secret" not in told.err + told.out


def _environment(monkeypatch: pytest.MonkeyPatch, dev: DevServices, secret: str | None) -> None:
    for name in ("TRA_TOKEN", "TRA_AGENCY", "TRA_ROLE", "TRA_PERSON", "TRA_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRA_TOKEN_URL", f"{dev.url}/oidc/token")
    if secret is not None:
        monkeypatch.setenv("TRA_CLIENT_ID", "diw-app")
        monkeypatch.setenv("TRA_CLIENT_SECRET", secret)


def test_tokens_of_another_audience(dev: DevServices) -> None:
    """P6: the same issuer's token for another service is refused."""
    verifier = JwksVerifier(f"{dev.url}/oidc", "other", clock=lambda: datetime.now(UTC))
    with pytest.raises(UnauthenticatedError) as refused:
        verifier.verify(fetch_token(dev))
    assert refused.value.reason == "wrong_audience"


def test_issuer_that_is_not_there(dev: DevServices) -> None:
    """P4: an issuer that does not answer, or answers 404, is a fault that heals."""
    for issuer in ("http://127.0.0.1:9/oidc", f"{dev.url}/nothing"):
        verifier = JwksVerifier(issuer, "tra", clock=lambda: datetime.now(UTC))
        with pytest.raises(UnavailableError):
            verifier.verify(fetch_token(dev))


# -- the process -------------------------------------------------------------


def test_process_starts_answers_and_ends(tmp_path: Path) -> None:
    """`make down` leaves nothing running: SIGTERM ends the process with code 0."""
    command = [sys.executable, "-m", "infra.devservices", "--port", "0"]
    command += ["--dir", str(tmp_path), "--issuer-audience", "tra"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready = re.search(r"ready at (http://127\.0\.0\.1:\d+)", process.stdout.readline())
            assert ready is not None
            assert get(f"{ready[1]}/healthz") == b'{"status": "ok"}'
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_process_refuses_production(tmp_path: Path) -> None:
    """B7: started for prod by mistake, it ends at once and serves nothing."""
    command = [sys.executable, "-m", "infra.devservices", "--port", "0"]
    command += ["--dir", str(tmp_path / "pki"), "--issuer-audience", "tra"]
    run = subprocess.run(
        command,
        env={**os.environ, "TRA_STAGE": "prod"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode != 0
    assert "refuses to run for stage prod" in run.stderr
    assert not (tmp_path / "pki").exists()


def test_large_bodies_and_unknown_paths(dev: DevServices) -> None:
    """The server refuses what it does not know instead of reading it."""
    big = urllib3.request("POST", f"{dev.url}/pki/tsa", body=bytes(100_000), retries=False)
    assert big.status == 413
    assert big.headers["Connection"] == "close"
    for path in ("/", "/pki", "/pki/../root.key", "/oidc/nothing", "/root.key"):
        assert urllib3.request("GET", dev.url + path, retries=False).status == 404


def test_an_agencys_system_takes_webhooks(dev: DevServices) -> None:
    """C1: a developer sees what an agency's own system gets: the event and its signature, over a
    real connection to this machine."""
    signer, url = LocalSigner(), f"{dev.url}/systems/mot"
    event = json.dumps({"id": "01.mot.1.delivered"}).encode()
    agency = Agency(agency_id="mot", name_th="ก", name_en="A", webhook_url=url)
    Webhooks(signer, clock=lambda: datetime.now(UTC), local=True).send(agency, event)
    (message,) = json.loads(get(url))["items"]
    assert message["body"].encode() == event
    assert jwt.get_unverified_header(message["signature"])["aud"] == url
    assert json.loads(get(f"{dev.url}/systems/other"))["items"] == []
