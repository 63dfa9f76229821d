"""Seals made with real keys, time-stamps and PDFs, of every level and kind of key; checked
by four programs. That damage is found, see test_sealing_checks; that both ways of writing
agree, test_sealing_paths."""

from __future__ import annotations

import re
import shutil
import subprocess
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import product
from typing import TYPE_CHECKING, Any

import pypdf
import pytest
from asn1crypto import cms
from cryptography.x509 import load_der_x509_certificate

from chalicelib.adapters.kms import KmsSigningKey
from chalicelib.adapters.pades.sealer import PadesSealer
from chalicelib.adapters.trust import TimestampToken
from chalicelib.domain.errors import RevocationUnknownError, SealError, TimestampError
from chalicelib.domain.seals import KeyAlgorithm, SealAppearance, SealLevel, SealPolicy
from chalicelib.ports import LintedPdf
from infra.seal_check import check_seal, check_with_pdfsig
from tests.support.seal_room import VISIBLE, SealRoom, facts_of, lta_problem, page
from tests.support.sealing import LocalTimestamper, usable_credential

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_kms import KMSClient

LEVELS = tuple(SealLevel)
MATRIX = tuple(product(SealLevel, KeyAlgorithm))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> SealRoom:
    return SealRoom.at(tmp_path_factory.mktemp("pki"))


def contents(pdf: bytes) -> cms.ContentInfo:
    """The CMS of the seal, which is the first signature in the file."""
    found = re.search(rb"/ByteRange\s*\[0 (\d+) (\d+) \d+\]", pdf)
    assert found is not None
    digits = pdf[int(found[1]) + 1 : int(found[2]) - 1]
    found_there: cms.ContentInfo = cms.ContentInfo.load(bytes.fromhex(digits.decode()))
    return found_there


def widgets(pdf: bytes, number: int = 0) -> list[Any]:
    annotations: Any = pypdf.PdfReader(BytesIO(pdf)).pages[number]["/Annots"]
    return [annotation.get_object() for annotation in annotations]


# -- a good seal -------------------------------------------------------------


@pytest.mark.parametrize(("level", "algorithm"), MATRIX)
def test_every_level_with_every_key(
    room: SealRoom, level: SealLevel, algorithm: KeyAlgorithm
) -> None:
    """P3, A6: each level with each kind of key passes the own check, pyHanko, and (B-B has
    no time to check it at) the code that shares nothing with the sealing."""
    sealed = room.seal(level, algorithm)
    room.sealer().verify_own(sealed, page())
    facts = facts_of(sealed.pdf, room.root_pem)
    assert facts.sound
    assert facts.trusted
    assert facts.digest == algorithm.digest
    assert facts.coverage == ("ENTIRE_REVISION" if level.has_validation_data else "ENTIRE_FILE")
    assert facts.changes == ("LTA_UPDATES" if level.has_validation_data else "NONE")
    if level.stamped:
        report = check_seal(sealed.pdf, room.root_pem)
        assert (report.problems, report.level) == ([], level)
        assert report.organization == "กรมโรงงานอุตสาหกรรม"
        assert report.stamped_at == sealed.stamped_at


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
@pytest.mark.parametrize("appearance", [None, VISIBLE])
def test_long_term_validation(
    room: SealRoom, algorithm: KeyAlgorithm, appearance: SealAppearance | None
) -> None:
    """B3: a B-LTA file alone, offline, has all that long-term validation demands."""
    sealed = room.seal(SealLevel.B_LTA, algorithm, appearance=appearance)
    assert lta_problem(sealed.pdf, [room.root_pem]) is None


