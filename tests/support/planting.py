"""Words that nobody can guess, and looking for them in whatever form they could lie somewhere."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def forms_of(word: str) -> tuple[bytes, ...]:
    """The word in clear, escaped as JSON and URLs do, in UTF-16, in hex, and in Base64 of either
    alphabet at each of the three places where it can begin."""
    clear = word.encode()
    escaped = json.dumps(word)[1:-1].encode()
    quoted = urllib.parse.quote(word).encode()
    wide = [word.encode("utf-16-be"), word.encode("utf-16-le")]
    texts = [clear, escaped, *wide]
    found = {*texts, quoted, clear.hex().encode(), clear.hex().upper().encode()}
    found |= {wide[0].hex().encode(), wide[0].hex().upper().encode()}
    for text in texts:
        found |= set(_in_base64(text))
    return tuple(found)


def _in_base64(text: bytes) -> Iterator[bytes]:
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # The outer letters depend on what stands beside the word.
            letters = encode(b"\0" * before + text)
            start, end = (0, 2, 3)[before], len(letters) // 4 * 4 - 4
            yield letters[start:end]


def unpacked(data: bytes, depth: int = 4) -> Iterator[bytes]:
    """The bytes, and whatever is compressed or encoded within them, as far as `depth`."""
    yield data
    if not depth:
        return
    for inner in _within(data):
        yield from unpacked(inner, depth - 1)


_STREAM = re.compile(rb"stream\r?\n")
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")


def _within(data: bytes) -> Iterator[bytes]:
    yield from _inflated(data)
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    for found in _BASE64.finditer(data):
        text = found[0].rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        try:
            yield base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            continue


def _inflated(data: bytes) -> Iterator[bytes]:
    """Every zlib stream that begins anywhere: those of PDF, of our items, of attachments."""
    for found in _ZLIB.finditer(data):
        reader = zlib.decompressobj()
        try:
            inflated = reader.decompress(data[found.start() :])
        except zlib.error:
            continue
        if len(inflated) > 8:
            yield inflated


def words_in(data: bytes, words: Iterable[str]) -> set[str]:
    """Which of the words are there, in any form."""
    forms = {word: forms_of(word) for word in words}
    found: set[str] = set()
    for layer in unpacked(data):
        found |= {word for word, looks in forms.items() if any(look in layer for look in looks)}
    return found


# -- what is looked through ------------------------------------------------------


def told_by(value: object) -> Iterator[bytes]:
    """All texts and bytes within an item, a header, an event: names as well as values."""
    match value:
        case bytes() | bytearray():
            yield bytes(value)
        case str():
            yield value.encode()
        case Mapping():
            for name, member in value.items():
                yield from told_by(name)
                yield from told_by(member)
        case list() | tuple() | set() | frozenset():
            for member in value:
                yield from told_by(member)
        case None | bool() | int() | float():
            yield str(value).encode()
        case _:
            yield bytes(getattr(value, "value", repr(value).encode()))


def in_table(dynamodb: Any, table: str) -> dict[str, bytes]:
    """Every item of a table, by its keys, its bytes one after the other."""
    found: dict[str, bytes] = {}
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            keys = [item[name] for name in ("pk", "sk", "register_id", "line") if name in item]
            found[f"{table} {keys}"] = b"\n".join(told_by(item))
    return found


def in_bucket(s3: Any, bucket: str) -> dict[str, bytes]:
    """Every version of every object, with its key, headers and metadata."""
    found: dict[str, bytes] = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", ()):
            there = s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
            body = there.pop("Body").read()
            beside = b"\n".join(told_by(json.loads(json.dumps(there, default=str))))
            found[f"{bucket}/{version['Key']}"] = version["Key"].encode() + body + beside
    return found


def in_queue(sqs: Any, url: str) -> dict[str, bytes]:
    """Every message that can be taken now; they are not deleted."""
    found: dict[str, bytes] = {}
    while messages := sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=30,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
    ).get("Messages"):
        for message in messages:
            found[f"{url} {message['MessageId']}"] = b"\n".join(told_by(message))
    return found


def leaks(places: Mapping[str, bytes], words: Iterable[str]) -> dict[str, set[str]]:
    """Which words are told where."""
    looked_for = tuple(words)
    found = {place: words_in(data, looked_for) for place, data in places.items()}
    return {place: told for place, told in found.items() if told}
