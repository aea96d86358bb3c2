"""Passages drawn from a base: evenly, seeded, enabled ones alone, and none that one may not see."""

from collections import Counter
from pathlib import Path

import pytest
from sqlmodel import Session, select

from core.database import Database
from rag.access import NOTHING
from rag.drawing import draw
from rag.models import Chunk, Document
from tests.support.bases import fill, make_base, packaged


@pytest.fixture
def base(db: Database, tmp_path: Path) -> Database:
    make_base(db, packaged(), tokens=16)
    for name, parts in (("long", 12), ("short", 2), ("secret", 3)):
        text = "\n\n".join(f"# Part {n}\n\nThe {name} text says {n} things." for n in range(parts))
        (tmp_path / f"{name}.md").write_text(text)
    fill(db, packaged(), tmp_path)
    with db.session_scope("user:ann") as session:
        for one in session.exec(select(Document)):
            one.meta = {"level": "secret" if "secret" in one.name else "open"}
            session.add(one)
    return db


def names(session: Session, wanted: int, seed: int = 0, **how: object) -> list[str]:
    found = draw(session, "docs", wanted, {"level": ["open"]}, seed=seed, **how)  # type: ignore[arg-type]
    return [one.text for one in found.chunks]


def test_documents_take_turns_and_a_seed_is_a_draw(base: Database) -> None:
    with base.read_scope() as session:
        found = draw(session, "docs", 4, {"level": ["open"]})
        assert found.documents == 2
        counts = Counter(one.document for one in found.chunks)
        assert sorted(counts.values()) == [2, 2]
        assert names(session, 6) == names(session, 6)
        assert any(names(session, 2) != names(session, 2, seed) for seed in range(1, 6))
        assert len(names(session, 100)) == len(set(names(session, 100)))
        assert sum(map(len, names(session, 100, characters=90))) <= 90


def test_only_what_one_may_see_and_what_is_enabled(base: Database) -> None:
    with base.session_scope("user:ann") as session:
        everything = draw(session, "docs", 100, {}).chunks
        assert any("secret" in one.document for one in everything)
        assert not any("secret" in text for text in names(session, 100))
        assert draw(session, "docs", 5, NOTHING).chunks == []
        short = next(one for one in everything if "short" in one.document)
        off = session.get(Chunk, short.chunk_id)
        assert off is not None
        off.enabled = False
        session.add(off)
        session.flush()
        assert short.text not in names(session, 100)
        alone = draw(session, "docs", 100, {}, document=short.document).chunks
        assert {one.document for one in alone} == {short.document}
