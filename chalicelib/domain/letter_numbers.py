"""Letter numbers (ที่): read as people write them, printed in one way (domain.md section A).

    นร ๐๕๐๕/๑๗๑๒๑          ministry, unit code / number
    มท ๐๒๐๑.๒/ว ๑๕๙๐       a circular (ว), from a sequence of its own
    นร ๐๕๐๖/ว(ล) ๑๑๕๖๑     a circular with a mark
    นร ๐๕๐๕/ล ๑๒            a secret letter (ล), from a register of its own
    คค (ปคร) ๐๒๑๐/๑๕๔     a department named in brackets
    สพร ๒๕๖๓/๑๘๖           the Buddhist year where others have a unit code
    นร ๐๕๐๕/๑๒/๑            number 1 inserted (เลขแทรก) after 12

Reading forgives spaces (also the invisible ones that Thai text collects) and
either kind of digits; printing is always the same, in Thai digits. Leading
zeros are part of how an agency writes, so they are kept.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from chalicelib.domain.errors import TraError
from chalicelib.domain.thai import to_arabic_digits, to_thai_digits

MAX_TEXT = 200
MAX_DIGITS = 12

CIRCULAR = "ว"
SECRET = "ล"  # noqa: S105 - a mark

# Consonants and leading vowels may begin an abbreviation; other vowels and
# tone marks may follow; dots as in ก.พ.ร. Neither digits nor signs belong.
_ABBREVIATION = re.compile(r"[ก-ฮเ-ไ](?:[ก-ฮะ-ฺเ-ๅ็-๎]|\.(?=[ก-ฮเ-ไ]))*\.?")
_DIGITS = re.compile(r"[0-9๐-๙]+")
_CODE = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"


class LetterNumberError(TraError):
    """The text is not a letter number; `position` counts characters from 0."""

    code = "bad_letter_number"

    def __init__(self, position: int, expected: str, expected_th: str) -> None:
        super().__init__(
            f"The letter number cannot be read at character {position + 1}: expected {expected}.",
            f"อ่านเลขที่หนังสือไม่ได้ที่อักขระที่ {position + 1}: ต้องเป็น{expected_th}",
        )
        self.position = position


@dataclass(frozen=True, slots=True)
class LetterPrefix:
    """What stands before the slash: who writes. `code` in Arabic digits, as written."""

    ministry: str
    code: str
    department: str | None = None

    def __post_init__(self) -> None:
        _demand_abbreviation(self.ministry)
        if self.department is not None:
            _demand_abbreviation(self.department)
        if not _CODE.fullmatch(self.code) or len(self.code) > MAX_DIGITS:
            raise ValueError("a unit code is digits, in groups parted by dots")

    @property
    def printed(self) -> str:
        department = f" ({self.department})" if self.department else ""
        return f"{self.ministry}{department} {to_thai_digits(self.code)}"

    @classmethod
    def parse(cls, text: str) -> LetterPrefix:
        """Read `นร ๐๕๐๕`. Raises LetterNumberError."""
        reader = _Reader(text)
        prefix = _read_prefix(reader)
        reader.demand_end()
        return prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterNumber:
    """A letter number. `parse` and `printed` are inverse to each other.

    `width` is how many digits the number is padded to, 0 where it is not;
    `mark` belongs to a circular, `child` to an inserted number. `secret`: of the register of
    secret letters, whose numbers run beside those of the others.
    """

    prefix: LetterPrefix
    number: int
    width: int = 0
    circular: bool = False
    secret: bool = False
    mark: str | None = None
    child: int | None = None

    def __post_init__(self) -> None:
        for count in (self.number, self.child):
            if count is not None and not 1 <= count < 10**MAX_DIGITS:
                raise ValueError("letter numbers count from 1")
        if self.width and not len(str(self.number)) < self.width <= MAX_DIGITS:
            raise ValueError("a width is only for a number with leading zeros")
        if self.mark is not None:
            _demand_abbreviation(self.mark)
            if not self.circular:
                raise ValueError("only a circular carries a mark")
        if self.circular and self.secret:
            raise ValueError("a secret letter is no circular")

    @property
    def printed(self) -> str:
        """The one printed form, in Thai digits."""
        digits = to_thai_digits(f"{self.number:0{self.width}d}")
        child = f"/{to_thai_digits(str(self.child))}" if self.child else ""
        return f"{self.prefix.printed}/{self._sequence_mark}{digits}{child}"

    @classmethod
    def parse(cls, text: str) -> LetterNumber:
        """Read any of the forms above. Raises LetterNumberError."""
        reader = _Reader(text)
        prefix = _read_prefix(reader)
        reader.demand("/", "a slash", "เครื่องหมายทับ")
        circular = reader.take(CIRCULAR)
        secret = not circular and reader.take(SECRET)
        mark = _read_bracketed(reader) if circular else None
        start, digits = reader.demand_digits("the number", "เลขที่")
        child = _read_child(reader) if reader.take("/") else None
        reader.demand_end()
        return cls(
            prefix=prefix,
            number=_positive(start, digits),
            width=len(digits) if digits.startswith("0") else 0,
            circular=circular,
            secret=secret,
            mark=mark,
            child=child,
        )

    @property
    def _sequence_mark(self) -> str:
        """Which of the agency's sequences the number is of."""
        mark = f"({self.mark})" if self.mark else ""
        if self.circular:
            return f"{CIRCULAR}{mark} "
        return f"{SECRET} " if self.secret else ""


