"""Time-stamps from real authorities: taken down, lying, and up again."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import cms, tsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from chalicelib.adapters.bounded_http import BoundedHttp
from chalicelib.adapters.revocation import HttpRevocation
from chalicelib.adapters.tsa import TimestampAuthorities
from chalicelib.domain.authority_health import BreakerState
from chalicelib.domain.errors import ConfigurationError, TimestampError
from chalicelib.domain.seals import KeyAlgorithm
from infra.devhttp import Answer, Call
from infra.devservices import running
from infra.pki import (
    DEVELOPMENT_POLICY,
    TimestampService,
    Validity,
    issue_timestamp_authority,
)
from tests.support.stations import MovingClock, Ticks

if TYPE_CHECKING:
    from chalicelib.domain.authority_health import AuthorityHealth
    from chalicelib.domain.clock_bound import ClockBound
    from infra.devhttp import Service
    from tests.support.stations import TrustSite

DIGEST = hashlib.sha256(b"a seal").digest()


@dataclass
class Room:
    """Authorities to ask, and what they were seen to do."""

    site: TrustSite
    clock: MovingClock = field(default_factory=MovingClock)
    ticks: Ticks = field(default_factory=Ticks)
    bounds: list[ClockBound] = field(default_factory=list)
    changes: list[AuthorityHealth] = field(default_factory=list)

    def clock_seen(self, authority: str, bound: ClockBound) -> None:
        self.bounds.append(bound)

    def authority_changed(self, health: AuthorityHealth) -> None:
        self.changes.append(health)

    def authorities(self, *urls: str, **changes: Any) -> TimestampAuthorities:
        settings: dict[str, Any] = {
            "anchors": lambda: self.site.anchors,
            "revocation": HttpRevocation(
                clock=self.clock, http=BoundedHttp(timeout=3), monotonic=self.ticks
            ),
            "clock": self.clock,
            "timeout": 3,
            "watch": self,
            "monotonic": self.ticks,
        }
        return TimestampAuthorities(urls or self.site.timestamp_urls, **(settings | changes))


@pytest.fixture
def room(site: TrustSite) -> Room:
    return Room(site)


def refusal(authorities: TimestampAuthorities) -> str:
    with pytest.raises(TimestampError) as error:
        authorities.stamp(DIGEST)
    assert error.value.retryable
    assert error.value.detail_th.startswith("ขอประทับรับรองเวลาไม่ได้")
    return error.value.detail


# -- good tokens -------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1], ids=["P-256", "RSA-2048"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_token_over_the_digest(room: Room, which: int, algorithm: str) -> None:
    """A19: both kinds of authority stamp digests of all kinds of keys, and what is returned
    is what general CMS code reads, too."""
    digest = hashlib.new(algorithm, b"a seal").digest()
    authorities = room.authorities(room.site.timestamp_urls[which])
    token = authorities.stamp(digest, algorithm)
    info = cms.ContentInfo.load(token.der)["content"]["encap_content_info"]["content"].parsed
    assert info["message_imprint"]["hashed_message"].native == digest
    assert info["gen_time"].native == token.at
    assert token.authority == room.site.timestamp_urls[which]
    assert len(token.der) <= authorities.room
    assert abs(token.at - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_token_comes_with_its_validation_data(room: Room) -> None:
    """B-LT: chain, OCSP and CRL of the authority, and when the first certificate ends."""
    token = room.authorities().stamp(DIGEST)
    pki = room.site.pki
    data = token.validation_data
    assert data.certificates == (pki.tsa.der, pki.issuing.der, pki.root.der)
    assert (len(data.ocsp_responses), len(data.crls)) == (1, 1)
    assert token.ends_at == pki.tsa.certificate.not_valid_after_utc


def test_what_is_known_of_a_certificate_is_not_asked_again(room: Room) -> None:
    """Speed: after the first token only the authority itself is asked."""
    authorities = room.authorities()
    authorities.stamp(DIGEST)
    calls = room.site.ocsp.calls, room.site.crl.calls
    for _ in range(20):
        authorities.stamp(DIGEST)
    assert (room.site.ocsp.calls, room.site.crl.calls) == calls


def test_a_batch_in_threads(room: Room) -> None:
    """Speed: tokens are asked for in parallel and each thread gets its own."""
    authorities = room.authorities()
    digests = [hashlib.sha256(bytes([n])).digest() for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(authorities.stamp, digests))
    for digest, token in zip(digests, tokens, strict=True):
        assert digest in token.der


# -- outages -----------------------------------------------------------------


def test_the_second_authority_serves_while_the_first_is_down(room: Room) -> None:
    """P4: with the first server stopped the second stamps; when it is back, it is first."""
    authorities = room.authorities()
    first, second = room.site.timestamp_urls
    assert authorities.stamp(DIGEST).authority == first
    room.site.tsa.down()
    assert authorities.stamp(DIGEST).authority == second
    room.site.tsa.up()
    assert authorities.stamp(DIGEST).authority == first


def test_all_down_is_an_error_and_heals(room: Room) -> None:
    """P4: with both servers stopped the error names both; when one is back, the same
    container goes on."""
    authorities = room.authorities()
    room.site.tsa.down()
    room.site.tsa2.down()
    said = refusal(authorities)
    assert all(f"{url}: did not answer" in said for url in room.site.timestamp_urls)
    room.site.tsa2.up()
    assert authorities.stamp(DIGEST).authority == room.site.timestamp_urls[1]


def test_no_authority_at_all(room: Room) -> None:
    """P4: a deployment without an authority says so."""
    authorities = TimestampAuthorities(
        [], anchors=list, revocation=HttpRevocation(clock=room.clock), clock=room.clock
    )
    assert "no authority is configured" in refusal(authorities)


def test_a_dead_authority_rests_and_is_tried_again(room: Room) -> None:
    """Speed: after three failures in a row its timeout is no longer paid, until it has
    rested; then one request tries it."""
    authorities = room.authorities(failures_to_rest=3, rest=30.0)
    room.site.tsa.serve("/tsa", lambda _: Answer(500, "text/plain", b""))
    for _ in range(3):
        authorities.stamp(DIGEST)
    calls = room.site.tsa.calls
    for _ in range(5):
        authorities.stamp(DIGEST)
    assert room.site.tsa.calls == calls
    resting = authorities.health()[0]
    assert (resting.state, resting.failures) == (BreakerState.OPEN, 3)
    assert resting.problem == "answered with status 500"
    assert 20 < resting.rests_for <= 30
    # It has rested and fails again: one request, and it rests once more.
    room.ticks.advance(31)
    authorities.stamp(DIGEST)
    authorities.stamp(DIGEST)
    assert room.site.tsa.calls == calls + 1
    # It has rested and answers: it is first again.
    room.ticks.advance(31)
    room.site.all_up()
    assert authorities.stamp(DIGEST).authority == room.site.timestamp_urls[0]
    assert authorities.health()[0].state is BreakerState.CLOSED
    assert [change.answers for change in room.changes] == [False, True]


def test_one_request_tries_a_rested_authority(room: Room) -> None:
    """Speed: while one thread tries it, the others do not wait for it."""
    authorities = room.authorities(failures_to_rest=1)
    room.site.tsa.serve("/tsa", lambda _: Answer(500, "text/plain", b""))
    authorities.stamp(DIGEST)
    room.ticks.advance(31)
    asked, go_on = threading.Event(), threading.Event()
    honest = TimestampService(room.site.pki.tsa, [room.site.pki.issuing])

    def slow(call: Call) -> Answer:
        asked.set()
        assert go_on.wait(10)
        return honest(call)

    room.site.tsa.serve("/tsa", slow)
    with ThreadPoolExecutor(1) as pool:
        trying = pool.submit(authorities.stamp, DIGEST)
        assert asked.wait(10)
        assert authorities.health()[0].state is BreakerState.HALF_OPEN
        assert authorities.stamp(DIGEST).authority == room.site.timestamp_urls[1]
        go_on.set()
        assert trying.result(10).authority == room.site.timestamp_urls[0]


def test_a_connection_closed_meanwhile_is_opened_again(room: Room) -> None:
    """P4: an authority that restarted between two documents is no failure."""
    authorities = room.authorities(room.site.timestamp_urls[0])
    authorities.stamp(DIGEST)
    room.site.tsa.down()
    room.site.tsa.up()
    authorities.stamp(DIGEST)
    assert authorities.health()[0].failures == 0


def test_a_slow_authority_is_given_up(room: Room) -> None:
    """P4: an authority that keeps the connection open without answering costs its timeout
    and no more."""
    stop = threading.Event()

    def silent(_: Call) -> Answer:
        stop.wait(30)
        return Answer(200, "text/plain", b"")

    room.site.tsa.serve("/tsa", silent)
    try:
        authorities = room.authorities(timeout=0.2)
        assert authorities.stamp(DIGEST).authority == room.site.timestamp_urls[1]
        assert "Timeout" in str(authorities.health()[0].problem)
    finally:
        stop.set()


def test_revocation_unknown_is_not_the_authoritys_fault(room: Room) -> None:
    """B3: without news of revocation no token is used, and no authority rests for it."""
    authorities = room.authorities(failures_to_rest=1)
    room.site.ocsp.down()
    room.site.crl.down()
    assert "Nobody says whether a certificate is revoked" in refusal(authorities)
    assert all(health.answers for health in authorities.health())
    room.site.crl.up()
    room.ticks.advance(11)
    assert authorities.stamp(DIGEST).validation_data.crls


# -- authorities that cannot be trusted ----------------------------------------


def test_a_revoked_authority_is_not_used(room: Room) -> None:
    """B3: a revoked authority is passed over for the next one."""
    room.site.pki.revoke(room.site.pki.tsa.certificate.serial_number)
    authorities = room.authorities()
    assert authorities.stamp(DIGEST).authority == room.site.timestamp_urls[1]
    assert "is revoked since" in str(authorities.health()[0].problem)


def test_an_authority_without_anchor(room: Room, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A19: the token of a stranger is refused before it is used."""
    with running(tmp_path_factory.mktemp("other")) as other:
        said = refusal(room.authorities(other.pki.timestamp_url))
    assert "not trusted" in said
    assert "no chain of certificates leads to a trust anchor" in said


