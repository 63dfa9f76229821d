"""What a document takes in its table: DynamoDB bills each kilobyte at each write, for ever."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from chalicelib.adapters.dynamodb.items import DocumentItem
from chalicelib.adapters.sealed_parts import NoVault
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.presentation import display_of
from tests.support.samples import NOON, document

KINDS = ("suspended", "reinstated", "revoked")
PICTURE = b64encode(Random(7).randbytes(3_000)).decode()
"""A picture as content carries it, made up."""


def _item(content: dict[str, Any]) -> DocumentItem:
    return DocumentItem.of(
        document(content=content), due_at=NOON + timedelta(minutes=5), vault=NoVault()
    )


def test_content_is_kept_small_and_comes_back_whole() -> None:
    """Issue 5, cost: Thai content takes less than half of its JSON, pictures hardly more than
    their files, and all of it reads back the same."""
    for kind in PackagedDocumentTypes().all():
        content = dict(kind.example["content"])
        item = _item(content)
        stored = item.serialize()["content"]["B"]
        pictures: list[str] = []
        display_of(content, kind.content_schema, pictures)
        base64 = sum(map(len, pictures))
        text = len(json.dumps(content, ensure_ascii=False).encode()) - base64
        assert len(stored) < 0.5 * text + 0.8 * base64
        assert DocumentItem.from_raw_data(item.serialize()).to_domain(NoVault()).content == content


def test_a_letter_to_a_thousand_agencies_fits() -> None:
    """Issue 6.7: with the longest names, content as large as a request lets it be beside them,
    and three rulings told to all, an item stays below what DynamoDB takes (400 kB)."""
    to = tuple(f"{n:063}" for n in range(1_000))
    text = "".join(Random(7).choices("กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวสหอะาิีุู่้", k=18_000))
    letter = replace(document(content={"paragraphs": [text]}, recipients=to), act_within=NOON)
    told = frozenset(f"{kind}.{n}/{agency}" for n, kind in enumerate(KINDS) for agency in to)
    item = DocumentItem.of(letter, due_at=NOON, vault=NoVault())
    item.notified = set(told)
    assert len(json.dumps(item.serialize(), default=len, ensure_ascii=False).encode()) < 400_000
    assert letter.weight > 2 * 3 * 18_000 + 63_000
    assert item.to_domain(NoVault()).act_within == NOON


def test_pictures_are_not_searched() -> None:
    """Issue 5, cost, A2: what nobody can search for is not kept a second time; text beside it is."""
    item = _item({"holder": {"name": "Bangplee"}, "photo": PICTURE, "note": "ก" * 500})
    assert item.search_text == f"bangplee\n{'ก' * 500}"
    assert item.to_domain(NoVault()).content["photo"] == PICTURE


def test_long_words_are_searched() -> None:
    """A2: a long number or address is text like any other."""
    long = "https://tra.example.go.th/" + "a" * 150
    assert _item({"link": long}).search_text == long
