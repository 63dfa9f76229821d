"""The routes of the public logs: what they refuse, and how long answers may be kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.adapters.ed25519 import WitnessKey
from chalicelib.domain.errors import RegisterConflictError
from chalicelib.domain.notes import Checkpoint, Note, cosign
from chalicelib.domain.registers import LogName
from chalicelib.handlers import schedules
from tests.integration.conftest import Answer, Api
from tests.support.accesses import accesses
from tests.support.logs import REGISTER, give_numbers, void_numbers
from tests.support.rooms import CONTEXT, Fakes, sample_event
from tests.support.samples import NOON

_REGISTER = "/v1/registers/{agency}/{book}/{year}"
_NAMES = {"agency": "diw", "book": "licence", "year": "2026", "log": "numbers"}
_WITNESS = WitnessKey("witness.dbd.example", b"w" * 32)
_NOW = int(NOON.timestamp())


def _get(
    api: Api,
    rest: str,
    query: dict[str, str] | None = None,
    *,
    path: dict[str, str] | None = None,
    **names: str,
) -> Answer:
    everything = {**_NAMES, **(path or {}), **names}
    return api.call("GET", f"{_REGISTER}/{rest}", path=everything, query=query, authorizer={})


def _grow(fakes: Fakes, count: int) -> None:
    give_numbers(fakes.ledger, count)
    schedules.checkpoint(sample_event("checkpoint"), CONTEXT)


# -- the function --------------------------------------------------------------


def test_the_schedule_publishes_and_counts(api: Api, fakes: Fakes) -> None:
    """P7, C5: the function extends the logs of all registers and the access logs, and says what it
    did."""
    give_numbers(fakes.ledger, 5)
    void_numbers(fakes.ledger, 1)
    fakes.access_log.add(*accesses(3))
    # Placing has time as long as the function has more than half a minute.
    context = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 240_000})
    done = schedules.checkpoint(sample_event("checkpoint"), context)
    assert done == {"logs": 2, "extended": 3, "failed": 0, "entries": 6, "accesses": 3}
    assert _get(api, "{log}/checkpoint").status == 200


def test_a_log_that_fails_is_told(
    fakes: Fakes,
    api: Api,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A28: a contradiction is logged with its register and counted for the alarm."""
    give_numbers(fakes.ledger, 5)
    del fakes.ledger._entries[REGISTER, 2, 0]
    done = schedules.checkpoint(sample_event("checkpoint"), CONTEXT)
    assert done["failed"] == 1
    assert "TRA-LOG-002" in caplog.text
    assert '"CheckpointFailed":[1.0]' in capsys.readouterr().out


