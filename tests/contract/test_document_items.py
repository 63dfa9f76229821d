"""What a document takes in its table: DynamoDB bills each kilobyte at each write, for ever."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from random import Random
from typing import Any

from chalicelib.adapters.dynamodb.items import DocumentItem
from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.presentation import display_of
from tests.support.samples import NOON, document

PICTURE = b64encode(Random(7).randbytes(3_000)).decode()
"""A picture as content carries it, made up."""


def _item(content: dict[str, Any]) -> DocumentItem:
    return DocumentItem.of(document(content=content), due_at=NOON + timedelta(minutes=5))


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
        assert DocumentItem.from_raw_data(item.serialize()).to_domain().content == content


def test_pictures_are_not_searched() -> None:
    """Issue 5, cost, A2: what nobody can search for is not kept a second time; text beside it is."""
    item = _item({"holder": {"name": "Bangplee"}, "photo": PICTURE, "note": "ก" * 500})
    assert item.search_text == f"bangplee\n{'ก' * 500}"
    assert item.to_domain().content["photo"] == PICTURE


def test_long_words_are_searched() -> None:
    """A2: a long number or address is text like any other."""
    long = "https://tra.example.go.th/" + "a" * 150
    assert _item({"link": long}).search_text == long
