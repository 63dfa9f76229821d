"""Published types: immutable, versioned, and found by whoever numbers, seals or shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.memory import MemoryTypeStore
from chalicelib.adapters.type_folders import new_folder, packaged_bundles, wrapped_picture
from chalicelib.adapters.types import (
    PackagedDocumentTypes,
    PublishedDocumentTypes,
    document_type_of,
)
from chalicelib.domain.documents import DocumentState
from chalicelib.domain.errors import ConfigurationError, NotFoundError, UnavailableError
from chalicelib.domain.published_types import TypeBundle, TypeRecord, TypeRefusedError
from chalicelib.domain.retention import LockMode
from chalicelib.services.number import number
from chalicelib.services.publish_type import PublishingRoom, publish, refuse_changed, withdraw
from chalicelib.services.seal import seal
from tests.support.rooms import Fakes
from tests.support.samples import NOON, document

PACKAGED = {bundle.name: bundle for bundle in packaged_bundles()}


def bundle_of(name: str = "pilot", version: int = 1, book: str | None = None) -> TypeBundle:
    """The licence under another name, and with a rule of this version's own."""
    files = dict(PACKAGED["licence"].files)
    rules = {**json.loads(files["type.json"]), "version": version, "book": book or name}
    rules["retention_years"] = 10 + version
    files["type.json"] = json.dumps(rules).encode()
    return TypeBundle(name=name, version=version, files=files)


@dataclass
class Desk:
    """A store, somebody who publishes there, and a reader with a clock."""

    store: MemoryTypeStore = field(default_factory=MemoryTypeStore)
    now: float = 0.0

    def publish(self, bundle: TypeBundle) -> None:
        room = PublishingRoom(
            store=self.store,
            clock=lambda: NOON,
            lock_mode=LockMode.COMPLIANCE,
            packaged={name: bundle.digest for name, bundle in PACKAGED.items()},
            is_agency=lambda agency_id: agency_id == "diw",
        )
        publish(bundle, document_type_of(bundle), by="arn:somebody", room=room)

    def withdraw(self, name: str) -> TypeRecord:
        room = PublishingRoom(store=self.store, clock=lambda: NOON, lock_mode=LockMode.COMPLIANCE)
        return withdraw(name, by="arn:somebody", room=room)

    def types(self) -> PublishedDocumentTypes:
        return PublishedDocumentTypes(
            PackagedDocumentTypes(), self.store, monotonic=lambda: self.now
        )


@pytest.fixture
def desk() -> Desk:
    return Desk()


# -- publishing --------------------------------------------------------------------


def test_each_version_stays(desk: Desk) -> None:
    """Issue 5 item 2: after version 2, version 1 is still what it was."""
    desk.publish(bundle_of())
    desk.publish(bundle_of(version=2))
    types = desk.types()
    one, two = types.get("pilot", 1), types.get("pilot", 2)
    assert one is not None
    assert two is not None
    assert (one.retention_years, two.retention_years) == (11, 12)
    assert types.get("pilot") == two


def test_the_same_again_changes_nothing(desk: Desk) -> None:
    """P8: publishing again, after a crash say, is no new version."""
    desk.publish(bundle_of())
    before = desk.store.record("pilot")
    desk.publish(replace(bundle_of(), made_with={"typst": "another"}))
    assert desk.store.record("pilot") == before


def test_other_files_under_a_version_are_refused(desk: Desk) -> None:
    """Issue 5 item 2: a published version is immutable; who changed a file is told the next
    number."""
    desk.publish(bundle_of())
    changed = replace(bundle_of(), files={**bundle_of().files, "template.typ": b"other"})
    with pytest.raises(TypeRefusedError, match="to 2") as refused:
        desk.publish(changed)
    assert "รุ่น 1" in refused.value.detail_th


@pytest.mark.parametrize("version", [3, 9])
def test_versions_go_up_by_one(desk: Desk, version: int) -> None:
    """Issue 5 item 2: no number is left out, so that what is missing would be seen."""
    desk.publish(bundle_of())
    with pytest.raises(TypeRefusedError, match="does not follow"):
        desk.publish(bundle_of(version=version))


def test_a_type_keeps_its_book_and_takes_no_others(desk: Desk) -> None:
    """P1: a register goes on under its name, and belongs to one type."""
    desk.publish(bundle_of())
    with pytest.raises(TypeRefusedError, match="stays so"):
        desk.publish(bundle_of(version=2, book="elsewhere"))
    with pytest.raises(TypeRefusedError, match="that of pilot"):
        desk.publish(bundle_of("other", book="pilot"))
    with pytest.raises(TypeRefusedError, match="access log"):
        desk.publish(bundle_of("another", book="access"))


