"""Renewal with nothing faked: real tables, locked bucket, sealed PDFs, the real time-stamps
and revocation answers of the development PKI; killed at every call to AWS."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from chalicelib.bootstrap import bundle_trust
from chalicelib.domain.documents import Document
from chalicelib.domain.evidence_rounds import RenewalPolicy, RoundKind, round_key
from chalicelib.domain.registers import LogName, Register
from chalicelib.services.audit import audit
from chalicelib.services.bundle import bundle
from chalicelib.services.checkpoint import extend
from chalicelib.services.renew import Renewed, renew
from chalicelib.services.verify_bundle import verify_bundle
from tests.fault.test_kill_on_aws import FUNCTIONS, Gun, Killed, Site, gun, site
from tests.support import rfc4998
from tests.support.dev_stamps import DevTimes

__all__ = ["gun", "site"]

pytestmark = pytest.mark.aws

_SOON, _LATE = timedelta(days=4000), timedelta(days=1)
"""Leads: longer than any certificate lasts, so that everything is due at half of its time; and
so short that nothing is."""


def _times(site: Site) -> DevTimes:
    return DevTimes(site.house.settings.timestamp_urls[0], site.house.directory.trust_anchors()[0])


def _issued(site: Site, count: int = 2) -> tuple[Register, list[Document]]:
    """Sealed documents in a book of their own, published in its outcome log."""
    accepted = site.accept(count)
    for function in FUNCTIONS:
        site.run(function, accepted)
    register = accepted[0].book.at(datetime.now(UTC))
    extend(register, LogName.OUTCOMES, room=site.house.checkpoint_room)
    documents = [site.house.documents.get(d.document_id) for d in accepted]
    return register, [d for d in documents if d is not None]


def _renew(site: Site, *, days: int = 0, **policy: object) -> Renewed:
    """One run, that many days from now."""
    room = replace(
        site.house.renewal_room,
        stamper=_times(site).stamper,
        clock=lambda: datetime.now(UTC) + timedelta(days=days),
        policy=replace(RenewalPolicy(slice_days=1), **policy),  # type: ignore[arg-type]  # of the policy's own fields
    )
    return renew(room=room)


@pytest.fixture(scope="module")
def aws_site(site: Site) -> Site:
    """With a stamper, so that the house has all its rooms."""
    vars(site.house)["archive_stamper"] = _times(site).stamper
    return site


def _problems(site: Site, register: Register, documents: list[Document]) -> list[str]:
    found = [f"{f.fault} {f.place}" for f in audit(register, room=site.house.audit_room).findings]
    s3 = boto3.client("s3")
    for document in documents:
        assert document.file is not None
        content = bundle(document, room=site.house.bundle_room).content
        (record,) = map(base64.b64decode, content["evidence_records"])
        data = s3.get_object(
            Bucket=site.house.settings.archive_bucket,
            Key=document.file.key,
            VersionId=document.file.version_id,
        )["Body"].read()
        assert rfc4998.check(record, data)
        trust = bundle_trust(anchors=site.house.directory.trust_anchors())
        verdict = verify_bundle(content, trust=trust, now=site.house.clock(), pdf=data)
        found += [] if "evidence_records" in verdict.checked else [str(verdict.findings)]
    return [f for f in found if "log_behind" not in f]


def test_records_of_real_documents_hold_and_are_renewed(aws_site: Site) -> None:
    """Issue 4, 5: sealed PDFs get one time-stamp of the real authority, with its OCSP answer and
    CRLs in it; renewed by time-stamp, then by another hash, they are valid in the bundle."""
    register, documents = _issued(aws_site, 3)
    first = _renew(aws_site)
    assert [r.kind for r in first.rounds] == [RoundKind.INITIAL]
    assert _problems(aws_site, register, documents) == []
    stamped = _renew(aws_site, days=600, lead=_SOON, slice_days=9_999)
    assert [r.kind for r in stamped.rounds] == [RoundKind.STAMPS]
    assert _problems(aws_site, register, documents) == []
    ends = {"sha256": datetime.now(UTC) + timedelta(days=650)}
    hashed = _renew(aws_site, days=649, slice_days=9_999, ends=ends)
    assert [(r.kind, r.algorithm) for r in hashed.rounds] == [(RoundKind.HASHES, "sha384")]
    assert _problems(aws_site, register, documents) == []


def test_rounds_are_locked_as_long_as_their_documents(aws_site: Site) -> None:
    """A26: what proves a document lies under Object Lock as long as the document does."""
    register, documents = _issued(aws_site)
    (made,) = _renew(aws_site, days=700, lead=_LATE).rounds
    s3 = boto3.client("s3")
    covered = aws_site.house.rounds.last_slice(register)
    assert covered is not None
    until = max(d.file.retain_until for d in documents if d.file)
    for key in (round_key(made.number), covered.slice.key(made.number)):
        head = s3.head_object(Bucket=aws_site.house.settings.archive_bucket, Key=key)
        assert head["ObjectLockMode"] == aws_site.house.settings.lock_mode.value
        assert head["ObjectLockRetainUntilDate"] >= until


def test_killed_at_every_call_to_aws(aws_site: Site, gun: Gun) -> None:
    """P8: whatever call is the last, the next run ends with valid records and one round."""
    days = 800
    _issued(aws_site)
    with gun.aimed(None):
        _renew(aws_site, days=days, lead=_LATE)
        calls = list(gun.seen)
    assert len(calls) > 10
    # Each kind of call once: on the fakes every single one is the last (test_renew.py).
    first = {what: n for n, what in reversed(list(enumerate(calls)))}
    moments = [n for what, n in first.items() if what.startswith("before")] + [len(calls) - 1]
    for moment in sorted(moments):
        days += 2
        register, documents = _issued(aws_site, 1)
        before = len(aws_site.house.rounds.rounds())
        with gun.aimed(moment), pytest.raises(Killed):
            _renew(aws_site, days=days, lead=_LATE)
        _renew(aws_site, days=days, lead=_LATE)
        assert _problems(aws_site, register, documents) == [], calls[moment]
        assert len(aws_site.house.rounds.rounds()) == before + 1
