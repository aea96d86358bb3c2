"""A release leaves as a file without secrets and comes in only as what it says it is."""

import json
from typing import Any

import pytest

from connectors.models import ModelSettings
from connectors.service import add_model
from core.database import Database
from core.errors import Invalid, NotFound, TooLarge
from prompts.content import content_hash
from rag.models import KnowledgeBase
from serving import portable
from serving.lookup import need_app, resolve
from serving.manifest import ReleaseManifest
from serving.service import settings_of
from tests.support.apps import ACTOR, change, make_app, manifest_of, push, release

ADDRESS = "https://models.example.com/v1"


@pytest.fixture
def db(sqlite_db: Database) -> Database:
    return sqlite_db


@pytest.fixture
def faq(db: Database) -> Database:
    push(db, "Answer {{ question }}", options={"temperature": 0})
    make_app(db)
    release(db, message="first")
    return db


def add(db: Database, name: str = "fast", address: str = ADDRESS, model: str = "m", **more) -> None:
    with db.session_scope(ACTOR) as session:
        add_model(session, name, ModelSettings(base_url=address, model=model, **more))


def exported(db: Database, name: str = "faq") -> dict[str, Any]:
    with db.read_scope() as session:
        return json.loads(portable.export(session, name, "latest"))


def take(db: Database, document: dict[str, Any], name: str | None = None) -> portable.Imported:
    file = portable.read_file(json.dumps(document).encode())
    with db.session_scope(ACTOR) as session:
        return portable.take(session, file, name)


def resigned(document: dict[str, Any]) -> dict[str, Any]:
    """The file with a hash that fits, as someone who knows the form can make it."""
    manifest = ReleaseManifest.model_validate(document["manifest"])
    prompt = manifest.prompt.model_copy(update={"hash": content_hash(manifest.prompt.content)})
    manifest = manifest.model_copy(update={"prompt": prompt})
    return {**document, "manifest": manifest.model_dump(mode="json"), "hash": manifest.hash()}


def test_a_release_comes_back_as_the_same_release(faq: Database) -> None:
    before = exported(faq)
    found = take(faq, before, "copy")
    assert found.released.created
    assert (found.released.app, found.released.number) == ("copy", 1)
    assert found.released.hash == before["hash"]
    assert found.notices == ()
    assert manifest_of(faq, "copy") == manifest_of(faq)
    with faq.read_scope() as session:
        row = resolve(session, "copy", 1).release
        app = need_app(session, "copy")
    assert (row.imported_from, row.message, row.actor) == ("faq@1", "first", ACTOR)
    assert settings_of(app).prompt == "faq@1"
    assert app.origin == {"file": "faq@1", "hash": before["hash"]}


def test_the_same_file_again_makes_no_release(faq: Database) -> None:
    document = exported(faq)
    assert not take(faq, document).released.created
    take(faq, document, "copy")
    assert not take(faq, document, "copy").released.created


def test_it_needs_no_prompt_here(faq: Database, tmp_path) -> None:
    from core.migrate import migrate
    from core.settings import Settings

    document = exported(faq)
    other = Database(Settings(data_dir=tmp_path / "other", database_url=None))
    migrate(other)
    push(other, "Another prompt", name="unrelated")  # and the built-in models
    assert take(other, document).released.number == 1
    assert manifest_of(other).prompt.content.messages[0].content == "Answer {{ question }}"
    other.close()


def test_no_key_no_price_and_no_variable_leaves(db: Database) -> None:
    push(db, "Answer {{ question }}")
    add(db, api_key_env="CANARY_KEY", input_price="1", output_price="2")
    make_app(db, model="fast")
    release(db)
    with db.read_scope() as session:
        text = portable.export(session, "faq", 1)
    assert "CANARY" not in text
    assert "canary" not in text
    settings = json.loads(text)["manifest"]["models"][0]["model"]["settings"]
    taken = ("api_key_env", "secret_id", "input_price", "output_price")
    assert [settings[name] for name in taken] == [None] * 4
    assert take(db, json.loads(text), "copy").released.created


def test_a_file_brings_no_address(db: Database) -> None:
    """The key of the model of that name must not go where a file says."""
    push(db, "Answer {{ question }}")
    add(db, api_key_env="CANARY_KEY")
    make_app(db, model="fast")
    release(db)
    document = exported(db)
    document["manifest"]["models"][0]["model"]["settings"]["base_url"] = "https://evil.example/v1"
    found = take(db, resigned(document), "copy")
    settings = manifest_of(db, "copy").models[0].model.settings
    assert settings.base_url == ADDRESS
    assert found.notices == (f"The model fast is asked at its address here, {ADDRESS}.",)


def test_a_model_that_is_not_here_is_named_with_the_command(db: Database, faq: Database) -> None:
    add(db)
    change(db, model="fast")
    release(db)
    document = exported(db)
    document["manifest"]["models"][0]["model"]["name"] = "quick"
    with pytest.raises(NotFound, match=r"model add quick --base-url URL --model m"):
        take(db, resigned(document), "copy")
    with db.read_scope() as session, pytest.raises(NotFound):
        need_app(session, "copy")


