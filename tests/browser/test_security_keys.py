"""A security key in a real browser: what Chromium makes of our options, our service takes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.security_keys import WebauthnKeys
from chalicelib.domain.access import Action
from chalicelib.domain.approvals import Method
from chalicelib.domain.errors import FactorRefusedError
from chalicelib.domain.persons import Officer
from chalicelib.domain.second_factor import ShownFactor, purpose_of
from chalicelib.services.enrol_factor import begin, challenge, confirm
from chalicelib.services.use_factor import use_factor
from tests.support.browser import Browser, browser, empty_site
from tests.support.rooms import Fakes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

SOMSRI = Officer("diw", "somsri")
PURPOSE = purpose_of(Action.APPROVE_DOCUMENT, {"documents": ["1"]})
_CREATE = """navigator.credentials.create({publicKey:
    PublicKeyCredential.parseCreationOptionsFromJSON(%s)}).then(made => made.toJSON())"""
_GET = """navigator.credentials.get({publicKey:
    PublicKeyCredential.parseRequestOptionsFromJSON(%s)}).then(made => made.toJSON())"""


def _key_in(page: Browser) -> None:
    """A key with a fingerprint reader, which its owner touches at once."""
    page.send("WebAuthn.enable")
    page.send(
        "WebAuthn.addVirtualAuthenticator",
        options={
            "protocol": "ctap2",
            "transport": "usb",
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        },
    )


def _asked(page: Browser, script: str, options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = page.run(script % json.dumps(options))
    return answer


def test_a_key_is_enrolled_and_used_in_a_browser(tmp_path: Path) -> None:
    """Issue 7 item 3: enrolled with our options, used for one purpose, refused for another; a second
    enrolment of the same key is stopped by the browser itself."""
    with empty_site() as site, browser(str(CHROMIUM), tmp_path) as page:
        room = replace(Fakes().house().factor_room, keys=WebauthnKeys("localhost", (site,)))
        page.show(site)
        _key_in(page)
        begun = begin(SOMSRI, Method.WEBAUTHN, "", None, purpose=PURPOSE, room=room)
        done = confirm(
            SOMSRI, begun.held.factor_id, _asked(page, _CREATE, begun.options), room=room
        )
        assert done.held.is_active
        assert done.held.transports == ("usb",)

        first = _asked(page, _GET, challenge(SOMSRI, PURPOSE, room=room))
        shown = ShownFactor(assertion=first)
        assert use_factor(SOMSRI, shown, purpose=PURPOSE, room=room).method is Method.WEBAUTHN
        with pytest.raises(FactorRefusedError):
            use_factor(SOMSRI, shown, purpose="another", room=room)
        second = _asked(page, _GET, challenge(SOMSRI, PURPOSE, room=room))
        assert use_factor(SOMSRI, ShownFactor(assertion=second), purpose=PURPOSE, room=room)

        third = _asked(page, _GET, challenge(SOMSRI, "more", room=room))
        more = begin(
            SOMSRI,
            Method.WEBAUTHN,
            "",
            ShownFactor(assertion=third),
            purpose="more",
            room=room,
        )
        with pytest.raises(RuntimeError, match="InvalidStateError"):
            _asked(page, _CREATE, more.options)
