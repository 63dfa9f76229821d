"""Second factors through the deployed stack: gateway, function, KMS and table are the real ones."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from chalicelib.cli import main
from infra import client as api
from infra.authenticator import Authenticator
from tests.support.software_key import SoftwareKey

if TYPE_CHECKING:
    from boto3.session import Session

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

FACTORS = "/v1/me/factors"


def _post(client: api.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return client.post(path, body, key=secrets.token_hex(8))


def test_a_key_an_app_and_a_reset_by_two(
    deployment: Deployment, aws: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 7 item 3: an approver enrols a key, with it an app; no seed lies in clear; a supervisor
    and the head, each with an own code, reset both; `tra` shows what is left."""

    def who(name: str) -> api.Client:
        return api.sign_in_as(deployment.url, deployment.token_url, f"cgd-{name}")

    approver, supervisor, head = who("approver"), who("supervisor"), who("head")
    address = urlsplit(deployment.url)
    key = SoftwareKey(origin=f"{address.scheme}://{address.netloc}")

    # A key, by real signatures, first of all.
    begun = _post(approver, FACTORS, {"method": "webauthn", "label": "กุญแจ"})
    confirmation = f"{FACTORS}/{begun['factor_id']}/confirmation"
    made = _post(approver, confirmation, {"credential": key.create(begun["options"])})
    assert len(made["recovery_codes"]) == 10

    # The key enrols an app, and only for what its challenge was given for.
    asked = {"action": "factors:enrol", "what": {"method": "totp"}}
    options = _post(approver, f"{FACTORS}/challenges", asked)["options"]
    app = Authenticator.enrol(approver, assertion=key.get(options))
    refused = approver.call("POST", FACTORS, json={"method": "totp"})
    assert (refused.status, json.loads(refused.data)["reason"]) == (403, "factor_missing")

    # Whoever reads the table has no seed and no recovery code.
    pages = (
        aws.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=deployment.outputs["FactorsTable"])
    )
    stored = json.dumps([page["Items"] for page in pages], default=str)
    assert "FACTOR#cgd#cgd-approver" in stored
    assert app.totp.secret not in stored
    assert base64.b64encode(app.totp.byte_secret()).decode() not in stored
    assert not [code for code in made["recovery_codes"] if code in stored]

    # Two others reset.
    reset = "/v1/officers/cgd-approver/factor-reset"
    first = _post(supervisor, reset, {"otp": Authenticator.enrol(supervisor).code()})
    assert first["state"] == "asked"
    assert approver.get(FACTORS)["reset_asked"] is True
    second = _post(head, reset, {"otp": Authenticator.enrol(head).code()})
    assert second["state"] == "reset"

    # As a person at a terminal sees it.
    assert _tra(deployment, "factor", "show", "--person", "cgd-approver") == 0
    assert json.loads(capsys.readouterr().out)["factors"] == []
    assert _tra(deployment, "factor", "enrol", "--no-confirm", "--person", "cgd-approver") == 0
    shown = capsys.readouterr()
    assert "█" in shown.out or "▀" in shown.out
    assert "confirm before" in shown.err


def _tra(deployment: Deployment, *arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TRA_TOKEN", "TRA_CLIENT_ID", "TRA_OTP"):
            patch.delenv(name, raising=False)
        patch.setenv("TRA_URL", deployment.url)
        patch.setenv("TRA_TOKEN_URL", deployment.token_url)
        return main(arguments)
