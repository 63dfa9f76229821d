"""The two ways of writing a seal: the fast one and pyHanko's, which is its reference."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer
from pypdf.annotations import Link

from chalicelib.adapters.pades import fast, reference
from chalicelib.adapters.pades.own_check import check_own_seal
from chalicelib.adapters.pades.plain import NotPlainError
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.errors import SealVerificationError
from chalicelib.domain.registers import Numbering
from chalicelib.domain.seals import KeyAlgorithm, SealAppearance, SealedPdf, SealLevel
from chalicelib.ports import LintedPdf
from chalicelib.services.seal import render_request
from infra.seal_check import check_seal
from tests.support.samples import AGENCIES, NOON, printable
from tests.support.seal_room import VISIBLE, SealRoom, facts_of, lta_problem, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.adapters.pades.order import WrittenSeal

TYPES = PackagedDocumentTypes().all()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> SealRoom:
    return SealRoom.at(tmp_path_factory.mktemp("pki"))


def sealed(room: SealRoom, written: WrittenSeal, level: SealLevel) -> SealedPdf:
    """As `PadesSealer` would call it."""
    return replace(room.seal(level), pdf=written.pdf)


# -- the same seal -----------------------------------------------------------

appearances = st.none() | st.builds(
    SealAppearance,
    page=st.sampled_from([1, 2, -1]),
    left_mm=st.sampled_from([0, 25.5, 120]),
    bottom_mm=st.sampled_from([0, 30, 200.25]),
    width_mm=st.sampled_from([50, 90]),
    height_mm=st.sampled_from([15, 35]),
    emblem=st.booleans(),
    text=st.booleans(),
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    level=st.sampled_from(SealLevel),
    algorithm=st.sampled_from(KeyAlgorithm),
    appearance=appearances,
    pages=st.integers(2, 3),
    text=st.text(alphabet="กขค์่๑๒ ()\\<>/%[]", max_size=12),
)
def test_both_ways_give_the_same_seal(
    room: SealRoom,
    *,
    level: SealLevel,
    algorithm: KeyAlgorithm,
    appearance: SealAppearance | None,
    pages: int,
    text: str,
) -> None:
    """Issue 4: for any document, policy and key the fast way and pyHanko give files with the
    same signed facts, coverage, changes and level; all checks accept both."""
    linted, order = page(pages, text), room.order(level, algorithm, appearance)
    files = [way.write_seal(linted.pdf, order).pdf for way in (fast, reference)]
    assert facts_of(files[0], room.root_pem) == facts_of(files[1], room.root_pem)
    for pdf in files:
        own = replace(room.seal(level, algorithm), pdf=pdf)
        assert check_own_seal(own, linted.pdf)
        if level.stamped:
            report = check_seal(pdf, room.root_pem)
            assert (report.problems, report.level) == ([], level)
        if level is SealLevel.B_LTA:
            assert lta_problem(pdf, [room.root_pem]) is None


@pytest.fixture(scope="module")
def renderer() -> TypstRenderer:
    return TypstRenderer()


@pytest.mark.parametrize("name", [kind.name for kind in TYPES])
@pytest.mark.parametrize("appearance", [None, VISIBLE])
def test_every_document_type_goes_the_fast_way(
    room: SealRoom, renderer: TypstRenderer, name: str, appearance: SealAppearance | None
) -> None:
    """Issue 4, speed: what the house renders is what the fast way knows; a new typst that
    writes otherwise fails here, not in the bill."""
    kind = next(kind for kind in TYPES if kind.name == name)
    numbering = Numbering(year=2026, number=12, printed="๑๒/๒๕๖๙", numbered_at=NOON)
    document = printable(kind, kind.example["content"], numbering)
    request = render_request(document, AGENCIES[0], kind, public_url="https://tra.test")
    linted = renderer.lint(renderer.render(request), request)
    written = fast.write_seal(linted.pdf, room.order(SealLevel.B_LTA, appearance=appearance))
    assert check_own_seal(sealed(room, written, SealLevel.B_LTA), linted.pdf)
    assert facts_of(written.pdf, room.root_pem).tagged == (appearance is not None)


@pytest.mark.parametrize("name", [kind.name for kind in TYPES])
def test_every_policy_can_be_carried_out(room: SealRoom, name: str) -> None:
    """P4: the seal that a packaged type asks for can be drawn, and lies on the page; else
    each of its documents would wait for ever."""
    kind = next(kind for kind in TYPES if kind.name == name)
    order = replace(room.order(kind.seal.level), policy=kind.seal)
    assert fast.write_seal(page().pdf, order).pdf


# -- files of others ---------------------------------------------------------


def with_stream_table(pdf: bytes) -> bytes:
    """The same document with a cross-reference stream and object streams."""
    writer = copy_into_new_writer(PdfFileReader(BytesIO(pdf)), writer_kwargs={"stream_xrefs": True})
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def by_pypdf(pdf: bytes) -> bytes:
    output = BytesIO()
    pypdf.PdfWriter(clone_from=BytesIO(pdf)).write(output)
    return output.getvalue()


def with_link(pdf: bytes) -> bytes:
    writer = pypdf.PdfWriter(clone_from=BytesIO(pdf))
    link = Link(rect=(0, 0, 9, 9), url="https://tra.test")
    writer.add_annotation(0, link)
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def with_revision(pdf: bytes) -> bytes:
    writer = pypdf.PdfWriter(BytesIO(pdf), incremental=True)
    writer.add_metadata({"/Title": "another"})
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def moved(pdf: bytes) -> bytes:
    """The catalog's entry in the cross-reference table points one byte too far."""
    at = pdf.rindex(b"\n", 0, pdf.index(b" 0 obj\n<</Type/Catalog")) + 1
    return pdf.replace(b"%010d" % at, b"%010d" % (at + 1))


