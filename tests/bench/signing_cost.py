"""What agencies save by one seal each in the place of a certificate for every officer who signs.

Real handlers approve, seal and deliver licences on the embedded AWS (`signing_cost_run`), whose
calls of KMS are counted and priced (`prices.json`). How many officers sign is an assumption, so the
table has several, and the number from which on it pays.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.cost import counted_by, markdown
from tests.bench.cost_model import MONTHS, PriceList
from tests.bench.results import SUMMARY, Result

_TABLE = SUMMARY.parent / "signing-cost.md"
_COUNTS = SUMMARY.parent / "signing-counts.json"

_SIGNERS = (1, 2, 5, 20, 100)
_DOCUMENTS = (1_000, 10_000, 100_000)
_SHARED_KEYS = 2  # of evidence and of factors, for all agencies
_WHAT = {
    "Sign seal": "the seal",
    "Sign evidence": "evidence of the issue, and the officer's decision (JWS)",
    "Encrypt factors": "a seed, once for each officer",
    "Decrypt factors": "a seed, for each code",
}


@dataclass(frozen=True)
class Model:
    """A year of all agencies. `alone` and `enrol` are baht for KMS: a licence that is decided with
    a code of its own, the dearest way, and an officer who enrols."""

    prices: PriceList
    alone: float
    enrol: float

    @property
    def agencies(self) -> int:
        return int(self.prices.raw["programme"]["agencies"])

    @property
    def licences(self) -> int:
        return int(self.prices.raw["programme"]["licences"])

    def certificates(self, signers: float, price: float) -> float:
        """Baht a year, if each of `signers` officers of each licence has one."""
        return self.licences * signers * price

    def seals(self, signers: float, documents: float) -> float:
        """Baht a year for one seal per agency: its certificate and key, the keys that all share,
        and every call of KMS for `documents` of each licence. Officers enrol anew each year."""
        raw = self.prices.raw
        keys = self.prices.baht("fixed.key_month", (self.agencies + _SHARED_KEYS) * MONTHS)
        certificates = self.agencies * float(raw["seal_certificate_thb_year"])
        calls = self.licences * (documents * self.alone + signers * self.enrol)
        return keys + certificates + calls

    def saving(self, signers: float, price: float, documents: float) -> float:
        return self.certificates(signers, price) - self.seals(signers, documents)

    def pays_from(self, price: float, documents: float) -> int:
        """Signers for each agency, from which on it saves anything."""
        each = price - self.enrol
        return math.floor(self.seals(0, documents) / each / self.agencies) + 1


def signing_cost_saving_thb() -> Result:
    """Baht a year for the programme's licences, with the cheapest certificates; the table has the
    dearest, and fewer and more officers and documents. Time-stamps, storage and everything else of
    AWS are the same either way, or in `cost_per_document_thb`."""
    counted: dict[str, Any] = counted_by("tests.bench.signing_cost_run")
    prices = PriceList.read()
    model = model_of(counted, prices)
    signers = float(prices.raw["signers_per_licence"])
    documents = float(prices.raw["documents_per_licence_year"])
    low, high = prices.raw["certificate_thb_per_officer_year"]
    savings = [model.saving(signers, price, documents) for price in (low, high)]
    ours, theirs = model.seals(signers, documents), model.certificates(signers, low)
    _tell(counted, model)
    return Result(
        value=round(savings[0]),
        unit="baht a year",
        target="—",
        against=f"{model.licences * signers:.0f} certificates at {low} baht",
        peer=theirs,
        ratio=float(f"{theirs / ours:.3g}"),
        samples=[round(saving) for saving in savings],
        peer_samples=[model.certificates(signers, price) for price in (low, high)],
    )


def model_of(counted: Mapping[str, Any], prices: PriceList) -> Model:
    """Raises KeyError for a call without price."""
    return Model(prices, _baht(counted["alone"], prices), _baht(counted["enrol"], prices))


def _baht(calls: Iterable[Mapping[str, Any]], prices: PriceList) -> float:
    return sum(prices.baht(call["unit"], call["amount"]) for call in calls)


# -- showing -------------------------------------------------------------------------


def _tell(counted: Mapping[str, Any], model: Model) -> None:
    _COUNTS.parent.mkdir(parents=True, exist_ok=True)
    left = {"counted": counted, "alone_thb": model.alone, "enrol_thb": model.enrol}
    assumed = {
        name: model.prices.raw[name]
        for name in (
            "programme",
            "certificate_thb_per_officer_year",
            "seal_certificate_thb_year",
            "signers_per_licence",
            "documents_per_licence_year",
        )
    }
    rows = [asdict(row) for row in _rows(model)]
    told = {**left, "assumed": assumed, "savings": rows}
    _COUNTS.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
    text = "\n\n".join([_calls_table(counted, model), _savings_table(model), _words(model)])
    _TABLE.write_text(f"{text}\n", encoding="utf-8")
    print(f"{text}\n\n{_TABLE}, {_COUNTS}\n")


@dataclass(frozen=True)
class _Row:
    signers_per_licence: int
    price_thb: float
    certificates_thb: float
    saving_thb: dict[int, float]


def _rows(model: Model) -> list[_Row]:
    return [
        _Row(
            signers,
            price,
            model.certificates(signers, price),
            {count: round(model.saving(signers, price, count)) for count in _DOCUMENTS},
        )
        for signers in _SIGNERS
        for price in model.prices.raw["certificate_thb_per_officer_year"]
    ]


def _calls_table(counted: Mapping[str, Any], model: Model) -> str:
    names = {key.rpartition("/")[2]: name for name, key in counted["keys"].items()}
    calls: dict[str, dict[str, float]] = {}
    for way in ("enrol", "alone", "list"):
        for call in counted[way]:
            what = f"{call['operation']} {names.get(call['key'], call['key'])}"
            calls.setdefault(what, {})
            calls[what][way] = calls[what].get(way, 0) + call["amount"]
    body = [
        [
            what,
            _WHAT.get(what, ""),
            *(f"{by.get(way, 0):.3g}" for way in ("enrol", "alone", "list")),
        ]
        for what, by in sorted(calls.items())
    ]
    baht = [_baht(counted[way], model.prices) for way in ("enrol", "alone", "list")]
    body.append(["**satang**", "", *(f"**{100 * one:.4f}**" for one in baht)])
    head = ["calls of KMS", "for", "an officer enrols", "a licence alone", "a licence of a list"]
    return markdown(head, body)


def _savings_table(model: Model) -> str:
    head = ["signers a licence", "a certificate", "all certificates"]
    head += [f"saved, {count:,} documents each" for count in _DOCUMENTS]
    body = [
        [
            str(row.signers_per_licence),
            f"{row.price_thb:,}",
            f"{row.certificates_thb:,.0f}",
            *(f"{saving:,.0f}" for saving in row.saving_thb.values()),
        ]
        for row in _rows(model)
    ]
    return markdown(head, body)


def _words(model: Model) -> str:
    raw = model.prices.raw
    low, high = raw["certificate_thb_per_officer_year"]
    documents = float(raw["documents_per_licence_year"])
    return (
        f"Baht a year, {model.licences} licences of {model.agencies} agencies, {documents:,.0f} documents of "
        f"each unless the column says otherwise. One seal per agency: a certificate at "
        f"{raw['seal_certificate_thb_year']:,.0f} baht (assumed), a key in KMS, {_SHARED_KEYS} keys for all, and "
        f"the calls above (the checkpoint of all logs is signed besides, once a run): {model.seals(float(raw['signers_per_licence']), documents):,.0f} baht, of which calls "
        f"{model.licences * documents * model.alone:,.0f}. It pays from {model.pays_from(low, documents)} signers "
        f"an agency at {low:,} baht, from {model.pays_from(high, documents)} at {high:,}."
    )
