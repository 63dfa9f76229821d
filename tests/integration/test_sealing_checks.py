"""Damage to sealed files: found by the check of one's own seal before the file can leave,
and by the check that shares no code with the sealing."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

import pypdf
import pytest
from asn1crypto import cms
from cryptography.x509 import load_der_x509_certificate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.pades import fast
from chalicelib.adapters.pades.own_check import check_own_seal
from chalicelib.adapters.pades.plain import PlainPdf, dictionary
from chalicelib.adapters.pades.revision import Revision, Tail
from chalicelib.domain.errors import SealVerificationError
from chalicelib.domain.seals import KeyAlgorithm, SealedPdf, SealLevel
from chalicelib.ports import LintedPdf
from infra.seal_check import check_seal
from tests.support.seal_room import VISIBLE, SealRoom, page
from tests.support.sealing import new_key, usable_credential, validation_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEVELS = tuple(SealLevel)
STAMPED = LEVELS[1:]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> SealRoom:
    return SealRoom.at(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def sealed(room: SealRoom) -> dict[SealLevel, SealedPdf]:
    """A file of each level, over the same page."""
    return {level: room.seal(level) for level in LEVELS}


def gaps(pdf: bytes) -> list[tuple[int, int]]:
    """Where each /Contents lies."""
    found = re.finditer(rb"/ByteRange\s*\[0 (\d+) (\d+) \d+\]", pdf)
    return [(int(match[1]), int(match[2])) for match in found]


def refused(sealed: SealedPdf, pdf: bytes, linted: bytes | None = None) -> str | None:
    """The sub-indication with which the own check refuses."""
    with pytest.raises(SealVerificationError) as error:
        check_own_seal(replace(sealed, pdf=pdf), page().pdf if linted is None else linted)
    return error.value.sub_indication


def spliced(pdf: bytes, at: int, new: bytes) -> bytes:
    """`new` in place of as many bytes from `at`."""
    return pdf[:at] + new + pdf[at + len(new) :]


# -- the check of one's own seal ---------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_another_file(sealed: dict[SealLevel, SealedPdf], level: SealLevel) -> None:
    """P2: a seal over other bytes than the linted ones never reaches the archive."""
    linted = page().pdf
    middle = len(linted) // 2
    other = linted[:middle] + b"\n" + linted[middle:]
    assert refused(sealed[level], sealed[level].pdf, other) == "FORMAT_FAILURE"


def test_an_unsealed_file(sealed: dict[SealLevel, SealedPdf]) -> None:
    """P3: forgetting to seal is noticed."""
    assert refused(sealed[SealLevel.B_T], page().pdf) == "SIGNED_DATA_NOT_FOUND"


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_another_agency(
    room: SealRoom, sealed: dict[SealLevel, SealedPdf], algorithm: KeyAlgorithm
) -> None:
    """P6: a valid seal of the wrong agency is not this agency's seal, even if it is by the
    same key."""
    other = usable_credential(room.pki, algorithm).credential
    wrong = replace(sealed[SealLevel.B_T], credential=other)
    assert refused(wrong, wrong.pdf) == "SIG_CONSTRAINTS_FAILURE"


@pytest.mark.parametrize("made", LEVELS)
@pytest.mark.parametrize("said", LEVELS)
def test_another_level(
    sealed: dict[SealLevel, SealedPdf], made: SealLevel, said: SealLevel
) -> None:
    """B3: a file of a lower (or higher) level than the policy's is not archived as such."""
    if made is not said:
        assert refused(replace(sealed[made], level=said), sealed[made].pdf) == "FORMAT_FAILURE"


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256])
def test_signature_by_another_key(room: SealRoom, algorithm: KeyAlgorithm) -> None:
    """A6: a signature that was made with another key than the certificate's is found before
    it leaves."""
    order = room.order(SealLevel.B_B, algorithm)
    other = new_key(algorithm)
    written = fast.write_seal(page().pdf, replace(order, usable=replace(order.usable, key=other)))
    assert refused(room.seal(SealLevel.B_B, algorithm), written.pdf) == "SIG_CRYPTO_FAILURE"


def contents(pdf: bytes) -> cms.ContentInfo:
    start, end = gaps(pdf)[0]
    found: cms.ContentInfo = cms.ContentInfo.load(bytes.fromhex(pdf[start + 1 : end - 1].decode()))
    return found


