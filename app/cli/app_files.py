"""`promptstone app export`, `import` and `diff`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import state
from app.cli.files import read_file, write_text
from app.cli.show import Json, print_json, say, visible
from core.names import split_ref


def export(
    ref: Annotated[str, typer.Argument(metavar="NAME@N", help="The release.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="- is stdout.")],
) -> None:
    """Write a release as one file, without keys and prices."""
    from serving.portable import export as text

    with state.reading() as session:
        written = text(session, *split_ref(ref))
    write_text(written, None if str(file) == "-" else file)


def bring(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    name: Annotated[str | None, typer.Option(metavar="N", help="Instead of the file's.")] = None,
    json: Json = False,
) -> None:
    """Make a release of a file; its models and base are those of that name here."""
    from serving.portable import read_file as parse
    from serving.portable import take

    parsed = parse(read_file(file))
    with state.writing() as session:
        found = take(session, parsed, name)
    for notice in found.notices:
        say(notice)
    made = found.released
    if json:
        print_json({"app": made.app, "release": made.number, "hash": made.hash,
                    "created": made.created, "notices": found.notices})  # fmt: skip
        return
    print(f"{made.app}@{made.number}")
    if not made.created:
        say("It is the newest release here already.")


def compare(
    before: Annotated[str, typer.Argument(metavar="NAME@A")],
    after: Annotated[str, typer.Argument(metavar="NAME@B")],
    json: Json = False,
) -> None:
    """What changed between two releases: words of messages, models, retrieval, guards."""
    from serving.diffing import as_text, diff
    from serving.lookup import resolve
    from serving.manifest import ReleaseManifest

    with state.reading() as session:
        rows = [(ref, resolve(session, *split_ref(ref)).release) for ref in (before, after)]
    old, new = (ReleaseManifest.model_validate(row.manifest) for _, row in rows)
    found = diff(old, new)
    if not json:
        print(visible(as_text(found), keep="\n\t") if found.changed else "No difference.")
        return
    names = [f"{split_ref(ref)[0]}@{row.number}" for ref, row in rows]
    messages = [
        {"before": m.before, "after": m.after, "pieces": [p._asdict() for p in m.pieces]}
        for m in found.messages
    ]
    print_json({
        "before": names[0], "after": names[1], "changed": found.changed, "messages": messages,
        "changes": [change._asdict() for change in found.changes],
    })  # fmt: skip
