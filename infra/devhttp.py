"""The little HTTP that the development services share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, with the path below the service's own prefix."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    content_type: str
    body: bytes

    @classmethod
    def of_json(cls, value: Mapping[str, Any], status: int = 200) -> Answer:
        return cls(status, "application/json", json.dumps(value, ensure_ascii=False).encode())


Service = Callable[[Call], Answer]

NOT_FOUND = Answer.of_json({"error": "not_found"}, 404)
