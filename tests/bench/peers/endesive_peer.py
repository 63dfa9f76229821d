"""endesive's documented signing of a PDF (its README, `pdf.cms.sign`), in .venv-peers.

The room holds page.pdf, key.pem, chain.pem and plan.json; endesive.pdf is left there.
"""

import json
import sys
import time
import types
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

# Its verifier alone needs certvalidator, whose oscrypto does not know OpenSSL 3.0.10 and later.
sys.modules.setdefault("certvalidator", types.ModuleType("certvalidator"))

from endesive.pdf import (  # type: ignore[import-not-found]  # noqa: E402 - in .venv-peers; after the line above
    cms,
)


def main() -> None:
    room = Path(sys.argv[1])
    plan = json.loads((room / "plan.json").read_text())
    pdf = (room / "page.pdf").read_bytes()
    key = load_pem_private_key((room / "key.pem").read_bytes(), None)
    certificate, *others = load_pem_x509_certificates((room / "chain.pem").read_bytes())

    def seal() -> bytes:
        wishes = {
            "aligned": 4096,
            "sigfield": "Seal1",
            "contact": "",
            "location": "",
            "reason": "",
            "signingdate": datetime.now(UTC).strftime("D:%Y%m%d%H%M%S+00'00'"),
        }
        revision: bytes = cms.sign(pdf, wishes, key, certificate, others, "sha256")
        return pdf + revision

    for _ in range(plan["warm"]):
        seal()
    samples = []
    for _ in range(plan["rounds"]):
        started = time.process_time()
        for _ in range(plan["times"]):
            sealed = seal()
        samples.append((time.process_time() - started) * 1000 / plan["times"])
    (room / "endesive.pdf").write_bytes(sealed)
    print(json.dumps({"ms": samples}))


main()
