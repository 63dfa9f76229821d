"""Typed models of the public logs' interface."""

from __future__ import annotations

import base64
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chalicelib.domain.merkle import Proof
from chalicelib.services.prove import Inclusion

_COUNT_PATTERN = r"^(0|[1-9][0-9]{0,18})$"
Count = Annotated[str, StringConstraints(pattern=_COUNT_PATTERN)]
Child = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,3})$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class AskConsistency(_Strict):
    """Two sizes of one log."""

    from_: Count = Field(alias="from", description="Size of the older tree.")
    to: Count | None = Field(
        default=None, description="Size of the newer tree; without it, the published one."
    )


class AskProof(_Strict):
    """Of the number itself, or of one inserted under it."""

    child: Child = Field(default="0", description="Place of an inserted number: 1 for 12/1.")


class SubmitCosignature(_Strict):
    """One signature line of C2SP tlog-cosignature (cosignature/v1), by the witness key that is
    registered for the agency, over the current checkpoint."""

    cosignature: str = Field(max_length=1024, examples=["— witness.example.go.th/1 AAAAAA=="])


class InclusionView(BaseModel):
    """A log entry, and why it is in the log. `leaf` is the entry's exact text (UTF-8); its
    hash and the proof lead to the root in `checkpoint` (RFC 9162, 2.1.3.2)."""

    index: int = Field(description="Position in the log, from 0.")
    leaf: str
    tree_size: int
    root: str = Field(description="Base64, as in the checkpoint.")
    proof: list[str] = Field(description="Base64 hashes, from the leaf towards the root.")
    checkpoint: str = Field(description="Signed note (C2SP tlog-checkpoint), co-signatures too.")

    @classmethod
    def of(cls, inclusion: Inclusion) -> Self:
        return cls(
            index=inclusion.index,
            leaf=inclusion.leaf.decode(),
            tree_size=inclusion.published.head.size,
            root=_base64(inclusion.published.head.root),
            proof=[_base64(node) for node in inclusion.proof],
            checkpoint=inclusion.published.note.decode(),
        )


class NumberProof(BaseModel):
    """What was fixed when a number was given, and what became of it, or of the number
    inserted under it at `child`."""

    number: int
    child: int
    numbers: InclusionView = Field(description="From the number log; of 12/1 that of 12.")
    outcomes: list[InclusionView] = Field(
        description="From the outcome log, in its order; empty until there is one."
    )


class ConsistencyView(BaseModel):
    """That the tree of size `to` begins with the tree of size `from` (RFC 9162, 2.1.4.2)."""

    from_: int = Field(serialization_alias="from")
    to: int
    proof: list[str] = Field(description="Base64 hashes; empty if `from` is 0 or equals `to`.")

    @classmethod
    def of(cls, old_size: int, new_size: int, proof: Proof) -> Self:
        return cls(from_=old_size, to=new_size, proof=[_base64(node) for node in proof])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
