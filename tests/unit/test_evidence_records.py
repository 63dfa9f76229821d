"""Evidence records: made by us, read by us, and by a reader that shares no code with us."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.ers import DerEvidenceRecords, read_record
from chalicelib.adapters.ers_stamps import chain_of, signature_of, with_validation_data
from chalicelib.adapters.ers_validation import ErsValidator
from chalicelib.adapters.trust import ValidationData
from chalicelib.domain.errors import EvidenceRecordError
from chalicelib.domain.evidence_records import (
    ArchiveTimestamp,
    Chain,
    EndReason,
    RecordVerdict,
    judge_record,
    stamp_leaf,
)
from chalicelib.domain.hash_tree import HashTree, digest_of
from chalicelib.domain.verdict import Indication
from tests.support import rfc4998
from tests.support.ers_samples import DOCUMENTS, WRITER, History, samples
from tests.support.ers_stamps import Era, Root, year

DATA = DOCUMENTS[3]


def _judged(
    record: bytes, data: bytes, history: History, root: Root | None = None
) -> RecordVerdict:
    validator = ErsValidator(history.clock)
    return judge_record(validator.observe(record, data, [(root or history.root).pem]))


def _codes(verdict: RecordVerdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_twenty_years_of_renewals_prove_the_first_day() -> None:
    """Issue 4, 5: time-stamp renewal and hash-tree renewal, each when the authority before has
    ended, prove the data at the time of the first time-stamp until the last certificate ends."""
    history = History()
    untils = []
    for _, record, data in samples(history):
        verdict = _judged(record, data, history)
        assert verdict.passed, verdict
        assert verdict.proven_at == year(2006)
        untils.append(verdict.proof_until)
    assert untils == [year(2015), year(2015), year(2022), year(2039)]


def test_a_reader_that_shares_no_code_agrees() -> None:
    """RFC 4998: a second reading of the standard finds the same times in our records."""
    times = [rfc4998.check(record, data) for _, record, data in samples(History())]
    first = [year(2006)]
    assert times == [first, first, [*first, year(2014)], [*first, year(2014), year(2020)]]


@pytest.mark.parametrize("case", ["single", "initial", "renewed", "rehashed"])
def test_other_data_is_refused(case: str) -> None:
    """RFC 4998 §4.3: a record proves its own data object and no neighbour in the tree."""
    history = History()
    record = next(r for name, r, _ in samples(history) if name == case)
    for other in (b"forged", DOCUMENTS[2]):
        verdict = _judged(record, other, history)
        assert (verdict.indication, verdict.sub_indication) == (
            Indication.TOTAL_FAILED,
            "HASH_FAILURE",
        )
        assert "record_of_other_data" in _codes(verdict)
        assert verdict.proven_at is None
        with pytest.raises(AssertionError):
            rfc4998.check(record, other)


def test_without_renewal_the_proof_ends_with_the_certificate() -> None:
    """RFC 4998 §5.3: the last time-stamp must hold when it is looked at."""
    history = History()
    record = WRITER.record([history.begun()])
    history.now = year(2014)
    assert _judged(record, DATA, history).passed
    history.now = year(2016)
    verdict = _judged(record, DATA, history)
    assert (verdict.indication, _codes(verdict)) == (
        Indication.INDETERMINATE,
        ["record_stamp_not_trusted"],
    )


def test_a_renewal_that_came_too_late_proves_nothing() -> None:
    """RFC 4998 §5.3: each time-stamp must be valid at the time of the one that follows."""
    history = History()
    chain = history.begun()
    history.now = year(2017)
    late = history.second.stamper.stamp(stamp_leaf(chain[0].token, "sha256"), "sha256")
    newest = ArchiveTimestamp(algorithm="sha256", reduced=(), token=late.token)
    verdict = _judged(WRITER.record([(*chain, newest)]), DATA, history)
    assert _codes(verdict) == ["record_stamp_not_trusted"]


def test_another_anchor_does_not_trust_it() -> None:
    """Issue 4, 6: wrong trust anchor, right verdict."""
    history = History()
    verdict = _judged(WRITER.record([history.begun()]), DATA, history, Root())
    assert (verdict.indication, _codes(verdict)) == (
        Indication.INDETERMINATE,
        ["record_stamp_not_trusted"],
    )


def test_an_authority_revoked_before_the_renewal_is_not_believed() -> None:
    """RFC 4998 §5.2: revocation data of the day of renewal go into the old token, so that a
    revocation in between is seen for ever."""
    history = History()
    chain = history.begun()
    history.first.revoke(year(2010))
    verdict = _judged(WRITER.record([history.renewed(chain)]), DATA, history)
    assert not verdict.passed
    assert verdict.sub_indication == "REVOKED_NO_POE"


def test_a_record_without_revocation_data_is_told_apart() -> None:
    """Issue 4, 5: what a validator will ask for when the authority is gone must be in there."""
    history = History()
    tree = HashTree([digest_of(DATA, "sha256")])
    bare = history.first.stamp(tree.root).der
    record = WRITER.record([(ArchiveTimestamp(algorithm="sha256", reduced=(), token=bare),)])
    verdict = _judged(record, DATA, history)
    assert verdict.sub_indication == "TRY_LATER"
    assert _codes(verdict) == ["record_revocation_unknown"]


def test_a_hash_that_ended_before_it_was_renewed_proves_nothing() -> None:
    """RFC 4998 §5.3: the algorithm of a chain must hold until the next chain begins."""
    history = History()
    _, record, data = list(samples(history))[-1]
    observation = ErsValidator(history.clock).observe(record, data, [history.root.pem])
    assert judge_record(observation, ends={"sha256": year(2020) + timedelta(days=1)}).passed
    for ends in ({"sha256": year(2019)}, {"sha512": year(2020)}):
        verdict = judge_record(observation, ends=ends)
        assert _codes(verdict) == ["record_algorithm_ended"]


def test_one_chain_has_one_algorithm() -> None:
    """RFC 4998 §5.3: all time-stamps of a chain use the same hash algorithm."""
    history = History()
    chain = history.begun()
    history.now = year(2014)
    older = replace(chain[0], token=history.first.stamper.refresh(chain[0].token))
    stamp = history.second.stamper.stamp(stamp_leaf(older.token, "sha512"), "sha512")
    newest = ArchiveTimestamp(algorithm="sha512", reduced=(), token=stamp.token)
    verdict = _judged(WRITER.record([(older, newest)]), DATA, history)
    assert _codes(verdict) == ["record_algorithms_mixed"]


def test_times_that_go_back_are_refused() -> None:
    """RFC 4998 §5: time-stamps are in the order of their times."""
    history = History()
    chain = history.begun()
    history.now = year(2005) + timedelta(days=30)
    stamp = history.first.stamper.stamp(stamp_leaf(chain[0].token, "sha256"), "sha256")
    newest = ArchiveTimestamp(algorithm="sha256", reduced=(), token=stamp.token)
    verdict = _judged(WRITER.record([(*chain, newest)]), DATA, history)
    assert "record_disorder" in _codes(verdict)


def _swapped(chain: Chain) -> Chain:
    """The first time-stamp of another tree in place of the one that was renewed."""
    foreign = History().begun()
    return (replace(chain[0], token=foreign[0].token), *chain[1:])


def test_a_swapped_time_stamp_is_found() -> None:
    """RFC 4998 §5.3 step 2: each time-stamp covers the one before, byte by byte."""
    history = History()
    verdict = _judged(WRITER.record([_swapped(history.renewed(history.begun()))]), DATA, history)
    assert verdict.indication is Indication.TOTAL_FAILED
    assert "record_broken" in _codes(verdict)


def test_what_is_added_to_a_renewed_token_is_found() -> None:
    """RFC 4998 §5.2: the renewal covers the whole token, embedded revocation data included."""
    history = History()
    older, newest = history.renewed(history.begun())
    more = ValidationData(
        certificates=(),
        ocsp_responses=(),
        crls=(history.root.crl(year(2013)),),
        fresh_until=year(2013),
    )
    changed = replace(older, token=with_validation_data(older.token, more))
    verdict = _judged(WRITER.record([(changed, newest)]), DATA, history)
    assert "record_broken" in _codes(verdict)


def test_a_time_stamp_ends_with_its_certificate_or_its_algorithm() -> None:
    """Issue 4, 5: renewal is due before the time-stamp's certificate or an algorithm ends."""
    history = History()
    stamp = history.first.stamper.stamp(bytes(32), "sha256")
    assert (stamp.ends_at, stamp.because) == (year(2015), EndReason.CERTIFICATE)
    assert signature_of(stamp.token) == ("ecdsa", 256)
    assert len(chain_of(stamp.token)) == 2


