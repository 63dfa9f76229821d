"""What operators do is heard in CloudWatch, on the embedded AWS as it is really asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from chalicelib.adapters.announcing import EVENT, METRIC, OperatorAnnouncer
from chalicelib.domain.appointing import Intervention
from chalicelib.domain.errors import UnavailableError

CALLER = "arn:aws:iam::000000000000:user/operator"


@pytest.mark.aws
@pytest.mark.usefixtures("aws")
def test_every_try_is_a_line_and_a_count() -> None:
    """Issue 7, item 1: who did it, for which agency, and a number for the alarm; twice is heard
    twice. Without its log group nothing is done in silence: it is an error."""
    logs: Any = boto3.client("logs")
    metrics: Any = boto3.client("cloudwatch")
    group = f"/tra/{uuid4().hex[:8]}/operators"
    announcer = OperatorAnnouncer(logs, metrics, log_group=group, caller=CALLER)
    with pytest.raises(UnavailableError):
        announcer.announce("diw", Intervention.FIRST)
    logs.create_log_group(logGroupName=group)
    for why in Intervention:
        announcer.announce("diw", why)
    events = [
        json.loads(one["message"]) for one in logs.filter_log_events(logGroupName=group)["events"]
    ]
    assert sorted(events, key=lambda one: one["why"]) == [
        {"message": EVENT, "agency_id": "diw", "why": why, "by": CALLER}
        for why in ("first", "lost")
    ]
    now = datetime.now(UTC)
    told = metrics.get_metric_statistics(
        Namespace="Tra",
        MetricName=METRIC,
        Dimensions=[{"Name": "service", "Value": "tra"}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10),
        Period=3600,
        Statistics=["Sum"],
    )
    assert sum(point["Sum"] for point in told["Datapoints"]) == len(Intervention)
