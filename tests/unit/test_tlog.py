"""The files of a log: their names, their bytes, their order, and what their entries say."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.merkle import (
    EMPTY_HEAD,
    ProofError,
    TiledTree,
    TileError,
    TreeHead,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from chalicelib.domain.tlog import (
    CommitmentError,
    EntryBundle,
    FileName,
    Growth,
    HashTile,
    LeafError,
    LogFile,
    NumberLeaf,
    Outcome,
    OutcomeLeaf,
    PathError,
    SubjectKind,
    bundle_of,
    commit,
    decode_bundle,
    encode_bundle,
    files_of,
    new_files,
    parse_path,
    tile_reader,
    verify_commitment,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Store = dict[FileName, bytes]
EMPTY_STORE: Store = {}
SIZES = st.lists(
    st.sampled_from([0, 1, 2, 3, 254, 255, 256, 257, 300, 512]) | st.integers(0, 400),
    min_size=1,
    max_size=5,
)


def _entries(start: int, end: int) -> list[bytes]:
    return [b'{"number":%d}' % number for number in range(start + 1, end + 1)]


def _expected(name: FileName, entries: Sequence[bytes]) -> bytes:
    """What tlog-tiles says is in a file, without thought of speed."""
    first = name.index * 256
    if isinstance(name, EntryBundle):
        bundle = entries[first : first + name.width]
        assert len(bundle) == name.width
        return b"".join(len(entry).to_bytes(2, "big") + entry for entry in bundle)
    span = 256**name.level
    starts = range(first * span, (first + name.width) * span, span)
    spans = [entries[start : start + span] for start in starts]
    assert all(len(part) == span for part in spans)
    return b"".join(root_of(map(leaf_hash, part)) for part in spans)


def _grow(store: Store, head: TreeHead, entries: Sequence[bytes]) -> tuple[TreeHead, list[LogFile]]:
    growth = Growth(head, store.__getitem__)
    files = [*growth.add(entries), *growth.finish()]
    store |= {file.name: file.data for file in files}
    return growth.head, files


# -- names ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (HashTile(0, 1_234_067), "tile/0/x001/x234/067"),
        (HashTile(0, 0, 1), "tile/0/000.p/1"),
        (HashTile(2, 999, 255), "tile/2/999.p/255"),
        (HashTile(63, 1000), "tile/63/x001/000"),
        (EntryBundle(273, 112), "tile/entries/273.p/112"),
        (EntryBundle(1_000_000), "tile/entries/x001/x000/000"),
    ],
)
def test_paths_are_those_of_the_standard(name: FileName, path: str) -> None:
    """P7: any C2SP tlog-tiles client finds our files."""
    assert name.path == path
    assert parse_path(path) == name


@given(
    st.builds(HashTile, st.integers(0, 63), st.integers(0, 2**55), st.integers(1, 256))
    | st.builds(EntryBundle, st.integers(0, 2**55), st.integers(1, 256))
)
def test_every_name_has_one_path(name: FileName) -> None:
    """P7: names and paths map one to one."""
    assert parse_path(name.path) == name


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/000/",
        "/tile/0/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/067",
        "tile/0/x001/x067",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/1/",
        "tile/0/000.p",
        "tile/entry/000",
        "tile/0/../000",
        "tile/0/๐๐๑",
        "tile/0/000\n",
        "tile/0/" + "x001/" * 5000 + "001",
    ],
)
def test_other_paths_name_nothing(path: str) -> None:
    """P6: nothing but the files of the log can be asked for under its address."""
    with pytest.raises(PathError):
        parse_path(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: HashTile(-1, 0),
        lambda: HashTile(64, 0),
        lambda: HashTile(0, -1),
        lambda: HashTile(0, 0, 0),
        lambda: EntryBundle(0, 257),
    ],
)
def test_no_other_tile_can_be_named(make: Any) -> None:
    """P7: a name outside the standard is refused where it is made."""
    with pytest.raises(ValueError, match="tile"):
        make()


def test_the_example_of_the_standard() -> None:
    """P7: a tree of 70,000 has the tiles that tlog-tiles counts out."""
    names = list(files_of(70_000))
    tiles = [name for name in names if isinstance(name, HashTile)]
    count = {
        (level, width): sum(t.level == level and t.width == width for t in tiles)
        for level, width in {(t.level, t.width) for t in tiles}
    }
    assert count == {(0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1}
    assert sum(isinstance(name, EntryBundle) for name in names) == 274
    assert [n.path for n in files_of(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]


@pytest.mark.parametrize(
    ("index", "size", "bundle"),
    [
        (0, 1, EntryBundle(0, 1)),
        (255, 256, EntryBundle(0)),
        (256, 257, EntryBundle(1, 1)),
        (256, 600, EntryBundle(1)),
        (599, 600, EntryBundle(2, 88)),
    ],
)
def test_an_entry_is_found_in_its_bundle(index: int, size: int, bundle: EntryBundle) -> None:
    """P7: from a number to the published entry is one file."""
    assert bundle_of(index, size) == bundle
    for missing in (-1, size):
        with pytest.raises(ValueError, match="no such entry"):
            bundle_of(missing, size)


def test_a_log_never_shrinks() -> None:
    """P7: files are only ever added."""
    with pytest.raises(ValueError, match="shorter"):
        list(new_files(2, 1))


# -- growth --------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_growth_writes_exactly_the_defined_files(steps: list[int]) -> None:
    """P7: whatever the steps, each new file is written once, with the bytes of the standard."""
    store: Store = {}
    head = EMPTY_HEAD
    entries: list[bytes] = []
    for step in steps:
        entries += _entries(len(entries), len(entries) + step)
        old = head
        head, files = _grow(store, old, entries[old.size :])
        assert sorted(f.name.path for f in files) == sorted(
            n.path for n in new_files(old.size, head.size)
        )
        assert all(file.data == _expected(file.name, entries) for file in files)
        assert head == TreeHead(len(entries), root_of(map(leaf_hash, entries)))
    assert set(files_of(head.size)) <= set(store)


def test_a_log_over_three_levels() -> None:
    """P7: 70,000 numbers grown in uneven steps have the root, proofs and files of one step."""
    store: Store = {}
    head = EMPTY_HEAD
    heads = [head]
    for size in (1, 40_000, 65_535, 65_536, 65_537, 70_000):
        head, _ = _grow(store, head, _entries(head.size, size))
        heads.append(head)
    at_once: Store = {}
    assert _grow(at_once, EMPTY_HEAD, _entries(0, 70_000))[0] == head
    assert set(at_once) == set(files_of(70_000))
    assert all(store[name] == data for name, data in at_once.items())
    tree = TiledTree(head.size, tile_reader(store.__getitem__))
    for old, new in pairwise(heads):
        part = TiledTree(new.size, tile_reader(store.__getitem__))
        verify_consistency(old, new, part.consistency_proof(old.size))
        verify_consistency(old, head, tree.consistency_proof(old.size))
    for index in (0, 39_999, 65_535, 65_536, 69_999):
        bundle = bundle_of(index, head.size)
        entry = decode_bundle(store[bundle], bundle.width)[index % 256]
        assert entry == b'{"number":%d}' % (index + 1)
        verify_inclusion(leaf_hash(entry), index, tree.inclusion_proof(index), head)


@pytest.mark.parametrize("later", [0, 1, 300])
def test_killed_after_any_file_the_next_run_ends_the_same(later: int) -> None:
    """P8: a run that died anywhere, followed by one with as many or more entries, leaves
    the log of a run that did not die, and the old checkpoint's files untouched."""
    store: Store = {}
    old, _ = _grow(store, EMPTY_HEAD, _entries(0, 200))
    before = dict(store)
    _, files = _grow(dict(store), old, _entries(200, 600))
    expected: Store = dict(store)
    final, _ = _grow(expected, old, _entries(200, 600 + later))
    for died_after in range(len(files) + 1):
        left = dict(before) | {file.name: file.data for file in files[:died_after]}
        again, rewritten = _grow(left, old, _entries(200, 600 + later))
        assert again == final
        assert all(left[name] == data for name, data in (before | expected).items())
        written = {file.name: file.data for file in files[:died_after]}
        assert all(written.get(f.name, f.data) == f.data for f in rewritten)


