"""`promptstone audit`: who did what."""

from typing import Annotated

import typer

from app.cli import state
from app.cli.group import new_group
from app.cli.show import Json, print_json, print_table

commands = new_group("Who did what.")


@commands.command("list")
def list_rows(
    limit: Annotated[int, typer.Option(min=1, help="How many rows, newest first.")] = 50,
    before: Annotated[int | None, typer.Option(help="Only rows below this id.")] = None,
    json: Json = False,
) -> None:
    """The newest rows first."""
    from core.audit import rows

    with state.reading() as session:
        found = rows(session, before=before, limit=limit)
    if json:
        print_json({"audits": [row.model_dump() for row in found]})
        return
    heads = ("id", "at", "actor", "action", "object", "detail")
    print_table(
        heads, ((r.id, r.at, r.actor, r.action, r.object, _detail(r.detail)) for r in found)
    )


def _detail(detail: dict[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in detail.items())[:80]
