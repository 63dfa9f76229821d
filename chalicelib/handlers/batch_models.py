"""Typed models of batches: they validate, and openapi.json is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from chalicelib.domain.batches import (
    LARGEST_FILE,
    MOST_LINES,
    Batch,
    BatchState,
    Progress,
)
from chalicelib.domain.errors import FieldFault
from chalicelib.handlers.models import (
    ReasonView,
    SubmitDocument,
    TypeName,
    _Answer,
    _custom,
    _Strict,
)
from chalicelib.ports import UploadForm
from chalicelib.services.check_batch import NOT_IN_BATCH

MOST_COLUMNS = 500

_DEFAULTS = frozenset(SubmitDocument.model_fields) - NOT_IN_BATCH - {"document_type"}
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SubmitBatch(_Strict):
    """Many documents of one type, from one file that is uploaded afterwards."""

    document_type: TypeName = Field(examples=["licence"])
    format: Literal["jsonl", "csv"] = Field(
        default="jsonl", description="JSON Lines, one body of POST /v1/documents per line; or CSV."
    )
    mapping: dict[_Name, _Name] = Field(
        default={},
        description="For CSV: from a column's name to a JSON Pointer into the body.",
        examples=[{"ชื่อ": "/content/holder/name", "ใช้ได้ถึง": "/valid_until"}],
    )
    encoding: Literal["utf-8", "tis-620"] | None = Field(
        default=None, description="Found out if not said."
    )
    delimiter: Literal[",", ";", "\t"] | None = Field(
        default=None, description="For CSV; found out if not said."
    )
    on_error: Literal["all_or_nothing", "skip_invalid"] = Field(
        default="all_or_nothing",
        description="What bad lines do: nothing is numbered, or the others go on without them.",
    )
    start: Literal["automatic", "manual"] = Field(
        default="automatic",
        description="Whether numbering begins when the check ends well, or on POST …/start: until "
        "then a batch is a check and its report, and no number is spent.",
    )
    defaults: dict[str, Any] = Field(
        default={},
        description="What lines do not say themselves: "
        + ", ".join(sorted(_DEFAULTS))
        + ". `content` is laid under each line's own field by field.",
        examples=[
            {
                "recipients": ["dbd"],
                "valid_from": "2026-12-01",
                "content": {"title_th": "ใบอนุญาตประกอบกิจการโรงงาน"},
            }
        ],
    )

    @field_validator("document_type")
    @classmethod
    def _is_published(cls, name: str, info: ValidationInfo) -> str:
        return SubmitDocument._is_published(name, info)  # noqa: SLF001 - the same rule

    @field_validator("mapping")
    @classmethod
    def _fits_the_format(cls, mapping: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if len(mapping) > MOST_COLUMNS:
            raise _custom(
                "too_many",
                f"Must have at most {MOST_COLUMNS} columns.",
                f"ต้องมีไม่เกิน {MOST_COLUMNS} คอลัมน์",
            )
        if mapping and info.data.get("format") == "jsonl":
            raise _custom(
                "not_allowed",
                "JSON Lines need no mapping; it is for CSV.",
                "JSON Lines ไม่ต้องมีส่วนจับคู่ ใช้เฉพาะกับ CSV",
            )
        return mapping


def default_faults(defaults: dict[str, Any]) -> list[FieldFault]:
    """Names that no line may leave to the batch."""
    return [
        FieldFault(
            f"/defaults/{name}".replace("~", "~0"),
            "unknown_field",
            "No line can leave this to the batch; remove it.",
            "รายการนี้กำหนดเป็นค่าตั้งต้นของชุดไม่ได้ โปรดนำออก",
        )
        for name in defaults.keys() - _DEFAULTS
    ]


class ListBatches(_Strict):
    """Query of GET /v1/batches."""

    limit: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|100)$")] = Field(
        default="20", description="1 to 100."
    )
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")] | None = None


class ReportForm(_Strict):
    """Query of GET /v1/batches/{batch_id}/report."""

    format: Literal["jsonl", "csv"] = "jsonl"


class BatchUpload(_Answer):
    """Send the file as a form POST to `url`: all `fields`, then `file`; then POST …/check."""

    url: str
    fields: dict[str, str]
    largest_bytes: int = Field(description=f"{LARGEST_FILE} bytes; at most {MOST_LINES} lines.")
    expires_in: int = Field(description="Seconds.")


class BatchChange(_Answer):
    state: BatchState
    at: datetime


class BatchLinks(_Answer):
    self: str
    report: str | None
    manifest: str | None


class BatchView(_Answer):
    batch_id: str
    state: str = Field(
        description="One of " + ", ".join(BatchState) + "; or `paused`, or `cancelling`."
    )
    document_type: str
    type_version: int
    on_error: str
    start: str
    submitted_by: str
    created_at: datetime
    history: list[BatchChange]
    lines: int = Field(description="Lines read by the check so far; blank ones do not count.")
    valid: int
    invalid: int
    numbered: int
    issued: int = Field(description="Counted as their chunks of twenty end.")
    void: int
    percent: int = Field(description="Of the step at hand: check, numbering, or issuing.")
    register_id: str | None
    first_number: int | None
    last_number: int | None
    reason: ReasonView | None
    cancelled_by: str | None
    manifest_sha256: str | None
    retain_until: datetime | None = Field(description="Of the manifest.")
    upload: BatchUpload | None = Field(
        description="While the batch waits for its file, and for who may submit."
    )
    links: BatchLinks

    @classmethod
    def of(
        cls,
        batch: Batch,
        public_url: str,
        *,
        numbered: int = 0,
        progress: Progress | None = None,
        form: UploadForm | None = None,
    ) -> Self:
        checked, reason, manifest = batch.checked, batch.reason, batch.manifest
        done = progress or Progress()
        base = f"{public_url}/v1/batches/{batch.batch_id}"
        first = batch.hold.after + 1 if batch.hold and numbered else None
        return cls(
            batch_id=batch.batch_id,
            state=batch.stands,
            document_type=batch.document_type,
            type_version=batch.type_version,
            on_error=batch.on_error.value,
            start=batch.start.value,
            submitted_by=batch.submitted_by,
            created_at=batch.created_at,
            history=[BatchChange(state=state, at=at) for state, at in batch.history],
            lines=checked.lines,
            valid=checked.valid,
            invalid=checked.invalid,
            numbered=numbered,
            issued=done.issued,
            void=done.void,
            percent=_percent(batch, numbered, done),
            register_id=batch.register.register_id if batch.hold else None,
            first_number=first,
            last_number=first + numbered - 1 if first else None,
            reason=ReasonView(code=reason.code, detail=reason.detail, detail_th=reason.detail_th)
            if reason
            else None,
            cancelled_by=batch.cancelled_by,
            manifest_sha256=manifest.sha256 if manifest else None,
            retain_until=manifest.retain_until if manifest else None,
            upload=BatchUpload(
                url=form.url,
                fields=dict(form.fields),
                largest_bytes=form.largest,
                expires_in=form.seconds,
            )
            if form
            else None,
            links=BatchLinks(
                self=base,
                report=f"{base}/report" if checked.complete else None,
                manifest=f"{base}/manifest" if manifest else None,
            ),
        )


class BatchPage(_Answer):
    items: list[BatchView] = Field(description="Without how far numbering and issuing are.")
    cursor: str | None = Field(description="Pass it on for the next page; null at the end.")


def _percent(batch: Batch, numbered: int, done: Progress) -> int:
    match batch.state:
        case BatchState.CHECKING:
            read = (batch.checked.place or {}).get("offset", 0)
            return _share(read, batch.size or 0)
        case BatchState.NUMBERING:
            return _share(numbered, batch.checked.valid)
        case BatchState.ISSUING:
            return _share(done.issued + done.void, numbered)
        case _:
            return 100 if batch.state.ended else 0


def _share(part: int, whole: int) -> int:
    return 100 * part // whole if whole else 0