def test_entries_are_written_before_hashes_and_low_levels_before_high() -> None:
    """P3: at no instant is there a hash in the store whose entry is not."""
    files = _grow({}, EMPTY_HEAD, _entries(0, 700))[1]
    entries = hashes = 0
    for file in files:
        if isinstance(file.name, EntryBundle):
            entries += file.name.width
        elif file.name.level == 0:
            hashes += file.name.width
            assert hashes <= entries
        else:
            assert (file.name.index * 256 + file.name.width) * 256 <= hashes
    assert entries == hashes == 700


def test_growth_by_nothing_writes_nothing() -> None:
    """P8: a checkpoint on demand without news changes no file."""
    store: Store = {}
    head, _ = _grow(store, EMPTY_HEAD, _entries(0, 300))
    assert _grow(store, head, []) == (head, [])
    assert _grow({}, EMPTY_HEAD, []) == (EMPTY_HEAD, [])


def test_a_growth_may_pause_for_a_checkpoint() -> None:
    """P7: partial files can be written in between without disturbing what follows."""
    growth = Growth(EMPTY_HEAD, EMPTY_STORE.__getitem__)
    store: Store = {file.name: file.data for file in growth.add(_entries(0, 300))}
    store |= {file.name: file.data for file in growth.finish()}
    assert growth.head == TreeHead(300, root_of(map(leaf_hash, _entries(0, 300))))
    store |= {file.name: file.data for file in growth.add(_entries(300, 600))}
    store |= {file.name: file.data for file in growth.finish()}
    assert all(store[n] == _expected(n, _entries(0, 600)) for n in files_of(600))


