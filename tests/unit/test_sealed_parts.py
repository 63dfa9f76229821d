"""Parts that lie encrypted: what a store does when something is not as it must be (A13)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib.adapters.dynamodb.items import DocumentItem, EntryItem
from chalicelib.adapters.sealed_parts import NoVault, OpenedLater, Parts, sealed_entry
from chalicelib.adapters.vault import MemoryVault
from chalicelib.domain.canonical import canonical_json
from chalicelib.domain.classification import Classification
from chalicelib.domain.errors import ConfigurationError, SecretUnreadableError
from chalicelib.domain.registers import Head, Register, lay_out_block
from tests.support.samples import NOON, claim_of, document

SECRET = replace(document(), classification=Classification.SECRET)
VAULT = MemoryVault()
CLASSIFIED = Parts(VAULT, "D1", "diw", Classification.SECRET)
NORMAL = Parts(VAULT, "D1", "diw", Classification.NORMAL)


def test_a_store_without_a_vault_takes_nothing_secret() -> None:
    """A13: what was built for normal documents alone stores no classified one in clear."""
    with pytest.raises(ConfigurationError):
        DocumentItem.of(SECRET, due_at=NOON, vault=NoVault())
    assert DocumentItem.of(document(), due_at=NOON, vault=NoVault()).content


def test_a_classified_line_is_never_written_in_clear() -> None:
    """A13: whoever forgets to encrypt a line cannot write it."""
    register = Register("diw", "send-secret", 2026)
    (entry,) = lay_out_block(register, Head(), [claim_of(SECRET)], NOON).entries
    with pytest.raises(ValueError, match="encrypted"):
        EntryItem.of(entry)
    item = EntryItem.of(sealed_entry(entry, VAULT))
    assert not item.subject
    assert not item.counterpart


def test_what_lies_in_clear_is_not_read_as_secret() -> None:
    """A13: somebody who puts a clear text where an encrypted one belongs is found out."""
    for read in (
        lambda: CLASSIFIED.read_texts("reason", "ในที่เปิดเผย", ""),
        lambda: CLASSIFIED.read_texts("reason", "AAAA", ""),
        lambda: CLASSIFIED.read_json("content", {"subject": "x"}),
        lambda: CLASSIFIED.read_text("statement", "e30.e30.c2ln"),
    ):
        with pytest.raises(SecretUnreadableError):
            read()


def test_a_classification_that_was_taken_away_opens_nothing() -> None:
    """A13: an item relabelled as normal is refused, not shown."""
    content = CLASSIFIED.keep_json("content", {"subject": "x"})
    statement = CLASSIFIED.keep_text("statement", "e30.e30.c2ln")
    for read in (
        lambda: NORMAL.read_json("content", content),
        lambda: NORMAL.read_text("statement", statement),
    ):
        with pytest.raises(SecretUnreadableError):
            read()


def test_content_is_opened_when_somebody_looks_into_it() -> None:
    """A13: once, and not before; its name in a traceback or a log tells nothing of it; and it is
    the same JSON value."""
    opened: list[int] = []

    def find() -> dict[str, object]:
        opened.append(1)
        return {"subject": "ลับ", "n": [1, {"a": None}]}

    content = OpenedLater(find)
    assert "ลับ" not in repr(content)
    assert opened == []
    assert content["subject"] == "ลับ"
    assert content == find()
    assert canonical_json({"content": content}) == canonical_json({"content": find()})
    assert len(content) == len(list(content))
    assert len(opened) == 3  # once by itself, twice by this test
    with pytest.raises(TypeError):
        json.dumps(content)  # no encoder takes it for something empty


def test_floats_are_refused_within_it_too() -> None:
    """P2: a number without one spelling gets no digest, wherever it hides."""
    with pytest.raises(ValueError, match="float"):
        canonical_json(OpenedLater(lambda: {"a": [1.5]}))
