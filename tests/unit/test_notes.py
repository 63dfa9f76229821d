"""Signed notes: against notes that others signed, and against everything that is not one.

Signatures are made and checked by `cryptography`, so nothing here is pretended.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.merkle import TreeHead
from chalicelib.domain.notes import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Checkpoint,
    KeyKind,
    Note,
    NoteError,
    NoteSignature,
    NoteSignatureError,
    VerifierKey,
    WitnessRequest,
    cosign,
    open_checkpoint,
    parse_signature_lines,
    sign_checkpoint,
    verify_note,
)

VECTORS = Path(__file__).parent / "vectors"
REAL = (VECTORS / "cosigned_checkpoint.txt").read_bytes()
"""A checkpoint of a running log, signed by four witnesses."""
REAL_LOG = (
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
)
REAL_WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"

GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
"""Key and note of the Go reference implementation (golang.org/x/mod/sumdb/note)."""

C2SP_NOTE = (
    "Ognuno sta solo sul cuor della terra\n"
    "trafitto da un raggio di sole:\n"
    "\n"
    "ed è subito sera.\n"
    "\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
).encode()
C2SP_CHECKPOINT = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()
C2SP_REQUEST = (
    b"old 20852014\n"
    b"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    b"jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    b"5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    b"/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
    b"\n"
) + C2SP_CHECKPOINT

LOG_SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS_SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
ORIGIN = "tra.test/v1/registers/diw/licence/2026/numbers"
LOG = VerifierKey(ORIGIN, KeyKind.LOG, LOG_SECRET.public_key().public_bytes_raw())
WITNESS = VerifierKey("rd.test", KeyKind.WITNESS, WITNESS_SECRET.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint(ORIGIN, 42, b"\x07" * 32)
SIGNED = sign_checkpoint(CHECKPOINT, LOG, LOG_SECRET.sign)
COSIGNATURE = cosign(CHECKPOINT, WITNESS, 1_795_000_000, WITNESS_SECRET.sign)
COSIGNED = SIGNED.signed_also(COSIGNATURE)


def _verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


# -- what others signed --------------------------------------------------------


def test_a_real_checkpoint_and_cosignature_verify() -> None:
    """P7: a checkpoint of a running log with its witnesses' signatures is read as C2SP
    clients read it."""
    log, witness = VerifierKey.parse(REAL_LOG), VerifierKey.parse(REAL_WITNESS)
    opened = open_checkpoint(REAL, log, _verify, witnesses=[witness])
    assert opened.checkpoint.head == TreeHead(
        1_432_088_532, base64.b64decode("U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=")
    )
    assert [(s.key, s.timestamp) for s in opened.cosignatures] == [(witness, 0x6A122120)]
    assert Note.from_bytes(REAL).to_bytes() == REAL


@pytest.mark.parametrize("vkey", [REAL_LOG, REAL_WITNESS])
def test_a_real_checkpoint_that_was_touched_does_not_verify(vkey: str) -> None:
    """P7: neither log nor witness signed another size."""
    note = Note.from_bytes(REAL.replace(b"1432088532", b"1432088533"))
    with pytest.raises(NoteSignatureError, match="wrong"):
        verify_note(note, [VerifierKey.parse(vkey)], _verify)


def test_we_sign_what_the_reference_signs() -> None:
    """P7: key id, signature and bytes are those of the Go reference."""
    key = VerifierKey.parse(GO_KEY)
    assert key.vkey == GO_KEY
    note = Note.from_bytes(GO_NOTE)
    assert [s.key for s in verify_note(note, [key], _verify)] == [key]
    signature = Ed25519PrivateKey.from_private_bytes(GO_SEED).sign(note.text.encode())
    line = NoteSignature(key.name, key.key_id, signature)
    assert Note(note.text, (line,)).to_bytes() == GO_NOTE


def test_the_examples_of_the_standards_are_read() -> None:
    """P7: blank lines within the text, witnesses, times: all as in the C2SP documents."""
    assert Note.from_bytes(C2SP_NOTE).text.endswith("sole:\n\ned è subito sera.\n")
    note = Note.from_bytes(C2SP_CHECKPOINT)
    assert Checkpoint.parse(note.text).size == 20_852_163
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1_679_315_147
    request = WitnessRequest.from_bytes(C2SP_REQUEST)
    assert (request.old_size, len(request.proof), request.note) == (20_852_014, 4, note)
    assert (note.to_bytes(), request.to_bytes()) == (C2SP_CHECKPOINT, C2SP_REQUEST)


# -- keys ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "vkey",
    [
        GO_KEY,
        REAL_LOG,
        REAL_WITNESS,
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
    ],
)
def test_keys_in_use_are_read_and_printed(vkey: str) -> None:
    """P7: a plus within the base64 and either kind of key are no obstacle."""
    assert VerifierKey.parse(vkey).vkey == vkey


@pytest.mark.parametrize(
    "vkey",
    [
        pytest.param("", id="empty"),
        pytest.param("PeterNeumann", id="name_only"),
        pytest.param("PeterNeumann+c74f20a3", id="no_material"),
        pytest.param("PeterNeumann+c74f20a3+", id="empty_material"),
        pytest.param(GO_KEY.replace("c74f20a3", "c74f20a4"), id="wrong_id"),
        pytest.param(GO_KEY.replace("c74f20a3", "C74F20A3"), id="upper_case_id"),
        pytest.param(GO_KEY.replace("Peter", "Pieter"), id="wrong_name"),
        pytest.param(GO_KEY.removeprefix("PeterNeumann"), id="no_name"),
        pytest.param(GO_KEY.replace("Peter", "Peter "), id="space_in_name"),
        pytest.param(GO_KEY.replace("+ARpc", "+Arpc"), id="ecdsa_kind"),
        pytest.param(GO_KEY[:-4], id="short_key"),
        pytest.param(GO_KEY + "AAAA", id="long_key"),
        pytest.param(GO_KEY[:-1], id="bad_base64"),
        pytest.param(GO_KEY + "\n", id="trailing_newline"),
        pytest.param(GO_KEY + "é", id="not_ascii"),
    ],
)
def test_no_other_text_is_a_key(vkey: str) -> None:
    """P7: a mistyped key is noticed before anything is trusted with it."""
    with pytest.raises(NoteError):
        VerifierKey.parse(vkey)


def test_the_kind_of_a_key_is_part_of_its_id() -> None:
    """P7: one key pair under one name cannot be mistaken for both log and witness."""
    assert replace(LOG, kind=KeyKind.WITNESS).key_id != LOG.key_id


def test_keys_that_cannot_be_told_apart_are_refused() -> None:
    """P7: signatures of colliding keys would be ambiguous."""

    class Colliding(VerifierKey):
        __slots__ = ()

        @property
        def key_id(self) -> bytes:
            return LOG.key_id

    twin = Colliding(LOG.name, LOG.kind, bytes(32))
    with pytest.raises(ValueError, match="share name and id"):
        verify_note(SIGNED, [LOG, twin], _verify)
    assert len(verify_note(SIGNED, [LOG, LOG], _verify)) == 1


# -- notes ---------------------------------------------------------------------

LINE = SIGNED.signatures[0].line.encode()
TEXT = SIGNED.text.encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(TEXT, id="unsigned"),
        pytest.param(TEXT + b"\n", id="no_signature_lines"),
        pytest.param(TEXT + LINE, id="no_blank_line"),
        pytest.param(TEXT + b"\n" + LINE[:-1], id="no_last_newline"),
        pytest.param(TEXT + b"\n" + LINE + b"\n", id="blank_line_at_end"),
        pytest.param(TEXT + b"\n" + LINE + b"x\n", id="line_after_signatures"),
        pytest.param(TEXT + b"\n" + LINE.replace("—".encode(), b"-"), id="hyphen_for_dash"),
        pytest.param(TEXT + b"\n" + LINE.replace(b" ", b"  ", 1), id="two_spaces"),
        pytest.param(TEXT + b"\n" + LINE.replace(b" ", "\u00a0".encode(), 1), id="no_break_space"),
        pytest.param(TEXT + b"\n" + LINE.replace(b"=", b""), id="unpadded_base64"),
        pytest.param(TEXT + b"\n" + LINE.replace(b"=\n", b"==\n"), id="overpadded_base64"),
        pytest.param(TEXT + b"\n" + "— name AAAA\n".encode(), id="signature_shorter_than_id"),
        pytest.param(TEXT + b"\n" + "— name AAAAAA==\n".encode(), id="signature_is_only_id"),
        pytest.param(TEXT + b"\n" + "— name AAAAAAB=\n".encode(), id="loose_base64_bits"),
        pytest.param(TEXT + b"\n" + "— na+me AAAAAAA=\n".encode(), id="plus_in_name"),
        pytest.param(TEXT + b"\n" + "—  AAAAAAA=\n".encode(), id="no_name"),
        pytest.param(TEXT.replace(b"\n", b"\r\n") + b"\n" + LINE, id="carriage_returns"),
        pytest.param(TEXT + b"\x00\n\n" + LINE, id="control_character"),
        pytest.param(TEXT + b"\xff\n\n" + LINE, id="not_utf8"),
        pytest.param(TEXT + b"\n" + LINE * (MAX_SIGNATURES + 1), id="too_many_signatures"),
        pytest.param(b"x" * MAX_NOTE_BYTES + b"\n\n" + LINE, id="too_long"),
    ],
)
def test_no_other_bytes_are_a_note(data: bytes) -> None:
    """P7: what is not exactly a signed note is refused before any signature is looked at."""
    with pytest.raises(NoteError):
        Note.from_bytes(data)


def test_a_note_may_have_as_many_signatures_as_the_standard_wants() -> None:
    """P7: sixteen signatures of post-quantum size are within the limits."""
    lines = [NoteSignature(f"w{n}", bytes(4), bytes(5000)) for n in range(16)]
    note = Note(SIGNED.text, tuple(lines))
    assert Note.from_bytes(note.to_bytes()) == note


@given(st.data())
def test_whatever_is_read_prints_the_same(data: st.DataObject) -> None:
    """P7: there are no two spellings of one note, so none can be changed unnoticed."""
    good = bytearray(COSIGNED.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(good) - 1))
        good[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from(
                [b"", b"\n", b" ", b"=", b"A", b"+", b"\xe2\x80\x94", b"\r", b"\xc2\x85"]
            )
        )
    try:
        note = Note.from_bytes(bytes(good))
    except NoteError:
        return
    assert note.to_bytes() == bytes(good)


@given(st.lists(st.text(st.characters(exclude_categories=["C"])), min_size=1))
def test_any_text_can_be_noted(lines: list[str]) -> None:
    """P7: blank lines and every script survive."""
    note = Note("".join(f"{line}\n" for line in lines), SIGNED.signatures)
    assert Note.from_bytes(note.to_bytes()) == note


# -- trust ---------------------------------------------------------------------


def test_signatures_of_strangers_are_ignored() -> None:
    """P7: a note is believed for its known signatures and not refused for others."""
    stranger = NoteSignature(LOG.name, b"\x00\x00\x00\x00", bytes(64))
    renamed = replace(SIGNED.signatures[0], name="other.test")
    note = Note(SIGNED.text, (stranger, renamed, *SIGNED.signatures))
    assert [s.key for s in verify_note(note, [LOG], _verify)] == [LOG]
    with pytest.raises(NoteSignatureError, match="No trusted key"):
        verify_note(Note(SIGNED.text, (stranger, renamed)), [LOG], _verify)
    with pytest.raises(NoteSignatureError, match="No trusted key"):
        verify_note(SIGNED, [], _verify)


@pytest.mark.parametrize(
    "signature", [bytes(64), b"\x01", SIGNED.signatures[0].signature + b"\x00"]
)
def test_one_wrong_signature_of_a_known_key_spoils_the_note(signature: bytes) -> None:
    """P7: a log key's wrong signature beside a right one is a sign of forgery."""
    wrong = replace(SIGNED.signatures[0], signature=signature)
    with pytest.raises(NoteSignatureError, match="wrong"):
        verify_note(Note(SIGNED.text, (*SIGNED.signatures, wrong)), [LOG], _verify)


