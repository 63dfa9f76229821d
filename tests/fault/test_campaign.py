"""A short random campaign in every run of the tests; the long one is `make campaign`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.domain.registers import Register
from tests.fault.campaign import Campaign, Outcome, run

_SEED = 20_260_101
_DOCUMENTS = 400

OLD_YEAR = Register("diw", "licence", 2026)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(_SEED, _DOCUMENTS)


def test_nothing_is_lost_doubled_or_gapped(outcome: Outcome) -> None:
    """P1-P5, P7, P8: whatever dies, fails, comes twice or never, the audit finds nothing."""
    assert outcome.clean, str(outcome)
    assert "lost 0 / doubled 0 / gapped 0" in str(outcome)
    assert outcome.documents >= _DOCUMENTS


@pytest.mark.parametrize(
    "what",
    [
        "kills",
        "calls failed",
        "messages doubled",
        "messages reordered",
        "messages delayed",
        "messages lost",
        "sweeps",
        "numbers reserved",
        "numbers given back",
        "wishes for inserted numbers",
        "wishes for reserved numbers",
        "checkpoint runs",
        "year changes",
        "documents issued",
        "documents void",
        "documents rejected",
        "cases approved",
        "cases rejected",
        "cases returned",
        "cases withdrawn",
        "cases expired",
        "decisions refused: other_content",
        "decisions refused: own_submission",
        "decisions refused: approval_ended",
    ],
)
def test_the_campaign_really_disturbed(outcome: Outcome, what: str) -> None:
    """P8: a campaign in which nothing happens shows nothing."""
    assert outcome.done.get(what, 0) > 0


def test_the_same_seed_is_the_same_campaign(outcome: Outcome) -> None:
    """P8: a failure can be looked at again, by its seed."""
    again = run(_SEED, _DOCUMENTS)
    assert (again.done, again.documents) == (outcome.done, outcome.documents)
    assert run(_SEED + 1, 50).done != run(_SEED, 50).done


def _lose_entry(campaign: Campaign) -> None:
    del campaign.world.fakes.ledger._entries[OLD_YEAR, 2, 0]


def _lose_document(campaign: Campaign) -> None:
    del campaign.world.fakes.ledger._documents[campaign.submitted[0]]


def _send_another_version(campaign: Campaign) -> None:
    inboxes = campaign.world.fakes.inboxes
    agency, event = inboxes.events[0]
    inboxes.events.append((agency, event + b" "))


@pytest.mark.parametrize(
    ("sabotage", "wrong"),
    [(_lose_entry, "gapped"), (_lose_document, "lost"), (_send_another_version, "doubled")],
)
def test_the_campaign_can_fail(
    sabotage: Callable[[Campaign], None], wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1, P4, P5: a campaign after which something is wrong says so, and how to see it again."""
    rest = Campaign._come_to_rest

    def spoiled(campaign: Campaign) -> None:
        rest(campaign)
        sabotage(campaign)

    monkeypatch.setattr(Campaign, "_come_to_rest", spoiled)
    outcome = run(_SEED, 300)
    assert getattr(outcome, wrong) > 0
    assert not outcome.clean
    assert f"make campaign SEED={_SEED}" in str(outcome)
