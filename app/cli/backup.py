"""`promptstone backup`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import state
from app.cli.group import new_group
from app.cli.show import Json, print_json, say

commands = new_group()


@commands.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write; it appears whole or not at all.")],
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Put the key of sealed provider keys in, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Write everything into one file, also while a server runs. Sealed keys need their key file."""
    from importlib.metadata import version

    import app.tables  # noqa: F401
    from core.backup import backup as write

    note = write(state.database(), file, version=version("promptstone"), with_key=with_key)
    if json:
        print_json(note)
        return
    say(f"Wrote {file}: {note.rows} rows of {len(note.tables)} tables.")
    key = state.settings().key_path
    if not note.key and key.exists():
        say(f"The key file {key} is not in it. Keep a copy of it in another place.")