def test_what_was_written_is_read() -> None:
    """RFC 4998 §2.1: chains, groups and tokens survive DER unchanged, and come out the same."""
    history = History()
    renewed = history.renewed(history.begun())
    chains = history.rehashed(renewed, DATA)
    record = WRITER.record(chains)
    assert read_record(record) == chains
    assert WRITER.record(read_record(record)) == record
    assert DerEvidenceRecords().imprint(renewed[0].token) == (
        "sha256",
        HashTree([digest_of(d, "sha256") for d in DOCUMENTS]).root,
    )


_RECORD = WRITER.record([(history := History()).renewed(history.begun())])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(_RECORD) - 1), st.integers(1, 255))
def test_no_damaged_byte_passes_and_none_crashes(position: int, flip: int) -> None:
    """Issue 4, 6: damaged bytes get a verdict or a named error, never another exception, and
    never a proof, unless they lie where nothing is proven (parameters that say nothing)."""
    damaged = bytearray(_RECORD)
    damaged[position] ^= flip
    try:
        verdict = _judged(bytes(damaged), DATA, history)
    except EvidenceRecordError:
        return
    if verdict.passed:
        assert read_record(bytes(damaged)) == read_record(_RECORD) or _differ_in_vain(
            bytes(damaged)
        )


def _differ_in_vain(damaged: bytes) -> bool:
    """Only the newest token differs, and only outside of what its authority signed."""
    (mine,), (its,) = read_record(_RECORD), read_record(damaged)
    return mine[0] == its[0] and (mine[1].algorithm, mine[1].reduced) == (
        its[1].algorithm,
        its[1].reduced,
    )


@pytest.mark.parametrize("junk", [b"", b"\x30\x00", b"%PDF-1.7", b"\x30\x80\x00\x00", bytes(1000)])
def test_what_is_no_record_is_named(junk: bytes) -> None:
    """Issue 4, 6: never a crash."""
    with pytest.raises(EvidenceRecordError):
        read_record(junk)


def test_a_root_is_no_authority() -> None:
    """RFC 3161 §2.3: only a certificate for time-stamping stamps; the sample itself shows it."""
    history = History()
    era = Era(history.root, history.clock, since=year(2005), until=year(2015))
    assert era.stamper.stamp(bytes(32), "sha256").authority == "Tokyo time"
