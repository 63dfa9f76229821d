"""A recipient that Tra did not write: the sample in docs/guide, in Node, against real letters.

It is written from the published interface alone and shares no code with Tra.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.jws import check_jws
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, RetryBudget, plan
from chalicelib.domain.delivery_evidence import give_evidence
from chalicelib.domain.delivery_messages import delivered_event
from chalicelib.domain.receipt_judgement import (
    Accepted,
    Duplicate,
    judge_receipt,
    judge_rejection,
)
from chalicelib.domain.receipts import Receipt, Rejection
from tests.support.delivering import ISSUER, LETTER, Signer

SAMPLE = Path(__file__).parents[2] / "docs" / "guide" / "samples" / "node-recipient"

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
    pytest.mark.skipif(
        not (SAMPLE / "node_modules" / ".ready").exists(),
        reason="the recipient in Node is not installed: make interop does it",
    ),
]

TRA = Signer()
PDF = b"%PDF- a sealed letter"


def test_sample_passes_its_own_tests() -> None:
    """Issue 6: what an agency's developer runs first (npm test) passes."""
    said = subprocess.run(
        ["node", "--test"], cwd=SAMPLE, check=False, capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0, said.stdout


def _delivery(document_id: str, number: str, pdf: bytes = PDF) -> tuple[Delivery, bytes]:
    """A delivery to dga, sent just now, and the message that tells of it."""
    letter = replace(
        LETTER, document_id=document_id, number=number, file_digest=sha256(pdf).hexdigest()
    )
    now = datetime.now(UTC)
    moved = plan(
        letter, "dga", ChannelKind.QUEUE, at=now, budget=RetryBudget(now + timedelta(days=3))
    )
    delivery, (evidence,) = give_evidence(moved, issuer=ISSUER, sign=TRA.sign)
    return delivery, delivered_event(delivery, evidence, public_url=ISSUER)


# The sample's core with a Tra that gives one file and finds every seal good.
_DRIVER = """
import { readFileSync } from "node:fs";
import { compactVerify, createLocalJWKSet } from "jose";
import { Journal } from "./journal.mjs";
import { Recipient } from "./letters.mjs";

const [journal, key, jwks, pdf] = process.argv.slice(1);
const keys = createLocalJWKSet(JSON.parse(readFileSync(jwks)));
const signed = async (jws) =>
  JSON.parse(Buffer.from((await compactVerify(jws, keys)).payload).toString());
const recipient = new Recipient({
  agency: { id: "dga", name: "สำนักงานพัฒนารัฐบาลดิจิทัล", receiver: "นางสาวสมมติ รับหนังสือ", prefix: "สพร" },
  key: JSON.parse(readFileSync(key)),
  journal: await Journal.open(journal),
  tra: {
    publicUrl: "https://tra.test",
    signed,
    file: async () => Buffer.from(pdf),
    verdict: async () => ({ indication: "TOTAL-PASSED", register_answer: "match" }),
  },
  answer: async (kind, delivery, jws) => console.log(JSON.stringify({ kind, delivery, jws })),
});
for (const line of readFileSync(0, "utf8").split("\\n").filter(Boolean))
  await recipient.take(line, new Date());
"""


def test_what_it_states_is_believed(tmp_path: Path) -> None:
    """A1, P5: receipt and rejection made in Node are accepted by the rules that judge them, the
    times and both numbers are read as meant, and said twice they are the same bytes."""
    key = _new_key(tmp_path)
    (tmp_path / "jwks.json").write_text(json.dumps(TRA.jwks))
    first, message = _delivery("01HFIRST", "นร ๐๕๐๕/๑๗๑๒๑")
    other, same_file = _delivery("01HOTHER", "นร ๐๕๐๕/๑๗๑๒๒")
    texts = [message, message, same_file]
    files = [str(tmp_path / name) for name in ("journal.jsonl", "key.json", "jwks.json")]
    said = subprocess.run(
        ["node", "--input-type=module", "-e", _DRIVER, *files, PDF.decode()],
        cwd=SAMPLE,
        input=b"\n".join(texts),
        check=True,
        capture_output=True,
        timeout=60,
    )
    receipt, again, rejection = map(json.loads, said.stdout.splitlines())
    assert again == receipt

    def verify(jws: str) -> tuple[str, bytes]:
        return "dga", check_jws(jws, {"keys": [key]})

    now = datetime.now(UTC)
    judged = judge_receipt(first, receipt["jws"], verify=verify, now=now)
    assert isinstance(judged, Accepted)
    assert isinstance(judged.statement, Receipt)
    assert judged.statement.number == 1
    assert judged.statement.printed.startswith("สพร ร/ ")
    assert judged.statement.received.entered_at <= judged.statement.registered_at
    repeated = judge_receipt(judged.moved.delivery, again["jws"], verify=verify, now=now)
    assert isinstance(repeated, Duplicate)
    refused = judge_rejection(other, rejection["jws"], verify=verify, now=now)
    assert isinstance(refused, Accepted)
    assert isinstance(refused.statement, Rejection)
    assert refused.statement.code.value == "duplicate"


def _new_key(room: Path) -> dict[str, Any]:
    """A key of the agency's own in `key.json`; its public half, for the directory."""
    made = subprocess.run(
        ["node", "new-key.mjs", room / "key.json"], cwd=SAMPLE, check=True, capture_output=True
    )
    public: dict[str, Any] = json.loads(made.stdout)
    assert "d" not in public
    return public
