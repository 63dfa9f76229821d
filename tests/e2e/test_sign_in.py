"""Who may do what, on the deployed stack: token, table of officers, gateway and functions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.domain.officers import Ending
from chalicelib.domain.persons import Officer
from chalicelib.ports import OfficerStore
from infra import client as api
from infra.local import Deployment
from infra.people import applications_of, person

SUBJECT = "newcomer"


@pytest.fixture(scope="module")
def officers(deployment: Deployment) -> OfficerStore:
    # Here, because pynamodb reads region and endpoint from the environment when imported.
    from chalicelib.adapters.dynamodb.officers import DynamoOfficers  # noqa: PLC0415 - see above

    return DynamoOfficers(deployment.outputs["OfficersTable"])


def _reason(client: api.Client) -> str:
    """Why the list of documents is refused; nothing if it is not."""
    answer = client.call("GET", "/v1/documents?limit=1")
    return str(answer.json().get("reason", "")) if answer.status != 200 else ""


def test_an_appointment_holds_at_the_next_request_and_so_does_its_end(
    deployment: Deployment, officers: OfficerStore
) -> None:
    """A7, issue 7.1: one token, whose authorizer's answer the gateway keeps: refused, appointed,
    served, ended, refused."""
    client = api.sign_in_as(deployment.url, deployment.token_url, SUBJECT, agency="diw")
    assert _reason(client) == "not_appointed"
    clerk = person("diw-clerk")
    assert clerk is not None
    now = datetime.now(UTC)
    appointment = replace(
        clerk.appointed(now), subject=SUBJECT, appointment_id="e2e-newcomer", order="คำสั่งที่ ๑"
    )
    officers.appoint(appointment)
    assert _reason(client) == ""
    officers.end(appointment, Ending(at=datetime.now(UTC), by="diw-head", reason="ย้าย"))
    assert _reason(client) == "not_appointed"
    (stored,) = officers.appointments_of(Officer("diw", SUBJECT))
    assert stored.ended is not None


def test_an_agencys_application_signs_in_with_its_secret(deployment: Deployment) -> None:
    """Issue 7.2: client credentials; what it is not registered for it may not do, whatever scopes
    its token has."""
    (system,) = applications_of("rd")
    client = api.sign_in_with_secret(
        deployment.url, deployment.token_url, system.client_id, system.secret
    )
    assert _reason(client) == ""
    answer = client.call("GET", "/v1/officers")
    assert (answer.status, answer.json()["reason"]) == (403, "scope_missing")
