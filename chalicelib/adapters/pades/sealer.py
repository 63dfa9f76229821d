"""Seals in PDFs (port Sealer): PAdES baseline B-B to B-LTA (EN 319 142-1 §6).

The seal is one to three incremental revisions behind the linted bytes, which stay
untouched. Nothing is written anywhere: a process that dies half-way leaves no trace but
spent signatures and time-stamps, and sealing again is always allowed until the first
sealed bytes are archived (P2, P8). Safe to use from several threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.pades import fast
from chalicelib.adapters.pades.order import SealOrder, WrittenSeal
from chalicelib.adapters.pades.own_check import check_own_seal
from chalicelib.adapters.pades.plain import NotPlainError
from chalicelib.domain.errors import RevocationUnknownError
from chalicelib.domain.seals import SealedPdf, SealLevel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from chalicelib.adapters.trust import CredentialChecker, Timestamper
    from chalicelib.domain.seals import SealCredential, SealPolicy
    from chalicelib.ports import Clock, LintedPdf


class PadesSealer:
    """Implements ports.Sealer. Credentials are prepared once per container; of documents
    nothing is remembered."""

    def __init__(
        self, checker: CredentialChecker, timestamper: Timestamper, *, clock: Clock
    ) -> None:
        self._checker = checker
        self._timestamper = timestamper
        self._clock = clock
        self._tested: set[tuple[SealCredential, SealLevel, bool]] = set()

    def seal(
        self, linted: LintedPdf, credentials: Sequence[SealCredential], policy: SealPolicy
    ) -> SealedPdf:
        """`linted.pdf` followed by the revisions of `policy.level`: a field `Seal1` with a
        CMS signature (ETSI.CAdES.detached) and its time-stamp, the document security
        store, a document time-stamp. Two calls give different bytes.

        Raises SealError, TimestampError, RevocationUnknownError, UnavailableError.
        """
        # 1. A credential that may seal now.
        usable = self._checker.usable(credentials, policy)
        order = SealOrder(
            usable=usable, policy=policy, timestamper=self._timestamper, at=self._clock()
        )
        # 2. Sign, stamp and write, by the way that knows the file.
        written = write_seal(linted.pdf, order)
        # 3. What was embedded is as fresh still as when it was asked for.
        stamp, newest = written.signature_stamp, written.newest_stamp
        if stamp is not None and policy.level.has_validation_data:
            ours, theirs = usable.validation_data, stamp.validation_data
            self._check_fresh(min(ours.fresh_until, theirs.fresh_until))
        # 4. Say what came of it, and how long it proves that by itself.
        return SealedPdf(
            pdf=written.pdf,
            credential=usable.credential,
            level=policy.level,
            stamped_at=None if stamp is None else stamp.at,
            proof_until=usable.ends_at if newest is None else newest.ends_at,
        )

    def _check_fresh(self, until: datetime) -> None:
        if self._clock() >= until:
            raise RevocationUnknownError(
                "Revocation data ended while the seal was made; the document is tried again.",
                "ข้อมูลการเพิกถอนหมดอายุระหว่างประทับตรา ระบบจะดำเนินการอีกครั้ง",
            )

    def verify_own(self, sealed: SealedPdf, linted: LintedPdf) -> None:
        """Check a seal just made, before it can leave (P3): by its bytes, each one; by
        pyHanko, the first of each credential and level in this container, visible and
        invisible, and those whose structure only a full reader understands.

        Raises SealVerificationError with the ETSI sub-indication.
        """
        followed = check_own_seal(sealed, linted.pdf)
        visible = sealed.pdf.find(b"/AP", len(linted.pdf)) >= 0
        kind = (sealed.credential, sealed.level, visible)
        if followed and kind in self._tested:
            return
        from chalicelib.adapters.pades.self_test import check_with_pyhanko  # noqa: PLC0415 - slow

        check_with_pyhanko(sealed.pdf, sealed.level)
        self._tested.add(kind)


def write_seal(pdf: bytes, order: SealOrder) -> WrittenSeal:
    """The fast way, or the reference way for a file that it refuses. Raises like
    `PadesSealer.seal`."""
    try:
        return fast.write_seal(pdf, order)
    except NotPlainError:
        from chalicelib.adapters.pades import reference  # noqa: PLC0415 - slow to load

        return reference.write_seal(pdf, order)
