"""Evidence records with a long life: test vectors for our validator and for other people's.

    python -m tests.support.ers_samples FOLDER

writes `root.pem` and, for each case, `<case>.der` with its `<case>.data`. All times lie in
the past, so that a validator without a clock of its own can look at them today.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from chalicelib.adapters.ers import DerEvidenceRecords
from chalicelib.domain.evidence_records import ArchiveTimestamp, Chain, renewed_leaf, stamp_leaf
from chalicelib.domain.hash_tree import HashTree, digest_of
from tests.support.ers_stamps import Era, Root, year

DOCUMENTS = tuple(f"document {n}".encode() for n in range(7))
"""Seven: not a power of two, so that a group of three comes up."""

WRITER = DerEvidenceRecords()


@dataclass
class History:
    """The life of one archive: a clock, and an authority for each time."""

    root: Root = field(default_factory=Root)
    now: datetime = field(default_factory=lambda: year(2006))

    def __post_init__(self) -> None:
        self.first = self._era("First authority", 2005, 2015)
        self.second = self._era("Second authority", 2012, 2022)
        self.third = self._era("Third authority", 2019, 2039)

    def clock(self) -> datetime:
        return self.now

    def begun(self, index: int = 3, documents: tuple[bytes, ...] = DOCUMENTS) -> Chain:
        """2006: a time-stamp over all documents."""
        self.now = year(2006)
        tree = HashTree([digest_of(d, "sha256") for d in documents])
        stamp = self.first.stamper.stamp(tree.root, "sha256")
        return (
            ArchiveTimestamp(algorithm="sha256", reduced=tree.reduced(index), token=stamp.token),
        )

    def renewed(self, chain: Chain) -> Chain:
        """2014: a time-stamp over the time-stamp, and over two more of other archives."""
        self.now = year(2014)
        older = replace(chain[-1], token=self.first.stamper.refresh(chain[-1].token))
        others = [digest_of(bytes([n]), "sha256") for n in range(2)]
        tree = HashTree([stamp_leaf(older.token, "sha256"), *others])
        stamp = self.second.stamper.stamp(tree.root, "sha256")
        newest = ArchiveTimestamp(algorithm="sha256", reduced=tree.reduced(0), token=stamp.token)
        return (*chain[:-1], older, newest)

    def rehashed(self, chain: Chain, data: bytes) -> tuple[Chain, Chain]:
        """2020: another tree under SHA-512, over documents and all that was before."""
        self.now = year(2020)
        older = (
            *chain[:-1],
            replace(chain[-1], token=self.second.stamper.refresh(chain[-1].token)),
        )
        leaf = renewed_leaf(digest_of(data, "sha512"), WRITER.sequence([older]), "sha512")
        tree = HashTree([digest_of(b"another", "sha512"), leaf], "sha512")
        stamp = self.third.stamper.stamp(tree.root, "sha512")
        newest = ArchiveTimestamp(algorithm="sha512", reduced=tree.reduced(1), token=stamp.token)
        return older, (newest,)

    def _era(self, name: str, since: int, until: int) -> Era:
        return Era(self.root, self.clock, name=name, since=year(since), until=year(until))


def samples(history: History) -> Iterator[tuple[str, bytes, bytes]]:
    """Name, record and data of each case."""
    data = DOCUMENTS[3]
    begun = history.begun()
    yield "single", WRITER.record([history.begun(0, (data,))]), data
    yield "initial", WRITER.record([begun]), data
    renewed = history.renewed(begun)
    yield "renewed", WRITER.record([renewed]), data
    yield "rehashed", WRITER.record(history.rehashed(renewed, data)), data


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    history = History()
    (folder / "root.pem").write_text(history.root.pem, encoding="ascii")
    for name, record, data in samples(history):
        (folder / f"{name}.der").write_bytes(record)
        (folder / f"{name}.data").write_bytes(data)


if __name__ == "__main__":
    main()
