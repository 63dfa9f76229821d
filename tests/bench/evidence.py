"""Evidence of deliveries: how many signed events and receipts come to be in a second, against
the signatures alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.adapters.kms import KmsEvidenceSigner
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Moved, happen, plan
from chalicelib.domain.delivery_events import Consigned, HandedOver, Received
from chalicelib.domain.delivery_evidence import give_evidence
from chalicelib.domain.receipts import make_receipt, print_receive_number
from tests.bench.results import Result, rate
from tests.support.delivering import BUDGET, ISSUER, LETTER, SENT_AT
from tests.support.embedded_aws import embedded_aws
from tests.support.evidence import LocalSigner

_DELIVERIES = 25
_SIGNATURES = 4  # of each: sent, arrived, the receipt, handed over
_ROUNDS = 7

Sign = Callable[[bytes], str]


def evidence_signatures_per_second() -> Result:
    """Deliveries from sending to their receipt, signed one after the other by KMS of the embedded
    AWS: events made, chained, signed as JWS. Beside it as many calls of Sign with a digest."""
    with TemporaryDirectory() as room, embedded_aws(Path(room)) as url:
        client = boto3.client(
            "kms",
            endpoint_url=url,
            region_name="ap-southeast-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        made = client.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        key_id = made["KeyMetadata"]["KeyId"]

        def bare() -> None:
            client.sign(
                KeyId=key_id,
                Message=os.urandom(32),
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )

        return _against(
            KmsEvidenceSigner(client, key_id).sign, bare, target="≥ 0.8×", against="KMS Sign alone"
        )


def evidence_signatures_local_per_second() -> Result:
    """The same with the key in this process: what is ours of the work. Beside it as many P-256
    signatures over a text as long as an event."""
    key, text = ec.generate_private_key(ec.SECP256R1()), os.urandom(1_300)

    def bare() -> None:
        key.sign(text, ec.ECDSA(hashes.SHA256()))

    return _against(LocalSigner().sign, bare, target="–", against="P-256 in the process alone")


def _against(sign: Sign, bare: Callable[[], None], *, target: str, against: str) -> Result:
    """In turns, so that what else runs on the machine slows both."""
    _deliver(sign, SENT_AT)
    bare()
    samples, peers = [], []
    for _ in range(_ROUNDS):
        samples.append(_SIGNATURES * _per_second(lambda: _deliver(sign, SENT_AT), _DELIVERIES))
        peers.append(_per_second(bare, _DELIVERIES * _SIGNATURES))
    found = rate(samples, peers, target=target, against=against)
    return replace(found, unit="signatures/s")


def _per_second(work: Callable[[], None], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return times / (time.perf_counter() - started)


_numbers = count(1)


def _deliver(sign: Sign, at: datetime) -> None:
    """One delivery, as `send`, `dispatch` and registering sign for it."""
    number = next(_numbers)
    letter = replace(LETTER, document_id=f"01HLETTER{number:06}")
    moved = plan(letter, "dga", ChannelKind.HOSTED, at=at, budget=BUDGET)
    delivery, _ = give_evidence(moved, issuer=ISSUER, sign=sign)
    arrived = Received(at + timedelta(minutes=1), at + timedelta(minutes=1))
    moved = _moved(happen(delivery, Consigned(at=arrived.entered_at, received=arrived)))
    delivery, _ = give_evidence(moved, issuer=ISSUER, sign=sign)
    receipt = make_receipt(
        delivery,
        received=arrived,
        year=2020,
        number=number,
        printed=print_receive_number(2020, number, None),
        registered_at=at + timedelta(minutes=5),
        receiver="เจ้าหน้าที่สารบรรณ",
        agency_name="สำนักงานพัฒนารัฐบาลดิจิทัล",
    )
    note = receipt.note(sign(receipt.payload()))
    moved = _moved(happen(delivery, HandedOver(at=receipt.registered_at, receipt=note)))
    give_evidence(moved, issuer=ISSUER, sign=sign)


def _moved(result: object) -> Moved:
    if not isinstance(result, Moved):
        raise TypeError("the delivery did not move")
    return result