def test_anchors_that_cannot_be_read(room: Room) -> None:
    """P4: a broken trust anchor is told as that, not as a failure of the authorities."""
    authorities = room.authorities(anchors=lambda: ("junk",))
    with pytest.raises(ConfigurationError, match="trust anchor"):
        authorities.stamp(DIGEST)
    assert all(health.failures == 0 for health in authorities.health())


def test_a_new_anchor_counts_at_once(room: Room) -> None:
    """B7: what is trusted is what the directory says now."""
    anchors: list[str] = []
    authorities = room.authorities(anchors=lambda: tuple(anchors))
    refusal(authorities)
    anchors.extend(room.site.anchors)
    assert authorities.stamp(DIGEST)
    anchors.clear()
    refusal(authorities)


def test_a_development_authority_stamps_nothing_in_production(room: Room) -> None:
    """B7: whatever the anchors say, a development authority's time is not used there."""
    assert "development" in refusal(room.authorities(refuse_development=True))


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "expired": (
        {
            "valid": Validity(
                datetime.now(UTC) - timedelta(days=9), datetime.now(UTC) - timedelta(days=2)
            )
        },
        "has expired",
    ),
    "not-yet-valid": (
        {
            "valid": Validity(
                datetime.now(UTC) + timedelta(days=2), datetime.now(UTC) + timedelta(days=9)
            )
        },
        "not yet valid",
    ),
    "other-purpose": ({"purposes": [ExtendedKeyUsageOID.CODE_SIGNING]}, "time-stamps alone"),
    "two-purposes": (
        {"purposes": [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION]},
        "time-stamps alone",
    ),
    "purpose-not-critical": ({"purposes_critical": False}, "time-stamps alone"),
}