def test_resuming_reads_one_file_per_level_and_one_bundle() -> None:
    """P8: a checkpoint's cost depends on what is new, not on what is there."""
    store: Store = {}
    head, _ = _grow(store, EMPTY_HEAD, _entries(0, 66_000))
    reads: list[FileName] = []

    def read(name: FileName) -> bytes:
        reads.append(name)
        return store[name]

    Growth(head, read)
    assert [name.path for name in reads] == [
        "tile/0/257.p/208",
        "tile/1/001.p/1",
        "tile/2/000.p/1",
        "tile/entries/257.p/208",
    ]


@pytest.mark.parametrize("kind", [HashTile, EntryBundle])
@pytest.mark.parametrize("damage", ["changed", "truncated", "prolonged", "emptied"])
def test_a_damaged_log_is_not_grown(kind: type, damage: str) -> None:
    """P7: a changed or truncated file at the end of a log is found before anything is added."""
    store: Store = {}
    head, _ = _grow(store, EMPTY_HEAD, _entries(0, 700))
    for name in [n for n in files_of(700) if isinstance(n, kind) and n.width < 256]:
        good = store[name]
        bad = {
            "changed": good[:-1] + bytes([good[-1] ^ 1]),
            "truncated": good[:-1],
            "prolonged": good + b"\x00",
            "emptied": b"",
        }
        with pytest.raises(TileError):
            Growth(head, (store | {name: bad[damage]}).__getitem__)


def test_growth_needs_the_head_of_the_files() -> None:
    """P7: files of another history than the checkpoint's are refused."""
    store: Store = {}
    head, _ = _grow(store, EMPTY_HEAD, _entries(0, 10))
    with pytest.raises(TileError, match="root"):
        Growth(TreeHead(10, EMPTY_HEAD.root), store.__getitem__)
    forked: Store = {}
    _grow(forked, EMPTY_HEAD, [b"forged", *_entries(1, 10)])
    with pytest.raises(TileError, match="root"):
        Growth(head, forked.__getitem__)


