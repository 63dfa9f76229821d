"""Which encoding a batch file has. Strict: what is in doubt is refused, never guessed."""

from __future__ import annotations

import re

from chalicelib.domain.batch_lines import Encoding

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# A combining sign stands on a consonant (or on another sign), a leading vowel before one.
_SIGNS = re.compile("[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")
_SEATED = re.compile(f"(?<=[\u0e01-\u0e2e{_SIGNS.pattern[1:]}){_SIGNS.pattern}")
_LEADING = re.compile("[\u0e40-\u0e44]")
_LED = re.compile("[\u0e40-\u0e44](?=[\u0e01-\u0e2e])")
_THAI_WORDS = re.compile("[\u0e01-\u0e5b]{2,}")
_LETTERS = re.compile("[\u00a1-\u1fff]")  # the rest of CP874 is punctuation
_PLAUSIBLE = 0.95


def encoding_of(first: bytes) -> Encoding | None:
    """Of a file's first bytes: UTF-8 if they are (a character may be cut off at their end),
    TIS-620 if they are not and read as Thai; None if neither."""
    if first.startswith(BYTE_ORDER_MARK) or _is_utf_8(first):
        return Encoding.UTF_8
    return Encoding.TIS_620 if _reads_as_thai(first) else None


def _is_utf_8(first: bytes) -> bool:
    try:
        first.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.end == len(first) and error.reason == "unexpected end of data"
    return True


def _reads_as_thai(first: bytes) -> bool:
    """Every byte is a character of CP874, most of its letters above ASCII stand in Thai words, and
    in these words signs and vowels stand where Thai can have them. What is Latin-1 or Chinese
    has bytes that CP874 has not, lone letters, or tone marks on nothing."""
    try:
        read = first.decode(Encoding.TIS_620.codec)
    except UnicodeDecodeError:
        return False
    words = _THAI_WORDS.findall(read)
    if sum(map(len, words)) < _PLAUSIBLE * len(_LETTERS.findall(read)):
        return False
    thai = "\n".join(words)
    expected = len(_SIGNS.findall(thai)) + len(_LEADING.findall(thai))
    return len(_SEATED.findall(thai)) + len(_LED.findall(thai)) >= _PLAUSIBLE * expected
