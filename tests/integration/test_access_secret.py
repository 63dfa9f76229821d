"""Who had to do with a secret letter, from its sending to its register (C5, A13)."""

from __future__ import annotations

import pytest

from chalicelib.domain.access import Action
from tests.integration.test_secret_letters import _register, office
from tests.support.letter_office import Office
from tests.support.secret_office import one, registrar, sent

__all__ = ["office"]


def _told(office: Office, document_id: str) -> list[tuple[str, str]]:
    """Agency and action of every access that was recorded to the letter, in order."""
    records = [kept.record for kept in office.fakes.access_log.records.values()]
    return [
        (one.agency_id, one.action.value)
        for one in sorted(records, key=lambda one: one.moment)
        if one.thing_id == document_id
    ]


@pytest.mark.parametrize("form", ["", ".csv", ".pdf"])
@pytest.mark.parametrize(("agency", "book"), [("slc", "send-secret"), ("dga", "receive-secret")])
def test_a_register_line_that_is_read_is_an_access(
    office: Office, agency: str, book: str, form: str
) -> None:
    """C5: in every form, for who reads what it is about; a veiled line tells nothing."""
    document_id = sent(office)
    office.does("receipt", f"{document_id}.dga.1", by=registrar("dga"))
    office.fakes.access_log.records.clear()
    _register(office, one(agency, "clerk"), book, form)
    assert _told(office, document_id) == []
    _register(office, registrar(agency), book, form)
    assert _told(office, document_id) == [(agency, Action.READ_REGISTER)]


def test_what_both_agencies_do_with_a_secret_letter_is_recorded(office: Office) -> None:
    """C5: registering it, seeing it in the inbox, and reading its file, each by itself."""
    document_id = sent(office)
    office.fakes.access_log.records.clear()
    office.does("receipt", f"{document_id}.dga.1", by=registrar("dga"))
    office.get("/v1/inbox", by=registrar("dga"))
    office.get("/v1/outbox", by=registrar("slc"))
    office.get("/v1/inbox", by=one("dga", "clerk"))
    told = set(_told(office, document_id))
    assert {
        ("dga", Action.REGISTER_LETTER),
        ("dga", Action.READ_INBOX),
        ("slc", Action.READ_LETTERS),
    } <= told
    assert not {action for agency, action in told if agency not in {"dga", "slc"}}


def test_who_sent_a_secret_letter_is_the_first_in_its_report(office: Office) -> None:
    """C5: bringing it in is an access, and a repeat of the request is another one."""
    document_id = sent(office)
    assert _told(office, document_id)[0] == ("slc", Action.SEND_LETTER)
