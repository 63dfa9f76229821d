"""The parts of documents, register lines and deliveries that lie encrypted if they are classified,
for every store (docs/adr/0047).

What is not classified passes through unchanged. What is can be read only as what it was written
for: a text that lies in clear where an encrypted one belongs is refused like one that was changed.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from chalicelib.domain.classification import Classification
from chalicelib.domain.errors import ConfigurationError, SecretUnreadableError
from chalicelib.domain.registers import Entry
from chalicelib.domain.secrecy import SecretContext
from chalicelib.ports import Vault

_AT_ONCE = 10
"""As many connections as botocore keeps to KMS."""


class NoVault:
    """For stores that never meet what is classified: batches hold none (port: Vault)."""

    def seal(self, _clear: bytes, _context: SecretContext) -> bytes:
        raise ConfigurationError("This store was built without a vault; it takes nothing secret.")

    def open(self, _sealed: bytes, _context: SecretContext) -> bytes:
        raise ConfigurationError("This store was built without a vault; it opens nothing secret.")


@dataclass(frozen=True, slots=True)
class Parts:
    """Keeps and reads the parts of one thing, each under the name of what it is."""

    vault: Vault
    document_id: str
    agency_id: str
    classification: Classification

    @property
    def are_secret(self) -> bool:
        return self.classification is not Classification.NORMAL

    def keep_texts(self, purpose: str, *texts: str) -> tuple[str, ...]:
        """As many as given; if they are classified all of them lie in the first."""
        if not self.are_secret:
            return texts
        sealed = self.vault.seal(json.dumps(texts).encode(), self._context(purpose))
        return base64.b64encode(sealed).decode(), *("" for _ in texts[1:])

    def read_texts(self, purpose: str, *kept: str) -> tuple[str, ...]:
        if not self.are_secret:
            return kept
        try:
            sealed = base64.b64decode(kept[0], validate=True)
        except ValueError as error:
            raise _not_sealed() from error
        return tuple(json.loads(self.vault.open(sealed, self._context(purpose))))

    def keep_json(self, purpose: str, value: Mapping[str, Any]) -> Mapping[str, Any] | bytes:
        """The value itself, or its encryption."""
        if not self.are_secret:
            return value
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return self.vault.seal(zlib.compress(text.encode(), 9), self._context(purpose))

    def read_json(self, purpose: str, kept: Mapping[str, Any] | bytes) -> Mapping[str, Any]:
        """Of what is encrypted: opened when somebody looks into it, and not before."""
        if not self.are_secret and not isinstance(kept, bytes):
            return kept
        if not (self.are_secret and isinstance(kept, bytes)):
            raise _not_sealed()
        context = self._context(purpose)
        return OpenedLater(lambda: json.loads(zlib.decompress(self.vault.open(kept, context))))

    def keep_text(self, purpose: str, text: str) -> str | bytes:
        """A long text (a signed statement): itself, or its encryption."""
        if not self.are_secret:
            return text
        return self.vault.seal(zlib.compress(text.encode(), 9), self._context(purpose))

    def read_text(self, purpose: str, kept: str | bytes) -> str:
        if not self.are_secret and not isinstance(kept, bytes):
            return kept
        if not (self.are_secret and isinstance(kept, bytes)):
            raise _not_sealed()
        return zlib.decompress(self.vault.open(kept, self._context(purpose))).decode()

    def _context(self, purpose: str) -> SecretContext:
        return SecretContext(
            document_id=self.document_id,
            agency_id=self.agency_id,
            classification=self.classification,
            purpose=purpose,
        )


class OpenedLater(Mapping[str, Any]):
    """A JSON object that is decrypted when it is first looked into: most of what is done with a
    document needs nothing of its content, and what decides who may see it comes before. Looking
    raises SecretUnreadableError, UnavailableError."""

    def __init__(self, opened: Callable[[], Mapping[str, Any]]) -> None:
        self._open = opened
        self._found: Mapping[str, Any] | None = None

    def _value(self) -> Mapping[str, Any]:
        # Two threads may both open it; both find the same.
        if self._found is None:
            self._found = self._open()
        return self._found

    def __getitem__(self, key: str) -> Any:
        return self._value()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._value())

    def __len__(self) -> int:
        return len(self._value())

    def __repr__(self) -> str:
        return "OpenedLater(…)"  # tracebacks and logs print what holds it


_One = TypeVar("_One")
_Opened = TypeVar("_Opened")


def side_by_side(opened: Callable[[_One], _Opened], every: Sequence[_One]) -> tuple[_Opened, ...]:
    """Open several things in their order, waiting for KMS once and not once for each."""
    if len(every) < 2:  # noqa: PLR2004 - one needs no other thread
        return tuple(map(opened, every))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(opened, every))


# -- lines of registers --------------------------------------------------------


def sealed_entry(entry: Entry, vault: Vault) -> Entry:
    """As it may lie in a table: texts of a classified line in one envelope."""
    if not entry.is_classified or entry.sealed is not None:
        return entry
    texts = [entry.subject, entry.counterpart, entry.reserve.reason if entry.reserve else ""]
    sealed = vault.seal(json.dumps(texts).encode(), entry.secrecy)
    return _with_texts(entry, sealed, "", "", "")


def opened_entries(entries: Sequence[Entry], vault: Vault) -> tuple[Entry, ...]:
    """With their texts. Keys are asked for by several at once."""
    if all(entry.sealed is None for entry in entries):
        return tuple(entries)
    return side_by_side(lambda entry: _opened(entry, vault), entries)


def _opened(entry: Entry, vault: Vault) -> Entry:
    if entry.sealed is None:
        return entry
    return _with_texts(entry, None, *json.loads(vault.open(entry.sealed, entry.secrecy)))


def _with_texts(
    entry: Entry, sealed: bytes | None, subject: str, counterpart: str, reason: str
) -> Entry:
    reserve = replace(entry.reserve, reason=reason) if entry.reserve else None
    return replace(entry, sealed=sealed, subject=subject, counterpart=counterpart, reserve=reserve)


def _not_sealed() -> SecretUnreadableError:
    return SecretUnreadableError(
        "What is classified does not lie encrypted, or what is encrypted is not classified.",
        "ข้อมูลที่มีชั้นความลับไม่ได้เข้ารหัสไว้ หรือชั้นความลับไม่ตรงกับข้อมูลที่เข้ารหัส",
    )
