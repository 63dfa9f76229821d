"""Revocation data from real OCSP responders and CRLs, taken down, lying, and up again."""

from __future__ import annotations

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from chalicelib.adapters.bounded_http import BoundedHttp, FetchError
from chalicelib.adapters.revocation import HttpRevocation
from chalicelib.domain.errors import CertificateRevokedError, RevocationUnknownError
from infra.devhttp import Answer, Call
from infra.devservices import running
from infra.pki import (
    Authority,
    OcspService,
    PkiService,
    Validity,
    issue_ocsp_responder,
    issue_seal_certificate,
)
from tests.support.stations import MovingClock, Ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.devhttp import Service
    from tests.support.stations import TrustSite


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


def source(
    clock: MovingClock, refresh_after: timedelta = timedelta(hours=1), ticks: Ticks | None = None
) -> HttpRevocation:
    return HttpRevocation(
        clock=clock,
        http=BoundedHttp(timeout=3),
        refresh_after=refresh_after,
        monotonic=ticks or Ticks(),
    )


def chain(site: TrustSite) -> tuple[bytes, bytes, bytes]:
    """Of a new seal."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    leaf, _ = issue_seal_certificate(site.pki, der, "diw", "กรม", "Department")
    certificate = x509.load_pem_x509_certificate(leaf.encode())
    return certificate.public_bytes(Encoding.DER), site.pki.issuing.der, site.pki.root.der


def serial(der: bytes) -> int:
    return x509.load_der_x509_certificate(der).serial_number


# -- answers -----------------------------------------------------------------


def test_ocsp_for_the_seal_and_a_crl_for_its_issuer(site: TrustSite, clock: MovingClock) -> None:
    """B3: a validator finds everything it will ask for: OCSP for the seal, the root's CRL for
    the issuing CA, and the certificates of the whole chain."""
    path = chain(site)
    data = source(clock).validation_data(path)
    assert data.certificates == path
    (answer,) = data.ocsp_responses
    assert ocsp.load_der_ocsp_response(answer).serial_number == serial(path[0])
    (crl,) = data.crls
    assert x509.load_der_x509_crl(crl).issuer == site.pki.root.certificate.subject
    assert clock() < data.fresh_until <= clock() + timedelta(minutes=10)


def test_answers_are_kept_while_they_are_fresh(site: TrustSite, clock: MovingClock) -> None:
    """Speed: a batch of documents asks the CA once."""
    path, keeper = chain(site), source(clock)
    first = keeper.validation_data(path)
    calls = site.ocsp.calls, site.crl.calls
    assert all(keeper.validation_data(path) is first for _ in range(50))
    assert (site.ocsp.calls, site.crl.calls) == calls


def test_one_thread_asks_for_all(site: TrustSite, clock: MovingClock) -> None:
    """Speed: threads of a batch that need the same certificate cause one question."""
    path, keeper = chain(site), source(clock)
    before = site.ocsp.calls
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: keeper.validation_data(path), range(16)))
    assert site.ocsp.calls == before + 1
    assert {data.ocsp_responses for data in found} == {found[0].ocsp_responses}


# -- outages -----------------------------------------------------------------


def test_ocsp_down_then_the_crl_serves(site: TrustSite, clock: MovingClock) -> None:
    """P4: with the OCSP server stopped the CRL says that nothing is revoked."""
    path = chain(site)
    site.ocsp.down()
    data = source(clock).validation_data(path)
    assert data.ocsp_responses == ()
    issuers = {x509.load_der_x509_crl(crl).issuer for crl in data.crls}
    assert issuers == {site.pki.root.certificate.subject, site.pki.issuing.certificate.subject}


def test_both_down_then_nothing_is_claimed(site: TrustSite, clock: MovingClock) -> None:
    """P4: with both servers stopped the error names both addresses; when they are back, the
    same container goes on."""
    ticks = Ticks()
    path, keeper = chain(site), source(clock, ticks=ticks)
    site.ocsp.down()
    site.crl.down()
    with pytest.raises(RevocationUnknownError) as error:
        keeper.validation_data(path)
    assert site.pki.ocsp_url in error.value.detail
    assert f"{site.pki.base_url}/issuing.crl" in error.value.detail
    assert error.value.detail_th != error.value.detail
    assert error.value.retryable
    site.ocsp.up()
    site.crl.up()
    ticks.advance(11)
    assert keeper.validation_data(path).ocsp_responses


def test_a_failure_stands_for_a_while(site: TrustSite, clock: MovingClock) -> None:
    """Speed: a batch of documents pays for an outage's timeouts once, not each."""
    ticks = Ticks()
    path, keeper = chain(site), source(clock, ticks=ticks)
    for station in (site.ocsp, site.crl):
        station.serve("/pki", lambda _: Answer(503, "text/plain", b""))
    calls = site.ocsp.calls
    for _ in range(5):
        with pytest.raises(RevocationUnknownError, match="status 503"):
            keeper.validation_data(path)
    assert site.ocsp.calls == calls + 1
    ticks.advance(11)
    site.all_up()
    assert keeper.validation_data(path).ocsp_responses


