"""Votes on two outputs: appended, the newest of an annotator counts, sides do not matter."""

import pytest

from core.database import Database
from core.errors import Invalid
from evalsets.labels.output_pairs import (
    OutputPair,
    newest_output_preferences,
    save_output_preference,
)

PAIR = OutputPair("scene:1", {"q": "你好"}, "left 😀", "right", "ask@1 | demo", "ask@2 | demo")


def test_the_newest_of_each_annotator_counts(db: Database) -> None:
    turned = PAIR._replace(
        output_a=PAIR.output_b, output_b=PAIR.output_a, arm_a=PAIR.arm_b, arm_b=PAIR.arm_a
    )
    with db.session_scope("user:ann") as session:
        save_output_preference(session, PAIR, "a")
        save_output_preference(session, turned, "tie")
        save_output_preference(session, PAIR._replace(place="scene:2"), "b")
    with db.session_scope("user:bob") as session:
        save_output_preference(session, PAIR, "b")
    with db.read_scope() as session:
        rows = newest_output_preferences(session, "scene:1")
        assert [(row.annotator, row.preference, row.arm_a) for row in rows] == [
            ("ann", "tie", "ask@2 | demo"),
            ("bob", "b", "ask@1 | demo"),
        ]
        assert rows[0].output_b == "left 😀"


def test_a_word_that_is_no_preference_is_refused(sqlite_db: Database) -> None:
    with pytest.raises(Invalid, match="a, b, tie"), sqlite_db.session_scope("user:ann") as session:
        save_output_preference(session, PAIR, "best")
