"""Documents as pictures on phones (E4): what they show, who may have them, and until when."""

from __future__ import annotations

import base64
import shutil
import struct
import subprocess
import zlib
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.adapters.png_stack import stacked
from chalicelib.adapters.type_folders import packaged_bundles
from chalicelib.adapters.types import PackagedDocumentTypes, document_type_of
from chalicelib.adapters.typst import TypstRenderer
from chalicelib.bootstrap import house
from chalicelib.domain.picture_files import PNG
from tests.fault.harness import World
from tests.integration.conftest import Answer, Api
from tests.support.pictures import chunk, png
from tests.support.previews import near_preview
from tests.support.rendering import request_of
from tests.support.rooms import sample_event
from tests.support.samples import NOON

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "/v1/documents/{document_id}/image"
APPLICATION = sample_event("api")["requestContext"]["authorizer"]
SLOW_LINK = 400_000 / 8  # bytes a second, as browsers' "slow 3G"
SECONDS = 5

needs_zbar = pytest.mark.skipif(
    shutil.which("zbarimg") is None, reason="zbarimg (zbar-tools) is not installed"
)


@pytest.fixture(autouse=True)
def _painter(api: Api) -> None:
    vars(house())["page_painter"] = near_preview()


def _card(**changes: Any) -> dict[str, Any]:
    kind = PackagedDocumentTypes().get("e-card")
    assert kind is not None
    period = {"valid_from": "2026-11-01", "valid_until": "2026-11-30"}
    return {**deepcopy(dict(kind.example)), "recipients": ["dbd"], **period, **changes}


def _issued(api: Api, body: dict[str, Any]) -> str:
    painter = house().page_painter
    answer = api.submit(body)
    assert answer.status == 202, answer.text
    World(api.fakes).run_to_rest()
    vars(house())["page_painter"] = painter
    return str(answer.json["document_id"])


def _image(api: Api, document_id: str, side: str | None = None, **more: Any) -> Answer:
    query = {} if side is None else {"side": side}
    return api.call("GET", IMAGE, path={"document_id": document_id}, query=query, **more)


def _png(answer: Answer) -> bytes:
    assert answer.status == 200, answer.text
    return base64.b64decode(answer.json["png_base64"])


def _size(data: bytes) -> tuple[int, int]:
    assert data.startswith(PNG)
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _scanned(data: bytes, folder: Path) -> str:
    file = folder / "picture.png"
    file.write_bytes(data)
    command = ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(file)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_each_side_is_as_wide_as_a_phone_and_soon_there(api: Api) -> None:
    """E4, item 1: 1080 pixels across; each side comes within five seconds over a slow link."""
    document_id = _issued(api, _card())
    front, back = (_png(_image(api, document_id, side)) for side in ("front", "back"))
    assert _png(_image(api, document_id)) == front
    for picture in (front, back):
        width, height = _size(picture)
        assert width == 1080
        assert abs(height / width - 54 / 85.6) < 0.01
        assert len(picture) < SECONDS * SLOW_LINK
    assert front != back


@needs_zbar
@pytest.mark.parametrize("side", ["back", "both"])
def test_its_code_scans_from_the_picture(api: Api, side: str, tmp_path: Path) -> None:
    """E4: the QR code is read off the picture by another program, and leads to the document."""
    document_id = _issued(api, _card())
    shown = api.call("GET", "/v1/documents/{document_id}", path={"document_id": document_id})
    assert _scanned(_png(_image(api, document_id, side)), tmp_path) == shown.json["links"]["verify"]


