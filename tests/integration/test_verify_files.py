"""Verdicts on sealed files: good ones of every level, made by another program with the real
development PKI, and what a forger makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.domain.errors import MalformedRequestError
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.verdict import Circumstances, Indication
from chalicelib.services.verify import verify
from infra.devservices import running
from infra.pki import to_pem
from tests.support import attacks
from tests.support.foreign_seals import Hand, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chalicelib.domain.verdict import Verdict
    from infra.devservices import DevServices

FAILED, DOUBT, PASSED = (
    Indication.TOTAL_FAILED,
    Indication.INDETERMINATE,
    Indication.TOTAL_PASSED,
)
LEVELS = (SealLevel.B_T, SealLevel.B_LT, SealLevel.B_LTA)


@dataclass(frozen=True, repr=False)
class Room:
    dev: DevServices
    hand: Hand
    page: bytes
    sealed: dict[SealLevel, bytes]

    def verdict(
        self, pdf: bytes, circumstances: Circumstances | None = None, anchor: str = ""
    ) -> Verdict:
        return verify(
            pdf,
            validator=PadesValidator(),
            anchors=[anchor or self.dev.pki.root_pem],
            circumstances=circumstances,
        )

    def fetched(self) -> Circumstances:
        """Fresh CRLs, as a checker with a network would bring along."""
        crls = tuple(
            urllib3.request("GET", f"{self.dev.pki.base_url}/{name}.crl").data
            for name in ("root", "issuing")
        )
        return Circumstances(crls=crls)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with running(tmp_path_factory.mktemp("pki")) as dev:
        pdf = page(tmp_path_factory.mktemp("typst"))
        hand = Hand(dev)
        yield Room(dev, hand, pdf, {level: hand.seal(pdf, level) for level in SealLevel})


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def expect(verdict: Verdict, indication: Indication, sub_indication: str, code: str) -> None:
    told = (verdict.indication, verdict.sub_indication, codes(verdict))
    assert told[:2] == (indication, sub_indication), told
    assert code in told[2]
    assert all(finding.detail_th != finding.detail for finding in verdict.findings)


# -- good files ------------------------------------------------------------------


@pytest.mark.parametrize("level", [SealLevel.B_LT, SealLevel.B_LTA])
def test_a_complete_file_passes_offline(room: Room, level: SealLevel) -> None:
    """Issue 4: pyHanko's own files of a level that holds its proofs pass without a network,
    and the level is told."""
    verdict = room.verdict(room.sealed[level])
    assert verdict.indication is PASSED, codes(verdict)
    (seal,) = verdict.seals
    assert seal.level is level
    assert seal.sealer.organization == "กรมโรงงานอุตสาหกรรม"
    assert seal.sealed_at is not None
    assert bool(seal.document_timestamps) is (level is SealLevel.B_LTA)


def test_b_t_needs_revocation_data_from_elsewhere(room: Room) -> None:
    """Issue 4: a B-T file says nothing about revocation; with fresh data it passes."""
    sealed = room.sealed[SealLevel.B_T]
    expect(room.verdict(sealed), DOUBT, "TRY_LATER", "revocation_unknown")
    verdict = room.verdict(sealed, room.fetched())
    assert verdict.indication is PASSED, codes(verdict)
    assert verdict.seals[0].level is SealLevel.B_T


def test_b_b_has_no_time(room: Room) -> None:
    """A19: without time-stamp nobody knows when a seal was made."""
    verdict = room.verdict(room.sealed[SealLevel.B_B], room.fetched())
    expect(verdict, DOUBT, "SIG_CONSTRAINTS_FAILURE", "no_timestamp")
    assert verdict.seals[0].level is SealLevel.B_B


@pytest.mark.parametrize("name", ["\x1b[2J\x1b[32mกรม\u202e", "A" * 300_000])
def test_names_in_a_file_are_shown_and_do_nothing(room: Room, name: str) -> None:
    """Issue 4, 6: what a stranger called something moves no cursor, turns no line around, and
    is not longer than an answer may be."""
    (seal,) = room.verdict(room.hand.seal(room.page, SealLevel.B_LT, name=name)).seals
    assert seal.field.isprintable()
    assert len(seal.field) <= 200
    assert seal.field.strip("\ufffdA") in {"", "[2J\ufffd[32mกรม"}


def test_prepared_file_passes(room: Room) -> None:
    """What a forger prepared before the seal does no harm as long as nothing uses it."""
    assert room.verdict(room.hand.seal(attacks.prepared(room.page))).passed


# -- changed after sealing ---------------------------------------------------------

CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "page-replaced": (attacks.page_content_replaced, "changed_after_seal"),
    "annotation": (attacks.annotation_added, "changed_after_seal"),
    "attachment-swapped": (attacks.attachment_swapped, "changed_after_seal"),
    "title": (attacks.title_changed, "metadata_changed"),
    "script": (attacks.script_added, "changed_after_seal"),
    "shadow-hide": (attacks.object_freed, "changed_after_seal"),
    "shadow-replace": (attacks.font_replaced, "changed_after_seal"),
    "other-catalog": (attacks.catalog_replaced, "changed_after_seal"),
    "disguised-as-validation-data": (attacks.disguised_as_dss, "changed_after_seal"),
    "incremental-saving-without-table": (attacks.without_table, "not_whole_file"),
    "newline": (lambda pdf: pdf + b"\n\n", "not_whole_file"),
    "room-of-the-seal-filled": (attacks.room_filled, "not_whole_file"),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", CHANGES)
def test_changes_after_the_seal(room: Room, name: str, level: SealLevel) -> None:
    """P2: whatever is added to a sealed file of any level fails it, with the reason."""
    change, code = CHANGES[name]
    expect(room.verdict(change(room.sealed[level])), FAILED, "HASH_FAILURE", code)


def test_shadow_hide_and_replace(room: Room) -> None:
    """P2: a table alone, that leads to another place of the sealed bytes, fails the file."""
    forged = attacks.object_redirected(room.hand.seal(attacks.prepared(room.page)))
    expect(room.verdict(forged), FAILED, "HASH_FAILURE", "changed_after_seal")


def test_visible_document_timestamp(room: Room) -> None:
    """P2: the field of a time-stamp shows nothing, or it could cover the page."""
    forged = attacks.visible_stamp(room.sealed[SealLevel.B_LTA])
    expect(room.verdict(forged), FAILED, "HASH_FAILURE", "changed_after_seal")


@pytest.mark.parametrize("agency", ["diw", "dbd"])
def test_second_seal(room: Room, agency: str) -> None:
    """P2: another seal over the file makes it another file, even by the same hand."""
    other = room.hand if agency == "diw" else Hand(room.dev, agency=agency)
    twice = other.seal(room.sealed[SealLevel.B_LT], name="Seal2")
    expect(room.verdict(twice), FAILED, "HASH_FAILURE", "another_seal")


def test_changed_and_stamped_again(room: Room) -> None:
    """P2: a change does not become part of the document by a later time-stamp."""
    changed = attacks.annotation_added(room.sealed[SealLevel.B_LT])
    stamped = room.hand.seal(changed, SealLevel.B_LTA, name="Seal2")
    verdict = room.verdict(stamped)
    assert {"changed_after_seal", "another_seal"} <= set(codes(verdict))


@pytest.mark.parametrize("old", [b"/SubFilter /ETSI.RFC3161", b"/Type /DocTimeStamp"])
def test_document_timestamp_of_no_known_kind(room: Room, old: bytes) -> None:
    """P2: found by fuzzing: a time-stamp whose kind was damaged is not passed over as if it had
    never been there."""
    sealed = attacks.stripped_to(room.sealed[SealLevel.B_LTA], 2)
    at = sealed.rindex(old) + len(old) - 1
    damaged = sealed[:at] + b"0" + sealed[at + 1 :]
    assert room.verdict(damaged).indication is FAILED


# -- forged seals ------------------------------------------------------------------


def self_signed(organization: str) -> tuple[ec.EllipticCurvePrivateKey, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, "DIW"),
        ]
    )
    usage = dict.fromkeys(
        (
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=365))
        .add_extension(
            x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    return key, to_pem(certificate)


def test_self_signed(room: Room) -> None:
    """A6: anybody can put any name into a certificate; only the anchors decide."""
    key, certificate = self_signed("กรมโรงงานอุตสาหกรรม")
    forged = Hand(room.dev, key=key, chain=(certificate,)).seal(room.page, SealLevel.B_T)
    assert codes(room.verdict(forged))[0] == "sealer_not_trusted"
    assert not room.verdict(forged).passed


def test_wrong_anchor(room: Room, tmp_path: Path) -> None:
    """A6: a root of another PKI vouches for nothing, though its names are the same."""
    with running(tmp_path) as other:
        verdict = room.verdict(room.sealed[SealLevel.B_LTA], anchor=other.pki.root_pem)
    expect(verdict, DOUBT, "NO_CERTIFICATE_CHAIN_FOUND", "sealer_not_trusted")
    assert verdict.seals[0].sealed_at is None


def test_signature_by_another_key(room: Room) -> None:
    """A6: a certificate is public, so it may lie beside anybody's signature."""
    thief = Hand(room.dev, key=ec.generate_private_key(ec.SECP256R1()), chain=room.hand.chain)
    forged = thief.seal(room.page, SealLevel.B_T)
    expect(room.verdict(forged), FAILED, "SIG_CRYPTO_FAILURE", "signature_wrong")


