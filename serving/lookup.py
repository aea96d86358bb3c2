"""Finding apps, releases and aliases in the database, for the services."""

from typing import NamedTuple

from sqlmodel import Session, col, select

from core.errors import NotFound
from serving.models import App, AppAlias, AppRelease, ServingVersion

DEFAULT_ALIAS = "production"


class Resolved(NamedTuple):
    """What a reference means now; `alias` is null for a number and for `latest`."""

    app: App
    release: AppRelease
    alias: str | None


def find_app(session: Session, name: str, *, lock: bool = False) -> App | None:
    """The app called `name`; `lock` holds its row until the transaction ends (PostgreSQL)."""
    query = select(App).where(App.name == name)
    return session.exec(query.with_for_update() if lock else query).first()


def need_app(session: Session, name: str, *, lock: bool = False) -> App:
    """`find_app`, or NotFound."""
    app = find_app(session, name, lock=lock)
    if app is None:
        raise NotFound(
            f"There is no app {name[:128]!r}. `promptstone app list` shows those there are.",
            param="app",
        )
    return app


def aliases(session: Session, app: App) -> list[AppAlias]:
    """An app's aliases by name."""
    query = select(AppAlias).where(AppAlias.app_id == app.id)
    return list(session.exec(query.order_by(col(AppAlias.name))))


def need_release(session: Session, app: App, ref: str | int) -> AppRelease:
    """The release that a number, an alias or `latest` means now; raises NotFound."""
    number = _number(session, app, str(ref))
    query = select(AppRelease).where(AppRelease.app_id == app.id, AppRelease.number == number)
    found = session.exec(query).first()
    if found is None:
        raise NotFound(
            f"{app.name} has no release {number}. Its newest is {app.newest}.", param="ref"
        )
    return found


def resolve(session: Session, name: str, ref: str | int = "latest") -> Resolved:
    """App and release by name and reference; raises NotFound."""
    app = need_app(session, name)
    release = need_release(session, app, ref)
    text = str(ref)
    alias = None if text == "latest" or text.isdecimal() else text
    return Resolved(app, release, alias)


def _number(session: Session, app: App, ref: str) -> int:
    if ref == "latest":
        return app.newest
    if ref.isdecimal() and len(ref) < 10:
        return int(ref)
    alias = session.get(AppAlias, (app.id, ref))
    if alias is None:
        known = ", ".join(["latest", *(one.name for one in aliases(session, app))])
        raise NotFound(
            f"{app.name} has no alias {ref[:128]!r}. Use a release number or one of {known}.",
            param="ref",
        )
    return alias.release


def touch_serving(session: Session) -> None:
    """Let every process that serves read apps, aliases and keys anew."""
    row = session.exec(select(ServingVersion).with_for_update()).first()
    if row is None:
        row = ServingVersion(id=1, number=0)
    row.number += 1
    session.add(row)
