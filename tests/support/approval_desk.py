"""Officers who approve over the API of a house on fakes, each with an app for codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.access import Action, Role
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.documents import Classification, Document
from chalicelib.domain.officers import Appointment, Ending
from chalicelib.domain.persons import Officer
from tests.integration.conftest import Answer, Api
from tests.support.appointed import appoint
from tests.support.factors import Authenticator, enrolled

APPROVER = frozenset({Role.APPROVER})


@dataclass
class Approver:
    """One officer with a token, an appointment and an app."""

    api: Api
    officer: Officer
    app: Authenticator

    @property
    def context(self) -> dict[str, Any]:
        """As the gateway carries the token."""
        return {
            "sub": self.officer.subject,
            "agency": self.officer.agency_id,
            "scope": " ".join(action.value for action in Action),
            "exp": "4102444800",
        }

    @property
    def code(self) -> str:
        return self.app.code(self.api.fakes.clock())

    def next_code(self) -> str:
        """A code is good once: half a minute later there is another one."""
        self.api.fakes.clock.advance(timedelta(seconds=30))
        return self.code

    @property
    def appointment(self) -> Appointment:
        return self.api.fakes.officers.appointments_of(self.officer)[-1]

    def leaves(self) -> None:
        """The head ends the appointment, from now on, as a clock shows it that goes ahead."""
        at = self.api.fakes.clock() + timedelta(seconds=1)
        ending = Ending(at=at, by="head", reason="moved")
        self.api.fakes.officers.end(self.appointment, ending)

    def call(self, method: str, resource: str, document_id: str = "", **more: Any) -> Answer:
        path = {"document_id": document_id} if document_id else None
        return self.api.call(method, resource, path=path, authorizer=self.context, **more)

    def decides(self, document: Document, decision: str = "approve", **more: Any) -> Answer:
        body = {
            "decision": decision,
            "content_digest": document.content_digest,
            "otp": more.pop("otp", None) or self.code,
            **more,
        }
        if decision != "approve":
            body.setdefault("reason", "แก้ไขวันที่")
        return self.call("POST", DECIDE, document.document_id, body=body)

    def decides_all(self, documents: Iterable[Document], **more: Any) -> Answer:
        body = list_of(documents)
        return self.call("POST", LIST, body={**body, "otp": self.code, **more})


DECIDE = "/v1/documents/{document_id}/approvals"
LIST = "/v1/approvals"
CASE = "/v1/documents/{document_id}/approval"
PREVIEW = "/v1/documents/{document_id}/preview"
WITHDRAW = "/v1/documents/{document_id}/withdrawal"


def list_of(documents: Iterable[Document]) -> dict[str, Any]:
    """A list that approves each."""
    return {
        "decisions": [
            {
                "document_id": one.document_id,
                "content_digest": one.content_digest,
                "decision": "approve",
            }
            for one in documents
        ]
    }


@dataclass
class ApprovalDesk:
    """An API where documents of `diw` have to be approved."""

    api: Api
    policy: ApprovalPolicy = field(default_factory=lambda: ApprovalPolicy(approvers=1))
    _made: int = 0

    def __post_init__(self) -> None:
        self.set_policy(self.policy)

    def set_policy(self, policy: ApprovalPolicy, kind: str = "licence") -> None:
        agency = self.api.fakes.directory.agency("diw")
        assert agency is not None
        self.api.fakes.directory.put_agency(replace(agency, approvals={kind: policy}))

    def officer(
        self,
        subject: str = "approver-1",
        agency_id: str = "diw",
        roles: frozenset[Role] = APPROVER,
        clearance: Classification = Classification.NORMAL,
    ) -> Approver:
        fakes, officer = self.api.fakes, Officer(agency_id, subject)
        appoint(
            fakes.officers,
            officer,
            roles,
            at=fakes.clock(),
            clearance=clearance,
            name="นายพรชัย ใจซื่อ",
        )
        return Approver(self.api, officer, enrolled(fakes, officer))

    def submitted(self, licence: dict[str, Any], by: Approver | None = None) -> Document:
        """A document that awaits approval."""
        self._made += 1
        body = {**licence, "content": {**licence["content"], "premises": f"เลขที่ {self._made}"}}
        answer = self.api.call(
            "POST", "/v1/documents", body=body, authorizer=by.context if by else None
        )
        assert answer.status == 202, answer.text
        assert answer.json["state"] == "awaiting_approval"
        return self.now(answer.json["document_id"])

    def now(self, document: Document | str) -> Document:
        """As it is now."""
        document_id = document if isinstance(document, str) else document.document_id
        found = self.api.fakes.ledger.get(document_id)
        assert found is not None
        return found