@pytest.mark.parametrize("answer", [None, 0, 1, "yes"])
def test_a_verifier_that_does_not_say_true_rejects(answer: Any) -> None:
    """P7: a verifier that forgets to return cannot open the door."""
    with pytest.raises(NoteSignatureError):
        verify_note(SIGNED, [LOG], lambda *_: answer)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 63, 65, 71, 73])
def test_a_signature_of_another_length_never_reaches_the_verifier(length: int) -> None:
    """P7: whatever a library makes of odd lengths, here they are wrong."""
    for line, key in ((SIGNED.signatures[0], LOG), (COSIGNATURE, WITNESS)):
        note = Note(SIGNED.text, (replace(line, signature=bytes(length)),))
        with pytest.raises(NoteSignatureError, match="wrong"):
            verify_note(note, [key], lambda *_: True)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\u2003b", "a\nb", "a\x00b"])
def test_a_name_has_neither_spaces_nor_plus(name: str) -> None:
    """P7: a name with either would be read back as something else."""
    with pytest.raises(NoteError, match="key name"):
        VerifierKey(name, KeyKind.LOG, bytes(32))
    with pytest.raises(NoteError, match="key name"):
        NoteSignature(name, bytes(4), bytes(64))


def test_a_signature_does_not_count_as_another_kind() -> None:
    """P7: a log's signature is no cosignature and the other way round, even by one key pair."""
    as_witness = VerifierKey(ORIGIN, KeyKind.WITNESS, LOG.public_key)
    by_log = NoteSignature(ORIGIN, as_witness.key_id, bytes(8) + SIGNED.signatures[0].signature)
    line = cosign(CHECKPOINT, as_witness, 0, LOG_SECRET.sign)
    by_witness = NoteSignature(ORIGIN, LOG.key_id, line.signature[8:])
    for forged, key in ((by_log, as_witness), (by_witness, LOG)):
        with pytest.raises(NoteSignatureError, match="wrong"):
            verify_note(Note(SIGNED.text, (forged,)), [key], _verify)
    assert verify_note(Note(SIGNED.text, (line,)), [as_witness], _verify)[0].timestamp == 0


