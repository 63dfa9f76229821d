"""Officers and e-Proxies on the deployed stack: functions with their own roles, `tra bootstrap` with
an operator's credentials."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import bootstrap, cli
from chalicelib.domain.thai import in_bangkok
from infra import client as api
from infra.authenticator import Authenticator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from boto3.session import Session

    from infra.local import Deployment

pytestmark = [pytest.mark.aws, pytest.mark.deployed]

_SECONDS = 90
_ORDER = "คำสั่งกรมพัฒนาธุรกิจการค้า ที่ ๑/๒๕๖๙"


@pytest.fixture
def operator(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of somebody with the account's own credentials."""
    for name, value in deployment.environment().items():
        monkeypatch.setenv(name, value)
    bootstrap.forget_clients()
    yield
    bootstrap.forget_clients()


def _person(deployment: Deployment, subject: str) -> api.Client:
    return api.sign_in_as(deployment.url, deployment.token_url, subject)


def _roles(deployment: Deployment, subject: str) -> list[str]:
    roles: list[str] = _person(deployment, subject).get("/v1/me")["roles"]
    return roles


def test_an_administrator_appoints_and_ends(deployment: Deployment) -> None:
    """A7, issue 7 item 1: with the second factor, at once, listed in pages; the last administrator
    stays, and nobody appoints oneself."""
    head = _person(deployment, "dbd-head")
    codes = iter(Authenticator.enrol(head).recovery_codes)
    new = {
        "subject": "dbd-clerk",
        "name_th": "นางสาวพิมพ์ใจ ตัวอย่าง",
        "position_th": "นักวิชาการตรวจสอบภายใน",
        "roles": ["auditor"],
        "order": _ORDER,
    }
    made = head.post("/v1/officers", {**new, "otp": next(codes)}, key="e2e-appoint")
    assert _roles(deployment, "dbd-clerk") == ["auditor", "clerk"]
    first = head.get("/v1/officers?limit=2")
    assert len(first["items"]) == 2
    rest = head.get(f"/v1/officers?limit=200&cursor={first['cursor']}")
    listed = [one["appointment_id"] for one in (*first["items"], *rest["items"])]
    assert made["appointment_id"] in listed
    assert len(listed) == len(set(listed))

    body = {"reason": "ย้าย", "otp": next(codes)}
    head.post(f"/v1/appointments/{made['appointment_id']}/end", body, key="e2e-end")
    assert _roles(deployment, "dbd-clerk") == ["clerk"]

    (own,) = head.get("/v1/officers/dbd-head")["appointments"]
    assert own["appointed_by"] == "bootstrap"
    body = {"reason": "ลาออก", "otp": next(codes)}
    refused = head.call("POST", f"/v1/appointments/{own['appointment_id']}/end", json=body)
    assert (refused.status, refused.json()["reason"]) == (409, "last_administrator")
    more = {**new, "subject": "dbd-head", "otp": body["otp"]}
    refused = head.call("POST", "/v1/officers", json=more)
    assert (refused.status, refused.json()["reason"]) == (409, "own_appointment")

    grant = {
        "holder": "dbd-approver",
        "kind": "delegated",
        "position_th": "อธิบดีกรมพัฒนาธุรกิจการค้า",
        "order": _ORDER,
        "otp": body["otp"],  # refusals spent nothing
    }
    granted = head.post("/v1/authorities", grant, key="e2e-grant")
    told = _person(deployment, "dbd-approver").get("/v1/me")["authorities"]
    assert [one["authority_id"] for one in told] == [granted["authority_id"]]

    system = {"client_id": "dbd-e2e", "name_th": "ระบบทดสอบ", "scopes": ["documents:read"]}
    head.post("/v1/clients", {**system, "otp": next(codes)}, key="e2e-client")
    assert "dbd-e2e" in {one["client_id"] for one in head.get("/v1/clients")["items"]}


