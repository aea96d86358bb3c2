"""Keys: random, kept as a hash, bound to apps, gone when revoked."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
from pydantic import ValidationError
from sqlalchemy import inspect, text
from sqlmodel import select

from core.audit import rows, verify
from core.clock import utcnow
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from core.users import ensure_admin
from serving.key_forms import CreatedKey, KeyCreate
from serving.keys import (
    COST,
    DAY_SECONDS,
    create_key,
    dollars,
    list_keys,
    load_keys,
    nano,
    needs_price,
    new_token,
    revoke_key,
    token_hash,
)
from serving.models import ApiKey, App, KeyUse, ServingVersion


@pytest.fixture
def apps(db: Database) -> Database:
    with db.session_scope("system") as session:
        ensure_admin(session)
        for name in ("faq", "news"):
            session.add(App(name=name, settings={}, actor="system"))
    return db


def made(db: Database, **fields) -> CreatedKey:
    with db.session_scope("user:admin") as session:
        return create_key(session, KeyCreate(**{"name": "web", "apps": ("faq",), **fields}))


def live(db: Database):
    with db.read_scope() as session:
        return load_keys(session)


def dump(db: Database) -> str:
    """Every value of every column of every table, and what SQLite has in its files."""
    with db.reader.connect() as connection:
        names = inspect(connection).get_table_names()
        found = "".join(repr(connection.execute(text(f'SELECT * FROM "{n}"')).all()) for n in names)
    if db.is_sqlite:
        for file in db.settings.data.glob("promptstone.db*"):
            found += file.read_bytes().decode("latin-1")
    return found


def test_a_key_is_256_random_bits_and_found_by_its_hash(apps: Database) -> None:
    created = made(apps)
    assert len(created.key) == 46
    assert created.key.startswith("ps_")
    assert created.prefix == created.key[:8]
    assert len({new_token() for _ in range(1000)}) == 1000
    found = live(apps)[token_hash(created.key)]
    with apps.read_scope() as session:
        faq = session.exec(select(App.id).where(App.name == "faq")).one()
    assert (found.name, found.scope, found.app_ids) == ("web", "apps", frozenset({faq}))


def test_no_dump_of_the_database_holds_a_key(apps: Database) -> None:
    created = made(apps)
    held = dump(apps)
    assert token_hash(created.key) in held  # the dump sees what is stored
    assert created.key not in held
    assert created.key[8:] not in held
    assert created.key not in repr(live(apps))


def test_a_revoked_key_is_gone_and_processes_are_told(apps: Database) -> None:
    created = made(apps)
    made(apps, name="other")
    before = version(apps)
    with apps.session_scope("user:admin") as session:
        assert revoke_key(session, "web")
    assert version(apps) > before
    assert token_hash(created.key) not in live(apps)
    assert [key.name for key in live(apps).values()] == ["other"]
    with apps.session_scope("user:admin") as session:
        assert not revoke_key(session, "web")
        with pytest.raises(NotFound, match="key list"):
            revoke_key(session, "nobody")
    with apps.read_scope() as session:
        assert [key.name for key in list_keys(session)] == ["other", "web"]


def version(db: Database) -> int:
    with db.read_scope() as session:
        return session.exec(select(ServingVersion.number)).one()


def test_making_and_revoking_stand_in_the_audit_without_the_key(apps: Database) -> None:
    created = made(apps, budget_day=Decimal("1.50"))
    with apps.session_scope("cli:ann") as session:
        revoke_key(session, "web")
    with apps.read_scope() as session:
        found = rows(session)[:2]
        assert verify(session) is None
    assert [(row.action, row.object, row.actor) for row in found] == [
        ("key.revoke", "web", "cli:ann"),
        ("key.create", "web", "user:admin"),
    ]
    assert found[1].detail["budget_day"] == "1.50"
    assert created.key not in str([row.detail for row in found])


def injections() -> list[str]:
    """500 texts that would change a query which is put together from text."""
    quotes = ("'", '"', "`", "')", "';", '";', "\\'", "%27", "＇", "' ")
    what = ("OR 1=1", "OR '1'='1", "UNION SELECT hash FROM api_keys", "; DROP TABLE api_keys",
            "OR name LIKE '%", "AND 1=0 OR TRUE", "|| (SELECT key FROM api_keys)",
            "; UPDATE api_keys SET revoked_at=NULL", "OR pg_sleep(5)", "OR hash IS NOT NULL")  # fmt: skip
    ends = ("--", "/*", "#", "\x00", "")
    return [f"{quote} {part} {end}" for quote, part, end in product(quotes, what, ends)]


def test_injected_sql_is_an_unknown_key(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("system") as session:
        session.add(App(name="faq", settings={}, actor="system"))
    good = made(sqlite_db)
    texts = injections()
    assert len(set(texts)) == 500
    keys = live(sqlite_db)
    for text_ in (*texts, *(good.key + one for one in texts), "", "ps_", "\ud800"):
        assert keys.get(token_hash(text_)) is None
    assert keys.get(token_hash(good.key)) is not None


def test_injected_names_are_names_or_refused(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("system") as session:
        session.add(App(name="faq", settings={}, actor="system"))
        session.flush()
        for text_ in injections():
            with pytest.raises((NotFound, Invalid)):
                revoke_key(session, text_)
            with pytest.raises((NotFound, Invalid)):
                create_key(session, KeyCreate(name="x", apps=(text_,)))
            with pytest.raises(Invalid):
                create_key(session, KeyCreate(name=text_, apps=("faq",)))
        assert list_keys(session) == []


def test_what_a_key_needs_and_may_not_have(apps: Database) -> None:
    made(apps)
    for fields, error, what in (
        ({"apps": ()}, Invalid, "at least one"),
        ({"scope": "metrics"}, Invalid, "calls no app"),
        ({"apps": ("nowhere",)}, NotFound, "no app"),
        ({"person": "admin"}, Invalid, "user:NAME"),
        ({"person": "user:ghost"}, NotFound, "no user"),
        ({"name": "a b"}, Invalid, "cannot be used"),
        ({"name": "web"}, Conflict, "already"),
    ):
        with pytest.raises(error, match=what):
            made(apps, **{"name": "new", **fields})
    assert len(live(apps)) == 1


@pytest.mark.parametrize(
    "fields",
    [{"rpm": 0}, {"tpm": -1}, {"streams": 2**40}, {"budget_day": 0}, {"budget_day": "1e-10"},
     {"budget_day": "NaN"}, {"budget_day": "1e12"}, {"scope": "admin"}, {"key": "mine"},
     {"expires_at": datetime(2030, 1, 1)}],
)  # fmt: skip
def test_limits_that_are_none_are_refused(fields) -> None:
    with pytest.raises(ValidationError):
        KeyCreate(**{"name": "web", "apps": ("faq",), **fields})


def test_limits_person_and_expiry_reach_the_calls(apps: Database) -> None:
    until = utcnow() + timedelta(days=1)
    created = made(
        apps, apps=("news", "faq", "news"), person="user:admin", rpm=60, tpm=5000, streams=3,
        budget_day=Decimal("0.000000001"), expires_at=until,
    )  # fmt: skip
    assert (created.apps, created.expires) == (("news", "faq"), until)
    key = live(apps)[token_hash(created.key)]
    assert len(key.app_ids) == 2
    assert (key.person, key.rpm, key.tpm, key.streams) == ("user:admin", 60, 5000, 3)
    assert key.budget_nano == 1
    assert needs_price(key)
    assert not key.has_expired(until - timedelta(seconds=1))
    assert key.has_expired(until)


def test_a_key_for_figures_names_no_app(apps: Database) -> None:
    created = made(apps, scope="metrics", apps=())
    key = live(apps)[token_hash(created.key)]
    assert (key.scope, key.app_ids) == ("metrics", frozenset())
    assert not needs_price(key)
    assert not key.has_expired(datetime(9000, 1, 1, tzinfo=UTC))


def test_the_list_says_what_was_used_today_and_leaves_deleted_apps_out(apps: Database) -> None:
    made(apps, apps=("faq", "news"), budget_day=Decimal(2))
    today = int(utcnow().timestamp()) // DAY_SECONDS
    with apps.session_scope("system") as session:
        row = session.exec(select(ApiKey)).one()
        for window, granted in ((today, 1_250_000_000), (today - 1, 9)):
            session.add(KeyUse(key_id=row.id, meter=COST, window=window, granted=granted))
        session.delete(session.exec(select(App).where(App.name == "news")).one())
    with apps.read_scope() as session:
        (key,) = list_keys(session)
    assert key.used_today == Decimal("1.25")
    assert (key.apps, key.budget_day, key.revoked_at) == (("faq",), Decimal(2), None)


def test_money_is_counted_in_whole_units_and_rounded_against_the_spender() -> None:
    assert nano(Decimal("1.0000000001")) == 1_000_000_001
    assert dollars(nano(Decimal("0.25"))) == Decimal("0.25")
    assert str(dollars(0)) == "0"
