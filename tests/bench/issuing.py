"""Documents per second through the whole deployed stack, on the embedded AWS."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.registers import Book, Head, lay_out_block, numbering_of
from chalicelib.services.seal import render_request
from infra import client, local
from tests.bench.results import Result, rate
from tests.support.samples import AGENCIES, NOON, claim_of, document

_DOCUMENTS = 60
_SENDERS = 4
_ROUNDS = 3
_PATIENCE_SECONDS = 300
_ROOM = Path("build/bench/local")


def issue_end_to_end() -> Result:
    """From the first request to the last recipient told. The limit beside it is the same
    licence rendered and linted on one core with nothing around it."""
    with local.running(_ROOM) as deployment:
        issuer = client.sign_in(deployment.url, deployment.token_url, "diw")
        _issue(issuer, 10, "warm")
        rates = [_issue(issuer, _DOCUMENTS, str(n)) for n in range(_ROUNDS)]
    return rate(rates, _bare_rates(), target="—", against="render + lint alone, one core")


def _issue(issuer: client.Client, count: int, run: str) -> float:
    example = _example()
    started = time.perf_counter()

    def submit(n: int) -> str:
        return str(issuer.submit(example, key=f"bench-{run}-{n}")["document_id"])

    with ThreadPoolExecutor(_SENDERS) as pool:
        made = list(pool.map(submit, range(count)))
    client.wait_until_told([(issuer, i) for i in made], seconds=_PATIENCE_SECONDS)
    return count / (time.perf_counter() - started)


def _bare_rates() -> list[float]:
    kind = PackagedDocumentTypes().get("licence")
    assert kind is not None
    renderer = TypstRenderer()
    rates = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for n in range(_DOCUMENTS):
            accepted = document(f"B{n}", content=_example()["content"])
            register = Book("diw", "licence").at(NOON)
            (entry,) = lay_out_block(register, Head(n), [claim_of(accepted)], NOON).entries
            request = render_request(
                accepted.numbered(numbering_of(entry)),
                AGENCIES[0],
                kind,
                public_url="https://tra.test",
            )
            renderer.lint(renderer.render(request), request)
        rates.append(_DOCUMENTS / (time.perf_counter() - started))
    return rates


def _example() -> dict[str, Any]:
    kind = PackagedDocumentTypes().get("licence")
    assert kind is not None
    return json.loads(json.dumps(kind.example))  # type: ignore[no-any-return]  # it is an object
