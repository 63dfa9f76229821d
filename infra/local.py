"""The whole of Tra on this machine: embedded AWS, development PKI and issuer, stack.

    python -m infra.local up | down | status          (make up, make down)

`running()` is the same for the demo and the tests: it starts everything, yields a
`Deployment`, and stops everything, also on failure and Ctrl-C. Processes run in groups
of their own, in a clean environment, on loopback; their files live under
`build/<name>` and temporary ones are removed at the end.

What the embedded AWS does differently from AWS is put right here and checked (see
`_correct_archive`, `_correct_gateway`), so that the template stays the one for AWS.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from chalicelib.bootstrap import publish_packaged
from infra import agency_list, deploy, onboard
from infra import package as packaging
from infra.agency_systems import played_at
from infra.client import SCOPES
from infra.people import applications_of, appoint_people, people_of
from infra.pki import load_pki
from infra.progress import PhaseError, Phases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from chalicelib.domain.directory import Agency
    from chalicelib.domain.seals import KeyAlgorithm

ROOT = packaging.ROOT
BUILD = ROOT / "build"
STACK = "tra-local"
AUDIENCE = "tra"
_HOST = "127.0.0.1"
_START_SECONDS = 30
_STOP_SECONDS = 10
_POLL_SECONDS = 0.05
_API_STAGE = "api"
_HEALTHY = "healthy"
_XRAY_MARKER = Path("/tmp/.aws-xray/initialized")  # noqa: S108 - fixed by the SDK


class LocalError(Exception):
    """The local deployment cannot be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A running deployment and how to reach it. `environment()` is what `make up`
    writes and what the `tra` command and the tests read."""

    url: str
    endpoint: str
    services_url: str
    region: str
    stack: str
    directory: Path
    outputs: Mapping[str, str]

    @property
    def token_url(self) -> str:
        return f"{self.services_url}/oidc/token"

    @property
    def root_certificate(self) -> Path:
        return self.directory / "pki" / "root.pem"

    def environment(self) -> dict[str, str]:
        return {
            "TRA_URL": self.url,
            "TRA_STACK": self.stack,
            "TRA_TOKEN_URL": self.token_url,
            "TRA_TRUST_ANCHORS": str(self.root_certificate),
            **_aws_environment(self.endpoint, self.region),
        }

    def session(self) -> boto3.session.Session:
        """Root of the embedded account. Clients find the endpoint in the environment."""
        return _session(self.region)


@dataclass(frozen=True, slots=True)
class _Process:
    """A child in a process group of its own; `marker` is in its command line."""

    pid: int
    marker: str
    log: str


# -- life ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setup:
    """What may be otherwise than usual: which agencies are brought in, and parameters of the
    template."""

    agencies: Path = agency_list.AGENCIES
    parameters: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def running(
    directory: Path,
    *,
    phases: Phases | None = None,
    stack: str = STACK,
    setup: Setup = Setup(),
) -> Iterator[Deployment]:
    """Start everything under `directory`, yield it, stop everything.

    Within, `os.environ` points AWS clients at the embedded AWS. Raises LocalError or
    PhaseError if it does not come up, after stopping what had.
    """
    with reserved(directory), _terminated_as_interrupt(), _environment_restored():
        _refuse_running(directory)
        try:
            yield start(directory, phases=phases or Phases(quiet=True), stack=stack, setup=setup)
        finally:
            stop(directory)


@contextmanager
def reserved(directory: Path) -> Iterator[None]:
    """Keep `directory` for this process, by a lock beside it that ends with the process.
    Raises LocalError if another has it: the two would end each other's children."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f"{directory.name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(f"another process is at work in {directory}") from None
        yield


def _refuse_running(directory: Path) -> None:
    if _alive(directory):
        raise LocalError(f"{directory} holds a running deployment; stop it first (make down)")


