"""What a template of somebody else can reach, and what it may take (issue 5 item 2).

Each template here tries one thing in the process that sets published types.
"""

from __future__ import annotations

import socket
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from struct import pack
from threading import Thread

import pytest

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.adapters.typst import FONTS, TypstRenderer
from chalicelib.adapters.typst_sandbox import Bounds, MiB, Sandbox
from chalicelib.domain.errors import RenderError, TemplateLimitError, UnavailableError
from chalicelib.domain.published_types import TypeBundle
from chalicelib.domain.type_findings import TemplateFaultError
from chalicelib.ports import RenderRequest
from tests.support.rendering import request_of

_HOUSE = '#import "/_common/tra.typ": *\n#show: paper.with(title: "ทดสอบ")\n'


def _licence() -> RenderRequest:
    kind = PackagedDocumentTypes().get("licence")
    assert kind is not None
    return request_of(kind)


REQUEST = replace(_licence(), document_type="pilot", type_version=3)


class Press:
    """A renderer with whatever bundle the test gives it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._bundles: dict[int, TypeBundle] = {}
        self._renderer = TypstRenderer(bundles=lambda _, v: self._bundles.get(v), sandbox=sandbox)

    def render(
        self, template: str, version: int = 3, *, house: str = _HOUSE, **files: bytes
    ) -> bytes:
        from chalicelib.adapters.type_folders import packaged_bundles  # noqa: PLC0415

        shared = packaged_bundles()[0].files
        own = {name.replace("__", "."): data for name, data in files.items()}
        common = {path: data for path, data in shared.items() if path.startswith("_common/")}
        self._bundles[version] = TypeBundle(
            name="pilot",
            version=version,
            files={**common, **own, "template.typ": (house + template).encode()},
        )
        self._renderer._bundles.cache_clear()
        return self._renderer.render(replace(REQUEST, type_version=version))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    box = Sandbox(FONTS, Bounds(processor=1, clock=20, memory=160 * MiB))
    yield box
    box.close()


@pytest.fixture
def press(sandbox: Sandbox) -> Press:
    return Press(sandbox)


def test_an_ordinary_template_is_set(press: Press) -> None:
    """The way in is open: a plain template gives a file that passes every rule of the house."""
    pdf = press.render("#masthead(title: [ทดสอบ])\n#closing")
    linted = TypstRenderer().lint(pdf, REQUEST)
    assert linted.pages == 1


@pytest.mark.parametrize(
    "reach",
    [
        '#read("/etc/passwd")',
        '#read("../../../../../../etc/passwd")',
        '#read("/proc/self/environ")',
        '#read("/licence/type.json")',
        '#read("../licence/type.json")',
        '#read("/chalicelib/config.py")',
        '#image("/etc/hostname")',
        '#include "/e-card/template.typ"',
        '#json("file:///etc/passwd")',
        '#read("https://example.com/")',
    ],
)
def test_nothing_else_can_be_read(press: Press, reach: str) -> None:
    """A template reads its own bundle and its own document; not the machine's files, not
    another type's, not the network."""
    with pytest.raises(TemplateFaultError) as refused:
        press.render(reach)
    assert any(
        word in refused.value.notes[0].message for word in ("not found", "escape", "denied", "path")
    )
    assert "/" not in refused.value.detail  # nor does the error say what it stumbled over


def test_nothing_of_another_document_is_left(press: Press) -> None:
    """What one document brought is gone when the next one of its type is set."""
    press.render("#masthead(title: [ทดสอบ])", secret__json=b'"of one"')
    with pytest.raises(TemplateFaultError, match="cannot make a page"):
        press.render('#read("secret.json")')