def test_a_fork_between_checkpoints_has_no_proof() -> None:
    """P7: an entry changed after its checkpoint breaks the chain of checkpoints."""
    honest: Store = {}
    forged: Store = {}
    head, _ = _grow(honest, EMPTY_HEAD, _entries(0, 300))
    changed = [*_entries(0, 100), b"forged", *_entries(101, 500)]
    later, _ = _grow(forged, EMPTY_HEAD, changed)
    proof = TiledTree(later.size, tile_reader(forged.__getitem__)).consistency_proof(300)
    with pytest.raises(ProofError):
        verify_consistency(head, later, proof)


def test_memory_does_not_grow_with_the_log() -> None:
    """P1: registers of any size are published in the memory of one bundle and a few tiles."""
    size = 20_000
    tracemalloc.start()
    try:
        growth = Growth(EMPTY_HEAD, EMPTY_STORE.__getitem__)
        for _ in growth.add(b"%060d" % number for number in range(size)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert growth.head.size == size
    assert peak < 300_000  # all leaf hashes alone would take 1,300,000


# -- bundles -------------------------------------------------------------------


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundles_are_read_back(entries: list[bytes]) -> None:
    """P7: what is published is exactly what was logged."""
    assert decode_bundle(encode_bundle(entries), len(entries)) == tuple(entries)


def test_a_bundle_of_the_largest_entry() -> None:
    """P7: 65,535 bytes fit, one more is refused."""
    assert decode_bundle(encode_bundle([bytes(65_535)]), 1) == (bytes(65_535),)
    with pytest.raises(ValueError, match="65,535"):
        encode_bundle([bytes(65_536)])


@given(st.lists(st.binary(max_size=20), max_size=20), st.data())
def test_a_spoilt_bundle_is_found(entries: list[bytes], data: st.DataObject) -> None:
    """P7: a bundle that is cut, prolonged or of another width is refused."""
    good = encode_bundle(entries)
    for width in {len(entries) - 1, len(entries) + 1} - {-1}:
        with pytest.raises(TileError):
            decode_bundle(good, width)
    with pytest.raises(TileError):
        decode_bundle(good + b"\x00", len(entries))
    if good:
        with pytest.raises(TileError):
            decode_bundle(good[: data.draw(st.integers(0, len(good) - 1))], len(entries))


# -- leaves --------------------------------------------------------------------

DIGEST = "ab" * 32
AT = datetime(2026, 11, 21, 5, 0, 0, 123456, tzinfo=UTC)
NUMBER = NumberLeaf(
    register_id="diw/licence/2026",
    number=12,
    subject_kind=SubjectKind.DOCUMENT,
    subject_id="01JD8XK2M3N4P5Q6R7S8T9V0W1",
    commitment=DIGEST,
    document_type="licence",
    numbered_at=AT,
)
OUTCOME = OutcomeLeaf(
    register_id="diw/licence/2026",
    seq=0,
    number=12,
    child=0,
    outcome=Outcome.ISSUED,
    subject_id="01JD8XK2M3N4P5Q6R7S8T9V0W1",
    commitment=None,
    file_digest=DIGEST,
    reason_code=None,
    at=AT,
)
NUMBER_BYTES = (
    '{"commitment":"' + DIGEST + '","document_type":"licence","number":12,'
    '"numbered_at":"2026-11-21T05:00:00.123456Z","register_id":"diw/licence/2026",'
    '"subject_id":"01JD8XK2M3N4P5Q6R7S8T9V0W1","subject_kind":"document","v":1}'
).encode()
OUTCOME_BYTES = (
    '{"at":"2026-11-21T05:00:00.123456Z","child":0,"commitment":null,'
    '"file_digest":"' + DIGEST + '","number":12,'
    '"outcome":"issued","reason_code":null,"register_id":"diw/licence/2026","seq":0,'
    '"subject_id":"01JD8XK2M3N4P5Q6R7S8T9V0W1","v":1}'
).encode()
LEAVES = [(NumberLeaf, NUMBER_BYTES), (OutcomeLeaf, OUTCOME_BYTES)]

_TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
_IDS = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z")
_WORDS = st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,62}\Z")
_DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
_REGISTERS = st.from_regex(
    r"\A[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}/[1-9][0-9]{3}\Z"
).filter(str.isascii)


