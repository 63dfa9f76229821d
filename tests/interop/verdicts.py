"""What all validators said of one file, and the table of all files."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.seals import SealLevel
from chalicelib.domain.verdict import Verdict

_HEAD = """\
| file | EU DSS | level | veraPDF 3a | pdfsig | openssl | Tra |
|---|---|---|---|---|---|---|
"""
# Levels at which the newest signature or time-stamp stands at the very end of the file.
# At B-LT the validation data come behind the seal, and nothing seals them.
_SEALED_TO_THE_END = frozenset(f"PAdES-BASELINE-{level}" for level in ("B", "T", "LTA"))


@dataclass(frozen=True, slots=True)
class SealAnswer:
    """What DSS said of the one seal in a file, by one policy."""

    said: Mapping[str, Any]

    @property
    def indication(self) -> str:
        """TOTAL-PASSED, TOTAL-FAILED, INDETERMINATE; "unreadable"; "no seal"."""
        if "error" in self.said:
            return "unreadable"
        return str(self._seal["indication"]) if self._seal else "no seal"

    @property
    def level(self) -> str:
        """As PAdES-BASELINE-LTA."""
        return str(self._seal.get("level", "-"))

    @property
    def findings(self) -> list[str]:
        """Everything that is not as it should be, of the seal and of its time-stamps."""
        return [
            *self._seal.get("errors", ()),
            *self._seal.get("warnings", ()),
            *(f for stamp in self._stamps for f in (*stamp["errors"], *stamp["warnings"])),
        ]

    def accepts(self, level: SealLevel, family: str = "PAdES") -> bool:
        """DSS takes the file for what Tra made: passed at this level, without any remark,
        all time-stamps good, and nothing behind them."""
        return (
            self.indication == "TOTAL-PASSED"
            and self.level == baseline(level, family)
            and not self.findings
            and all(stamp["indication"] == "PASSED" for stamp in self._stamps)
            and not self._stops_short
        )

    @property
    def _stops_short(self) -> bool:
        """Something stands behind the newest signature or time-stamp that should be last."""
        tokens = (self._seal, *self._stamps)
        reaches_the_end = any(token["whole_file"] for token in tokens if token)
        return self.level in _SEALED_TO_THE_END and not reaches_the_end

    def __str__(self) -> str:
        parts = [
            self.indication,
            self._seal.get("sub_indication"),
            *(
                f"time-stamp {stamp['indication']}"
                for stamp in self._stamps
                if stamp["indication"] != "PASSED"
            ),
            "not the whole file" if self._stops_short else None,
        ]
        return ", ".join(dict.fromkeys(part for part in parts if part))

    @property
    def _seal(self) -> Mapping[str, Any]:
        seals = self.said.get("signatures", ())
        return seals[0] if len(seals) == 1 else {}

    @property
    def _stamps(self) -> list[Mapping[str, Any]]:
        return list(self._seal.get("timestamps", ()))


@dataclass(frozen=True, slots=True)
class Row:
    """One file. `shipped` is DSS by its own policy, `strict` DSS where any change counts."""

    name: str
    shipped: SealAnswer
    strict: SealAnswer
    pdfa: Mapping[str, Any]
    pdfsig: str
    openssl: str
    ours: Verdict

    def ours_accepts(self, level: SealLevel) -> bool:
        """Tra's own verdict: passed, and at this level."""
        return self.ours.passed and [seal.level for seal in self.ours.seals] == [level]

    def __str__(self) -> str:
        cells = (
            self.name,
            str(self.strict),
            self.strict.level.removeprefix("PAdES-BASELINE-"),
            _compliance(self.pdfa),
            _first_line(self.pdfsig),
            _first_line(self.openssl),
            ", ".join(filter(None, (self.ours.indication, self.ours.sub_indication))),
        )
        return "| " + " | ".join(cells) + " |"


Rows = Iterable[Row]


def baseline(level: SealLevel, family: str = "PAdES") -> str:
    """As DSS names it: B-B is PAdES-BASELINE-B, B-LTA is PAdES-BASELINE-LTA."""
    return f"{family}-BASELINE-{level.removeprefix('B-')}"


def table(unsealed: Mapping[str, Mapping[str, Any]], sealed: Rows, damaged: Rows) -> str:
    """All of it in Markdown."""
    before = "".join(f"| {name} | {_compliance(said)} |\n" for name, said in unsealed.items())
    return (
        f"### Before sealing\n\n| file | veraPDF 3a |\n|---|---|\n{before}\n"
        f"### Sealed\n\n{_HEAD}{_lines(sealed)}\n"
        f"### Damaged\n\n{_HEAD}{_lines(damaged)}"
    )


def ran_with(versions: Mapping[str, str]) -> str:
    """When, where and with what."""
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Run on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores, with {listed}.\n"
    )


def _lines(rows: Rows) -> str:
    return "".join(f"{row}\n" for row in rows)


def _compliance(said: Mapping[str, Any]) -> str:
    if "error" in said:
        return "unreadable"
    return "compliant" if said["compliant"] else "fails " + ", ".join(said["failed"])


def _first_line(said: str) -> str:
    return said.splitlines()[0].replace("|", "/") if said else "-"
