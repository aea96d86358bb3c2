"""`promptstone label`: labels as JSON Lines."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import state
from app.cli.files import opened, unreadable
from app.cli.group import new_group
from app.cli.show import Json, print_json, say

commands = new_group("Labels of a run as JSON Lines, in and out.")
Run = Annotated[str, typer.Argument(metavar="ID", help="The run.")]


@commands.command()
def export(
    run: Run, output: Annotated[Path | None, typer.Option(help="File to write [stdout].")] = None
) -> None:
    """A line for every label that counts."""
    from evalsets.labels.exporting import export_labels

    with state.reading() as session, opened(output) as out:
        for line in export_labels(session, run):
            out.write(line.encode() + b"\n")


@commands.command("import")
def take(
    run: Run,
    file: Annotated[Path, typer.Argument(help="JSON Lines, as `label export` writes them.")],
    annotator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose labels these all are.")
    ] = None,
    json: Json = False,
) -> None:
    """Take labels or preferences; an error names its line, and then nothing is taken."""
    from dataclasses import asdict

    from evalsets.labels.importing import import_labels
    from evalsets.labels.lines import read_label_lines

    try:
        with file.open("rb") as source:
            lines = read_label_lines(source)
    except OSError as error:
        raise unreadable(file, error) from error
    with state.writing() as session:
        found = import_labels(session, run, lines, annotator)
    if json:
        print_json(asdict(found))
        return
    say(
        f"Took {found.labels} labels and {found.preferences} preferences; "
        f"{found.unchanged} were known."
    )
    if found.contradicting:
        say(f"{found.contradicting} lines replaced an earlier line of the same annotator.")