@pytest.mark.parametrize("defect", UNFIT)
def test_unfit_certificates(room: Room, defect: str) -> None:
    """RFC 3161 §2.3: a certificate out of time, or not for time-stamps alone, stamps nothing."""
    changes, why = UNFIT[defect]
    authority = issue_timestamp_authority(room.site.pki, KeyAlgorithm.P_384, **changes)
    room.site.tsa.serve("/tsa", TimestampService(authority, [room.site.pki.issuing]))
    assert why in refusal(room.authorities(room.site.timestamp_urls[0]))


def test_a_certificate_expires_while_the_container_lives(room: Room) -> None:
    """A19: the path is remembered, its validity is not."""
    authorities = room.authorities(room.site.timestamp_urls[0])
    authorities.stamp(DIGEST)
    room.clock.ahead = timedelta(days=4 * 365)
    assert "has expired" in refusal(authorities)


def test_policies(room: Room) -> None:
    """A19: where policies are prescribed, a token under another one is refused."""
    other = TimestampService(
        room.site.pki.tsa, [room.site.pki.issuing], policy="1.3.6.1.4.1.32473.9"
    )
    room.site.tsa.serve("/tsa", other)
    url = room.site.timestamp_urls[0]
    assert "policy 1.3.6.1.4.1.32473.9" in refusal(
        room.authorities(url, policies=[DEVELOPMENT_POLICY])
    )
    assert room.authorities(url).stamp(DIGEST)
    room.site.all_up()
    assert room.authorities(url, policies=[DEVELOPMENT_POLICY]).stamp(DIGEST)


