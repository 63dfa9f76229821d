"""Paths of certificates: found at a bounded cost, whoever sent the certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.adapters import x509_paths
from chalicelib.adapters.x509_paths import DistrustError, find_path

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
_serials = count(1)


class Ca:
    """A name and a key."""

    def __init__(self, name: str) -> None:
        self.name = x509.Name.from_rfc4514_string(f"CN={name}")
        self.key = ec.generate_private_key(ec.SECP256R1())

    def certificate(
        self,
        by: Ca | None = None,
        *,
        is_ca: bool = True,
        path_length: int | None = None,
        ends: datetime = NOW + 900 * DAY,
    ) -> x509.Certificate:
        issuer = by or self
        return (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name)
            .public_key(self.key.public_key())
            .serial_number(next(_serials))
            .not_valid_before(NOW - 30 * DAY)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=path_length), critical=True)
            .sign(issuer.key, hashes.SHA256())
        )


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One element for each question whether one certificate has issued another."""
    asked: list[None] = []
    really = x509_paths.is_issued_by

    def counted(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        asked.append(None)
        return really(certificate, issuer)

    monkeypatch.setattr(x509_paths, "is_issued_by", counted)
    return asked


def test_a_path_over_issuers_in_any_order() -> None:
    """RFC 5280 §6: the path is found however its certificates are sorted."""
    root, upper, lower, leaf = (Ca(name) for name in ("root", "upper", "lower", "leaf"))
    anchor, stranger = root.certificate(), Ca("stranger").certificate()
    high, low = upper.certificate(root), lower.certificate(upper)
    end = leaf.certificate(lower, is_ca=False)
    path = find_path(end, [high, stranger, low, anchor, low], [stranger, anchor])
    assert path.certificates == (end, low, high, anchor)


def test_one_name_and_key_many_times_costs_little(checked: list[None]) -> None:
    """P4: certificates that all have issued each other are looked at once each; the sender of
    a token decides what it holds, before its signature is checked."""
    evil = Ca("evil")
    issuers = [evil.certificate() for _ in range(8)]
    leaf = Ca("leaf").certificate(evil, is_ca=False)
    with pytest.raises(DistrustError, match="no chain"):
        find_path(leaf, issuers, [Ca("root").certificate()])
    assert len(checked) <= (len(issuers) + 1) ** 2


def test_names_that_issue_each_other_cost_little(checked: list[None]) -> None:
    """P4: the same for CAs with keys of their own, each certified by each."""
    ring = [Ca(f"evil {n}") for n in range(4)]
    issuers = [one.certificate(other) for one in ring for other in ring]
    leaf = Ca("leaf").certificate(ring[0], is_ca=False)
    with pytest.raises(DistrustError, match="no chain"):
        find_path(leaf, issuers, [Ca("root").certificate()])
    assert len(checked) <= (len(issuers) + 1) ** 2


def test_too_many_certificates_are_not_looked_at(checked: list[None]) -> None:
    """P4: nobody needs so many; they are refused before any of them is checked."""
    evil = Ca("evil")
    leaf = Ca("leaf").certificate(evil, is_ca=False)
    with pytest.raises(DistrustError, match="too many certificates"):
        find_path(leaf, [evil.certificate() for _ in range(20)], [evil.certificate()])
    assert checked == []


def test_the_good_one_of_two_ways() -> None:
    """RFC 5280 §6: a CA certified twice is reached by the way that holds."""
    root, other, ca, leaf = (Ca(name) for name in ("root", "other", "ca", "leaf"))
    anchor = root.certificate()
    detour = ca.certificate(other)
    narrow = other.certificate(root, path_length=0)  # allows no CA below
    direct = ca.certificate(root)
    end = leaf.certificate(ca, is_ca=False)
    assert find_path(end, [detour, narrow, direct], [anchor]).certificates == (end, direct, anchor)
    with pytest.raises(DistrustError, match="longer than it allows"):
        find_path(end, [detour, narrow], [anchor])


def test_an_anchor_is_a_name_and_a_key() -> None:
    """RFC 5280 §6.1.1 (d): the anchor's own end counts neither for use nor for the warning
    before it; the directory says how long it is trusted."""
    root, leaf = Ca("root"), Ca("leaf")
    end = leaf.certificate(root, is_ca=False)
    path = find_path(end, [], [root.certificate(ends=NOW - DAY)])
    path.check_times(NOW)
    assert path.ends_at == end.not_valid_after_utc
    with pytest.raises(DistrustError, match="leaf has expired"):
        path.check_times(path.ends_at + DAY)
