"""Answers from documents on the pages: of a cell, and of a prompt that is tried."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from app.workspace.components import plan_address
from core.database import Database
from evalsets.datasets import service as datasets
from evalsets.datasets.edits import typed_cases
from evalsets.models import Answer, Cell, Run
from prompts import service as prompts
from prompts.content import MessageTemplate, PromptContent
from rag import service as bases
from rag.embedders import Embedder
from tests.support.bases import fill, make_base, packaged
from tests.support.pages import page, words
from tests.support.runs_factory import make_run

TEMPLATE = "{% for p in context %}[{{ p.n }}] {{ p.text }}\n{% endfor %}{{ question }}"


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    with packaged() as found:
        yield found


def source(n: int, document: str, page_number: int | None) -> dict[str, object]:
    return {
        "n": n, "document": document, "document_id": f"d{n}", "chunk_id": f"c{n}", "title": "",
        "page": page_number, "score": 0.5, "start": 0, "end": 9,
    }  # fmt: skip


def test_a_cell_links_its_passages_and_marks_those_that_are_cited(
    workspace, sqlite_db: Database
) -> None:
    with sqlite_db.session_scope("user:admin") as session:
        run_id = make_run(
            session, cases=2, imported=True, output=lambda row, arm, _: f"As {row} {arm} says [2]."
        )
        run = session.exec(select(Run).where(Run.id == run_id)).one()
        arms = [dict(arm) for arm in run.manifest["arms"]]
        arms[0]["retrieval"] = {"kb": "docs", "base_id": "b", "snapshot": 1}
        run.manifest = {**run.manifest, "arms": arms}
        cell = session.exec(select(Cell).where(Cell.run_id == run_id, Cell.number == 0)).one()
        cell.sources = [source(1, "a.md", None), source(2, "**b**.pdf", 3)]
        session.add_all([run, cell])
        assert session.get_one(Answer, cell.answer_id).output == "As 0 0 says [2]."
    found = page("runs", id=run_id, tab="cases", sel="0")
    assert not found.exception
    assert "Passages it was given, from docs" in words(found)
    links = [one.proto for one in found.get("page_link")]
    labels = [one.label.replace("\\", "") for one in links if "doc=" in one.query_string]
    assert labels == ["[1] a.md", "[2] **b**.pdf · p. 3 · cited"]
    assert "\\*\\*b\\*\\*" in next(one.label for one in links if "doc=d2" in one.query_string)
    asked = next(one.query_string for one in links if "doc=d2" in one.query_string)
    assert set(asked.split("&")) == {"id=docs", "tab=documents", "doc=d2", "sel=c2"}
    assert "Passages it was given" not in words(page("runs", id=run_id, tab="cases", sel="1"))


def test_the_new_evaluators_stand_in_the_catalogue_and_open(workspace) -> None:
    found = page("evaluators")
    assert not found.exception
    assert "says that it is not in the context" in words(found)
    for kind in ("context_recall", "cites", "refused", "faithfulness", "answer_relevance"):
        assert not page("evaluators", id=kind).exception, kind


def test_a_prompt_is_tried_on_a_base_and_names_its_passages(
    workspace, sqlite_db: Database, embedder: Embedder, tmp_path: Path
) -> None:
    with sqlite_db.session_scope("user:admin") as session:
        content = PromptContent(
            messages=(MessageTemplate(role="user", content=TEMPLATE),), model="echo"
        )
        prompts.push(session, "rag", content)
    assert not [one for one in page("prompts", id="rag").selectbox if one.label == "Knowledge base"]
    (tmp_path / "cats.md").write_text("# Cats\n\nCats sleep for most of the day.\n")
    make_base(sqlite_db, embedder)
    fill(sqlite_db, embedder, tmp_path / "cats.md")
    found = page("prompts", id="rag")
    assert "context" in {area.label for area in found.text_area}
    found.selectbox(key="trial_base_rag").set_value("docs").run()
    assert "context" not in {area.label for area in found.text_area}
    found.text_area(key="value_rag_question_text").set_value("What do cats do all day?").run()
    assert "tokens in" in words(found)
    found.button(key="trial_run").click().run()
    assert not found.exception
    deadline = time.monotonic() + 20
    while "Passages it was given, from docs" not in words(found):
        assert time.monotonic() < deadline, words(found)
        found.run()
    again = page("prompts", id="rag")
    while "cited" not in (labels := " ".join(one.proto.label for one in again.get("page_link"))):
        assert time.monotonic() < deadline, labels
        again.run()
    assert "cats" in labels


def test_a_run_is_planned_over_a_base_and_settings_that_differ_make_arms(
    workspace, sqlite_db: Database, embedder: Embedder, tmp_path: Path
) -> None:
    with sqlite_db.session_scope("user:admin") as session:
        content = PromptContent(
            messages=(MessageTemplate(role="user", content=TEMPLATE),), model="echo"
        )
        prompts.push(session, "rag", content)
        prompts.push(session, "plain", content.model_copy(update={"messages": (
            MessageTemplate(role="user", content="{{ question }}"),
        )}))  # fmt: skip
        datasets.push(session, "asked", typed_cases([{"question": "Who sleeps?"}]))
    (tmp_path / "cats.md").write_text("# Cats\n\nCats sleep for most of the day.\n")
    make_base(sqlite_db, embedder)
    fill(sqlite_db, embedder, tmp_path / "cats.md")
    found = page("runs", do="plan", prompt="plain@1", dataset="asked")
    assert "plan_bases" not in {one.key for one in found.multiselect}
    found = page("runs", do="plan", prompt="rag@1", dataset="asked", kb="docs")
    assert found.multiselect(key="plan_bases").value == ["docs"]
    found.multiselect(key="plan_models").set_value(["echo"]).run()
    assert "for 1 cell" in words(found)
    found.multiselect(key="plan_retrieval").set_value(["mode=lexical", "mode=dense"]).run()
    assert "for 2 cells" in words(found)
    found.multiselect(key="plan_retrieval").set_value(["top_k=0"]).run()
    assert "greater than or equal to 1" in words(found)
    found.multiselect(key="plan_retrieval").set_value(["lexical"]).run()
    assert "is no search setting" in words(found)
    found.multiselect(key="plan_retrieval").set_value(["mode=lexical", "mode=dense"]).run()
    found.button(key="plan_start").click().run()
    with sqlite_db.session_scope("user:admin") as session:
        run = session.exec(select(Run)).one()
        base = bases.get(session, "docs")
        bases.save_retrieval(session, base.id, {"top_k": 4})
    modes = [arm["retrieval"]["settings"]["mode"] for arm in run.manifest["arms"]]
    assert modes == ["lexical", "dense"]
    assert {arm["retrieval"]["base_id"] for arm in run.manifest["arms"]} == {base.id}
    with sqlite_db.read_scope() as session:
        arms = plan_address.of_run(session, run)["arms"] or ""
    said = [f"rag@1 | echo | kb=docs@1 | mode={mode}" for mode in ("lexical", "dense")]
    assert json.loads(arms) == [f"{said[0]} | top_k=8", f"{said[1]} | top_k=8"], "8 was the base's"
    found = page("runs", do="plan", arms=json.dumps(["plain@1 | echo", *said]), dataset="asked")
    assert "plan_bases" not in {one.key for one in found.multiselect}
    assert "for 3 cells" in words(found)
    listed = page("knowledge", id="docs", tab="snapshots")
    assert "Runs that read from this base" in words(listed)
    offered = page("home").selectbox(key="goto").options
    assert {"docs · knowledge base", "asked@1 · run", "asked · dataset"} <= set(offered)
