"""Checking the evidence of a delivery: whether it is all there, whole, in order, and its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.domain.deliveries import DeliveryId, SentLetter
from chalicelib.domain.delivery_evidence import Evidence
from chalicelib.domain.erds import DeliveryState, follow, leads_to
from chalicelib.domain.errors import EvidenceSignatureError
from chalicelib.domain.statements import StatementError, jws_digest


class ChainFault(StrEnum):
    """What can be wrong with a chain; the values are stable."""

    FORGED = "event_forged"
    MALFORMED = "event_malformed"
    OTHER_DELIVERY = "event_of_other_delivery"
    OTHER_LETTER = "event_of_other_letter"
    OTHER_AGENCY = "event_of_other_agency"
    DOUBLED = "event_doubled"
    FORKED = "event_forked"
    MISSING = "event_missing"
    OUT_OF_ORDER = "event_out_of_order"
    BROKEN_LINK = "event_link_broken"
    IMPOSSIBLE_STEP = "event_impossible"
    TIME_ORDER = "event_time_order"
    STATEMENT_MISSING = "statement_missing"
    UNFINISHED = "delivery_unfinished"

    @property
    def is_warning(self) -> bool:
        """Nothing is wrong, but there is more to come."""
        return self is ChainFault.UNFINISHED


_WORDS: dict[ChainFault, tuple[str, str]] = {
    ChainFault.FORGED: (
        "The signature is wrong, or by a key that is not the service's.",
        "ลายมือชื่อไม่ถูกต้อง หรือไม่ได้ลงนามด้วยกุญแจของระบบ",
    ),
    ChainFault.MALFORMED: (
        "This is signed, but it is no evidence of a delivery.",
        "มีลายมือชื่อ แต่ไม่ใช่หลักฐานการส่ง",
    ),
    ChainFault.OTHER_DELIVERY: (
        "This is evidence of another delivery.",
        "เป็นหลักฐานของการส่งรายการอื่น",
    ),
    ChainFault.OTHER_LETTER: (
        "This is evidence of a letter with another number, date or file.",
        "เป็นหลักฐานของหนังสือที่มีเลขที่ วันที่ หรือไฟล์อื่น",
    ),
    ChainFault.OTHER_AGENCY: (
        "This is evidence of a letter of, or to, another agency.",
        "เป็นหลักฐานของหนังสือของหน่วยงานอื่น หรือที่ส่งถึงหน่วยงานอื่น",
    ),
    ChainFault.DOUBLED: ("This event stands here twice.", "เหตุการณ์นี้ซ้ำ"),
    ChainFault.FORKED: (
        "Two different events claim the same place.",
        "มีสองเหตุการณ์ที่ต่างกันในลำดับเดียวกัน",
    ),
    ChainFault.MISSING: ("An event is missing.", "ขาดเหตุการณ์ในลำดับนี้"),
    ChainFault.OUT_OF_ORDER: ("The events are not in order.", "เหตุการณ์ไม่เรียงตามลำดับ"),
    ChainFault.BROKEN_LINK: (
        "The event does not follow on the one before it, or not on this file.",
        "เหตุการณ์ไม่เชื่อมกับเหตุการณ์ก่อนหน้าหรือกับไฟล์นี้",
    ),
    ChainFault.IMPOSSIBLE_STEP: (
        "This cannot happen after what happened before it.",
        "เหตุการณ์นี้เกิดขึ้นต่อจากเหตุการณ์ก่อนหน้าไม่ได้",
    ),
    ChainFault.TIME_ORDER: (
        "The event is older than the one before it.",
        "เหตุการณ์นี้มีเวลาเก่ากว่าเหตุการณ์ก่อนหน้า",
    ),
    ChainFault.STATEMENT_MISSING: (
        "The receipt or rejection that the event rests on is not here.",
        "ไม่มีใบรับหรือคำปฏิเสธที่เหตุการณ์นี้อ้างถึง",
    ),
    ChainFault.UNFINISHED: ("The delivery has no outcome yet.", "การส่งรายการนี้ยังไม่มีผล"),
}


@dataclass(frozen=True, slots=True)
class ChainFinding:
    """One thing that is wrong. `place`: where in the list as given, from 0; `seq`: where in the
    chain; None where there is no such place."""

    fault: ChainFault
    place: int | None = None
    seq: int | None = None

    @property
    def detail(self) -> str:
        return _WORDS[self.fault][0]

    @property
    def detail_th(self) -> str:
        return _WORDS[self.fault][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What a chain says: its events in order, where they lead, and what is wrong."""

    events: tuple[Evidence, ...]
    state: DeliveryState | None
    findings: tuple[ChainFinding, ...]

    @property
    def sound(self) -> bool:
        """Nothing is wrong. There may be more to come."""
        return all(finding.fault.is_warning for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Link:
    place: int
    jws: str
    evidence: Evidence

    @property
    def digest(self) -> str:
        return jws_digest(self.jws)


@dataclass
class _Check:
    """Gathers what one check finds."""

    delivery_id: DeliveryId
    letter: SentLetter
    findings: list[ChainFinding] = field(default_factory=list)

    def find(self, fault: ChainFault, place: int | None = None, seq: int | None = None) -> None:
        self.findings.append(ChainFinding(fault, place, seq))


def check_chain(
    chain: Sequence[str],
    *,
    verify: Callable[[str], bytes],
    delivery_id: DeliveryId,
    letter: SentLetter,
    statements: Collection[str] = (),
) -> ChainReport:
    """Check the evidence of one delivery of `letter`, as a list of JWSs.

    `verify` gives the payload of a JWS that the service signed, or raises
    EvidenceSignatureError. `statements` are the receipts and rejections at hand (JWSs; what
    they say was judged by `domain.receipt_judgement`). Raises nothing: whatever is handed in, the
    report names what is missing, doubled, out of order, forged, or somebody else's.
    """
    check = _Check(delivery_id, letter)
    links = list(_own_links(chain, verify, check))
    _check_order(links, check)
    chosen = _one_for_each_place(links, check)
    state = _check_links(chosen, check)
    _check_statements(chosen, statements, check)
    if state is None or not state.ended:
        check.find(ChainFault.UNFINISHED)
    return ChainReport(
        events=tuple(link.evidence for link in chosen),
        state=state,
        findings=tuple(check.findings),
    )


def _own_links(
    chain: Sequence[str], verify: Callable[[str], bytes], check: _Check
) -> Iterator[_Link]:
    """What the service signed of this delivery; each other thing is named."""
    for place, jws in enumerate(chain):
        try:
            link = _Link(place, jws, Evidence.read(verify(jws)))
        except EvidenceSignatureError:
            check.find(ChainFault.FORGED, place)
        except StatementError:
            check.find(ChainFault.MALFORMED, place)
        else:
            fault = _not_its_own(link.evidence, check)
            if fault is None:
                yield link
            else:
                check.find(fault, place, link.evidence.seq)


def _not_its_own(evidence: Evidence, check: _Check) -> ChainFault | None:
    letter = check.letter
    own, told = check.delivery_id, evidence.delivery_id
    same_letter = told.document_id == own.document_id
    if evidence.sender != letter.sender or (same_letter and told.recipient != own.recipient):
        return ChainFault.OTHER_AGENCY
    if told != own:
        return ChainFault.OTHER_DELIVERY
    said = (evidence.letter_number, evidence.letter_date, evidence.file_digest)
    if said != (letter.number, letter.dated, letter.file_digest):
        return ChainFault.OTHER_LETTER
    return None


def _check_order(links: Iterable[_Link], check: _Check) -> None:
    furthest = -1
    for link in links:
        if link.evidence.seq < furthest:
            check.find(ChainFault.OUT_OF_ORDER, link.place, link.evidence.seq)
        furthest = max(furthest, link.evidence.seq)


def _one_for_each_place(links: Sequence[_Link], check: _Check) -> list[_Link]:
    """In order of the chain. Of two in one place, the one that is built upon is kept."""
    built_upon = {link.evidence.previous for link in links}
    chosen: dict[int, _Link] = {}
    for link in sorted(links, key=lambda link: link.digest not in built_upon):
        kept = chosen.setdefault(link.evidence.seq, link)
        if kept is not link:
            same = kept.evidence == link.evidence
            fault = ChainFault.DOUBLED if same else ChainFault.FORKED
            check.find(fault, link.place, link.evidence.seq)
    return [chosen[seq] for seq in sorted(chosen)]


def _check_links(chosen: Sequence[_Link], check: _Check) -> DeliveryState | None:
    """Where the chain leads. Across a hole nothing can be said of what fits."""
    state: DeliveryState | None = None
    before: _Link | None = None
    expected = 0
    for link in chosen:
        evidence = link.evidence
        for seq in range(expected, min(evidence.seq, expected + _MOST_HOLES)):
            check.find(ChainFault.MISSING, seq=seq)
        if evidence.seq == expected:
            _check_step(link, before, state, check)
        state = leads_to(evidence.event)
        before, expected = link, evidence.seq + 1
    if not chosen:
        check.find(ChainFault.MISSING, seq=0)
    return state


_MOST_HOLES = 100
"""Named one by one; a chain that says it is longer than that is no honest one."""


def _check_step(
    link: _Link, before: _Link | None, state: DeliveryState | None, check: _Check
) -> None:
    evidence = link.evidence
    previous = before.digest if before else check.letter.file_digest
    if evidence.previous != previous:
        check.find(ChainFault.BROKEN_LINK, link.place, evidence.seq)
    if follow(state, evidence.event) is None:
        check.find(ChainFault.IMPOSSIBLE_STEP, link.place, evidence.seq)
    if before and evidence.at < before.evidence.at:
        check.find(ChainFault.TIME_ORDER, link.place, evidence.seq)


def _check_statements(chosen: Iterable[_Link], statements: Collection[str], check: _Check) -> None:
    there = {jws_digest(jws) for jws in statements}
    for link in chosen:
        if link.evidence.statement and link.evidence.statement not in there:
            check.find(ChainFault.STATEMENT_MISSING, link.place, link.evidence.seq)