def test_signature_of_another_file(room: Room, tmp_path: Path) -> None:
    """P2: a good CMS moved from one file into another does not fit it."""
    other = room.hand.seal(page(tmp_path, "= Other"), SealLevel.B_T)
    (start, end), (first, last) = (
        attacks.gaps(room.sealed[SealLevel.B_T])[0],
        attacks.gaps(other)[0],
    )
    mine = room.sealed[SealLevel.B_T]
    digits = other[first + 1 : last - 1].rstrip(b"0").ljust(end - start - 2, b"0")
    assert len(digits) == end - start - 2
    forged = mine[: start + 1] + digits + mine[end - 1 :]
    expect(room.verdict(forged), FAILED, "HASH_FAILURE", "altered")


@pytest.mark.parametrize(
    "numbers", [b"", b"0", b"0 1 2", b"0 0 0 0", b"0 -1 5 9", b"1 2 3 4", b"0 9 5 3", b"null"]
)
def test_byte_range_that_means_nothing(room: Room, numbers: bytes) -> None:
    """P2: universal signature forgery: a byte range without meaning never passes."""
    assert (
        room.verdict(attacks.byte_range(room.sealed[SealLevel.B_T], numbers)).indication is FAILED
    )


@pytest.mark.parametrize("value", [b"/Kontents", b"/ContentS"])
def test_seal_without_contents(room: Room, value: bytes) -> None:
    """P2: universal signature forgery: a seal without signature never passes."""
    forged = (
        room.sealed[SealLevel.B_T]
        .replace(b"/Contents<", value + b"<")
        .replace(b"/Contents <", value + b" <")
    )
    assert forged != room.sealed[SealLevel.B_T]
    assert room.verdict(forged).indication is FAILED