def test_fresh_data_outlives_an_outage_and_stale_data_does_not(
    site: TrustSite, clock: MovingClock
) -> None:
    """B3: during an outage what is still fresh is used, also when a refresh was due; from
    the moment it is not fresh it is never handed out again."""
    ticks = Ticks()
    path, keeper = chain(site), source(clock, ticks=ticks)
    kept = keeper.validation_data(path)
    site.ocsp.down()
    site.crl.down()
    clock.ahead = timedelta(minutes=9)
    assert keeper.validation_data(path) is kept
    clock.ahead = timedelta(minutes=10, seconds=1)
    with pytest.raises(RevocationUnknownError):
        keeper.validation_data(path)
    site.ocsp.up()
    site.crl.up()
    ticks.advance(11)
    # The responder lives in the present, so its answers are stale there; the CRL is not.
    assert keeper.validation_data(path).ocsp_responses == ()


def test_a_refresh_comes_before_the_end(site: TrustSite, clock: MovingClock) -> None:
    """B3: halfway through its freshness an answer is asked for again."""
    path, keeper = chain(site), source(clock)
    first = keeper.validation_data(path)
    calls = site.ocsp.calls
    clock.ahead = timedelta(minutes=4)
    assert keeper.validation_data(path) is first
    assert site.ocsp.calls == calls
    clock.ahead = timedelta(minutes=6)
    keeper.validation_data(path)
    assert site.ocsp.calls == calls + 1


def test_a_refresh_holds_nobody_up(site: TrustSite, clock: MovingClock) -> None:
    """Speed: while one thread refreshes, the others use what is still fresh."""
    path, keeper = chain(site), source(clock)
    first = keeper.validation_data(path)
    asked, go_on = threading.Event(), threading.Event()
    honest = OcspService(site.pki, site.pki.issuing)

    def slow(call: Call) -> Answer:
        asked.set()
        assert go_on.wait(10)
        return honest(call)

    site.ocsp.serve("/pki", slow)
    clock.ahead = timedelta(minutes=6)
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(keeper.validation_data, path)
        assert asked.wait(10)
        assert keeper.validation_data(path) is first
        go_on.set()
        assert refreshing.result(10).ocsp_responses != first.ocsp_responses


# -- revoked -----------------------------------------------------------------


@pytest.mark.parametrize("ocsp_is_down", [False, True])
def test_a_revoked_certificate_is_named(
    site: TrustSite, clock: MovingClock, *, ocsp_is_down: bool
) -> None:
    """B3: revoked is revoked, by OCSP as by CRL, and the error names the certificate."""
    path = chain(site)
    site.pki.revoke(serial(path[0]))
    if ocsp_is_down:
        site.ocsp.down()
    with pytest.raises(CertificateRevokedError, match=f"{serial(path[0]):x}") as error:
        source(clock).validation_data(path)
    assert "Department" in error.value.detail_th


def test_a_revoked_issuer_is_found(site: TrustSite, clock: MovingClock) -> None:
    """B3: the issuing CA is covered by the root's CRL."""
    site.pki.revoke(site.pki.issuing.certificate.serial_number)
    with pytest.raises(CertificateRevokedError, match="Issuing CA"):
        source(clock).validation_data(chain(site))


def test_a_revocation_becomes_known_to_a_warm_container(
    site: TrustSite, clock: MovingClock
) -> None:
    """B3: what was good when the container started is found revoked by its next refresh."""
    path, keeper = chain(site), source(clock, refresh_after=timedelta(minutes=1))
    keeper.validation_data(path)
    site.pki.revoke(serial(path[0]))
    clock.ahead = timedelta(minutes=2)
    with pytest.raises(CertificateRevokedError):
        keeper.validation_data(path)