def test_the_bytes_of_leaves_are_fixed() -> None:
    """P7: a changed encoding would make old registers unverifiable; these bytes are for ever."""
    assert NUMBER.to_bytes() == NUMBER_BYTES
    assert OUTCOME.to_bytes() == OUTCOME_BYTES


@given(
    st.builds(
        NumberLeaf,
        register_id=_REGISTERS,
        number=st.integers(1, 10**9),
        subject_kind=st.sampled_from(SubjectKind),
        subject_id=_IDS,
        commitment=_DIGESTS,
        document_type=_WORDS,
        numbered_at=_TIMES,
    )
)
def test_number_leaves_are_read_back(leaf: NumberLeaf) -> None:
    """P7: a number leaf says exactly what was fixed at numbering."""
    assert NumberLeaf.from_bytes(leaf.to_bytes()) == leaf


@given(
    st.builds(
        OutcomeLeaf,
        register_id=_REGISTERS,
        seq=st.integers(0, 10**9),
        number=st.integers(1, 10**9),
        child=st.integers(0, 99),
        commitment=_DIGESTS,
        outcome=st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.VOID]),
        subject_id=_IDS,
        file_digest=_DIGESTS,
        reason_code=_WORDS,
        at=_TIMES,
    )
)
def test_outcome_leaves_are_read_back(leaf: OutcomeLeaf) -> None:
    """P7: an outcome leaf says exactly what became of a number."""
    assert OutcomeLeaf.from_bytes(leaf.to_bytes()) == leaf


def test_an_instant_has_one_spelling() -> None:
    """P7: the same instant in another time zone is the same leaf."""
    bangkok = AT.astimezone(timezone(timedelta(hours=7)))
    assert replace(NUMBER, numbered_at=bangkok).to_bytes() == NUMBER_BYTES


@pytest.mark.parametrize(("kind", "good"), LEAVES, ids=["number", "outcome"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: b"",
        lambda good: b"[]",
        lambda good: b"[" * 60_000,
        lambda good: good[:-1],
        lambda good: good + b"\n",
        lambda good: good.replace(b",", b", "),
        lambda good: good.replace(b'"v":1', b'"v":2'),
        lambda good: good.replace(b'"v":1', b'"v":true'),
        lambda good: good.replace(b'"v":1', b'"v":1,"v":1'),
        lambda good: good.replace(b'"v":1', b'"v":1,"w":1'),
        lambda good: good.replace(b',"v":1', b""),
        lambda good: good.replace(b'"number":12', b'"number":"12"'),
        lambda good: good.replace(b'"number":12', b'"number":12.0'),
        lambda good: good.replace(b'"number":12', b'"number":true'),
        lambda good: good.replace(b'"number":12', b'"number":0'),
        lambda good: good.replace(b"abab", b"ABAB"),
        lambda good: good.replace(b"123456Z", b"123Z"),
        lambda good: good.replace(b"123456Z", b"123456+00:00"),
        lambda good: good.replace(b"2026-11-21", b"2026-11-31"),
        lambda good: good.replace(b'"2026-11-21T05:00:00.123456Z"', b"0"),
        lambda good: good.replace(b"/2026", b"/26"),
        lambda good: good.replace(b"diw/", b""),
        lambda good: good.replace(b"01JD8XK2M3N4P5Q6R7S8T9V0W1", "สมชาย ใจดี".encode()),
        lambda good: good.replace(b"document", b"docum\\u0065nt").replace(
            b"issued", b"issue\\u0064"
        ),
        lambda good: good.replace(b'"document"', b'"other"').replace(b'"issued"', b'"other"'),
        lambda good: good.replace(b'"document"', b"[]").replace(b'"issued"', b"[]"),
    ],
)
def test_nothing_else_is_a_leaf(kind: Any, good: bytes, spoil: Any) -> None:
    """P7: an entry has one form only, so two readers can never read it differently, and a
    personal name does not fit in."""
    spoilt = spoil(good)
    assert spoilt != good
    with pytest.raises(LeafError):
        kind.from_bytes(spoilt)


