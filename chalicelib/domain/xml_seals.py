"""What was found out about the XAdES signature of an XML document, without judging it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlStamp:
    """A signature time-stamp. `problem` is an EN 319 102-1 sub-indication, None if the
    token belongs to this signature and leads to an anchor."""

    at: datetime
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlSealObservation:
    """One enveloped signature over a whole document.

    `intact`: the document and the signed properties are those that were signed. `valid`:
    the signature was made by the certificate's key. `certificate` is DER.
    `trust_problem` is a sub-indication, None if the certificate was good for a seal when
    the time-stamp says (without one: when it was looked at) and leads to an anchor.
    `claimed_at` is the signer's own word.
    """

    signature_id: str
    intact: bool
    valid: bool
    certificate: bytes = field(repr=False)
    trust_problem: str | None
    claimed_at: datetime
    stamp: XmlStamp | None

    @property
    def sub_indication(self) -> str | None:
        """The gravest problem in the words of EN 319 102-1 §5.1.3, None if there is none."""
        if not self.valid:
            return "SIG_CRYPTO_FAILURE"
        if not self.intact:
            return "HASH_FAILURE"
        stamp_problem = self.stamp.problem if self.stamp else None
        return stamp_problem or self.trust_problem
