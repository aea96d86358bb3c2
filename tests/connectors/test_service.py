"""Models in the database, on both engines: keys bound to hosts, addresses to an allowlist."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from connectors.address import RefusedAddress
from connectors.connections import Connections
from connectors.detect import detect_local
from connectors.models import ModelSettings
from connectors.service import (
    add_model,
    ensure_builtin,
    get_model,
    limits_of,
    list_models,
    model_json,
    record_test,
    remove_model,
    target_of,
)
from connectors.testing import test_model as probe
from connectors.wire import ChatRequest
from core.audit import rows
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from tests.support.witness import witness

KEY = "sk-canary-5e6f7a8b9c0d1e2f3a4b"
REMOTE = ModelSettings(model="gpt-4o-mini", base_url="https://api.openai.com/v1")


def test_demo_and_echo_are_there_once(db: Database) -> None:
    for _ in range(2):
        with db.session_scope("system") as session:
            ensure_builtin(session)
    with db.read_scope() as session:
        models = list_models(session)
    assert [(model.name, model.builtin) for model in models] == [("demo", True), ("echo", True)]
    assert all(model.price is not None and model.price.source == "local" for model in models)


def test_add_replaces_and_lists(db: Database, data_dir: Path) -> None:
    with db.session_scope("user:admin") as session:
        added = add_model(session, "gpt", REMOTE)
        assert added.price is not None
        assert added.price.input_per_million == Decimal("0.15")
        settings = ModelSettings(model="x", concurrency=3, rpm=60, tpm=1000)
        replaced = add_model(session, "gpt", settings)
        assert replaced.settings.base_url == "https://api.openai.com/v1"
        assert replaced.price is None
        assert limits_of(replaced.settings).rpm == 60
        assert [row.action for row in rows(session)] == ["model.save", "model.save"]
    with db.read_scope() as session:
        assert get_model(session, "gpt") == replaced
        with pytest.raises(NotFound, match="promptstone model list"):
            get_model(session, "gpt5")
        assert model_json(replaced)["input_price"] is None
    with db.session_scope("user:admin") as session:
        remove_model(session, "gpt")
        assert list_models(session) == []


def test_builtin_names_and_kinds_stay_together(db: Database) -> None:
    with db.session_scope("user:admin") as session:
        ensure_builtin(session)
        for name, settings in (
            ("demo", REMOTE),
            ("other", ModelSettings(kind="echo", model="echo")),
            ("echo", ModelSettings(kind="demo", model="x")),
        ):
            with pytest.raises(Invalid, match="Choose another name"):
                add_model(session, name, settings)
        faster = ModelSettings(kind="echo", model="echo", concurrency=64)
        assert add_model(session, "echo", faster).settings.concurrency == 64
        with pytest.raises(Conflict):
            remove_model(session, "echo")


def test_settings_that_do_not_go_together(db: Database) -> None:
    with db.session_scope("user:admin") as session:
        for settings, words in (
            (ModelSettings(model="m", input_price=Decimal(1)), "both"),
            (ModelSettings(kind="langchain", model="m"), "provider"),
            (ModelSettings(model="m", base_url="ftp://x"), "base_url|http"),
        ):
            with pytest.raises(Invalid, match=words):
                add_model(session, "m", settings)
        with pytest.raises(Invalid):
            add_model(session, "a@b", REMOTE)


def test_key_is_bound_to_its_host(db: Database, data_dir: Path) -> None:
    """SAFETY C2 and C4."""
    path = data_dir / "secret.key"
    with db.session_scope("user:admin") as session:
        add_model(session, "gpt", REMOTE, key=KEY, key_path=path)
    with db.read_scope() as session:
        assert target_of(session, "gpt", path).api_key == KEY
        assert KEY not in repr(get_model(session, "gpt"))
        assert "secret_id" not in model_json(get_model(session, "gpt"))
        assert model_json(get_model(session, "gpt"))["has_key"] is True
    elsewhere = REMOTE.model_copy(update={"base_url": "https://canary.example.com/v1"})
    with db.session_scope("user:admin") as session:
        kept = add_model(session, "gpt", REMOTE.model_copy(update={"concurrency": 2}))
        assert target_of(session, "gpt", path).api_key == KEY, "the same host keeps its key"
        with pytest.raises(Invalid, match=r"belongs to api\.openai\.com:443"):
            add_model(session, "gpt", elsewhere)
        stolen = elsewhere.model_copy(update={"secret_id": kept.settings.secret_id})
        assert add_model(session, "thief", stolen).settings.secret_id is None
        with pytest.raises(Invalid, match="belongs to"):
            target_of(session, "gpt", path, frozen=stolen)
        add_model(session, "gpt", elsewhere, key="sk-another-key-for-canary", key_path=path)
        assert target_of(session, "gpt", path).api_key == "sk-another-key-for-canary"
        assert session.execute(text("SELECT count(*) FROM secrets")).scalar() == 1
        remove_model(session, "gpt")
        assert session.execute(text("SELECT count(*) FROM secrets")).scalar() == 0


def test_key_is_nowhere_in_the_files(sqlite_db: Database, data_dir: Path) -> None:
    """Control: the model's name is found by the same search."""
    with sqlite_db.session_scope("user:admin") as session:
        add_model(session, "canary-model", REMOTE, key=KEY, key_path=data_dir / "secret.key")
    content = b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())
    assert b"canary-model" in content
    assert KEY.encode() not in content


