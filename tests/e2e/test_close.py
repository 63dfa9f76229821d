"""The end of a year on the deployed stack: the function's own role, the public statement."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import urllib3

from chalicelib.domain.registers import Head, Register, Reserve, lay_out_reservation
from infra.local import ROOT, Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

OLD = Register("diw", "licence", 2025)
THEN = datetime(2025, 12, 30, 3, 0, tzinfo=UTC)
COUNT = 3


def _reserve_in_the_old_year(deployment: Deployment) -> None:
    """Numbers taken in 2025 and never used, as a stack of that year would have left them."""
    from chalicelib.adapters.dynamodb.registers import (  # noqa: PLC0415 - reads the region when imported
        DynamoRegisterStore,
    )

    store = DynamoRegisterStore(
        deployment.outputs["RegistersTable"],
        deployment.outputs["DocumentsTable"],
        sweep_after=timedelta(minutes=5),
    )
    terms = Reserve(
        reservation_id="01KDQ0000000000000000000R1",
        owner="clerk",
        reason="รอลงนาม",
        expires_at=THEN + timedelta(days=1),
    )
    salts = [f"{n:064x}" for n in range(1, COUNT + 1)]
    store.assign(lay_out_reservation(OLD, Head(), terms, salts, THEN), {})


def test_a_year_that_is_over_ends_with_a_public_statement(deployment: Deployment) -> None:
    """A18, P7: `close` ends what was reserved, publishes both logs and archives a signed
    statement that anybody can fetch and verify."""
    _reserve_in_the_old_year(deployment)
    event = (ROOT / "events/close.json").read_bytes()
    client = deployment.session().client("lambda")
    for closed in (1, 0):
        answer = client.invoke(FunctionName=f"{deployment.stack}-close", Payload=event)
        counts = json.loads(answer["Payload"].read())
        assert counts == {"closed": closed, "waiting": 0, "failed": 0}
    statement = _statement(deployment)
    assert statement["register_id"] == OLD.register_id
    assert (statement["last_number"], statement["issued"], statement["void"]) == (COUNT, 0, COUNT)
    # The sweep may have been there first.
    reasons = {void["reason"] for void in statement["void_numbers"]}
    assert reasons <= {"year_closed", "reservation_expired"}
    assert statement["logs"]["numbers"]["size"] == COUNT
    unknown = urllib3.request(
        "GET", f"{deployment.url}/v1/registers/diw/licence/2024/statement", redirect=False
    )
    assert (unknown.status, unknown.json()["code"]) == (404, "not_found")


def _statement(deployment: Deployment) -> dict[str, Any]:
    url = f"{deployment.url}/v1/registers/{OLD.register_id}/statement"
    token = urllib3.request("GET", url).data.decode()
    keys = jwt.PyJWKSet.from_dict(
        urllib3.request("GET", f"{deployment.url}/.well-known/jwks.json").json()
    )
    key = keys[jwt.get_unverified_header(token)["kid"]]
    payload: dict[str, Any] = jwt.decode(token, key, algorithms=["ES256"])
    return payload
