"""The public logs of the registers: checkpoints, tiles, proofs, and who co-signs (P7).

Whoever asks needs no token: what lies in the logs is for everybody. Tiles and entry
bundles are C2SP tlog-tiles, checkpoints are C2SP tlog-checkpoint.
"""

from __future__ import annotations

import re

from chalice.app import Blueprint, Response

from chalicelib.domain.access import Action
from chalicelib.domain.errors import (
    InvalidRequestError,
    NotFoundError,
    RegisterConflictError,
    UnavailableError,
)
from chalicelib.domain.registers import LogName, Register
from chalicelib.handlers.log_models import (
    AskConsistency,
    AskProof,
    ConsistencyView,
    InclusionView,
    NumberProof,
    SubmitCosignature,
)
from chalicelib.handlers.models import parse
from chalicelib.handlers.operations import Call, operation
from chalicelib.handlers.register_path import register_of
from chalicelib.handlers.rendering import as_json
from chalicelib.handlers.telemetry import LogEvent, count, logger
from chalicelib.services.cosign import cosign
from chalicelib.services.prove import (
    file_link,
    key_of,
    prove_consistency,
    prove_inclusion,
    prove_outcomes,
    published,
)

blueprint = Blueprint(__name__)

_REGISTER = "/v1/registers/{agency}/{book}/{year}"
_LOG = f"{_REGISTER}/{{log}}"

# A checkpoint is replaced every few minutes; a key stays, a redirect as long as its link.
_CHECKPOINT_SECONDS = 5
_KEY_SECONDS = 300
_LINK_SECONDS = 300
_REDIRECT_SECONDS = 60

_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)

_TILE = "A tile or entry bundle, by a redirect to the immutable file."
_TILE_ANSWERS = {303: "Redirect to the file. It never changes."}


@operation(
    blueprint,
    "GET",
    f"{_LOG}/checkpoint",
    summary="How far a log is: its signed checkpoint, with the co-signatures.",
    answers={200: "Signed note, text/plain (C2SP tlog-checkpoint)"},
    errors=(NotFoundError, UnavailableError),
)
def show_checkpoint(call: Call) -> Response:
    log = published(*_log(call), room=call.house.proving_room)
    return _text(log.note.decode(), cache_seconds=_CHECKPOINT_SECONDS)


@operation(
    blueprint,
    "GET",
    f"{_LOG}/key",
    summary="What a log's checkpoints are verified with.",
    answers={200: "Verifier key, text/plain (C2SP signed-note)"},
    errors=(NotFoundError, UnavailableError),
)
def show_log_key(call: Call) -> Response:
    key = key_of(*_log(call), room=call.house.proving_room)
    return _text(f"{key.vkey}\n", cache_seconds=_KEY_SECONDS)


@operation(
    blueprint,
    "GET",
    f"{_LOG}/tile/{{level}}/{{a}}",
    summary=_TILE,
    answers=_TILE_ANSWERS,
    errors=(NotFoundError, UnavailableError),
)
def show_tile(call: Call) -> Response:
    return _redirect(call, "a")


@operation(
    blueprint,
    "GET",
    f"{_LOG}/tile/{{level}}/{{a}}/{{b}}",
    summary=f"{_TILE} Longer path.",
    answers=_TILE_ANSWERS,
    errors=(NotFoundError, UnavailableError),
)
def show_tile_of_two(call: Call) -> Response:
    return _redirect(call, "a", "b")


@operation(
    blueprint,
    "GET",
    f"{_LOG}/tile/{{level}}/{{a}}/{{b}}/{{c}}",
    summary=f"{_TILE} Longest path.",
    answers=_TILE_ANSWERS,
    errors=(NotFoundError, UnavailableError),
)
def show_tile_of_three(call: Call) -> Response:
    return _redirect(call, "a", "b", "c")


@operation(
    blueprint,
    "GET",
    f"{_LOG}/consistency",
    summary="The proof that a log only grew between two of its sizes.",
    query=AskConsistency,
    answers={200: ConsistencyView},
    errors=(InvalidRequestError, NotFoundError, UnavailableError),
)
def show_consistency(call: Call) -> Response:
    asked = parse(AskConsistency, call.query)
    old_size = int(asked.from_)
    new_size, proof = prove_consistency(
        *_log(call), old_size, int(asked.to) if asked.to else None, room=call.house.proving_room
    )
    return as_json(ConsistencyView.of(old_size, new_size, proof))


@operation(
    blueprint,
    "GET",
    f"{_REGISTER}/proof/{{number}}",
    summary="The proof that a number was given, to what, and what became of it.",
    query=AskProof,
    answers={200: NumberProof},
    errors=(InvalidRequestError, NotFoundError, UnavailableError),
)
def show_number_proof(call: Call) -> Response:
    asked = parse(AskProof, call.query)
    register, number, child = register_of(call), _number(call), int(asked.child)
    room = call.house.proving_room
    proved = prove_inclusion(register, LogName.NUMBERS, number - 1, room=room)
    outcomes = prove_outcomes(register, number, child, room=room)
    view = NumberProof(
        number=number,
        child=child,
        numbers=InclusionView.of(proved),
        outcomes=[InclusionView.of(outcome) for outcome in outcomes],
    )
    return as_json(view)


@operation(
    blueprint,
    "POST",
    f"{_LOG}/cosignatures",
    summary="Co-sign the current checkpoint as a witness; any agency may, for any log.",
    action=Action.COSIGN_LOG,
    body=SubmitCosignature,
    answers={200: "The checkpoint with all co-signatures, text/plain"},
    errors=(
        NotFoundError,
        RegisterConflictError,
        UnavailableError,
    ),
)
def submit_cosignature(call: Call) -> Response:
    body = parse(SubmitCosignature, call.json_object())
    register, log = _log(call)
    note = cosign(
        register,
        log,
        body.cosignature,
        agency_id=call.caller.agency_id,
        room=call.house.cosigning_room,
    )
    count("CheckpointCosigned")
    logger.info(LogEvent.COSIGNED, extra={"register": register.register_id, "log": log})
    return _text(note.decode(), cache_seconds=0)


def _log(call: Call) -> tuple[Register, LogName]:
    if call.path["log"] not in set(LogName):
        raise NotFoundError
    return register_of(call), LogName(call.path["log"])


def _number(call: Call) -> int:
    if not _NUMBER.fullmatch(call.path["number"]):
        raise NotFoundError
    return int(call.path["number"])


def _redirect(call: Call, *parts: str) -> Response:
    path = "/".join(["tile", call.path["level"], *(call.path[part] for part in parts)])
    link = file_link(*_log(call), path, seconds=_LINK_SECONDS, room=call.house.proving_room)
    caching = f"public, max-age={_REDIRECT_SECONDS}"
    return Response("", status_code=303, headers={"Location": link, "Cache-Control": caching})


def _text(text: str, *, cache_seconds: int) -> Response:
    caching = f"public, max-age={cache_seconds}" if cache_seconds else "no-store"
    return Response(
        text, headers={"Content-Type": "text/plain; charset=utf-8", "Cache-Control": caching}
    )