# -- reading -------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        {"agency": "nobody"},
        {"book": "nothing"},
        {"year": "2025"},
        {"year": "26"},
        {"year": "๒๕๖๙"},
        {"log": "letters"},
        {"log": "outcomes"},
        {"agency": "UPPER"},
    ],
)
@pytest.mark.parametrize("rest", ["{log}/checkpoint", "{log}/key", "{log}/consistency"])
def test_unknown_logs_are_not_found(
    api: Api, fakes: Fakes, path: dict[str, str], rest: str
) -> None:
    """P7: a log without checkpoint answers 404, as a problem document."""
    _grow(fakes, 5)
    answer = _get(api, rest, {"from": "0"} if "consistency" in rest else None, path=path)
    assert (answer.status, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("number", ["0", "6", "-1", "01", "1.5", "x", "๑", "9" * 19])
def test_numbers_that_were_not_given_are_not_proved(api: Api, fakes: Fakes, number: str) -> None:
    """P7: only what lies under the checkpoint has a proof."""
    _grow(fakes, 5)
    assert _get(api, "proof/{number}", number=number).status == 404


def test_a_number_is_proved_only_once_it_is_published(api: Api, fakes: Fakes) -> None:
    """P3: what came after the last checkpoint is not confirmed."""
    _grow(fakes, 5)
    give_numbers(fakes.ledger, 1)
    assert _get(api, "proof/{number}", number="6").status == 404
    schedules.checkpoint(sample_event("checkpoint"), CONTEXT)
    assert _get(api, "proof/{number}", number="6").status == 200


def test_outcomes_come_with_the_number_once_published(api: Api, fakes: Fakes) -> None:
    """P3, P7: the answer about a number holds what became of it, and of no other."""
    _grow(fakes, 5)
    void_numbers(fakes.ledger, 3)
    fakes.ledger.sequence(REGISTER)
    assert _get(api, "proof/{number}", number="3").json["outcomes"] == []
    schedules.checkpoint(sample_event("checkpoint"), CONTEXT)
    (outcome,) = _get(api, "proof/{number}", number="3").json["outcomes"]
    assert '"outcome":"void"' in outcome["leaf"]
    assert _get(api, "proof/{number}", number="1").json["outcomes"] == []
    assert _get(api, "proof/{number}", {"child": "1"}, number="3").json["outcomes"] == []
    assert _get(api, "proof/{number}", {"child": "-1"}, number="3").status == 422


def test_an_index_that_leads_astray_proves_nothing(
    api: Api, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P7: the outcome of another number is never shown for this one."""
    _grow(fakes, 5)
    void_numbers(fakes.ledger, 3)
    schedules.checkpoint(sample_event("checkpoint"), CONTEXT)
    monkeypatch.setattr(fakes.ledger, "outcomes_of", lambda *_: (0,))
    assert _get(api, "proof/{number}", number="3").status == 200
    assert _get(api, "proof/{number}", number="1").status == 500


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (303, "tile/0/000"),
        (303, "tile/entries/000"),
        (303, "tile/0/001.p/44"),
        (303, "tile/1/000.p/1"),
        (404, "tile/0/001.p/43"),  # within, but no checkpoint ever had it
        (404, "tile/0/001.p/45"),
        (404, "tile/0/001"),
        (404, "tile/0/002.p/1"),
        (404, "tile/1/000.p/2"),
        (404, "tile/2/000.p/1"),
        (404, "tile/0/0"),
        (404, "tile/0/x000/000"),
        (404, "tile/00/000"),
        (404, "tile/0/000.p/256"),
        (404, "tile/0/000.p/0"),
        (404, "tile/64/000"),
        (404, "tile/other/000"),
        (404, "tile/0/x001/x234/067"),
        (404, "tile/0/../000"),
    ],
)
def test_files_within_the_checkpoint_and_no_others(
    api: Api, fakes: Fakes, status: int, path: str
) -> None:
    """P7: each file has one name, and only files of published trees are linked to."""
    _grow(fakes, 300)
    _, level, *parts = path.split("/")
    names = dict(zip("abc", parts, strict=False))
    route = "{log}/tile/{level}/" + "/".join(f"{{{name}}}" for name in names)
    answer = _get(api, route, path={"level": level, **names})
    assert answer.status == status
    if status == 303:
        assert answer.headers["Location"].startswith(f"memory:diw/licence/2026/numbers/{path}?")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"from": "0"}, 200),
        ({"from": "5"}, 200),
        ({"from": "2", "to": "4"}, 200),
        ({"from": "4", "to": "2"}, 404),
        ({"from": "2", "to": "6"}, 404),
        ({"from": "6"}, 404),
        ({}, 422),
        ({"from": "-1"}, 422),
        ({"from": "x"}, 422),
        ({"from": "01"}, 422),
        ({"from": "1", "into": "2"}, 422),
    ],
)
def test_consistency_of_sizes_that_are_published(
    api: Api, fakes: Fakes, query: dict[str, str], status: int
) -> None:
    """P7: any size up to the published one; anything else is refused with its reason."""
    _grow(fakes, 5)
    assert _get(api, "{log}/consistency", query).status == status


def test_what_may_be_kept_says_so(api: Api, fakes: Fakes) -> None:
    """P7: a checkpoint is fresh, a proof of now is not kept."""
    _grow(fakes, 5)
    assert "max-age=5" in _get(api, "{log}/checkpoint").headers["Cache-Control"]
    assert _get(api, "{log}/checkpoint").headers["Content-Type"].startswith("text/plain")
    assert _get(api, "proof/{number}", number="1").headers["Cache-Control"] == "no-store"


def test_damaged_files_are_found_before_a_proof_leaves(api: Api, fakes: Fakes) -> None:
    """P7: Tra never hands out a proof that does not verify."""
    _grow(fakes, 5)
    place = (REGISTER, LogName.NUMBERS, "tile/entries/000.p/5")
    data = fakes.log_files.files[place]
    fakes.log_files.files[place] = data.replace(b'"number":3', b'"number":4')
    answer = _get(api, "proof/{number}", number="3")
    assert (answer.status, answer.json["code"]) == (500, "proof_invalid")


# -- co-signing ----------------------------------------------------------------


def _line(fakes: Fakes, *, at: int = _NOW, key: WitnessKey = _WITNESS) -> str:
    """The witness's line over the current checkpoint."""
    note = Note.from_bytes(fakes.ledger.state(REGISTER, LogName.NUMBERS).note or b"")
    return cosign(Checkpoint.parse(note.text), key.verifier, at, key.sign).line.strip()


def _post(api: Api, line: object, *, agency: str = "dbd", **claims: str) -> Answer:
    return api.call(
        "POST",
        f"{_REGISTER}/{{log}}/cosignatures",
        path=_NAMES,
        body={"cosignature": line},
        authorizer={
            "sub": "w",
            "agency": agency,
            "roles": "application",
            "scope": "logs:cosign",
            "exp": str(_NOW + 60),
            **claims,
        },
    )


@pytest.fixture
def witnessed(fakes: Fakes) -> Fakes:
    """A published log, and an agency with a registered witness key."""
    agency = fakes.directory.agency("dbd")
    assert agency is not None
    fakes.directory.put_agency(replace(agency, witness_key=_WITNESS.verifier.vkey))
    return fakes


def _code(answer: Answer) -> Any:
    return answer.json.get("errors", [{}])[0].get("code") or answer.json.get("reason")


def test_a_cosignature_is_published_once(api: Api, witnessed: Fakes) -> None:
    """P8: sent twice, it stands there once; an older one never replaces a newer one."""
    _grow(witnessed, 5)
    newer, older = _line(witnessed, at=_NOW), _line(witnessed, at=_NOW - 60)
    for line in (older, newer, newer, older):
        assert _post(api, line).status == 200
    text = _get(api, "{log}/checkpoint").text
    assert text.count("witness.dbd.example") == 1
    assert newer in text


def test_a_new_checkpoint_starts_without_cosignatures(api: Api, witnessed: Fakes) -> None:
    """P7: a line over the tree before says nothing of this one, and is refused for it."""
    _grow(witnessed, 5)
    line = _line(witnessed)
    assert _post(api, line).status == 200
    _grow(witnessed, 1)
    assert "witness" not in _get(api, "{log}/checkpoint").text
    answer = _post(api, line)
    assert (answer.status, _code(answer)) == (422, "not_over_current_checkpoint")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", "not_a_signature_line"),
        ("— witness.dbd.example", "not_a_signature_line"),
        ("— witness.dbd.example AAAA", "not_a_signature_line"),
        ("- witness.dbd.example AAAAAAAA", "not_a_signature_line"),
        ("— witness.dbd.example AAAAAAAA", "other_witness"),
        (7, "wrong_type"),
    ],
)
def test_what_is_no_cosignature_is_refused(
    api: Api, witnessed: Fakes, line: object, code: str
) -> None:
    """P7: only well-formed lines are looked at, and the answer says what is wrong."""
    _grow(witnessed, 5)
    answer = _post(api, line)
    assert (answer.status, _code(answer)) == (422, code)


