"""Officers, authorities and applications in DynamoDB (port: OfficerStore).

One item per appointment, in the partition of its agency, by officer: what one officer is, is one
query of that officer's few items, and all officers of an agency are pages (docs/adr/0044). Beside it
lie a pointer from its id, and, of the few who matter to the whole agency (administrators, registrars
of secrets), a copy in a partition of their own. All are written in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib.adapters.dynamodb.connecting import QuickConnection
from chalicelib.adapters.dynamodb.faults import (
    Cancellation,
    cancellations,
    translated,
    unavailable,
)
from chalicelib.adapters.dynamodb.items import bind, to_instant, to_text
from chalicelib.adapters.dynamodb.searching import cursor_at, key_after
from chalicelib.domain.access import Role
from chalicelib.domain.appointing import client_moved, client_taken, last_administrator
from chalicelib.domain.clearance import is_cleared
from chalicelib.domain.documents import Classification
from chalicelib.domain.errors import (
    AlreadyBegunError,
    NotFoundError,
)
from chalicelib.domain.officers import (
    Appointment,
    Authority,
    AuthorityKind,
    Client,
    Ending,
    Period,
    end,
    revoke,
)
from chalicelib.domain.persons import Officer
from chalicelib.ports import AuthorityPage, OfficerPage

_KEPT_APART = (Role.ADMINISTRATOR, Role.REGISTRAR)
"""Roles of which an agency has few, and which are asked for without knowing whose they are."""

_CLIENT = "CLIENT"


class OfficerItem(Model):
    """See `_Place` for the keys. `body` is JSON; `ended` too, written once; `place` is the range
    key to which an id leads."""

    class Meta:
        table_name = "unbound"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute(null=True)
    ended = UnicodeAttribute(null=True)
    place = UnicodeAttribute(null=True)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record lies: `pk` = `APPOINTMENT#<agency>` or `AUTHORITY#<agency>`, `sk` =
    `<officer>#<id>`; its pointer under `<pk>!ids`, `<id>`; its copies under `<pk>!<role>`, `sk`."""

    pk: str
    officer: str
    record_id: str
    copies: tuple[str, ...] = ()

    @property
    def sk(self) -> str:
        return f"{_key_of(self.officer)}{self.record_id}"

    @property
    def all(self) -> tuple[str, ...]:
        """The partitions in which the record itself lies."""
        return (self.pk, *(f"{self.pk}!{copy}" for copy in self.copies))


