"""Which register a path names: `/v1/registers/{agency}/{book}/{year}/…`."""

from __future__ import annotations

import re

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.registers import Register
from chalicelib.handlers.operations import Call

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_YEAR = re.compile(r"[1-9][0-9]{3}", re.ASCII)


def register_of(call: Call) -> Register:
    """Raises NotFoundError for a name that no register can have."""
    agency, book, year = (call.path[name] for name in ("agency", "book", "year"))
    if not (_NAME.fullmatch(agency) and _NAME.fullmatch(book) and _YEAR.fullmatch(year)):
        raise NotFoundError
    return Register(agency, book, int(year))
