"""Security keys: real signatures of a software authenticator, and each way to cheat (WebAuthn 7)."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.security_keys import WebauthnKeys, user_handle
from chalicelib.domain.approvals import Method
from chalicelib.domain.keyring import HeldFactor
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import Factor, FactorState
from tests.support.samples import NOON
from tests.support.software_key import PRESENT, SoftwareKey, encoded

KEYS = WebauthnKeys("tra.test", ("https://tra.test", "https://work.tra.test"))
SOMSRI = Officer("diw", "somsri")
CHALLENGE, OTHER = encoded(b"c" * 32), encoded(b"d" * 32)


def _registered(key: SoftwareKey) -> HeldFactor:
    new = KEYS.register(key.create(KEYS.registration_options(SOMSRI, CHALLENGE, ())), CHALLENGE)
    assert new is not None
    factor = Factor(
        agency_id="diw",
        subject="somsri",
        method=Method.WEBAUTHN,
        enrolled_at=NOON,
        state=FactorState.ACTIVE,
    )
    return HeldFactor(
        factor_id="1",
        factor=factor,
        credential_id=new.credential_id,
        public_key=new.public_key,
        transports=new.transports,
    )


_KEY = SoftwareKey()
_HELD = _registered(_KEY)
_MADE = SoftwareKey().create(KEYS.registration_options(SOMSRI, CHALLENGE, ()))
_ASSERTED = _KEY.get(KEYS.assertion_options(CHALLENGE, ()))


def _options() -> dict[str, Any]:
    return dict(KEYS.assertion_options(CHALLENGE, ()))


def test_a_key_is_registered_and_signs() -> None:
    """Issue 7 item 3: options, registration, assertion; the counter is told."""
    key = SoftwareKey()
    held = _registered(key)
    assert held.transports == ("usb",)
    options = KEYS.assertion_options(CHALLENGE, (held,))
    assert options["userVerification"] == "required"
    assert options["allowCredentials"][0]["id"] == held.credential_id
    assertion = key.get(options)
    asserted = KEYS.asserted(assertion)
    assert asserted is not None
    assert (asserted.credential_id, asserted.challenge) == (held.credential_id, CHALLENGE)
    assert KEYS.counter_of(assertion, CHALLENGE, SOMSRI, held) == 1


def test_a_key_at_each_address_of_the_service() -> None:
    """Issue 7 item 3: officers may work at several addresses of the deployment."""
    key = SoftwareKey(origin="https://work.tra.test")
    held = _registered(key)
    assert KEYS.counter_of(key.get(_options()), CHALLENGE, SOMSRI, held) == 1


def test_registration_options() -> None:
    """Issue 7 item 3: no attestation, the user verified, no name but the subject, no key twice."""
    held = _registered(SoftwareKey())
    options = KEYS.registration_options(SOMSRI, CHALLENGE, (held,))
    assert options["rp"] == {"id": "tra.test", "name": "Tra"}
    assert options["user"]["id"] == encoded(user_handle(SOMSRI))
    assert options["user"]["name"] == "somsri@diw"
    assert [one["alg"] for one in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["excludeCredentials"][0]["id"] == held.credential_id


REGISTRATION_TRICKS: dict[str, dict[str, Any]] = {
    "another challenge": {"challenge": OTHER},
    "another site": {"origin": "https://tra.test.evil.example"},
    "plain HTTP": {"origin": "http://tra.test"},
    "another relying party": {"rp_id": "evil.example"},
    "an assertion in its place": {"type": "webauthn.get"},
}


@pytest.mark.parametrize("trick", REGISTRATION_TRICKS.values(), ids=REGISTRATION_TRICKS)
def test_registrations_that_are_refused(trick: dict[str, Any]) -> None:
    """Issue 7 item 3 (WebAuthn level 2, 7.1)."""
    options = KEYS.registration_options(SOMSRI, CHALLENGE, ())
    assert KEYS.register(SoftwareKey().create(options, **trick), CHALLENGE) is None


def test_who_was_not_verified_registers_nothing() -> None:
    """Issue 7 item 3: touching a key is not enough, its owner must be known to it."""
    options = KEYS.registration_options(SOMSRI, CHALLENGE, ())
    assert KEYS.register(SoftwareKey(flags=PRESENT).create(options), CHALLENGE) is None


ASSERTION_TRICKS: dict[str, dict[str, Any]] = {
    **{name: trick for name, trick in REGISTRATION_TRICKS.items() if "assertion" not in name},
    "a registration in its place": {"type": "webauthn.create"},
    "another officer's handle": {"user_handle": user_handle(Officer("diw", "somchai"))},
}


@pytest.mark.parametrize("trick", ASSERTION_TRICKS.values(), ids=ASSERTION_TRICKS)
def test_assertions_that_are_refused(trick: dict[str, Any]) -> None:
    """Issue 7 item 3 (WebAuthn level 2, 7.2)."""
    key = SoftwareKey()
    held = _registered(key)
    assert KEYS.counter_of(key.get(_options(), **trick), CHALLENGE, SOMSRI, held) is None


def test_who_was_not_verified_asserts_nothing() -> None:
    """Issue 7 item 3: a key that was found on a desk."""
    key = SoftwareKey()
    held = _registered(key)
    key.flags = PRESENT
    assert KEYS.counter_of(key.get(_options()), CHALLENGE, SOMSRI, held) is None


def test_a_signature_of_another_key() -> None:
    """Issue 7 item 3: the same credential id, another private key."""
    key = SoftwareKey()
    held = _registered(key)
    forger = SoftwareKey(credential_id=key.credential_id)
    assert KEYS.counter_of(forger.get(_options()), CHALLENGE, SOMSRI, held) is None


def test_tampered_bytes() -> None:
    """Issue 7: one bit of what was signed, or of the signature."""
    key = SoftwareKey()
    held = _registered(key)
    good = key.get(_options())
    for name in ("authenticatorData", "signature"):
        changed = dict(good["response"])
        changed[name] = ("A" if changed[name][0] != "A" else "B") + changed[name][1:]
        assertion = {**good, "response": changed}
        assert KEYS.counter_of(assertion, CHALLENGE, SOMSRI, held) is None
    assert KEYS.counter_of(good, CHALLENGE, SOMSRI, held) == 1


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"id": "x"},
        {"id": 1, "response": {"clientDataJSON": encoded(b'{"challenge": "YQ"}')}},
        {"id": "x", "response": []},
        {"id": "x", "response": {"clientDataJSON": "%%%"}},
        {"id": "x", "response": {"clientDataJSON": encoded(b"[]")}},
        {"id": "x", "response": {"clientDataJSON": encoded(b"\xff")}},
        {"id": "x", "response": {"clientDataJSON": None}},
    ],
)
def test_junk_is_no_answer(junk: dict[str, Any]) -> None:
    """Issue 7: what no browser sends is refused, and nothing breaks."""
    held = _registered(SoftwareKey())
    assert KEYS.asserted(junk) is None
    assert KEYS.counter_of(junk, CHALLENGE, SOMSRI, held) is None
    assert KEYS.register(junk, CHALLENGE) is None


@pytest.mark.parametrize("transports", [None, 1, True, "usb", {"usb": 1}, [1, None, ["usb"]]])
def test_transports_are_words_of_a_list(transports: object) -> None:
    """Issue 7: a hint for the next time, and nothing else; what is none is left out."""
    made = SoftwareKey().create(KEYS.registration_options(SOMSRI, CHALLENGE, ()))
    made["response"]["transports"] = transports
    new = KEYS.register(made, CHALLENGE)
    assert new is not None
    assert new.transports == ()


@pytest.mark.parametrize(
    "key",
    [
        {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)},  # no point of the curve
        {1: 2, 3: -7, -1: 99, -2: b"x", -3: b"y"},
        {1: 1, 3: -8, -1: 6, -2: b"short"},
        {1: 3, 3: -257, -1: "n", -2: "e"},
        {1: 2, 3: -65535, -1: 1, -2: bytes(32), -3: bytes(32)},
        {},
    ],
)
def test_a_key_that_verifies_nothing_is_none(key: dict[int, object]) -> None:
    """Issue 7: an officer would have a factor that never works; attestation none checks nothing."""
    options = KEYS.registration_options(SOMSRI, CHALLENGE, ())
    assert KEYS.register(SoftwareKey().create(options, cose=key), CHALLENGE) is None


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_bent_answers_are_refused_quietly(data: st.DataObject) -> None:
    """Issue 7: whatever bytes stand where a browser's should, the answer is a refusal, never a
    fault of ours."""
    for good, name in (
        (_MADE, data.draw(st.sampled_from(["clientDataJSON", "attestationObject"]))),
        (
            _ASSERTED,
            data.draw(st.sampled_from(["clientDataJSON", "authenticatorData", "signature"])),
        ),
    ):
        whole = base64.urlsafe_b64decode(good["response"][name] + "==")
        at = data.draw(st.integers(0, len(whole)))
        junk = data.draw(st.binary(min_size=1, max_size=6))
        bent = whole[:at] + junk + whole[at + data.draw(st.integers(0, 8)) :]
        answer = {**good, "response": {**good["response"], name: encoded(bent)}}
        KEYS.asserted(answer)
        if good is _MADE:
            KEYS.register(answer, CHALLENGE)
        elif bent != whole:
            assert KEYS.counter_of(answer, CHALLENGE, SOMSRI, _HELD) is None


def test_a_key_that_does_not_count() -> None:
    """WebAuthn 6.1.1: passkeys say 0, always."""
    key = SoftwareKey(counts=False)
    held = _registered(key)
    assert KEYS.counter_of(key.get(_options()), CHALLENGE, SOMSRI, held) == 0
    assert (
        KEYS.counter_of(
            key.get(_options(), user_handle=user_handle(SOMSRI)), CHALLENGE, SOMSRI, replace(held)
        )
        == 0
    )
