"""Check a sealed PDF without pyHanko and without Tra's own sealing code.

A second opinion for the demo and the tests: it finds the seal by its /ByteRange, takes
the CMS apart with asn1crypto, and does every digest and signature with `cryptography`.
What was appended behind a seal it compares with pypdf (`infra.seal_revisions`). It knows
PAdES B-T, B-LT and B-LTA as EN 319 142-1 §6.3 has them, one seal per file, and nothing else.

    python -m infra.seal_check --root build/local/pki/root.pem out.pdf …
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.seal_revisions import Store, ends_behind, problems_of_stamp, problems_of_store, store_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_LONGEST_CHAIN = 5


@dataclass
class SealReport:
    """What was found. `problems` is empty exactly if the seal holds."""

    signer: str = ""
    organization: str = ""
    stamped_at: datetime | None = None
    level: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        return not self.problems


class _BrokenError(Exception):
    """The check cannot go on; the text says at what it stopped."""


def check_seal(pdf: bytes, root_pem: str) -> SealReport:
    """Check the one seal of `pdf` up to the root. Never raises for a broken file."""
    report = SealReport()
    try:
        _check(pdf, x509.load_pem_x509_certificate(root_pem.encode()), report)
    except _BrokenError as error:
        report.problems.append(str(error))
    except Exception as error:  # noqa: BLE001 - what parsers raise at damaged bytes is a verdict
        # asn1crypto parses on access, so damaged DER may show anywhere.
        report.problems.append(f"the seal's CMS is damaged ({type(error).__name__})")
    return report


def check_with_pdfsig(path: Path) -> str | None:
    """None if poppler's pdfsig calls the seal valid (over the whole file, unless a security
    store follows), or if it is not installed; otherwise what it said."""
    program = shutil.which("pdfsig")
    if program is None:
        return None
    # -nocert: its trust store knows no development root; the chain is checked above.
    run = subprocess.run(
        [program, "-nocert", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    # It cannot check document time-stamps, so only what it says of the seal counts.
    seal, _, _ = run.stdout.partition("Signature #2:")
    wanted = ["Signature is Valid."]
    if b"/DSS" not in path.read_bytes():
        wanted.append("- Total document signed")
    if run.returncode == 0 and all(line in seal for line in wanted):
        return None
    return (run.stdout + run.stderr).strip()


# -- the steps ---------------------------------------------------------------


def _check(pdf: bytes, root: x509.Certificate, report: SealReport) -> None:
    seal, *stamps = _signatures(pdf)
    signed_data = _signed_data(seal.der)
    info = signed_data["signer_infos"][0]
    certificates = _certificates(signed_data)
    signer = _signer_of(info, certificates)
    report.signer = _attribute(signer, NameOID.COMMON_NAME)
    report.organization = _attribute(signer, NameOID.ORGANIZATION_NAME)
    _check_signer_info(_Signed("seal", "data", seal.covered), info, signer, report)
    if not _usage(signer).content_commitment:
        report.problems.append("seal: the certificate may not be used to commit to content")
    report.stamped_at = _check_signature_timestamp(info, root, report)
    at = report.stamped_at or datetime.now(UTC)
    if problem := _chain_problem([signer, *certificates], root, at):
        report.problems.append(f"seal: {problem}")
    _check_what_follows(pdf, seal, stamps, root, report)


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A signature in the file: its DER, the bytes it covers, and where these end."""

    der: bytes
    covered: bytes
    end: int


_MOST_SIGNATURES = 2  # the seal, and a document time-stamp


def _signatures(pdf: bytes) -> list[_Embedded]:
    """The seal and what else is signed, in the order of the file."""
    ranges = _BYTE_RANGE.findall(pdf)
    if not 1 <= len(ranges) <= _MOST_SIGNATURES:
        raise _BrokenError(f"the file has {len(ranges)} signatures; it should have one seal")
    found = [_embedded(pdf, *map(int, numbers)) for numbers in ranges]
    if [signature.end for signature in found] != sorted({s.end for s in found}):
        raise _BrokenError("the signatures do not cover one another in order")
    return found


