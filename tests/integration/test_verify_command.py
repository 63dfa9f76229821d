"""`tra verify` as a person or a script uses it."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from chalicelib.bootstrap import house
from chalicelib.cli import main
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.seals import SealLevel
from chalicelib.services.checkpoint import checkpoint_all, log_key
from infra.devservices import running
from infra.pki import to_pem
from tests.fault.harness import World
from tests.integration.conftest import Api
from tests.support import attacks
from tests.support.ers_stamps import Root
from tests.support.evidence import LocalSigner
from tests.support.foreign_seals import Hand, page
from tests.support.rooms import Fakes, furnished, sample_event

PASSED, FAILED, DOUBT, UNREADABLE = 0, 1, 2, 3


@dataclass(frozen=True)
class Desk:
    """Files on a disk, as a receiver of a document has them."""

    folder: Path
    bundle: dict[str, Any]
    keys: tuple[str, ...]

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def put(self, name: str, content: bytes | dict[str, Any]) -> str:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (self.folder / name).write_bytes(data)
        return self.path(name)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    with running(tmp_path_factory.mktemp("pki")) as dev:
        hand = Hand(dev)
        pdf = page(folder)
        sealed = {level: hand.seal(pdf, level) for level in (SealLevel.B_T, SealLevel.B_LTA)}
        crls = {
            name: urllib3.request("GET", f"{dev.pki.base_url}/{name}.crl").data
            for name in ("root", "issuing")
        }
    fakes = Fakes(signer=LocalSigner())
    with furnished(fakes.house()):
        body = json.loads(sample_event("api")["body"])
        api = Api(fakes)
        document_id = api.submit({**body, "recipients": ["dbd"]}).json["document_id"]
        World(fakes).run_to_rest()
        checkpoint_all(room=house().checkpoint_room)
        path = {"document_id": document_id}
        bundle = api.call("GET", "/v1/documents/{document_id}/evidence", path=path).json
        key = log_key(
            Register.parse(bundle["register_id"]),
            LogName.NUMBERS,
            public_url=house().settings.public_url,
            public_key=fakes.log_signer.public_key,
        )
        jwks = fakes.signer.jwks()
        archived = next(iter(fakes.archive.files.values()))
    made = Desk(folder, bundle, ("--log-key", key.vkey, "--jwks", str(folder / "jwks.json")))
    made.put("root.pem", dev.pki.root_pem.encode())
    made.put("bundle.json", bundle)
    made.put("jwks.json", dict(jwks))
    made.put("archived.pdf", archived)
    for level, content in sealed.items():
        made.put(f"{level}.pdf", content)
    for name, crl in crls.items():
        made.put(f"{name}.crl", crl)
    return made


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRA_TRUST_ANCHORS", "TRA_JWKS", "TRA_LOG_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRA_URL", "http://127.0.0.1:9")


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    answer = json.loads(capsys.readouterr().out)
    assert answer["format"] == "tra.verdicts.v1"
    files: list[dict[str, Any]] = answer["files"]
    return files


def test_a_pdf_passes(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """E4: a person is told who sealed, when, at which level and until when that is proven."""
    anchors = ("--anchors", desk.path("root.pem"))
    assert main(["verify", desk.path("B-LTA.pdf"), *anchors, "--lang", "th"]) == PASSED
    shown = capsys.readouterr().out
    assert "ผ่านการตรวจสอบ (TOTAL-PASSED)" in shown
    assert "กรมโรงงานอุตสาหกรรม" in shown
    assert "B-LTA" in shown
    assert main(["verify", desk.path("B-LTA.pdf"), *anchors, "--lang", "en"]) == PASSED
    assert "sealed by" in capsys.readouterr().out


def test_exit_codes(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """api.md: scripts tell passed, failed, indeterminate and unreadable apart."""
    anchors = ["--anchors", desk.path("root.pem")]
    good, doubtful = desk.path("B-LTA.pdf"), desk.path("B-T.pdf")
    bad = desk.put("bad.pdf", attacks.annotation_added(Path(good).read_bytes()))
    assert main(["verify", good, *anchors]) == PASSED
    assert main(["verify", doubtful, *anchors]) == DOUBT
    assert main(["verify", good, doubtful, *anchors]) == DOUBT
    assert main(["verify", good, doubtful, bad, *anchors]) == FAILED
    assert main(["verify", good]) == UNREADABLE
    assert main(["verify", desk.path("nowhere.pdf"), *anchors]) == UNREADABLE
    assert main(["verify", desk.put("x.json", b"[1]"), *anchors]) == UNREADABLE
    assert "--anchors" in capsys.readouterr().err


@pytest.mark.parametrize(
    "anchor",
    [
        b"nonsense",
        "ราก".encode(),
        b"0\x82\x02\x24\xff",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_an_anchor_that_is_none_says_nothing_of_the_file(
    desk: Desk, anchor: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """api.md: an input that cannot be read is not a document that failed."""
    anchors = ["--anchors", desk.put("odd.pem", anchor)]
    assert main(["verify", desk.path("B-LTA.pdf"), *anchors]) == UNREADABLE
    assert "trust anchor" in capsys.readouterr().err


def test_an_anchor_with_a_word_beside_it(desk: Desk) -> None:
    """What stands before a PEM certificate is for people (RFC 7468 §2)."""
    root = Path(desk.path("root.pem")).read_bytes()
    anchors = ["--anchors", desk.put("named.pem", "ใบรับรองหลัก\n".encode() + root)]
    assert main(["verify", desk.path("B-LTA.pdf"), *anchors]) == PASSED


@pytest.mark.parametrize("content", [b"\x80\x04 no certificate", b"hello", b""])
def test_an_anchor_that_is_none_is_no_verdict_on_the_file(
    desk: Desk, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """E4: a wrong --anchors is named as the reader's mistake; no good file fails by it."""
    anchor = desk.put("anchor.pem", content)
    assert main(["verify", desk.path("B-LTA.pdf"), "--anchors", anchor]) == UNREADABLE
    shown = capsys.readouterr()
    assert "anchor.pem" in shown.err
    assert shown.out == ""