@pytest.mark.parametrize("level", LEVELS)
def test_linted_bytes_stay(room: SealRoom, level: SealLevel) -> None:
    """P2: sealing only appends; what was linted is what was sealed."""
    assert room.seal(level).pdf.startswith(page().pdf)


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize(("level", "algorithm"), MATRIX)
def test_pdfsig_accepts(
    room: SealRoom, tmp_path: Path, level: SealLevel, algorithm: KeyAlgorithm
) -> None:
    """A6: the seal holds for poppler, and a changed byte does not."""
    path = tmp_path / "sealed.pdf"
    sealed = room.seal(level, algorithm).pdf
    path.write_bytes(sealed)
    assert check_with_pdfsig(path) is None
    path.write_bytes(sealed.replace(b"(Seal1)", b"(Seal2)"))
    assert check_with_pdfsig(path) is not None


def test_what_a_seal_says_of_itself(room: SealRoom) -> None:
    """B3: when it was stamped, and until when the file alone proves it: the end of the
    newest time-stamp's chain, or of the credential where there is no time-stamp."""
    usable = room.credential()
    before = datetime.now(UTC) - timedelta(seconds=1)
    plain, stamped, archived = (
        room.seal(level) for level in (SealLevel.B_B, SealLevel.B_T, SealLevel.B_LTA)
    )
    assert plain.stamped_at is None
    assert plain.proof_until == usable.ends_at
    assert stamped.stamped_at is not None
    assert before < stamped.stamped_at <= datetime.now(UTC)
    assert stamped.proof_until == archived.proof_until
    assert stamped.proof_until == room.stamper.stamp(bytes(32)).ends_at
    assert {s.credential for s in (plain, stamped, archived)} == {usable.credential}
    assert [s.level for s in (plain, archived)] == [SealLevel.B_B, SealLevel.B_LTA]


# -- its profile -------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_profile_is_pades_baseline(room: SealRoom, level: SealLevel) -> None:
    """B3: ETSI.CAdES.detached, no signing-time attribute, ESS v2, and a signature
    time-stamp from B-T on (EN 319 142-1 §6.3)."""
    pdf = room.seal(level).pdf
    fields = pypdf.PdfReader(BytesIO(pdf)).get_fields() or {}
    signature = fields["Seal1"]["/V"]
    assert signature["/SubFilter"] == "/ETSI.CAdES.detached"
    assert ("Timestamp1" in fields) == (level is SealLevel.B_LTA)
    info = contents(pdf)["content"]["signer_infos"][0]
    signed = [attribute["type"].native for attribute in info["signed_attrs"]]
    assert sorted(signed) == [
        "cms_algorithm_protection",
        "content_type",
        "message_digest",
        "signing_certificate_v2",
    ]
    unsigned = {attribute["type"].native for attribute in info["unsigned_attrs"] or ()}
    assert unsigned == ({"signature_time_stamp_token"} if level.stamped else set())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_cms_is_der(room: SealRoom, algorithm: KeyAlgorithm) -> None:
    """B3: another encoder writes the same bytes: lengths, order of sets, algorithm names."""
    found = contents(room.seal(SealLevel.B_T, algorithm).pdf)
    command = ["openssl", "cms", "-cmsout", "-inform", "DER", "-outform", "DER"]
    run = subprocess.run(command, input=found.dump(), capture_output=True, timeout=60, check=True)
    assert run.stdout.hex() == found.dump().hex()
    attributes = found["content"]["signer_infos"][0]["signed_attrs"]
    dumped = [attribute.dump().hex() for attribute in attributes]
    assert dumped == sorted(dumped)


def test_file_names_its_revisions(room: SealRoom) -> None:
    """ISO 32000-1 §14.4: the first half of the file's identifier stays, the second changes."""
    before, after = (
        pypdf.PdfReader(BytesIO(pdf)).trailer["/ID"] for pdf in (page().pdf, room.seal().pdf)
    )
    first: Any = before
    last: Any = after
    assert first[0] == last[0]
    assert first[1] != last[1]


def xmp(reader: pypdf.PdfReader) -> bytes:
    metadata: Any = reader.root_object["/Metadata"]
    return bytes(metadata.get_data())


