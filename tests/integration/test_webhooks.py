"""Webhooks, told over real sockets: a real HTTPS server with certificates of its own CA."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from chalicelib.adapters.webhook import Webhooks
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import ChannelBusyError, ChannelRefusedError
from tests.support.evidence import LocalSigner
from tests.support.https_site import ADDRESS, HOST, OTHER_HOST, Site, closed_port, https_site

NOW = datetime(2026, 6, 1, 5, tzinfo=UTC)
EVENT = json.dumps({"id": "01.dbd.1.delivered", "subject": "01.dbd.1"}).encode()
PRIVATE = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
)


@dataclass
class Names:
    """Answers of a name server, the last one again and again."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with https_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(running: Site) -> Site:
    running.received.clear()
    return running


def agency(url: str | None) -> Agency:
    return Agency(
        agency_id="dbd", name_th="ก", name_en="A", channel=ChannelKind.WEBHOOK, webhook_url=url
    )


def webhooks(site: Site, **options: Any) -> Webhooks:
    given = {"local": True, "lookup": site.lookup, "tls": site.trust, **options}
    return Webhooks(given.pop("signer", LocalSigner()), clock=lambda: NOW, **given)


def send(site: Site, path: str, **options: Any) -> None:
    webhooks(site, **options).send(agency(site.url(path)), EVENT)


def test_the_event_arrives_signed_for_its_receiver(site: Site) -> None:
    """C1: the body is the CloudEvent, byte for byte, and any JOSE library proves with the published
    keys that it is Tra's word, to this address, at this time."""
    signer = LocalSigner()
    send(site, "/204", signer=signer)
    (request,) = site.received
    assert request.body == EVENT
    assert request.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert request.headers["Host"] == f"{HOST}:{site.port}"
    head, nothing, signature = request.headers["Tra-Signature"].split(".")
    payload = base64.urlsafe_b64encode(request.body).rstrip(b"=").decode()
    (key,) = jwt.PyJWKSet.from_dict(dict(signer.jwks())).keys
    found = jwt.PyJWS().decode_complete(f"{head}.{payload}.{signature}", key, algorithms=["ES256"])
    assert nothing == ""
    assert found["header"] == {
        "alg": "ES256",
        "kid": key.key_id,
        "typ": "tra-webhook+jws",
        "iat": int(NOW.timestamp()),
        "jti": "01.dbd.1.delivered",
        "aud": site.url("/204"),
    }
    other = base64.urlsafe_b64encode(EVENT + b" ").rstrip(b"=").decode()
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.PyJWS().decode(f"{head}.{other}.{signature}", key, algorithms=["ES256"])


def test_a_repeat_is_known_again(site: Site) -> None:
    """P5: sent twice, each with a time of its own, it has one `jti`: its receiver can drop it."""
    times = iter([NOW, NOW + timedelta(hours=1)])
    sender = Webhooks(
        LocalSigner(), clock=lambda: next(times), local=True, lookup=site.lookup, tls=site.trust
    )
    for _ in range(2):
        sender.send(agency(site.url("/200")), EVENT)
    first, second = (
        jwt.get_unverified_header(one.headers["Tra-Signature"]) for one in site.received
    )
    assert first["jti"] == second["jti"]
    assert second["iat"] - first["iat"] == 3600
    assert site.received[0].body == site.received[1].body


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_a_receiver_in_trouble_is_asked_again(site: Site, status: int) -> None:
    """Issue 6, 2: these answers heal by waiting."""
    with pytest.raises(ChannelBusyError, match=str(status)):
        send(site, f"/{status}")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 405, 410, 413, 422])
def test_a_receiver_that_will_not_have_it_is_not_asked_again(site: Site, status: int) -> None:
    """Issue 6, 2: a redirect is not followed (its target was never allowed by anybody), and what
    a receiver refuses it would refuse each time."""
    with pytest.raises(ChannelRefusedError, match=str(status)):
        send(site, f"/{status}")
    assert [request.path for request in site.received] == [f"/{status}"]


@pytest.mark.parametrize("path", ["/mute", "/slow"])
def test_a_slow_receiver_holds_nobody_up(site: Site, path: str) -> None:
    """P4: the time is for the whole exchange, however slowly bytes come; then it is tried again
    later."""
    with pytest.raises(ChannelBusyError, match="did not answer"):
        send(site, path, timeout=0.4)


def test_an_endless_answer_fills_no_memory(site: Site) -> None:
    """P4: 2xx is taken, and what else comes is not read: the connection is closed."""
    send(site, "/endless", timeout=5)
    assert site.hung_up.wait(5)


def test_nobody_there(site: Site) -> None:
    """P4: a server that is down, and a name that is not known now, heal by waiting."""
    down = f"https://{HOST}:{closed_port()}/"
    with pytest.raises(ChannelBusyError):
        webhooks(site).send(agency(down), EVENT)

    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError(host)

    with pytest.raises(ChannelBusyError):
        send(site, "/204", lookup=unknown)