def token_in(pdf: bytes) -> bytes:
    """The time-stamp token of a seal, in the hexadecimal of /Contents."""
    (attribute,) = contents(pdf)["content"]["signer_infos"][0]["unsigned_attrs"]
    der: bytes = attribute["values"][0].dump()
    return der.hex().encode()


def test_swapped_timestamp(room: SealRoom, sealed: dict[SealLevel, SealedPdf]) -> None:
    """A19: the token of another seal is noticed by both checks."""
    pdf = sealed[SealLevel.B_T].pdf
    mine, theirs = token_in(pdf), b""
    while len(theirs) != len(mine):  # DER integers vary by a byte or two
        theirs = token_in(room.seal(SealLevel.B_T).pdf)
    forged = pdf.replace(mine, theirs)
    assert forged != pdf
    assert refused(sealed[SealLevel.B_T], forged) == "HASH_FAILURE"
    problems = check_seal(forged, room.root_pem).problems
    assert problems == ["time-stamp: it belongs to another signature"]


def test_swapped_document_timestamp(room: SealRoom, sealed: dict[SealLevel, SealedPdf]) -> None:
    """A19: a document time-stamp of another file is noticed by both checks."""
    pdf, start = sealed[SealLevel.B_LTA].pdf, gaps(sealed[SealLevel.B_LTA].pdf)[1][0]
    other = room.seal().pdf
    begin, end = gaps(other)[1]
    assert refused(sealed[SealLevel.B_LTA], forged := spliced(pdf, start, other[begin:end])) == (
        "HASH_FAILURE"
    )
    assert "document time-stamp: it belongs to another file" in (
        check_seal(forged, room.root_pem).problems
    )


# -- damage, by name ---------------------------------------------------------


def appended_revision(pdf: bytes) -> bytes:
    """An incremental update that gives the document another title."""
    writer = pypdf.PdfWriter(pypdf.PdfReader(BytesIO(pdf)), incremental=True)
    writer.add_metadata({"/Title": "something else"})
    output = BytesIO()
    writer.write(output)
    assert output.getvalue().startswith(pdf)
    return output.getvalue()


def flipped(pdf: bytes, at: int) -> bytes:
    return spliced(pdf, at, bytes([pdf[at] ^ 1]))


def filled(pdf: bytes) -> bytes:
    """Something behind the signature in its room."""
    _, end = gaps(pdf)[-1]
    return spliced(pdf, end - 9, b"deadbeef")


def emptied(pdf: bytes) -> bytes:
    start, end = gaps(pdf)[0]
    return spliced(pdf, start + 1, b"0" * (end - start - 2))


