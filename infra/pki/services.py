"""What the development PKI answers over HTTP: time-stamps, OCSP, CRLs, certificates.

OCSP is built with certomancer, CRLs with cryptography, time-stamp tokens here, because
certomancer's carry neither an accuracy nor an ESSCertIDv2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from asn1crypto import algos, cms, core, ocsp, tsp
from asn1crypto import x509 as asn1_x509
from certomancer.services import (
    RevocationInfoInterface,
    SimpleOCSPResponder,
    choose_signed_digest,
    simple_cms_attribute,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding

from infra.devhttp import NOT_FOUND, Answer, Call
from infra.pki.authorities import (
    DEVELOPMENT_POLICY,
    Authority,
    DevelopmentPki,
    PrivateKey,
    read_revoked,
    whole_seconds,
)

if TYPE_CHECKING:
    from pathlib import Path

_BACKDATED = timedelta(minutes=5)
_CRL_VALID = timedelta(days=1)
_OCSP_VALID = timedelta(minutes=10)
_PEM_TYPE = "application/x-pem-file"
_OCSP_TYPE = "application/ocsp-response"
_IMPRINT_HASHES = frozenset({"sha256", "sha384", "sha512"})
_SERIAL_BITS = 64


class PkiService:
    """Answers OCSP, CRL, certificate and time-stamp requests below `pki.base_url`.

    OCSP is signed by the issuing CA itself, or, with `delegated_ocsp`, by a responder it
    delegates to. `ocsp_valid` and `crl_valid` say how long answers are good for.
    """

    def __init__(
        self,
        pki: DevelopmentPki,
        *,
        delegated_ocsp: bool = False,
        ocsp_valid: timedelta = _OCSP_VALID,
        crl_valid: timedelta = _CRL_VALID,
    ) -> None:
        responder = pki.ocsp if delegated_ocsp else pki.issuing
        self._ocsp = OcspService(pki, responder, valid=ocsp_valid)
        stampers = {
            "/tsa": TimestampService(pki.tsa, [pki.issuing]),
            "/tsa2": TimestampService(pki.tsa2, [pki.issuing]),
        }
        own = {pki.issuing.certificate.serial_number}

        def issuing_crl(_: bytes) -> Answer:
            return _crl(pki.issuing, _revoked(pki, lambda s: s not in own), crl_valid)

        def root_crl(_: bytes) -> Answer:
            return _crl(pki.root, _revoked(pki, lambda s: s in own), crl_valid)

        self._routes: dict[tuple[str, str], Callable[[bytes], Answer]] = {
            **{("POST", path): stamper.answer for path, stamper in stampers.items()},
            ("GET", "/issuing.crl"): issuing_crl,
            ("GET", "/root.crl"): root_crl,
            ("GET", "/issuing.crt"): lambda _: _certificate(pki.issuing),
            ("GET", "/root.crt"): lambda _: _certificate(pki.root),
            ("GET", "/root.pem"): lambda _: Answer(200, _PEM_TYPE, pki.root_pem.encode()),
        }

    def __call__(self, call: Call) -> Answer:
        if call.path == "/ocsp" or call.path.startswith("/ocsp/"):
            return self._ocsp(call)
        route = self._routes.get((call.method, call.path))
        return route(call.body) if route else NOT_FOUND


# -- time-stamps -------------------------------------------------------------


class _Refusal(core.Sequence):
    """TimeStampResp without its optional token, which asn1crypto insists on."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012 - as asn1crypto declares it


class TimestampService:
    """An RFC 3161 authority that names its certificate by SHA-256 (ESSCertIDv2, RFC 5816;
    EN 319 422 no longer allows SHA-1) and states its time to the microsecond, and how
    accurate it is.

    `issuers` go into the token besides its own certificate. `clock` is for tests.
    """

    def __init__(
        self,
        authority: Authority,
        issuers: Sequence[Authority],
        *,
        policy: str = DEVELOPMENT_POLICY,
        accuracy: timedelta = timedelta(milliseconds=1),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # Converted once: it costs more than the stamping.
        self._certificate = authority.asn1
        self._key = authority.key
        self._embedded = [self._certificate, *(issuer.asn1 for issuer in issuers)]
        self._signature = choose_signed_digest("sha256", self._certificate.public_key)
        self._policy = policy
        self._accuracy = accuracy
        self._clock = clock

    def __call__(self, call: Call) -> Answer:
        return self.answer(call.body) if call.method == "POST" else NOT_FOUND

    def answer(self, body: bytes) -> Answer:
        try:
            request = tsp.TimeStampReq.load(body, strict=True)
            hash_name = request["message_imprint"]["hash_algorithm"]["algorithm"].native
            wanted = request["req_policy"].native
        except (ValueError, TypeError):
            return _timestamp_refusal("bad_data_format")
        if hash_name not in _IMPRINT_HASHES:
            return _timestamp_refusal("bad_alg")
        if wanted not in {None, self._policy}:
            return _timestamp_refusal("unaccepted_policy")
        response = tsp.TimeStampResp(
            {"status": {"status": "granted"}, "time_stamp_token": self._token(request)}
        )
        return Answer(200, "application/timestamp-reply", response.dump())

    def _token(self, request: tsp.TimeStampReq) -> cms.ContentInfo:
        digest = algos.DigestAlgorithm({"algorithm": "sha256"})
        info = self._info(request).dump()
        attributes = cms.CMSAttributes(
            [
                simple_cms_attribute("content_type", "tst_info"),
                simple_cms_attribute("message_digest", hashlib.sha256(info).digest()),
                self._certificate_id(),
            ]
        )
        signer = {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": {
                        "issuer": self._certificate.issuer,
                        "serial_number": self._certificate.serial_number,
                    }
                }
            ),
            "digest_algorithm": digest,
            "signature_algorithm": self._signature,
            "signed_attrs": attributes,
            "signature": _signature(self._key, attributes.dump()),
        }
        signed = {
            "version": "v3",
            "digest_algorithms": [digest],
            "encap_content_info": {
                "content_type": "tst_info",
                "content": core.ParsableOctetString(info),
            },
            "signer_infos": [signer],
        }
        if request["cert_req"].native:
            signed["certificates"] = self._embedded
        return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})

    def _info(self, request: tsp.TimeStampReq) -> tsp.TSTInfo:
        micros = self._accuracy // timedelta(microseconds=1)
        info = {
            "version": "v1",
            "policy": self._policy,
            "message_imprint": request["message_imprint"],
            "serial_number": secrets.randbits(_SERIAL_BITS),
            "gen_time": self._clock(),
            "accuracy": _accuracy(micros),
            "tsa": asn1_x509.GeneralName(name="directory_name", value=self._certificate.subject),
        }
        if isinstance(request["nonce"], core.Integer):
            info["nonce"] = request["nonce"]
        return tsp.TSTInfo(info)

    def _certificate_id(self) -> cms.CMSAttribute:
        identifier = tsp.ESSCertIDv2(
            {"cert_hash": hashlib.sha256(self._certificate.dump()).digest()}
        )
        value = tsp.SigningCertificateV2({"certs": [identifier]})
        return cast("cms.CMSAttribute", simple_cms_attribute("signing_certificate_v2", value))


