"""What this process serves, in memory: apps, aliases and keys as the database said last.

The database is asked twice a second whether anything changed, so what is promoted or revoked
elsewhere holds here within a second. Releases never change: they are loaded once.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from connectors.models import LocalAddress, Model
from core.changes import Changes
from core.clock import utcnow
from core.database import Database
from core.errors import NotFound
from serving.canary import takes_canary
from serving.keys import KEY_START, LiveKey, load_keys, token_hash
from serving.loaded import LoadedRelease, loaded_release, open_doors
from serving.lookup import DEFAULT_ALIAS
from serving.models import App, AppAlias, AppRelease, ServingVersion
from serving.settings import Operations

POLL_SECONDS = 0.4
_GATHER_SECONDS = 0.05
_MOST_RELEASES = 256
log = logging.getLogger("promptstone.serving")


class LiveAlias(NamedTuple):
    """Where an alias points; `canary` takes `percent` of its calls."""

    release: int
    canary: int | None
    percent: int


@dataclass(frozen=True, slots=True)
class LiveApp:
    """An app as calls need it."""

    id: str
    name: str
    newest: int
    created: int
    operations: Operations
    aliases: Mapping[str, LiveAlias]


class Chosen(NamedTuple):
    """The release that a call gets, and by which way."""

    app: LiveApp
    number: int
    alias: str | None
    canary: bool


class _View(NamedTuple):
    number: int
    apps: Mapping[str, LiveApp]
    by_id: Mapping[str, LiveApp]
    keys: Mapping[str, LiveKey]


_NOTHING = _View(-1, {}, {}, {})


class Live:
    """The view of one process; `async with` keeps it up to date."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes = Changes(database)
        self._view = _NOTHING
        self._doors_mark: object = None
        self._releases: OrderedDict[tuple[str, int], LoadedRelease] = OrderedDict()
        self._loading: dict[tuple[str, int], asyncio.Task[LoadedRelease]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Live":
        await asyncio.to_thread(self.refresh)
        self._polling = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling
        self._changes.close()

    def key(self, token: str) -> LiveKey | None:
        """The key behind a token, unless it is unknown, revoked or expired."""
        key = self._view.keys.get(token_hash(token))
        return None if key is None or key.has_expired(utcnow()) else key

    async def find_key(self, token: str) -> LiveKey | None:
        """`key`, read anew for one that may have been made a moment ago."""
        key = self.key(token)
        if key is None and token.startswith(KEY_START):
            await self._renewed()
            key = self.key(token)
        return key

    def app(self, app_id: str) -> LiveApp | None:
        """An app by id."""
        return self._view.by_id.get(app_id)

    def apps_of(self, key: LiveKey) -> list[LiveApp]:
        """The apps that a key may call, by name."""
        found = (self._view.by_id.get(app_id) for app_id in key.app_ids)
        return sorted((app for app in found if app is not None), key=lambda app: app.name)

    async def find(self, text: str, key: LiveKey | None, sticky: str) -> Chosen:
        """`choose`, read anew for what may have been promoted a moment ago."""
        try:
            return self.choose(text, key, sticky)
        except NotFound:
            await self._renewed()
            return self.choose(text, key, sticky)

    def choose(self, text: str, key: LiveKey | None, sticky: str) -> Chosen:
        """What `APP`, `APP@ALIAS` or `APP@N` means to a key; NotFound tells nothing of others.

        `sticky` decides about a canary: the same text gets the same release.
        """
        name, _, ref = text.partition("@")
        app = self._view.apps.get(name)
        if app is None or (key is not None and app.id not in key.app_ids):
            raise NotFound(
                f"There is no app {name[:128]!r} for this key. GET /v1/models lists those there "
                "are.",
                param="model",
                code="model_not_found",
            )
        if ref.isdecimal() and len(ref) < 10:
            if 1 <= int(ref) <= app.newest:
                return Chosen(app, int(ref), None, canary=False)
            raise self._no_ref(app, ref)
        alias = app.aliases.get(ref or DEFAULT_ALIAS)
        if alias is None:
            raise self._no_ref(app, ref or DEFAULT_ALIAS)
        named = ref or DEFAULT_ALIAS
        if alias.canary is not None and takes_canary(
            app.id, named, alias.canary, sticky, alias.percent
        ):
            return Chosen(app, alias.canary, named, canary=True)
        return Chosen(app, alias.release, named, canary=False)

    def _no_ref(self, app: LiveApp, ref: str) -> NotFound:
        known = ", ".join(sorted(app.aliases)) or "none yet"
        return NotFound(
            f"{app.name} has no release {ref[:128]!r}. Its aliases are: {known}.",
            param="model",
            code="model_not_found",
        )

    async def release(self, app: LiveApp, number: int) -> LoadedRelease:
        """A release, loaded once; its models' keys and time-outs are those of now."""
        key = (app.id, number)
        found = self._releases.get(key)
        if found is not None:
            if found.doors_of != self._doors_mark:
                await asyncio.to_thread(self._open_doors, found)
            return found
        task = self._loading.get(key)
        if task is None:
            task = asyncio.create_task(self._load(app, number))
            self._loading[key] = task
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(task)

    async def _load(self, app: LiveApp, number: int) -> LoadedRelease:
        loaded = await asyncio.to_thread(self._read, app, number)
        self._releases[app.id, number] = loaded
        while len(self._releases) > _MOST_RELEASES:
            self._releases.popitem(last=False)
        return loaded

    def _read(self, app: LiveApp, number: int) -> LoadedRelease:
        with self._database.read_scope() as session:
            row = session.exec(
                select(AppRelease).where(AppRelease.app_id == app.id, AppRelease.number == number)
            ).first()
        if row is None:
            raise self._no_ref(app, str(number))
        loaded = loaded_release(app.name, row)
        self._open_doors(loaded)
        return loaded

    def _open_doors(self, loaded: LoadedRelease) -> None:
        mark = self._doors_mark
        with self._database.read_scope() as session:
            loaded.doors = open_doors(session, self._database.settings.key_path, loaded.manifest)
        loaded.doors_of = mark

    async def _renewed(self) -> None:
        """Read anew; all who ask within 50 ms share one reading, which begins after they asked."""
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())
        await asyncio.shield(self._renewing)

    async def _renew(self) -> None:
        await asyncio.sleep(_GATHER_SECONDS)
        self._renewing = None
        try:
            await asyncio.to_thread(self.refresh)
        except SQLAlchemyError:
            log.exception("apps and keys could not be read; what was known goes on")

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                if self._changes.since_last():
                    await asyncio.to_thread(self.refresh)
            except Exception:  # an unreachable database must not end what is served from memory
                log.exception("apps and keys could not be read; what was known goes on")
                self._changes.close()

    def refresh(self) -> None:
        """Read what changed since the last time; cheap when nothing did."""
        with self._database.read_scope() as session:
            mark = session.connection().execute(_MARK).one()
            number = mark.number or 0
            if number != self._view.number:
                self._view = _read_view(session, number)
        self._doors_mark = (mark.models, mark.changed, mark.places)


_MARK = select(
    select(ServingVersion.number).scalar_subquery().label("number"),
    select(func.count(col(Model.name))).scalar_subquery().label("models"),
    select(func.max(col(Model.updated_at))).scalar_subquery().label("changed"),
    select(func.count()).select_from(LocalAddress).scalar_subquery().label("places"),
)
"""One statement, because it is asked several times a second."""


def _read_view(session: Session, number: int) -> _View:
    pointing: dict[str, dict[str, LiveAlias]] = {}
    for row in session.exec(select(AppAlias)):
        alias = LiveAlias(row.release, row.canary, row.percent)
        pointing.setdefault(row.app_id, {})[row.name] = alias
    apps = [
        LiveApp(
            app.id,
            app.name,
            app.newest,
            int(app.created_at.timestamp()),
            Operations.model_validate(app.operations),
            pointing.get(app.id, {}),
        )
        for app in session.exec(select(App))
    ]
    return _View(
        number,
        {app.name: app for app in apps},
        {app.id: app for app in apps},
        load_keys(session),
    )