def test_an_old_answer_does_not_unrevoke(site: TrustSite, clock: MovingClock) -> None:
    """B3: whoever replays an answer from before the revocation achieves nothing."""
    path, keeper = chain(site), source(clock, refresh_after=timedelta(minutes=1))
    before = site.pki
    honest = PkiService(before)
    old_crl = honest(Call("GET", "/issuing.crl")).body
    site.pki.revoke(serial(path[0]))
    with pytest.raises(CertificateRevokedError):
        keeper.validation_data(path)
    site.ocsp.down()
    site.crl.serve("/pki", lambda _: Answer(200, "application/pkix-crl", old_crl))
    clock.ahead = timedelta(minutes=2)
    with pytest.raises(CertificateRevokedError):
        keeper.validation_data(path)


# -- who may answer ----------------------------------------------------------


def served(site: TrustSite, responder: Authority) -> Service:
    return OcspService(site.pki, responder)


def test_a_delegated_responder_is_believed(site: TrustSite, clock: MovingClock) -> None:
    """RFC 6960 §4.2.2.2: a responder with ocspSigning speaks for its issuer, and its own
    certificate is handed on with the answer."""
    site.ocsp.serve("/pki", served(site, site.pki.ocsp))
    data = source(clock).validation_data(chain(site))
    assert site.pki.ocsp.der in data.certificates
    assert len(data.ocsp_responses) == 1


def test_a_responder_without_nocheck_needs_the_crl(site: TrustSite, clock: MovingClock) -> None:
    """RFC 6960 §4.2.2.2.1: without id-pkix-ocsp-nocheck the responder itself is looked up."""
    responder = issue_ocsp_responder(site.pki, no_check=False)
    site.ocsp.serve("/pki", served(site, responder))
    path = chain(site)
    data = source(clock).validation_data(path)
    assert len(data.ocsp_responses) == 1
    assert len(data.crls) == 2
    site.pki.revoke(responder.certificate.serial_number)
    assert source(clock).validation_data(path).ocsp_responses == ()


def unauthorised(site: TrustSite) -> dict[str, Callable[[], Authority]]:
    old = datetime.now(UTC) - timedelta(days=2)
    return {
        "without-purpose": lambda: issue_ocsp_responder(
            site.pki, purposes=[ExtendedKeyUsageOID.CODE_SIGNING]
        ),
        "expired": lambda: issue_ocsp_responder(
            site.pki, valid=Validity(old, old + timedelta(days=1))
        ),
        "the-tsa": lambda: site.pki.tsa,
    }


@pytest.mark.parametrize("who", ["without-purpose", "expired", "the-tsa"])
def test_others_may_not_answer(site: TrustSite, clock: MovingClock, who: str) -> None:
    """RFC 6960 §4.2.2.2: an answer signed by whom the issuer did not authorise is none."""
    site.ocsp.serve("/pki", served(site, unauthorised(site)[who]()))
    assert source(clock).validation_data(chain(site)).ocsp_responses == ()