def test_environment_key_is_read_here_and_now(
    db: Database, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data_dir / "secret.key"
    settings = REMOTE.model_copy(update={"api_key_env": "CANARY_API_KEY"})
    with db.session_scope("user:admin") as session:
        add_model(session, "gpt", settings)
        with pytest.raises(Invalid, match=r"CANARY_API_KEY.*not set.*pid \d+"):
            target_of(session, "gpt", path)
        monkeypatch.setenv("CANARY_API_KEY", KEY)
        assert target_of(session, "gpt", path).api_key == KEY


def test_a_run_keeps_address_and_id_but_reads_the_rest_live(db: Database, data_dir: Path) -> None:
    path = data_dir / "secret.key"
    with db.session_scope("user:admin") as session:
        frozen = add_model(session, "gpt", REMOTE.model_copy(update={"timeout": 30})).settings
        add_model(session, "gpt", ModelSettings(model="newer", timeout=90))
        target = target_of(session, "gpt", path, frozen=frozen)
        assert (target.model_id, target.timeout) == ("gpt-4o-mini", 90)
        remove_model(session, "gpt")
        assert target_of(session, "gpt", path, frozen=frozen).timeout == 30
        with pytest.raises(NotFound):
            target_of(session, "gpt", path)


def test_local_addresses_need_leave(db: Database, data_dir: Path) -> None:
    path = data_dir / "secret.key"
    local = ModelSettings(model="llama3", base_url="http://127.0.0.1:11434/v1")
    with db.session_scope("user:admin") as session:
        with pytest.raises(RefusedAddress, match="not allowed"):
            add_model(session, "ollama", local)
        with pytest.raises(RefusedAddress):
            url = "http://169.254.169.254/v1"
            add_model(session, "meta", ModelSettings(model="x", base_url=url), allow_local=True)
        add_model(session, "ollama", local, allow_local=True)
        assert target_of(session, "ollama", path).local_allowed
        again = local.model_copy(update={"model": "qwen"})
        assert add_model(session, "other", again).settings.model == "qwen", "the address is known"
        with pytest.raises(RefusedAddress):
            other = local.model_copy(update={"base_url": "http://127.0.0.1:22/v1"})
            add_model(session, "ssh", other)
        assert "address.allow" in [row.action for row in rows(session)]


@pytest.mark.parametrize(
    ("model", "ok", "words"),
    [
        ("ok", True, r"The model m answers in \d\.\d s\."),
        ("nousage", True, "estimates"),
        ("r401", False, "refused the key.*Set a valid API key"),
        ("r404", False, "Check its model id.*This server has: ok, slow-200"),
        ("html", False, "no chat answer.*base URL"),
        ("hang", False, "did not answer in time.*Raise its time-out"),
        ("quota", False, "no quota left"),
    ],
)
async def test_probe_says_what_is_wrong(
    sqlite_db: Database, data_dir: Path, model: str, ok: bool, words: str
) -> None:
    with witness() as server:
        url = server.base_url
        settings = ModelSettings(model=model, base_url=url, timeout=1)
        with sqlite_db.session_scope("user:admin") as session:
            add_model(session, "m", settings, allow_local=True)
            target = target_of(session, "m", data_dir / "secret.key")
        async with Connections(data_dir) as connections:
            result = await probe(connections, target, settings)
        assert result.ok is ok
        assert re.search(words, result.message), result.message
        with sqlite_db.session_scope("user:admin") as session:
            record_test(session, "m", result)
            assert get_model(session, "m").last_test == result


async def test_a_stored_key_reaches_only_its_server(sqlite_db: Database, data_dir: Path) -> None:
    """SAFETY C2 on the wire: the other server sees the call of its own model, never the key."""
    path = data_dir / "secret.key"
    ask = ChatRequest([{"role": "user", "content": "x"}])
    with witness() as own, witness() as other:
        with sqlite_db.session_scope("user:admin") as session:
            settings = ModelSettings(model="ok", base_url=own.base_url)
            add_model(session, "m", settings, key=KEY, key_path=path, allow_local=True)
            changed = settings.model_copy(update={"base_url": other.base_url})
            with pytest.raises(Invalid):
                add_model(session, "m", changed, allow_local=True)
            add_model(session, "free", changed, allow_local=True)
            targets = [target_of(session, name, path) for name in ("m", "free")]
        async with Connections(data_dir) as connections:
            for target in targets:
                await connections.connector(target).chat(ask)
        assert [call["headers"].get("authorization") for call in own.requests()] == [
            f"Bearer {KEY}"
        ]
        assert [call["headers"].get("authorization") for call in other.requests()] == [None]


async def test_detection_finds_servers_that_list_models(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with witness() as server:
        servers = (("Ollama", server.base_url), ("vLLM", "http://127.0.0.1:9/v1"))
        async with Connections(data_dir) as connections:
            found = await detect_local(connections, servers)
    assert [(item.title, item.models) for item in found] == [
        ("OpenAI", ()),
        ("Ollama", ("ok", "slow-200")),
    ]
    assert KEY not in repr(found)
