"""Letters with all that can become of them, on fakes, and the bundles that prove it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.bootstrap import House, bundle_trust
from chalicelib.domain.bundle_verdict import BundleVerdict
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import DeliveryId
from chalicelib.domain.delivery_events import NumberDisputed, Recalled, RelayRefused
from chalicelib.domain.delivery_records import RefusedAnswer
from chalicelib.domain.documents import Document, Reason
from chalicelib.domain.receipt_judgement import Refusal
from chalicelib.domain.registers import Book, LogName, Register
from chalicelib.services.bundle_trust import BundleTrust
from chalicelib.services.checkpoint import checkpoint_all, log_key
from chalicelib.services.register_letter import Receiver, correct_receipt
from chalicelib.services.verify_bundle import verify_bundle
from tests.fault.harness import World
from tests.integration.conftest import Answer, Api
from tests.support.evidence import LocalSigner
from tests.support.letters import Mail
from tests.support.rooms import Fakes, furnished, sample_event
from tests.support.samples import AGENCIES, document

GONE = Reason("channel_refused", "The channel refuses it.", "ช่องทางปฏิเสธ")
CLERK = Receiver(name="นางสาวรับ ตัวอย่าง", subject="clerk-7")
FORGED = "a receipt that nobody signed"

_BASE = sample_event("api")["requestContext"]["authorizer"]
_SCOPE = "documents:read files:read registers:read letters:read"


def caller(agency_id: str) -> dict[str, Any]:
    """A token of that agency, as the authorizer tells of it."""
    return {**_BASE, "agency": agency_id, "sub": f"{agency_id}-app", "scope": _SCOPE}


@dataclass
class Desk:
    """Three letters of diw, planned by the service, to dbd (hosted here), rd (with a system and
    key of its own) and paper (hosted); what happens then, the desk says.

    A: registered by dbd and rd, rejected by paper. B: lies with dbd, a forged receipt came for
    it; rd's channel refused it; recalled from paper. C: registered by dbd and corrected.
    """

    world: World
    house: House
    post: Mail

    def act(self) -> None:
        ids = {name: [DeliveryId(name, to) for to in ("dbd", "rd", "paper")] for name in "ABC"}
        for delivery_id in (*ids["A"], ids["B"][0], ids["C"][0]):
            self.post.arrives(delivery_id)
        self.post.is_registered(ids["A"][0])
        self.post.is_registered(ids["A"][1])
        self.post.is_rejected(ids["A"][2])
        now = self.house.clock()
        refused = RefusedAnswer(
            text=FORGED, refusal=Refusal.BAD_SIGNATURE, brought_by="paper", at=now
        )
        self.house.deliveries.refuse(ids["B"][0], refused)
        self.post.happens(ids["B"][1], RelayRefused(at=now, reason=GONE))
        self.post.happens(ids["B"][2], Recalled(at=now))
        number = self.post.is_registered(ids["C"][0])
        place = f"{self.house.registers.registers()[0].year}/{number}"
        self.post.happens(ids["C"][0], NumberDisputed(at=now, place=place))
        correct_receipt(ids["C"][0], receiver=CLERK, room=self.house.receiving_room)
        for delivery_id in (*ids["A"], *ids["B"], *ids["C"]):
            self.post.is_settled(delivery_id)

    def checkpoint(self) -> None:
        assert not checkpoint_all(room=self.house.checkpoint_room).failed

    def ask(self, document_id: str, agency_id: str = "diw", **query: str) -> Answer:
        """The bundle, as that agency gets it over HTTP."""
        return Api(self.world.fakes).call(
            "GET",
            "/v1/documents/{document_id}/evidence",
            path={"document_id": document_id},
            query=query,
            authorizer=caller(agency_id),
        )

    @property
    def signer(self) -> LocalSigner:
        signer: LocalSigner = self.world.fakes.signer
        return signer

    @property
    def reply_keys(self) -> Mapping[str, list[Mapping[str, Any]]]:
        """By agency, as GET /v1/agencies tells."""
        return {a.agency_id: list(a.reply_keys) for a in self.world.fakes.directory.agencies()}

    @property
    def trust(self) -> BundleTrust:
        key = log_key(
            Register("diw", "send", 2026),
            LogName.NUMBERS,
            public_url=self.house.settings.public_url,
            public_key=self.world.fakes.log_signer.public_key,
        )
        jwks = self.signer.jwks()
        return bundle_trust(log_keys=(key,), jwks=jwks, reply_keys=self.reply_keys.get)

    def verdict(self, bundle: Mapping[str, Any], trust: BundleTrust | None = None) -> BundleVerdict:
        """Offline: of the bundle and the keys alone."""
        return verify_bundle(bundle, trust=trust or self.trust, now=self.house.clock())


@contextmanager
def letter_desk() -> Iterator[Desk]:
    """The desk, with handlers finding its house."""
    own = LocalSigner()
    world = World(Fakes(signer=LocalSigner()))
    for agency in AGENCIES:
        hosted = agency.agency_id != "rd"
        changed = replace(
            agency,
            letter_prefix="อก ๐๓๐๒",
            channel=ChannelKind.HOSTED if hosted else ChannelKind.QUEUE,
            reply_keys=() if hosted else tuple(own.jwks()["keys"]),
        )
        world.fakes.directory.put_agency(changed)
    world.accept(*(_letter(name) for name in "ABC"))
    for function in ("number", "seal", "deliver"):
        while world.step(function):
            pass
    house = world.fakes.house()
    with furnished(house):
        desk = Desk(world, house, Mail(house, own))
        desk.act()
        desk.checkpoint()
        yield desk


def _letter(name: str) -> Document:
    letter = document(name, recipients=("dbd", "rd", "paper"))
    return replace(letter, book=Book("diw", "send"))
