"""Models of the evidence bundle."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chalicelib.domain.documents import DocumentState
from chalicelib.domain.erds import DeliveryState
from chalicelib.domain.standing import RulingKind


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class AskEvidence(BaseModel):
    """Query of GET /v1/documents/{document_id}/evidence."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    delivery: (
        Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}(\.[0-9a-z-]{1,64}){2}$")]
        | None
    ) = Field(default=None, description="Only this delivery of the letter.")
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        default=None, description="Of a letter to many: the deliveries after these."
    )


class LogProof(_Answer):
    """That a leaf is in a log: RFC 9162 inclusion proof under a signed checkpoint."""

    index: int
    leaf: str = Field(description="The leaf's bytes: canonical JSON.")
    proof: list[str] = Field(description="Hashes from leaf to root, base64.")
    checkpoint: str = Field(description="C2SP signed note.")


class BundledFile(_Answer):
    sha256: str
    size: int
    archive_version: str
    lock_mode: str
    retain_until: str


class BundledPolicy(_Answer):
    approvers: int = Field(description="So many different officers had to approve.")
    central: str | None = Field(description="Whose officers; null: the issuer's own.")
    own_submission: bool


class BundledApprovals(_Answer):
    """Who approved the document before it got its number."""

    policy: BundledPolicy
    records: list[str] = Field(
        description="The signed statement of each decision, in order: compact JWS (ES256, "
        "tra.approval.v1), key in the JWKS."
    )


class BundledRuling(_Answer):
    number: int
    kind: RulingKind
    reason_code: str
    decided_at: str
    effective_at: str
    evidence: str | None = Field(description="Compact JWS (ES256); null until it is signed.")


class ReceiveEntry(_Answer):
    """A line of the recipient's receive register, if that is kept here. The public logs name it
    by SHA-256(salt ‖ delivery id); its commitment is over the letter's file digest, and what it
    was issued as is the digest of the receipt."""

    register_id: str
    number: int
    salt: str
    number_log: LogProof | None
    outcome_log: list[LogProof]


class RefusedAnswerView(_Answer):
    """What came back and was not believed, kept as evidence."""

    sha256: str
    refusal: str
    field: str
    brought_by: str | None
    at: str
    text: str | None = Field(description="As it came; null if there is too much of it.")


class BundledDelivery(_Answer):
    """All that proves one delivery. Keys are not in it: events are checked with the JWK Set of
    the service, statements with `reply_keys` of the recipient in GET /v1/agencies."""

    delivery_id: str
    recipient: str
    state: DeliveryState
    events: list[str] = Field(
        description="Compact JWSs (ES256) of the service; each names the SHA-256 of the one "
        "before it, the first one the file."
    )
    evidence_end: str = Field(description="SHA-256 of the last event's JWS.")
    statements: list[str] = Field(
        description="Receipts or rejection, compact JWSs: of the recipient, or for it by the "
        "service if it is hosted here."
    )
    receive_entries: list[ReceiveEntry]
    refused: list[RefusedAnswerView] = Field(
        description="For the sender; for a recipient those that it sent itself."
    )
    archived: list[str] = Field(description="Names of what lies in the archive beside the letter.")
    kids: list[str] = Field(description="Keys that are needed to check the signatures.")


class LetterProgress(_Answer):
    """How many recipients the letter has, and how far it is with them (last attempt each)."""

    total: int
    ended: int
    states: dict[DeliveryState, int]
    oldest_open: str | None


class EvidenceBundle(_Answer):
    """All that proves one document. `commitment` = SHA-256("tra/content-commitment/v1\\n" ‖
    salt ‖ content digest) is what the public log holds."""

    type: str
    document_id: str
    document_type: str = Field(description="`classified` of what is (A13).")
    agency_id: str
    state: DocumentState
    register_id: str
    number: int
    child: int
    printed_number: str
    numbered_at: str
    dated: str | None
    content_digest: str
    salt: str
    commitment: str
    reason_code: str | None
    file: BundledFile | None
    number_log: LogProof | None
    outcome_log: list[LogProof]
    evidence: str | None = Field(description="Compact JWS (ES256), key in the JWKS.")
    approval: BundledApprovals | None = Field(
        description="Null where nobody had to approve it. `evidence` names the digests."
    )
    rulings: list[BundledRuling] = Field(
        description="What was decided of the issued document: suspended, reinstated, revoked, "
        "superseded. The last one decided that holds at a time counts."
    )
    evidence_records: list[str] = Field(
        description="Evidence record of the file as it stands (RFC 4998), DER in base64; empty "
        "until its first time-stamp."
    )
    deliveries: list[BundledDelivery] = Field(
        description="What became of a letter with its recipients: all of them for the sender, in "
        "pages; for a recipient its own."
    )
    cursor: str | None = Field(
        description="For the sender: pass it on for the next deliveries; null at the end."
    )
    progress: LetterProgress | None = Field(
        description="How far the letter is with all recipients; for the sender alone."
    )
    missing: list[str] = Field(
        description="Parts that are not there yet, such as `number_log`, "
        "`deliveries/<id>/outcome`, `…/receive_entry`, `…/archive`, `…/correction`."
    )