class DynamoOfficers:
    """In a table of its own: who may change it, changes who may do what."""

    def __init__(self, table_name: str) -> None:
        self._items = bind(OfficerItem, table_name)
        self._connection = QuickConnection()

    # -- appointments ---------------------------------------------------------

    def appointments_of(self, officer: Officer) -> tuple[Appointment, ...]:
        return tuple(
            _appointment(item)
            for item in self._of_officer(_appointments(officer.agency_id), officer.subject)
        )

    def appointment(self, agency_id: str, appointment_id: str) -> Appointment | None:
        found = self._by_id(_appointments(agency_id), appointment_id)
        return _appointment(found) if found else None

    def officers(self, agency_id: str, *, limit: int, cursor: str | None) -> OfficerPage:
        items, following = self._page(_appointments(agency_id), limit, cursor)
        return OfficerPage(tuple(map(_appointment, items)), following)

    def administrators(self, agency_id: str) -> tuple[Appointment, ...]:
        partition = f"{_appointments(agency_id)}!{Role.ADMINISTRATOR}"
        return tuple(map(_appointment, self._all(partition)))

    def appoint(self, appointment: Appointment) -> Appointment:
        """Idempotency key of this write: the appointment's id."""
        place, body = _place_of(appointment), _appointment_body(appointment)
        return appointment if self._put_new(place, body) else self._stored(appointment)

    def begin(self, appointment: Appointment) -> None:
        """Idempotency key of this write: the agency; its first one stands."""
        place = _place_of(appointment)
        mark = self._items("BEGUN", appointment.agency_id, place=place.sk)
        if not self._put_new(place, _appointment_body(appointment), mark):
            raise AlreadyBegunError

    def end(
        self, appointment: Appointment, ending: Ending, *, remaining: Appointment | None = None
    ) -> Appointment:
        """Idempotency key of this write: the appointment's id; the first end stands."""
        ended = end(appointment, ending)
        if self._note_end(_place_of(appointment), ended.ended, remaining):
            return ended
        stored = self._stored(appointment)
        if stored.ended is None:
            raise last_administrator()
        return stored

    def has_registrar(self, agency_id: str, classification: Classification, at: datetime) -> bool:
        registrars = self._all(f"{_appointments(agency_id)}!{Role.REGISTRAR}")
        return any(
            one.in_force(at) and is_cleared(one.clearance, classification)
            for one in map(_appointment, registrars)
        )

    # -- authorities ----------------------------------------------------------

    def grant(self, authority: Authority) -> Authority:
        """Idempotency key of this write: the authority's id."""
        if self._put_new(_place_of_authority(authority), _authority_body(authority)):
            return authority
        return self._stored_authority(authority)

    def authority(self, agency_id: str, authority_id: str) -> Authority | None:
        found = self._by_id(_authorities(agency_id), authority_id)
        return _authority(found) if found else None

    def authorities_of(self, holder: Officer) -> tuple[Authority, ...]:
        found = self._of_officer(_authorities(holder.agency_id), holder.subject)
        return tuple(map(_authority, found))

    def authorities(self, agency_id: str, *, limit: int, cursor: str | None) -> AuthorityPage:
        items, following = self._page(_authorities(agency_id), limit, cursor)
        return AuthorityPage(tuple(map(_authority, items)), following)

    def revoke_authority(self, authority: Authority, ending: Ending) -> Authority:
        """Idempotency key of this write: the authority's id; the first end stands."""
        ended = revoke(authority, ending)
        if self._note_end(_place_of_authority(authority), ended.ended, None):
            return ended
        return self._stored_authority(authority)

    # -- applications ---------------------------------------------------------

    def client(self, client_id: str) -> Client | None:
        with translated():
            try:
                key = f"{_CLIENT}#{client_id}"
                return _client(self._items.get(key, _CLIENT, consistent_read=True))
            except DoesNotExist:
                return None

    def clients(self, agency_id: str) -> tuple[Client, ...]:
        return tuple(map(_client, self._all(f"CLIENTS#{agency_id}")))

    def put_client(self, client: Client, *, seen: Client | None) -> None:
        """Idempotency key of this write: what stood there before."""
        body = _client_body(client)
        own = self._items(f"{_CLIENT}#{client.client_id}", _CLIENT, body=body)
        own.place = client.agency_id
        listed = self._items(f"CLIENTS#{client.agency_id}", client.client_id, body=body)
        as_seen = (
            self._items.pk.does_not_exist()
            if seen is None
            else (self._items.body == _client_body(seen))
        )
        try:
            with self._transaction() as transaction:
                transaction.save(own, condition=as_seen)
                transaction.save(listed)
        except TransactWriteError as error:
            _raise_unless_refused(error)
            stored = self.client(client.client_id)
            is_own = stored is None or stored.agency_id == client.agency_id
            raise client_moved() if is_own else client_taken() from error

    # -- parts ----------------------------------------------------------------

    def _put_new(self, place: _Place, body: str, mark: OfficerItem | None = None) -> bool:
        """Write a record, its copies, its pointer and `mark`: all, or none (False) if the pointer
        or the mark is there already."""
        absent = self._items.pk.does_not_exist()
        pointer = self._items(f"{place.pk}!ids", place.record_id, place=place.sk)
        try:
            with self._transaction() as transaction:
                if mark is not None:
                    transaction.save(mark, condition=absent)
                transaction.save(pointer, condition=absent)
                for partition in place.all:
                    transaction.save(self._items(partition, place.sk, body=body))
        except TransactWriteError as error:
            _raise_unless_refused(error)
            return False
        return True

    def _note_end(
        self, place: _Place, ending: Ending | None, remaining: Appointment | None
    ) -> bool:
        """Note the end in all items of a record: False if there is one already, or if `remaining`
        has ended."""
        is_open = self._items.pk.exists() & self._items.ended.does_not_exist()
        try:
            with self._transaction() as transaction:
                if remaining is not None:
                    other = _place_of(remaining)
                    transaction.condition_check(self._items, other.pk, other.sk, condition=is_open)
                for partition in place.all:
                    transaction.update(
                        self._items(partition, place.sk),
                        actions=[self._items.ended.set(_ending_body(ending))],
                        condition=is_open,
                    )
        except TransactWriteError as error:
            _raise_unless_refused(error)
            return False
        return True

    def _transaction(self) -> TransactWrite:
        return TransactWrite(connection=self._connection)

    def _stored(self, appointment: Appointment) -> Appointment:
        found = self.appointment(appointment.agency_id, appointment.appointment_id)
        if found is None:
            raise NotFoundError
        return found

    def _stored_authority(self, authority: Authority) -> Authority:
        found = self.authority(authority.agency_id, authority.authority_id)
        if found is None:
            raise NotFoundError
        return found

    def _by_id(self, partition: str, record_id: str) -> OfficerItem | None:
        with translated():
            try:
                pointer = self._items.get(f"{partition}!ids", record_id, consistent_read=True)
                return self._items.get(partition, str(pointer.place), consistent_read=True)
            except DoesNotExist:
                return None

    def _of_officer(self, partition: str, subject: str) -> Sequence[OfficerItem]:
        with translated():
            return list(
                self._items.query(
                    partition, self._items.sk.startswith(_key_of(subject)), consistent_read=True
                )
            )

    def _all(self, partition: str) -> Sequence[OfficerItem]:
        """Of a partition that is small by what lies in it."""
        with translated():
            return list(self._items.query(partition, consistent_read=True))

    def _page(
        self, partition: str, limit: int, cursor: str | None
    ) -> tuple[Sequence[OfficerItem], str | None]:
        """The cursor is a range key, and says nothing about whose partition it is: no cursor
        reaches another agency (P6)."""
        after = self._items.sk > key_after(cursor) if cursor else None
        with translated():
            found = list(
                self._items.query(
                    partition, after, limit=limit + 1, page_size=limit + 1, consistent_read=True
                )
            )
        following = cursor_at(found[limit - 1].sk) if len(found) > limit else None
        return found[:limit], following


