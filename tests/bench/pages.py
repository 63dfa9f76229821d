"""A whole licence, from its numbered content to the sealed file, against other people's way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.seals import SealLevel
from tests.bench.cpu import ROUNDS, in_turns
from tests.bench.licences import request
from tests.bench.peers import weasyprint_page
from tests.bench.peers.launch import Missing, python_peer
from tests.bench.results import Result, duration
from tests.bench.sealing import workbench

ROOM = Path("build/bench/pages")
_TIMES = 60  # of ours in a round
_PEER_TIMES = 8
_PREPARED = 499  # none comes again while typst may remember it


def issue_vs_weasyprint_pyhanko() -> Result:
    """Render, QR code, lint and a B-LTA seal, each licence with other content, against
    weasyprint and then pyHanko's PdfSigner. Theirs is the sum of two warm processes; neither
    lints, and no check of the own seal is counted for anybody."""
    plan = {"warm": 5, "rounds": ROUNDS, "times": _PEER_TIMES}
    weasyprint_page.leave(ROOM, [request(n) for n in range(1 + ROUNDS * _PEER_TIMES)], plan)
    page = python_peer("weasyprint", ROOM)
    bench, renderer = workbench(), TypstRenderer()

    prepared = [request(n) for n in range(_PREPARED)]  # before, as weasyprint's data is

    def issue(n: int) -> bytes:
        asked = prepared[n % _PREPARED]
        linted = renderer.lint(renderer.render(asked), asked)
        return bench.seal(SealLevel.B_LTA, linted).pdf

    (ROOM / "ours.pdf").write_bytes(issue(1))
    if isinstance(page, Missing):
        ours = in_turns({"ours": (issue, _TIMES)})["ours"]
        alone = duration(ours, ours, target="≥ 10×", against=f"weasyprint missing: {page.why}")
        return replace(alone, peer=0, ratio=0)
    theirs, way = (ROOM / "weasyprint.pdf").read_bytes(), bench.pyhanko(SealLevel.B_LTA)
    samples = in_turns(
        {"ours": (issue, _TIMES)}, {"pyhanko": (lambda _: way.seal(theirs), _PEER_TIMES)}
    )
    (ROOM / "theirs.pdf").write_bytes(way.seal(theirs))
    sums = [a + b for a, b in zip(page.samples, samples["pyhanko"], strict=True)]
    parts = f"weasyprint {median(page.samples):.3g} + pyHanko {median(samples['pyhanko']):.3g} ms"
    return duration(samples["ours"], sums, target="≥ 10×", against=parts)
