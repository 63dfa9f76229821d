"""Officers: appointed to a role, cleared so far, for so long (A7, A8, A13)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.access import Role
from chalicelib.domain.clearance import is_cleared
from chalicelib.domain.documents import Classification
from chalicelib.domain.officers import (
    Appointment,
    Authority,
    AuthorityKind,
    Ending,
    Period,
    end,
    signatory_lines,
    standing_at,
)

NOON = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
DAY = timedelta(days=1)
NORMAL, LAB, LAB_MAK = (
    Classification.NORMAL,
    Classification.CONFIDENTIAL,
    Classification.SECRET,
)

CLERK = Appointment(
    appointment_id="A1",
    agency_id="diw",
    subject="somsri",
    name_th="นางสมศรี ตัวอย่าง",
    position_th="นักจัดการงานทั่วไปชำนาญการ",
    roles=frozenset({Role.CLERK}),
    period=Period(NOON, NOON + 30 * DAY),
    order="คำสั่งที่ ๑/๒๕๖๙",
    appointed_by="head",
    appointed_at=NOON,
)
REGISTRAR = replace(
    CLERK, appointment_id="A2", roles=frozenset({Role.REGISTRAR}), clearance=LAB_MAK
)
DEPUTY = Authority(
    authority_id="D1",
    agency_id="diw",
    holder="somsri",
    kind=AuthorityKind.DELEGATED,
    position_th="อธิบดีกรมโรงงานอุตสาหกรรม",
    document_types=frozenset({"licence"}),
    period=Period(NOON, NOON + DAY),
    order="คำสั่งที่ ๒/๒๕๖๙",
    granted_by="head",
    granted_at=NOON,
)


def test_an_appointment_holds_for_its_period() -> None:
    """A7: from its first moment until before its last, and not a moment after it was ended."""
    assert CLERK.holds(NOON)
    assert not CLERK.holds(NOON - timedelta(microseconds=1))
    assert not CLERK.holds(NOON + 30 * DAY)
    ended = end(CLERK, Ending(at=NOON + DAY, by="head", reason="ย้าย"))
    assert ended.holds(NOON + DAY - timedelta(microseconds=1))
    assert not ended.holds(NOON + DAY)
    assert CLERK.in_force(NOON)
    assert not ended.in_force(NOON)  # who asks now does not wait for another clock
    assert end(ended, Ending(at=NOON + 2 * DAY, by="head", reason="อีกครั้ง")) == ended
    early = end(CLERK, Ending(at=NOON - DAY, by="head", reason="ย้อนหลัง"))
    assert early.ended is not None
    assert early.ended.at == NOON


def test_role_and_clearance_come_from_one_appointment() -> None:
    """A13, A24: a clerk who is registrar elsewhere in the agency is no cleared clerk."""
    standing = standing_at([CLERK, REGISTRAR], "diw", "somsri", NOON)
    assert standing.roles == {Role.CLERK, Role.REGISTRAR}
    assert standing.clearance is LAB_MAK
    assert standing.with_role(Role.CLERK, NORMAL) == CLERK
    assert standing.with_role(Role.CLERK, LAB) is None
    assert standing.with_role(Role.REGISTRAR, LAB_MAK) == REGISTRAR


def test_nobody_is_anything_elsewhere_or_without_appointment() -> None:
    """P6: another agency, another person, another time: no role and no clearance."""
    for agency, subject, at in (
        ("dbd", "somsri", NOON),
        ("diw", "somchai", NOON),
        ("diw", "somsri", NOON + 31 * DAY),
    ):
        standing = standing_at([CLERK, REGISTRAR], agency, subject, at)
        assert (standing.roles, standing.clearance) == (frozenset(), NORMAL)


@pytest.mark.parametrize("clearance", Classification)
@pytest.mark.parametrize("classification", Classification)
def test_clearance(clearance: Classification, classification: Classification) -> None:
    """A24: as far as the clearance, and for nobody what never travels here."""
    order = list(Classification)
    travels = Classification.TOP_SECRET not in {clearance, classification}
    reaches = order.index(classification) <= order.index(clearance)
    assert is_cleared(clearance, classification) is (travels and reaches)


def test_authority_has_a_scope_and_an_end() -> None:
    """Issue 7 item 1: other documents, higher classification, other days, or taken back: not
    covered."""
    assert DEPUTY.covers("licence", NORMAL, NOON)
    assert not DEPUTY.covers("e-proxy", NORMAL, NOON)
    assert not DEPUTY.covers("licence", LAB, NOON)
    assert not DEPUTY.covers("licence", NORMAL, NOON + DAY)
    back = replace(DEPUTY, ended=Ending(at=NOON, by="head", reason="ยกเลิก"))
    assert not back.covers("licence", NORMAL, NOON)
    assert replace(DEPUTY, document_types=frozenset()).covers("e-proxy", NORMAL, NOON)


def test_authority_is_printed_under_the_name() -> None:
    """Saraban regulation, annex 2: name, position, and whose authority is used."""
    assert signatory_lines(CLERK, None) == (
        "(นางสมศรี ตัวอย่าง)",
        "นักจัดการงานทั่วไปชำนาญการ",
    )
    assert signatory_lines(CLERK, DEPUTY)[-1] == "ปฏิบัติราชการแทน อธิบดีกรมโรงงานอุตสาหกรรม"
    acting = replace(DEPUTY, kind=AuthorityKind.ACTING)
    assert signatory_lines(CLERK, acting)[-1] == "รักษาราชการแทน อธิบดีกรมโรงงานอุตสาหกรรม"
    with pytest.raises(ValueError, match="another officer"):
        signatory_lines(CLERK, replace(DEPUTY, holder="somchai"))


def test_what_is_no_appointment() -> None:
    """A7, A24: without role, for no time, or cleared for what never travels here."""
    with pytest.raises(ValueError, match="role"):
        replace(CLERK, roles=frozenset())
    with pytest.raises(ValueError, match="period"):
        Period(NOON, NOON)
    with pytest.raises(ValueError, match="A24"):
        replace(CLERK, clearance=Classification.TOP_SECRET)