def test_another_model_of_the_name_is_refused(db: Database) -> None:
    push(db, "Answer {{ question }}")
    add(db)
    make_app(db, model="fast")
    release(db)
    document = exported(db)
    add(db, model="n")
    with pytest.raises(Invalid, match="its model is 'n', the release asks 'm'"):
        take(db, document, "copy")


def change_hash(document):
    document["hash"] = "0" * 64


def change_text(document):
    document["manifest"]["prompt"]["content"]["messages"][0]["content"] = "Obey {{ question }}"


def change_prompt_hash(document):
    document["manifest"]["prompt"]["hash"] = "0" * 64


def change_param(document):
    document["manifest"]["models"][0]["params"]["temperature"] = 2


def extra_field(document):
    document["manifest"]["run"] = "rm -rf"


def extra_in_model(document):
    document["manifest"]["models"][0]["model"]["settings"]["command"] = "x"


def another_version(document):
    document["promptstone_release"] = 2


def number_as_text(document):
    document["release"] = "1"


@pytest.mark.parametrize(
    "damage",
    [change_hash, change_text, change_prompt_hash, change_param, extra_field, extra_in_model,
     another_version, number_as_text],
)  # fmt: skip
def test_a_changed_file_is_refused(faq: Database, damage) -> None:
    document = exported(faq)
    damage(document)
    with pytest.raises(Invalid):
        take(faq, document, "copy")


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("models", [], "no model"),
        ("kind", "rag", "without a base"),
        ("pinned", [{"question": "q", "answer": "a"}] * 1001, "pinned"),
        ("guards", [{"kind": "pii"}] * 21, "guards"),
    ],
)  # fmt: skip
def test_a_manifest_that_no_release_could_have_is_refused(faq, field, value, match) -> None:
    document = exported(faq)
    document["manifest"][field] = value
    with pytest.raises(Invalid, match=match):
        take(faq, resigned(document), "copy")


def test_templates_and_parameters_are_checked(faq: Database) -> None:
    document = exported(faq)
    document["manifest"]["prompt"]["content"]["messages"][0]["content"] = "{% for %}"
    with pytest.raises(Invalid, match=r"line|template|Line"):
        take(faq, resigned(document), "copy")
    document = exported(faq)
    document["manifest"]["prompt"]["content"]["messages"][0]["content"] = '{% include "a" %}'
    with pytest.raises(Invalid, match="snippet 'a' without its text"):
        take(faq, resigned(document), "copy")
    document = exported(faq)
    document["manifest"]["models"][0]["params"] = {"api_key": "x"}
    with pytest.raises(Invalid, match="looks like a key"):
        take(faq, resigned(document), "copy")


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"{" * 100_000, b"[" * 100_000, b'{"app": NaN}',
     b'{"app": "\\ud800"}'],
)  # fmt: skip
def test_what_is_no_file_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(Invalid, match="Export"):
        portable.read_file(data)


def test_numbers_that_are_none_are_refused(faq: Database) -> None:
    text = json.dumps(exported(faq)).replace('"temperature": 0', '"temperature": NaN')
    assert "NaN" in text
    with pytest.raises(Invalid):
        portable.read_file(text.encode())


def test_a_large_file_is_not_read() -> None:
    with pytest.raises(TooLarge):
        portable.read_file(b" " * (portable.MOST_BYTES + 1))


def base(db: Database, name: str = "docs") -> None:
    from rag import service
    from rag.service import EmbedderIdentity

    with db.session_scope(ACTOR) as session:
        identity = EmbedderIdentity({"kind": "minilm"}, "fp")
        service.create(session, name, identity, {"kind": "markdown"}, {})


def test_a_base_is_taken_by_name_at_its_newest_snapshot(db: Database) -> None:
    push(db, "{% for p in context %}{{ p.text }}{% endfor %} {{ question }}")
    base(db)
    make_app(db, knowledge={"kb": "docs", "settings": {"top_k": 3}})
    release(db)
    document = exported(db)
    document["manifest"]["retrieval"] |= {"base_id": "elsewhere", "snapshot": 7}
    found = take(db, resigned(document), "copy")
    (notice,) = found.notices
    assert notice == "It was made on snapshot 7 of docs; here it reads from snapshot 0."
    with db.read_scope() as session:
        base_id = resolve(session, "faq").release.manifest["retrieval"]["base_id"]
    retrieval = manifest_of(db, "copy").retrieval
    assert retrieval is not None
    assert (retrieval.base_id, retrieval.snapshot, retrieval.settings.top_k) == (base_id, 0, 3)
    assert manifest_of(db, "copy") == manifest_of(db)


def test_a_base_that_is_not_here_is_named_with_its_snapshot(db: Database) -> None:
    push(db, "{% for p in context %}{{ p.text }}{% endfor %} {{ question }}")
    base(db)
    make_app(db, knowledge={"kb": "docs"})
    release(db)
    document = exported(db)
    with db.session_scope(ACTOR) as session:
        from sqlmodel import select

        row = session.exec(select(KnowledgeBase)).one()
        row.name = "moved"
        session.add(row)
    with pytest.raises(NotFound, match="reads from snapshot 0 of the knowledge base 'docs'"):
        take(db, document, "copy")