def _signature(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _accuracy(micros: int) -> dict[str, int]:
    """Parts of an Accuracy (RFC 3161 §2.4.2): millis and micros go from 1 to 999."""
    parts = {
        "seconds": micros // 1_000_000,
        "millis": micros // 1_000 % 1_000,
        "micros": micros % 1_000,
    }
    return {name: value for name, value in parts.items() if value}


def _timestamp_refusal(failure: str) -> Answer:
    """A PKIStatusInfo `rejection` (RFC 3161 §2.4.2)."""
    status = tsp.PKIStatusInfo({"status": "rejection", "fail_info": {failure}})
    refusal: bytes = core.Sequence.dump(_Refusal({"status": status}))  # type: ignore[no-untyped-call]  # asn1crypto has no types
    return Answer(200, "application/timestamp-reply", refusal)


# -- revocation --------------------------------------------------------------


class OcspService:
    """Says of certificates of the issuing CA whether they are revoked (RFC 6960), by POST
    and by GET (appendix A.1); certificates may be named by SHA-1 or SHA-256."""

    def __init__(
        self, pki: DevelopmentPki, responder: Authority, *, valid: timedelta = _OCSP_VALID
    ) -> None:
        self._responder = responder
        self._valid = valid
        self._known = _Revocations(pki.issuing.asn1, pki.directory)

    def __call__(self, call: Call) -> Answer:
        """By GET the request is the end of the path."""
        return self._answer(call.body if call.method == "POST" else _from_path(call.path))

    def _answer(self, body: bytes) -> Answer:
        responder = SimpleOCSPResponder(
            responder_cert=self._responder.asn1,
            responder_key=self._responder.asn1_key,
            signature_algo=algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            at_time=whole_seconds(),
            revinfo_interface=self._known,
            validity=self._valid,
        )
        try:
            answer = responder.build_ocsp_response(ocsp.OCSPRequest.load(body, strict=True))
        except (ValueError, TypeError):
            answer = SimpleOCSPResponder.build_error_response("malformed_request")
        return Answer(200, _OCSP_TYPE, answer.dump())


def _from_path(path: str) -> bytes:
    try:
        return base64.b64decode(unquote(path.removeprefix("/ocsp/")), validate=True)
    except (binascii.Error, ValueError):
        return b""


class _Revocations(RevocationInfoInterface):
    """What the OCSP responder knows: whatever is not revoked is good."""

    def __init__(self, issuer: asn1_x509.Certificate, directory: Path) -> None:
        self._issuer = issuer
        self._directory = directory

    def get_issuer_cert(self) -> asn1_x509.Certificate:
        return self._issuer

    def check_revocation_status(
        self,
        cid: ocsp.CertId,
        at_time: datetime,  # noqa: ARG002 - the interface has it; revocation here is from now on
    ) -> tuple[ocsp.CertStatus, list[ocsp.SingleResponseExtension]]:
        at = read_revoked(self._directory).get(str(cid["serial_number"].native))
        if at is None:
            return ocsp.CertStatus("good"), []
        moment = datetime.fromisoformat(at).replace(microsecond=0)
        return ocsp.CertStatus("revoked", ocsp.RevokedInfo({"revocation_time": moment})), []


def _revoked(pki: DevelopmentPki, mine: Callable[[int], bool]) -> dict[int, datetime]:
    """Serial number → since when, of those that are `mine`."""
    return {
        int(serial): datetime.fromisoformat(at)
        for serial, at in read_revoked(pki.directory).items()
        if mine(int(serial))
    }


def _crl(authority: Authority, revoked: dict[int, datetime], valid: timedelta) -> Answer:
    """The CRL of `authority` as of now (RFC 5280 §5)."""
    now = whole_seconds()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - _BACKDATED)
        .next_update(now + valid)
        .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    for serial, at in revoked.items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
        builder = builder.add_revoked_certificate(entry.build())
    made = builder.sign(authority.key, hashes.SHA256())
    return Answer(200, "application/pkix-crl", made.public_bytes(Encoding.DER))


def _certificate(authority: Authority) -> Answer:
    return Answer(200, "application/pkix-cert", authority.der)