def test_signature_wrapping(room: Room) -> None:
    """P2: covered bytes that moved leave room for others, and the file does not pass."""
    assert room.verdict(attacks.wrapped(room.sealed[SealLevel.B_T])).indication is FAILED


# -- what can be taken away ----------------------------------------------------------


def test_stripped_timestamp(room: Room) -> None:
    """A19: the signature time-stamp is not signed; without it there is no time, and a
    document time-stamp notices."""
    stripped = attacks.timestamp_stripped(room.sealed[SealLevel.B_LT])
    expect(room.verdict(stripped), DOUBT, "SIG_CONSTRAINTS_FAILURE", "no_timestamp")
    stripped = attacks.timestamp_stripped(room.sealed[SealLevel.B_LTA])
    expect(room.verdict(stripped), FAILED, "HASH_FAILURE", "document_timestamp_wrong")


def test_stripped_validation_data(room: Room) -> None:
    """Issue 4: cut back to the seal, a file is B-T again and lacks revocation data."""
    stripped = attacks.stripped_to(room.sealed[SealLevel.B_LTA], 1)
    verdict = room.verdict(stripped)
    expect(verdict, DOUBT, "TRY_LATER", "revocation_unknown")
    assert verdict.seals[0].level is SealLevel.B_T


def test_truncated_anywhere(room: Room) -> None:
    """P4: a file cut off at any hundredth part has a verdict, and none of them passes but at
    the end of a revision."""
    sealed = room.sealed[SealLevel.B_T]
    for part in range(1, 100):
        assert not room.verdict(sealed[: len(sealed) * part // 100]).passed


@pytest.mark.parametrize("level", LEVELS)
def test_broken_table(room: Room, level: SealLevel) -> None:
    """P4: a table that leads nowhere is a verdict."""
    sealed = room.sealed[level]
    at = sealed.rindex(b"startxref")
    broken = sealed[:at] + sealed[at:].replace(b"startxref\n", b"startxref\n9")
    assert room.verdict(broken).indication is FAILED
    assert room.verdict(sealed.replace(b"xref", b"xxxx")).indication is FAILED


# -- time and revocation ---------------------------------------------------------------


def test_revoked_before_the_seal(room: Room) -> None:
    """A6: a certificate that was revoked when it sealed denies the pass, once that is known."""
    hand = Hand(room.dev, agency="revoked")
    room.dev.pki.revoke(hand.certificate.serial_number)
    verdict = room.verdict(hand.seal(room.page, SealLevel.B_T), room.fetched())
    expect(verdict, DOUBT, "REVOKED_NO_POE", "sealer_revoked")


@pytest.mark.parametrize("level", [SealLevel.B_LT, SealLevel.B_LTA])
def test_revoked_after_the_seal(room: Room, level: SealLevel) -> None:
    """Issue 4: what is revoked after the proven time does not touch earlier seals, even when
    it is known."""
    hand = Hand(room.dev, agency="later")
    sealed = hand.seal(room.page, level)
    sealed_at = room.verdict(sealed).seals[0].sealed_at
    assert sealed_at is not None
    path = room.dev.pki.directory / "revoked.json"
    before = path.read_text() if path.exists() else "{}"
    # RFC 5280 dates have whole seconds: the next one is after the seal.
    room.dev.pki.revoke(hand.certificate.serial_number)
    revoked_at = (sealed_at + timedelta(seconds=1)).isoformat()
    text = path.read_text()
    serial = str(hand.certificate.serial_number)
    start = text.index(serial) + len(serial) + 4
    path.write_text(text[:start] + revoked_at + text[text.index('"', start) :])
    verdict = room.verdict(sealed, room.fetched())
    path.write_text(before)
    assert verdict.passed, codes(verdict)


def test_old_good_answer_does_not_hide_a_newer_one(room: Room) -> None:
    """A6: a file may embed an answer from before the revocation that still counts as fresh;
    what the checker brings along goes before it."""
    hand = Hand(room.dev, agency="hidden")
    sealed = hand.seal(room.page, SealLevel.B_LT)
    path = room.dev.pki.directory / "revoked.json"
    room.dev.pki.revoke(hand.certificate.serial_number)
    text = path.read_text()
    serial = str(hand.certificate.serial_number)
    start = text.index(serial) + len(serial) + 4
    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    path.write_text(text[:start] + earlier + text[text.index('"', start) :])
    assert room.verdict(sealed).passed
    verdict = room.verdict(sealed, room.fetched())
    expect(verdict, DOUBT, "REVOKED_NO_POE", "sealer_revoked")


YEARS = timedelta(days=365)


def test_after_the_timestamps_have_ended(room: Room) -> None:
    """Issue 4: when the newest time-stamp's certificate has ended the file alone proves
    nothing; an evidence record that is older than that restores the proof."""
    sealed, now = room.sealed[SealLevel.B_LTA], datetime.now(UTC)
    late = Circumstances(now=now + 4 * YEARS)
    expect(room.verdict(sealed, late), DOUBT, "OUT_OF_BOUNDS_NO_POE", "timestamp_expired")
    proven = Circumstances(now=now + 20 * YEARS, proven_at=now + timedelta(days=300))
    verdict = room.verdict(sealed, proven)
    assert verdict.passed, codes(verdict)


def test_years_later_within_the_timestamps_life(room: Room) -> None:
    """Issue 4: a B-LTA file passes for as long as its document time-stamp is believed."""
    late = Circumstances(now=datetime.now(UTC) + 2 * YEARS)
    verdict = room.verdict(room.sealed[SealLevel.B_LTA], late)
    assert verdict.passed, codes(verdict)


def test_certificate_ended_after_the_seal(room: Room) -> None:
    """Issue 4: a seal outlives its certificate, which need only have stood when it was made."""
    hand = Hand(room.dev, agency="short", days=30)
    for level in (SealLevel.B_LT, SealLevel.B_LTA):
        sealed = hand.seal(room.page, level)
        late = Circumstances(now=datetime.now(UTC) + timedelta(days=60))
        verdict = room.verdict(sealed, late)
        assert verdict.passed, codes(verdict)


def test_renewed_document_timestamp(room: Room) -> None:
    """Issue 4: a file whose time-stamps were renewed within it passes, with all of them told."""
    renewed = room.hand.renewed(room.sealed[SealLevel.B_LTA])
    verdict = room.verdict(renewed)
    assert verdict.passed, codes(verdict)
    (seal,) = verdict.seals
    assert seal.level is SealLevel.B_LTA
    assert len(seal.document_timestamps) == 2


def test_document_timestamp_of_a_strange_authority(room: Room, tmp_path: Path) -> None:
    """A19: a document time-stamp that nobody vouches for denies the pass: it is no validation
    material, and these are not the archived bytes."""
    with running(tmp_path) as other:
        stamped = Hand(other).renewed(room.sealed[SealLevel.B_LTA], trusting=False)
    verdict = room.verdict(stamped)
    expect(verdict, DOUBT, "NO_CERTIFICATE_CHAIN_FOUND", "document_timestamp_not_trusted")


def test_certificate_for_another_purpose(room: Room) -> None:
    """A6: a certificate of the same authority that is not meant for signing seals nothing."""
    hand = Hand(room.dev, agency="purpose", signs=False)
    verdict = room.verdict(hand.seal(room.page, SealLevel.B_T), room.fetched())
    expect(verdict, DOUBT, "CHAIN_CONSTRAINTS_FAILURE", "certificate_purpose")


def test_fresh_data_that_are_none(room: Room) -> None:
    """P4: what the checker brings along is not mistaken for damage of the file."""
    with pytest.raises(MalformedRequestError):
        room.verdict(room.sealed[SealLevel.B_LT], Circumstances(crls=(b"junk",)))


# -- any damage at all --------------------------------------------------------------------

fuzzing = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzzing
@given(data=st.data())
def test_any_flipped_bit_is_noticed(room: Room, data: st.DataObject) -> None:
    """P2: whichever bit flips that the last time-stamp of a file covers, the file does not
    pass, and nothing crashes."""
    sealed = attacks.stripped_to(room.sealed[SealLevel.B_LTA], 2)
    assert room.verdict(sealed).seals[0].level is SealLevel.B_LTA
    start, end = attacks.gaps(sealed)[-1]
    at = data.draw(st.integers(0, start - 1) | st.integers(end, len(sealed) - 1))
    flipped = bytes([sealed[at] ^ (1 << data.draw(st.integers(0, 7)))])
    assert not room.verdict(sealed[:at] + flipped + sealed[at + 1 :]).passed


@fuzzing
@given(data=st.data())
def test_damaged_signatures_never_crash(room: Room, data: st.DataObject) -> None:
    """P4: a damaged CMS or token gets a verdict, whatever the damage."""
    sealed = room.sealed[SealLevel.B_LTA]
    start, end = data.draw(st.sampled_from(attacks.gaps(sealed)))
    used = len(sealed[start:end].rstrip(b"0>"))
    at = start + 1 + data.draw(st.integers(0, used - 2))
    digit = data.draw(st.sampled_from(b"0123456789ABCDEFxz "))
    assert room.verdict(sealed[:at] + bytes([digit]) + sealed[at + 1 :]).findings


@fuzzing
@given(junk=st.binary(max_size=400))
def test_any_bytes_have_a_verdict(room: Room, junk: bytes) -> None:
    """P4: whatever is sent, the answer is a verdict."""
    assert room.verdict(junk).findings
    assert room.verdict(b"%PDF-1.7\n" + junk).findings
