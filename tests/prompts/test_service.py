"""Prompts on both engines: versions, conflicts, aliases, drafts, the catalogue."""

import threading

import pytest

from core import audit
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from prompts import service
from prompts.content import MessageTemplate, PromptContent, Variable, content_hash
from prompts.export import export, prompt_json
from prompts.files import parse_prompt_file
from prompts.models import PromptDraft
from prompts.service import VersionConflictError


def content(text: str, **more: object) -> PromptContent:
    return PromptContent(messages=(MessageTemplate(role="user", content=text),), **more)  # type: ignore[arg-type]


def push(db: Database, name: str, text: str, **more: object) -> service.PushResult:
    with db.session_scope("cli:ann") as session:
        return service.push(session, name, content(text), **more)  # type: ignore[arg-type]


def test_push_makes_a_version_only_for_new_content(db: Database) -> None:
    first = push(db, "news/summary", "one", message="start", tags=["a", "a", " "], title="News")
    again = push(db, "news/summary", "one", message="ignored", alias="production")
    second = push(db, "news/summary", "two")
    back = push(db, "news/summary", "one")
    assert [r.created for r in (first, again, second, back)] == [True, False, True, True]
    assert [r.version.version for r in (first, again, second, back)] == [1, 1, 2, 3]
    assert again.version.aliases == ("production",)
    assert again.version.message == "start"
    with db.read_scope() as session:
        shown = service.get(session, "news/summary", "production")
        assert (shown.version, shown.title, shown.tags) == (1, "News", ("a",))
        assert (shown.author, shown.hash) == ("cli:ann", content_hash(content("one")))
        assert service.get(session, "news/summary").version == 3
        assert service.get(session, "news/summary", 2).content == content("two")
        assert [v.version for v in service.history(session, "news/summary")] == [3, 2, 1]
        assert [v.version for v in service.history(session, "news/summary", before=3)] == [2, 1]


def test_content_comes_back_exactly(db: Database) -> None:
    whole = PromptContent(
        messages=(
            MessageTemplate(
                role="system",
                content="你好 \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
            ),
            MessageTemplate(role="user", content="{{ x }}\n\u2028\x02 \ue000"),
        ),
        model="demo",
        options={"temperature": 0.1, "seed": 2**63, "stop": ["\n"]},
        inputs=(Variable(name="x", kind="json", default={"a": [1, 0.1, None]}),),
        outputs={"type": "object", "properties": {"a": {"type": "string"}}},
        tools=({"type": "function", "function": {"name": "f"}},),
    )
    with db.session_scope("cli:ann") as session:
        made = service.push(session, "x", whole).version
    with db.read_scope() as session:
        found = service.get(session, "x")
    assert found.content == whole == made.content
    assert found.hash == content_hash(found.content)


def test_a_save_over_a_newer_version_is_a_conflict(db: Database) -> None:
    push(db, "p", "one")
    with db.session_scope("user:ben") as session:
        assert service.save_version(session, "p", content("two"), based_on=1).created
    with db.session_scope("user:ann") as session:
        with pytest.raises(VersionConflictError) as caught:
            service.save_version(session, "p", content("three"), based_on=1)
        assert caught.value.newer.content == content("two")
        assert "user:ben" in caught.value.message
        assert not service.save_version(session, "p", content("two"), based_on=1).created
        made = service.save_version(session, "p", content("three"), based_on=2, message="m")
        assert (made.version.version, made.version.based_on) == (3, 2)
        with pytest.raises(Invalid):
            service.save_version(session, "p", content("four"), based_on=9)
        with pytest.raises(VersionConflictError):
            service.save_version(session, "p", content("new"), based_on=None)


def test_concurrent_saves_on_the_same_base_make_one_version(db: Database) -> None:
    push(db, "p", "base")
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def save(number: int) -> None:
        barrier.wait()
        try:
            with db.session_scope(f"user:{number}") as session:
                service.save_version(session, "p", content(f"mine {number}"), based_on=1)
            outcomes.append("saved")
        except VersionConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=save, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 5 + ["saved"]