@pytest.mark.usefixtures("operator")
def test_an_operator_is_heard(
    deployment: Deployment, aws: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 7, item 1: once per agency; in vain or not, there is a line and a count, and an alarm
    that looks at it; lost administrators can be replaced, and the record says so for ever."""
    command = [
        *("bootstrap", "dbd", "--subject", "dbd-supervisor2", "--name-th", "นายดูแล ตัวอย่าง"),
        *("--position-th", "หัวหน้ากลุ่มงาน", "--order", _ORDER, "--yes"),
    ]
    assert cli.main(command) == 1
    assert "POST /v1/officers" in capsys.readouterr().err
    assert cli.main([*command, "--administrators-lost"]) == 0
    assert _roles(deployment, "dbd-supervisor2") == ["administrator", "supervisor"]
    group = f"/tra/{deployment.stack}/operators"
    events = aws.client("logs").filter_log_events(logGroupName=group)["events"]
    lines = [json.loads(event.get("message", "{}")) for event in events]
    assert sorted(one["why"] for one in lines if one["agency_id"] == "dbd") == ["first", "lost"]
    cloudwatch = aws.client("cloudwatch")
    name = f"{deployment.stack}-administrator-bootstrapped"
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    now = datetime.now(UTC)
    counted = cloudwatch.get_metric_statistics(
        Namespace=alarm["Namespace"],
        MetricName=alarm["MetricName"],
        Dimensions=alarm["Dimensions"],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=7200,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point.get("Sum", 0) for point in counted) == 2


def test_an_attorney_acts_by_proxy(
    deployment: Deployment,
    aws: Session,
    sign_in: Callable[[str], api.Client],
    example: Callable[[str], dict[str, Any]],
) -> None:
    """Issue 7, item 8: issued by one agency, used at another; the statement lies locked in the
    archive before it is answered; a revocation holds at once."""
    today = in_bangkok(datetime.now(UTC)).date()
    dates = {
        "valid_from": today.isoformat(),
        "valid_until": (today + timedelta(days=30)).isoformat(),
    }
    issuer = sign_in("dbd")
    body = {**example("e-proxy"), **dates, "recipients": []}
    accepted = issuer.submit(body, key="e2e-proxy")
    (view,) = api.wait_until_told([(issuer, accepted["document_id"])], seconds=_SECONDS)
    uses = f"/v1/proxies/{view['links']['verify'].rsplit('/', 1)[1]}/uses"
    act = {"attorney": {"registration_no": "3501200456785"}, "power": "licence.factory.apply"}

    counter = sign_in("diw")
    used = counter.post(uses, act, key="e2e-use")
    assert (used["allowed"], used["proxies"][0]["covered"]["uses_left"]) == (True, 0)
    assert counter.post(uses, act, key="e2e-use")["statement"] == used["statement"]
    again = counter.post(uses, act, key="e2e-use-2")
    assert [one["code"] for one in again["reasons"]] == ["used_up"]
    assert counter.get(f"{uses}/{used['use_id']}")["statement"] == used["statement"]

    s3, bucket = aws.client("s3"), deployment.outputs["ArchiveBucket"]
    key = f"proxies/{view['document_id']}/{used['use_id']}.jws"
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == used["statement"].encode()
    assert s3.get_object_retention(Bucket=bucket, Key=key)["Retention"].get("RetainUntilDate")

    approver = api.sign_in(deployment.url, deployment.token_url, "dbd", roles=("approver",))
    ruling = {"reason_code": "withdrawn_by_holder", "reason": "ผู้มอบอำนาจขอยกเลิก"}
    approver.post(f"/v1/documents/{view['document_id']}/revocation", ruling, key="e2e-revoke")
    fee = {**act, "power": "fee.pay", "amount_thb": "1.00"}
    refused = counter.post(uses, fee, key="e2e-use-3")
    assert [one["code"] for one in refused["reasons"]] == ["revoked"]
