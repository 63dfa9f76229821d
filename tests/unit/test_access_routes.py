"""Every route that does what is recorded names what it is done to (C5, P6).

Read out of the code, because a route that forgets it works all the same: from each view all
functions of the handlers that it can reach are looked at, by name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from chalicelib.domain.access_log import LOGGED
from chalicelib.handlers.operations import OPERATIONS, Operation

_HANDLERS = Path(app.__file__).parent / "chalicelib/handlers"
_RECORDING = {"authorise", "authorise_each", "note", "shown"}
# These say who is locked out and nothing else; what is done about it is recorded.
_LISTS_OF_PEOPLE = {"list_locked_factors"}


def _functions() -> dict[str, list[ast.FunctionDef]]:
    found: dict[str, list[ast.FunctionDef]] = {}
    for path in _HANDLERS.glob("*.py"):
        if path.stem in {"operations", "access_hook"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node)
    return found


_FUNCTIONS = _functions()


def _called(function: ast.FunctionDef) -> Iterator[str]:
    """Names of what it calls, or hands to somebody who will."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def _reachable(name: str) -> list[ast.FunctionDef]:
    seen: dict[str, None] = {}
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here in seen or here not in _FUNCTIONS:
            continue
        seen[here] = None
        for function in _FUNCTIONS[here]:
            waiting += _called(function)
    return [function for each in seen for function in _FUNCTIONS[each]]


def _records(operation: Operation) -> bool:
    return any(
        name in _RECORDING for function in _reachable(operation.name) for name in _called(function)
    )


_RECORDED = [o for o in OPERATIONS if {o.action, o.also_action} & LOGGED]


@pytest.mark.parametrize("operation", _RECORDED, ids=lambda o: f"{o.method} {o.path}")
def test_a_route_that_does_what_is_recorded_records_it(operation: Operation) -> None:
    """C5: by authorising a named thing, or by showing a list item by item."""
    assert _records(operation) is (operation.name not in _LISTS_OF_PEOPLE)


def _resources() -> Iterator[tuple[str, ast.Call]]:
    for name, functions in sorted(_FUNCTIONS.items()):
        for function in functions:
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "Resource":
                    yield name, node


# All registers of an agency are no thing that is recorded: classified lines are, one by one.
_NAMELESS = {"_own_agency"}


@pytest.mark.parametrize(("where", "made"), list(_resources()))
def test_every_resource_that_a_handler_makes_has_a_name(where: str, made: ast.Call) -> None:
    """C5: a thing without name cannot be recorded, and its route would answer 500."""
    names = {keyword.arg for keyword in made.keywords}
    assert ("thing_id" in names) is (where not in _NAMELESS)


def test_routes_that_show_classified_lists_record_what_they_show() -> None:
    """C5, P6: searching is an access to each classified thing that the answer tells of."""
    lists = {
        "search_documents",
        "search_inbox",
        "search_outbox",
        "list_approvals",
        "show_register",
    }
    for name in lists:
        assert any("shown" in set(_called(function)) for function in _reachable(name)), name
    assert lists <= {o.name for o in OPERATIONS}
