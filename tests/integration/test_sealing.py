"""Seals made with real keys, time-stamps and PDFs; checked by three programs; broken on purpose."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pypdf
import pytest
import typst
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.kms import KmsSigningKey
from chalicelib.adapters.pades import PadesSealer
from chalicelib.adapters.pades_validation import PadesValidator
from chalicelib.adapters.tsa import TrustedTimeStamper
from chalicelib.domain.errors import SealError, SealVerificationError, TimestampError
from chalicelib.domain.seals import SealCredential
from chalicelib.domain.verdict import Indication
from chalicelib.ports import LintedPdf
from chalicelib.services.verify import verify
from infra.devhttp import Answer, Call
from infra.devservices import answering, bind, running
from infra.pki import PkiService, issue_seal_certificate, to_pem
from infra.seal_check import check_seal, check_with_pdfsig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_kms import KMSClient

    from chalicelib.domain.verdict import Verdict
    from infra.devservices import DevServices

pytestmark = pytest.mark.aws

FONTS = Path(__file__).parents[2] / "chalicelib" / "fonts"
PAGE = """\
#set document(title: "ใบอนุญาต", date: datetime(year: 2026, month: 11, day: 21))
#set text(lang: "th", font: "Sarabun")
#pdf.attach("content.json", bytes("{}"), relationship: "data",
            mime-type: "application/json", description: "content")
