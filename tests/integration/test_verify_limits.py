"""Files made to cost something: each gets its verdict within the memory and time of the
function, and the bound that stands behind all others is real."""

from __future__ import annotations

import os
import resource
from multiprocessing import Pipe
from typing import TYPE_CHECKING

import pytest

from chalicelib.adapters.pades_validation import BoundedValidator, PadesValidator
from chalicelib.adapters.pades_validation.bounded import _answer
from chalicelib.adapters.pades_validation.reading import LARGEST_FILE
from chalicelib.domain.errors import TooLargeToCheckError
from chalicelib.domain.seals import SealLevel
from chalicelib.domain.verdict import Circumstances, Indication
from chalicelib.services.verify import verify
from infra.devservices import running
from tests.support import attacks
from tests.support.foreign_seals import Hand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chalicelib.domain.verdict import SealObservation, Verdict

MiB = 1024 * 1024


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    with running(tmp_path_factory.mktemp("pki")) as dev:
        yield Hand(dev)


def bounded(pdf: bytes, anchors: Sequence[str] = ()) -> Verdict:
    """As the function does it: 15 seconds of processor and 1 GB beyond what it has."""
    return verify(pdf, validator=BoundedValidator(), anchors=anchors)


COSTLY: dict[str, tuple[Callable[[], bytes], str]] = {
    "decompression-bomb": (lambda: attacks.bomb(500), "too_large_to_check"),
    "stacked-bomb": (lambda: attacks.bomb(500, 2), "too_large_to_check"),
    "deep-nesting": (lambda: attacks.deep_nesting(100_000), "too_large_to_check"),
    "reference-chain": (lambda: attacks.reference_chain(5_000), "too_large_to_check"),
    "many-revisions": (lambda: attacks.xref_chain(5_000), "too_large_to_check"),
    "more-than-the-most-bytes": (
        lambda: b"%PDF-1.7\n" + bytes(LARGEST_FILE),
        "too_large_to_check",
    ),
    "more-than-the-most-objects": (
        lambda: b"%PDF-1.7\n" + b"1 0 obj\nnull\nendobj\n" * 300_000,
        "too_large_to_check",
    ),
    "cyclic-fields": (attacks.cyclic_page_tree, "unreadable"),
    "cyclic-tables": (attacks.xref_cycle, "unreadable"),
    "ten-thousand-objects": (lambda: attacks.many_objects(10_000), "no_seal"),
    # pyHanko looks for the end of the file backwards, a byte at a time, line by line.
    "one-long-last-line": (lambda: attacks.many_objects(3) + bytes(99 * MiB), "unreadable"),
    "one-long-line-before-the-end": (
        lambda: attacks.many_objects(3) + bytes(99 * MiB) + b"\n%%EOF\n",
        "unreadable",
    ),
    "one-long-line-before-the-pointer": (
        lambda: attacks.many_objects(3) + bytes(99 * MiB) + b"startxref\n9\n%%EOF\n",
        "unreadable",
    ),
    "a-hundred-megabytes": (lambda: attacks.large(99 * MiB), "no_seal"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_costly_files(name: str) -> None:
    """Issue 4: bombs, deep and cyclic structures, huge tables and files have a verdict."""
    make, code = COSTLY[name]
    verdict = bounded(make())
    assert not verdict.passed
    assert [finding.code for finding in verdict.findings] == [code]
    if code == "too_large_to_check":
        assert verdict.indication is Indication.INDETERMINATE


@pytest.mark.parametrize(
    "make", [lambda: attacks.many_objects(10_000), lambda: attacks.large(98 * MiB)]
)
def test_large_sealed_files_pass_and_fail_as_small_ones(
    hand: Hand, make: Callable[[], bytes]
) -> None:
    """Issue 4: sealed files of 10,000 objects and of 100 MB are really checked, difference
    analysis included, within the bounds."""
    anchors = [hand.dev.pki.root_pem]
    sealed = hand.seal(make(), SealLevel.B_LTA)
    assert bounded(sealed, anchors).passed
    changed = bounded(attacks.annotation_added(sealed), anchors)
    assert [finding.code for finding in changed.findings] == ["changed_after_seal"]


class _Greedy(PadesValidator):
    def observe(self, *_: object) -> tuple[SealObservation, ...]:
        hoard = []
        while True:
            hoard.append(bytes(64 * MiB))


class _Slow(PadesValidator):
    def observe(self, *_: object) -> tuple[SealObservation, ...]:
        while True:
            pass


@pytest.mark.parametrize("validator", [_Greedy(), _Slow()])
def test_the_last_bound_holds(validator: PadesValidator) -> None:
    """Issue 4: a check that would never end, or take all memory, ends as "too large", and the
    process that asked lives on with the limits it had."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    tight = BoundedValidator(seconds=1, memory=256 * MiB, inner=validator)
    verdict = verify(b"%PDF-1.7\n", validator=tight, anchors=())
    assert [finding.code for finding in verdict.findings] == ["too_large_to_check"]
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_an_answer_cut_short_is_no_crash() -> None:
    """Issue 4: a process that meets its limit while it answers has met its limit."""
    mine, theirs = Pipe(duplex=False)
    os.write(theirs.fileno(), (100).to_bytes(4) + b"half")
    theirs.close()
    with pytest.raises(TooLargeToCheckError):
        _answer(mine, 1)
    mine.close()


def test_the_bounded_look_is_the_same_look(hand: Hand) -> None:
    """Issue 4: what comes back from the other process is what this one would have seen."""
    anchors = [hand.dev.pki.root_pem]
    sealed = hand.seal(attacks.many_objects(3), SealLevel.B_LTA)
    now = Circumstances()
    here = PadesValidator().observe(sealed, anchors, now)
    assert BoundedValidator().observe(sealed, anchors, now) == here
    assert len(here) == 1
