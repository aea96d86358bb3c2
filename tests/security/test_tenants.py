"""A base never shows another's passages, and a rule never shows what it does not allow."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database
from rag import service
from rag.access import restrict, set_rule
from rag.embedders import Embedder
from rag.search_settings import SearchSettings
from rag.searching import Searcher
from tests.support.bases import ACTOR, fill, make_base, packaged
from tests.support.depth import DEEP

TENANTS = 20 if DEEP else 6
QUERIES = 2000 if DEEP else 200
MODES = ("hybrid", "dense", "lexical")
INJECTIONS = (
    ("tenant", "t03' OR '1'='1"), ("tenant", '{"$ne": "x"}'), ("base_id", "%"), ("$or", "[]"),
    ("", ""), ("tenant", "*"), ("tenant\x00", "t03"), ("document", "canary"),
)  # fmt: skip


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    found = packaged()
    yield found
    found.close()


def canary(tenant: int) -> str:
    return f"canary{tenant:02}zx"


def _documents(folder: Path, tenant: int) -> Path:
    folder.mkdir()
    for name in ("payroll", "roadmap"):
        text = f"# {name}\n\nThe secret word of the {name} is {canary(tenant)}.\n"
        (folder / f"{name}.md").write_text(text)
    return folder


@pytest.fixture
def searcher(sqlite_db: Database, embedder: Embedder, tmp_path: Path) -> Iterator[Searcher]:
    for tenant in range(TENANTS):
        name = f"t{tenant:02}"
        make_base(sqlite_db, embedder, name)
        fill(sqlite_db, embedder, _documents(tmp_path / name, tenant), name=name,
             meta={"tenant": name})  # fmt: skip
    found = Searcher(sqlite_db)
    yield found
    found.close()


def test_no_query_finds_a_passage_of_another_base(searcher: Searcher):
    rng = random.Random(4)
    own = 0
    for _ in range(QUERIES):
        tenant, other = rng.randrange(TENANTS), rng.randrange(TENANTS)
        where = (rng.choice(INJECTIONS),) if rng.random() < 0.4 else ()
        settings = SearchSettings(mode=rng.choice(MODES), top_k=200, where=where)
        query = f"the secret word {canary(other)} of the payroll"
        for hit in searcher.search(f"t{tenant:02}", query, settings).hits:
            assert canary(tenant) in hit.text
            own += 1
    assert own > QUERIES  # the control: what is one's own is found


def test_a_rule_filters_before_ranking_in_every_mode(
    sqlite_db: Database, embedder: Embedder, tmp_path: Path
):
    make_base(sqlite_db, embedder)
    for dept, numbers in (("it", [*range(17), *range(18, 30)]), ("hr", [17])):
        paths = [tmp_path / f"note{number:02}.md" for number in numbers]
        for number, path in zip(numbers, paths, strict=True):
            path.write_text(f"# Note {number}\n\nThe printer on floor {number} is broken.\n")
        fill(sqlite_db, embedder, *paths, meta={"dept": dept})
    with sqlite_db.session_scope(ACTOR) as session:
        base = service.get(session, "docs")
        set_rule(session, base, "user:ann", {"dept": ["hr"]})
        restrict(session, base, True)
    searcher = Searcher(sqlite_db)
    try:
        for mode in MODES:
            settings = SearchSettings(mode=mode, top_k=5)
            query = "printer broken on floor 3"
            found = searcher.search("docs", query, settings, subject="user:ann").hits
            assert [hit.document for hit in found] == ["note17.md"]
            asked = settings.model_copy(update={"where": (("dept", "it"),)})
            assert searcher.search("docs", query, asked, subject="user:ann").hits == ()
            assert searcher.search("docs", query, settings, subject="user:eve").hits == ()
            assert len(searcher.search("docs", query, settings).hits) == 5  # the control
    finally:
        searcher.close()