@pytest.mark.parametrize(
    "changes",
    [
        {"file_digest": None},
        {"outcome": Outcome.VOID},
        {"outcome": Outcome.VOID, "reason_code": "render_failed"},
        {"outcome": Outcome.VOID, "file_digest": None},
        {"outcome": Outcome.REVOKED},
        {"reason_code": "เหตุผล"},
        {"outcome": Outcome.INSERTED},
        {"outcome": Outcome.RESERVATION_USED, "commitment": "secret"},
        {"child": -1},
        {"seq": -1},
        {"at": AT.replace(tzinfo=None)},
    ],
    ids=str,
)
def test_outcomes_that_contradict_themselves_are_refused(changes: dict[str, Any]) -> None:
    """P3, P4: issued has a file, void has none, void and revoked have a reason."""
    with pytest.raises(LeafError):
        replace(OUTCOME, **changes)


def test_outcomes_that_are_whole_are_accepted() -> None:
    """P4: each end of a number can be told."""
    void = replace(OUTCOME, outcome=Outcome.VOID, file_digest=None, reason_code="lint_failed")
    used = replace(OUTCOME, outcome=Outcome.RESERVATION_USED, file_digest=None, commitment=DIGEST)
    revoked = replace(OUTCOME, outcome=Outcome.REVOKED, reason_code="by_court")
    for leaf in (void, used, revoked):
        assert OutcomeLeaf.from_bytes(leaf.to_bytes()) == leaf


# -- commitments ---------------------------------------------------------------

SALT = bytes(range(32))


def test_the_bytes_of_a_commitment_are_fixed() -> None:
    """P2: anyone with the evidence bundle can recompute it with three lines of code."""
    message = b"tra/content-commitment/v1\n" + SALT + bytes.fromhex(DIGEST)
    assert commit(SALT, DIGEST) == hashlib.sha256(message).hexdigest()
    verify_commitment(commit(SALT, DIGEST), SALT, DIGEST)


@given(st.binary(min_size=32, max_size=32), _DIGESTS)
def test_a_commitment_fits_one_content_and_salt_only(salt: bytes, digest: str) -> None:
    """P2: neither another content nor another salt opens it, so guessing content is no use."""
    made = commit(SALT, DIGEST)
    if digest != DIGEST:
        with pytest.raises(CommitmentError):
            verify_commitment(made, SALT, digest)
    if salt != SALT:
        with pytest.raises(CommitmentError):
            verify_commitment(made, salt, DIGEST)


@pytest.mark.parametrize(
    ("salt", "digest"),
    [(SALT[:-1], DIGEST), (SALT + b"\x00", DIGEST), (SALT, DIGEST[:-2]), (SALT, "AB" * 32)],
)
def test_a_commitment_needs_full_lengths(salt: bytes, digest: str) -> None:
    """P2: fixed lengths are what makes the commitment unambiguous."""
    with pytest.raises(ValueError, match=r"32 bytes|64 lower-case"):
        commit(salt, digest)


def test_a_leaf_shows_nothing_of_the_content_digest() -> None:
    """P7: the public log holds the commitment, not the digest that could be tried."""
    leaf = replace(NUMBER, commitment=commit(SALT, DIGEST))
    assert DIGEST not in json.dumps(json.loads(leaf.to_bytes()))
