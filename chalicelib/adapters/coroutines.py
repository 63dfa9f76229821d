"""pyHanko's coroutines, run to their end from code that is none."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def result_of(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns or raises. As `asyncio.run`, but no task holds the result: on its way
    out `asyncio.run` prints its task for a message that nobody reads (`signal.getsignal` tries
    its handler as an enum), and printing an ASN.1 structure can take asn1crypto minutes."""
    results: list[T] = []

    async def keep() -> None:
        results.append(await work)

    asyncio.run(keep())
    return results[0]