def test_a_certificate_of_somebody_else(site: Site, tmp_path: Path) -> None:
    """C1: the receiver proves its name before it gets anything, though the address is pinned: not
    with a certificate for another name, nor with one of a CA that nobody trusts."""
    with pytest.raises(ChannelBusyError, match="SSLError"):
        webhooks(site).send(agency(site.url("/204", host=OTHER_HOST)), EVENT)
    with pytest.raises(ChannelBusyError, match="SSLError"):
        send(site, "/204", tls=None)
    with https_site(tmp_path, certified_for=OTHER_HOST) as other:
        with pytest.raises(ChannelBusyError, match="SSLError"):
            send(other, "/204")
        assert other.received == []
    assert site.received == []


@pytest.mark.parametrize("address", PRIVATE)
def test_no_private_address_by_its_name(site: Site, address: str) -> None:
    """Issue 6, 2: a name that leads into a private network is refused, also if another of its
    addresses is a public one; nothing is sent."""
    for found in ([address], ["93.184.215.14", address]):
        names = Names([found])
        sender = Webhooks(LocalSigner(), clock=lambda: NOW, lookup=names, tls=site.trust)
        with pytest.raises(ChannelRefusedError):
            sender.send(agency(f"https://{HOST}/"), EVENT)
        assert names.asked == [HOST]


@pytest.mark.parametrize(
    "url",
    [
        *(f"https://{f'[{a}]' if ':' in a else a}/" for a in PRIVATE),
        "https://93.184.215.14/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://localhost/",
        "https://clerk:secret@saraban.agency.example/",
        "https://saraban.agency.example:8443/",
        "https://saraban.agency.example:22/",
        "http://saraban.agency.example/",
        "ftp://saraban.agency.example/",
        "https://saraban.agency.example/#a",
        "https://saraban.agency.example\\@127.0.0.1/",
        "https://saraban.agency.example/a b",
        "https://saraban.agency.example/\r\nHost: a",
        "https:///",
        "",
    ],
)
def test_only_https_addresses_with_a_name(site: Site, url: str) -> None:
    """Issue 6, 2: no address by its numbers, no other port or scheme, no credentials; no name is
    even looked up, and the refusal quotes no address, which may hold a secret."""
    names = Names([[ADDRESS]])
    sender = Webhooks(LocalSigner(), clock=lambda: NOW, lookup=names, tls=site.trust)
    with pytest.raises(ChannelRefusedError) as raised:
        sender.send(agency(url), EVENT)
    assert names.asked == []
    assert "secret" not in raised.value.detail


def test_a_name_that_changes_its_mind(site: Site) -> None:
    """Issue 6, 2: the address that was looked at is the one connected to (no DNS rebinding): a
    name is looked up once each time, and each time anew."""
    names = Names([[ADDRESS], ["10.0.0.1"]])
    sender = webhooks(site, lookup=names)
    sender.send(agency(site.url("/204")), EVENT)
    with pytest.raises(ChannelRefusedError):
        sender.send(agency(site.url("/204")), EVENT)
    assert (len(names.asked), len(site.received)) == (2, 1)


def test_no_proxy_stands_between(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6, 2: a proxy would look the name up again by itself."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{ADDRESS}:{closed_port()}")
    send(site, "/204")
    assert len(site.received) == 1


def test_plain_http_only_to_the_developers_own_machine(site: Site) -> None:
    """Issue 6, 2: the local stage may use another process of this machine, no other stage."""
    here = agency(f"http://{ADDRESS}:{closed_port()}/tra")
    with pytest.raises(ChannelBusyError):
        webhooks(site).send(here, EVENT)
    with pytest.raises(ChannelRefusedError):
        webhooks(site, local=False).send(here, EVENT)
    with pytest.raises(ChannelRefusedError):
        webhooks(site).send(agency(f"http://{HOST}/"), EVENT)


def test_an_agency_without_address(site: Site) -> None:
    """P4: what the directory does not have is told, and not tried again."""
    with pytest.raises(ChannelRefusedError, match="dbd"):
        webhooks(site).send(agency(None), EVENT)


def test_the_guides_receiver_believes_it_and_nothing_else(site: Site) -> None:
    """C1: the code in docs/guide/channels.md accepts what Tra sends, and refuses another body, an
    old message, one for another address, one by another key, and evidence in its place."""
    guide = (Path(__file__).parents[2] / "docs/guide/channels.md").read_text()
    code: dict[str, Any] = {}
    exec(guide.partition("```python\n")[2].partition("```")[0], code)
    believed, signer = code["believed"], LocalSigner()
    send(site, "/204", signer=signer)
    (request,) = site.received
    signature, jwks = request.headers["Tra-Signature"], dict(signer.jwks())
    url, now = site.url("/204"), NOW.timestamp()
    assert believed(signature, request.body, jwks, url, now + 299) == json.loads(EVENT)
    assert believed(signature, request.body + b" ", jwks, url, now) is None
    assert believed(signature, request.body, jwks, url, now + 301) is None
    assert believed(signature, request.body, jwks, f"{url}/other", now) is None
    assert believed(signature, request.body, dict(LocalSigner().jwks()), url, now) is None
    assert believed("", request.body, jwks, url, now) is None
    claims: dict[str, str | int] = {"aud": url, "iat": int(now), "jti": "01.dbd.1.delivered"}
    for members in ({}, {**claims, "typ": "JOSE"}):
        evidence = signer.sign_detached(EVENT, members)
        assert believed(evidence, EVENT, jwks, url, now) is None