def test_no_connection_is_opened() -> None:
    """`@preview` packages are fetched by typst itself; here it can open no connection, not even
    to a proxy on this machine that waits for it."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(10)

        def wait() -> None:
            try:
                came.append(proxy.accept()[0].recv(100))
            except OSError:
                return

        waiting = Thread(target=wait, daemon=True)
        waiting.start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "http_proxy")
        box = Sandbox(FONTS, environment=dict.fromkeys(names, address))
        with pytest.raises(TemplateFaultError):
            Press(box).render('#import "@preview/cetz:0.3.0"')
        box.close()
        proxy.shutdown(socket.SHUT_RDWR)
        waiting.join(10)
    assert came == []


def test_a_template_that_never_ends_is_ended(press: Press) -> None:
    """A loop costs its allowance of processor time and no more, and the error says so in both
    languages; the next document is set as if nothing had been."""
    with pytest.raises(TemplateLimitError, match="more than 1 seconds") as ended:
        press.render("#for a in range(90000) { for b in range(90000) { let _ = calc.sin(a + b) } }")
    assert "วินาที" in ended.value.detail_th
    assert press.render("#masthead(title: [ทดสอบ])")


@pytest.mark.parametrize(
    "greedy",
    [
        '#let a = "x"\n#for i in range(40) { a = a + a }\n#a.len()',
        "#let a = (1,)\n#for i in range(40) { a = a + a }\n#a.len()",
        "#let a = range(100000000)\n#a.len()",
    ],
)
def test_a_template_that_eats_memory_is_ended(press: Press, greedy: str) -> None:
    """A memory bomb ends its own process, not the function."""
    with pytest.raises(TemplateLimitError, match="160 MiB of memory") as ended:
        press.render(greedy)
    assert "หน่วยความจำ" in ended.value.detail_th
    assert press.render("#masthead(title: [ทดสอบ])")


def test_ten_thousand_pages_are_too_many(press: Press) -> None:
    """A type says how many pages it may have; who prints more is told both numbers."""
    with pytest.raises(TemplateLimitError, match="10001 pages; its type allows 12"):
        press.render("#for i in range(10000) { pagebreak() }", house='#set document(title: "x")\n')
    with pytest.raises(TemplateLimitError, match="31 pages; its type allows 12"):
        press.render("#for i in range(30) { pagebreak() }")


def test_an_image_that_unpacks_to_gigabytes_is_refused(press: Press) -> None:
    """A small PNG that says it is 30,000 by 30,000 pixels meets the limit of memory."""
    row = b"\0" + bytes(30_000)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(30_000)) + packer.flush()
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)),
            (b"IDAT", packed),
            (b"IEND", b""),
        )
    )
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image width="9" height="9"'
        b' href="data:image/png;base64,%b"/></svg>' % b64encode(bomb)
    )
    assert len(drawing) < 2 * MiB
    with pytest.raises(RenderError):
        press.render('#image("bomb.svg", alt: "ก", width: 10mm)', bomb__svg=drawing)
    assert press.render("#masthead(title: [ทดสอบ])")


def test_plugins_stay_within_the_same_limits(press: Press) -> None:
    """Machine code made of bytes in the template runs inside the same walls: here it loops."""
    loops = (
        b"\0asm\1\0\0\0"
        b"\x01\x05\x01\x60\x00\x01\x7f"  # type: () -> i32
        b"\x03\x02\x01\x00"
        b"\x05\x03\x01\x00\x01"  # a page of memory
        b"\x07\x0e\x02\x06memory\x02\x00\x01f\x00\x00"
        b"\x0a\x09\x01\x07\x00\x03\x40\x0c\x00\x0b\x41\x00\x0b"
    )
    loops = loops.replace(
        b"\x0a\x09\x01\x07\x00\x03\x40\x0c\x00\x0b\x41\x00\x0b",
        b"\x0a\x0b\x01\x09\x00\x03\x40\x0c\x00\x0b\x41\x00\x0b",
    )
    listed = ", ".join(map(str, loops))
    with pytest.raises(RenderError):
        press.render(f"#let p = plugin(bytes(({listed})))\n#str(p.f())")
    assert press.render("#masthead(title: [ทดสอบ])")


def test_a_process_killed_by_the_machine_is_no_fault_of_the_template(sandbox: Sandbox) -> None:
    """P4: what another try may heal does not end the document: the process is started anew."""
    press = Press(sandbox)
    press.render("#masthead(title: [ทดสอบ])")
    for child in sandbox._children.values():
        child._process.kill()
    assert press.render("#masthead(title: [ทดสอบ])")


def test_a_busy_machine_is_no_fault_of_the_template() -> None:
    """P4: time on the clock without time on the processor is waited for, not blamed."""
    box = Sandbox(FONTS, Bounds(processor=30, clock=0.2))
    with pytest.raises(UnavailableError, match="too busy"):
        Press(box).render(
            "#for a in range(100000) { for b in range(1000) { let _ = calc.sin(a) } }"
        )
    box.close()


def test_each_template_has_a_process_of_its_own(sandbox: Sandbox) -> None:
    """Another type's documents never pass through a process that this one's template was in;
    few processes are kept."""
    press = Press(sandbox)
    for version in (1, 2, 4):
        press.render("#masthead(title: [ทดสอบ])", version)
    assert len(sandbox._children) == 2
    assert len({child._process.pid for child in sandbox._children.values()}) == 2


def test_the_process_knows_nothing_of_us(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the function are not in the environment of the process."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    box = Sandbox(FONTS)
    Press(box).render("#masthead(title: [ทดสอบ])")
    (child,) = box._children.values()
    with open(f"/proc/{child._process.pid}/environ", "rb") as file:  # noqa: PTH123
        assert b"planted" not in file.read()
    box.close()


@pytest.mark.parametrize("kind", PackagedDocumentTypes().all(), ids=lambda kind: kind.name)
def test_a_published_type_makes_the_same_bytes(
    kind: object, packaged: Callable[[], TypstRenderer]
) -> None:
    """Whether a type is rendered from the package or from its published bundle, the file is the
    same to the byte (P2: an issued document re-renders with the version that made it)."""
    request = request_of(kind)  # type: ignore[arg-type]
    assert packaged().render(request) == TypstRenderer().render(request)


@pytest.fixture
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], TypstRenderer]:
    """A renderer without packaged templates, that has them all as bundles."""
    from chalicelib.adapters.type_folders import packaged_bundles  # noqa: PLC0415

    bundles = {(bundle.name, bundle.version): bundle for bundle in packaged_bundles()}
    nowhere = tmp_path_factory.mktemp("none")
    return lambda: TypstRenderer(nowhere, bundles=lambda n, v: bundles.get((n, v)))
