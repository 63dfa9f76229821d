"""Files of batches for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence


def json_lines(bodies: Sequence[object]) -> bytes:
    return "".join(f"{json.dumps(body, ensure_ascii=False)}\n" for body in bodies).encode()
