"""Invoking functions: from another one, or from outside (the `tra` command)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from chalicelib.adapters.aws import translated
from chalicelib.domain.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# Longer than any of our functions may run; and a function that runs is not started twice.
_READ_SECONDS = 300


def ask(
    client: LambdaClient, name: str, question: Mapping[str, Any], *, doing: str, failed: str
) -> Any:
    """What the function returned, as JSON. Raises UnavailableError if it cannot be invoked
    (naming what was being done), or with `failed` if it failed."""
    payload = json.dumps(question, ensure_ascii=False).encode()
    with translated(doing):
        answer = client.invoke(FunctionName=name, Payload=payload)
        told = answer["Payload"].read()
    if answer.get("FunctionError"):
        raise UnavailableError(failed)
    return json.loads(told)


def invoke(name: str, event: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """As `ask`, with the credentials, region and endpoint of `environment`."""
    failed = f"The function {name} failed; its log says why."
    return ask(_client(environment), name, event, doing=f"function {name}", failed=failed)


def settings_of(name: str, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The variables a function was deployed with. Raises UnavailableError."""
    with translated(f"function {name}"):
        found = _client(environment).get_function_configuration(FunctionName=name)
    return found.get("Environment", {}).get("Variables", {})


def caller(environment: Mapping[str, str]) -> str:
    """Whose credentials they are, as AWS names it (ARN). Raises UnavailableError."""
    with translated("identity service"):
        sts = _session(environment).client("sts", endpoint_url=environment.get("AWS_ENDPOINT_URL"))
        return str(sts.get_caller_identity()["Arn"])


def _session(environment: Mapping[str, str]) -> boto3.session.Session:
    return boto3.session.Session(
        environment.get("AWS_ACCESS_KEY_ID"),
        environment.get("AWS_SECRET_ACCESS_KEY"),
        environment.get("AWS_SESSION_TOKEN"),
        region_name=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
    )


def _client(environment: Mapping[str, str]) -> LambdaClient:
    return _session(environment).client(
        "lambda",
        endpoint_url=environment.get("AWS_ENDPOINT_URL"),
        config=Config(read_timeout=_READ_SECONDS, retries={"total_max_attempts": 1}),
    )