@pytest.mark.parametrize("appearance", [None, VISIBLE])
def test_stays_pdf_a_3(room: SealRoom, appearance: SealAppearance | None) -> None:
    """B3: what veraPDF would trip over: the XMP is untouched, the version stays, a widget
    that can be seen has an appearance (ISO 19005-3 §6.3.3), all print, and objects begin on
    a line of their own."""
    sealed = room.seal(appearance=appearance).pdf
    before, after = (pypdf.PdfReader(BytesIO(pdf)) for pdf in (page().pdf, sealed))
    assert xmp(after) == xmp(before)
    assert b"pdfaid" in xmp(after)
    assert "/Version" not in after.root_object
    for widget in widgets(sealed):
        assert widget["/F"] & 4
        assert "/AP" in widget or not any(widget["/Rect"])
    assert re.match(rb"\n\d+ 0 obj\n", sealed[len(page().pdf) :])
    assert sealed.count(b" 0 obj") == len(re.findall(rb"\n\d+ 0 obj\n", sealed))


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_no_room_is_wasted(room: SealRoom, algorithm: KeyAlgorithm) -> None:
    """A26: files are kept for years, so a seal keeps no more room than a token may take."""
    pdf = room.seal(SealLevel.B_T, algorithm).pdf
    gap = re.search(rb"/Contents <([0-9a-f]+)>", pdf)
    assert gap is not None
    assert len(gap[1]) - len(gap[1].rstrip(b"0")) < 2 * room.stamper.room + 64


def test_long_documents(room: SealRoom) -> None:
    """A letter of many pages is sealed as one page is."""
    linted = page(30)
    sealed = room.seal(linted=linted)
    room.sealer().verify_own(sealed, linted)
    assert check_seal(sealed.pdf, room.root_pem).problems == []


# -- a seal to be seen -------------------------------------------------------


def test_visible_where_it_was_asked_for(room: SealRoom) -> None:
    """B3: the seal is printed at its place, in millimetres, on the page that was named; it
    says who sealed in letters that can be copied, and to a screen reader."""
    linted = page(3)
    # Of a shorter document, the page nearest to the one that was asked for (P4).
    for wanted, index in ((1, 0), (2, 1), (-1, 2), (9, 2), (-9, 0)):
        sealed = room.seal(linted=linted, appearance=replace(VISIBLE, page=wanted))
        room.sealer().verify_own(sealed, linted)
        widget, _ = widgets(sealed.pdf, index)
        points = [float(edge) * 25.4 / 72 for edge in widget["/Rect"]]
        assert points == pytest.approx([120, 30, 180, 50], abs=0.01)
        form = widget["/AP"]["/N"]
        fonts = form["/Resources"]["/Font"]
        for font in fonts.values():
            descriptor = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"]
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)
            assert "/ToUnicode" in font.get_object()
        assert widget["/TU"] == "ประทับตราอิเล็กทรอนิกส์โดย กรมโรงงานอุตสาหกรรม"


