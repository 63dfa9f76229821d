"""Signed notes: the text form in which a log and its witnesses put their names to a state.

C2SP signed-note, tlog-checkpoint, tlog-cosignature (Ed25519, `cosignature/v1`),
and the request of tlog-witness. The formats are strict in both directions, so a
note that parses prints back to the same bytes.

Cryptography is passed in. `sign(message)` gives 64 bytes (RFC 8032; in KMS the
raw message with ED25519_SHA_512). `verify(public_key, message, signature)`
answers True or anything else; only True counts, so an implementation that
forgets to return rejects everything instead of accepting everything.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import sha256
from typing import ClassVar

from chalicelib.domain.errors import TraError
from chalicelib.domain.merkle import HASH_BYTES, TreeHead

Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes, bytes], bool]

MAX_NOTE_BYTES = 256 * 1024
"""Room for sixteen post-quantum signatures, which every reader must accept."""
MAX_SIGNATURES = 64
MAX_TREE_SIZE = 2**63 - 1
MAX_TIMESTAMP = 2**63 - 1
MAX_CONSISTENCY_HASHES = 63
"""tlog-witness: a longer proof cannot be one of a tree that fits in 63 bits."""

KEY_ID_BYTES = 4
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
TIMESTAMP_BYTES = 8

_CHECKPOINT_LINES = 3

_DASH = "— "
"""U+2014 and a space begin a signature line."""


class NoteError(TraError):
    """The bytes are not a note, key or checkpoint of the C2SP form."""

    code = "note_malformed"


class NoteSignatureError(TraError):
    """The note is well-formed, but must not be believed."""

    code = "note_unverified"


class KeyKind(IntEnum):
    """What a key signs, as the signature type byte of signed-note."""

    LOG = 0x01
    """Ed25519 over the note text."""
    WITNESS = 0x04
    """Timestamped Ed25519 cosignature."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under its name: a schema-less URL such as `tra.go.th/diw`."""

    name: str
    kind: KeyKind
    public_key: bytes

    def __post_init__(self) -> None:
        _demand_name(self.name)
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise NoteError(
                "An Ed25519 public key has 32 bytes.", "กุญแจสาธารณะ Ed25519 ต้องยาว 32 ไบต์"
            )

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart; not a secure hash."""
        return sha256(self.name.encode() + b"\n" + self._material).digest()[:KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The form in which keys are handed to people: `name+id+material`."""
        return f"{self.name}+{self.key_id.hex()}+{_to_base64(self._material)}"

    @classmethod
    def parse(cls, vkey: str) -> VerifierKey:
        """Read `vkey`. Raises NoteError for another kind of key or a wrong id."""
        name, _, rest = vkey.partition("+")
        key_id, _, encoded = rest.partition("+")
        material = _from_base64(encoded)
        if not material or material[0] not in set(KeyKind):
            raise NoteError("The key is of a kind that is not supported.", "ไม่รองรับกุญแจชนิดนี้")
        key = cls(name, KeyKind(material[0]), material[1:])
        if key.key_id.hex() != key_id:
            raise NoteError("The key does not match its id.", "กุญแจไม่ตรงกับหมายเลขกุญแจ")
        return key

    @property
    def _material(self) -> bytes:
        return bytes([self.kind]) + self.public_key


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line. `signature` is what follows the key id: of any length,
    because lines of kinds that Tra does not know are kept as they came."""

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        _demand_name(self.name)
        if len(self.key_id) != KEY_ID_BYTES or not self.signature:
            raise NoteError("The signature is too short.", "ลายมือชื่อสั้นเกินไป")

    @property
    def line(self) -> str:
        """With its newline."""
        return f"{_DASH}{self.name} {_to_base64(self.key_id + self.signature)}\n"

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """Read one line, given without its newline. Raises NoteError."""
        name, separator, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not separator:
            raise NoteError("A signature line is not well-formed.", "บรรทัดลายมือชื่อไม่ถูกรูปแบบ")
        data = _from_base64(encoded)
        return cls(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])

    def is_by(self, key: VerifierKey) -> bool:
        """Says it is by `key`; whether that is true, only `verify_note` tells."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class Note:
    """A text and who signed it. `text` includes its last newline."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        _demand_text(self.text)
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise NoteError(
                f"A note has 1 to {MAX_SIGNATURES} signatures.",
                f"ต้องมีลายมือชื่อ 1 ถึง {MAX_SIGNATURES} รายการ",
            )

    def to_bytes(self) -> bytes:
        return "".join([self.text, "\n", *(s.line for s in self.signatures)]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Note:
        """Read a note; its signatures are not looked at. Raises NoteError."""
        if len(data) > MAX_NOTE_BYTES:
            raise NoteError("The note is too long.", "ข้อความยาวเกินกำหนด")
        content = _decode(data)
        text, separator, lines = content.rpartition("\n\n")
        if not separator:
            raise NoteError("The note has no signatures.", "ไม่มีลายมือชื่อ")
        return cls(text + "\n", parse_signature_lines(lines))

    def signed_also(self, *signatures: NoteSignature) -> Note:
        """With more signatures; a newer one replaces the one of the same key.

        Adding the same again changes nothing, so it can be repeated (P8).
        """
        merged = {(s.name, s.key_id): s for s in (*self.signatures, *signatures)}
        return replace(self, signatures=tuple(merged.values()))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's state in words (tlog-checkpoint). `origin` names the log for ever."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_TREE_SIZE or len(self.root) != HASH_BYTES:
            raise NoteError("The checkpoint states no tree.", "จุดรับรองไม่ระบุสถานะทะเบียนที่ถูกต้อง")
        if any(not line or "\n" in line for line in (self.origin, *self.extensions)):
            raise NoteError("A checkpoint has no empty lines.", "จุดรับรองต้องไม่มีบรรทัดว่าง")
        _demand_text(self.text)

    @property
    def head(self) -> TreeHead:
        return TreeHead(self.size, self.root)

    @property
    def text(self) -> str:
        """The note text that log and witnesses sign."""
        lines = (self.origin, str(self.size), _to_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note text. Raises NoteError unless it prints back the same."""
        lines = text.split("\n")
        if len(lines) < _CHECKPOINT_LINES + 1 or lines.pop():
            raise NoteError("A checkpoint has at least three lines.", "จุดรับรองต้องมีอย่างน้อยสามบรรทัด")
        origin, size, root, *extensions = lines
        return cls(origin, _parse_count(size), _from_base64(root), tuple(extensions))


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that was checked. `timestamp` (POSIX seconds) only where a witness
    signed: until then it had seen no larger tree of that log."""

    key: VerifierKey
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint its own log signed, and which known witnesses did."""

    checkpoint: Checkpoint
    cosignatures: tuple[VerifiedSignature, ...]


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """`add-checkpoint` of tlog-witness: sign this state; it continues the one of `old_size`."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note

    _MARK: ClassVar[str] = "old "

    def to_bytes(self) -> bytes:
        head = f"{self._MARK}{self.old_size}\n" + "".join(f"{_to_base64(h)}\n" for h in self.proof)
        return head.encode() + b"\n" + self.note.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> WitnessRequest:
        """Read a request; neither proof nor signatures are checked. Raises NoteError."""
        head, separator, note = data.partition(b"\n\n")
        first, *hashes = _decode(head).split("\n")
        if not separator or not first.startswith(cls._MARK):
            raise NoteError("The request is not well-formed.", "คำขอไม่ถูกรูปแบบ")
        proof = tuple(_from_base64(line) for line in hashes)
        if len(proof) > MAX_CONSISTENCY_HASHES or any(len(h) != HASH_BYTES for h in proof):
            raise NoteError(
                "The consistency proof is not well-formed.", "หลักฐานความต่อเนื่องไม่ถูกรูปแบบ"
            )
        return cls(_parse_count(first.removeprefix(cls._MARK)), proof, Note.from_bytes(note))


def sign_checkpoint(checkpoint: Checkpoint, key: VerifierKey, sign: Sign) -> Note:
    """The log's own signature. `key` must carry the log's name (tlog-checkpoint).

    Whoever calls this has made sure that the checkpoint continues all earlier
    ones: a log that signs two histories is caught for ever.
    """
    if key.kind is not KeyKind.LOG or key.name != checkpoint.origin:
        raise ValueError("a checkpoint is signed by the log key of its own origin")
    signature = _demand_signature(sign(checkpoint.text.encode()))
    return Note(checkpoint.text, (NoteSignature(key.name, key.key_id, signature),))


def cosign(checkpoint: Checkpoint, key: VerifierKey, timestamp: int, sign: Sign) -> NoteSignature:
    """A witness's signature at `timestamp` (POSIX seconds), to be added to the note.

    Whoever calls this has verified the log's signature and the consistency with
    the last state it signed, and has stored the new one.
    """
    if key.kind is not KeyKind.WITNESS:
        raise ValueError("a cosignature is made with a witness key")
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        raise ValueError("the time of a cosignature fits in 63 bits")
    signature = _demand_signature(sign(_cosigned_message(checkpoint.text, timestamp)))
    stamp = timestamp.to_bytes(TIMESTAMP_BYTES, "big")
    return NoteSignature(key.name, key.key_id, stamp + signature)


def verify_note(
    note: Note, keys: Iterable[VerifierKey], verify: Verify
) -> tuple[VerifiedSignature, ...]:
    """The signatures of `note` by `keys`, in the note's order; unknown keys are ignored.

    Raises NoteSignatureError if there is none, or if one of a known key is wrong.
    """
    known = _by_identity(keys)
    verified = tuple(
        _verify_signature(note.text, signature, key, verify)
        for signature in note.signatures
        if (key := known.get((signature.name, signature.key_id)))
    )
    if not verified:
        raise NoteSignatureError("No trusted key signed this.", "ไม่มีลายมือชื่อจากกุญแจที่เชื่อถือ")
    return verified


def open_checkpoint(
    data: bytes,
    log_key: VerifierKey,
    verify: Verify,
    *,
    witnesses: Sequence[VerifierKey] = (),
) -> VerifiedCheckpoint:
    """Read a checkpoint and believe it: signed by `log_key`, whose name is the origin.

    Raises NoteError if it is not well-formed, NoteSignatureError if the log's
    signature is missing, any known signature is wrong, or it is another log's.
    """
    if log_key.kind is not KeyKind.LOG:
        raise ValueError("a log signs with a log key")
    note = Note.from_bytes(data)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != log_key.name:
        raise NoteSignatureError("This is a checkpoint of another log.", "จุดรับรองนี้เป็นของทะเบียนอื่น")
    verified = verify_note(note, (log_key, *witnesses), verify)
    if all(signature.key != log_key for signature in verified):
        raise NoteSignatureError("The log did not sign this.", "ไม่มีลายมือชื่อของทะเบียน")
    cosignatures = tuple(s for s in verified if s.key.kind is KeyKind.WITNESS)
    return VerifiedCheckpoint(checkpoint, cosignatures)


def parse_signature_lines(lines: str) -> tuple[NoteSignature, ...]:
    """Signature lines as a note ends with them and a witness answers with them."""
    if not lines.endswith("\n"):
        raise NoteError("A signature line has no end.", "บรรทัดลายมือชื่อไม่สมบูรณ์")
    return tuple(NoteSignature.parse(line) for line in lines[:-1].split("\n"))


def _verify_signature(
    text: str, line: NoteSignature, key: VerifierKey, verify: Verify
) -> VerifiedSignature:
    message, signature, timestamp = text.encode(), line.signature, None
    if key.kind is KeyKind.WITNESS:
        timestamp = int.from_bytes(signature[:TIMESTAMP_BYTES], "big")
        message, signature = _cosigned_message(text, timestamp), signature[TIMESTAMP_BYTES:]
    acceptable = len(signature) == SIGNATURE_BYTES and (timestamp or 0) <= MAX_TIMESTAMP
    if not acceptable or verify(key.public_key, message, signature) is not True:
        raise NoteSignatureError(
            "A signature of a trusted key is wrong.", "ลายมือชื่อของกุญแจที่เชื่อถือไม่ถูกต้อง"
        )
    return VerifiedSignature(key, timestamp)


def _by_identity(keys: Iterable[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        # Two keys under one name and id could not be told apart in a note.
        if known.setdefault((key.name, key.key_id), key) != key:
            raise ValueError("two different keys share name and id")
    return known


def _cosigned_message(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _demand_signature(signature: bytes) -> bytes:
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError("an Ed25519 signature has 64 bytes")
    return signature


def _demand_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or c < " " for c in name):
        raise NoteError(
            "A key name has no spaces and no plus.", "ชื่อกุญแจต้องไม่มีช่องว่างหรือเครื่องหมายบวก"
        )


def _demand_text(text: str) -> None:
    if not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise NoteError(
            "A note is lines of text without control characters.",
            "ข้อความต้องเป็นบรรทัดข้อความที่ไม่มีอักขระควบคุม",
        )


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NoteError("A note is UTF-8.", "ข้อความต้องเป็น UTF-8") from error


def _parse_count(text: str) -> int:
    canonical = text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    if not canonical or len(text) > len(str(MAX_TREE_SIZE)):
        raise NoteError(
            "A size is a decimal number without leading zeros.", "ขนาดต้องเป็นเลขฐานสิบที่ไม่มีศูนย์นำหน้า"
        )
    return int(text)


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes:
    """Strict: only the one spelling that encoding gives (RFC 4648 section 4)."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("Not base64.", "ไม่ใช่ base64") from error
    if _to_base64(data) != text:
        raise NoteError("Not canonical base64.", "base64 ไม่อยู่ในรูปแบบมาตรฐาน")
    return data