def _embedded(pdf: bytes, start: int, first: int, second: int, rest: int) -> _Embedded:
    end = second + rest
    if start != 0 or not first < second <= end <= len(pdf):
        raise _BrokenError("a signature does not cover the file from its beginning")
    gap = pdf[first:second]
    if not (gap.startswith(b"<") and gap.endswith(b">")):
        raise _BrokenError("the gap in the covered range is not the signature")
    try:
        der = bytes.fromhex(gap[1:-1].decode("ascii"))
    except ValueError:
        raise _BrokenError("the signature is not hexadecimal") from None
    return _Embedded(der, pdf[:first] + pdf[second:end], end)


# -- behind the seal ---------------------------------------------------------


def _check_what_follows(
    pdf: bytes,
    seal: _Embedded,
    stamps: Sequence[_Embedded],
    root: x509.Certificate,
    report: SealReport,
) -> None:
    """Nothing (B-T), a security store (B-LT), a document time-stamp over all of that
    (B-LTA); anything else is a problem."""
    ends = ends_behind(pdf, seal.end)
    report.level = ("B-T", "B-LT", "B-LTA")[min(len(ends), 2)]
    if len(ends) != (2 if stamps else min(len(ends), 1)) or [seal.end, *ends][-1] != len(pdf):
        report.problems.append(
            "the seal does not cover the whole file, and what follows is unknown"
        )
        return
    if not _ends_revision(pdf, seal.end):
        report.problems.append("the seal does not cover the whole of its revision")
    if ends:
        report.problems += problems_of_store(pdf, seal.end, ends[0])
        _check_store(pdf, seal, root, report)
    if stamps:
        report.problems += problems_of_stamp(pdf, ends[0], ends[1])
        _check_document_timestamp(pdf, stamps[0], root, report)


def _ends_revision(pdf: bytes, end: int) -> bool:
    return pdf[:end].rstrip(b"\r\n").endswith(b"%%EOF")


def _check_document_timestamp(
    pdf: bytes, stamp: _Embedded, root: x509.Certificate, report: SealReport
) -> None:
    if stamp.end != len(pdf):
        report.problems.append("the document time-stamp does not cover the whole file")
    _check_token(_signed_data(stamp.der), stamp.covered, root, report, who="document time-stamp")


def _check_store(pdf: bytes, seal: _Embedded, root: x509.Certificate, report: SealReport) -> None:
    """For each certificate of the seal's and its time-stamp's chains, the security store
    has an answer that it is not revoked, good at the time of the time-stamp."""
    store = store_of(pdf)
    known = [root, *(x509.load_der_x509_certificate(der) for der in store.certificates)]
    signed_data = _signed_data(seal.der)
    leaves = [_signer_of(signed_data["signer_infos"][0], _certificates(signed_data))]
    for token in _tokens(signed_data["signer_infos"][0]):
        info = token["content"]["signer_infos"][0]
        leaves.append(_signer_of(info, _certificates(token["content"])))
    for leaf in leaves:
        current = leaf
        for _ in range(_LONGEST_CHAIN):
            issuer = _issuer_of(current, known)
            if current == root or issuer is None:
                break
            if not _not_revoked(current, issuer, store, report.stamped_at):
                report.problems.append("security store: no answer says that a certificate is good")
            current = issuer
        if current != root:
            report.problems.append("security store: a chain is not complete")


def _not_revoked(
    certificate: x509.Certificate, issuer: x509.Certificate, store: Store, at: datetime | None
) -> bool:
    responses = map(ocsp.load_der_ocsp_response, store.ocsp_responses)
    lists = map(x509.load_der_x509_crl, store.crls)
    return any(_ocsp_says_good(r, certificate, issuer, at) for r in responses) or any(
        _crl_says_good(c, certificate, issuer, at) for c in lists
    )


