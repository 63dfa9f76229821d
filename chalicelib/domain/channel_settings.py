"""How an agency is reached, as JSON in the list of agencies (docs/guide/channels.md).

    {"channel": "webhook", "webhook_url": "https://saraban.agency.go.th/tra",
     "reply_keys": [{"kid": "…", "kty": "EC", "crv": "P-256", "x": "…", "y": "…"}],
     "units": [{"unit_id": "registry", "name_th": "งานสารบรรณ", "name_en": "Registry"}]}

`inbox_url` is a queue of the agency's own account. Of the two addresses an agency has the one
that its channel goes by.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.channels import ChannelKind
from chalicelib.domain.directory import Unit
from chalicelib.domain.errors import FieldFault, InvalidRequestError
from chalicelib.domain.settings_reading import Place

MEMBERS = frozenset({"channel", "inbox_url", "webhook_url", "reply_keys", "units"})
"""What is read here of an agency's entry."""

MAX_KEYS = 8
MAX_UNITS = 500
MAX_URL = 2_000

# A name of DNS, so no address by its numbers; no user, no port but HTTPS's own, no fragment.
_WEBHOOK_URL = re.compile(
    r"https://(?=[^/?:]{1,253}(?:[/?:]|$))(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?(?::443)?(?:[/?][!-\"$-\[\]-~]*)?"
)
_QUEUE_URL = re.compile(
    r"https://sqs\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/[0-9]{12}/[A-Za-z0-9_-]{1,75}(?:\.fifo)?"
)
_UNIT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_KID = re.compile(r"[A-Za-z0-9._~:/#-]{1,128}")
_COORDINATE = re.compile(r"[A-Za-z0-9_-]{43}")

# The curve y² = x³ - 3x + b over the field of P (SP 800-186 §3.2.1.3).
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B

_PRIVATE = "d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How an agency is reached, and whose receipts are believed; fields as in `Agency`."""

    channel: ChannelKind | None
    inbox_url: str | None
    webhook_url: str | None
    reply_keys: tuple[Mapping[str, str], ...]
    units: tuple[Unit, ...]


def reach_of(entry: object, pointer: str = "") -> Reach:
    """Read it from an agency's entry; other members are left alone. Raises InvalidRequestError
    with every fault, each pointing from the root of what `pointer` points into."""
    faults: list[FieldFault] = []
    there = Place(entry, pointer, faults)
    reach = Reach(
        channel=_channel(there.at("channel")) if there.has("channel") else None,
        inbox_url=_queue_url(there.at("inbox_url")) if there.has("inbox_url") else None,
        webhook_url=_webhook_url(there.at("webhook_url")) if there.has("webhook_url") else None,
        reply_keys=there.at("reply_keys").each(_reply_key, MAX_KEYS),
        units=there.at("units").each(_unit, MAX_UNITS),
    )
    if not faults:
        _hold_together(there, reach)
        faults += repeated("kid", _kids(reach, pointer))
        faults += repeated("unit_id", _unit_ids(reach, pointer))
    if faults:
        raise InvalidRequestError(faults)
    return reach


def is_webhook_url(url: str) -> bool:
    """An HTTPS address on port 443 of a host with a name. Which addresses that name has is
    another question (`adapters/public_addresses.py`)."""
    return len(url) <= MAX_URL and _WEBHOOK_URL.fullmatch(url) is not None


def repeated(name: str, values: Iterable[tuple[str, str]]) -> Iterator[FieldFault]:
    """A fault for each value that came before; `values` are pointer and value."""
    seen: set[str] = set()
    for pointer, value in values:
        if value in seen:
            yield FieldFault(
                pointer,
                "repeated",
                f"This {name} is there more than once; each must be of one thing only.",
                f"ค่า {name} นี้ซ้ำ ต้องไม่ซ้ำกัน",
            )
        seen.add(value)


