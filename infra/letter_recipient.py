"""A recipient agency in a few lines, for the demo: it reads its own queue and answers with its
own key. An agency's developer looks at docs/guide/samples instead.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters.jws import check_jws
from chalicelib.adapters.kms import public_jwk, thumbprint
from chalicelib.domain.delivery_events import Received
from chalicelib.domain.delivery_evidence import Evidence
from chalicelib.domain.receipts import (
    Receipt,
    Rejection,
    RejectionReason,
    print_receive_number,
)
from chalicelib.domain.statements import to_the_millisecond
from chalicelib.domain.thai import register_year
from infra.agency_list import AGENCIES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chalicelib.domain.directory import Agency
    from infra.client import Client


class ReplyKey:
    """A P-256 key of an agency's own; `public` goes into the directory."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        der = self._private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        jwk = public_jwk(der)
        self.public = {**jwk, "kid": thumbprint(jwk)}

    def sign(self, payload: bytes) -> str:
        """Compact JWS, ES256."""
        headers = {"kid": self.public["kid"]}
        return jwt.PyJWS().encode(payload, self._private, algorithm="ES256", headers=headers)


def list_with_keys(keys: Mapping[str, ReplyKey], path: Path) -> Path:
    """The list of agencies with keys of agencies' own in it, at `path`: what an operator does by
    hand."""
    return list_with({agency: {"reply_keys": [key.public]} for agency, key in keys.items()}, path)


def list_with(settings: Mapping[str, Mapping[str, Any]], path: Path) -> Path:
    """The list of agencies with more settings of some of them, at `path`."""
    listed = json.loads(AGENCIES.read_text(encoding="utf-8"))
    for agency in listed["agencies"]:
        agency.update(settings.get(agency["agency_id"], {}))
    path.write_text(json.dumps(listed, ensure_ascii=False, indent=2), encoding="utf-8")
    return path


_RECEIVER = "เจ้าหน้าที่สารบรรณ (ตัวอย่าง)"


@dataclass(slots=True)
class Recipient:
    """An agency with a register and a key of its own; `answers` holds what it signed, by
    delivery."""

    client: Client
    agency: Agency
    key: ReplyKey
    jwks: Mapping[str, Any]
    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    last_number: int = 0

    def answer(
        self, event: Mapping[str, Any], entered: datetime, *, belongs_to: str | None = None
    ) -> dict[str, Any]:
        """Register the letter that `event` tells of, or reject it as one that `belongs_to` another
        agency; asked again, say the same again. Returns what Tra answered."""
        delivery_id = str(event["data"]["delivery_id"])
        if delivery_id not in self.answers:
            told = Evidence.read(check_jws(event["data"]["evidence"], self.jwks))
            self.answers[delivery_id] = self._decided(told, entered, belongs_to)
        kind, jws = self.answers[delivery_id]
        return self.client.post(f"/v1/inbox/{delivery_id}/{kind}", {kind: jws}, key=jws[-40:])

    def _decided(
        self, told: Evidence, entered: datetime, belongs_to: str | None
    ) -> tuple[str, str]:
        pdf = self.client.file(told.delivery_id.document_id)
        if hashlib.sha256(pdf).hexdigest() != told.file_digest:
            raise ValueError(f"the file of {told.delivery_id} is not the one that was sent")
        now = to_the_millisecond(datetime.now(UTC))
        letter: dict[str, Any] = {
            "delivery_id": told.delivery_id,
            "sender": told.sender,
            "letter_number": told.letter_number,
            "letter_date": told.letter_date,
            "file_digest": told.file_digest,
            "received": Received(to_the_millisecond(entered)),
        }
        if belongs_to is not None:
            rejection = Rejection(
                **letter,
                rejected_at=now,
                code=RejectionReason.MISDIRECTED,
                suggested_agency=belongs_to,
            )
            return "rejection", self.key.sign(rejection.payload())
        year = register_year(now)
        self.last_number += 1
        receipt = Receipt(
            **letter,
            year=year,
            number=self.last_number,
            printed=print_receive_number(year, self.last_number, self.agency.letter_prefix),
            registered_at=now,
            receiver=_RECEIVER,
            agency_name=self.agency.name_th,
        )
        return "receipt", self.key.sign(receipt.payload())
