"""The report of a run: one file that loads nothing, in both languages, whatever a model said."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlmodel import Session, select

from app.report.exporting import export_run
from app.telling import escape
from core.database import Database
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.models import VerdictLook
from tests.app.test_pages_explain import explained
from tests.support.runs_factory import make_run

HOSTILE = "</pre><script>alert(1)</script><img src=//evil.example onerror=x>\u202e\x07"


class Page(HTMLParser):
    """Elements with their attributes, and what stands in each kind of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [f"{name}={value}" for name, value in attrs]


def labeled(session: Session, run: str, cells: int) -> None:
    for cell in range(cells):
        said = checked("good" if cell % 3 else "bad")
        save_label(session, item_of(session, run, cell), said, Press("import"))


def report(db: Database, run: str, language: str = "en") -> str:
    out = io.BytesIO()
    export_run(db, "user:admin", run, "html", out, language)
    return out.getvalue().decode()


@pytest.fixture
def run(sqlite_db: Database) -> str:
    with sqlite_db.session_scope("user:admin") as session:
        made = explained(session, HOSTILE)
        labeled(session, made, 24)
    return made


def test_it_tells_the_verdict_with_pictures_tables_and_evidence(
    sqlite_db: Database, run: str
) -> None:
    html = report(sqlite_db, run)
    page = Page(html)
    assert page.tags.count("svg") >= 5 + 3, "five pictures and a mark for each arm"
    named = re.findall(r'<svg role="img" aria-label="([^"]+)"', html)
    assert len(named) == 5
    assert all(one.endswith(".") for one in named), "each picture says its finding"
    for heading in ("Verdict", "Arms", "Score by tag", "Repeats", "What decides: two",
                    "Plan and versions"):  # fmt: skip
        assert f"<h2>{heading}</h2>" in html
    assert "prefers-color-scheme: dark" in html
    assert "<del>" in html
    assert "48 cells" in html


def test_it_loads_and_runs_nothing_whatever_was_said(
    sqlite_db: Database, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    html = report(sqlite_db, run)
    page = Page(html)
    assert not {"script", "img", "link", "iframe", "object", "form", "a"} & set(page.tags)
    assert not [one for one in page.values if re.match(r"(src|href|on\w+|style)=", one)]
    assert "url(" not in html
    assert "\\u202e" in html
    assert not set(html) & {"\u202e", "\x07"}
    assert "default-src 'none'" in html
    monkeypatch.setattr(escape, "escape", str)
    assert {"script", "img"} <= set(Page(report(sqlite_db, run)).tags)  # the control


def test_it_speaks_chinese(sqlite_db: Database, run: str) -> None:
    html = report(sqlite_db, run, "zh")
    assert '<html lang="zh">' in html
    assert "<h2>结论</h2>" in html
    assert "<h2>Verdict</h2>" not in html


def test_a_run_without_labels_answers_or_costs_has_a_report(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("user:admin") as session:
        bare = make_run(session, cases=2, imported=True, output=lambda *_: None)
    html = report(sqlite_db, bare)
    assert "too few labels" in html
    assert 'role="img"' not in html


def test_a_report_is_a_look_at_the_labels(sqlite_db: Database, run: str) -> None:
    report(sqlite_db, run)
    with sqlite_db.read_scope() as session:
        looks = session.exec(select(VerdictLook)).all()
    assert [(one.run_id, one.by, one.actor) for one in looks] == [(run, "label", "user:admin")]


def test_what_tells_and_reports_needs_no_streamlit() -> None:
    """A command that writes a report would wait a second for it."""
    app = Path(escape.__file__).parents[1]
    files = [file for part in ("telling", "report") for file in (app / part).glob("*.py")]
    assert len(files) > 10
    for file in files:
        source = file.read_text()
        assert "streamlit" not in source, file.name
        assert "app.workspace" not in source, file.name
