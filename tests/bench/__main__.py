"""`python -m tests.bench [--only NAME]`: measure, write build/bench/summary.json, print a table."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable

from tests.bench.access import access_decision_microseconds
from tests.bench.approvals import approval_list_1000_seconds
from tests.bench.batches import batch_documents_per_core_second, batch_peak_mb
from tests.bench.busy import seal_core_busy
from tests.bench.cold_import import cold_import_api_ms, cold_import_seal_ms
from tests.bench.cost import cost_per_document_thb
from tests.bench.evidence import (
    evidence_signatures_local_per_second,
    evidence_signatures_per_second,
)
from tests.bench.issuing import issue_end_to_end
from tests.bench.letter_cost import cost_per_letter_thb
from tests.bench.letters import circular_300_seconds, letters_end_to_end_per_second
from tests.bench.logs import checkpoint_10k_seconds, proof_verify_per_second
from tests.bench.memory import seal_memory_10k_mb
from tests.bench.pages import issue_vs_weasyprint_pyhanko
from tests.bench.registers import (
    audit_100k_peak_mb,
    audit_100k_seconds,
    numbering_vs_single_increment,
)
from tests.bench.results import SUMMARY, Result, table, write
from tests.bench.sealing import (
    own_check_ms,
    seal_bb_vs_peers,
    seal_blta_vs_pyhanko,
    seal_bt_vs_pyhanko,
    seal_share_of_raw_signature,
)
from tests.bench.signing_cost import signing_cost_saving_thb

BENCHES: dict[str, Callable[[], Result]] = {
    bench.__name__: bench
    for bench in (
        issue_end_to_end,
        letters_end_to_end_per_second,
        circular_300_seconds,
        cold_import_api_ms,
        cold_import_seal_ms,
        numbering_vs_single_increment,
        checkpoint_10k_seconds,
        proof_verify_per_second,
        evidence_signatures_per_second,
        evidence_signatures_local_per_second,
        audit_100k_seconds,
        audit_100k_peak_mb,
        seal_bb_vs_peers,
        seal_bt_vs_pyhanko,
        seal_blta_vs_pyhanko,
        seal_share_of_raw_signature,
        own_check_ms,
        issue_vs_weasyprint_pyhanko,
        seal_core_busy,
        seal_memory_10k_mb,
        cost_per_document_thb,
        cost_per_letter_thb,
        signing_cost_saving_thb,
        batch_documents_per_core_second,
        batch_peak_mb,
        access_decision_microseconds,
        approval_list_1000_seconds,
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHES, metavar="NAME", help=", ".join(BENCHES))
    only = parser.parse_args().only
    # asn1crypto and pyHanko say on each file of the benchmarks what they say once elsewhere.
    logging.getLogger("pyhanko").setLevel(logging.ERROR)
    results: dict[str, Result] = {}
    for name, bench in BENCHES.items():
        if only in (None, name):
            print(f"  measuring {name} …", file=sys.stderr, flush=True)
            results[name] = bench()
            write({name: results[name]})
    print(table(results))
    print(f"\n{SUMMARY}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