def reply_keys_data(keys: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """As they are published: public JWKs for checking receipts (RFC 7517)."""
    return [{**key, "use": "sig", "alg": "ES256"} for key in keys]


# -- pieces ------------------------------------------------------------------


def _channel(there: Place) -> ChannelKind | None:
    if there.value in list(ChannelKind):
        return ChannelKind(str(there.value))
    there.fault(
        "not_allowed",
        f"Must be one of {', '.join(ChannelKind)}.",
        f"ต้องเป็นค่าใดค่าหนึ่งใน {', '.join(ChannelKind)}",
    )
    return None


def _queue_url(there: Place) -> str | None:
    if isinstance(there.value, str) and _QUEUE_URL.fullmatch(there.value):
        return there.value
    there.fault(
        "wrong_format",
        "Must be the URL of an SQS queue: https://sqs.<region>.amazonaws.com/<account>/<name>.",
        "ต้องเป็น URL ของคิว SQS: https://sqs.<region>.amazonaws.com/<account>/<name>",
    )
    return None


def _webhook_url(there: Place) -> str | None:
    if isinstance(there.value, str) and is_webhook_url(there.value):
        return there.value
    there.fault(
        "wrong_format",
        "Must be an https:// address of a host name in small letters, on port 443, without user "
        "and fragment.",
        "ต้องเป็นที่อยู่ https:// ของชื่อโฮสต์ตัวพิมพ์เล็ก พอร์ต 443 ไม่มีชื่อผู้ใช้และ fragment",
    )
    return None


def _reply_key(there: Place) -> Mapping[str, str] | None:
    if isinstance(there.value, Mapping) and _PRIVATE in there.value:
        there.at(_PRIVATE).fault(
            "private_key",
            "This is a private key. It belongs nowhere but into the agency's own system: make a "
            "new one, and give only its public half here.",
            "นี่คือกุญแจส่วนตัว ซึ่งต้องอยู่ในระบบของหน่วยงานเท่านั้น โปรดสร้างกุญแจใหม่และระบุเฉพาะกุญแจสาธารณะ",
        )
        return None
    there.only("kid", "kty", "crv", "x", "y", "use", "alg")
    before = len(there.faults)
    _must_be(there, "kty", "EC")
    _must_be(there, "crv", "P-256")
    if there.has("use"):
        _must_be(there, "use", "sig")
    if there.has("alg"):
        _must_be(there, "alg", "ES256")
    kid = there.at("kid")
    if not (isinstance(kid.value, str) and _KID.fullmatch(kid.value)):
        kid.fault(
            "wrong_format",
            "Must be 1 to 128 letters, digits or any of . _ ~ : / # -",
            "ต้องเป็นตัวอักษร ตัวเลข หรือ . _ ~ : / # - ความยาว 1 ถึง 128 อักขระ",
        )
    x, y = (_coordinate(there.at(name)) for name in ("x", "y"))
    if x is None or y is None or len(there.faults) > before:
        return None
    if not _is_on_curve(x, y):
        there.fault("not_a_key", "There is no such key on P-256.", "ไม่ใช่กุญแจบนเส้นโค้ง P-256")
        return None
    value: Mapping[str, Any] = there.value if isinstance(there.value, Mapping) else {}
    return {name: str(value[name]) for name in ("kty", "crv", "x", "y", "kid")}


def _must_be(there: Place, name: str, wanted: str) -> None:
    if there.at(name).value != wanted:
        there.at(name).fault("not_allowed", f"Must be {wanted}.", f"ต้องเป็น {wanted}")


def _coordinate(there: Place) -> int | None:
    """32 bytes in Base64url without padding (RFC 7518 §6.2.1.2), spelled in the one right way."""
    text = there.value
    if isinstance(text, str) and _COORDINATE.fullmatch(text):
        try:
            found = base64.urlsafe_b64decode(f"{text}=")
        except binascii.Error:
            found = b""
        if base64.urlsafe_b64encode(found).decode() == f"{text}=":
            return int.from_bytes(found)
    there.fault(
        "wrong_format",
        "Must be 32 bytes in Base64url without padding.",
        "ต้องเป็นข้อมูล 32 ไบต์แบบ Base64url ไม่มี padding",
    )
    return None


def _is_on_curve(x: int, y: int) -> bool:
    return max(x, y) < _P and (y * y - (x * x * x - 3 * x + _B)) % _P == 0


def _unit(there: Place) -> Unit | None:
    there.only("unit_id", "name_th", "name_en")
    unit_id = there.at("unit_id")
    if not (isinstance(unit_id.value, str) and _UNIT_ID.fullmatch(unit_id.value)):
        unit_id.fault(
            "wrong_format",
            "Must be 1 to 63 small letters, digits or hyphens.",
            "ต้องเป็นตัวพิมพ์เล็ก ตัวเลข หรือขีด ความยาว 1 ถึง 63 อักขระ",
        )
    name_th = there.at("name_th").text()
    name_en = there.at("name_en").text() if there.has("name_en") else ""
    return Unit(str(unit_id.value), name_th, name_en)


def _hold_together(there: Place, reach: Reach) -> None:
    """An address without its channel would be believed to be used."""
    if reach.channel is ChannelKind.WEBHOOK and reach.webhook_url is None:
        there.at("webhook_url").fault(
            "missing", "A webhook needs its address.", "ช่องทาง webhook ต้องมีที่อยู่"
        )
    if reach.webhook_url is not None and reach.channel is not ChannelKind.WEBHOOK:
        _unused(there.at("webhook_url"), ChannelKind.WEBHOOK)
    if reach.inbox_url is not None and reach.channel not in (None, ChannelKind.QUEUE):
        _unused(there.at("inbox_url"), ChannelKind.QUEUE)


def _unused(there: Place, kind: ChannelKind) -> None:
    there.fault(
        "not_used",
        f"This address is used only if channel is {kind}.",
        f"ที่อยู่นี้ใช้เมื่อ channel เป็น {kind} เท่านั้น",
    )


def _kids(reach: Reach, pointer: str) -> Iterator[tuple[str, str]]:
    for position, key in enumerate(reach.reply_keys):
        yield f"{pointer}/reply_keys/{position}/kid", key["kid"]


def _unit_ids(reach: Reach, pointer: str) -> Iterator[tuple[str, str]]:
    for position, unit in enumerate(reach.units):
        yield f"{pointer}/units/{position}/unit_id", unit.unit_id
