"""`python -m tests.bench.letter_cost_run RESULT`: send letters, register them, and count what it takes.

As `cost_run`, whose deployment and way of invoking it shares. Each letter goes from POST to the
receipt: numbered, sealed, archived, delivered to an agency hosted here, its file verified,
registered by a clerk, and the receipt archived and told to the sender's queue.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from chalicelib.adapters.verify_function import VerifyFunction
from chalicelib.bootstrap import House, furnish
from chalicelib.config import Settings
from chalicelib.handlers import verifying
from infra import real_letters
from tests.bench.cost_model import ALONE
from tests.bench.cost_run import ISSUING, CountedStamps, Site, per_document
from tests.bench.metering import Meter, Use, metered
from tests.support.rooms import CONTEXT

LETTERS = 30
"""Letters sent at once, all between two checkpoints."""

KINDS = {"slc-17121": "one page", "dga-186": "five pages"}
"""Real letters (`infra/letters`), a usual one and a long one."""

_WARM = 2
_SENDER, _RECIPIENT = "dga", "slc"


@dataclass(frozen=True, slots=True)
class NearVerify:
    """The function `verify` at the other end of the call, in this process, counted as its own."""

    meter: Meter

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - AWS's names
        self.meter.add("calls.lambda", operation=FunctionName)
        with self.meter.step("verify"):
            self.meter.add("s3.get", operation="presigned")
            told = verifying.verify(json.loads(Payload), CONTEXT)
        return {"Payload": BytesIO(json.dumps(told).encode())}


def _round(site: Site, letter: str, count: int, run: str) -> list[str]:
    """Letters from POST to the receipt that their sender has."""
    site.identify(_SENDER)
    content = real_letters.read(letter).content
    ids = []
    for n in range(count):
        # No two alike, so that typst finds as little from the letter before as in real life.
        subject = f"{content['subject']} {run} {n}"
        body = {**content, "subject": subject, "to": [_RECIPIENT]}
        told = site.post("/v1/letters", body, _SENDER, f"{letter}-{run}-{n}")
        ids.append(str(told["document_id"]))
    for function in (*ISSUING, "dispatch"):
        site.drain(function, count)
    site.identify(_RECIPIENT)
    for document_id in ids:
        site.post(
            "/v1/inbox/{delivery_id}/receipt",
            {},
            _RECIPIENT,
            f"receipt-{document_id}",
            role="clerk",
            delivery_id=f"{document_id}.{_RECIPIENT}.1",
        )
    site.drain("dispatch", count)
    site.checkpoint()
    return ids


def count(letter: str, site: Site) -> dict[str, Any]:
    _round(site, letter, _WARM, "warm")
    site.meter.take()
    for n in range(ALONE):
        _round(site, letter, 1, f"alone-{n}")
    alone = site.meter.take()
    before = site.stored()
    ids = _round(site, letter, LETTERS, "together")
    together = site.meter.take()
    stored = site.stored() - before
    kind = site.house.types.get("official-letter")
    assert kind is not None
    return {
        "letter": letter,
        "retention_years": kind.retention_years,
        "recipients": 1,  # the sender's own queue is read: it has the receipt
        "pdf_bytes": _bytes_of(site, ids),
        "alone": per_document(alone, ALONE),
        "together": per_document(together, LETTERS),
        "stored": {where: amount / LETTERS for where, amount in stored.items()},
        "by_function": _by_function(together),
    }


def _bytes_of(site: Site, ids: Sequence[str]) -> int:
    documents = [site.house.documents.get(document_id) for document_id in ids]
    sizes = [document.file.size for document in documents if document and document.file]
    return round(sum(sizes) / len(sizes))


def _by_function(together: Counter[Use]) -> list[dict[str, Any]]:
    return [
        {"step": step, **_uses_of(step, together)} for step in sorted({u.step for u in together})
    ]


def _uses_of(step: str, together: Counter[Use]) -> dict[str, Any]:
    found: Counter[str] = Counter()
    for use, amount in together.items():
        if use.step == step:
            found[use.unit] += amount
    return {unit: amount / LETTERS for unit, amount in found.items()}


def main(result: Path) -> None:
    with metered() as meter:
        # One delivery at a time: a meter counts for one thread.
        settings = replace(Settings.from_environment(os.environ), dispatch_at_once=1)
        house = House(settings)
        vars(house)["timestamper"] = CountedStamps(house.timestamper, meter)
        vars(house)["file_checker"] = VerifyFunction(NearVerify(meter), "verify")  # type: ignore[arg-type]  # what is used of it
        furnish(house)
        site = Site(house, meter, os.environ["TRA_TOKEN_URL"])
        counted = [count(letter, site) for letter in KINDS]
    result.write_text(json.dumps(counted), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
