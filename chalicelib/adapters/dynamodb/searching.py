"""Searching one partition of an index, newest first or in order, with bounded work.

A cursor is the index's range key after which to go on. It says nothing about whose partition
it is: that comes from the request, so no cursor can reach what belongs to another (P6).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from pynamodb.attributes import UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.adapters.dynamodb.items import named_text, to_instant, to_text
from chalicelib.domain.classification import Classification
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.persons import Officer

# A search reads at most this much before it answers with a cursor, however little
# matched: one request must not read a whole agency's history.
SEARCH_PAGES = 10
SEARCH_PAGE_SIZE = 100

_LONGEST_KEY = 1024
"""Bytes of a range key, as DynamoDB takes them."""

_NO_CLASSIFICATION = "none"
"""Nothing is classified so."""


def found_keys(pages: Any, key_name: str, limit: int) -> tuple[list[str], str | None]:
    """The range keys that matched, `limit` at most, and the cursor to go on with (None: nothing
    follows). `pages` is what a query's `page_iter` gives."""
    found, cursor = found_items(pages, key_name, limit)
    return [raw[key_name]["S"] for raw in found], cursor


def found_items(pages: Any, key_name: str, limit: int) -> tuple[list[Any], str | None]:
    """As `found_keys`: all that the index holds of each."""
    found: list[Any] = []
    for page in _at_most(pages, SEARCH_PAGES):
        for raw in page["Items"]:
            found.append(raw)
            if len(found) == limit:
                return found, cursor_at(raw[key_name]["S"])
    last = pages.last_evaluated_key
    return found, cursor_at(last[key_name]["S"]) if last else None


def found_among_hidden(
    read: Callable[[Any], Any],
    first: Any,
    key_name: str,
    limit: int,
    shown: Callable[[str], str | None],
) -> tuple[list[str], str | None]:
    """The range keys of `items_among_hidden`."""
    found, cursor = items_among_hidden(read, first, key_name, limit, shown)
    return [raw[key_name]["S"] for raw in found], cursor


def items_among_hidden(
    read: Callable[[Any], Any],
    first: Any,
    key_name: str,
    limit: int,
    shown: Callable[[str], str | None],
) -> tuple[list[Any], str | None]:
    """As `found_items`, where some of what is read must not be known to who asks: no cursor names
    it. `read` gives the pages after an index key, from `first` on. Where a search read its share
    and stands at something hidden, its cursor is the nearest key before it that `shown` gives (and
    what lies between is read again); if there is none, it reads on."""
    after = first
    while True:
        pages = read(after)
        found, cursor = found_items(pages, key_name, limit)
        if cursor is None or len(found) == limit:
            return found, cursor
        after = pages.last_evaluated_key
        key = shown(after[key_name]["S"])
        if key is not None:
            return found, cursor_at(key)


def nearest_shown(pages: Any, key_name: str, first: Any) -> str | None:
    """The first key in pages of what may be known; None if it is the one a search began after
    (`first`, an index key)."""
    but = first[key_name]["S"] if first else None
    for page in _at_most(pages, SEARCH_PAGES):
        for raw in page["Items"]:
            key: str = raw[key_name]["S"]
            return None if key == but else key
    return None


def key_after(cursor: str) -> str:
    """The range key in a cursor. Raises InvalidRequestError, also for what is no key of any item."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        key = raw.decode()
    except (binascii.Error, ValueError) as error:
        raise bad_cursor() from error
    if not 0 < len(raw) <= _LONGEST_KEY:
        raise bad_cursor()
    return key


def timed_key_after(cursor: str, since: datetime | None, until: datetime | None) -> tuple[str, str]:
    """The same for keys of `timed_key`, with the id in it. A cursor of another search can lie
    outside this one's bounds, which DynamoDB does not take."""
    key = key_after(cursor)
    instant, _, named = key.partition("#")
    try:
        at = to_instant(instant)
    except ValueError as error:
        raise bad_cursor() from error
    if (since and at < since) or (until and at > until) or not named:
        raise bad_cursor()
    return key, named


def bad_cursor() -> InvalidRequestError:
    return InvalidRequestError(
        [
            FieldFault(
                "/cursor",
                "bad_cursor",
                "Use the cursor of the previous answer unchanged, or none.",
                "โปรดใช้ cursor จากคำตอบก่อนหน้าโดยไม่แก้ไข หรือไม่ต้องระบุ",
            )
        ]
    )


def timed_between(
    key: UnicodeAttribute, since: datetime | None, until: datetime | None
) -> Condition | None:
    # '#' < '~': the bounds include every id of their instant.
    first = f"{to_text(since)}#" if since else None
    last = f"{to_text(until)}#~" if until else None
    if first and last:
        return key.between(first, last)
    if first:
        return key >= first
    if last:
        return key <= last
    return None


def one_of(attribute: UnicodeAttribute, allowed: Iterable[Classification]) -> Condition:
    """The attribute has one of these values; with none, no value will do."""
    values = sorted(one.value for one in allowed)
    found: Condition = attribute.is_in(*values or [_NO_CLASSIFICATION])
    return found


def one_of_or_none(attribute: UnicodeAttribute, allowed: Iterable[Classification]) -> Condition:
    """The same where what was stored first, none of it classified, has no such attribute."""
    values = set(allowed)
    found = one_of(attribute, values)
    return found | attribute.does_not_exist() if Classification.NORMAL in values else found


def or_named(allowed: Condition, named: UnicodeSetAttribute, officer: Officer | None) -> Condition:
    """Allowed anyway, or opened to this officer by name."""
    if officer is None:
        return allowed
    opened: Condition = allowed | named.contains(named_text(officer))
    return opened


def from_key(key: UnicodeAttribute, first: str, until: datetime | None) -> Condition:
    """From this range key on, up to the end of a search."""
    if until is None:
        after: Condition = key >= first
        return after
    within: Condition = key.between(first, f"{to_text(until)}#~")
    return within


def every_one(*wanted: Condition | None) -> Condition | None:
    """All of these conditions that there are."""
    joined: Condition | None = None
    for condition in wanted:
        if condition is not None:
            joined = condition if joined is None else joined & condition
    return joined


def _at_most(pages: Iterator[Any], count: int) -> Iterator[Any]:
    for _, page in zip(range(count), pages, strict=False):
        yield page


def cursor_at(key: str) -> str:
    """The cursor to go on with after this range key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")
