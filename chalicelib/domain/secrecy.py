"""What is classified, and what an encryption of it is bound to (A13, C5).

Classified is what a document says, what it is about, and who its parties are. Identifiers,
numbers, dates, agencies and the classification itself stay clear: they lead to it (docs/adr/0047).
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.classification import Classification


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretContext:
    """What an encryption is bound to: opened with any other it fails (encryption context of KMS,
    associated data of AES-GCM). `purpose` says which of its parts it is and where that lies:
    `content`, `entry`, an object's key …"""

    document_id: str
    agency_id: str
    classification: Classification
    purpose: str