def test_names_of_the_house_are_taken(desk: Desk) -> None:
    """P6: nobody puts their own licence into the place of Tra's."""
    with pytest.raises(TypeRefusedError, match="another name"):
        desk.publish(bundle_of("licence"))
    desk.publish(PACKAGED["licence"])


def test_issuers_must_exist(desk: Desk) -> None:
    """Bad input: a misspelt agency in `issuers` would leave a type that nobody can issue."""
    rules = {**json.loads(bundle_of().files["type.json"]), "issuers": ["diw", "diww"]}
    files = {**bundle_of().files, "type.json": json.dumps(rules).encode()}
    with pytest.raises(TypeRefusedError, match="diww"):
        desk.publish(replace(bundle_of(), files=files))


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("Pilot", {}),
        ("../pilot", {}),
        ("pilot", {"../template.typ": b""}),
        ("pilot", {"photo.png": b"\x89PNG"}),
        ("pilot", {"code.wasm": b"\0asm"}),
        ("pilot", {"tis620.typ": b"\xa1\xd2"}),
        ("pilot", {"large.svg": b"x" * (2 * 1024 * 1024 + 1)}),
        ("pilot", {f"f{n}.typ": b"" for n in range(41)}),
    ],
)
def test_what_no_type_may_have(name: str, files: dict[str, bytes]) -> None:
    """Bad input: names that lead elsewhere, code, other encodings and masses are refused before
    anything is stored."""
    with pytest.raises(TypeRefusedError):
        TypeBundle(name=name, version=1, files=files)


def test_packaged_types_that_changed_are_noticed(desk: Desk) -> None:
    """Issue 5 item 2: a deployment whose types changed without a new version is refused before
    it begins; new types and new versions pass."""
    for bundle in PACKAGED.values():
        desk.publish(bundle)
    refuse_changed(PACKAGED.values(), store=desk.store)
    refuse_changed([bundle_of("newcomer")], store=desk.store)
    licence = PACKAGED["licence"]
    style = {**licence.files, "_common/tra.typ": b"// another house style"}
    with pytest.raises(TypeRefusedError, match="version"):
        refuse_changed([replace(licence, files=style)], store=desk.store)
    refuse_changed([replace(licence, files=style, version=2)], store=desk.store)


# -- finding -----------------------------------------------------------------------


def test_a_new_type_is_found_at_once_and_a_new_version_soon(desk: Desk) -> None:
    """Issue 5 item 2: no deployment: containers see a type at once and a version within half a
    minute, without asking each time."""
    types = desk.types()
    assert types.get("pilot") is None
    desk.publish(bundle_of())
    assert types.get("pilot") is not None
    desk.now += 31
    assert types.get("pilot") is not None
    desk.publish(bundle_of(version=2))
    found = types.get("pilot")
    assert found is not None
    assert found.version == 1
    assert types.get("pilot", 2) is not None  # whoever asks for it by number has seen it
    desk.now += 31
    found = types.get("pilot")
    assert found is not None
    assert found.version == 2


def test_packaged_types_need_no_store() -> None:
    """The way of the packaged types is as short as it was: by number nobody is asked."""

    class Silent(MemoryTypeStore):
        def record(self, name: str) -> TypeRecord | None:
            raise AssertionError(name)

    types = PublishedDocumentTypes(PackagedDocumentTypes(), Silent())
    assert types.get("licence", 1) == PackagedDocumentTypes().get("licence")
    assert types.get("licence") == PackagedDocumentTypes().get("licence")


def test_the_newer_of_packaged_and_published(desk: Desk) -> None:
    """While a deployment goes on, or after it was taken back, the newest version counts."""
    older, newer = PACKAGED["licence"], replace(PACKAGED["licence"], version=2)
    rules = {**json.loads(newer.files["type.json"]), "version": 2}
    newer = replace(newer, files={**newer.files, "type.json": json.dumps(rules).encode()})
    desk.store.keep(older, NOON, LockMode.COMPLIANCE)
    room = PublishingRoom(store=desk.store, clock=lambda: NOON, lock_mode=LockMode.COMPLIANCE)
    for bundle in (older, newer):
        publish(bundle, document_type_of(bundle), by="x", room=room)
    found = desk.types().get("licence")
    assert found is not None
    assert found.version == 2


def test_a_withdrawn_type_takes_no_new_documents(desk: Desk) -> None:
    """Issue 5 item 2: withdrawn, it cannot be asked for; what was accepted with it still finds
    its version; another version brings it back."""
    desk.publish(bundle_of())
    assert desk.withdraw("pilot") == desk.withdraw("pilot")
    types = desk.types()
    assert types.get("pilot") is None
    assert "pilot" not in {kind.name for kind in types.all()}
    assert types.get("pilot", 1) is not None
    desk.publish(bundle_of(version=2))
    assert desk.types().get("pilot") is not None
    with pytest.raises(NotFoundError):
        desk.withdraw("nothing")


