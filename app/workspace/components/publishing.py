"""One app as its page shows it, and who may change it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from sqlmodel import Session

from app.server import context
from app.workspace.components import access
from app.workspace.strings import raw
from core.clock import utcnow
from core.errors import Conflict, Forbidden, PromptstoneError
from serving import aliases as moves
from serving import making, service
from serving.attention import Alarm, alarms, ending
from serving.lookup import DEFAULT_ALIAS, aliases, need_app, need_release
from serving.manifest import ReleaseManifest
from serving.models import App, AppAlias
from serving.releasing import fitted_manifest, read
from serving.settings import AppKind, AppSettings, Operations

PUBLISHERS = ("admin", "publisher")
T = TypeVar("T")


class View(NamedTuple):
    """An app with its draft; `next` is what the draft would be released as, or `refused` why not.

    `newest` is its newest release, `alarms` the alerts that were told of the window that runs,
    `ending` its models that their providers have deprecated.
    """

    app: App
    settings: AppSettings
    operations: Operations
    aliases: tuple[AppAlias, ...]
    newest: ReleaseManifest | None
    next: ReleaseManifest | None
    refused: str | None
    alarms: tuple[Alarm, ...]
    ending: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.app.name

    @property
    def is_changed(self) -> bool:
        """Whether the draft answers in another way than the newest release."""
        return self.next is not None and (
            self.newest is None or self.next.hash() != self.newest.hash()
        )


def view(name: str) -> View:
    """An app by name; raises NotFound. Looks at templates, so it opens sessions itself."""
    with access.reading() as session:
        app = need_app(session, name)
        settings = service.settings_of(app)
        found = tuple(aliases(session, app))
        on = tuple(alarms(session, app, utcnow()))
        last = tuple(one.model for one in ending(session, name))
        newest = None
        if app.newest:
            newest = ReleaseManifest.model_validate(need_release(session, app, app.newest).manifest)
    next_one, refused = None, None
    try:
        with access.reading() as session:
            draft = read(session, settings)
        next_one = fitted_manifest(draft)
    except PromptstoneError as error:
        refused = error.message
    operations = service.operations_of(app)
    return View(app, settings, operations, found, newest, next_one, refused, on, last)


def manifest(name: str, ref: str | int) -> ReleaseManifest:
    """What a release answers with; raises NotFound."""
    with access.reading() as session:
        row = need_release(session, need_app(session, name), ref)
    return ReleaseManifest.model_validate(row.manifest)


def rollback_target(name: str, alias: str = DEFAULT_ALIAS) -> int | None:
    """The release that an alias would go back to; None where there is no way back."""
    try:
        with access.reading() as session:
            return moves.rollback_target(session, name, alias)
    except Conflict:
        return None


def may_publish() -> bool:
    """Whether who looks may make, change and promote apps."""
    return access.role() in PUBLISHERS


def checked_role() -> None:
    """Raise Forbidden for who may not change apps as the database says now.

    A press runs before the page looks who is signed in, and a drawer does not look again at all.
    """
    user = context.current().signed_in(access.cookies())
    if user is None or user.role not in PUBLISHERS:
        raise Forbidden(raw("apps.needs_publisher"))


def make(
    name: str,
    fields: Mapping[str, Any],
    kind: AppKind | None = None,
    description: str = "",
    origin: Mapping[str, Any] | None = None,
) -> str:
    """Make an app and its first release; the app's name."""
    checked_role()
    database = access.database()
    settings = making.draft_settings(database, fields, kind)
    with access.writing() as session:
        app = service.create(
            session, name.strip(), settings, description=description, origin=origin
        )
        created = app.name
    making.release(database, access.actor(), created)
    return created


def act(action: Callable[[Session], T]) -> T | None:
    """`access.act` for who may change apps."""

    def allowed(session: Session) -> T:
        checked_role()
        return action(session)

    return access.act(allowed)
