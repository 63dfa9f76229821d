"""Settings: complete or refused, by name."""

from __future__ import annotations

import pytest

from chalicelib.config import Settings
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.identity import USUAL_NAMES

GOOD = {
    "TRA_STAGE": "prod",
    "TRA_DOCUMENTS_TABLE": "d",
    "TRA_REGISTERS_TABLE": "r",
    "TRA_DIRECTORY_TABLE": "y",
    "TRA_ARCHIVE_BUCKET": "a",
    "TRA_LOGS_BUCKET": "logs",
    "TRA_NUMBER_QUEUE_URL": "n",
    "TRA_SEAL_QUEUE_URL": "s",
    "TRA_DELIVER_QUEUE_URL": "q",
    "TRA_DISPATCH_QUEUE_URL": "q",
    "TRA_DELIVERIES_TABLE": "t",
    "TRA_OFFICERS_TABLE": "t",
    "TRA_FACTORS_TABLE": "t",
    "TRA_ACCESS_TABLE": "t",
    "TRA_FACTORS_KEY_ID": "k",
    "TRA_SECRETS_KEY_ID": "k",
    "TRA_EVIDENCE_KEY_ID": "k",
    "TRA_LOG_KEY_ID": "log",
    "TRA_PREVIEW_FUNCTION": "p",
    "TRA_VERIFY_FUNCTION": "v",
    "TRA_STATUS_FUNCTION": "t",
    "TRA_UPLOADS_BUCKET": "u",
    "TRA_BATCHES_BUCKET": "batches",
    "TRA_BATCH_QUEUE_URL": "https://sqs/batch",
    "TRA_BATCH_SEAL_QUEUE_URL": "https://sqs/batch-seal",
    "TRA_PUBLIC_URL": "https://tra.go.th/",
    "TRA_OIDC_ISSUER": "https://id.go.th",
    "TRA_OIDC_AUDIENCE": "tra",
    "TRA_TIMESTAMP_URLS": "https://tsa1.example https://tsa2.example",
    "TRA_LOCK_MODE": "COMPLIANCE",
    "TRA_SWEEP_AFTER_SECONDS": "300",
    "TRA_SEAL_AT_ONCE": "5",
    "TRA_SLICE_DAYS": "7",
    "TRA_RENEWAL_LEAD_DAYS": "365",
    "TRA_TIMESTAMP_PRICE_SATANG": "300",
}


def test_good_settings_are_read() -> None:
    """stack: one environment holds all that a function may need."""
    settings = Settings.from_environment(GOOD)
    assert settings.public_url == "https://tra.go.th"
    assert settings.timestamp_urls == ("https://tsa1.example", "https://tsa2.example")


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_setting_is_named(name: str) -> None:
    """P4: a deployment that lacks something says what, at once."""
    with pytest.raises(ConfigurationError, match=name):
        Settings.from_environment({**GOOD, name: " "})


def test_all_faults_are_told_at_once() -> None:
    """P4: one deployment shows every fault."""
    with pytest.raises(ConfigurationError) as raised:
        Settings.from_environment({"TRA_STAGE": "moon", "TRA_SWEEP_AFTER_SECONDS": "๕"})
    assert "TRA_STAGE must be one of" in raised.value.detail
    assert "TRA_SWEEP_AFTER_SECONDS is not a whole number" in raised.value.detail
    assert "TRA_ARCHIVE_BUCKET is missing" in raised.value.detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRA_LOCK_MODE", "GOVERNANCE"),
        ("TRA_PUBLIC_URL", "http://tra.go.th"),
        ("TRA_OIDC_ISSUER", "http://id.go.th"),
        ("TRA_WEBAUTHN_ORIGINS", "https://tra.go.th http://work.tra.go.th"),
    ],
)
def test_production_refuses_what_is_handy_in_development(name: str, value: str) -> None:
    """P2, P6: in production locks are binding and nothing travels in the clear."""
    with pytest.raises(ConfigurationError, match=name):
        Settings.from_environment({**GOOD, name: value})


def test_keys_belong_to_the_services_address_unless_said() -> None:
    """Issue 7 item 3: relying party and origins of security keys."""
    usual = Settings.from_environment({**GOOD, "TRA_PUBLIC_URL": "https://tra.go.th:8443/x/"})
    assert usual.webauthn_rp_id == "tra.go.th"
    assert usual.webauthn_origins == ("https://tra.go.th:8443",)
    own = Settings.from_environment(
        {
            **GOOD,
            "TRA_WEBAUTHN_RP_ID": "go.th",
            "TRA_WEBAUTHN_ORIGINS": "https://a.go.th https://b.go.th",
        }
    )
    assert own.webauthn_rp_id == "go.th"
    assert own.webauthn_origins == ("https://a.go.th", "https://b.go.th")


def test_how_tokens_are_read_is_a_setting() -> None:
    """Issue 7.2: claim names and the tolerance of clocks; what cannot be meant is told at once."""
    usual = Settings.from_environment(GOOD)
    assert (usual.oidc_claims, usual.oidc_leeway_seconds) == (USUAL_NAMES, 5)
    changed = {"TRA_OIDC_CLAIMS": "agency=tra.agency", "TRA_OIDC_LEEWAY_SECONDS": "0"}
    own = Settings.from_environment({**GOOD, **changed})
    assert (own.oidc_claims.agency, own.oidc_leeway_seconds) == ("tra.agency", 0)
    for name, value in (("TRA_OIDC_CLAIMS", "roles=r"), ("TRA_OIDC_LEEWAY_SECONDS", "121")):
        with pytest.raises(ConfigurationError, match=name):
            Settings.from_environment({**GOOD, name: value})
