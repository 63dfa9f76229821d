"""Idempotency-Key: what makes a repeated request the same request (api.md)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.handlers.operations import Call
from chalicelib.ports import IdempotencyClaim

_MAX_KEY_LENGTH = 255


def claim_of(call: Call, raw: dict[str, Any]) -> IdempotencyClaim | None:
    """The claim of this request, if it came with a key. Raises InvalidRequestError.

    `raw` is the parsed body, and whatever else tells one request from another: spacing and
    order of names do not make another request. Nothing was validated yet, so this spells
    anything JSON can hold.
    """
    key = call.request.headers.get("idempotency-key")
    if key is None:
        return None
    if not key.strip() or len(key) > _MAX_KEY_LENGTH:
        raise InvalidRequestError(
            [
                FieldFault(
                    "/headers/Idempotency-Key",
                    "too_long" if key.strip() else "missing",
                    f"Must have 1 to {_MAX_KEY_LENGTH} characters.",
                    f"ต้องมี 1 ถึง {_MAX_KEY_LENGTH} อักขระ",
                )
            ]
        )
    spelled = json.dumps(raw, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(spelled.encode()).hexdigest()
    return IdempotencyClaim(call.caller.agency_id, key, digest)
