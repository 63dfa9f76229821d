"""The development PKI: root, issuing CA, two time-stamp authorities, OCSP and CRLs.

It stands in for a CA that Thai law recognises, so that seals can be made and checked
on one machine. Its keys lie in plain files and it certifies any key it is handed:
every subject says "DEVELOPMENT ONLY", it warns when it is built, and it refuses the
stage `prod`. Certificates follow RFC 5280 and, for seals, EN 319 412-3; answers follow
RFC 6960 (OCSP), RFC 5280 (CRL) and RFC 3161 with RFC 5816 (time-stamps).
"""

from infra.pki.authorities import (
    DEVELOPMENT_POLICY,
    DOCUMENT_SIGNING,
    MARK,
    WARNING,
    Authority,
    DevelopmentPki,
    Validity,
    issue_ocsp_responder,
    issue_seal_certificate,
    issue_timestamp_authority,
    load_pki,
    open_pki,
    to_pem,
)
from infra.pki.services import OcspService, PkiService, TimestampService

__all__ = [
    "DEVELOPMENT_POLICY",
    "DOCUMENT_SIGNING",
    "MARK",
    "WARNING",
    "Authority",
    "DevelopmentPki",
    "OcspService",
    "PkiService",
    "TimestampService",
    "Validity",
    "issue_ocsp_responder",
    "issue_seal_certificate",
    "issue_timestamp_authority",
    "load_pki",
    "open_pki",
    "to_pem",
]
