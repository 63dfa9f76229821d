"""Documents that two officers approved, with their bundles, as the interface hands them out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.bootstrap import bundle_trust, house
from chalicelib.domain.approval_records import ApprovalStatement
from chalicelib.domain.approvals import ApprovalPolicy
from chalicelib.domain.bundle_verdict import BundleVerdict
from chalicelib.domain.documents import Document
from chalicelib.domain.registers import LogName, Register
from chalicelib.domain.statements import claimed_payload
from chalicelib.services.bundle_trust import BundleTrust
from chalicelib.services.checkpoint import checkpoint_all, log_key
from chalicelib.services.verify_bundle import verify_bundle
from tests.fault.harness import World
from tests.integration.conftest import Api
from tests.support.approval_desk import ApprovalDesk
from tests.support.evidence import LocalSigner
from tests.support.rooms import Fakes, furnished, sample_event
from tests.support.samples import NOON

EVIDENCE = ("GET", "/v1/documents/{document_id}/evidence")


@dataclass(frozen=True)
class Proved:
    """Two documents that two officers approved, their bundles, and the file of the first."""

    document: Document
    bundle: dict[str, Any]
    other: dict[str, Any]
    pdf: bytes
    signer: LocalSigner
    trust: BundleTrust
    api: Api

    def verdict(self, bundle: dict[str, Any], pdf: bytes | None = None) -> BundleVerdict:
        return verify_bundle(bundle, now=NOON + timedelta(days=1), trust=self.trust, pdf=pdf)

    def codes(self, bundle: dict[str, Any], pdf: bytes | None = None) -> list[str]:
        return [finding.code for finding in self.verdict(bundle, pdf).findings]

    def statements(self) -> list[ApprovalStatement]:
        records = self.bundle["approval"]["records"]
        return [ApprovalStatement.from_payload(claimed_payload(record)) for record in records]

    def signed(self, *statements: ApprovalStatement) -> list[str]:
        """By the service's own key: what a service that went wrong might sign."""
        return [self.signer.sign(one.payload()) for one in statements]


@contextmanager
def proved_approvals() -> Iterator[Proved]:
    """Furnished as long as it is held."""
    fakes = Fakes(signer=LocalSigner())
    with furnished(fakes.house()):
        api = Api(fakes)
        desk = ApprovalDesk(api, ApprovalPolicy(approvers=2))
        licence = json.loads(sample_event("api")["body"])
        documents = [desk.submitted(licence) for _ in range(2)]
        fakes.clock.advance(timedelta(minutes=5))
        for officer in (desk.officer("one"), desk.officer("two")):
            assert officer.decides_all(documents).json["decided"] == 2
        fakes.clock.advance(timedelta(minutes=5))
        World(fakes).run_to_rest()
        checkpoint_all(room=house().checkpoint_room)
        paths = [{"document_id": one.document_id} for one in documents]
        first, second = (api.call(*EVIDENCE, path=path).json for path in paths)
        key = log_key(
            Register.parse(first["register_id"]),
            LogName.OUTCOMES,
            public_url=house().settings.public_url,
            public_key=fakes.log_signer.public_key,
        )
        document = desk.now(documents[0])
        assert document.file is not None
        pdf = fakes.archive.files[document.file.key]
        trust = bundle_trust(log_keys=(key,), jwks=fakes.signer.jwks())
        yield Proved(document, first, second, pdf, fakes.signer, trust, api)