def test_all_types_are_listed_by_name(desk: Desk) -> None:
    """The catalogue shows packaged and published types alike (api.md)."""
    desk.publish(bundle_of("aaa"))
    desk.publish(bundle_of("zzz"))
    names = [kind.name for kind in desk.types().all()]
    assert names == sorted(names)
    assert {"aaa", "licence", "zzz"} <= set(names)
    assert desk.types().get("../licence") is None


# -- who uses them -----------------------------------------------------------------


@pytest.fixture
def world(desk: Desk) -> Callable[[], Any]:
    """A house on fakes in which types are those of the desk; made anew, nothing is cached."""
    fakes = Fakes()

    def house() -> Any:
        made = fakes.house()
        vars(made)["types"] = desk.types()
        return made

    return house


def test_a_document_ends_with_the_version_it_began_with(
    desk: Desk, world: Callable[[], Any]
) -> None:
    """Issue 5 item 2, P2: version 2 comes out, and version 1 is withdrawn with it, between
    acceptance, numbering and sealing; the document is made with version 1."""
    desk.publish(bundle_of())
    accepted = replace(document(), document_type="pilot", retention_years=11)
    world().documents.add(accepted, None)
    desk.publish(bundle_of(version=2))
    house = world()
    number([accepted.document_id], to=house.numberer)
    desk.withdraw("pilot")
    house = world()
    sealed = seal(accepted.document_id, room=house.sealing_room)
    assert (sealed.state, sealed.type_version) == (DocumentState.ISSUED, 1)


def test_a_version_not_there_yet_is_waited_for(desk: Desk, world: Callable[[], Any]) -> None:
    """P4: the API is deployed already and the rest not yet: the document waits."""
    desk.publish(bundle_of())
    ahead = replace(document(), document_type="pilot", type_version=2)
    world().documents.add(ahead, None)
    with pytest.raises(UnavailableError):
        number([ahead.document_id], to=world().numberer)


def test_a_version_that_was_never_published_is_ended(desk: Desk, world: Callable[[], Any]) -> None:
    """P4: an old version that nobody can find any more does not block its register."""
    old = replace(document(), document_type="licence", type_version=0)
    world().documents.add(old, None)
    number([old.document_id], to=world().numberer)
    ended = world().documents.get(old.document_id)
    assert ended is not None
    assert ended.state is DocumentState.REJECTED
    assert ended.reason is not None
    assert ended.reason.code == "document_type_withdrawn"


# -- folders -----------------------------------------------------------------------


def test_a_new_folder_is_a_type(tmp_path: Path) -> None:
    """Issue 5 item 2: what `new` makes has its own name and book, and the one rule for text."""
    made = new_folder(tmp_path / "my-own", "diw")
    assert {path.name for path in made} == {
        "type.json",
        "schema.json",
        "example.json",
        "template.typ",
    }
    assert "NAME" not in "".join(path.read_text(encoding="utf-8") for path in made)
    rules = json.loads((tmp_path / "my-own" / "type.json").read_text(encoding="utf-8"))
    assert (rules["book"], rules["issuers"]) == ("my-own", ["diw"])
    schema = json.loads((tmp_path / "my-own" / "schema.json").read_text(encoding="utf-8"))
    licence = PackagedDocumentTypes().get("licence")
    assert licence is not None
    assert schema["$defs"] == licence.content_schema["$defs"]
    with pytest.raises(FileExistsError):
        new_folder(tmp_path / "my-own", None)
    with pytest.raises(TypeRefusedError):
        new_folder(tmp_path / "My Own", None)


def test_a_picture_becomes_a_drawing() -> None:
    """Templates show drawings; a photograph goes into one with its size."""
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x20"
    jpeg = b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x11\x08\0\x20\0\x10\3"
    for picture, kind in ((png, "png"), (jpeg, "jpeg")):
        drawing = wrapped_picture(picture)
        assert f"data:image/{kind};base64," in drawing
        assert 'width="16" height="32"' in drawing
    with pytest.raises(TypeRefusedError):
        wrapped_picture(b"GIF89a")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "type.json:1:2"),
        ("{}", "version"),
        ('{"version": true}', "version"),
        ("[]", "version"),
    ],
)
def test_a_folder_that_is_no_type_says_so(tmp_path: Path, text: str, told: str) -> None:
    """Bad input: the file, and the line in it, where somebody has to look."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "type.json").write_text(text, encoding="utf-8")
    from chalicelib.adapters.type_folders import bundle_of as read  # noqa: PLC0415

    with pytest.raises(ConfigurationError, match=told):
        read(folder)
