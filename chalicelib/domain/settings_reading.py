"""Reading settings that people write by hand, as JSON: every fault is told, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from chalicelib.domain.errors import FieldFault

MAX_NAME = 200

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """A value somewhere in the JSON, and where faults in it are noted. Each reading method
    notes what is wrong and gives back something harmless."""

    value: object
    pointer: str
    faults: list[FieldFault] = field(repr=False)

    def fault(self, code: str, detail: str, detail_th: str) -> None:
        self.faults.append(FieldFault(self.pointer, code, detail, detail_th))

    def at(self, name: str) -> Place:
        members = self.value if isinstance(self.value, Mapping) else {}
        return Place(members.get(name), f"{self.pointer}/{name}", self.faults)

    def has(self, name: str) -> bool:
        return isinstance(self.value, Mapping) and name in self.value

    def only(self, *names: str) -> None:
        """It must be an object with no members but these."""
        if not isinstance(self.value, Mapping):
            self.fault("wrong_type", "Must be of type object.", "ต้องเป็น object")
            return
        for name in self.value:
            if name not in names:
                escaped = str(name).replace("~", "~0").replace("/", "~1")
                Place(None, f"{self.pointer}/{escaped}", self.faults).fault(
                    "unknown_field",
                    f"This field is not known here; known are {', '.join(names)}.",
                    f"ไม่รู้จักรายการนี้ รายการที่ใช้ได้คือ {', '.join(names)}",
                )

    def each(self, read: Callable[[Place], _T | None], most: int) -> tuple[_T, ...]:
        """Each member of a list, which may be absent, as `read` reads it."""
        if self.value is None:
            return ()
        if not isinstance(self.value, list):
            self.fault("wrong_type", "Must be of type array.", "ต้องเป็นรายการ (array)")
            return ()
        if len(self.value) > most:
            self.fault("too_many", f"Must have at most {most} items.", f"ต้องมีไม่เกิน {most} รายการ")
            return ()
        found = (
            read(Place(member, f"{self.pointer}/{position}", self.faults))
            for position, member in enumerate(self.value)
        )
        return tuple(member for member in found if member is not None)

    def text(self) -> str:
        if isinstance(self.value, str) and self.value.strip() and len(self.value) <= MAX_NAME:
            return self.value
        self.fault(
            "wrong_format",
            f"Must be a text of 1 to {MAX_NAME} characters.",
            f"ต้องเป็นข้อความ 1 ถึง {MAX_NAME} อักขระ",
        )
        return ""