def test_another_pki_may_not_answer(
    site: TrustSite, clock: MovingClock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """B3: neither OCSP nor CRL of a stranger with the same names says anything."""
    with running(tmp_path_factory.mktemp("other")) as other:
        site.ocsp.serve("/pki", OcspService(other.pki, other.pki.issuing))
        site.crl.serve("/pki", PkiService(other.pki))
        with pytest.raises(RevocationUnknownError, match="signature of the CRL is wrong"):
            source(clock).validation_data(chain(site))


# -- bad answers -------------------------------------------------------------


def damaged(honest: Service) -> Service:
    def service(call: Call) -> Answer:
        answer = honest(call)
        body = bytearray(answer.body)
        body[100] ^= 1  # within what is signed
        return Answer(200, answer.content_type, bytes(body))

    return service


BAD = ("junk", "empty", "html", "error", "huge", "damaged", "stale", "redirect")


def bad_service(site: TrustSite, kind: str, honest: Service) -> Service:
    def of(status: int, body: bytes) -> Service:
        return lambda _: Answer(status, "application/ocsp-response", body)

    past = PkiService(site.pki, ocsp_valid=timedelta(seconds=-1), crl_valid=timedelta(seconds=-1))
    services: dict[str, Service] = {
        "junk": of(200, b"\x30\x80junk"),
        "empty": of(200, b""),
        "html": of(200, b"<html>welcome</html>"),
        "error": of(500, b""),
        "huge": of(200, bytes(9 * 2**20)),
        "damaged": damaged(honest),
        "stale": past,
        "redirect": of(302, b""),
    }
    return services[kind]


@pytest.mark.parametrize("kind", BAD)
def test_bad_ocsp_answers_leave_the_crl(site: TrustSite, clock: MovingClock, kind: str) -> None:
    """B3: whatever else an OCSP server sends, it is not taken for an answer."""
    honest = OcspService(site.pki, site.pki.issuing)
    site.ocsp.serve("/pki", bad_service(site, kind, honest))
    data = source(clock).validation_data(chain(site))
    assert data.ocsp_responses == ()
    assert len(data.crls) == 2


@pytest.mark.parametrize("kind", BAD)
def test_bad_crls_are_no_answers(site: TrustSite, clock: MovingClock, kind: str) -> None:
    """B3: and whatever else a CRL server sends, neither."""
    site.ocsp.down()
    site.crl.serve("/pki", bad_service(site, kind, PkiService(site.pki)))
    with pytest.raises(RevocationUnknownError):
        source(clock).validation_data(chain(site))


def test_an_answer_to_somebody_else_is_none(site: TrustSite, clock: MovingClock) -> None:
    """RFC 6960 §4.4.1: an answer with another nonce, or about another certificate, is not
    an answer to us."""
    honest = OcspService(site.pki, site.pki.issuing)
    kept: list[Answer] = []

    def replay(call: Call) -> Answer:
        kept.append(honest(call))
        return kept[0]

    site.ocsp.serve("/pki", replay)
    path = chain(site)
    assert source(clock).validation_data(path).ocsp_responses == (kept[0].body,)
    assert source(clock).validation_data(path).ocsp_responses == ()
    assert source(clock).validation_data(chain(site)).ocsp_responses == ()


def test_responders_that_know_only_sha1_or_get(site: TrustSite, clock: MovingClock) -> None:
    """RFC 5019, RFC 6960 A.1: old responders are asked in the way they understand."""
    honest = OcspService(site.pki, site.pki.issuing)

    def only_get(call: Call) -> Answer:
        return honest(call) if call.method == "GET" else Answer(405, "text/plain", b"")

    def only_sha1(call: Call) -> Answer:
        request = ocsp.load_der_ocsp_request(call.body)
        if isinstance(request.hash_algorithm, hashes.SHA1):
            return honest(call)
        refusal = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        return Answer(200, "application/ocsp-response", refusal.public_bytes(Encoding.DER))

    def only_sha1_known(call: Call) -> Answer:
        request = ocsp.load_der_ocsp_request(call.body)
        if isinstance(request.hash_algorithm, hashes.SHA1):
            return honest(call)
        return _about(site, path[0], ocsp.OCSPCertStatus.UNKNOWN, hashes.SHA256())

    def always_sha1(call: Call) -> Answer:
        return _about(site, path[0], ocsp.OCSPCertStatus.GOOD, hashes.SHA1())

    path = chain(site)
    for service in (only_get, only_sha1, only_sha1_known, always_sha1):
        site.ocsp.serve("/pki", service)
        assert source(clock).validation_data(path).ocsp_responses


def _about(
    site: TrustSite, der: bytes, status: ocsp.OCSPCertStatus, names: hashes.HashAlgorithm
) -> Answer:
    """An answer made in advance, without nonce."""
    issuer, now = site.pki.issuing, datetime.now(UTC).replace(microsecond=0)
    made = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=x509.load_der_x509_certificate(der),
            issuer=issuer.certificate,
            algorithm=names,
            cert_status=status,
            this_update=now,
            next_update=now + timedelta(minutes=10),
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
        .sign(issuer.key, hashes.SHA256())
    )
    return Answer(200, "application/ocsp-response", made.public_bytes(Encoding.DER))


def test_a_certificate_nobody_knows(site: TrustSite, clock: MovingClock) -> None:
    """B3: `unknown` by either name is no answer; the CRL is asked."""
    path = chain(site)
    site.ocsp.serve(
        "/pki", lambda _: _about(site, path[0], ocsp.OCSPCertStatus.UNKNOWN, hashes.SHA1())
    )
    site.crl.down()
    with pytest.raises(RevocationUnknownError, match="does not know the certificate"):
        source(clock).validation_data(path)