# -- bad answers -------------------------------------------------------------


def misbehaving(site: TrustSite) -> dict[str, tuple[Service, str]]:
    """Ways of answering, and what is said of each."""
    honest = TimestampService(site.pki.tsa, [site.pki.issuing])
    first: list[Answer] = []

    def replay(call: Call) -> Answer:
        first.append(honest(call))
        return first[0]

    def other_imprint(call: Call) -> Answer:
        # 0420 heads the imprint: ask the honest authority about another digest.
        at = call.body.index(b"\x04\x20") + 2
        return honest(Call("POST", "", call.body[:at] + bytes(32) + call.body[at + 32 :]))

    def damaged(call: Call) -> Answer:
        body = bytearray(honest(call).body)
        body[-5] ^= 1  # within the authority's signature
        return Answer(200, "application/timestamp-reply", bytes(body))

    def later(call: Call) -> Answer:
        body = honest(call).body
        written = (
            tsp.TimeStampResp.load(body)["time_stamp_token"]["content"]["encap_content_info"][
                "content"
            ]
            .parsed["gen_time"]
            .contents
        )
        changed = written[:3] + b"9" + written[4:]
        return Answer(200, "application/timestamp-reply", body.replace(written, changed))

    def without_certificate(call: Call) -> Answer:
        return honest(Call("POST", "", call.body.replace(b"\x01\x01\xff", b"\x01\x01\x00")))

    def of(body: bytes, status: int = 200) -> Service:
        return lambda _: Answer(status, "application/timestamp-reply", body)

    return {
        "replayed": (replay, "another request"),
        "other-imprint": (other_imprint, "does not fit the request"),
        "damaged": (damaged, "signature is wrong|malformed"),
        "time-changed": (later, "was changed"),
        "without-certificate": (without_certificate, "does not hold the certificate"),
        "refusing": (lambda _: honest.answer(b"junk"), r"refused \(rejection\)"),
        "huge": (of(bytes(200_000)), "too large"),
        "empty": (of(b""), "malformed"),
        "html": (of(b"<html>"), "malformed"),
        "error": (of(b"", 503), "status 503"),
        "redirect": (of(b"", 301), "status 301"),
    }


