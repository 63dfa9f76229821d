"""What the benchmark `signing_cost_saving_thb` makes of counted calls of KMS (issue 7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.cost_model import PriceList
from tests.bench.signing_cost import Model, model_of

PRICES = PriceList(
    raw={
        "baht_per_usd": 10.0,
        "seal_certificate_thb_year": 1000.0,
        "programme": {"agencies": 2, "licences": 5},
        "prices": [
            {"unit": "kms.sign", "usd": 0.01},
            {"unit": "kms.request", "usd": 0.001},
            {"unit": "fixed.key_month", "usd": 1.0},
        ],
    },
    memory_mb={},
)
COUNTED: dict[str, Any] = {
    "enrol": [{"unit": "kms.request", "amount": 2.0}],
    "alone": [{"unit": "kms.sign", "amount": 3.0}, {"unit": "kms.request", "amount": 1.0}],
}


@pytest.fixture
def model() -> Model:
    return model_of(COUNTED, PRICES)


def test_a_year_of_all_agencies(model: Model) -> None:
    """Issue 7: certificates of every signer, against keys, certificates and calls of the seals."""
    assert (model.alone, model.enrol) == pytest.approx((0.31, 0.02))
    assert model.certificates(4, 500) == 5 * 4 * 500
    keys, certificates = (2 + 2) * 12 * 10.0, 2 * 1000.0
    calls = 5 * (100 * 0.31 + 4 * 0.02)
    assert model.seals(4, 100) == pytest.approx(keys + certificates + calls)
    assert model.saving(4, 500, 100) == pytest.approx(10_000 - model.seals(4, 100))


def test_few_signers_save_nothing(model: Model) -> None:
    """Issue 7: the number from which on it pays is told, and one fewer does not."""
    signers = model.pays_from(500, 100)
    of_each_licence = 2 / 5  # officers of an agency, spread over its licences
    assert model.saving(signers * of_each_licence, 500, 100) > 0
    assert model.saving((signers - 1) * of_each_licence, 500, 100) <= 0


def test_a_call_without_price_is_refused() -> None:
    """Issue 7: nothing goes uncounted."""
    with pytest.raises(KeyError):
        model_of({**COUNTED, "alone": [{"unit": "kms.verify", "amount": 1.0}]}, PRICES)
