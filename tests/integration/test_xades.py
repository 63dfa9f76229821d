"""XML signed with real keys and time-stamps; checked by other programs; broken on purpose."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml.verifier import SignatureConfiguration
from signxml.xades.xades import XAdESVerifier

from chalicelib.adapters.trust import TimestampToken
from chalicelib.adapters.xades import DS, XADES, XadesSealer
from chalicelib.adapters.xades_validation import XadesValidator
from chalicelib.adapters.xml_reading import LARGEST
from chalicelib.domain.errors import SealVerificationError, XmlRefusedError
from chalicelib.domain.seals import KeyAlgorithm, SealLevel, SealPolicy
from infra.devservices import running
from tests.support.etax import SAMPLES, faults, needs_standards
from tests.support.xades_samples import (
    RECEIPT,
    DevelopmentTsa,
    KmsKey,
    OneCredential,
    SoftwareKey,
    credential_for,
    samples_of,
    sealer_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.adapters.trust import UsableCredential
    from chalicelib.domain.xml_seals import XmlSealObservation
    from infra.devservices import DevServices

NAMESPACES = {"ds": DS, "xades": XADES}
B_B = SealPolicy(level=SealLevel.B_B)
B_T = SealPolicy(level=SealLevel.B_T)


@dataclass(frozen=True, repr=False)
class Room:
    """A PKI that answers, and a P-256 seal in memory."""

    dev: DevServices
    usable: UsableCredential
    sealer: XadesSealer

    @property
    def anchors(self) -> tuple[str, ...]:
        return (self.dev.pki.root_pem,)

    def seal(self, xml: bytes = RECEIPT, policy: SealPolicy = B_T) -> bytes:
        return self.sealer.seal_xml(xml, [self.usable.credential], policy)

    def observe(self, xml: bytes, *, at: datetime | None = None) -> XmlSealObservation:
        return XadesValidator().observe(xml, self.anchors, at=at or datetime.now(UTC))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with running(tmp_path_factory.mktemp("pki")) as dev:
        usable = credential_for(SoftwareKey(KeyAlgorithm.P_256), dev.pki)
        yield Room(dev, usable, sealer_of(usable, dev.pki))


@pytest.fixture(scope="module")
def sealed(room: Room) -> bytes:
    return room.seal()


@pytest.fixture(scope="module")
def by_kms(aws_endpoint: str, room: Room) -> dict[str, bytes]:
    """A document per level and key; the keys are in KMS."""
    kms = boto3.client(
        "kms",
        endpoint_url=aws_endpoint,
        region_name="ap-southeast-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    keys = [KmsKey.new(kms, algorithm) for algorithm in KeyAlgorithm]
    return dict(samples_of(room.dev.pki, keys))


def parts(xml: bytes, path: str) -> list[etree._Element]:
    found: list[etree._Element] = etree.fromstring(xml).findall(f".//{path}", NAMESPACES)
    return found


# -- good signatures ---------------------------------------------------------


@pytest.mark.aws
def test_every_key_and_level_verifies(room: Room, by_kms: dict[str, bytes]) -> None:
    """Issue 4, item 2: RSA-2048 and 3072 (SHA-256, SHA-512), P-256 and P-384 keys in KMS sign
    B-B and B-T that lead to the root; B-T tells when."""
    assert len(by_kms) == 2 * (2 * 2 + 2)
    for name, xml in by_kms.items():
        seen = room.observe(xml)
        assert seen.sub_indication is None, name
        assert (seen.stamp is not None) is ("B-T" in name), name
        if seen.stamp is not None:
            assert abs(seen.stamp.at - seen.claimed_at) < timedelta(minutes=1)


@pytest.mark.aws
def test_signxml_agrees_down_to_the_root(
    room: Room, by_kms: dict[str, bytes], tmp_path: Path
) -> None:
    """A second opinion that also builds the chain itself: signxml's own verifier as documented."""
    root = tmp_path / "root.pem"
    root.write_text(room.dev.pki.root_pem)
    for name, xml in by_kms.items():
        results = XAdESVerifier().verify(
            xml, ca_pem_file=str(root), expect_config=SignatureConfiguration(expect_references=2)
        )
        assert len(results) == 2, name


@pytest.mark.aws
@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")
def test_xmlsec_agrees(room: Room, by_kms: dict[str, bytes], tmp_path: Path) -> None:
    """A second opinion in C (libxmlsec): both references and the signature hold, by a
    certificate that leads to the root; after a change they do not."""
    for name, xml in by_kms.items():
        assert _xmlsec(room, xml, tmp_path) == 0, name
        assert _xmlsec(room, xml.replace(b"3000.00", b"9000.00"), tmp_path) != 0, name


