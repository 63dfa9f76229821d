"""Sealing alone, with P-256: our bytes against other people's, on one rendered licence.

The sealed files of all are left in build/bench/sealing, to be looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from statistics import median

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from chalicelib.adapters.pades.sealer import PadesSealer
from chalicelib.adapters.trust import UsableCredential
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.domain.seals import KeyAlgorithm, SealedPdf, SealLevel, SealPolicy
from chalicelib.ports import LintedPdf
from infra.pki import DevelopmentPki
from tests.bench.cpu import ROUNDS, in_turns
from tests.bench.licences import request
from tests.bench.peers.launch import Measured, Missing, node_peer, python_peer
from tests.bench.peers.pyhanko_way import PyHankoWay
from tests.bench.results import Result, duration
from tests.support.sealing import (
    GivenChecker,
    LocalTimestamper,
    local_pki,
    software_key,
    usable_credential,
)

ROOM = Path("build/bench/sealing")
_TIMES = 200  # of ours in a round
_PEER_TIMES = 10
_PASSPHRASE = "bench"


def seal_bb_vs_peers() -> Result:
    """B-B against the best of endesive and @signpdf. The latter's own signer knows no P-256,
    so it is measured with RSA-2048 as it comes, and with a signer for P-256."""
    bench = workbench()
    _leave_for_peers(bench)
    peers = [
        python_peer("endesive", ROOM),
        node_peer("@signpdf RSA-2048", ROOM, "rsa"),
        node_peer("@signpdf P-256", ROOM, "p256"),
    ]
    ours = in_turns({"ours": (bench.sealing(SealLevel.B_B), _TIMES)})["ours"]
    (ROOM / "ours-B-B.pdf").write_bytes(bench.seal(SealLevel.B_B).pdf)
    return _against_best(ours, peers, target="≥ 5×")


def seal_bt_vs_pyhanko() -> Result:
    """B-T against pyHanko's documented PdfSigner."""
    return _against_pyhanko(SealLevel.B_T)


def seal_blta_vs_pyhanko() -> Result:
    """B-LTA against pyHanko's documented PdfSigner with validation data and LTA."""
    return _against_pyhanko(SealLevel.B_LTA)


def seal_share_of_raw_signature() -> Result:
    """B-LTA against the bare P-256 signatures in it: the seal's, and those that the authority
    in this process makes for its two time-stamps."""
    bench = workbench()
    digest = bytes(32)

    def sign_thrice(_: int) -> None:
        for _ in range(3):
            bench.usable.key.sign_digest(digest)

    samples = in_turns(
        {"ours": (bench.sealing(SealLevel.B_LTA), _TIMES), "raw": (sign_thrice, _TIMES)}
    )
    return duration(
        samples["ours"], samples["raw"], target="—", against="three bare P-256 signatures"
    )


def own_check_ms() -> Result:
    """What checking the own seal adds (P3); no peer does that. Against the sealing itself."""
    bench = workbench()
    sealed = bench.seal(SealLevel.B_LTA)
    samples = in_turns(
        {
            "check": (lambda _: bench.sealer.verify_own(sealed, bench.linted), _TIMES),
            "seal": (bench.sealing(SealLevel.B_LTA), _TIMES),
        }
    )
    return duration(samples["check"], samples["seal"], target="—", against="sealing B-LTA")


# -- the bench -------------------------------------------------------------------


@dataclass(frozen=True)
class Workbench:
    """A rendered licence, a seal by a key in this process, and an authority beside it."""

    pki: DevelopmentPki
    usable: UsableCredential
    stamper: LocalTimestamper
    sealer: PadesSealer
    linted: LintedPdf

    def seal(self, level: SealLevel, linted: LintedPdf | None = None) -> SealedPdf:
        return self.sealer.seal(
            linted or self.linted, (self.usable.credential,), SealPolicy(level=level)
        )

    def sealing(self, level: SealLevel) -> Callable[[int], object]:
        return lambda _: self.seal(level)

    def pyhanko(self, level: SealLevel) -> PyHankoWay:
        root = self.pki.root.certificate.public_bytes(Encoding.DER)
        return PyHankoWay(software_key(KeyAlgorithm.P_256), self.usable, self.stamper, root, level)


@cache
def workbench() -> Workbench:
    ROOM.mkdir(parents=True, exist_ok=True)
    pki = local_pki(ROOM / "pki")
    usable, stamper = usable_credential(pki), LocalTimestamper(pki)
    renderer, asked = TypstRenderer(), request(1)
    return Workbench(
        pki=pki,
        usable=usable,
        stamper=stamper,
        sealer=PadesSealer(GivenChecker([usable]), stamper, clock=lambda: datetime.now(UTC)),
        linted=renderer.lint(renderer.render(asked), asked),
    )


def _against_pyhanko(level: SealLevel) -> Result:
    bench = workbench()
    way = bench.pyhanko(level)
    samples = in_turns(
        {"ours": (bench.sealing(level), _TIMES)},
        {"pyhanko": (lambda _: way.seal(bench.linted.pdf), _PEER_TIMES)},
    )
    (ROOM / f"ours-{level}.pdf").write_bytes(bench.seal(level).pdf)
    (ROOM / f"pyhanko-{level}.pdf").write_bytes(way.seal(bench.linted.pdf))
    against = f"pyHanko's PdfSigner, {level}"
    return duration(samples["ours"], samples["pyhanko"], target="≥ 20×", against=against)


def _against_best(ours: list[float], peers: list[Measured | Missing], *, target: str) -> Result:
    there = [peer for peer in peers if isinstance(peer, Measured)]
    told = [
        f"{peer.name} {median(peer.samples):.3g} ms"
        if isinstance(peer, Measured)
        else f"{peer.name} missing: {peer.why}"
        for peer in peers
    ]
    best = min((peer.samples for peer in there), key=median, default=[])
    against = "best of " + ", ".join(told)
    if not best:
        return replace(duration(ours, ours, target=target, against=against), peer=0, ratio=0)
    return duration(ours, best, target=target, against=against)


def _leave_for_peers(bench: Workbench) -> None:
    """The same page, key and certificates, as files; for RSA, a seal of its own."""
    plan = {"warm": 20, "rounds": ROUNDS, "times": 50, "passphrase": _PASSPHRASE}
    (ROOM / "plan.json").write_text(json.dumps(plan))
    (ROOM / "page.pdf").write_bytes(bench.linted.pdf)
    key = software_key(KeyAlgorithm.P_256).private
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (ROOM / "key.pem").write_bytes(pem)
    (ROOM / "chain.pem").write_text("".join(bench.usable.credential.chain_pem))
    (ROOM / "seal.p12").write_bytes(_rsa_p12())


def _rsa_p12() -> bytes:
    """An RSA key with a certificate by itself: node-forge reads none that a P-256 CA signed."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Seal")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    kept = BestAvailableEncryption(_PASSPHRASE.encode())
    return pkcs12.serialize_key_and_certificates(b"seal", key, certificate, None, kept)