# -- checkpoints ---------------------------------------------------------------


def test_a_checkpoint_is_signed_cosigned_and_opened() -> None:
    """P7: from the log over a witness to anyone, with the time the witness saw it."""
    opened = open_checkpoint(COSIGNED.to_bytes(), LOG, _verify, witnesses=[WITNESS])
    assert opened.checkpoint == CHECKPOINT
    assert [(s.key, s.timestamp) for s in opened.cosignatures] == [(WITNESS, 1_795_000_000)]
    assert open_checkpoint(COSIGNED.to_bytes(), LOG, _verify).cosignatures == ()


def test_a_cosignature_covers_its_time_and_the_checkpoint() -> None:
    """P7: neither the time nor any line of the checkpoint can be exchanged."""
    message = b"cosignature/v1\ntime 1795000000\n" + CHECKPOINT.text.encode()
    assert _verify(WITNESS.public_key, message, COSIGNATURE.signature[8:])
    later = (1_795_000_001).to_bytes(8, "big") + COSIGNATURE.signature[8:]
    for note in (
        Note(SIGNED.text, (replace(COSIGNATURE, signature=later),)),
        Note(replace(CHECKPOINT, extensions=("more",)).text, (COSIGNATURE,)),
        Note(replace(CHECKPOINT, size=43).text, (COSIGNATURE,)),
    ):
        with pytest.raises(NoteSignatureError):
            verify_note(note, [WITNESS], _verify)


