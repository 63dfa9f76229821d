"""Secret letters through the API, on fakes: registrars of secrets at both ends, and everybody who
must not know. Names and words are invented; WORD stands in what is classified and nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pypdf

from chalicelib.adapters.typst import TypstRenderer
from chalicelib.bootstrap import house
from chalicelib.domain.access import Role
from chalicelib.domain.documents import Classification
from chalicelib.domain.persons import Officer
from tests.integration.conftest import Answer
from tests.support.appointed import appoint
from tests.support.letter_office import LETTER, SCOPES, Office, letter_office, officer
from tests.support.previews import near_preview

WORD = "Kradangnga"
"""A word of the secret letter's subject and text; Latin, because text extracted from shaped Thai is
imperfect."""

SECRET: dict[str, Any] = {
    **LETTER,
    "subject": f"แผน{WORD}",
    "paragraphs": [f"ด้วยมีเรื่อง{WORD}", "จึงเรียนมาเพื่อโปรดดำเนินการ"],
    "classification": "secret",
}

_MORE = " secrets:open documents:supersede documents:revoke registers:reserve"


def one(agency: str, role: str, clearance: str = "normal", **changes: str) -> dict[str, Any]:
    """Somebody of an agency with a role and a clearance, and every scope."""
    subject = f"{agency}-{role.replace(' ', '-')}-{clearance}"
    token = officer(agency, role, sub=subject, clearance=clearance, scope=SCOPES + _MORE)
    return {**token, "name": f"Reader of {agency}", **changes}


def registrar(agency: str, clearance: str = "secret") -> dict[str, Any]:
    """The registrar of secrets (นายทะเบียนข้อมูลข่าวสารลับ)."""
    return one(agency, "registrar", clearance)


@contextmanager
def secret_office(*registrars_at: str) -> Iterator[Office]:
    """The office with real pages, and a registrar of secrets at each of these agencies."""
    with letter_office(renderer=TypstRenderer()) as office:
        near = near_preview()
        vars(house()).update(previewer=near, page_painter=near)
        for agency in registrars_at:
            appoint_registrar(office, agency)
        yield office


def appoint_registrar(office: Office, agency: str, clearance: str = "secret") -> None:
    who = registrar(agency, clearance)
    appoint(
        office.fakes.officers,
        Officer(agency, who["sub"]),
        frozenset({Role.REGISTRAR}),
        clearance=Classification(clearance),
        name=who["name"],
        at=office.fakes.clock(),
    )


def send(office: Office, body: dict[str, Any] = SECRET, **changes: Any) -> Answer:
    """Confirmed and sent; `by` the sender's registrar unless said."""
    by = changes.pop("by", registrar("slc"))
    asked = {**body, **changes}
    seen = office.send(asked, by=by)
    if seen.status != 409:
        return seen
    digest = seen.json["confirmation"]["digest"]
    return office.send({**asked, "confirmation": digest}, by=by)


def sent(office: Office, body: dict[str, Any] = SECRET, **changes: Any) -> str:
    """A letter that came to rest: its id."""
    answer = send(office, body, **changes)
    assert answer.status == 202, answer.text
    office.rest()
    document_id: str = answer.json["document_id"]
    return document_id


def pages(view: dict[str, Any]) -> list[str]:
    """Text of the pages in an answer."""
    reader = pypdf.PdfReader(BytesIO(base64.b64decode(view["pdf_base64"])))
    return [page.extract_text() for page in reader.pages]