def _xmlsec(room: Room, xml: bytes, directory: Path) -> int:
    issuing = room.dev.pki.issuing.certificate.public_bytes(Encoding.PEM)
    (directory / "root.pem").write_text(room.dev.pki.root_pem)
    (directory / "issuing.pem").write_bytes(issuing)
    (directory / "signed.xml").write_bytes(xml)
    command = ["xmlsec1", "--verify", "--enabled-key-data", "x509"]
    command += ["--trusted-pem", "root.pem", "--untrusted-pem", "issuing.pem"]
    command += ["--id-attr:Id", f"{XADES}:SignedProperties", "signed.xml"]
    done = subprocess.run(command, cwd=directory, capture_output=True, timeout=60, check=False)
    return done.returncode


def test_levels_above_b_t_are_b_t(room: Room) -> None:
    """The PDF around the XML carries the data for the long term, so the XML needs a
    time-stamp and no more."""
    seen = room.observe(room.seal(policy=SealPolicy(level=SealLevel.B_LTA)))
    assert seen.stamp is not None


def test_signature_properties_are_those_of_the_baseline(sealed: bytes) -> None:
    """EN 319 132-1 §6.3: signing time, certificate (V2), format of the signed data, and the
    certificates themselves."""
    properties = "xades:SignedProperties/xades:SignedSignatureProperties"
    assert len(parts(sealed, f"{properties}/xades:SigningTime")) == 1
    assert len(parts(sealed, f"{properties}/xades:SigningCertificateV2/xades:Cert")) == 1
    (form,) = parts(sealed, "xades:DataObjectFormat")
    (reference,) = parts(sealed, "ds:Reference[@URI='']")
    assert form.get("ObjectReference") == f"#{reference.get('Id')}"
    assert form.findtext("xades:MimeType", "", NAMESPACES) == "text/xml"
    assert len(parts(sealed, "ds:X509Certificate")) == 2


def test_times_are_the_clocks(room: Room) -> None:
    """The claimed signing time is the clock that was given, in whole UTC seconds."""
    noon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    sealer = sealer_of(room.usable, room.dev.pki, clock=lambda: noon)
    xml = sealer.seal_xml(RECEIPT, [room.usable.credential], B_B)
    assert room.observe(xml).claimed_at == noon


# -- the standard's own shape ------------------------------------------------


@needs_standards
def test_the_signed_sample_is_read(room: Room) -> None:
    """ขมธอ. 3-2560: the published signed sample holds (RSA-SHA512, XAdES v1.3.2), only its
    authority is none of ours; a changed number does not."""
    sample = (SAMPLES / "signed-ETDA-invoice.xml").read_bytes()
    assert room.observe(sample).sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    changed = sample.replace(b"INV01", b"INV02")
    assert room.observe(changed).sub_indication == "HASH_FAILURE"


@needs_standards
def test_shape_is_that_of_the_signed_sample(room: Room) -> None:
    """ขมธอ. 3-2560: last child of the root, one reference to all of it and one to the signed
    properties, the same algorithms, as in the sample that was accepted."""
    usable = credential_for(SoftwareKey(KeyAlgorithm.RSA_2048), room.dev.pki)
    sealer = sealer_of(usable, room.dev.pki, rsa_digest="sha512")
    ours = sealer.seal_xml(RECEIPT, [usable.credential], B_B)
    sample = (SAMPLES / "signed-ETDA-invoice.xml").read_bytes()
    assert _shape(ours) == _shape(sample)


def _shape(xml: bytes) -> list[object]:
    signature = etree.fromstring(xml)[-1]
    return [
        [etree.QName(child).localname for child in signature],
        [
            signature.xpath(f"string({path})", namespaces=NAMESPACES)
            for path in (
                "ds:SignedInfo/ds:CanonicalizationMethod/@Algorithm",
                "ds:SignedInfo/ds:SignatureMethod/@Algorithm",
                "ds:SignedInfo/ds:Reference[1]/@URI",
                "ds:SignedInfo/ds:Reference[1]/ds:Transforms/ds:Transform[1]/@Algorithm",
                "ds:SignedInfo/ds:Reference[1]/ds:DigestMethod/@Algorithm",
                "ds:SignedInfo/ds:Reference[2]/@Type",
                "count(ds:SignedInfo/ds:Reference)",
            )
        ],
    ]


