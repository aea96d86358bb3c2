"""`promptstone kb`, as a user types it."""

from pathlib import Path

import pytest

from core.database import Database
from tests.support.forked import Forking
from tests.support.shell import Shell


@pytest.fixture
def shell(forking: Forking, sqlite_db: Database, tmp_path: Path) -> Shell:
    return Shell(sqlite_db.settings.data, forking, tmp_path)


def test_a_base_that_holds_nothing_judged_is_measured_without_figures(shell: Shell) -> None:
    queries = shell.write("queries.jsonl", '{"_id": "q1", "text": "penguins"}\n')
    qrels = shell.write("qrels.tsv", "q1\tcold.txt\t1\n")
    shell("kb", "create", "empty")
    told = shell("kb", "eval", "empty", "--queries", queries, "--qrels", qrels)
    assert told.startswith("0 queries, 1 without a relevant document left out, 1 judged")
    assert "against" not in told
    modes = ("--mode", "lexical", "--mode", "dense")
    found = shell.json("kb", "eval", "empty", "--queries", queries, "--qrels", qrels, *modes)
    assert found["n_queries"] == 0
    assert found["comparisons"][0]["difference"] is None