def test_only_the_registered_key_co_signs(api: Api, witnessed: Fakes) -> None:
    """P6: a witness speaks for its own agency, with the key its agency registered."""
    _grow(witnessed, 5)
    line = _line(witnessed)
    forged = _line(witnessed, key=WitnessKey(_WITNESS.name, b"x" * 32))
    assert _code(_post(api, forged)) == "other_witness"
    assert _post(api, line, agency="rd").status == 403
    assert _code(_post(api, line, agency="rd")) == "witness_unknown"
    assert _post(api, line, roles="clerk").status == 403
    assert _post(api, line, scope="documents:read").status == 403


def test_nobody_vouches_for_the_future(api: Api, witnessed: Fakes) -> None:
    """A19: a line dated ahead of our clock is refused; five minutes are allowed for."""
    _grow(witnessed, 5)
    ahead = int((NOON + timedelta(minutes=6)).timestamp())
    assert _code(_post(api, _line(witnessed, at=ahead))) == "from_the_future"


def test_an_unknown_log_cannot_be_co_signed(api: Api, witnessed: Fakes) -> None:
    """P7: without a checkpoint there is nothing to sign."""
    _grow(witnessed, 5)
    line = _line(witnessed)
    witnessed.ledger._logs.clear()
    assert _post(api, line).status == 404


def test_two_witnesses_at_once_are_both_kept(
    api: Api, witnessed: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8: one that comes between reading and writing of another is not lost."""
    other = WitnessKey("witness.rd.example", b"o" * 32)
    agency = witnessed.directory.agency("rd")
    assert agency is not None
    witnessed.directory.put_agency(replace(agency, witness_key=other.verifier.vkey))
    _grow(witnessed, 5)
    advance, lines = witnessed.ledger.advance, [_line(witnessed, key=other)]

    def meanwhile(*args: Any) -> None:
        if lines:
            assert _post(api, lines.pop(), agency="rd").status == 200
        advance(*args)

    monkeypatch.setattr(witnessed.ledger, "advance", meanwhile)
    answer = _post(api, _line(witnessed))
    assert answer.status == 200
    assert {"witness.rd.example", "witness.dbd.example"} <= set(answer.text.split())


def test_a_witness_that_is_always_late_is_told_to_come_back(
    api: Api, witnessed: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P4: endless conflict ends as 503 with Retry-After."""
    _grow(witnessed, 5)

    def late(*_: object) -> None:
        raise RegisterConflictError("Another checkpoint was published meanwhile.")

    monkeypatch.setattr(witnessed.ledger, "advance", late)
    answer = _post(api, _line(witnessed))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