@needs_standards
@pytest.mark.parametrize("name", ["INV71600001.xml", "DBN71800001.xml"])
def test_signed_invoice_keeps_to_its_schema(room: Room, name: str) -> None:
    """ขมธอ. 3-2560: an invoice that its XSD accepts is accepted with our signature, too."""
    invoice = (SAMPLES / name).read_bytes()
    assert faults(invoice) == []
    signed = room.seal(invoice)
    assert faults(signed) == []
    assert room.observe(signed).sub_indication is None


# -- damage ------------------------------------------------------------------


def _edited(xml: bytes, edit: Callable[[etree._Element, etree._Element], None]) -> bytes:
    root = etree.fromstring(xml)
    edit(root, root[-1])
    changed: bytes = etree.tostring(root)
    return changed


def _other_time(_: etree._Element, signature: etree._Element) -> None:
    time = signature.find(".//xades:SigningTime", NAMESPACES)
    assert time is not None
    time.text = "2020-01-01T00:00:00Z"


def _other_value(_: etree._Element, signature: etree._Element) -> None:
    value = signature.find("ds:SignatureValue", NAMESPACES)
    assert value is not None
    assert value.text is not None
    value.text = ("B" if value.text[0] == "A" else "A") + value.text[1:]


def _other_line(root: etree._Element, _: etree._Element) -> None:
    root[-2].text = "ของแถม"


def _new_line(root: etree._Element, _: etree._Element) -> None:
    root.insert(1, etree.Element("Extra"))


def _other_reference(_: etree._Element, signature: etree._Element) -> None:
    reference = signature.find("ds:SignedInfo/ds:Reference", NAMESPACES)
    assert reference is not None
    reference.set("URI", "#somewhere")


@pytest.mark.parametrize(
    ("edit", "verdict"),
    [
        (_other_line, "HASH_FAILURE"),
        (_new_line, "HASH_FAILURE"),
        (_other_time, "HASH_FAILURE"),
        (_other_value, "SIG_CRYPTO_FAILURE"),
        (_other_reference, "SIG_CRYPTO_FAILURE"),
    ],
)
def test_changes_are_found(
    room: Room,
    sealed: bytes,
    edit: Callable[[etree._Element, etree._Element], None],
    verdict: str,
) -> None:
    """Whatever is signed cannot be changed: content, properties, references, value."""
    assert room.observe(_edited(sealed, edit)).sub_indication == verdict


def test_other_certificate_is_found(room: Room, sealed: bytes) -> None:
    """A certificate of another key does not take a signature over, though it is trusted."""
    other = credential_for(SoftwareKey(KeyAlgorithm.P_256), room.dev.pki)
    theirs = sealer_of(other, room.dev.pki).seal_xml(RECEIPT, [], B_B)

    def swap(_: etree._Element, signature: etree._Element) -> None:
        info = signature.find("ds:KeyInfo", NAMESPACES)
        assert info is not None
        signature.replace(info, parts(theirs, "ds:KeyInfo")[0])

    assert room.observe(_edited(sealed, swap)).sub_indication == "SIG_CRYPTO_FAILURE"


def test_stripped_time_stamp_is_seen(room: Room, sealed: bytes) -> None:
    """Without its time-stamp a signature still holds, but nothing says when it was made."""

    def strip(_: etree._Element, signature: etree._Element) -> None:
        unsigned = signature.find(".//xades:UnsignedProperties", NAMESPACES)
        assert unsigned is not None
        parent = unsigned.getparent()
        assert parent is not None
        parent.remove(unsigned)

    seen = room.observe(_edited(sealed, strip))
    assert (seen.sub_indication, seen.stamp) == (None, None)


def test_time_stamp_of_another_signature_is_found(room: Room, sealed: bytes) -> None:
    """A time-stamp speaks for one signature only."""
    theirs = parts(room.seal(), "xades:EncapsulatedTimeStamp")[0].text

    def swap(_: etree._Element, signature: etree._Element) -> None:
        token = signature.find(".//xades:EncapsulatedTimeStamp", NAMESPACES)
        assert token is not None
        token.text = theirs

    assert room.observe(_edited(sealed, swap)).sub_indication == "SIG_CONSTRAINTS_FAILURE"


def test_other_anchor_is_no_trust(room: Room, sealed: bytes) -> None:
    """Trust is in the given roots and nothing else."""
    seen = XadesValidator().observe(sealed, [], at=datetime.now(UTC))
    assert (seen.valid, seen.intact) == (True, True)
    assert seen.trust_problem == "NO_CERTIFICATE_CHAIN_FOUND"