def moved_entry(pdf: bytes) -> bytes:
    """An entry of the last cross-reference table points elsewhere."""
    at = pdf.rindex(b" 00000 n")
    return spliced(pdf, at - 10, b"%010d" % (int(pdf[at - 10 : at]) + 1))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "not-a-pdf": lambda _: b"PK\x03\x04 something",
    "header-only": lambda _: b"%PDF-1.7\n",
    "truncated": lambda pdf: pdf[: len(pdf) // 2],
    "last-byte-gone": lambda pdf: pdf[:-8],
    "no-seal": lambda _: page().pdf,
    "byte-flipped": lambda pdf: flipped(pdf, len(page().pdf) // 2),
    "appended-newline": lambda pdf: pdf + b"\n",
    "appended-revision": appended_revision,
    "filled-room": filled,
    "cms-zeroed": emptied,
    "moved-entry": moved_entry,
    "byte-range-from-elsewhere": lambda pdf: pdf.replace(b"/ByteRange[0 ", b"/ByteRange[1 "),
    "two-byte-ranges": lambda pdf: pdf.replace(b"/SigFlags 3", b"/ByteRange[0 1 2 3]/SigFlags 3"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("level", STAMPED)
def test_damage_is_found(
    room: SealRoom, sealed: dict[SealLevel, SealedPdf], level: SealLevel, damage: str
) -> None:
    """P2, D3: both checks refuse a file that is not exactly the one sealed."""
    pdf = DAMAGE[damage](sealed[level].pdf)
    assert refused(sealed[level], pdf) is not None
    # What fills the room behind the DER the independent check leaves to others.
    if damage != "filled-room":
        assert check_seal(pdf, room.root_pem).problems


fuzzing = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzzing
@given(data=st.data())
def test_any_flipped_bit_is_noticed(
    room: SealRoom, sealed: dict[SealLevel, SealedPdf], data: st.DataObject
) -> None:
    """P2: whichever covered bit flips, neither check lets the file pass, and nothing
    crashes. (Nothing covers the security store of a B-LT file; that is what B-LTA is for.)"""
    level = data.draw(st.sampled_from([SealLevel.B_T, SealLevel.B_LTA]))
    pdf = sealed[level].pdf
    at = data.draw(st.integers(0, len(pdf) - 1))
    # Of a digit in the room, the case is free, and what is behind the DER is of no use.
    if any(start < at < end - 1 for start, end in gaps(pdf)):
        return
    altered = spliced(pdf, at, bytes([pdf[at] ^ (1 << data.draw(st.integers(0, 7)))]))
    assert refused(sealed[level], altered) is not None
    assert check_seal(altered, room.root_pem).problems


@fuzzing
@given(data=st.data())
def test_damaged_cms_never_crashes(
    room: SealRoom, sealed: dict[SealLevel, SealedPdf], data: st.DataObject
) -> None:
    """P4: a damaged signature or time-stamp gets a verdict, whatever the damage: refused, or a
    part of the token that only its authority's signature covers."""
    level = data.draw(st.sampled_from(STAMPED))
    pdf = sealed[level].pdf
    start, end = data.draw(st.sampled_from(gaps(pdf)))
    used = len(pdf[start:end].rstrip(b"0>"))
    at = start + 1 + data.draw(st.integers(0, used - 2))
    altered = spliced(pdf, at, bytes([data.draw(st.sampled_from(b"0123456789abcdefxz "))]))
    with suppress(SealVerificationError):
        check_own_seal(replace(sealed[level], pdf=altered), page().pdf)
    check_seal(altered, room.root_pem)


def test_a_damaged_certificate_version_is_a_verdict(
    room: SealRoom, sealed: dict[SealLevel, SealedPdf]
) -> None:
    """P4: found by fuzzing: a certificate that says it is of version 18 once ended the check."""
    pdf = sealed[SealLevel.B_T].pdf
    start, end = gaps(pdf)[0]
    version = b"a003020102"  # [0] EXPLICIT INTEGER 2, at the head of each certificate
    altered = spliced(pdf, pdf.index(version, start, end) + 8, b"12")
    assert not check_seal(altered, room.root_pem).valid
    assert refused(sealed[SealLevel.B_T], altered) == "SIG_CONSTRAINTS_FAILURE"


# -- what was appended -------------------------------------------------------


def tail_of(pdf: bytes) -> Tail:
    """Where a sealed file ends, for tests that go on writing."""
    plain = PlainPdf(page().pdf)
    table = int(pdf[pdf.rindex(b"startxref") :].split()[1])
    size = int(re.findall(rb"/Size (\d+)", pdf)[-1])
    return Tail(
        len(pdf), size, table, plain.root, plain.info, plain.first_id, ends_with_newline=True
    )


def with_store(pdf: bytes, *, change: Callable[[Revision, dict[bytes, bytes]], None]) -> bytes:
    """A B-T file with a revision that looks like a security store, and does something else."""
    revision = Revision(tail_of(pdf))
    store = revision.next_number()
    catalog = PlainPdf(page().pdf).catalog()
    form = re.findall(rb"/AcroForm (\d+ 0 R)", pdf)[-1]
    extensions = b"<</ESIC<</BaseVersion/1.7/ExtensionLevel 1>>>>"
    catalog |= {b"/AcroForm": form, b"/Extensions": extensions, b"/DSS": b"%d 0 R" % store}
    revision.put(store, b"<</Type/DSS>>")
    change(revision, catalog)
    revision.put(PlainPdf(page().pdf).root, dictionary(catalog))
    return pdf + revision.close(b"seed")[0]


def another_page(revision: Revision, _: dict[bytes, bytes]) -> None:
    plain = PlainPdf(page().pdf)
    (number,) = plain.pages(plain.catalog())
    revision.put(number, dictionary(plain.page(number) | {b"/MediaBox": b"[0 0 1 1]"}))


def another_name(_: Revision, catalog: dict[bytes, bytes]) -> None:
    catalog[b"/Names"] = b"<<>>"


def another_object(revision: Revision, _: dict[bytes, bytes]) -> None:
    revision.put(revision.next_number(), b"<</Type/Action/S/JavaScript/JS(app.alert)>>")


@pytest.mark.parametrize("change", [another_page, another_name, another_object])
def test_a_security_store_that_changes_more(
    room: SealRoom,
    sealed: dict[SealLevel, SealedPdf],
    change: Callable[[Revision, dict[bytes, bytes]], None],
) -> None:
    """D3: behind the seal nothing may come but what its level says: the independent check
    finds a changed page, catalog or any further object; pyHanko, which looks at the first
    file of a container, the changes that can be seen."""
    pdf = with_store(sealed[SealLevel.B_T].pdf, change=change)
    assert any("security store" in problem for problem in check_seal(pdf, room.root_pem).problems)
    if change is not another_object:
        made = replace(sealed[SealLevel.B_LT], pdf=pdf)
        with pytest.raises(SealVerificationError, match="pyHanko"):
            room.sealer().verify_own(made, page())


def test_a_security_store_without_answers(
    room: SealRoom, sealed: dict[SealLevel, SealedPdf]
) -> None:
    """B3: a store that does not say that certificates were good is not long-term."""
    pdf = with_store(sealed[SealLevel.B_T].pdf, change=lambda _revision, _catalog: None)
    problems = check_seal(pdf, room.root_pem).problems
    assert any(problem.startswith("security store:") for problem in problems)


def test_stale_answers(room: SealRoom) -> None:
    """Issue 4, 4: an answer that had expired when the seal was stamped does not count."""
    usable = room.credential()
    certificate = load_der_x509_certificate(usable.certificate)
    old = validation_data(room.pki, certificate, datetime.now(UTC) - timedelta(days=2))
    order = room.order(SealLevel.B_LT)
    order = replace(order, usable=replace(usable, validation_data=old))
    problems = check_seal(fast.write_seal(page().pdf, order).pdf, room.root_pem).problems
    assert problems == ["security store: no answer says that a certificate is good"]


def test_self_test_only_once(room: SealRoom, sealed: dict[SealLevel, SealedPdf]) -> None:
    """Issue 4, speed: pyHanko looks at the first file of each credential and level, visible
    and invisible; from then on the own check alone stands before the archive."""
    sealer = room.sealer()
    odd = replace(
        sealed[SealLevel.B_LT], pdf=with_store(sealed[SealLevel.B_T].pdf, change=another_name)
    )
    with pytest.raises(SealVerificationError, match="pyHanko"):
        sealer.verify_own(odd, page())
    sealer.verify_own(sealed[SealLevel.B_LT], page())
    sealer.verify_own(odd, page())
    seen = room.seal(SealLevel.B_T, appearance=VISIBLE)
    odd = replace(seen, level=SealLevel.B_LT, pdf=with_store(seen.pdf, change=another_name))
    with pytest.raises(SealVerificationError, match="pyHanko"):
        sealer.verify_own(odd, page())  # the first that can be seen
    with pytest.raises(SealVerificationError, match="begin"):
        sealer.verify_own(sealed[SealLevel.B_LT], LintedPdf(page(2).pdf, pages=2))


# -- the independent check as a program --------------------------------------


def test_independent_check_as_a_program(
    room: SealRoom, sealed: dict[SealLevel, SealedPdf], tmp_path: Path
) -> None:
    """A6: it works in a process of its own, where nothing of pyHanko is loaded, and its
    exit code tells good from bad."""
    root, good, bad = (tmp_path / name for name in ("root.pem", "good.pdf", "bad.pdf"))
    root.write_text(room.root_pem)
    good.write_bytes(sealed[SealLevel.B_LTA].pdf)
    bad.write_bytes(sealed[SealLevel.B_LTA].pdf + b"x")

    def run(*files: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "infra.seal_check", "--root", str(root), *map(str, files)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    passed = run(good)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "sealed by Test seal" in passed.stdout
    assert run(good, bad).returncode == 1


def test_another_root(room: SealRoom, tmp_path: Path, sealed: dict[SealLevel, SealedPdf]) -> None:
    """A6: a seal that leads to no anchor proves nothing to the recipient."""
    other = SealRoom.at(tmp_path)
    for level in STAMPED:
        problems = check_seal(sealed[level].pdf, other.root_pem).problems
        assert "seal: the certificate does not lead to the root" in problems
        assert "time-stamp: the certificate does not lead to the root" in problems
