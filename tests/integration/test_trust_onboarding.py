"""Seals come into a deployment, and new ones take over, with real keys in KMS."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from chalicelib.adapters.memory import MemoryDirectory
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.seals import KeyAlgorithm
from infra.agency_list import read_agencies, read_keys
from infra.onboard import (
    chains_in,
    development_ca,
    onboard,
    roots_in,
    rotate,
)
from infra.pki import issue_seal_certificate, open_pki
from tests.support.samples import AGENCIES

if TYPE_CHECKING:
    from infra.pki import DevelopmentPki

pytestmark = pytest.mark.aws

DIW = replace(AGENCIES[0], inbox_url=None)


@dataclass
class Room:
    """A deployment as far as onboarding sees it, and a CA that answers by file."""

    stack: str
    directory: MemoryDirectory
    pki: DevelopmentPki
    chains: Path
    outputs: dict[str, str]

    def onboard(self, keys: dict[str, KeyAlgorithm] | None = None) -> Any:
        (agency,) = onboard(
            [DIW],
            [self.pki.root_pem],
            stack=self.stack,
            outputs=self.outputs,
            session=boto3.session.Session(),
            directory=self.directory,
            certify=chains_in(self.chains),
            keys=keys,
        )
        return agency

    def rotate(self, algorithm: KeyAlgorithm = KeyAlgorithm.P_256) -> Any:
        return rotate(
            DIW.agency_id,
            stack=self.stack,
            session=boto3.session.Session(),
            directory=self.directory,
            certify=chains_in(self.chains),
            algorithm=algorithm,
        )

    def certified_by_ca(self) -> int:
        """The CA certifies each public key it was sent, into a file of the same name."""
        requests = list(self.chains.glob("*.public.pem"))
        for path in requests:
            key = load_pem_public_key(path.read_bytes())
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            chain = issue_seal_certificate(self.pki, der, DIW.agency_id, DIW.name_th, "Works")
            (self.chains / path.name.replace(".public", "")).write_text("".join(chain))
            path.unlink()
        return len(requests)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentPki:
    return open_pki(tmp_path_factory.mktemp("pki"), "http://127.0.0.1:9/pki", stage="local")


@pytest.fixture
def room(aws: str, pki: DevelopmentPki, tmp_path: Path) -> Room:
    kms: Any = boto3.client("kms")
    outputs = {
        "DataKey": kms.create_key()["KeyMetadata"]["Arn"],
        "DeliverRole": "arn:aws:iam::000000000000:role/deliver",
        "DispatchRole": "arn:aws:iam::000000000000:role/dispatch",
    }
    return Room(
        f"tra-{uuid4().hex[:8]}", MemoryDirectory(), pki, tmp_path / "certificates", outputs
    )


def spec(key_id: str) -> str:
    kms: Any = boto3.client("kms")
    return str(kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeySpec"])


def test_an_agency_waits_for_its_certificate(room: Room) -> None:
    """B7: the key is made first and its public half is there for the CA; with the certificate
    in place the same command completes the agency."""
    assert room.onboard().seals == ()
    assert room.certified_by_ca() == 1
    (seal,) = room.onboard().seals
    assert len(seal.chain_pem) == 2
    assert room.onboard().seals == (seal,)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_agencies_choose_their_key(room: Room, algorithm: KeyAlgorithm) -> None:
    """B7: RSA or elliptic curve, per agency."""
    room.onboard({DIW.agency_id: algorithm})
    room.certified_by_ca()
    assert spec(room.onboard().seals[0].key_id) == algorithm.value


def test_rotation(room: Room) -> None:
    """Rotation without a break: until the new key is certified the old seal stays alone;
    then the new one is first and the old one second; and once more."""
    room.onboard()
    room.certified_by_ca()
    (old,) = room.onboard().seals
    assert room.rotate(KeyAlgorithm.RSA_2048).seals == (old,)
    assert room.rotate(KeyAlgorithm.RSA_2048).seals == (old,)
    assert room.certified_by_ca() == 1  # one new key, however often it was asked for
    new, kept = room.rotate(KeyAlgorithm.RSA_2048).seals
    assert kept == old
    assert spec(new.key_id) == KeyAlgorithm.RSA_2048.value
    assert room.directory.agency(DIW.agency_id) is not None
    room.rotate()
    room.certified_by_ca()
    assert [s.key_id for s in room.rotate().seals][1:] == [new.key_id, old.key_id]


def test_onboarding_again_keeps_a_rotation(room: Room) -> None:
    """Rotation without a break: the onboarding run again keeps all seals and their order,
    and takes a certificate that was renewed."""
    room.onboard()
    room.certified_by_ca()
    room.onboard()
    room.rotate()
    room.certified_by_ca()
    seals = room.rotate().seals
    assert room.onboard().seals == seals
    for path in room.chains.glob("*.pem"):
        path.unlink()
    assert room.onboard().seals == seals  # without files, what the directory has
    room.certified_by_ca()
    renewed = room.onboard().seals
    assert [s.key_id for s in renewed] == [s.key_id for s in seals]
    assert renewed != seals


def test_a_rotation_waiting_for_its_certificate_is_completed_by_onboarding(room: Room) -> None:
    """Rotation without a break: whichever command runs when the certificate has come."""
    room.onboard()
    room.certified_by_ca()
    (old,) = room.onboard().seals
    room.rotate()
    room.certified_by_ca()
    new, kept = room.onboard().seals
    assert kept == old
    assert new.key_id != old.key_id


def test_an_unknown_agency_is_not_rotated(room: Room) -> None:
    """P4: a mistyped agency is named, and no key is made for it."""
    with pytest.raises(LookupError, match="diw"):
        room.rotate()


def test_keys_are_chosen_in_the_list(tmp_path: Path) -> None:
    """B7: `seal_key` in the list of agencies, which is otherwise read as ever."""
    path = tmp_path / "agencies.json"
    entry = {"agency_id": "a", "name_th": "ก", "name_en": "A"}
    entries = [{**entry, "seal_key": "RSA_3072"}, {**entry, "agency_id": "b"}]
    path.write_text(json.dumps({"agencies": entries}))
    assert [agency.agency_id for agency in read_agencies(path)] == ["a", "b"]
    assert read_keys(path) == {"a": KeyAlgorithm.RSA_3072}
    assert read_agencies()


def test_no_development_root_in_production(tmp_path: Path) -> None:
    """Issue 4, 7: neither the development CA nor its root are onboarded in stage `prod`."""
    pki = open_pki(tmp_path, "http://localhost:1/pki", stage="local")
    assert roots_in(tmp_path, stage="dev") == (pki.root_pem,)
    with pytest.raises(ConfigurationError, match="development"):
        roots_in(tmp_path, stage="prod")
    with pytest.raises(ConfigurationError, match="development"):
        development_ca(tmp_path, stage="prod")