def test_expired_certificate_lives_on_by_its_time_stamp(room: Room) -> None:
    """A certificate must have been good when it signed. Only a time-stamp can tell."""
    later = datetime.now(UTC) + timedelta(days=2 * 365)
    begins = datetime.now(UTC) - timedelta(days=3 * 365 - 30)
    usable = credential_for(SoftwareKey(KeyAlgorithm.P_256), room.dev.pki, begins=begins)
    sealer = sealer_of(usable, room.dev.pki)
    bare, stamped = (sealer.seal_xml(RECEIPT, [], policy) for policy in (B_B, B_T))
    assert room.observe(bare, at=later).sub_indication == "OUT_OF_BOUNDS_NO_POE"
    assert room.observe(stamped, at=later).sub_indication is None


def _unsigned(_: etree._Element, signature: etree._Element) -> None:
    parent = signature.getparent()
    assert parent is not None
    parent.remove(signature)


def _not_last(root: etree._Element, _: etree._Element) -> None:
    root.append(etree.Element("Extra"))


def _deeper(root: etree._Element, signature: etree._Element) -> None:
    root[0].append(signature)


def _twice(root: etree._Element, signature: etree._Element) -> None:
    root.append(etree.fromstring(etree.tostring(signature)))


def _wrapped(root: etree._Element, signature: etree._Element) -> None:
    """The signed document moves into the signature's own object (signature wrapping)."""
    hidden = etree.SubElement(signature, f"{{{DS}}}Object")
    hidden.extend([child for child in root if child is not signature])
    root.insert(0, etree.Element("Forged"))


def _no_certificate(_: etree._Element, signature: etree._Element) -> None:
    data = signature.find("ds:KeyInfo/ds:X509Data", NAMESPACES)
    assert data is not None
    for certificate in list(data):
        data.remove(certificate)


@pytest.mark.parametrize(
    ("edit", "verdict"),
    [
        (_unsigned, "SIGNED_DATA_NOT_FOUND"),
        (_not_last, "FORMAT_FAILURE"),
        (_deeper, "FORMAT_FAILURE"),
        (_twice, "FORMAT_FAILURE"),
        (_no_certificate, "NO_SIGNING_CERTIFICATE_FOUND"),
    ],
)
def test_other_shapes_are_refused(
    room: Room,
    sealed: bytes,
    edit: Callable[[etree._Element, etree._Element], None],
    verdict: str,
) -> None:
    """Only one shape is accepted, so that nothing can hide beside what is signed."""
    with pytest.raises(SealVerificationError) as raised:
        room.observe(_edited(sealed, edit))
    assert raised.value.sub_indication == verdict


def test_wrapping_is_found(room: Room, sealed: bytes) -> None:
    """A forged document does not pass with the true one hidden inside the signature."""
    assert room.observe(_edited(sealed, _wrapped)).sub_indication == "HASH_FAILURE"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_passes_or_crashes(room: Room, sealed: bytes, data: st.DataObject) -> None:
    """Bytes changed, lost or cut off anywhere: a verdict or the house's own error. It passes
    only if the signed content is the same."""
    place = data.draw(st.integers(0, len(sealed) - 1))
    length = data.draw(st.sampled_from([0, 1, 2, 40, len(sealed)]))
    damaged = sealed[:place] + data.draw(st.binary(max_size=3)) + sealed[place + length :]
    try:
        seen = room.observe(damaged)
    except SealVerificationError:
        return
    validator = XadesValidator()
    if seen.sub_indication is None:
        assert validator.content_of(damaged) == validator.content_of(sealed)


# -- content -----------------------------------------------------------------

_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="￾￿")
    | st.sampled_from("\t\n\r<>&\"'"),
    max_size=12,
)
_NAMES = st.sampled_from(["a", "ข้อมูล", "{urn:x}b", "{urn:y}Signature", "{urn:z}c"])
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(["Id", "q", "{urn:x}q", "{urn:y}r"]), _TEXT, max_size=3
)


@st.composite
def _elements(draw: st.DrawFn, depth: int = 2) -> etree._Element:
    spaces = draw(st.sampled_from([{}, {None: "urn:x"}, {"ds": "urn:y"}, {"xades": "urn:z"}]))
    element = etree.Element(draw(_NAMES), draw(_ATTRIBUTES), nsmap=spaces)
    element.text = draw(_TEXT)
    for _ in range(draw(st.integers(0, 3)) if depth else 0):
        child = draw(_elements(depth - 1) | _TEXT.map(_comment) | st.builds(_instruction))
        child.tail = draw(_TEXT)
        element.append(child)
    return element