= ใบอนุญาตประกอบกิจการ
เลขที่ ๑๒/๒๕๖๙
"""


@dataclass(frozen=True, repr=False)
class Room:
    """What sealing needs, all of it real."""

    kms: KMSClient
    dev: DevServices
    sealer: PadesSealer
    credential: SealCredential
    linted: LintedPdf

    @property
    def anchors(self) -> tuple[str, ...]:
        return (self.dev.pki.root_pem,)

    def credential_for(self, key_id: str, agency: str) -> SealCredential:
        public = KmsSigningKey(self.kms, key_id).public_key_der
        chain = issue_seal_certificate(
            self.dev.pki, public, agency, f"กรม {agency}", agency.upper()
        )
        return SealCredential(key_id=key_id, chain_pem=chain)

    def sealer_with(self, *urls: str, anchors: tuple[str, ...] = ()) -> PadesSealer:
        stamper = TrustedTimeStamper(urls, anchors=lambda: anchors or self.anchors, timeout=2)
        return PadesSealer(
            self.kms, stamper, anchors=lambda: self.anchors, clock=lambda: datetime.now(UTC)
        )

    def verdict(self, pdf: bytes) -> Verdict:
        return verify(pdf, validator=PadesValidator(), anchors=self.anchors)


@pytest.fixture(scope="module")
def kms(aws_endpoint: str) -> KMSClient:
    return boto3.client(
        "kms",
        endpoint_url=aws_endpoint,
        region_name="ap-southeast-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> LintedPdf:
    source = tmp_path_factory.mktemp("typst") / "page.typ"
    source.write_text(PAGE)
    pdf = typst.compile(
        str(source), pdf_standards=["a-3a"], font_paths=[str(FONTS)], ignore_system_fonts=True
    )
    assert isinstance(pdf, bytes)
    return LintedPdf(pdf, pages=1)


@pytest.fixture(scope="module")
def room(
    kms: KMSClient, linted: LintedPdf, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Room]:
    with running(tmp_path_factory.mktemp("pki")) as dev:
        stamper = TrustedTimeStamper([dev.pki.timestamp_url], anchors=lambda: [dev.pki.root_pem])
        sealer = PadesSealer(
            kms, stamper, anchors=lambda: [dev.pki.root_pem], clock=lambda: datetime.now(UTC)
        )
        key_id = new_key(kms)
        chain = issue_seal_certificate(
            dev.pki,
            KmsSigningKey(kms, key_id).public_key_der,
            "diw",
            "กรมโรงงานอุตสาหกรรม",
            "Department of Industrial Works",
        )
        credential = SealCredential(key_id=key_id, chain_pem=chain)
        yield Room(kms, dev, sealer, credential, linted)


@pytest.fixture(scope="module")
def sealed(room: Room) -> bytes:
    return room.sealer.seal(room.linted, room.credential)


def new_key(kms: KMSClient) -> str:
    return kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]


def gap(pdf: bytes) -> tuple[int, int]:
    """Where /Contents lies."""
    found = re.search(rb"/ByteRange\s*\[0 (\d+) (\d+) \d+\]", pdf)
    assert found is not None
    return int(found[1]), int(found[2])


# -- a good seal -------------------------------------------------------------


def test_own_check_accepts(room: Room, sealed: bytes) -> None:
    """P3: a seal just made passes the check that stands before the archive."""
    room.sealer.verify_own(sealed, room.linted, room.credential, room.anchors)


def test_linted_bytes_stay(room: Room, sealed: bytes) -> None:
    """P2: sealing only appends; what was linted is what was sealed."""
    assert sealed.startswith(room.linted.pdf)


def test_independent_check_accepts(room: Room, sealed: bytes) -> None:
    """A6: the seal holds for code that shares nothing with the sealing."""
    before = datetime.now(UTC) - timedelta(minutes=5)
    report = check_seal(sealed, room.dev.pki.root_pem)
    assert report.problems == []
    assert report.organization == "กรมโรงงานอุตสาหกรรม"
    assert report.stamped_at is not None
    assert before < report.stamped_at <= datetime.now(UTC)


def test_independent_check_as_a_program(room: Room, sealed: bytes, tmp_path: Path) -> None:
    """A6: it works in a process of its own, where nothing of pyHanko is loaded, and its
    exit code tells good from bad."""
    root, good, bad = (tmp_path / name for name in ("root.pem", "good.pdf", "bad.pdf"))
    root.write_text(room.dev.pki.root_pem)
    good.write_bytes(sealed)
    bad.write_bytes(sealed + b"x")

    def run(*files: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "infra.seal_check", "--root", str(root), *map(str, files)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    passed = run(good)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "sealed by Department of Industrial Works" in passed.stdout
    assert run(good, bad).returncode == 1


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler-utils is not installed")
def test_pdfsig_accepts(sealed: bytes, tmp_path: Path) -> None:
    """A6: the seal holds for poppler, and a changed byte does not."""
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed)
    assert check_with_pdfsig(path) is None
    path.write_bytes(sealed.replace(b"(Seal1)", b"(Seal2)"))
    assert check_with_pdfsig(path) is not None


def test_verdict_passes(room: Room, sealed: bytes) -> None:
    """E4: anyone is told who sealed, and when, in two languages."""
    verdict = room.verdict(sealed)
    assert verdict.indication is Indication.TOTAL_PASSED
    assert verdict.sub_indication is None
    (seal,) = verdict.seals
    assert seal.sealer.organization == "กรมโรงงานอุตสาหกรรม"
    assert seal.sealed_at == check_seal(sealed, room.dev.pki.root_pem).stamped_at
    assert verdict.findings[0].detail_th


def test_profile_is_pades_b_t(sealed: bytes) -> None:
    """B3: ETSI.CAdES.detached, whole file, no signing-time attribute, ESS v2 and a
    signature time-stamp (EN 319 142-1 §6.3)."""
    fields = pypdf.PdfReader(BytesIO(sealed)).get_fields() or {}
    signature = fields["Seal1"]["/V"]
    assert signature["/SubFilter"] == "/ETSI.CAdES.detached"
    _, first, second, rest = signature["/ByteRange"]
    assert second + rest == len(sealed)
    der = bytes.fromhex(sealed[first + 1 : second - 1].decode())
    info = cms.ContentInfo.load(der)["content"]["signer_infos"][0]
    signed = {attribute["type"].native for attribute in info["signed_attrs"]}
    assert {"content_type", "message_digest", "signing_certificate_v2"} <= signed
    assert "signing_time" not in signed
    unsigned = {attribute["type"].native for attribute in info["unsigned_attrs"]}
    assert unsigned == {"signature_time_stamp_token"}


def xmp(reader: pypdf.PdfReader) -> bytes:
    metadata: Any = reader.root_object["/Metadata"]
    return bytes(metadata.get_data())


def test_stays_pdf_a_3(room: Room, sealed: bytes) -> None:
    """B3: what veraPDF would trip over: the XMP is untouched, the version stays, the
    widget has an appearance and prints, and objects begin on a line of their own."""
    before, after = pypdf.PdfReader(BytesIO(room.linted.pdf)), pypdf.PdfReader(BytesIO(sealed))
    assert xmp(after) == xmp(before)
    assert b"pdfaid" in xmp(after)
    assert "/Version" not in after.root_object
    annotations: Any = after.pages[0]["/Annots"]
    (widget,) = (annotation.get_object() for annotation in annotations)
    assert "/N" in widget["/AP"]
    assert widget["/F"] & 4
    assert re.match(rb"\n\d+ 0 obj\n", sealed[len(room.linted.pdf) :])


def test_no_room_is_wasted(sealed: bytes) -> None:
    """A26: files are kept for years, so a seal may not cost much more than it needs."""
    start, end = gap(sealed)
    used = len(sealed[start + 1 : end - 1].rstrip(b"0"))
    assert used < end - start < used + 24_000


# -- credentials that must not be used ---------------------------------------


def test_certificate_of_another_key(room: Room) -> None:
    """A6: a certificate that does not fit the key in KMS is found before sealing."""
    wrong = replace(room.credential, key_id=new_key(room.kms))
    with pytest.raises(SealError, match="another key"):
        room.sealer.seal(room.linted, wrong)


@pytest.mark.parametrize(
    ("shift", "why"),
    [(timedelta(days=-1), "not yet valid"), (timedelta(days=4 * 365), "expired")],
)
def test_certificate_out_of_time(room: Room, shift: timedelta, why: str) -> None:
    """A6: an expired certificate stops the sealing, with a reason for a person (P4)."""
    stamper = TrustedTimeStamper([room.dev.pki.timestamp_url], anchors=lambda: room.anchors)
    sealer = PadesSealer(
        room.kms, stamper, anchors=lambda: room.anchors, clock=lambda: datetime.now(UTC) + shift
    )
    with pytest.raises(SealError, match=why):
        sealer.seal(room.linted, room.credential)


def test_certificate_expires_while_the_container_lives(room: Room) -> None:
    """A6: the credential is cached per container, its validity is not."""
    now = [datetime.now(UTC)]
    stamper = TrustedTimeStamper([room.dev.pki.timestamp_url], anchors=lambda: room.anchors)
    sealer = PadesSealer(room.kms, stamper, anchors=lambda: room.anchors, clock=lambda: now[0])
    sealer.seal(room.linted, room.credential)
    now[0] += timedelta(days=4 * 365)
    with pytest.raises(SealError, match="expired"):
        sealer.seal(room.linted, room.credential)


def test_certificate_for_something_else(room: Room) -> None:
    """A6: a certificate without nonRepudiation may not commit an agency."""
    public = load_der_public_key(KmsSigningKey(room.kms, room.credential.key_id).public_key_der)
    issuing = room.dev.pki.issuing
    now = datetime.now(UTC)
    usages = dict.fromkeys(
        (
            "content_commitment",
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
        .subject_name(issuing.certificate.subject)
        .issuer_name(issuing.certificate.subject)
        .public_key(public)  # type: ignore[arg-type]  # it is an EC key
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.KeyUsage(digital_signature=True, **usages), critical=True)
        .sign(issuing.key, hashes.SHA256())
    )
    wrong = replace(room.credential, chain_pem=(to_pem(certificate),))
    with pytest.raises(SealError, match="non_repudiation"):
        room.sealer.seal(room.linted, wrong)


@pytest.mark.parametrize(
    "chain", [(), ("junk",), ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",)]
)
def test_unreadable_certificates(room: Room, chain: tuple[str, ...]) -> None:
    """P4: a credential entered wrongly is a clear error, not a crash."""
    with pytest.raises(SealError, match="cannot be read"):
        room.sealer.seal(room.linted, replace(room.credential, chain_pem=chain))


def test_key_that_is_gone(room: Room) -> None:
    """P4: a key disabled after the container warmed up is an error somebody can act on."""
    key_id = new_key(room.kms)
    credential = room.credential_for(key_id, "abc")
    sealer = room.sealer_with(room.dev.pki.timestamp_url)
    sealer.seal(room.linted, credential)
    room.kms.disable_key(KeyId=key_id)
    with pytest.raises(SealError):
        sealer.seal(room.linted, credential)


def test_file_that_cannot_be_sealed(room: Room) -> None:
    """P4: bytes that are no PDF, or are sealed already, are refused as such."""
    for pdf in (b"not a pdf", room.sealer.seal(room.linted, room.credential)):
        with pytest.raises(SealError, match="cannot be sealed"):
            room.sealer.seal(LintedPdf(pdf, pages=1), room.credential)


# -- the check of one's own seal ---------------------------------------------


def refused(room: Room, sealed: bytes, **changes: object) -> str | None:
    arguments = {
        "sealed": sealed,
        "linted": room.linted,
        "credential": room.credential,
        "anchors": room.anchors,
    }
    with pytest.raises(SealVerificationError) as error:
        room.sealer.verify_own(**(arguments | changes))  # type: ignore[arg-type]  # a test varies them
    return error.value.sub_indication


def test_own_check_refuses_another_file(room: Room, sealed: bytes) -> None:
    """P2: a seal over other bytes than the linted ones never reaches the archive."""
    middle = len(room.linted.pdf) // 2
    other = LintedPdf(room.linted.pdf[:middle] + b"\n" + room.linted.pdf[middle:], pages=1)
    assert refused(room, sealed, linted=other) == "FORMAT_FAILURE"


def test_own_check_refuses_an_unsealed_file(room: Room) -> None:
    """P3: forgetting to seal is noticed."""
    assert refused(room, room.linted.pdf) == "SIGNED_DATA_NOT_FOUND"


def test_own_check_refuses_another_agency(room: Room, sealed: bytes) -> None:
    """P6: a valid seal of the wrong agency is not this agency's seal."""
    other = room.credential_for(new_key(room.kms), "rd")
    assert refused(room, sealed, credential=other) == "SIG_CONSTRAINTS_FAILURE"