def _rows(data: bytes) -> list[bytes]:
    """Pixels of an RGBA picture, row by row (ISO/IEC 15948, clause 9)."""
    width, height = _size(data)
    packed, at = b"", len(PNG)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    raw, stride = zlib.decompress(packed), 1 + 4 * width
    rows, above = [], bytes(4 * width)
    for number in range(height):
        kind, *row = raw[number * stride : (number + 1) * stride]
        for x in range(4 * width):
            left, up = (row[x - 4] if x > 3 else 0), above[x]
            corner = above[x - 4] if x > 3 else 0
            near = min((left, up, corner), key=lambda v: abs(left + up - corner - v))
            row[x] = row[x] + (0, left, up, (left + up) // 2, near)[kind] & 255
        above = bytes(row)
        rows.append(above)
    return rows


@pytest.mark.parametrize("first", range(5), ids=["none", "sub", "up", "average", "paeth"])
def test_sides_stand_one_below_the_other_unchanged(first: int) -> None:
    """E4: a picture of both sides has the pixels of each, however their first rows are stored."""
    noise = bytes(value * 7 % 256 for value in range(4 * 9))
    rows = b"".join(bytes([kind]) + noise for kind in (first, 4, 3, 2))
    page = png(9, 4, colour=6, rows=rows)
    both = _rows(stacked([page, page], between=3))
    assert both == [*_rows(page), *[b"\xe8\xe8\xe8\xff" * 9] * 3, *_rows(page)]
    assert stacked([page], between=3) == page


def test_only_what_typst_writes_is_stacked() -> None:
    """A change of the renderer's pictures is noticed, not printed wrongly."""
    other = PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    with pytest.raises(ValueError, match="typst"):
        stacked([other, other], between=1)


def test_bytes_come_to_who_asks_for_them(api: Api) -> None:
    """api.md: image/png first in Accept gets the picture itself, as bytes through the gateway."""
    document_id = _issued(api, _card())
    answer = _image(api, document_id, headers={"accept": "image/png, */*"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert base64.b64decode(answer.text) == _png(_image(api, document_id))


def test_a_picture_at_hand_is_asked_after_and_not_sent_again(api: Api) -> None:
    """E4: shown again it costs nothing, but it is asked each time whether it may be shown."""
    document_id = _issued(api, _card())
    first = _image(api, document_id)
    assert first.headers["Cache-Control"] == "private, no-cache"
    known = {"if-none-match": first.headers["ETag"]}
    again = _image(api, document_id, headers=known)
    assert (again.status, again.text) == (304, "")
    assert _image(api, document_id, "back", headers=known).status == 200


def test_owner_and_recipients_only(api: Api) -> None:
    """P6: to another agency the picture of a document looks like one that does not exist."""
    document_id = _issued(api, _card())
    dbd, rd = (
        {**APPLICATION, "agency": agency, "sub": f"{agency}-app"} for agency in ("dbd", "rd")
    )
    assert _image(api, document_id, authorizer=dbd).status == 200
    foreign = _image(api, document_id, authorizer=rd)
    absent = _image(api, "0" * 26, authorizer=rd)
    assert (foreign.status, foreign.json["code"]) == (absent.status, absent.json["code"])
    assert foreign.json["code"] == "not_found"


def test_before_it_is_issued_there_is_none(api: Api) -> None:
    """P3: no picture before the sealed bytes lie in the archive."""
    document_id = api.submit(_card()).json["document_id"]
    answer = _image(api, document_id)
    assert (answer.status, answer.json["code"]) == (409, "not_ready")


def test_types_say_whether_they_have_one(api: Api, licence: dict[str, Any]) -> None:
    """E4: a licence on A4 is no card; the answer says so, and the catalogue does."""
    document_id = _issued(api, licence)
    answer = _image(api, document_id)
    assert (answer.status, answer.json["code"]) == (404, "no_picture")
    types = api.call("GET", "/v1/document-types", authorizer={}).json["items"]
    assert [kind["name"] for kind in types if kind["phone_image"]] == ["e-card"]


def test_types_of_agencies_are_drawn_too() -> None:
    """E4, item 2: a published type is drawn in the bounded process, and looks the same."""
    (bundle,) = [bundle for bundle in packaged_bundles() if bundle.name == "e-card"]
    kind = document_type_of(bundle)
    renderer = TypstRenderer(bundles=lambda _name, version: replace(bundle, version=version))
    request = request_of(kind)
    theirs = renderer.draw(replace(request, type_version=9), 540)
    assert theirs == renderer.draw(request, 540)
    assert [_size(page)[0] for page in theirs] == [540, 540]


def test_an_unknown_side_is_told(api: Api) -> None:
    """Bad input: a side that does not exist is pointed at."""
    answer = _image(api, _issued(api, _card()), "inside")
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/side")


def test_what_is_not_in_force_is_not_shown(api: Api) -> None:
    """E4, item 5: a suspended or expired card has no picture, whatever the client keeps; one
    that is valid again has."""
    document_id = _issued(api, _card())
    known = {"if-none-match": _image(api, document_id).headers["ETag"]}
    scope = "documents:revoke documents:read files:read"
    approver = {**APPLICATION, "sub": "approver-1", "roles": "approver", "scope": scope}
    answers = [_image(api, document_id, headers=known)]
    for decision, code in (("suspension", "investigation"), ("reinstatement", "resolved")):
        route = f"/v1/documents/{{document_id}}/{decision}"
        body = {"reason_code": code, "reason": "ตรวจสอบ"}
        path = {"document_id": document_id}
        ruled = api.call("POST", route, path=path, body=body, authorizer=approver)
        assert ruled.status < 300, ruled.text
        api.fakes.clock.advance(timedelta(minutes=1))
        answers.append(_image(api, document_id, headers=known))
    api.fakes.clock.now = NOON + timedelta(days=30)
    answers.append(_image(api, document_id, headers=known))
    assert [answer.status for answer in answers] == [304, 409, 304, 409]
    assert [a.json["code"] for a in answers if a.status == 409] == ["not_in_force"] * 2


def test_it_shows_what_was_sealed(api: Api) -> None:
    """P2: content, number and date are those of the document, by the version that made it; no
    mark of a preview."""
    asked: list[Any] = []
    real = house().page_painter

    class Watched:
        def paint(self, request: Any, *rest: Any) -> bytes:
            asked.append(request)
            return real.paint(request, *rest)

    vars(house())["page_painter"] = Watched()
    _image(api, _issued(api, _card()))
    (request,) = asked
    assert (request.document_type, request.type_version) == ("e-card", 2)
    assert request.data["content"] == _card()["content"]
    assert (request.data["number"], request.data["watermark"]) == ("๑/๒๕๖๙", None)
    assert request.data["date"] == "๒๑\u00a0พฤศจิกายน\u00a0๒๕๖๙"
