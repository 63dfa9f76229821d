"""Cosign: take a witness's signature over the checkpoint that is published now (P7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.directory import Agency
from chalicelib.domain.errors import (
    FieldFault,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    RegisterConflictError,
)
from chalicelib.domain.notes import (
    MAX_SIGNATURES,
    Note,
    NoteError,
    NoteSignature,
    NoteSignatureError,
    VerifierKey,
    Verify,
    verify_note,
)
from chalicelib.domain.registers import LogName, Register
from chalicelib.ports import Clock, Directory, LogState, LogStore
from chalicelib.services.prove import published_note

_POINTER = "/cosignature"
# A witness says until when it saw no other history; nobody knows that of the future.
_CLOCK_TOLERANCE = timedelta(minutes=5)
_MAX_CONFLICTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CosigningRoom:
    """Collaborators of `cosign`. `verify` checks an Ed25519 signature."""

    logs: LogStore
    directory: Directory
    verify: Verify
    clock: Clock


def cosign(
    register: Register, log: LogName, line: str, *, agency_id: str, room: CosigningRoom
) -> bytes:
    """Publish the co-signature `line` of an agency's witness; returns the note with it.

    The key is the one the directory names for the agency. Repeatable: a newer line of
    the same witness replaces its older one, never the other way. Dies anywhere: it was
    published or not, and the witness sends it again.

    Raises ForbiddenError if the agency has no witness key, NotFoundError if there is no
    checkpoint, InvalidRequestError if the line is not its signature over the current
    checkpoint, RegisterConflictError if others were faster again and again.
    """
    # 1. Who may.
    key = _witness_key(room.directory.agency(agency_id))
    # 2. What was sent.
    signature = _parse(line, key)
    # 3. Is it over the current checkpoint? Then keep it with that one, and only with that.
    for _ in range(_MAX_CONFLICTS):
        state = room.logs.state(register, log)
        if state.note is None:
            raise NotFoundError
        timestamp = _verified_timestamp(state.note, signature, key, room)
        signed = _with(state, signature, timestamp)
        if signed != state:
            try:
                room.logs.advance(register, log, state, signed)
            except RegisterConflictError:
                continue
        return published_note(signed, state.note)
    raise RegisterConflictError(
        "The checkpoint changes too often just now; try again.",
        "จุดรับรองมีการเปลี่ยนแปลงถี่เกินไปในขณะนี้ โปรดลองใหม่",
    )


def _witness_key(agency: Agency | None) -> VerifierKey:
    if agency is None or agency.witness_key is None:
        raise ForbiddenError(
            "witness_unknown",
            "No witness key is registered for your agency.",
            "หน่วยงานของท่านยังไม่ได้ลงทะเบียนกุญแจพยาน",
        )
    return VerifierKey.parse(agency.witness_key)


def _parse(line: str, key: VerifierKey) -> NoteSignature:
    try:
        signature = NoteSignature.parse(line.removesuffix("\n"))
    except NoteError as error:
        raise _fault("not_a_signature_line", error.detail, error.detail_th) from error
    if not signature.is_by(key):
        raise _fault(
            "other_witness",
            "The line is not by the witness key that is registered for your agency.",
            "ลายมือชื่อนี้ไม่ใช่ของกุญแจพยานที่หน่วยงานของท่านลงทะเบียนไว้",
        )
    return signature


def _verified_timestamp(
    note: bytes, signature: NoteSignature, key: VerifierKey, room: CosigningRoom
) -> int:
    """POSIX seconds until when the witness vouches."""
    text = Note.from_bytes(note).text
    try:
        (verified,) = verify_note(Note(text, (signature,)), (key,), room.verify)
    except NoteSignatureError as error:
        raise _fault(
            "not_over_current_checkpoint",
            "The signature is not over the checkpoint that is published now; fetch it and sign again.",
            "ลายมือชื่อไม่ตรงกับจุดรับรองปัจจุบัน โปรดดึงจุดรับรองล่าสุดแล้วลงนามใหม่",
        ) from error
    timestamp = verified.timestamp or 0
    if timestamp > (room.clock() + _CLOCK_TOLERANCE).timestamp():
        raise _fault(
            "from_the_future",
            "The signature's time lies in the future; check the clock of the witness.",
            "เวลาของลายมือชื่ออยู่ในอนาคต โปรดตรวจนาฬิกาของพยาน",
        )
    return timestamp


def _with(state: LogState, signature: NoteSignature, timestamp: int) -> LogState:
    """`state` with the line in it, unless a newer one of the same witness is there."""
    lines = {_identity(there): there for there in map(_read, state.cosignatures)}
    before = lines.get(_identity(signature))
    if before is not None and _timestamp(before) >= timestamp:
        return state
    lines[_identity(signature)] = signature
    if len(lines) >= MAX_SIGNATURES:  # one is the log's own
        raise _fault(
            "enough_witnesses",
            "As many witnesses as a checkpoint can name have co-signed this one.",
            "มีพยานลงนามจุดรับรองนี้ครบจำนวนสูงสุดแล้ว",
        )
    return LogState(state.head, state.note, tuple(each.line for each in lines.values()))


def _read(line: str) -> NoteSignature:
    return NoteSignature.parse(line.removesuffix("\n"))


def _identity(signature: NoteSignature) -> tuple[str, bytes]:
    return signature.name, signature.key_id


def _timestamp(signature: NoteSignature) -> int:
    """The first eight bytes of a cosignature/v1 (C2SP tlog-cosignature)."""
    return int.from_bytes(signature.signature[:8], "big")


def _fault(code: str, detail: str, detail_th: str) -> InvalidRequestError:
    return InvalidRequestError([FieldFault(_POINTER, code, detail, detail_th)])
