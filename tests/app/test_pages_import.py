"""Files of other programs on the prompts page: seen before they are stored."""

from sqlmodel import select

from core.database import Database
from evalsets.models import Dataset
from prompts import service
from prompts.models import Prompt
from tests.support.pages import page, words

CONFIG = b"""
description: News
prompts: ["file://topic.txt", "exec:make.sh"]
tests: rows.csv
"""


def stored(database: Database) -> list[str]:
    with database.read_scope() as session:
        return [*session.exec(select(Prompt.name)), *session.exec(select(Dataset.name))]


def test_what_is_taken_and_what_not_stands_before_the_button(workspace, sqlite_db):
    found = page("prompts", do="import")
    found.file_uploader[0].upload("pf.yaml", CONFIG)
    found.file_uploader[0].upload("topic.txt", b"Topic of {{ q }}?")
    found.file_uploader[0].upload("rows.csv", b"q,__expected\ncats,contains:cats\n").run()
    assert not found.exception
    taken, left = (frame.value for frame in found.dataframe[-2:])
    assert [list(row)[:2] for row in taken.itertuples(index=False)] == [
        ["prompt", "News/topic@1"], ["data set", "News@1 · 1"], ["evaluator", "News.contains"]
    ]  # fmt: skip
    assert next(iter(left.iloc[0])) == "exec:make.sh"
    assert stored(sqlite_db) == []
    next(one for one in found.button if one.label == "Import").click().run()
    assert not found.exception
    assert stored(sqlite_db) == ["News/topic", "News"]


def test_a_file_that_is_nothing_known_is_said(workspace, sqlite_db):
    found = page("prompts", do="import")
    found.file_uploader[0].upload("x.json", b"{nothing").run()
    assert not found.exception
    assert "no JSON" in str(found.dataframe[-1].value)
    assert not [one for one in found.button if one.label == "Import"]
    found = page("prompts", do="import")
    found.file_uploader[0].upload("p.prompty", b"---\nname: one\n---\nuser:\nHi {{ x }}\n").run()
    next(one for one in found.button if one.label == "Import").click().run()
    with sqlite_db.read_scope() as session:
        assert service.get(session, "one").version == 1
    assert words(found)
