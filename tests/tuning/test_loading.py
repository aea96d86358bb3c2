"""From a version's cases to the trainer's file: bad rows named, nothing half written."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.errors import Invalid, NotFound
from evalsets.datasets.edits import typed_cases
from evalsets.datasets.service import push
from tuning.data.loading import load_rows, write_rows
from tuning.data.rows import Row, SftRow, Turn, as_trl

GOOD = {"instruction": "What is {} + 1?", "input": "", "output": "{}"}


def alpaca(n: int) -> dict[str, Any]:
    return {name: text.format(n) for name, text in GOOD.items()}


def pushed(database: Database, rows: list[dict[str, Any]], name: str = "set") -> None:
    with database.session_scope("test") as session:
        push(session, name, typed_cases(rows))


def test_parts_by_split(sqlite_db: Database):
    splits = [None, "train", "dev", "test", "holdout"]
    pushed(sqlite_db, [{**alpaca(n), "split": split} for n, split in enumerate(splits)])
    with sqlite_db.read_scope() as session:
        loaded = load_rows(session, "set", "latest", "sft")
        with pytest.raises(NotFound):
            load_rows(session, "nothing", 1, "sft")
    assert loaded.ref == "set@1"
    assert len(loaded.hash) == 64
    asked = [one.row.messages[0].content for one in loaded.training]
    assert asked == ["What is 0 + 1?", "What is 1 + 1?"]
    assert len(loaded.evaluation) == 3
    assert loaded.bad == ()


def test_bad_rows_are_named_and_skipped_only_by_word(sqlite_db: Database):
    rows = [alpaca(n) for n in range(97)]
    rows.insert(1, {"instruction": "x", "output": ""})
    rows.insert(50, {"instruction": "x", "output": 3, "id": "odd"})
    rows.append({"text": "not a row"})
    pushed(sqlite_db, rows)
    with sqlite_db.read_scope() as session:
        with pytest.raises(Invalid) as refused:
            load_rows(session, "set", "latest", "sft")
        loaded = load_rows(session, "set", "latest", "sft", skip_bad=True)
    said = str(refused.value)
    assert "3 bad rows of 100: line 2 (case" in said
    assert "line 51 (case odd): the answer is a number" in said
    assert "--skip-bad" in said
    assert [bad.line for bad in loaded.bad] == [2, 51, 100]
    assert len(loaded.training) == 97


def test_most_rows_bad_is_another_format(sqlite_db: Database):
    pushed(sqlite_db, [alpaca(n) for n in range(8)] + [{"text": str(n)} for n in range(2)])
    with sqlite_db.read_scope() as session:
        with pytest.raises(Invalid, match="More than 10% cannot be skipped"):
            load_rows(session, "set", 1, "sft", skip_bad=True)
        with pytest.raises(Invalid, match="a row for sft, not for dpo"):
            load_rows(session, "set", 1, "dpo", skip_bad=True)


def test_rows_are_written_whole_or_not_at_all(tmp_path: Path):
    rows: list[Row] = [
        SftRow((Turn("user", f"q {n}\u2028"), Turn("assistant", "答"))) for n in range(3)
    ]
    path = tmp_path / "job" / "rows.jsonl"
    digest = write_rows(path, rows)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    lines = path.read_bytes().split(b"\n")
    assert [json.loads(line) for line in lines if line] == [as_trl(row) for row in rows]

    def broken():
        yield rows[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_rows(path, broken())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert [one.name for one in path.parent.iterdir()] == ["rows.jsonl"]
