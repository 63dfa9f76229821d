"""BouncyCastle and EU DSS on evidence records (RFC 4998): begun, renewed, hashed anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.ers_samples import History, samples
from tests.support.validators import Job, ask

pytestmark = pytest.mark.java

# What DSS rightly says of each today: the newest authority of all but the last has ended
# long ago, and nobody renewed its time-stamp before.
_TODAY = {
    "single": "INDETERMINATE",
    "initial": "INDETERMINATE",
    "renewed": "INDETERMINATE",
    "rehashed": "PASSED",
}
_OTHER = "other"


@pytest.fixture(scope="module")
def said(results: Path) -> Mapping[str, Mapping[str, Any]]:
    """Both validators on each record, with its data and with other data."""
    files = results / "files"
    history = History()
    root = files / "records-root.pem"
    root.write_text(history.root.pem, encoding="ascii")
    jobs = []
    for name, record, data in samples(history):
        (files / f"{name}.der").write_bytes(record)
        for title, content in ((name, data), (f"{name}.{_OTHER}", data + b"x")):
            (files / f"{title}.data").write_bytes(content)
            jobs.append(
                Job(
                    name=title,
                    check="record",
                    file=str(files / f"{name}.der"),
                    data=str(files / f"{title}.data"),
                    anchor=str(root),
                )
            )
    java = ask(jobs, results / "reports")
    answers = {job.name: java[job.name, "record"] for job in jobs}
    (results / "table-3.md").write_text(_table(answers), encoding="utf-8")
    return answers


def _table(answers: Mapping[str, Mapping[str, Any]]) -> str:
    lines = (
        f"| {name} | {answer.get('bouncycastle', answer.get('error'))} | {_of_dss(answer)} |\n"
        for name, answer in answers.items()
    )
    head = "### Evidence records\n\n| record and data | BouncyCastle | EU DSS |\n|---|---|---|\n"
    return head + "".join(lines)


def _of_dss(answer: Mapping[str, Any]) -> str:
    (seen,) = answer["dss"]
    return ", ".join(filter(None, (seen["indication"], seen["sub_indication"])))


@pytest.mark.parametrize("name", _TODAY)
def test_bouncycastle_finds_the_data_in_the_record(
    said: Mapping[str, Mapping[str, Any]], name: str
) -> None:
    """RFC 4998 §3.3, §4.3, §5.3: hash trees, time-stamps and both kinds of renewal hold for
    BouncyCastle."""
    assert said[name]["bouncycastle"] == "ok"


@pytest.mark.parametrize(("name", "indication"), _TODAY.items())
def test_dss_judges_the_newest_timestamp(
    said: Mapping[str, Mapping[str, Any]], name: str, indication: str
) -> None:
    """EN 319 102-1 §5.6: DSS finds the data in each record, and calls it proven exactly
    where the newest time-stamp still stands."""
    (seen,) = said[name]["dss"]
    assert seen["indication"] == indication
    assert seen["sub_indication"] in {None, "OUT_OF_BOUNDS_NOT_REVOKED"}


@pytest.mark.parametrize("name", _TODAY)
def test_other_data_is_refused(said: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """P2: a record proves its own data and no other."""
    answer = said[f"{name}.{_OTHER}"]
    (seen,) = answer["dss"]
    assert (seen["indication"], seen["sub_indication"]) == ("FAILED", "HASH_FAILURE")
    assert answer["bouncycastle"] != "ok"