def test_concurrent_first_pushes_make_one_prompt(db: Database) -> None:
    barrier = threading.Barrier(5)
    versions: list[int] = []

    def first(number: int) -> None:
        barrier.wait()
        versions.append(push(db, "fresh", f"text {number}").version.version)

    threads = [threading.Thread(target=first, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == [1, 2, 3, 4, 5]


def test_alias_moves_are_kept_with_reason_evidence_and_audit(db: Database) -> None:
    push(db, "p", "one", alias="production")
    push(db, "p", "two")
    evidence = {"run": "01J", "verdict": "candidate better"}
    with db.session_scope("user:ann") as session:
        move = service.set_alias(
            session, "p", "latest", "production", reason="won", evidence=evidence
        )
        assert move is not None
        assert service.set_alias(session, "p", 2, "production") is None
        service.set_alias(session, "p", "production", "staging")
        for bad in ("latest", "12", "a/b", "a@b", ""):
            with pytest.raises(Invalid):
                service.set_alias(session, "p", 1, bad)
        with pytest.raises(NotFound):
            service.set_alias(session, "p", 7, "production")
    with db.read_scope() as session:
        moves = service.alias_moves(session, "p", "production")
        assert [(m.from_version, m.to_version, m.reason) for m in moves] == [
            (1, 2, "won"),
            (None, 1, ""),
        ]
        assert moves[0].evidence == evidence
        assert moves[0].actor == "user:ann"
        rows = [row for row in audit.rows(session) if row.action == "prompt.alias"]
        assert rows[1].detail["evidence"] == evidence
        assert len(rows) == 3
        assert audit.verify(session) is None
        assert service.get(session, "p", "staging").aliases == ("production", "staging")
        with pytest.raises(NotFound, match="9999"):
            service.get(session, "p", "9" * 40)
        with pytest.raises(NotFound, match="production, staging"):
            service.get(session, "p", "nope")


def test_restore_makes_a_new_version(db: Database) -> None:
    push(db, "p", "one")
    push(db, "p", "two")
    with db.session_scope("user:ann") as session:
        made = service.restore(session, "p", 1)
        assert (made.version.version, made.version.message) == (3, "Restore version 1")
        assert made.version.content == content("one")
        assert made.version.based_on == 1
        assert not service.restore(session, "p", 1).created


def test_catalogue_search_tags_folders_pages(db: Database) -> None:
    push(db, "news/zh/short", "翻译 {{ text }}", tags=["生产", "x"], description="Übersetzen 100%")
    push(db, "news/long", "Summarize", tags=["x"], title="Long one")
    push(db, "newsletter", "50% off_now")
    with db.read_scope() as session:

        def names(**query: object) -> list[str]:
            return [p.name for p in service.list_prompts(session, **query)]  # type: ignore[arg-type]

        assert names() == ["news/long", "news/zh/short", "newsletter"]
        assert names(folder="news") == ["news/long", "news/zh/short"]
        assert names(tag="生产") == ["news/zh/short"]
        assert names(tag="x", limit=1) == ["news/long"]
        assert names(tag="x", limit=1, after="news/long") == ["news/zh/short"]
        assert names(search="翻译") == ["news/zh/short"]
        assert names(search="LONG one") == ["news/long"]
        assert names(search="%") == ["news/zh/short", "newsletter"]
        assert names(search="off_now") == ["newsletter"]
        assert names(search="offxnow") == []
        facets = service.facets(session)
        assert facets.folders == {"news": 2, "news/zh": 1}
        assert facets.tags == {"x": 2, "生产": 1}


def test_rename_archive_and_describe(db: Database) -> None:
    push(db, "a", "one")
    push(db, "b", "one")
    with db.session_scope("user:ann") as session:
        with pytest.raises(Conflict):
            service.rename(session, "a", "b")
        service.rename(session, "a", "c/d")
        service.archive(session, "b")
        service.describe(session, "c/d", description="说明", tags=("t",))
        with pytest.raises(Invalid):
            service.describe(session, "c/d", description="\x00")
    with db.read_scope() as session:
        assert [p.name for p in service.list_prompts(session)] == ["c/d"]
        assert [p.name for p in service.list_prompts(session, archived=True)] == ["b"]
        assert service.get(session, "c/d").description == "说明"
        assert service.get(session, "b").archived
        with pytest.raises(NotFound):
            service.get(session, "a")
    push(db, "b", "one")
    with db.read_scope() as session:
        assert not service.get(session, "b").archived


@pytest.mark.parametrize("name", ["", "a@b", "a|b", "/a", "a//b", "..", "x" * 129, "a b", "a\n"])
def test_bad_names_are_refused(sqlite_db: Database, name: str) -> None:
    with pytest.raises(Invalid):
        push(sqlite_db, name, "one")


def test_drafts_are_kept_per_person_and_prompt(db: Database) -> None:
    push(db, "p", "one")
    typed = PromptDraft(based_on=1, content={"messages": [{"role": "user", "content": "{% if"}]})
    with db.session_scope("user:ann") as session:
        service.save_draft(session, "p", typed.model_copy(update={"message": "half"}))
        service.save_draft(session, "p", typed)
    with db.read_scope() as session:
        assert service.load_draft(session, "user:ann", "p") == typed
        assert service.load_draft(session, "user:ben", "p") is None
        assert service.load_draft(session, "user:ann", "q") is None
    with db.session_scope("user:ann") as session:
        service.save_version(session, "p", content("two"), based_on=1)
    with db.read_scope() as session:
        assert service.load_draft(session, "user:ann", "p") is None


def test_json_and_exports(sqlite_db: Database) -> None:
    whole = content(
        "Hi {{ x }}", model="gpt-4", options={"temperature": 0.5}, outputs={"type": "object"}
    )
    with sqlite_db.session_scope("cli:ann") as session:
        shown = service.push(session, "n/p", whole, alias="production", tags=["t"]).version
    value = prompt_json(shown)
    wanted = "name version hash aliases messages inputs model tags message author created_at"
    assert set(wanted.split()) <= value.keys()
    assert value["messages"] == [{"role": "user", "content": "Hi {{ x }}"}]
    assert parse_prompt_file("f.prompty", export(shown).encode()).content == whole
    assert '"json_schema"' in export(shown, "openai")
    assert '"production"' in export(shown, "langfuse")