def _comment(text: str) -> etree._Element:
    return etree.Comment(text.replace("-", "").replace("\r", ""))


def _instruction() -> etree._Element:
    return etree.ProcessingInstruction("tra", "x")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(element=_elements())
def test_content_stays(room: Room, element: etree._Element) -> None:
    """P2: signing adds a signature and changes nothing else, whatever the document: its
    canonical form without the signature is the one it had."""
    xml: bytes = etree.tostring(element, encoding="UTF-8")
    before = etree.tostring(etree.fromstring(xml), method="c14n", with_comments=False)
    signed = room.seal(xml, B_B)
    assert XadesValidator().content_of(signed) == before


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (b"<a>", "well-formed"),
        (b"<a>&other;</a>", "well-formed"),
        (b"<a>\x00</a>", "well-formed"),
        (b"<a>" * 5_000 + b"</a>" * 5_000, "well-formed"),
        (b"<!DOCTYPE a><a/>", "DTD"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a b="&x;"/>', "DTD"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>', "DTD"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "UTF-8"),
        ('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"), "UTF-8"),
        (b"<a>" + b" " * LARGEST + b"</a>", "larger"),
        (b'<a xmlns="relative"/>', "namespace"),
        (b'<a xml:lang="th"/>', "xml:"),
        (b'<?xml-stylesheet href="x"?><a/>', "processing instruction"),
        (b"<a/><?late x?>", "processing instruction"),
        (b'<a><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/></a>', "signed already"),
    ],
)
def test_unsafe_xml_is_refused(room: Room, xml: bytes, reason: str) -> None:
    """XML that is hostile, or that validators do not read alike, is refused with its reason."""
    with pytest.raises(XmlRefusedError, match=reason):
        room.seal(xml)


def test_entities_do_not_explode(room: Room) -> None:
    """A kilobyte that stands for gigabytes (billion laughs) is refused by the parser's limits."""
    bomb = b'<!DOCTYPE a [<!ENTITY x0 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy">'
    bomb += b"".join(b'<!ENTITY x%d "%s">' % (n, b"&x%d;" % (n - 1) * 10) for n in range(1, 12))
    with pytest.raises(XmlRefusedError):
        room.seal(bomb + b']><a b="&x11;"/>')


# -- what never leaves -------------------------------------------------------


class _LyingKey(SoftwareKey):
    """Signs with another key than the one it shows."""

    def sign_digest(self, digest: bytes) -> bytes:
        return SoftwareKey(self.algorithm).sign_digest(digest)


@dataclass(frozen=True)
class _LyingTsa(DevelopmentTsa):
    """Stamps something else."""

    def stamp(self, digest: bytes, algorithm: str = "sha256") -> TimestampToken:
        return super().stamp(bytes(len(digest)), algorithm)


def test_a_signature_that_does_not_verify_never_leaves(room: Room) -> None:
    """P3: a key in KMS that does not fit its certificate is found before the XML leaves."""
    usable = credential_for(_LyingKey(KeyAlgorithm.P_256), room.dev.pki)
    with pytest.raises(SealVerificationError) as raised:
        sealer_of(usable, room.dev.pki).seal_xml(RECEIPT, [], B_T)
    assert raised.value.sub_indication == "SIG_CRYPTO_FAILURE"


def test_a_time_stamp_of_something_else_never_leaves(room: Room) -> None:
    """P3: a token over another digest is found before the XML leaves."""
    sealer = XadesSealer(
        OneCredential(room.usable),
        _LyingTsa(room.dev.pki.timestamp_url),
        anchors=lambda: room.anchors,
        clock=lambda: datetime.now(UTC),
    )
    with pytest.raises(SealVerificationError) as raised:
        sealer.seal_xml(RECEIPT, [], B_T)
    assert raised.value.sub_indication == "SIG_CONSTRAINTS_FAILURE"


def test_an_untrusted_certificate_never_leaves(room: Room) -> None:
    """P3: a signature that leads to none of our roots does not leave, however good."""
    sealer = XadesSealer(
        OneCredential(replace(room.usable, issuers=())),
        DevelopmentTsa(room.dev.pki.timestamp_url),
        anchors=lambda: room.anchors,
        clock=lambda: datetime.now(UTC),
    )
    with pytest.raises(SealVerificationError) as raised:
        sealer.seal_xml(RECEIPT, [], B_B)
    assert raised.value.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