KINDS = (
    "replayed",
    "other-imprint",
    "damaged",
    "time-changed",
    "without-certificate",
    "refusing",
    "huge",
    "empty",
    "html",
    "error",
    "redirect",
)


@pytest.mark.parametrize("kind", KINDS)
def test_authorities_that_misbehave(room: Room, kind: str) -> None:
    """A19: replayed, foreign, damaged, refused, huge and empty answers are all refused, and
    the next authority stamps."""
    service, why = misbehaving(room.site)[kind]
    room.site.tsa.serve("/tsa", service)
    authorities = room.authorities()
    if kind == "replayed":  # the first answer is honest; it is what the later ones repeat
        authorities.stamp(DIGEST)
    assert authorities.stamp(DIGEST).authority == room.site.timestamp_urls[1]
    with pytest.raises(TimestampError, match=why):
        room.authorities(room.site.timestamp_urls[0]).stamp(DIGEST)


def test_a_token_larger_than_its_room(room: Room) -> None:
    """A26: the file keeps so much room free, so a larger token is refused, not cut."""
    length = len(room.authorities().stamp(DIGEST).der)
    said = refusal(room.authorities(room.site.timestamp_urls[0], room=length - 200))
    assert f"room is {length - 200}" in said


# -- the clock ---------------------------------------------------------------


def test_a_precise_authority_bounds_the_clock(room: Room) -> None:
    """A19: the machine's own clock is not accused by an authority on the same machine, and an
    error is found and measured."""
    authorities = room.authorities()
    authorities.stamp(DIGEST)
    right = room.bounds[-1]
    assert right.low <= timedelta(0) <= right.high
    error = timedelta(seconds=-3)
    room.clock.ahead = error
    authorities.stamp(DIGEST)
    wrong = room.bounds[-1]
    assert wrong.low <= error <= wrong.high
    assert wrong.exceeds()


@pytest.mark.parametrize("minutes", [-10, 10], ids=["behind", "ahead"])
def test_a_clock_so_wrong_that_nothing_is_valid(room: Room, minutes: int) -> None:
    """A19: a clock that makes fresh answers stale, or of the future, stops the time-stamps;
    it is told all the same, because that is when somebody must hear of it."""
    error = timedelta(minutes=minutes)
    room.clock.ahead = error
    room.site.crl.down()  # whose lists are good for days
    refusal(room.authorities())
    assert len(room.bounds) == 2  # each authority proves it
    assert all(bound.low <= error <= bound.high and bound.exceeds() for bound in room.bounds)


def test_a_clock_behind_the_certificate_itself(room: Room) -> None:
    """A19: the same where the authority's certificate is younger than the wrong clock says."""
    room.clock.ahead = timedelta(days=-30)
    assert "not yet valid" in refusal(room.authorities(room.site.timestamp_urls[0]))
    assert room.bounds[0].exceeds()


def test_a_forged_time_proves_nothing(room: Room) -> None:
    """A19: a token with a trusted certificate that its key did not sign tells no bound."""
    service, _ = misbehaving(room.site)["time-changed"]
    room.site.tsa.serve("/tsa", service)
    refusal(room.authorities(room.site.timestamp_urls[0]))
    assert room.bounds == []


def test_whole_seconds_prove_nothing(room: Room) -> None:
    """A19: an authority that writes whole seconds raises no false alarm."""

    def whole() -> datetime:
        return datetime.now(UTC).replace(microsecond=0)

    service = TimestampService(room.site.pki.tsa, [room.site.pki.issuing], clock=whole)
    room.site.tsa.serve("/tsa", service)
    room.authorities().stamp(DIGEST)
    assert not room.bounds[-1].exceeds()
    assert not room.bounds[-1].keeps()


def test_no_bound_without_trust(room: Room, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A19: who is not trusted proves nothing about the clock."""
    with running(tmp_path_factory.mktemp("other")) as other:
        refusal(room.authorities(other.pki.timestamp_url))
    assert room.bounds == []
