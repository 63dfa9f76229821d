"""The package: what is deployed, looked at before it is."""

from __future__ import annotations

import copy
import json
import os
import zipfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.holidays import HOLIDAYS, read_holidays
from chalicelib.config import Settings
from infra import check_package
from infra import package as packaging


@pytest.fixture(scope="module")
def package() -> packaging.Package:
    return packaging.build("local", packaging.ROOT / "build" / "package")


@pytest.fixture(scope="module")
def tree(package: packaging.Package) -> Iterator[Path]:
    """The archives unpacked, once for all that only read."""
    with check_package.unpacked(package) as unpacked:
        yield unpacked


@pytest.fixture
def template(package: packaging.Package) -> dict[str, Any]:
    return copy.deepcopy(check_package.read_template(package))


def _names(package: packaging.Package, archive: str) -> list[str]:
    with zipfile.ZipFile(package.directory / archive) as source:
        return source.namelist()


def test_package_may_be_deployed(package: packaging.Package) -> None:
    """Every function imports in isolation and has a policy of its own without patterns;
    every queue has a consumer that reports partial batches, and dead letters (P4)."""
    assert check_package.problems(package) == []


def test_missing_partial_batch_response_is_found(template: dict[str, Any]) -> None:
    """Without `ReportBatchItemFailures` a batch fails as a whole, so the check must see it (P8)."""
    event = template["Resources"]["Seal"]["Properties"]["Events"]["SealSqsEventSource"]
    del event["Properties"]["FunctionResponseTypes"]
    assert check_package.event_source_problems(template) == [
        "Seal does not report partial batches of SealQueue."
    ]


def test_queue_without_consumer_or_dead_letters_is_found(template: dict[str, Any]) -> None:
    """A message nobody reads or keeps is lost silently, which P4 forbids."""
    resources = template["Resources"]
    resources["StrayQueue"] = {"Type": "AWS::SQS::Queue", "Properties": {}}
    assert check_package.event_source_problems(template) == [
        "Nothing consumes StrayQueue.",
        "StrayQueue has no dead-letter queue.",
    ]


def test_visibility_shorter_than_timeout_is_found(template: dict[str, Any]) -> None:
    """AWS refuses such a queue and the embedded AWS does not, so the check must (P8)."""
    template["Resources"]["SealQueue"]["Properties"]["VisibilityTimeout"] = 1
    assert check_package.event_source_problems(template) == [
        "SealQueue shows a message again while Seal still has it."
    ]


def test_shared_role_is_found(template: dict[str, Any]) -> None:
    """One role per function is what keeps `api` from the seal keys (P6)."""
    number = template["Resources"]["Number"]["Properties"]
    template["Resources"]["Deliver"]["Properties"]["Role"] = number["Role"]
    found = check_package.policy_problems(template)
    assert "Number shares the role NumberRole with Deliver." in found


def test_action_pattern_is_found(template: dict[str, Any]) -> None:
    """An action pattern grants what nobody thought of (P6)."""
    role = template["Resources"]["SweepRole"]["Properties"]
    statement = role["Policies"][0]["PolicyDocument"]["Statement"][0]
    statement["Action"] = ["dynamodb:*"]
    statement["Resource"] = ["*"]
    assert check_package.policy_problems(template) == [
        "Sweep: the action dynamodb:* is a pattern.",
        "Sweep: dynamodb:* is allowed on every resource.",
    ]


def test_missing_module_is_found(template: dict[str, Any], tree: Path) -> None:
    """What the embedded AWS's own packages would hide is seen in isolation: `seal` without
    its second layer cannot be imported."""
    resources = template["Resources"]
    alone = {"Resources": {name: resources[name] for name in ("Seal", "ManagedLayer")}}
    alone["Resources"]["Seal"]["Properties"]["Layers"] = [{"Ref": "ManagedLayer"}]
    found = check_package.import_problems(alone, tree)
    assert any(problem.startswith("Seal cannot import") for problem in found)


def test_only_runtime_packages_and_their_licences(package: packaging.Package) -> None:
    """Lambda gets no tests and no tools, and every distribution keeps its metadata and, with
    it, its licence."""
    for archive in ("layer-base.zip", "layer-seal.zip"):
        names = _names(package, archive)
        parts = {part for name in names for part in name.split("/")[:-1]}
        assert not parts & {"tests", "pytest", "hypothesis", "certomancer", "pip", "setuptools"}
        infos = {name.split("/")[1] for name in names if ".dist-info/" in name}
        assert infos
        assert all(f"python/{info}/METADATA" in names for info in infos)
    licences = [n for n in _names(package, "layer-base.zip") if "cryptography-" in n]
    assert any("LICENSE" in name for name in licences)


def test_public_holidays_are_inside(tree: Path) -> None:
    """Issue 6, 1: each function has the calendar where it looks for it, complete."""
    packaged = tree / "app" / HOLIDAYS.relative_to(packaging.ROOT)
    assert read_holidays(packaged) == read_holidays()


def test_byte_code_is_inside(package: packaging.Package) -> None:
    """Every source of the application has its byte code beside it, so that a cold start
    does not compile."""
    names = set(_names(package, "app.zip"))
    sources = [name for name in names if name.endswith(".py")]
    assert sources
    for source in sources:
        folder, _, file = source.rpartition("/")
        start = f"{folder}/__pycache__/" if folder else "__pycache__/"
        assert any(n.startswith(f"{start}{file.removesuffix('.py')}.cpython-") for n in names), (
            source
        )


def test_same_files_same_bytes(tmp_path: Any) -> None:
    """Dates and order of creation do not reach the archive, so an unchanged function is not
    deployed again."""
    for name, order in (("one", ("a.py", "b.so")), ("two", ("b.so", "a.py"))):
        tree = tmp_path / name
        tree.mkdir()
        for position, file in enumerate(order):
            (tree / file).write_text(file)
            os.utime(tree / file, (position, position))
        packaging._pack(tree, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_settings_of_every_function_are_complete(template: dict[str, Any]) -> None:
    """The template sets exactly the variables `Settings` reads; one too few stops every
    function, one too many is a leftover."""

    class Recorder(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.add(key)
            return super().get(key, default)

    asked: set[str] = set()
    with pytest.raises(Exception, match="TRA_STAGE"):
        Settings.from_environment(Recorder())
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert {name for name in variables if name.startswith("TRA_")} == asked


def test_gateway_answers_with_problem_documents(template: dict[str, Any]) -> None:
    """Errors the gateway answers itself are problem documents (RFC 9457) in two languages,
    and a refused token says how to authenticate (RFC 9110, 11.6.1)."""
    definition = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    responses = definition["x-amazon-apigateway-gateway-responses"]
    for response in responses.values():
        parameters = response["responseParameters"]
        content_type = parameters["gatewayresponse.header.Content-Type"]
        assert content_type == "'application/problem+json'"
        problem = json.loads(response["responseTemplates"]["application/json"])
        told = {"type", "title", "status", "code", "detail", "detail_th"}
        if problem["status"] == HTTPStatus.UNAUTHORIZED:
            told |= {"reason"}
        assert problem.keys() == told
        assert problem["type"] == f"urn:tra:problem:{problem['code']}"
        assert str(problem["status"]) == response.get("statusCode", str(problem["status"]))
        if problem["status"] == HTTPStatus.UNAUTHORIZED:
            assert "gatewayresponse.header.WWW-Authenticate" in parameters
