"""Keys and passkeys, by the webauthn library (port: SecurityKeys).

The library is imported where it is used: few requests are about keys, and all would wait for it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.domain.keyring import HeldFactor
from chalicelib.domain.persons import Officer
from chalicelib.ports import Asserted, NewKey

if TYPE_CHECKING:
    from webauthn.helpers.cose import COSEAlgorithmIdentifier
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

_NAME = "Tra"
_TIMEOUT_MS = 300_000
_MOST_TRANSPORTS = 6


class WebauthnKeys:
    """For one relying party: `rp_id` is a host name, `origins` where its pages are. Discoverable
    or not is the key's choice; who it belongs to is known from the token."""

    def __init__(self, rp_id: str, origins: Sequence[str]) -> None:
        self._rp_id, self._origins = rp_id, list(origins)

    def challenge_of(self, random: bytes) -> str:
        return base64.urlsafe_b64encode(random).rstrip(b"=").decode()

    def registration_options(
        self, officer: Officer, challenge: str, known: Sequence[HeldFactor]
    ) -> Mapping[str, Any]:
        import webauthn  # noqa: PLC0415 - see above
        from webauthn.helpers import structs  # noqa: PLC0415

        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=_NAME,
            user_id=user_handle(officer),
            user_name=f"{officer.subject}@{officer.agency_id}",
            challenge=webauthn.base64url_to_bytes(challenge),
            timeout=_TIMEOUT_MS,
            attestation=structs.AttestationConveyancePreference.NONE,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                user_verification=structs.UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=_descriptors(known),
            supported_pub_key_algs=_algorithms(),
        )
        return _as_json(webauthn.options_to_json(options))

    def register(self, credential: Mapping[str, Any], challenge: str) -> NewKey | None:
        import webauthn  # noqa: PLC0415 - see above
        from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

        try:
            verified = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=webauthn.base64url_to_bytes(challenge),
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                require_user_verification=True,
                supported_pub_key_algs=_algorithms(),
            )
            # Nothing is signed with the key yet: one that can verify nothing is found out here.
            webauthn.helpers.decoded_public_key_to_cryptography(
                webauthn.helpers.decode_credential_public_key(verified.credential_public_key)
            )
        except (WebAuthnException, *_UNREADABLE):
            return None
        return NewKey(
            credential_id=webauthn.helpers.bytes_to_base64url(verified.credential_id),
            public_key=verified.credential_public_key,
            counter=verified.sign_count,
            transports=_transports(credential),
        )

    def assertion_options(self, challenge: str, known: Sequence[HeldFactor]) -> Mapping[str, Any]:
        import webauthn  # noqa: PLC0415 - see above
        from webauthn.helpers import structs  # noqa: PLC0415

        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=webauthn.base64url_to_bytes(challenge),
            timeout=_TIMEOUT_MS,
            allow_credentials=_descriptors(known),
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return _as_json(webauthn.options_to_json(options))

    def asserted(self, assertion: Mapping[str, Any]) -> Asserted | None:
        import webauthn  # noqa: PLC0415 - see above

        try:
            client_data = json.loads(
                webauthn.base64url_to_bytes(assertion["response"]["clientDataJSON"])
            )
            credential_id, challenge = assertion["id"], client_data["challenge"]
        except _UNREADABLE:
            return None
        told = isinstance(credential_id, str) and isinstance(challenge, str)
        return Asserted(credential_id, challenge) if told else None

    def counter_of(
        self, assertion: Mapping[str, Any], challenge: str, officer: Officer, key: HeldFactor
    ) -> int | None:
        import webauthn  # noqa: PLC0415 - see above
        from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

        try:
            verified = webauthn.verify_authentication_response(
                credential=dict(assertion),
                expected_challenge=webauthn.base64url_to_bytes(challenge),
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                credential_public_key=key.public_key,
                # Whether the counter went on is for domain/second_factor.py to say.
                credential_current_sign_count=0,
                require_user_verification=True,
            )
            handle = assertion["response"].get("userHandle")
            named = webauthn.base64url_to_bytes(handle) if handle else user_handle(officer)
        except (WebAuthnException, *_UNREADABLE):
            return None
        return verified.new_sign_count if named == user_handle(officer) else None


# What an answer that no browser gives makes of reading it.
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)


def user_handle(officer: Officer) -> bytes:
    """An officer as keys keep one: nobody is known by it (WebAuthn level 2, 14.6.1)."""
    return hashlib.sha256(json.dumps(officer).encode()).digest()


def _algorithms() -> list[COSEAlgorithmIdentifier]:
    """What keys may sign with, best first: asked for and taken alike (RFC 9053; RS256 is what
    Windows' own has)."""
    from webauthn.helpers.cose import COSEAlgorithmIdentifier as Algorithm  # noqa: PLC0415 - see above

    return [Algorithm.ECDSA_SHA_256, Algorithm.EDDSA, Algorithm.RSASSA_PKCS1_v1_5_SHA_256]


def _descriptors(known: Sequence[HeldFactor]) -> list[PublicKeyCredentialDescriptor]:
    import webauthn  # noqa: PLC0415 - see above
    from webauthn.helpers import structs  # noqa: PLC0415

    kinds = {one.value: one for one in structs.AuthenticatorTransport}
    return [
        structs.PublicKeyCredentialDescriptor(
            id=webauthn.base64url_to_bytes(key.credential_id),
            transports=[kinds[one] for one in key.transports if one in kinds] or None,
        )
        for key in known
        if key.credential_id
    ]


def _transports(credential: Mapping[str, Any]) -> tuple[str, ...]:
    """How the key can be reached, as the browser says; only words that are known come back."""
    from webauthn.helpers import structs  # noqa: PLC0415 - see above

    told = credential["response"].get("transports")
    known = {one.value for one in structs.AuthenticatorTransport}
    listed = told if isinstance(told, list) else []
    words = [one for one in listed if isinstance(one, str) and one in known]
    return tuple(words[:_MOST_TRANSPORTS])


def _as_json(options: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(options)
    return found
