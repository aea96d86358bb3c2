"""The winner's version gets the alias, and the move keeps what was known."""

import json

import pytest
from sqlmodel import select

from core import audit
from core.database import Database
from core.errors import Invalid, NotFound
from evalsets.labels.importing import import_labels
from evalsets.labels.lines import lines_of
from evalsets.models import VerdictLook
from evalsets.verdicts.promote import promote
from prompts.content import MessageTemplate, PromptContent
from prompts.service import alias_moves, get, push, set_alias
from tests.support.runs_factory import make_run

ARMS = ("base@1 | echo", "base@2 | echo")


@pytest.fixture
def run(db: Database) -> str:
    with db.session_scope("cli:tester") as session:
        for text in ("Answer {{ question }}", "Answer well: {{ question }}"):
            messages = (MessageTemplate(role="user", content=text),)
            push(session, "base", PromptContent(messages=messages))
        run = make_run(session, cases=12, arms=ARMS, split="test")
        lines = [
            json.dumps({"cell": cell, "label": "good" if cell % 2 else "bad", "annotator": "ann"})
            for cell in range(24)
        ]
        import_labels(session, run, lines_of("\n".join(lines)))
    return run


def test_the_alias_moves_with_its_evidence(db: Database, run: str) -> None:
    with db.session_scope("cli:tester") as session:
        set_alias(session, "base", 1, "production")
    with db.session_scope("user:ann") as session:
        assert promote(session, run, ARMS[1], "production", "12 of 12 better") is not None
    with db.session_scope("user:ann") as session:
        assert get(session, "base", "production").version == 2
        move = alias_moves(session, "base", "production")[0]
        assert (move.from_version, move.to_version, move.actor) == (1, 2, "user:ann")
        assert move.reason == "12 of 12 better"
        evidence = move.evidence
        assert evidence is not None
        assert (evidence["run"], evidence["arm"], evidence["split"]) == (run, ARMS[1], ["test"])
        assert evidence["dataset"] == "questions@1"
        (one,) = evidence["comparisons"]
        assert (one["verdict"], one["n_pairs"], one["alpha"]) == ("candidate better", 12, 0.05)
        row = audit.rows(session, limit=1)[0]
        assert (row.action, row.object) == ("prompt.alias", "base")
        assert row.detail["evidence"] == evidence
        assert audit.verify(session) is None
        assert session.exec(select(VerdictLook.by)).all() == ["label"]
        assert promote(session, run, ARMS[1], "production", "again") is None


def test_an_arm_without_a_prompt_cannot_be_promoted(db: Database) -> None:
    with db.session_scope("user:ann") as session:
        run = make_run(session, arms=("ours", "theirs"), imported=True)
        with pytest.raises(Invalid, match="imported"):
            promote(session, run, "ours", "production", "")
        with pytest.raises(Invalid, match="no arm"):
            promote(session, run, "nobody's", "production", "")


def test_a_deleted_prompt_or_a_bad_alias_is_named(db: Database, run: str) -> None:
    with db.session_scope("user:ann") as session:
        with pytest.raises(Invalid, match="latest"):
            promote(session, run, ARMS[0], "latest", "")
        other = make_run(session, arms=("gone@1 | echo", "gone@2 | echo"))
        with pytest.raises(NotFound):
            promote(session, other, "gone@1 | echo", "production", "")