def test_a_time_beyond_63_bits_is_refused() -> None:
    """P7: tlog-cosignature forbids it, whoever signed it."""
    stamp = 2**63
    message = f"cosignature/v1\ntime {stamp}\n{CHECKPOINT.text}".encode()
    signature = stamp.to_bytes(8, "big") + WITNESS_SECRET.sign(message)
    with pytest.raises(NoteSignatureError):
        verify_note(
            Note(SIGNED.text, (replace(COSIGNATURE, signature=signature),)), [WITNESS], _verify
        )
    for timestamp in (-1, stamp):
        with pytest.raises(ValueError, match="63 bits"):
            cosign(CHECKPOINT, WITNESS, timestamp, WITNESS_SECRET.sign)


def test_adding_signatures_can_be_repeated() -> None:
    """P8: a cosignature that arrives twice is published once, a newer one replaces it."""
    assert COSIGNED.signed_also(COSIGNATURE) == COSIGNED
    newer = cosign(CHECKPOINT, WITNESS, 1_795_000_300, WITNESS_SECRET.sign)
    assert COSIGNED.signed_also(newer).signatures == (*SIGNED.signatures, newer)


def test_a_witness_alone_makes_no_checkpoint() -> None:
    """P7: without the log's own signature nothing is believed."""
    note = Note(SIGNED.text, (COSIGNATURE,))
    with pytest.raises(NoteSignatureError, match="log did not sign"):
        open_checkpoint(note.to_bytes(), LOG, _verify, witnesses=[WITNESS])


