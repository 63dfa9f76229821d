"""Letters through the API, on fakes: a sender, recipients whose inbox is here, and recipients with
systems of their own. Particulars are invented."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.adapters.memory import MemoryDirectory
from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.deliveries import Delivery, DeliveryId
from chalicelib.domain.directory import Agency, Unit
from chalicelib.domain.documents import Document
from chalicelib.domain.receipts import Receipt, Rejection, make_receipt, print_receive_number
from chalicelib.domain.seals import SealCredential
from chalicelib.ports import Search
from tests.fault.harness import World
from tests.integration.conftest import Answer, Api
from tests.support.delivering import Signer
from tests.support.evidence import LocalSigner
from tests.support.rooms import Fakes, furnished, sample_event

SENDER = Agency(
    agency_id="slc",
    name_th="สำนักเลขาธิการคณะรัฐมนตรี",
    name_en="Cabinet",
    letter_prefix="นร ๐๕๐๕",
    seals=(SealCredential(key_id="key-slc", chain_pem=()),),
)
HOSTED = Agency(
    agency_id="dga",
    name_th="สำนักงานพัฒนารัฐบาลดิจิทัล",
    name_en="DGA",
    letter_prefix="สพร ๒๕๖๓",
    signatory_position_th="ผู้อำนวยการสำนักงานพัฒนารัฐบาลดิจิทัล",
    units=(Unit("saraban", "งานสารบรรณ"), Unit("law", "ฝ่ายกฎหมาย")),
)
ALSO_HOSTED = Agency(agency_id="onep", name_th="สำนักงานนโยบายและแผน", name_en="ONEP")
BY_MAIL = Agency(
    agency_id="court", name_th="สำนักงานศาล", name_en="Court", channel=ChannelKind.EMAIL
)
OWN = "opm"

_BASE = sample_event("api")["requestContext"]["authorizer"]
SCOPES = (
    "letters:send letters:read letters:recall inbox:read inbox:register inbox:reject "
    "inbox:forward documents:submit documents:read documents:search files:read registers:read"
)

LETTER: dict[str, Any] = {
    "subject": "ขอเชิญประชุม",
    "to": ["dga"],
    "paragraphs": ["ด้วยสำนักเลขาธิการคณะรัฐมนตรีกำหนดจัดประชุม", "จึงเรียนมาเพื่อโปรดทราบ"],
    "urgency": "express",
}
TO_ALL: dict[str, Any] = {**LETTER, "to": ["dga", "opm", "onep"], "addressee": "หัวหน้าส่วนราชการ"}


def officer(agency_id: str, role: str = "clerk", **changes: str) -> dict[str, Any]:
    """A token of that agency, as the authorizer tells of it."""
    own = {"agency": agency_id, "sub": f"{agency_id}-{role}", "roles": role, "scope": SCOPES}
    return {**_BASE, **own, "name": f"นางสาว{agency_id} ตัวอย่าง", **changes}


@dataclass
class Office:
    """The API and all functions behind it; `key` signs for `opm`, which has a system of its own."""

    api: Api
    key: Signer

    @property
    def fakes(self) -> Fakes:
        return self.api.fakes

    def post(
        self,
        route: str,
        body: object = None,
        *,
        by: dict[str, Any],
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        **path: str,
    ) -> Answer:
        return self.api.call(
            "POST", route, path=path, body=body, query=query, headers=headers, authorizer=by
        )

    def get(
        self,
        route: str,
        *,
        by: dict[str, Any],
        headers: dict[str, str] | None = None,
        path: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """Names of `query` may end with an underscore."""
        asked = {name.rstrip("_"): value for name, value in query.items()}
        return self.api.call("GET", route, path=path, query=asked, headers=headers, authorizer=by)

    # -- the sender ------------------------------------------------------------

    def send(
        self, body: object, *, by: dict[str, Any] | None = None, headers: Any = None
    ) -> Answer:
        return self.post("/v1/letters", body, by=by or officer("slc"), headers=headers)

    def sent(self, body: dict[str, Any]) -> str:
        """Sent by an application, and with all its recipients; its id."""
        answer = self.send(body, by=officer("slc", "application"))
        assert answer.status == 202, answer.text
        self.rest()
        document_id: str = answer.json["document_id"]
        return document_id

    def deliveries(self, document_id: str, **query: Any) -> Any:
        path = {"document_id": document_id}
        answer = self.get(
            "/v1/letters/{document_id}/deliveries", by=officer("slc"), path=path, **query
        )
        assert answer.status == 200, answer.text
        return answer.json

    def on(
        self, what: str, delivery_id: str, body: object = None, *, by: dict[str, Any] | None = None
    ) -> Answer:
        """`recall`, `dispute`, `resend` of a delivery."""
        return self.post(
            f"/v1/letters/{{document_id}}/deliveries/{{delivery_id}}/{what}",
            body,
            by=by or officer("slc"),
            document_id=delivery_id.partition(".")[0],
            delivery_id=delivery_id,
        )

    # -- the recipient -----------------------------------------------------------

    def arrival(self, delivery_id: str, part: str = "", **asked: Any) -> Answer:
        by = asked.pop("by", None) or officer(delivery_id.split(".")[1])
        route = f"/v1/inbox/{{delivery_id}}{part}"
        return self.get(route, by=by, path={"delivery_id": delivery_id}, **asked)

    def does(
        self, what: str, delivery_id: str, body: object = None, *, by: dict[str, Any] | None = None
    ) -> Answer:
        """`receipt`, `rejection`, `forward`, `correction` for a delivery."""
        by = by or officer(delivery_id.split(".")[1])
        return self.post(f"/v1/inbox/{{delivery_id}}/{what}", body, by=by, delivery_id=delivery_id)

    def receipt(self, delivery_id: str, number: int = 44, **changes: Any) -> str:
        """As opm's own system signs it now."""
        delivery = self.delivery(delivery_id)
        assert delivery.received is not None
        made: Receipt = make_receipt(
            delivery,
            received=delivery.received,
            year=2026,
            number=number,
            printed=print_receive_number(2026, number, None),
            registered_at=self.fakes.clock(),
            receiver="นายรับเอง ตัวอย่าง",
            agency_name="สำนักนายกรัฐมนตรี",
        )
        return self.key.sign(replace(made, **changes).payload())

    def signed(self, rejection: Rejection) -> str:
        return self.key.sign(rejection.payload())

    # -- behind it -----------------------------------------------------------------

    def delivery(self, delivery_id: str) -> Delivery:
        record = self.fakes.deliveries.get(DeliveryId.parse(delivery_id))
        assert record is not None
        return record.delivery

    def stored(self) -> tuple[Document, ...]:
        """All documents of the sender."""
        return self.fakes.ledger.search(Search(agency_id="slc")).documents

    def rest(self) -> None:
        World(self.fakes).run_to_rest()


@contextmanager
def letter_office(**fakes: Any) -> Iterator[Office]:
    """The office, with handlers finding its house."""
    key = Signer("opm-1")
    own = Agency(
        agency_id=OWN,
        name_th="สำนักนายกรัฐมนตรี",
        name_en="OPM",
        channel=ChannelKind.QUEUE,
        inbox_url="memory:opm",
        reply_keys=tuple(key.jwks["keys"]),
    )
    made = Fakes(signer=LocalSigner(), **fakes)
    made.directory = MemoryDirectory((SENDER, HOSTED, ALSO_HOSTED, BY_MAIL, own), ("root",))
    house = made.house()
    vars(house)["delivery_room"] = replace(house.delivery_room, pause=lambda _: None)
    with furnished(house):
        yield Office(Api(made), key)