def start(
    directory: Path,
    *,
    phases: Phases,
    stack: str = STACK,
    setup: Setup = Setup(),
) -> Deployment:
    """Start everything and leave it running. Raises PhaseError, LocalError.
    On failure the caller stops it; `stop` finds what was started."""
    _refuse_running(directory)
    _prepare(directory)
    services_port, aws_port = _free_port(), _free_port()
    services_url, endpoint = f"http://{_HOST}:{services_port}", f"http://{_HOST}:{aws_port}"
    region = packaging.DEFAULT_REGION
    os.environ.update(_aws_environment(endpoint, region))
    with phases("start the embedded AWS", log=directory / "aws.log"):
        _start_aws(directory, aws_port, region)
    with phases("start development PKI and issuer", log=directory / "devservices.log"):
        _start_services(directory, services_port)
    with phases("make the Lambda package") as show:
        package = packaging.build("local", BUILD / "package")
        show(", ".join(f"{n} {z / 2**20:.0f} MB" for n, (z, _) in package.sizes.items()))
    url = f"{endpoint}/_aws/execute-api/{stack}/{_API_STAGE}"
    with phases("deploy through CloudFormation", log=directory / "aws.log") as show:
        parameters = {
            "Stage": "local",
            "PublicUrl": url,
            "OidcIssuer": f"{services_url}/oidc",
            "OidcAudience": AUDIENCE,
            "TimestampUrls": f"{services_url}/pki/tsa {services_url}/pki/tsa2",
            "LockMode": "COMPLIANCE",
            "DirectoryFreshSeconds": "3",  # who tries something out does not want to wait
            **setup.parameters,
        }
        session = _session(region)
        deployed = deploy.deploy(package, stack, parameters, session=session, progress=show)
        show(f"stack {stack}")
    with phases("lock the archive and check it", log=directory / "aws.log") as show:
        _correct_archive(session, deployed.outputs["ArchiveBucket"])
        _correct_gateway(session, package, deployed.outputs["RestAPIId"])
        show("delete and overwrite refused")
    with phases("load the agency directory", log=directory / "aws.log") as show:
        listed = played_at(services_url, agency_list.read_agencies(setup.agencies))
        keys = agency_list.read_keys(setup.agencies)
        agencies = _onboard(session, directory, deployed, listed, keys)
        show(", ".join(agencies))
    with phases("appoint people, register applications", log=directory / "aws.log") as show:
        show(_appoint(deployed, agencies))
    with phases("publish the document types", log=directory / "aws.log") as show:
        show(f"{len(publish_packaged(stack, os.environ))} types")
    deployment = Deployment(url, endpoint, services_url, region, stack, directory, deployed.outputs)
    with phases("wait for the API", log=directory / "aws.log"):
        _wait_for_health(f"{url}/healthz", directory)
    _write_environment(deployment)
    return deployment


def stop(directory: Path) -> bool:
    """Stop what runs under `directory`; True if anything did. Repeatable."""
    processes = _read_processes(directory)
    stopped = [process for process in processes if _end(process)]
    (directory / "processes.json").unlink(missing_ok=True)
    (directory / "env").unlink(missing_ok=True)
    (directory / "deployment.json").unlink(missing_ok=True)
    shutil.rmtree(directory / "tmp", ignore_errors=True)
    if stopped:
        _remove_xray_marker()
    return bool(stopped)


def _remove_xray_marker() -> None:
    """The X-Ray SDK notes here, and nowhere else, that it was loaded; empty, and nobody on
    this machine reads it."""
    _XRAY_MARKER.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not there, or not only the marker in it
        _XRAY_MARKER.parent.rmdir()


def find(directory: Path) -> Deployment:
    """The deployment that runs under `directory`. Raises LocalError if none does."""
    path = directory / "deployment.json"
    if not path.exists() or not _alive(directory):
        raise LocalError(f"nothing runs under {directory}; start it with make up")
    fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Deployment(**{**fields, "directory": Path(fields["directory"])})


@contextmanager
def _terminated_as_interrupt() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that children are stopped then, too."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _environment_restored() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _prepare(directory: Path) -> None:
    stop(directory)  # what a killed run left behind
    shutil.rmtree(
        directory / "pki", ignore_errors=True
    )  # the archive does not outlive a run either
    (directory / "tmp").mkdir(parents=True)


# -- processes -------------------------------------------------------------------


def _start_aws(directory: Path, port: int, region: str) -> None:
    python = ROOT / ".venv-aws" / "bin" / "python"
    if not python.exists():
        raise LocalError("there is no .venv-aws; run make setup")
    temporary = directory / "tmp"
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "C.UTF-8",
        # Workers inherit this environment: nothing of the caller's may reach them.
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "STATE_DIR": str(temporary / "state"),
        "S3_DATA_DIR": str(temporary / "s3"),
        "BIND_HOST": _HOST,
        "MINISTACK_HOST": _HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        "MINISTACK_REGION": region,
        **{k: v for k, v in _aws_environment("", region).items() if k != "AWS_ENDPOINT_URL"},
    }
    _spawn(directory, "aws", [str(python), "-m", "ministack"], environment, marker="ministack")
    _wait_for_health(f"http://{_HOST}:{port}/_ministack/health", directory)


