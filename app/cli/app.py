"""`promptstone app`: published apps, their releases, and where their aliases point."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import state
from app.cli.app_files import bring, compare, export
from app.cli.app_moves import promote, rollback
from app.cli.files import read_file
from app.cli.group import new_group
from app.cli.parse import json_pairs
from app.cli.show import Json, print_json, print_table, say

commands = new_group("Apps: make, release, promote, roll back, look at.")
Name = Annotated[str, typer.Argument(metavar="NAME")]
Ref = Annotated[str, typer.Argument(metavar="NAME[@REF]", help="REF: number or alias [latest].")]


class Kind(StrEnum):
    """What a client sends: variables, messages, or a question for documents."""

    COMPLETION = "completion"
    CHAT = "chat"
    RAG = "rag"


class Mode(StrEnum):
    """How a base is searched."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


class History(StrEnum):
    """Who keeps the turns of a chat."""

    CLIENT = "client"
    SERVER = "server"


@commands.command()
def create(
    name: Name,
    prompt: Annotated[str, typer.Option(metavar="P[@REF]", help="The prompt.")],
    model: Annotated[str, typer.Option(metavar="M", help="The model that is asked.")],
    kb: Annotated[str | None, typer.Option(metavar="KB", help="Base to answer from.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Chunks that are given.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="How the base is searched.")] = None,
    param: Annotated[
        list[str], typer.Option(metavar="K=V", help="Sent with every call; repeat.")
    ] = [],  # noqa: B006
    fallback: Annotated[
        list[str], typer.Option(metavar="MODEL", help="Asked when the others fail; repeat.")
    ] = [],  # noqa: B006
    kind: Annotated[Kind | None, typer.Option(help="Instead of the prompt's own.")] = None,
    history: Annotated[History, typer.Option(help="Who keeps the turns.")] = History.CLIENT,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    json: Json = False,
) -> None:
    """Make an app; it answers nobody before a release of it is promoted."""
    from serving import service
    from serving.making import draft_settings

    retrieval = {"top_k": top_k, "mode": mode.value if mode else None}
    retrieval = {key: value for key, value in retrieval.items() if value is not None}
    if retrieval and kb is None:
        raise typer.BadParameter("they need a base.", param_hint="--top-k and --mode")
    fields: dict[str, Any] = {
        "prompt": prompt, "model": model, "params": json_pairs(param, "--param"),
        "fallbacks": fallback, "history": history.value,
        "knowledge": None if kb is None else {"kb": kb, "settings": retrieval},
    }  # fmt: skip
    settings = draft_settings(state.database(), fields, kind.value if kind else None)
    with state.writing() as session:
        made = service.create(session, name, settings, description=description).name
    if json:
        print_json({"app": made, "kind": settings.kind, "settings": settings})
    else:
        print(made)
        say(f"It is of kind {settings.kind}. Freeze it with `promptstone app release {made}`.")


@commands.command()
def release(
    name: Name,
    message: Annotated[str, typer.Option(help="What changed.")] = "",
    json: Json = False,
) -> None:
    """Freeze everything that changes the answer; prints the newest release if nothing changed."""
    from serving.making import release as freeze

    found = freeze(state.database(), state.actor(), name, message)
    if json:
        print_json({"app": found.app, "release": found.number, "hash": found.hash,
                    "created": found.created})  # fmt: skip
        return
    print(f"{found.app}@{found.number}")
    if not found.created:
        say("Nothing changed since that release.")


@commands.command("set")
def change(
    name: Name,
    settings: Annotated[Path, typer.Option(metavar="FILE.yaml", help="Fields to replace.")],
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    json: Json = False,
) -> None:
    """Replace fields of the draft, and how it is run; `app show --json` prints what it has.

    The file holds fields of the draft (guards, pinned, fallbacks, params, …) and `operations`.
    What it does not name stays. The draft is served after `app release`, operations at once.
    """
    from serving import service
    from serving.lookup import need_app
    from serving.making import check_draft
    from serving.settings_file import put_over, read

    document = read(read_file(settings))
    with state.reading() as session:
        app = need_app(session, name)
        found = put_over(service.settings_of(app), service.operations_of(app), document)
    if found.settings is not None:
        check_draft(state.database(), found.settings)
    with state.writing() as session:
        if found.settings is not None:
            service.save_settings(session, name, found.settings)
        if found.operations is not None:
            service.save_operations(session, name, found.operations)
        if description is not None:
            service.describe(session, name, description)
    if json:
        print_json({"app": name, "settings": found.settings, "operations": found.operations})
        return
    if found.settings is not None:
        say(f"The draft is changed. Freeze it with `promptstone app release {name}`.")
    if found.operations is not None:
        say("How it is run is changed, for all its releases.")


@commands.command("list")
def list_all(
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    json: Json = False,
) -> None:
    """All apps by name."""
    from serving.service import list_apps

    with state.reading() as session:
        found = list_apps(session, search=search)
    if json:
        print_json({"apps": [row._asdict() for row in found]})
        return
    print_table(
        ("app", "kind", "prompt", "model", "newest", "aliases", "changed", "by"),
        (
            (r.name, r.kind, r.prompt, r.model, r.newest or None,
             ", ".join(f"{alias}→{number}" for alias, number in r.aliases.items()) or None,
             r.updated_at, r.author)
            for r in found
        ),
    )  # fmt: skip


@commands.command()
def show(ref: Ref, json: Json = False) -> None:
    """An app: its draft, where its aliases point, and one release."""
    from app.cli.app_text import print_app
    from core.names import split_ref
    from serving.report import app_json

    with state.reading() as session:
        document = app_json(session, *split_ref(ref))
    if json:
        print_json(document)
    else:
        print_app(document)


@commands.command()
def history(name: Name, json: Json = False) -> None:
    """All releases, newest first, and where the aliases pointed."""
    from app.cli.app_text import print_history
    from serving.report import history_json

    with state.reading() as session:
        document = history_json(session, name)
    if json:
        print_json(document)
    else:
        print_history(document)


commands.command()(promote)
commands.command()(rollback)
commands.command()(export)
commands.command("import")(bring)
commands.command("diff")(compare)
