"""Rules of a document type about a whole submission: its envelope, and envelope against content.

They are declared in `type.json` (`requires`, `recipients_within`, `retention_years`), so that a new type needs
no Python. What looks at content alone stands in the type's schema (`domain/content_rules.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.domain.directory import DocumentType
from chalicelib.domain.errors import FieldFault
from chalicelib.domain.pointers import steps


def submission_faults(kind: DocumentType, body: Mapping[str, Any]) -> Iterator[FieldFault]:
    """Every rule of `kind` that a body of POST /v1/documents breaks; pointers from its root.

    `body` may be any JSON object: what has the wrong shape is told by others.
    """
    for name in kind.requires:
        if body.get(name) is None:
            yield FieldFault(
                f"/{name}",
                "missing",
                "This field is required for this document type.",
                "ประเภทเอกสารนี้ต้องระบุรายการนี้",
            )
    if kind.recipients_within is not None:
        yield from _recipients_outside(kind.recipients_within, body)
    years = body.get("retention_years")
    if isinstance(years, int) and years < kind.retention_years:
        yield FieldFault(
            "/retention_years",
            "retention_shortened",
            f"Documents of this type are kept for {kind.retention_years} years; a longer time may be "
            "asked for, a shorter one may not. Leave the field out to keep the type's.",
            f"เอกสารประเภทนี้ต้องเก็บรักษาไว้ {kind.retention_years} ปี ขอเก็บนานกว่าได้แต่สั้นกว่าไม่ได้ "
            "หากไม่ระบุ จะใช้ระยะเวลาของประเภทเอกสาร",
        )


def _recipients_outside(pointer: str, body: Mapping[str, Any]) -> Iterator[FieldFault]:
    allowed = set(_texts_at(body.get("content"), steps(pointer)))
    recipients = body.get("recipients")
    for position, recipient in enumerate(recipients if isinstance(recipients, list) else ()):
        if isinstance(recipient, str) and recipient not in allowed:
            yield FieldFault(
                f"/recipients/{position}",
                "outside_scope",
                f"The content does not allow this recipient; it must be one of /content{pointer}.",
                f"เนื้อหาไม่อนุญาตให้ส่งถึงหน่วยงานนี้ ต้องเป็นหน่วยงานใน /content{pointer}",
            )


def _texts_at(value: object, names: Sequence[str]) -> Iterator[str]:
    """Texts at the steps of a JSON Pointer in which `*` is every member of a list."""
    if not names:
        if isinstance(value, str):
            yield value
    elif names[0] == "*" and isinstance(value, list):
        for member in value:
            yield from _texts_at(member, names[1:])
    elif isinstance(value, Mapping):
        yield from _texts_at(value.get(names[0]), names[1:])