def _start_services(directory: Path, port: int) -> None:
    command = [sys.executable, "-m", "infra.devservices", "--port", str(port)]
    command += ["--dir", str(directory / "pki"), "--issuer-audience", AUDIENCE, "--stage", "local"]
    environment = {**os.environ, "TMPDIR": str(directory / "tmp"), "PYTHONUNBUFFERED": "1"}
    _spawn(directory, "devservices", command, environment, marker="infra.devservices")
    _wait_for_health(f"http://{_HOST}:{port}/healthz", directory)


def _spawn(
    directory: Path, name: str, command: list[str], environment: Mapping[str, str], *, marker: str
) -> None:
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    processes = [*_read_processes(directory), _Process(child.pid, marker, str(log))]
    (directory / "processes.json").write_text(json.dumps([asdict(p) for p in processes]))


def _read_processes(directory: Path) -> list[_Process]:
    path = directory / "processes.json"
    return [_Process(**entry) for entry in json.loads(path.read_text())] if path.exists() else []


def _alive(directory: Path) -> bool:
    return any(_is_running(process) for process in _read_processes(directory))


def _is_running(process: _Process) -> bool:
    """A process of that id, and still the one that was started (ids are used again)."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)  # collect it, if it was our own child
    shown = subprocess.run(
        ["ps", "-o", "stat=,args=", "-p", str(process.pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return process.marker in shown and not shown.lstrip().startswith("Z")


def _end(process: _Process) -> bool:
    """End the process and its group, workers included. False if it was gone."""
    was_running = _is_running(process)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if was_running or number == signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if _group_is_ours(process, was_running=was_running):
                    os.killpg(process.pid, number)
        if was_running:
            _until(lambda: not _is_running(process), _STOP_SECONDS)
    return was_running


def _group_is_ours(process: _Process, *, was_running: bool) -> bool:
    """Workers that outlived their leader are still in its group."""
    if was_running:
        return True
    shown = subprocess.run(
        ["ps", "-e", "-o", "pgid=,args="], capture_output=True, text=True, check=False
    ).stdout
    return any(
        line.split(None, 1)[0] == str(process.pid) and str(BUILD) in line
        for line in shown.splitlines()
        if line.strip()
    )


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _wait_for_health(url: str, directory: Path) -> None:
    """Raises LocalError when a process ended or the time is up."""
    deadline = time.monotonic() + _START_SECONDS
    while (answer := _answer(url)) != _HEALTHY:
        for process in _read_processes(directory):
            if not _is_running(process):
                raise LocalError(f"{process.marker} ended while starting; see {process.log}")
        if time.monotonic() > deadline:
            raise LocalError(f"{url} was not healthy within {_START_SECONDS} seconds: {answer}")
        time.sleep(_POLL_SECONDS)


def _answer(url: str) -> str:
    """`_HEALTHY`, or what the address said instead."""
    try:
        with urllib.request.urlopen(url, timeout=_START_SECONDS):  # noqa: S310 - our own http URL
            return _HEALTHY
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(500).decode('utf-8', 'replace')}"
    except OSError as error:
        return str(error)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


# -- the embedded AWS, put right -----------------------------------------------------


def _correct_archive(session: boto3.session.Session, bucket: str) -> None:
    """CloudFormation of the embedded AWS ignores `ObjectLockEnabled`: switch it on, then
    check what the archive stands on: nothing locked is deleted or overwritten (P2).

    Raises LocalError if anything is allowed that must not be.
    """
    s3 = session.client("s3")
    s3.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
    )
    key = "checks/object-lock"
    until = datetime.now(UTC) + timedelta(days=1)
    version = s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=b"locked",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=until,
    )["VersionId"]
    attempts: dict[str, Callable[[], object]] = {
        "deleting a locked version": lambda: s3.delete_object(
            Bucket=bucket, Key=key, VersionId=version
        ),
        "deleting it in governance bypass": lambda: s3.delete_object(
            Bucket=bucket, Key=key, VersionId=version, BypassGovernanceRetention=True
        ),
        "overwriting with If-None-Match": lambda: s3.put_object(
            Bucket=bucket, Key=key, Body=b"other", IfNoneMatch="*"
        ),
        "shortening the retention": lambda: s3.put_object_retention(
            Bucket=bucket,
            Key=key,
            VersionId=version,
            Retention={
                "Mode": "COMPLIANCE",
                "RetainUntilDate": datetime.now(UTC) + timedelta(hours=1),
            },
        ),
    }
    for what, attempt in attempts.items():
        if not _is_refused(attempt):
            raise LocalError(f"{what} in the archive was not refused")


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 403, 409, 412}
    return False


def _correct_gateway(
    session: boto3.session.Session, package: packaging.Package, api_id: str
) -> None:
    """The embedded AWS ignores gateway responses in an API definition; set them through
    the API and deploy it again, as they take effect with a deployment."""
    gateway = session.client("apigateway")
    template = json.loads(package.template.read_text(encoding="utf-8"))
    definition = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    for kind, response in definition["x-amazon-apigateway-gateway-responses"].items():
        status = {"statusCode": response["statusCode"]} if "statusCode" in response else {}
        gateway.put_gateway_response(
            restApiId=api_id,
            responseType=kind,
            responseParameters=response["responseParameters"],
            responseTemplates=response["responseTemplates"],
            **status,
        )
    gateway.create_deployment(restApiId=api_id, stageName=_API_STAGE)


def _onboard(
    session: boto3.session.Session,
    directory: Path,
    stack: deploy.Stack,
    listed: Sequence[Agency],
    keys: Mapping[str, KeyAlgorithm],
) -> tuple[str, ...]:
    """All agencies listed, sealed by the development CA; returns their ids."""
    # Here, because pynamodb reads region and endpoint from the environment when imported.
    from chalicelib.adapters.dynamodb.directory import DynamoDirectory  # noqa: PLC0415 - see above

    with (directory / "devservices.log").open("a") as log, contextlib.redirect_stderr(log):
        pki = load_pki(directory / "pki", stage="local")  # its warning was shown once
        certify = onboard.development_ca(directory / "pki", stage="local")
    agencies = onboard.onboard(
        listed,
        [pki.root_pem],
        stack=stack.name,
        outputs=stack.outputs,
        session=session,
        directory=DynamoDirectory(stack.outputs["DirectoryTable"]),
        certify=certify,
        keys=keys,
    )
    (directory / "pki" / "root.pem").write_text(pki.root_pem)
    return tuple(agency.agency_id for agency in agencies)


def _appoint(stack: deploy.Stack, agencies: Sequence[str]) -> str:
    """The people and applications of `people.json`, in each agency; says how many."""
    from chalicelib.adapters.dynamodb.officers import DynamoOfficers  # noqa: PLC0415 - as above

    appoint_people(DynamoOfficers(stack.outputs["OfficersTable"]), agencies, datetime.now(UTC))
    first = agencies[0]
    return f"{len(people_of(first))} people and {len(applications_of(first))} application each"


# -- environment ---------------------------------------------------------------------


def _aws_environment(endpoint: str, region: str) -> dict[str, str]:
    """Key id `test` is root of the embedded account, with any secret."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
    }