def test_own_check_refuses_an_unknown_root(
    room: Room, sealed: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A6: a seal that leads to no anchor proves nothing to the recipient."""
    with running(tmp_path_factory.mktemp("other")) as other:
        assert refused(room, sealed, anchors=(other.pki.root_pem,)) == "NO_CERTIFICATE_CHAIN_FOUND"
    assert refused(room, sealed, anchors=()) == "NO_CERTIFICATE_CHAIN_FOUND"


def test_own_check_refuses_a_foreign_timestamp(
    room: Room, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A19: a time from an authority that is not an anchor's is no time."""
    with running(tmp_path_factory.mktemp("other")) as other:
        sealer = room.sealer_with(other.pki.timestamp_url, anchors=(other.pki.root_pem,))
        stamped_elsewhere = sealer.seal(room.linted, room.credential)
    assert refused(room, stamped_elsewhere) == "NO_CERTIFICATE_CHAIN_FOUND"
    verdict = room.verdict(stamped_elsewhere)
    assert verdict.indication is Indication.INDETERMINATE
    assert [finding.code for finding in verdict.findings] == ["timestamp_not_trusted"]
    assert verdict.seals[0].sealed_at is None
    assert any("time-stamp" in p for p in check_seal(stamped_elsewhere, room.anchors[0]).problems)


# -- time-stamp authorities --------------------------------------------------


def test_next_authority_answers(room: Room) -> None:
    """P4: while one authority is down the next one is used."""
    sealer = room.sealer_with(
        "http://127.0.0.1:9/tsa", f"{room.dev.url}/nothing", room.dev.pki.timestamp_url
    )
    sealed = sealer.seal(room.linted, room.credential)
    sealer.verify_own(sealed, room.linted, room.credential, room.anchors)


def test_no_authority_answers(room: Room) -> None:
    """P4: without any time-stamp there is no seal, and the error names each failure."""
    sealer = room.sealer_with("http://127.0.0.1:9/tsa", f"{room.dev.url}/nothing")
    with pytest.raises(TimestampError) as error:
        sealer.seal(room.linted, room.credential)
    assert "127.0.0.1:9" in error.value.detail
    assert "404" in error.value.detail
    with pytest.raises(TimestampError, match="no authority is configured"):
        room.sealer_with().seal(room.linted, room.credential)


def test_authority_without_anchor(room: Room, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A19: a token is checked before it is used, not only afterwards."""
    with running(tmp_path_factory.mktemp("other")) as other:
        sealer = room.sealer_with(other.pki.timestamp_url)
        with pytest.raises(TimestampError, match="not trusted"):
            sealer.seal(room.linted, room.credential)


def test_authority_that_misbehaves(room: Room) -> None:
    """A19: replayed, foreign, damaged, refused, huge and empty answers are all refused."""
    honest = PkiService(room.dev.pki)
    first: list[bytes] = []

    def replay(call: Call) -> Answer:
        first.append(honest(Call("POST", "/tsa", call.body)).body)
        return Answer(200, "application/timestamp-reply", first[0])

    def other_imprint(call: Call) -> Answer:
        # 0420 heads the imprint: ask the honest authority about another digest.
        at = call.body.index(b"\x04\x20") + 2
        body = call.body[:at] + bytes(32) + call.body[at + 32 :]
        return honest(Call("POST", "/tsa", body))

    def damaged(call: Call) -> Answer:
        body = bytearray(honest(Call("POST", "/tsa", call.body)).body)
        body[-5] ^= 1  # within the authority's signature
        return Answer(200, "application/timestamp-reply", bytes(body))

    def refusing(_: Call) -> Answer:
        return honest(Call("POST", "/tsa", b"junk"))

    def of(body: bytes) -> Answer:
        return Answer(200, "application/timestamp-reply", body)

    services = {
        "/replay": replay,
        "/imprint": other_imprint,
        "/damaged": damaged,
        "/refusing": refusing,
        "/huge": lambda _: of(bytes(200_000)),
        "/empty": lambda _: of(b""),
        "/html": lambda _: of(b"<html>"),
    }
    expected = {
        "/replay": "another request",
        "/imprint": "does not fit",
        "/damaged": "does not fit|malformed",
        "/refusing": "refused",
        "/huge": "too large",
        "/empty": "malformed",
        "/html": "malformed",
    }
    with answering(bind(services)) as url:
        # The first answer of /replay is honest; it is what the later ones repeat.
        room.sealer_with(f"{url}/replay/").seal(room.linted, room.credential)
        for path, why in expected.items():
            with pytest.raises(TimestampError, match=why):
                room.sealer_with(f"{url}{path}/").seal(room.linted, room.credential)


# -- broken files ------------------------------------------------------------


def broken_files(room: Room, sealed: bytes) -> dict[str, tuple[bytes, str, str]]:
    """File, expected sub-indication and finding, by name of the defect."""
    start, end = gap(sealed)
    middle = len(room.linted.pdf) // 2
    flipped = bytes([sealed[middle] ^ 1])
    return {
        "empty": (b"", "FORMAT_FAILURE", "not_pdf"),
        "not-a-pdf": (b"PK\x03\x04 something", "FORMAT_FAILURE", "not_pdf"),
        "header-only": (b"%PDF-1.7\n", "FORMAT_FAILURE", "unreadable"),
        "truncated": (sealed[: len(sealed) // 2], "FORMAT_FAILURE", "unreadable"),
        "no-seal": (room.linted.pdf, "SIGNED_DATA_NOT_FOUND", "no_seal"),
        "byte-flipped": (
            sealed[:middle] + flipped + sealed[middle + 1 :],
            "HASH_FAILURE",
            "altered",
        ),
        "appended-newline": (sealed + b"\n", "HASH_FAILURE", "not_whole_file"),
        "appended-revision": (sealed + appended_revision(sealed), "HASH_FAILURE", "not_whole_file"),
        "filled-room": (
            sealed[: end - 9] + b"DEADBEEF" + sealed[end - 1 :],
            "HASH_FAILURE",
            "not_whole_file",
        ),
        "cms-zeroed": (
            sealed[: start + 1] + b"0" * (end - start - 2) + sealed[end - 1 :],
            "FORMAT_FAILURE",
            "unreadable",
        ),
    }


def appended_revision(sealed: bytes) -> bytes:
    """An incremental update that gives the document another title."""
    reader = pypdf.PdfReader(BytesIO(sealed))
    writer = pypdf.PdfWriter(reader, incremental=True)
    writer.add_metadata({"/Title": "something else"})
    output = BytesIO()
    writer.write(output)
    assert output.getvalue().startswith(sealed)
    return output.getvalue().removeprefix(sealed)


DEFECTS = (
    "empty",
    "not-a-pdf",
    "header-only",
    "truncated",
    "no-seal",
    "byte-flipped",
    "appended-newline",
    "appended-revision",
    "filled-room",
    "cms-zeroed",
)


@pytest.mark.parametrize("defect", DEFECTS)
def test_broken_files(room: Room, sealed: bytes, defect: str) -> None:
    """P2, D3: a file that is not exactly the one sealed never passes, and says why."""
    pdf, sub_indication, code = broken_files(room, sealed)[defect]
    verdict = room.verdict(pdf)
    assert not verdict.passed
    assert verdict.sub_indication == sub_indication
    assert code in [finding.code for finding in verdict.findings]
    assert all(finding.detail_th != finding.detail for finding in verdict.findings)


@pytest.mark.parametrize("defect", [d for d in DEFECTS if d != "filled-room"])
def test_independent_check_finds_the_same(room: Room, sealed: bytes, defect: str) -> None:
    """A6: the second opinion refuses the same files."""
    pdf, _, _ = broken_files(room, sealed)[defect]
    assert check_seal(pdf, room.dev.pki.root_pem).problems


def token_in(pdf: bytes) -> bytes:
    """The time-stamp token of a seal, in the hexadecimal of /Contents."""
    start, end = gap(pdf)
    content = cms.ContentInfo.load(bytes.fromhex(pdf[start + 1 : end - 1].decode()))
    (attribute,) = content["content"]["signer_infos"][0]["unsigned_attrs"]
    der: bytes = attribute["values"][0].dump()
    return der.hex().upper().encode()


def test_swapped_timestamp(room: Room, sealed: bytes) -> None:
    """A19: the token of another seal is noticed by both checks."""
    mine, theirs = token_in(sealed), b""
    while len(theirs) != len(mine):  # DER integers vary by a byte or two
        theirs = token_in(room.sealer.seal(room.linted, room.credential))
    forged = sealed.replace(mine, theirs)
    assert forged != sealed
    verdict = room.verdict(forged)
    assert [finding.code for finding in verdict.findings] == ["timestamp_wrong"]
    problems = check_seal(forged, room.dev.pki.root_pem).problems
    assert problems == ["time-stamp: it belongs to another signature"]


fuzzing = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def seal(room: Room, sealed: bytes) -> Callable[[], bytes]:
    """The sealed file behind a call, because hypothesis prints its arguments."""
    return lambda: sealed


@fuzzing
@given(data=st.data())
def test_any_flipped_bit_is_noticed(
    room: Room, seal: Callable[[], bytes], data: st.DataObject
) -> None:
    """P2: whichever covered bit flips, the file does not pass, and nothing crashes."""
    sealed = seal()
    start, end = gap(sealed)
    covered = st.integers(0, start - 1) | st.integers(end, len(sealed) - 1)
    at = data.draw(covered)
    flipped = bytes([sealed[at] ^ (1 << data.draw(st.integers(0, 7)))])
    altered = sealed[:at] + flipped + sealed[at + 1 :]
    assert not room.verdict(altered).passed
    assert check_seal(altered, room.dev.pki.root_pem).problems


def test_a_damaged_certificate_version_is_a_verdict(room: Room, seal: Callable[[], bytes]) -> None:
    """P4: found by fuzzing: a certificate that says it is of version 18 once ended the check."""
    sealed = seal()
    start, end = gap(sealed)
    version = b"a003020102"  # [0] EXPLICIT INTEGER 2, at the head of each certificate
    at = sealed.lower().index(version, start, end)
    altered = sealed[: at + 8] + b"12" + sealed[at + 10 :]
    assert room.verdict(altered).findings
    assert not check_seal(altered, room.dev.pki.root_pem).valid


@fuzzing
@given(data=st.data())
def test_damaged_cms_never_crashes(
    room: Room, seal: Callable[[], bytes], data: st.DataObject
) -> None:
    """P4: a damaged signature gets a verdict, whatever the damage."""
    sealed = seal()
    start, end = gap(sealed)
    used = len(sealed[start:end].rstrip(b"0>"))
    at = start + 1 + data.draw(st.integers(0, used - 2))
    digit = data.draw(st.sampled_from(b"0123456789ABCDEFxz "))
    altered = sealed[:at] + bytes([digit]) + sealed[at + 1 :]
    assert room.verdict(altered).findings
    check_seal(altered, room.dev.pki.root_pem)


def test_pem_of_certificates(room: Room) -> None:
    """The credential ends below the root, as the directory keeps it."""
    chain = [x509.load_pem_x509_certificate(pem.encode()) for pem in room.credential.chain_pem]
    assert room.dev.pki.root.certificate not in chain
    chain[0].verify_directly_issued_by(chain[1])
    chain[1].verify_directly_issued_by(room.dev.pki.root.certificate)