def _raise_unless_refused(error: TransactWriteError) -> None:
    """What stopped a transaction was a condition; anything else may go better next time."""
    causes = cancellations(error)
    if Cancellation.BUSY in causes or Cancellation.CONDITION not in causes:
        raise unavailable(error) from error


# -- keys ------------------------------------------------------------------------


def _appointments(agency_id: str) -> str:
    return f"APPOINTMENT#{agency_id}"


def _authorities(agency_id: str) -> str:
    return f"AUTHORITY#{agency_id}"


def _key_of(subject: str) -> str:
    """How an officer's range keys begin. Quoted, so that no subject is the beginning of another's
    key, whatever an issuer calls people."""
    return f"{quote(subject, safe='')}#"


def _place_of(appointment: Appointment) -> _Place:
    return _Place(
        _appointments(appointment.agency_id),
        appointment.subject,
        appointment.appointment_id,
        tuple(role.value for role in _KEPT_APART if role in appointment.roles),
    )


def _place_of_authority(authority: Authority) -> _Place:
    return _Place(_authorities(authority.agency_id), authority.holder, authority.authority_id)


# -- bodies ----------------------------------------------------------------------


def _appointment_body(one: Appointment) -> str:
    return _json(
        {
            "appointment_id": one.appointment_id,
            "agency_id": one.agency_id,
            "subject": one.subject,
            "name_th": one.name_th,
            "position_th": one.position_th,
            "unit": one.unit,
            "roles": sorted(one.roles),
            "clearance": one.clearance,
            "period": _period_data(one.period),
            "order": one.order,
            "appointed_by": one.appointed_by,
            "appointed_at": to_text(one.appointed_at),
        }
    )


def _appointment(item: OfficerItem) -> Appointment:
    data = json.loads(str(item.body))
    return Appointment(
        **data
        | {
            "roles": frozenset(map(Role, data["roles"])),
            "clearance": Classification(data["clearance"]),
            "period": _period(data["period"]),
            "appointed_at": to_instant(data["appointed_at"]),
            "ended": _ending(item.ended),
        }
    )


def _authority_body(one: Authority) -> str:
    return _json(
        {
            "authority_id": one.authority_id,
            "agency_id": one.agency_id,
            "holder": one.holder,
            "kind": one.kind,
            "position_th": one.position_th,
            "document_types": sorted(one.document_types),
            "most": one.most,
            "period": _period_data(one.period),
            "order": one.order,
            "granted_by": one.granted_by,
            "granted_at": to_text(one.granted_at),
        }
    )


def _authority(item: OfficerItem) -> Authority:
    data = json.loads(str(item.body))
    return Authority(
        **data
        | {
            "kind": AuthorityKind(data["kind"]),
            "document_types": frozenset(data["document_types"]),
            "most": Classification(data["most"]),
            "period": _period(data["period"]),
            "granted_at": to_instant(data["granted_at"]),
            "ended": _ending(item.ended),
        }
    )


def _client_body(one: Client) -> str:
    return _json(
        {
            "client_id": one.client_id,
            "agency_id": one.agency_id,
            "name_th": one.name_th,
            "scopes": sorted(one.scopes),
            "registered_by": one.registered_by,
            "registered_at": to_text(one.registered_at),
            "ended": _ending_body(one.ended) if one.ended else None,
        }
    )


def _client(item: OfficerItem) -> Client:
    data = json.loads(str(item.body))
    return Client(
        **data
        | {
            "scopes": frozenset(data["scopes"]),
            "registered_at": to_instant(data["registered_at"]),
            "ended": _ending(data["ended"]),
        }
    )


def _period_data(period: Period) -> list[str | None]:
    return [to_text(period.since), to_text(period.until) if period.until else None]


def _period(data: Sequence[Any]) -> Period:
    since, until = data
    return Period(to_instant(since), to_instant(until) if until else None)


def _ending_body(ending: Ending | None) -> str:
    if ending is None:
        raise ValueError("what ends has an end")
    return _json({"at": to_text(ending.at), "by": ending.by, "reason": ending.reason})


def _ending(body: str | None) -> Ending | None:
    if body is None:
        return None
    data = json.loads(body)
    return Ending(at=to_instant(data["at"]), by=data["by"], reason=data["reason"])


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
