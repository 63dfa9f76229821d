"""Tables on the embedded AWS, as `infra/resources.yaml` defines them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

_RESOURCES = Path(__file__).parent.parent.parent / "infra/resources.yaml"
_COPIED = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def create_table(client: Any, logical_id: str, table_name: str) -> str:
    """Create the table of `logical_id` under another name; keys and indexes are the real ones."""
    properties = _resources()[logical_id]["Properties"]
    client.create_table(
        TableName=table_name,
        BillingMode="PAY_PER_REQUEST",
        **{name: properties[name] for name in _COPIED if name in properties},
    )
    return table_name


@cache
def _resources() -> dict[str, Any]:
    resources: dict[str, Any] = yaml.safe_load(_RESOURCES.read_text())["Resources"]
    return resources
