"""The officers of `make demo`: two approve with codes of their apps, one refuses, and a secret letter
goes from registrar to registrar.

Three licences wait for two approvers. Each approver enrols an app, sees a preview, and decides on all
three with one code; the second refuses one of them. Two get numbers, the refused one gets none. The
same code for anything else is refused. Then a registrar of secrets sends a letter that is ลับมาก: the
other agency's registrar reads a copy with the own name on every page and registers it; clerks of both
agencies see nothing; and the auditors' reports tell who read it.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chalicelib.domain.thai import long_instant
from infra import client as api
from infra import real_letters
from infra.authenticator import Authenticator
from infra.local import ROOT
from infra.offline import verify_offline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.local import Deployment

ISSUER, TYPE = "dbd", "licence"
POLICY = {ISSUER: {"approvals": {TYPE: {"approvers": 2}}}}
"""What these agencies set besides the list of all (infra/agencies.json)."""

_APPROVERS = (f"{ISSUER}-approver", f"{ISSUER}-approver2")
_APPROVED = {"decision": "approve"}
_REFUSED = {"decision": "reject", "reason": "ที่ตั้งสถานประกอบการไม่ตรงกับแผนที่แนบ"}
_SECRET_LETTER, _TO = "opdc-55", "slc"
_WAIT_SECONDS = 60
_POLL_SECONDS = 0.5


class OfficersError(Exception):
    """Something was allowed, or refused, that the demo promises otherwise; the text says what."""


@dataclass(slots=True)
class Desk:
    """What the demo does with officers, step by step."""

    deployment: Deployment
    room: Path
    documents: list[str] = field(default_factory=list)
    issued: list[dict[str, Any]] = field(default_factory=list)
    letter: str = ""
    accesses: list[dict[str, Any]] = field(default_factory=list)
    _clients: dict[str, api.Client] = field(default_factory=dict)
    _apps: dict[str, Authenticator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.room.mkdir()

    # -- approvals -------------------------------------------------------------------

    def submit(self) -> str:
        """Three licences, which nobody numbers yet."""
        example = (ROOT / "chalicelib" / "templates" / TYPE / "example.json").read_text("utf-8")
        request = json.loads(example)
        app = api.sign_in(self.deployment.url, self.deployment.token_url, ISSUER, ("application",))
        for place in range(3):
            accepted = app.submit(request, key=f"demo-approvals-{place}")
            if accepted["state"] != "awaiting_approval":
                raise OfficersError(f"not held for approval: {accepted}")
            self.documents.append(accepted["document_id"])
        return f"{len(self.documents)} await two officers"

    def enrol(self) -> str:
        """Each approver enrols an app and confirms it by its first code."""
        for subject in _APPROVERS:
            self._apps[subject] = Authenticator.enrol(self._client(subject))
        return f"{len(self._apps)} apps enrolled"

    def decide(self) -> str:
        """One code approves three; the second officer refuses the last of them."""
        first, second = _APPROVERS
        code = self._apps[first].code()
        self._decide_all(first, code, refused=None)
        replayed = self._client(first).call(
            "POST", "/v1/me/factors/recovery-codes", json={"otp": code}
        )
        if replayed.status != HTTPStatus.FORBIDDEN:
            raise OfficersError(f"a code was good twice: {replayed.status}")
        self._decide_all(second, self._apps[second].code(), refused=self.documents[-1])
        return "2 officers, 1 code each; a code again for something else: 403"

    def _decide_all(self, subject: str, code: str, *, refused: str | None) -> None:
        officer = self._client(subject)
        waiting = {one["document_id"]: one for one in officer.get("/v1/approvals")["items"]}
        if not waiting.keys() >= set(self.documents):
            raise OfficersError(f"not shown to the approver: {sorted(waiting)}")
        self._keep_preview(officer, self.documents[0])
        decisions = [
            {
                "document_id": document_id,
                "content_digest": waiting[document_id]["content_digest"],
                **(_REFUSED if document_id == refused else _APPROVED),
            }
            for document_id in self.documents
        ]
        said = officer.post(
            "/v1/approvals", {"decisions": decisions, "otp": code}, key="demo-decisions"
        )
        if said["decided"] != len(decisions):
            raise OfficersError(f"not all was decided: {said}")

    def _keep_preview(self, officer: api.Client, document_id: str) -> None:
        shown = officer.get(f"/v1/documents/{document_id}/preview")
        pdf = base64.b64decode(shown["preview_base64"])
        (self.room / f"preview-{document_id}.pdf").write_bytes(pdf)

    def wait_for_numbers(self, show: Callable[[str], None]) -> str:
        """What was approved is issued, with its records; what was refused never had a number."""
        clerk = self._client(f"{ISSUER}-clerk")
        views = api.wait_until_told(
            [(clerk, document_id) for document_id in self.documents],
            seconds=_WAIT_SECONDS,
            show=show,
        )
        *issued, refused = views
        if any(view["state"] != "issued" for view in issued):
            raise OfficersError(f"not issued: {[view['state'] for view in issued]}")
        if refused["state"] != "rejected" or refused["number"] is not None:
            raise OfficersError(f"refused and numbered all the same: {refused['state']}")
        numbers = [view["number"] for view in issued]
        self.issued = issued
        return f"numbers {numbers}; 1 refused, without number"

    def verify_offline(self) -> str:
        """What was issued, with the signed records of its approvals, from files alone."""
        clerk = self._client(f"{ISSUER}-clerk")
        for view in self.issued:
            document_id = view["document_id"]
            bundle = clerk.get(f"/v1/documents/{document_id}/evidence")
            records = bundle["approval"]["records"]
            if len(records) != len(_APPROVERS):
                raise OfficersError(f"{document_id}: {len(records)} records of approvals")
            verify_offline(clerk, document_id, bundle, self.deployment, self.room)
        return f"{len(self.issued)} documents with {len(_APPROVERS)} approvals each: TOTAL-PASSED"

    def registers(self) -> set[str]:
        """The registers that gave numbers here, those of secrets among them."""
        sender = real_letters.read(_SECRET_LETTER).sender
        letter = self._client(f"{sender}-registrar").show(self.letter)
        sent, year = letter["numbering"]["register_id"], letter["numbering"]["year"]
        issued = {view["numbering"]["register_id"] for view in self.issued}
        return {*issued, sent, f"{_TO}/receive-secret/{year}"}

    # -- a secret letter ---------------------------------------------------------------

    def send_secret(self) -> str:
        """From registrar to registrar; the subject is told to nobody else."""
        letter = real_letters.read(_SECRET_LETTER)
        registrar = self._client(f"{letter.sender}-registrar")
        body = {**letter.content, "to": [_TO], "classification": "secret"}
        headers = {"Idempotency-Key": "demo-secret"}
        asked = registrar.call("POST", "/v1/letters", json=body, headers=headers)
        if asked.status != HTTPStatus.CONFLICT:
            raise OfficersError(f"not held back until confirmed: {asked.status} {asked.data!r}")
        confirmation = asked.json()["confirmation"]["digest"]
        accepted = registrar.post(
            "/v1/letters", {**body, "confirmation": confirmation}, key="demo-secret"
        )
        self.letter = accepted["document_id"]
        return f"{letter.sender} → {_TO}, ลับมาก"

    def receive_secret(self, show: Callable[[str], None]) -> str:
        """The registrar reads and registers it; nobody else of both agencies knows of it."""
        registrar = self._client(f"{_TO}-registrar")
        delivery = self._arrived(registrar, show)
        copy = registrar.get(f"/v1/inbox/{delivery}/file")
        pdf = base64.b64decode(copy["pdf_base64"])
        (self.room / f"secret-{self.letter}-reading-copy.pdf").write_bytes(pdf)
        receipt = registrar.post(f"/v1/inbox/{delivery}/receipt", {}, key="demo-secret")
        self._hidden(f"{_TO}-clerk", f"/v1/inbox/{delivery}")
        sender = real_letters.read(_SECRET_LETTER).sender
        self._hidden(f"{sender}-clerk", f"/v1/documents/{self.letter}")
        return f"registered as {receipt['receive_number']}; to clerks it is not there"

    def _arrived(self, registrar: api.Client, show: Callable[[str], None]) -> str:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            for one in registrar.get("/v1/inbox")["items"]:
                if one["document_id"] == self.letter:
                    return str(one["delivery_id"])
            if time.monotonic() > deadline:
                raise OfficersError("the secret letter did not arrive")
            show("waiting")
            time.sleep(_POLL_SECONDS)

    def _hidden(self, subject: str, path: str) -> None:
        answer = self._client(subject).call("GET", path)
        if answer.status != HTTPStatus.NOT_FOUND:
            raise OfficersError(f"{subject} was told of {path}: {answer.status}")

    # -- showing -------------------------------------------------------------------------

    def report(self) -> str:
        """The accesses to the secret letter, as the sender's auditor sees them."""
        sender = real_letters.read(_SECRET_LETTER).sender
        auditor = self._client(f"{sender}-auditor")
        page = auditor.get(f"/v1/access-log?document_id={quote(self.letter)}")
        self.accesses = page["items"]
        return f"{len(self.accesses)} accesses to the secret letter"

    def rows(self) -> list[tuple[str, ...]]:
        """One for each access to the secret letter."""
        return [("who read the secret letter", "agency", "when", "what", "why")] + [
            (
                one["name_th"] or one["officer"] or "–",
                one["agency_id"],
                long_instant(datetime.fromisoformat(one["at"])),
                one["action"],
                one["reason"],
            )
            for one in self.accesses
        ]

    def _client(self, subject: str) -> api.Client:
        if subject not in self._clients:
            self._clients[subject] = api.sign_in_as(
                self.deployment.url, self.deployment.token_url, subject
            )
        return self._clients[subject]
