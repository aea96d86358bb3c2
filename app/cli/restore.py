"""`promptstone restore`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.group import new_group
from app.cli.show import Json, print_json, say

if TYPE_CHECKING:
    from core.database import Database

commands = new_group()


@commands.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")], json: Json = False
) -> None:
    """Bring a backup into an empty data folder (--data-dir) or an empty PostgreSQL database."""
    import app.tables  # noqa: F401
    from app.opening import mark
    from core.backup import restore as read
    from core.database import Database

    settings = state.settings()
    database = Database(settings)
    try:
        note = read(database, file)
        mark(settings)
        _tell_of_key(database)
    finally:
        database.close()
    if json:
        print_json(note)
    else:
        say(f"Restored {note.rows} rows of {len(note.tables)} tables from {file}.")


def _tell_of_key(database: "Database") -> None:
    from core.errors import Unavailable
    from core.secrets import check_key

    try:
        with database.read_scope() as session:
            check_key(session, database.settings.key_path)
    except Unavailable as error:
        say(f"A server starts only with the key of the sealed provider keys. {error.message}")