def print_inserted(number: int, child: int) -> str:
    """An inserted number (เลขแทรก) in the register: `๑๒/๑`."""
    if number < 1 or child < 1:
        raise ValueError("numbers and their children count from 1")
    return to_thai_digits(f"{number}/{child}")


class _Reader:
    """Reads a text from left to right, forgiving spaces; every fault has its place."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise LetterNumberError(MAX_TEXT, "the end", "จุดสิ้นสุด")
        self._text = text
        self._position = 0

    def take(self, sign: str) -> bool:
        """Whether `sign` came next; then it is behind us."""
        self._skip_spaces()
        found = self._text.startswith(sign, self._position)
        self._position += len(sign) if found else 0
        return found

    def demand(self, sign: str, expected: str, expected_th: str) -> None:
        if not self.take(sign):
            raise self._fault(expected, expected_th)

    def demand_abbreviation(self, expected: str, expected_th: str) -> str:
        return self._match(_ABBREVIATION, expected, expected_th)

    def demand_digits(self, expected: str, expected_th: str) -> tuple[int, str]:
        """Where the digits begin, and the digits in Arabic form."""
        digits = to_arabic_digits(self._match(_DIGITS, expected, expected_th))
        start = self._position - len(digits)
        if len(digits) > MAX_DIGITS:
            raise LetterNumberError(
                start + MAX_DIGITS,
                f"no more than {MAX_DIGITS} digits",
                f"ตัวเลขไม่เกิน {MAX_DIGITS} หลัก",
            )
        return start, digits

    def demand_end(self) -> None:
        self._skip_spaces()
        if self._position < len(self._text):
            raise self._fault("the end", "จุดสิ้นสุด")

    def _match(self, pattern: re.Pattern[str], expected: str, expected_th: str) -> str:
        self._skip_spaces()
        match = pattern.match(self._text, self._position)
        if match is None:
            raise self._fault(expected, expected_th)
        self._position = match.end()
        return match.group()

    def _skip_spaces(self) -> None:
        while self._position < len(self._text) and _is_space(self._text[self._position]):
            self._position += 1

    def _fault(self, expected: str, expected_th: str) -> LetterNumberError:
        return LetterNumberError(self._position, expected, expected_th)


def _read_prefix(reader: _Reader) -> LetterPrefix:
    ministry = reader.demand_abbreviation("the agency's letters", "อักษรย่อของส่วนราชการ")
    department = _read_bracketed(reader)
    start, first = reader.demand_digits("the unit's code", "รหัสหน่วยงาน")
    groups = [first]
    while reader.take("."):
        groups.append(reader.demand_digits("digits after the dot", "ตัวเลขหลังจุด")[1])
    code = ".".join(groups)
    if len(code) > MAX_DIGITS:
        raise LetterNumberError(start, "a shorter code", "รหัสที่สั้นกว่านี้")
    return LetterPrefix(ministry, code, department)


def _read_bracketed(reader: _Reader) -> str | None:
    if not reader.take("("):
        return None
    letters = reader.demand_abbreviation("letters in the brackets", "อักษรย่อในวงเล็บ")
    reader.demand(")", "the closing bracket", "วงเล็บปิด")
    return letters


def _read_child(reader: _Reader) -> int:
    return _positive(*reader.demand_digits("the inserted number", "เลขแทรก"))


def _positive(start: int, digits: str) -> int:
    number = int(digits)
    if number == 0:
        raise LetterNumberError(start, "a number from 1", "เลขตั้งแต่ ๑ ขึ้นไป")
    return number


def _is_space(character: str) -> bool:
    return character in _INVISIBLE or unicodedata.category(character) == "Zs"


def _demand_abbreviation(letters: str) -> None:
    if not _ABBREVIATION.fullmatch(letters):
        raise ValueError("an abbreviation is Thai letters, with dots at most between them")