def _ocsp_says_good(
    response: ocsp.OCSPResponse,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    at: datetime | None,
) -> bool:
    """RFC 6960 §3.2: signed by the issuer or by whom it delegated, about this certificate."""
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return False
    about = response.serial_number == certificate.serial_number
    good = response.certificate_status is ocsp.OCSPCertStatus.GOOD
    until = response.next_update_utc
    signers = [issuer, *(c for c in response.certificates if _is_responder(c, issuer))]
    algorithm = response.signature_hash_algorithm
    return (
        about
        and good
        and algorithm is not None
        and (at is None or until is None or at <= until)
        and any(
            _verifies(signer, response.signature, response.tbs_response_bytes, algorithm.name)
            for signer in signers
        )
    )


def _is_responder(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        purpose = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in purpose.value


def _crl_says_good(
    crl: x509.CertificateRevocationList,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    at: datetime | None,
) -> bool:
    key, until = issuer.public_key(), crl.next_update_utc
    if crl.issuer != certificate.issuer or not isinstance(
        key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    ):
        return False
    return (
        crl.is_signature_valid(key)
        and crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is None
        and (at is None or until is None or at <= until)
    )


# -- CMS ---------------------------------------------------------------------


def _signed_data(der: bytes) -> Any:
    content = cms.ContentInfo.load(der)  # zeros that fill the room may follow
    if content["content_type"].native != "signed_data":
        raise _BrokenError("the signature is not CMS SignedData")
    if len(content["content"]["signer_infos"]) != 1:
        raise _BrokenError("a seal has exactly one signer")
    return content["content"]


@dataclass(frozen=True, slots=True)
class _Signed:
    """What a signature is over, and the word for it in problems."""

    who: str
    content_type: str
    content: bytes


def _check_signer_info(
    over: _Signed, info: Any, signer: x509.Certificate, report: SealReport
) -> None:
    """Digest, content type, certificate hash and signature (RFC 5652 §5.4, RFC 5035)."""
    attributes = {a["type"].native: a["values"] for a in info["signed_attrs"]}
    digest_name = info["digest_algorithm"]["algorithm"].native
    if digest_name not in _HASHES:
        raise _BrokenError(f"{over.who}: digest {digest_name} is not accepted")
    if attributes["message_digest"][0].native != hashlib.new(digest_name, over.content).digest():
        report.problems.append(f"{over.who}: the digest does not match; the content was changed")
    if attributes["content_type"][0].native != over.content_type:
        report.problems.append(f"{over.who}: the signed content type is not {over.content_type}")
    _check_certificate_hash(attributes, signer, over.who, report)
    signed = info["signed_attrs"].untag().dump()
    if not _verifies(signer, info["signature"].native, signed, digest_name):
        report.problems.append(f"{over.who}: the signature is wrong")


def _check_certificate_hash(
    attributes: dict[str, Any], signer: x509.Certificate, who: str, report: SealReport
) -> None:
    if "signing_certificate_v2" not in attributes:
        report.problems.append(f"{who}: the ESS signing-certificate-v2 attribute is missing")
        return
    # tsp is what teaches asn1crypto this attribute (and the time-stamp one); naming it
    # here keeps the import, which nothing else would.
    attribute: tsp.SigningCertificateV2 = attributes["signing_certificate_v2"][0]
    identifier = attribute["certs"][0]
    algorithm = _HASHES[identifier["hash_algorithm"]["algorithm"].native]()
    if identifier["cert_hash"].native != signer.fingerprint(algorithm):
        report.problems.append(f"{who}: the ESS certificate hash names another certificate")


def _check_signature_timestamp(
    info: Any, root: x509.Certificate, report: SealReport
) -> datetime | None:
    """The time of the signature time-stamp (RFC 3161), None if there is none."""
    tokens = _tokens(info)
    if len(tokens) != 1:
        report.problems.append(f"the seal has {len(tokens)} time-stamps; it should have one")
        return None
    return _check_token(
        tokens[0]["content"], info["signature"].native, root, report, who="time-stamp"
    )


def _tokens(info: Any) -> list[Any]:
    return [
        a["values"][0]
        for a in info["unsigned_attrs"] or ()
        if a["type"].native == "signature_time_stamp_token"
    ]


def _check_token(
    signed_data: Any, stamped: bytes, root: x509.Certificate, report: SealReport, *, who: str
) -> datetime:
    """A token over `stamped` (RFC 3161 §2.4.2), up to the root; its time."""
    content = signed_data["encap_content_info"]["content"]
    stamp = content.parsed
    imprint = stamp["message_imprint"]
    algorithm = imprint["hash_algorithm"]["algorithm"].native
    expected = hashlib.new(algorithm, stamped).digest()
    if algorithm not in _HASHES or imprint["hashed_message"].native != expected:
        what = "signature" if who == "time-stamp" else "file"
        report.problems.append(f"{who}: it belongs to another {what}")
    certificates = _certificates(signed_data)
    stamper_info = signed_data["signer_infos"][0]
    stamper = _signer_of(stamper_info, certificates)
    moment: datetime = stamp["gen_time"].native
    over = _Signed(who, "tst_info", bytes(content))
    _check_signer_info(over, stamper_info, stamper, report)
    _check_stamper_purpose(stamper, report)
    if problem := _chain_problem([stamper, *certificates], root, moment):
        report.problems.append(f"{who}: {problem}")
    return moment


def _check_stamper_purpose(stamper: x509.Certificate, report: SealReport) -> None:
    """RFC 3161 §2.3: exactly timeStamping, critical."""
    try:
        purpose = stamper.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        report.problems.append("time-stamp: the certificate has no extended key usage")
        return
    if list(purpose.value) != [ExtendedKeyUsageOID.TIME_STAMPING] or not purpose.critical:
        report.problems.append("time-stamp: the certificate is not for time-stamping alone")


def _chain_problem(
    certificates: Sequence[x509.Certificate], root: x509.Certificate, at: datetime
) -> str | None:
    """What is wrong with the way from the first certificate up to the root at `at`:
    names, signatures, CA flags, validity. None: nothing."""
    current = certificates[0]
    for _ in range(_LONGEST_CHAIN):
        if not current.not_valid_before_utc <= at <= current.not_valid_after_utc:
            return "a certificate was not valid at the time"
        if current == root:
            return None
        issuer = _issuer_of(current, [root, *certificates])
        if issuer is None:
            break
        current = issuer
    return "the certificate does not lead to the root"


def _issuer_of(
    certificate: x509.Certificate, candidates: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    for candidate in candidates:
        try:
            certificate.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        if _is_ca(candidate):
            return candidate
    return None


# -- small readers -----------------------------------------------------------


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return constraints.value.ca and _usage(certificate).key_cert_sign


def _usage(certificate: x509.Certificate) -> x509.KeyUsage:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        raise _BrokenError("a certificate does not say what its key is for") from None


def _certificates(signed_data: Any) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(c.chosen.dump()) for c in signed_data["certificates"]]


def _signer_of(info: Any, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    serial = info["sid"].chosen["serial_number"].native
    issuer = info["sid"].chosen["issuer"].dump()
    for certificate in certificates:
        if certificate.serial_number == serial and certificate.issuer.public_bytes() == issuer:
            return certificate
    raise _BrokenError("the signer's certificate is not in the file")


def _verifies(signer: x509.Certificate, signature: bytes, signed: bytes, digest: str) -> bool:
    key, algorithm = signer.public_key(), _HASHES[digest]()
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signature, signed, ec.ECDSA(algorithm))
            case rsa.RSAPublicKey():
                key.verify(signature, signed, padding.PKCS1v15(), algorithm)
            case _:
                return False
    except InvalidSignature:
        return False
    return True


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def main() -> None:
    parser = argparse.ArgumentParser(description="Check sealed PDFs without the sealing code.")
    parser.add_argument("--root", type=Path, required=True, help="PEM of the trusted root")
    parser.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    root_pem = arguments.root.read_text()
    failed = False
    for path in arguments.files:
        report = check_seal(path.read_bytes(), root_pem)
        said = check_with_pdfsig(path)
        problems = [*report.problems, *([f"pdfsig: {said}"] if said else [])]
        failed = failed or bool(problems)
        outcome = (
            "; ".join(problems)
            or f"sealed by {report.signer} at {report.stamped_at} ({report.level})"
        )
        print(f"{path}: {outcome}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