def test_certificates_without_end_are_not_all_remembered(
    site: TrustSite, clock: MovingClock
) -> None:
    """P4: a container that meets ever new certificates forgets the oldest and answers on;
    what is remembered is what was asked for last."""
    keeper = HttpRevocation(clock=clock, http=BoundedHttp(timeout=3), most_remembered=4)
    paths = [chain(site) for _ in range(9)]
    for path in paths:
        keeper.validation_data(path)
    calls = site.ocsp.calls
    keeper.validation_data(paths[-1])
    assert site.ocsp.calls == calls
    keeper.validation_data(paths[0])
    assert site.ocsp.calls == calls + 1


def test_a_certificate_that_names_no_place(site: TrustSite, clock: MovingClock) -> None:
    """B3: where nobody can be asked nothing is claimed."""
    with pytest.raises(RevocationUnknownError, match="names neither"):
        source(clock).validation_data((site.pki.root.der, site.pki.root.der))


@contextmanager
def dripping(
    begin: bytes, drop: bytes, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, threading.Event]]:
    """A server that sends `begin` and then a `drop` now and then, for three seconds at most;
    its address, and whether it was left before that."""
    stop, left = threading.Event(), threading.Event()

    def drip(server: socket.socket) -> None:
        plain, _ = server.accept()
        with ExitStack() as opened:
            opened.enter_context(plain)
            try:
                connection = tls.wrap_socket(plain, server_side=True) if tls else plain
                opened.enter_context(connection)
                connection.sendall(begin)
                for _ in range(150):
                    stop.wait(0.02)
                    connection.sendall(drop)
            except OSError:
                left.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=[server])
        thread.start()
        try:
            scheme = "https" if tls else "http"
            yield f"{scheme}://127.0.0.1:{server.getsockname()[1]}/", left
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 ", b"1"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["nothing", "status", "header", "headers", "continue", "body", "chunks"],
)
def test_a_dripping_answer_is_given_up(begin: bytes, drop: bytes) -> None:
    """P4: a server that sends a byte now and then cannot hold a function up, wherever in its
    answer it does so: it is left while it still sends."""
    with dripping(begin, drop) as (url, left):
        with pytest.raises(FetchError, match="did not answer"):
            BoundedHttp(timeout=0.3).fetch(url, limit=10_000)
        assert left.wait(2)


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_dripping_answer_over_tls(
    begin: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P4: the same through TLS, whose certificates are checked, also where the server closes
    the connection behind its answer."""
    trusted, context = _tls(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with dripping(begin, b"x", context) as (url, left):
        with pytest.raises(FetchError, match="did not answer"):
            BoundedHttp(timeout=0.5).fetch(url, limit=10_000)
        assert left.wait(2)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"
    with dripping(whole, b"", context) as (url, _):
        assert BoundedHttp(timeout=2).fetch(url, limit=3) == b"yes"
    monkeypatch.delenv("SSL_CERT_FILE")
    with dripping(whole, b"", context) as (url, _), pytest.raises(FetchError, match="SSLError"):
        BoundedHttp(timeout=2).fetch(url, limit=3)


def _tls(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name.from_rfc4514_string("CN=here"), datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "here.pem", folder / "here.key"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


def test_dead_addresses_share_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """P4: the timeout is for all addresses of a name together: one that takes it up whole
    leaves nothing for the next. The name service is ours; there is none here."""
    with ExitStack() as opened:
        full = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        after = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        with suppress(TimeoutError):
            while True:  # until it queues no more and connecting to it takes for ever
                opened.enter_context(socket.create_connection(full.getsockname(), 0.2))
        really = socket.getaddrinfo

        def known(host: str, *args: Any, **options: Any) -> list[Any]:
            if host != "dead.test":
                return really(host, *args, **options)
            places = full.getsockname(), after.getsockname()
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]

        monkeypatch.setattr(socket, "getaddrinfo", known)
        with pytest.raises(FetchError, match="did not answer"):
            BoundedHttp(timeout=0.3).fetch("http://dead.test/", limit=10)
        after.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody connected
            after.accept()


def test_only_http_is_fetched() -> None:
    """P6: a pointer in a certificate opens no file and no other protocol."""
    for url in ("file:///etc/hostname", "ldap://ca.example/cn=x", "ftp://ca.example/x"):
        with pytest.raises(FetchError, match="not an HTTP"):
            BoundedHttp(timeout=1).fetch(url, limit=10)