def _session(region: str) -> boto3.session.Session:
    return boto3.session.Session("test", "test", region_name=region)


def _write_environment(deployment: Deployment) -> None:
    lines = [f"export {k}={shlex.quote(v)}" for k, v in deployment.environment().items()]
    (deployment.directory / "env").write_text("\n".join(lines) + "\n")
    fields = {**asdict(deployment), "directory": str(deployment.directory)}
    (deployment.directory / "deployment.json").write_text(json.dumps(fields, indent=2))


def _shown(deployment: Deployment) -> str:
    env = os.path.relpath(deployment.directory / "env")
    return f"""
Tra answers at
  {deployment.url}

  . {env}                        # TRA_URL, AWS_ENDPOINT_URL, credentials …
  TOKEN=$(.venv/bin/tra token --agency diw --role clerk)
  curl -s -H "Authorization: Bearer $TOKEN" --data @chalicelib/templates/licence/example.json "$TRA_URL/v1/documents"
  .venv/bin/tra issue chalicelib/templates/licence/example.json --agency diw
  .venv/bin/tra file ID --agency diw -o out.pdf && .venv/bin/tra verify out.pdf

Without the command, a token is
  curl -s -d agency=diw -d role=clerk -d "scope={SCOPES}" {deployment.token_url}

Logs: {os.path.relpath(deployment.directory / "aws.log")}, devservices.log beside it. Stop it with: make down"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    command = parser.parse_args().command
    directory = BUILD / "local"
    try:
        return {"up": _up, "down": _down, "status": _status}[command](directory)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1


def _up(directory: Path) -> int:
    if _alive(directory):
        print(_shown(find(directory)))
        return 0
    with reserved(directory), _terminated_as_interrupt(), _environment_restored():
        try:
            deployment = start(directory, phases=Phases())
        except PhaseError:
            stop(directory)
            return 1
        except BaseException:
            stop(directory)
            raise
    print(_shown(deployment))
    return 0


def _down(directory: Path) -> int:
    print("stopped" if stop(directory) else "nothing was running")
    return 0


def _status(directory: Path) -> int:
    print(_shown(find(directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
