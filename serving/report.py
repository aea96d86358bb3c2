"""An app and its history as JSON, for commands and pages."""

from typing import Any

from sqlmodel import Session

from serving.aliases import moves
from serving.lookup import aliases, need_app, need_release
from serving.manifest import ReleaseManifest
from serving.models import AppAlias, AppRelease
from serving.portable import without_keys
from serving.releasing import releases
from serving.service import operations_of, settings_of


def app_json(session: Session, name: str, ref: str = "latest") -> dict[str, Any]:
    """`app show --json`; `release` is null for an app without one. Raises NotFound."""
    app = need_app(session, name)
    unreleased = not app.newest and ref == "latest"
    return {
        "name": app.name,
        "description": app.description,
        "newest": app.newest,
        "aliases": [alias_json(one) for one in aliases(session, app)],
        "settings": settings_of(app).model_dump(mode="json"),
        "operations": operations_of(app).model_dump(mode="json"),
        "origin": app.origin,
        "author": app.actor,
        "created_at": app.created_at,
        "updated_at": app.updated_at,
        "release": None if unreleased else release_json(need_release(session, app, ref)),
    }


def alias_json(one: AppAlias) -> dict[str, Any]:
    """Where an alias points; `canary` takes `percent` of its calls."""
    return {
        "alias": one.name,
        "release": one.release,
        "canary": one.canary,
        "percent": one.percent if one.canary is not None else None,
        "canary_since": one.canary_since,
    }


def release_json(one: AppRelease) -> dict[str, Any]:
    """A release with its manifest, without names of keys and prices."""
    manifest = without_keys(ReleaseManifest.model_validate(one.manifest))
    return {**release_row(one), "manifest": manifest.model_dump(mode="json")}


def release_row(one: AppRelease) -> dict[str, Any]:
    """A release without its manifest."""
    return {
        "release": one.number,
        "hash": one.hash,
        "message": one.message,
        "author": one.actor,
        "created_at": one.created_at,
        "imported_from": one.imported_from,
    }


def history_json(session: Session, name: str) -> dict[str, Any]:
    """`app history --json`: releases and moves, newest first."""
    app = need_app(session, name)
    pointing: dict[int, list[str]] = {}
    for alias in aliases(session, app):
        pointing.setdefault(alias.release, []).append(alias.name)
    found = releases(session, app, limit=1_000_000)
    rows = [{**release_row(one), "aliases": pointing.get(one.number, [])} for one in found]
    return {
        "name": app.name,
        "releases": rows,
        "moves": [
            {
                "alias": move.alias, "kind": move.kind, "from": move.from_release,
                "to": move.to_release, "percent": move.percent, "reason": move.reason,
                "evidence": move.evidence, "at": move.at, "by": move.actor,
            }
            for move in moves(session, app)
        ],
    }  # fmt: skip