def test_visible_seal_is_tagged(room: SealRoom) -> None:
    """ISO 19005-3 level A: what can be seen has its place in the structure tree, and its
    place leads back to it."""
    reader = pypdf.PdfReader(BytesIO(room.seal(appearance=VISIBLE).pdf))
    annotations: Any = reader.pages[0]["/Annots"]
    tree: Any = reader.root_object["/StructTreeRoot"]
    numbers = tree["/ParentTree"]["/Nums"]
    key = annotations[0].get_object()["/StructParent"]
    element = numbers[list(numbers[::2]).index(key) * 2 + 1].get_object()
    assert (element["/S"], element["/K"]["/Type"]) == ("/Form", "/OBJR")
    assert element["/K"].raw_get("/Obj") == annotations[0]
    assert element.indirect_reference in element["/P"]["/K"]
    assert key < tree["/ParentTreeNextKey"]


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize(
    "appearance",
    [VISIBLE, replace(VISIBLE, text=False), replace(VISIBLE, emblem=False)],
    ids=["both", "emblem", "text"],
)
def test_visible_seal_leaves_ink(
    room: SealRoom, tmp_path: Path, appearance: SealAppearance
) -> None:
    """B3: the seal prints: within its frame there is ink, outside nothing changed."""
    before = printed(page().pdf, tmp_path / "before")
    after = printed(room.seal(appearance=appearance).pdf, tmp_path / "after")
    width, pixels = before
    changed = {
        (at % width, at // width)
        for at, (old, new) in enumerate(zip(pixels, after[1], strict=True))
        if old != new
    }
    scale = 50 / 25.4
    assert len(changed) > 50
    assert all(120 * scale - 1 <= x <= 180 * scale + 1 for x, _ in changed)
    assert all((297 - 50) * scale - 1 <= y <= (297 - 30) * scale + 1 for _, y in changed)


def printed(pdf: bytes, path: Path) -> tuple[int, bytes]:
    """Width and grey values of page 1 at 50 dots per inch."""
    path.with_suffix(".pdf").write_bytes(pdf)
    source = str(path.with_suffix(".pdf"))
    command = ["pdftoppm", "-r", "50", "-gray", "-singlefile", source, str(path)]
    subprocess.run(command, check=True, timeout=60)
    head, size, _, pixels = path.with_suffix(".pgm").read_bytes().split(b"\n", 3)
    assert head == b"P5"
    return int(size.split()[0]), pixels


@pytest.mark.parametrize(
    ("appearance", "why"),
    [
        (replace(VISIBLE, page=0), "no page"),
        (replace(VISIBLE, left_mm=170), "not on the page"),
        (replace(VISIBLE, bottom_mm=-1), "not on the page"),
        (replace(VISIBLE, height_mm=0), "not on the page"),
        (replace(VISIBLE, width_mm=3, height_mm=1, emblem=False), "cannot be drawn"),
        (replace(VISIBLE, width_mm=25, height_mm=24), "cannot be drawn"),
        (replace(VISIBLE, width_mm=8, height_mm=50), "cannot be drawn"),
    ],
)
def test_impossible_places(room: SealRoom, appearance: SealAppearance, why: str) -> None:
    """P4: a seal that could not be seen where it was asked for is an error that says so."""
    with pytest.raises(SealError, match=why):
        room.seal(appearance=appearance)


# -- keys and time-stamps ----------------------------------------------------


@pytest.mark.aws
@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_keys_in_kms(room: SealRoom, kms: KMSClient, algorithm: KeyAlgorithm) -> None:
    """A6: the key never leaves KMS, whatever its kind, and the seal holds; a key disabled
    after the container warmed up is an error somebody can act on (P4)."""
    made = kms.create_key(KeySpec=algorithm.value, KeyUsage="SIGN_VERIFY")
    key = KmsSigningKey(kms, made["KeyMetadata"]["KeyId"])
    usable = usable_credential(room.pki, key=key)
    room.checker.known.insert(0, usable)
    try:
        sealed = room.seal(SealLevel.B_LTA, algorithm)
        assert sealed.credential == usable.credential
        room.sealer().verify_own(sealed, page())
        assert check_seal(sealed.pdf, room.root_pem).problems == []
        kms.disable_key(KeyId=key.key_id)
        with pytest.raises(SealError):
            room.seal(SealLevel.B_LTA, algorithm)
    finally:
        room.checker.known.remove(usable)


def test_seals_by_another_credential(room: SealRoom) -> None:
    """A6: keys rotate without a break: what was prepared for one credential is not used for
    the next."""
    first, second = (usable_credential(room.pki) for _ in range(2))
    for usable in (first, second, first):
        room.checker.known.insert(0, usable)
        sealed = room.seal()
        room.checker.known.pop(0)
        room.sealer().verify_own(sealed, page())
        expected = load_der_x509_certificate(usable.certificate).serial_number
        signer = contents(sealed.pdf)["content"]["signer_infos"][0]["sid"].chosen
        assert signer["serial_number"].native == expected


@dataclass
class _FallsSilent(LocalTimestamper):
    """An authority that answers so many times, and then no more."""

    answers: int = 0

    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        if self.stamps == self.answers:
            raise TimestampError("No time-stamp could be had.")
        return super().stamp(digest, algorithm)


@pytest.mark.parametrize("level", [SealLevel.B_LT, SealLevel.B_LTA])
def test_data_that_went_stale_meanwhile_do_not_leave(room: SealRoom, level: SealLevel) -> None:
    """Issue 4, 4: what was fresh when the seal was begun, and no longer is when it is done (an
    authority was slow), is not handed out; the document waits and is tried again."""
    slow = iter([datetime.now(UTC), datetime.now(UTC) + timedelta(days=30)])
    sealer = PadesSealer(room.checker, room.stamper, clock=lambda: next(slow))
    credentials = [room.credential().credential]
    with pytest.raises(RevocationUnknownError) as error:
        sealer.seal(page(), credentials, SealPolicy(level=level))
    assert error.value.retryable


@pytest.mark.parametrize("answers", [0, 1])
def test_no_timestamp_no_seal(room: SealRoom, answers: int) -> None:
    """P4: without a time-stamp, the first or the second, there is no half-finished seal, and
    the error says that waiting helps."""
    broken = SealRoom(room.pki, _FallsSilent(room.pki, answers=answers), room.checker)
    with pytest.raises(TimestampError) as error:
        broken.seal()
    assert error.value.retryable


@pytest.mark.parametrize("level", [SealLevel.B_T, SealLevel.B_LTA])
def test_token_larger_than_its_room(room: SealRoom, level: SealLevel) -> None:
    """P4: a token that does not fit is never cut; the error says so."""
    small = SealRoom(room.pki, LocalTimestamper(room.pki, room=100), room.checker)
    with pytest.raises(TimestampError, match="larger"):
        small.seal(level)


# -- files that cannot be sealed ---------------------------------------------


def encrypted(pdf: bytes) -> bytes:
    writer = pypdf.PdfWriter(clone_from=BytesIO(pdf))
    writer.encrypt("secret", algorithm="AES-128")
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def test_file_that_cannot_be_sealed(room: SealRoom) -> None:
    """P4: bytes that are no PDF, are locked, or are sealed already, are refused as such."""
    for pdf in (b"", b"not a pdf", b"%PDF-1.7\n", encrypted(page().pdf), room.seal().pdf):
        with pytest.raises(SealError, match="cannot be sealed"):
            room.seal(linted=LintedPdf(pdf, pages=1))


# -- many ---------------------------------------------------------------------


def test_several_threads(room: SealRoom) -> None:
    """One sealer serves the threads that overlap a batch."""
    sealer, credentials = room.sealer(), [room.credential().credential]

    def one(number: int) -> list[str]:
        linted = page(1, f"เอกสารที่ {number % 4}")
        sealed = sealer.seal(linted, credentials, SealPolicy())
        sealer.verify_own(sealed, linted)
        return check_seal(sealed.pdf, room.root_pem).problems

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(24))) == [[]] * 24


def test_memory_stays_flat(room: SealRoom) -> None:
    """A26: nothing of a document is kept: hundreds of different ones take no more memory
    than one file has."""
    sealer, credentials = room.sealer(), [room.credential().credential]

    def batch() -> None:
        for _ in range(150):
            sealer.verify_own(sealer.seal(page(), credentials, SealPolicy()), page())

    tracemalloc.start()
    try:
        batch()
        before, _ = tracemalloc.get_traced_memory()
        batch()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < len(room.seal().pdf)
