"""How secret a thing is (ชั้นความลับ, A24)."""

from __future__ import annotations

from enum import StrEnum


class Classification(StrEnum):
    """ชั้นความลับ."""

    NORMAL = "normal"
    CONFIDENTIAL = "confidential"
    SECRET = "secret"  # noqa: S105 - a classification
    TOP_SECRET = "top_secret"  # noqa: S105 - a classification

    @property
    def thai(self) -> str:
        """As the regulation has it printed; empty for what is not classified."""
        return _THAI[self]


_THAI = {
    Classification.NORMAL: "",
    Classification.CONFIDENTIAL: "ลับ",
    Classification.SECRET: "ลับมาก",
    Classification.TOP_SECRET: "ลับที่สุด",
}
