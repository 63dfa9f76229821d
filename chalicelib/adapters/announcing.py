"""Making it heard that an operator gave an agency an administrator: a log line, and a metric whose
alarm tells everybody who is told of alarms."""

from __future__ import annotations

import json
import time
from typing import Any

from chalicelib.adapters.aws import translated
from chalicelib.domain.appointing import Intervention

EVENT = "TRA-OFF-007 administrator appointed by an operator"
METRIC = "AdministratorBootstrapped"
_NAMESPACE, _SERVICE = "Tra", "tra"


class OperatorAnnouncer:
    """`logs` and `metrics` are boto3 clients; `caller` is whose credentials are used (ARN): the one
    who answers for it."""

    def __init__(self, logs: Any, metrics: Any, *, log_group: str, caller: str) -> None:
        self._logs, self._metrics = logs, metrics
        self._log_group, self._caller = log_group, caller

    def announce(self, agency_id: str, why: Intervention) -> None:
        """Idempotency key of these writes: none; each try is heard. Dies between the two: the line
        is there and the alarm is not; nothing was appointed, and the next try raises it."""
        at = time.time_ns() // 1_000_000
        stream = f"{agency_id}-{time.time_ns()}"
        line = {"message": EVENT, "agency_id": agency_id, "why": why, "by": self._caller}
        with translated("log of operators"):
            self._logs.create_log_stream(logGroupName=self._log_group, logStreamName=stream)
            self._logs.put_log_events(
                logGroupName=self._log_group,
                logStreamName=stream,
                logEvents=[{"timestamp": at, "message": json.dumps(line)}],
            )
        with translated("metrics"):
            self._metrics.put_metric_data(
                Namespace=_NAMESPACE,
                MetricData=[
                    {
                        "MetricName": METRIC,
                        "Dimensions": [{"Name": "service", "Value": _SERVICE}],
                        "Value": 1,
                        "Unit": "Count",
                    }
                ],
            )
