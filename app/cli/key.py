"""`promptstone key`: who may call what, with which limits."""

from contextlib import suppress
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import state
from app.cli.group import new_group
from app.cli.show import Json, money, print_json, print_table, say

if TYPE_CHECKING:
    from serving.key_forms import KeyCreate, KeyPublic

commands = new_group("API keys: who may call which apps, with which limits.")


class Scope(StrEnum):
    """What a key is good for."""

    APPS = "apps"
    METRICS = "metrics"


@commands.command()
def create(
    name: str,
    app: Annotated[list[str], typer.Option(help="An app that it may call; repeat.")] = [],  # noqa: B006
    scope: Annotated[
        Scope, typer.Option(help="metrics: reads /metrics, calls no app.")
    ] = Scope.APPS,
    person: Annotated[
        str | None,
        typer.Option(metavar="user:NAME", help="Whose access to knowledge bases it has."),
    ] = None,
    rpm: Annotated[int | None, typer.Option(min=1, help="Requests a minute.")] = None,
    tpm: Annotated[int | None, typer.Option(min=1, help="Tokens a minute.")] = None,
    streams: Annotated[int | None, typer.Option(min=1, help="Streams at once.")] = None,
    budget_day: Annotated[
        str | None, typer.Option(metavar="USD", help="At most so much a UTC day.")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The last day in UTC: 2030-12-31[T12:00]."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a key and show it, this once."""
    from core.clock import utcnow
    from serving.keys import create_key

    if (scope is Scope.METRICS) == bool(app):
        raise typer.BadParameter("name at least one, or give --scope metrics instead.",
                                 param_hint="--app")  # fmt: skip
    until = None if expires is None else _moment(expires)
    form = _checked({
        "name": name, "apps": tuple(app), "scope": scope.value, "person": person, "rpm": rpm,
        "tpm": tpm, "streams": streams, "budget_day": budget_day, "expires_at": until,
    })  # fmt: skip
    with state.writing() as session:
        created = create_key(session, form)
    if json:
        shown = {"name": created.name, "key": created.key, "apps": created.apps}
        print_json({**shown, "expires": created.expires})
    else:
        print(created.key)
        say("Keep it now: it is stored as a hash and not shown again.")
    if until is not None and until <= utcnow():
        say(f"It has expired already, on {until:%Y-%m-%d}. Make another with a later date.")


def _moment(text: str) -> datetime:
    from serving.key_forms import end_of

    with suppress(ValueError):
        return end_of(date.fromisoformat(text))
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            "write a date such as 2030-12-31.", param_hint="--expires"
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _checked(fields: dict[str, object]) -> "KeyCreate":
    from pydantic import ValidationError

    from serving.key_forms import KeyCreate

    try:
        return KeyCreate.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise typer.BadParameter(f"{first['msg']}.", param_hint=option) from error


@commands.command("list")
def list_all(json: Json = False) -> None:
    """All keys by name, never the keys themselves."""
    from serving.keys import list_keys

    with state.reading() as session:
        found = list_keys(session)
    if json:
        print_json({"keys": [_document(key) for key in found]})
        return
    print_table(
        ("key", "name", "apps", "person", "req/min", "tok/min", "streams", "$/day", "today",
         "last use", "expires", "revoked"),
        (
            (
                f"{key.prefix}…", key.name, key.apps or key.scope, key.person, key.rpm, key.tpm,
                key.streams, None if key.budget_day is None else money(key.budget_day),
                money(key.used_today), key.last_used_at, key.expires_at, key.revoked_at,
            )
            for key in found
        ),
    )  # fmt: skip


def _document(key: "KeyPublic") -> dict[str, Any]:
    fields = key._asdict()
    for name, shown in (("used_today", "used_today_usd"), ("last_used_at", "last_used"),
                        ("expires_at", "expires"), ("revoked_at", "revoked")):  # fmt: skip
        fields[shown] = fields.pop(name)
    return fields


@commands.command()
def revoke(name: str, json: Json = False) -> None:
    """End a key for good; its calls are refused within a second."""
    from serving.keys import revoke_key

    with state.writing() as session:
        was_good = revoke_key(session, name)
    if json:
        print_json({"name": name, "revoked": was_good})
    else:
        say(f"Revoked {name}." if was_good else f"{name} was revoked before.")
