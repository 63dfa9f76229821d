"""`python -m infra.access_matrix`: write docs/access-matrix.md, the rules of `domain/access.py`
as a table for people who do not read code.

Every cell is asked of `decide`, so the table cannot say anything else than the code; a test
compares the file with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chalicelib.domain.access import (
    Action,
    Actor,
    Relation,
    Resource,
    Role,
    Verdict,
    decide,
)
from chalicelib.domain.clearance import RANK
from chalicelib.domain.documents import Classification
from chalicelib.domain.persons import Officer

FILE = Path("docs/access-matrix.md")

_ACTOR_AGENCY, _OTHER_AGENCY, _SUBJECT = "ours", "theirs", "officer"

_MARKS = {
    Classification.NORMAL: "n",
    Classification.CONFIDENTIAL: "c",
    Classification.SECRET: "s",
    Classification.TOP_SECRET: "t",
}

_TITLES = {
    Relation.OWN_AGENCY: "The own agency's things",
    Relation.PROPOSED: "What is asked to be made, for the own agency",
    Relation.RECIPIENT_BY_EVENT: "An issued document of which the agency was told",
    Relation.RECIPIENT_BY_DELIVERY: "A letter whose delivery lies with the agency",
    Relation.CENTRAL_APPROVER: "What waits for the agency's approvers, of another agency",
    Relation.STRANGER: "Everything else",
}

_INTRODUCTION = """\
# Who may do what

Written by `python -m infra.access_matrix` out of `chalicelib/domain/access.py`; do not edit it. The first
column is the action, which is also the OAuth scope that the token needs. A letter in a cell is a
classification for which the role may do it. Roles are those of one appointment that holds now, never of a
token (docs/adr/0043); `application` is what an agency's registered application is:

| mark | classification | for whom |
|---|---|---|
| `n` | ปกติ | who has the role |
| `C` `S` | ลับ, ลับมาก | who has the role and is cleared so far |
| `c` `s` | ลับ, ลับมาก | who has the role, is cleared so far, and is named for this very thing |

What is not here is not allowed; ลับที่สุด (A24) is nobody's. Of several roles each counts, with two
exceptions: a registrar of secrets (A13) needs no naming for what another role of the same appointment
allows, and what is also an application gets nothing that is classified.
"""

_REFUSALS = """\
## What a refusal says

| reason | answer | why |
|---|---|---|
| `not_appointed` | 403 | the person holds no appointment in the agency of the token now |
| `not_registered` | 403 | the application is not registered now, or by another agency |
| `scope_missing` | 403 | the token was not given for this, or the application is not registered for it |
| `role_missing` | 403 | none of the roles may do it, whatever it is done to |
| `other_agency` | 404 | it is another agency's, and what it is to us does not open this |
| `not_there` | 404 | only making a thing can be asked before it exists |
| `clearance_missing` | 404 | it is classified higher than the clearance; 403 of what is only proposed |
| `officer_missing` | 404 | it is classified, and an application is no officer; 403 of what is only proposed |
| `not_named` | 404 | it is classified, and the officer is neither registrar nor named |
"""


def table() -> str:
    """The whole file."""
    parts = [_INTRODUCTION, *(_section(relation) for relation in Relation), _REFUSALS]
    return "\n".join(parts)


def _thing(relation: Relation, classification: Classification, *, named: bool) -> Resource:
    """A thing to which the actor's agency has this relation and no other."""
    ours = frozenset({_ACTOR_AGENCY})
    own = relation in {Relation.OWN_AGENCY, Relation.PROPOSED}
    return Resource(
        agency_id=_ACTOR_AGENCY if own else _OTHER_AGENCY,
        recipients=ours if relation is Relation.RECIPIENT_BY_EVENT else frozenset(),
        delivered_to=ours if relation is Relation.RECIPIENT_BY_DELIVERY else frozenset(),
        central=_ACTOR_AGENCY if relation is Relation.CENTRAL_APPROVER else None,
        classification=classification,
        named=frozenset({Officer(_ACTOR_AGENCY, _SUBJECT)} if named else ()),
        exists=relation is not Relation.PROPOSED,
    )


def _officer(role: Role, scope: Action, clearance: Classification) -> Actor:
    """Who asks, with one scope."""
    return Actor(
        agency_id=_ACTOR_AGENCY,
        subject=_SUBJECT,
        roles=frozenset({role}),
        scopes=frozenset({scope.value}),
        clearance=clearance,
    )


def _section(relation: Relation) -> str:
    lines = [f"## {_TITLES[relation]} (`{relation}`)", ""]
    rows = list(_rows(relation))
    if not rows:
        return "\n".join([*lines, "Nothing, for nobody.", ""])
    lines += ["| action | " + " | ".join(Role) + " |", "|---" * (len(Role) + 1) + "|"]
    return "\n".join([*lines, *rows, ""])


def _rows(relation: Relation) -> Iterator[str]:
    for action in Action:
        cells = [_cell(role, action, relation) for role in Role]
        if any(cells):
            yield f"| `{action}` | " + " | ".join(cell or "–" for cell in cells) + " |"


def _cell(role: Role, action: Action, relation: Relation) -> str:
    marks = (_mark(role, action, relation, classification) for classification in Classification)
    return " ".join(filter(None, marks))


def _mark(
    role: Role, action: Action, relation: Relation, classification: Classification
) -> str | None:
    """With the highest clearance there is: that a lower one opens less is in the words above."""
    actor = _officer(role, scope=action, clearance=RANK[-1])
    allowed = [
        decide(actor, action, _thing(relation, classification, named=named)).verdict
        is Verdict.ALLOW
        for named in (False, True)
    ]
    mark = _MARKS[classification]
    match allowed:
        case [True, True]:
            return mark if classification is Classification.NORMAL else mark.upper()
        case [False, True]:
            return mark
    return None


if __name__ == "__main__":
    FILE.write_text(table(), encoding="utf-8")
