"""Licences as one agency issues them day by day: another holder, place, list and fee each
time, under the same title, law and conditions. Particulars are invented."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

from chalicelib.adapters.types import PackagedDocumentTypes
from chalicelib.domain.directory import DocumentType
from chalicelib.domain.registers import Book, Head, lay_out_block, numbering_of
from chalicelib.ports import RenderRequest
from chalicelib.services.seal import render_request
from tests.support.samples import AGENCIES, NOON, claim_of, document

PUBLIC_URL = "https://tra.example.go.th"

_FIRST = (
    "สวนมะพร้าว",
    "โรงสี",
    "น้ำผลไม้",
    "เกษตรอินทรีย์",
    "อาหารทะเล",
    "แปรรูปสมุนไพร",
    "ขนมไทย",
    "ผลไม้อบแห้ง",
)
_SECOND = ("แม่กลอง", "บางพลี", "ท่าฉลอม", "เมืองจันท์", "ลุ่มน้ำปิง", "ทุ่งกุลา", "อันดามัน", "ดอยคำ")
_PLACES = (
    "ตำบลบางช้าง อำเภออัมพวา จังหวัดสมุทรสงคราม",
    "ตำบลบางโฉลง อำเภอบางพลี จังหวัดสมุทรปราการ",
    "ตำบลท่าฉลอม อำเภอเมืองสมุทรสาคร จังหวัดสมุทรสาคร",
    "ตำบลวัดใหม่ อำเภอเมืองจันทบุรี จังหวัดจันทบุรี",
    "ตำบลหนองหอย อำเภอเมืองเชียงใหม่ จังหวัดเชียงใหม่",
    "ตำบลในเมือง อำเภอเกษตรวิสัย จังหวัดร้อยเอ็ด",
)
_MACHINES = (
    ("เครื่องปอกและล้างมะพร้าวน้ำหอม แบบสายพาน", "เครื่อง"),
    ("เครื่องบรรจุน้ำมะพร้าวพร้อมปิดผนึก กำลังการผลิต {} ขวดต่อชั่วโมง", "เครื่อง"),
    ("หม้อฆ่าเชื้อด้วยไอน้ำความดันสูง ขนาด {} ลิตร", "ใบ"),
    ("ตู้อบลมร้อนแบบถาด ขนาด {} ถาด", "ตู้"),
    ("เครื่องคัดแยกขนาดผลไม้ กำลังการผลิต {} กิโลกรัมต่อชั่วโมง", "เครื่อง"),
    ("ห้องเย็นเก็บวัตถุดิบ ความจุ {} ลูกบาศก์เมตร", "ห้อง"),
)
_THAI = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")


def licence_type() -> DocumentType:
    kind = _types().get("licence")
    if kind is None:
        raise LookupError("there is no licence")
    return kind


def content(n: int) -> dict[str, Any]:
    """The content of licence `n`, always the same for the same `n`."""
    choose = random.Random(n)
    example: dict[str, Any] = json.loads(json.dumps(licence_type().example["content"]))
    machines = choose.sample(_MACHINES, 3)
    return example | {
        "holder": {
            "kind": "juristic_person",
            "name": f"บริษัท {choose.choice(_FIRST)}{choose.choice(_SECOND)} จำกัด",
            "registration_no": f"0{choose.randrange(10**12):012}",
        },
        "premises": f"เลขที่ {_thai(choose, 999)}/{_thai(choose, 20)} หมู่ที่ {_thai(choose, 12)} "
        f"{choose.choice(_PLACES)} {_thai(choose, 90000, 10000)}",
        "items": [
            {
                "name": name.format(_thai(choose, 5000, 100)),
                "quantity": choose.randint(1, 9),
                "unit": u,
            }
            for name, u in machines
        ],
        "fee_thb": f"{choose.randint(10, 99) * 100}.00",
    }


def request(n: int) -> RenderRequest:
    """What the renderer is asked for when licence `n` has got its number."""
    accepted = document(f"BENCH{n:07}", content=content(n))
    register = Book("diw", "licence").at(NOON)
    (entry,) = lay_out_block(register, Head(n), [claim_of(accepted)], NOON).entries
    numbered = accepted.numbered(numbering_of(entry))
    return render_request(numbered, AGENCIES[0], licence_type(), public_url=PUBLIC_URL)


@cache
def _types() -> PackagedDocumentTypes:
    return PackagedDocumentTypes()


def _thai(choose: random.Random, most: int, least: int = 1) -> str:
    return str(choose.randint(least, most)).translate(_THAI)
