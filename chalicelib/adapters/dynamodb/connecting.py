"""Connections to DynamoDB that begin quickly.

pynamodb opens one for each kind of item, and botocore reads its description of DynamoDB (some
hundred kilobytes of JSON) for each of them anew: an eighth of a second of a whole processor, and
several times that in a function that has a third of one. Here it is read once in a process.
"""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader, create_loader
from botocore.session import Session
from pynamodb.connection import Connection
from pynamodb.models import Model


class QuickConnection(Connection):
    """A connection of its own, with the description that all share."""

    @property
    def session(self) -> Session:
        session = super().session
        session.register_component("data_loader", _descriptions())
        return session


def connect_quickly(model: type[Model]) -> None:
    """Let a model that is bound to its table use such a connection. Nothing is sent."""
    table = model._get_connection()  # noqa: SLF001 - pynamodb has no public way to it
    connection = QuickConnection(region=table.connection.region, host=table.connection.host)
    connection.add_meta_table(table.get_meta_table())
    table.connection = connection


@cache
def _descriptions() -> Loader:
    loader: Loader = create_loader()
    return loader