def test_a_checkpoint_of_another_log_is_refused() -> None:
    """P7: the origin says which register it is; another register's checkpoint is no answer."""
    other = VerifierKey(ORIGIN.replace("2026", "2025"), KeyKind.LOG, LOG.public_key)
    note = sign_checkpoint(replace(CHECKPOINT, origin=other.name), other, LOG_SECRET.sign)
    with pytest.raises(NoteSignatureError, match="another log"):
        open_checkpoint(note.to_bytes(), LOG, _verify)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("o\n1\n", id="two_lines"),
        pytest.param(CHECKPOINT.text[:-1], id="no_last_newline"),
        pytest.param(CHECKPOINT.text + "\n", id="empty_extension"),
        pytest.param("\n" + CHECKPOINT.text, id="empty_origin"),
        pytest.param(CHECKPOINT.text.replace("42", "042"), id="leading_zero"),
        pytest.param(CHECKPOINT.text.replace("42", ""), id="no_size"),
        pytest.param(CHECKPOINT.text.replace("42", "-42"), id="negative"),
        pytest.param(CHECKPOINT.text.replace("42", "+42"), id="plus"),
        pytest.param(CHECKPOINT.text.replace("42", "4_2"), id="underscore"),
        pytest.param(CHECKPOINT.text.replace("42", "๔๒"), id="thai_digits"),
        pytest.param(CHECKPOINT.text.replace("42", "9223372036854775808"), id="beyond_63_bits"),
        pytest.param(CHECKPOINT.text.replace("42", "9" * 5000), id="endless_size"),
        pytest.param(CHECKPOINT.text.replace("Bwc", ""), id="short_root"),
        pytest.param(CHECKPOINT.text.replace("=", ""), id="unpadded_root"),
        pytest.param(CHECKPOINT.text.replace("\n", "\r\n"), id="carriage_returns"),
    ],
)
def test_no_other_text_is_a_checkpoint(text: str) -> None:
    """P7: a checkpoint has one spelling."""
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


_LINES = st.text(st.characters(exclude_categories=["C"]), min_size=1)


@given(
    st.builds(
        Checkpoint,
        _LINES,
        st.integers(0, 2**63 - 1),
        st.binary(min_size=32, max_size=32),
        st.lists(_LINES, max_size=3).map(tuple),
    )
)
def test_checkpoints_are_read_back(checkpoint: Checkpoint) -> None:
    """P7: what a log signs is what is read."""
    assert Checkpoint.parse(checkpoint.text) == checkpoint


def test_keys_are_used_for_what_they_are_for() -> None:
    """P7: a log key signs its own log only, a witness key cosigns, both make 64 bytes."""
    with pytest.raises(ValueError, match="its own origin"):
        sign_checkpoint(replace(CHECKPOINT, origin="other"), LOG, LOG_SECRET.sign)
    with pytest.raises(ValueError, match="its own origin"):
        sign_checkpoint(CHECKPOINT, replace(LOG, kind=KeyKind.WITNESS), LOG_SECRET.sign)
    with pytest.raises(ValueError, match="witness key"):
        cosign(CHECKPOINT, LOG, 0, LOG_SECRET.sign)
    with pytest.raises(ValueError, match="log key"):
        open_checkpoint(SIGNED.to_bytes(), WITNESS, _verify)
    with pytest.raises(ValueError, match="64 bytes"):
        sign_checkpoint(CHECKPOINT, LOG, lambda _: bytes(70))


# -- witnesses -----------------------------------------------------------------


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_requests_to_witnesses_are_read_back(old_size: int, proof: list[bytes]) -> None:
    """P7: what a log asks a witness to sign is what the witness reads."""
    request = WitnessRequest(old_size, tuple(proof), SIGNED)
    assert WitnessRequest.from_bytes(request.to_bytes()) == request


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(SIGNED.to_bytes(), id="checkpoint_only"),
        pytest.param(b"old 1\n" + SIGNED.to_bytes(), id="no_blank_line"),
        pytest.param(b"old 01\n\n" + SIGNED.to_bytes(), id="leading_zero"),
        pytest.param(b"old \n\n" + SIGNED.to_bytes(), id="no_size"),
        pytest.param(b"1\n\n" + SIGNED.to_bytes(), id="no_old"),
        pytest.param(b"old 1\nAAAA\n\n" + SIGNED.to_bytes(), id="short_hash"),
        pytest.param(b"old 1\n?\n\n" + SIGNED.to_bytes(), id="not_base64"),
        pytest.param(b"old 1\n\xff\n\n" + SIGNED.to_bytes(), id="not_utf8"),
        pytest.param(
            b"old 1\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\n" + SIGNED.to_bytes(),
            id="too_many_hashes",
        ),
        pytest.param(b"old 1\n\n", id="no_checkpoint"),
    ],
)
def test_no_other_bytes_are_a_request(data: bytes) -> None:
    """P7: a witness refuses what is not exactly a request of tlog-witness."""
    with pytest.raises(NoteError):
        WitnessRequest.from_bytes(data)


def test_the_answer_of_a_witness_is_added() -> None:
    """P7: signature lines as a witness sends them complete the published checkpoint."""
    lines = parse_signature_lines(COSIGNATURE.line)
    assert SIGNED.signed_also(*lines) == COSIGNED
    assert COSIGNATURE.is_by(WITNESS)
    assert not COSIGNATURE.is_by(LOG)