def test_standard_input(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """E4: `… | tra verify -` reads a file or a bundle from standard input, as `tra issue -` does."""
    for name, options in (
        ("B-LTA.pdf", ("--anchors", desk.path("root.pem"))),
        ("bundle.json", desk.keys),
    ):
        given = io.TextIOWrapper(io.BytesIO(Path(desk.path(name)).read_bytes()))
        monkeypatch.setattr("sys.stdin", given)
        assert main(["verify", "-", *options]) == PASSED
        assert capsys.readouterr().out.startswith("-: passed")


def test_what_cannot_be_read_is_said_in_the_readers_language(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """P4: with --lang th the command's own errors are in Thai, too."""
    assert main(["verify", desk.path("B-LTA.pdf"), "--lang", "th"]) == UNREADABLE
    assert "โปรดระบุใบรับรอง" in capsys.readouterr().err


def test_an_altered_file_proves_no_time(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """E4: nothing is said of how long a file proves its time if it is not the sealed one."""
    good = Path(desk.path("B-LTA.pdf")).read_bytes()
    pdf = desk.put("altered.pdf", attacks.annotation_added(good))
    options = ("--anchors", desk.path("root.pem"), "--lang", "en")
    assert main(["verify", pdf, *options]) == FAILED
    assert "proves its time" not in capsys.readouterr().out


def test_times_for_machines(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """E4: --json tells times as the interface does (RFC 3339)."""
    anchors = ("--anchors", desk.path("root.pem"))
    assert main(["verify", desk.path("B-LTA.pdf"), *anchors, "--json"]) == PASSED
    (verdict,) = told(capsys)
    assert "T" in verdict["seals"][0]["sealed_at"]


def test_several_roots_in_one_file(desk: Desk) -> None:
    """A file of roots counts as a whole, as other programs read it: not its first alone."""
    other = to_pem(Root().certificate).encode()
    ours = Path(desk.path("root.pem")).read_bytes()
    anchors = ["--anchors", desk.put("roots.pem", other + ours)]
    assert main(["verify", desk.path("B-LTA.pdf"), *anchors]) == PASSED


def test_fresh_revocation_data(desk: Desk) -> None:
    """Issue 4: a B-T file passes with revocation lists that the checker obtained."""
    lists = ["--crl", desk.path("root.crl"), "--crl", desk.path("issuing.crl")]
    anchors = ["--anchors", desk.path("root.pem")]
    assert main(["verify", desk.path("B-T.pdf"), *anchors, *lists]) == PASSED


def test_a_bundle_alone(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """P7: a bundle is verified without its file, which is then named as missing."""
    assert main(["verify", desk.path("bundle.json"), *desk.keys, "--json"]) == PASSED
    (verdict,) = told(capsys)
    assert verdict["missing"] == ["file", "evidence_records"]
    assert main(["verify", desk.path("bundle.json"), "--json"]) == DOUBT
    (verdict,) = told(capsys)
    assert [f["code"] for f in verdict["findings"]] == ["log_key_missing", "jwks_missing"]


def test_a_bundle_with_its_file(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """P2: both are verified, and the bundle's digest is compared with the file beside it."""
    anchors = ["--anchors", desk.path("root.pem")]
    both = ["verify", desk.path("bundle.json"), desk.path("archived.pdf"), "--json", *anchors]
    main([*both, *desk.keys])
    bundle, _ = told(capsys)
    assert "file" in bundle["checked"]
    other = ["verify", desk.path("B-LTA.pdf"), desk.path("bundle.json"), "--json", *anchors]
    assert main([*other, *desk.keys]) == FAILED
    pdf, bundle = told(capsys)
    assert pdf["indication"] == "TOTAL-PASSED"
    assert [f["code"] for f in bundle["findings"]] == ["file_differs"]


def test_a_tampered_bundle(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """P7: the reason is told in the language asked for."""
    bundle = copy.deepcopy(desk.bundle)
    bundle["salt"] = "00" * 32
    path = desk.put("tampered.json", bundle)
    assert main(["verify", path, *desk.keys, "--lang", "en"]) == FAILED
    assert "[commitment_wrong] Salt and content digest" in capsys.readouterr().out