OTHERS: dict[str, Callable[[bytes], bytes]] = {
    "stream-table": with_stream_table,
    "pypdf": by_pypdf,
    "link": with_link,
    "two-revisions": with_revision,
    "other-version": lambda pdf: pdf.replace(b"%PDF-1.7", b"%PDF-1.6", 1),
    "unknown-catalog-entry": lambda pdf: pdf.replace(
        b"/ViewerPreferences", b"/ViewerPreference_", 1
    ),
    "comment": lambda pdf: pdf.replace(b"/Type/Catalog", b"/Type%Catalog", 1),
    "entry-off-by-one": moved,
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("appearance", [None, VISIBLE])
def test_other_files_are_refused(
    room: SealRoom, other: str, appearance: SealAppearance | None
) -> None:
    """Issue 4: whatever is not exactly as typst writes it is refused before anything is
    signed or stamped, never guessed at."""
    stamps = room.stamper.stamps
    with pytest.raises(NotPlainError):
        fast.write_seal(
            OTHERS[other](page().pdf), room.order(SealLevel.B_LTA, appearance=appearance)
        )
    assert room.stamper.stamps == stamps


@pytest.mark.parametrize("other", ["stream-table", "pypdf", "link", "two-revisions"])
@pytest.mark.parametrize(
    ("level", "appearance"),
    [
        (SealLevel.B_B, None),
        (SealLevel.B_T, VISIBLE),
        (SealLevel.B_LT, None),
        (SealLevel.B_LTA, VISIBLE),
    ],
)
def test_other_files_are_sealed_by_the_reference(
    room: SealRoom, other: str, level: SealLevel, appearance: SealAppearance | None
) -> None:
    """P4: a file that the fast way refuses is sealed all the same, and holds."""
    linted = LintedPdf(OTHERS[other](page().pdf), pages=1)
    made = room.seal(level, linted=linted, appearance=appearance)
    room.sealer().verify_own(made, linted)
    facts = facts_of(made.pdf, room.root_pem)
    assert facts.sound
    assert facts.changes == ("LTA_UPDATES" if level.has_validation_data else "NONE")
    if level.stamped:
        assert check_seal(made.pdf, room.root_pem).problems == []


def test_a_stream_table_is_left_to_pyhanko(room: SealRoom) -> None:
    """P3: the own check says when it cannot follow a file's structure, and then pyHanko
    looks at each one: damage there is found, too."""
    linted = LintedPdf(with_stream_table(page().pdf), pages=1)
    made = room.seal(SealLevel.B_T, linted=linted)
    assert not check_own_seal(made, linted.pdf)
    sealer = room.sealer()
    sealer.verify_own(made, linted)
    with pytest.raises(SealVerificationError):
        sealer.verify_own(replace(made, pdf=made.pdf + b"\n"), linted)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_files_are_refused_or_sealed_right(room: SealRoom, data: st.DataObject) -> None:
    """P4: whatever byte of the parts that the fast way reads is damaged, it refuses the file
    or writes a seal that holds; it never crashes and never writes a wrong one."""
    pdf = page().pdf
    catalog = pdf.index(b"<</Type/Catalog")
    start = data.draw(st.sampled_from([0, pdf.index(b"<</Type/Page/"), catalog, len(pdf) - 400]))
    at = start + data.draw(st.integers(0, min(390, len(pdf) - start - 1)))
    damaged = pdf[:at] + bytes([data.draw(st.integers(0, 255))]) + pdf[at + 1 :]
    level = data.draw(st.sampled_from([SealLevel.B_B, SealLevel.B_LTA]))
    try:
        written = fast.write_seal(damaged, room.order(level, appearance=VISIBLE))
    except NotPlainError:
        return
    assert check_own_seal(sealed(room, written, level), damaged)
