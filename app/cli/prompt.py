"""`promptstone prompt`: versions, aliases, rendering, files."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import prompt_improve, prompt_refresh, state
from app.cli.files import read_file, write_text
from app.cli.group import new_group
from app.cli.parse import pairs
from app.cli.prompt_base import base_of, refusing_newer
from app.cli.show import Json, print_json, print_pairs, print_table, say, visible
from core.names import check_name, split_ref

if TYPE_CHECKING:
    from prompts.composing import Use
    from prompts.models import PromptPublic

commands = new_group("Versions of prompts, and the aliases that move over them.")
commands.command("refresh")(prompt_refresh.refresh)
commands.command("improve")(prompt_improve.improve)
Ref = Annotated[str, typer.Argument(metavar="NAME[@REF]", help="REF: number or alias [latest].")]


class Form(StrEnum):
    """Whose file format an export has."""

    PROMPTY = "prompty"
    LANGFUSE = "langfuse"
    OPENAI = "openai"
    PROMPTFOO = "promptfoo"


@commands.command()
def push(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    name: Annotated[str | None, typer.Option(help="Instead of the file's own; one file.")] = None,
    message: Annotated[str, typer.Option(help="What changed.")] = "",
    based_on: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Refuse it once a newer version than N stands."),
    ] = None,
    alias: Annotated[str | None, typer.Option(help="Alias to move to it.")] = None,
    json: Json = False,
) -> None:
    """Make a version of each file; unchanged content makes none, and still moves the alias.

    A file that names the version it is `based_on` is refused once a newer one stands.
    """
    from prompts.checks import prepared
    from prompts.files import parse_prompt_file
    from prompts.ordering import snippets_first
    from prompts.service import push as save

    for option, value in (("--name", name), ("--based-on", based_on)):
        if value is not None and len(files) > 1:
            raise typer.BadParameter(
                "it is about one prompt, but several files are given.", param_hint=option
            )
    if name is not None:
        check_name(name, "prompt")
    parsed = [parse_prompt_file(file.name, read_file(file)) for file in files]
    ready = [(prompt, prepared(prompt.content, prompt.pins)) for prompt in parsed]
    ordered = snippets_first(ready, lambda one: name or one[0].name, lambda one: one[1])
    with refusing_newer(), state.writing() as session:
        results = [
            save(
                session, name or prompt.name, content, message=message, alias=alias,
                title=prompt.title, description=prompt.description or None,
                tags=prompt.tags or None, based_on=base_of(prompt, name, based_on),
            )
            for prompt, content in ordered
        ]  # fmt: skip
    for file, prompt in zip(files, parsed, strict=True):
        for notice in prompt.notices:
            say(f"{file}: {notice}")
    if json:
        print_json({"prompts": [
            {"name": v.name, "version": v.version, "hash": v.hash, "aliases": v.aliases,
             "created": created} for v, created in results
        ]})  # fmt: skip
        return
    for version, created in results:
        print(f"{version.name}@{version.version}{'' if created else ' (unchanged)'}")


@commands.command("list")
def list_all(
    search: Annotated[str | None, typer.Option(help="Words in name, text or tags.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    folder: Annotated[str | None, typer.Option(help="Only below this folder.")] = None,
    json: Json = False,
) -> None:
    """All prompts by name."""
    from prompts.service import list_prompts

    with state.reading() as session:
        found = page = list_prompts(session, search=search, tag=tag, folder=folder, limit=500)
        while len(page) == 500:
            page = list_prompts(session, search=search, tag=tag, folder=folder,
                                after=page[-1].name, limit=500)  # fmt: skip
            found = found + page
    if json:
        print_json({"prompts": [row._asdict() for row in found]})
        return
    print_table(
        ("prompt", "newest", "aliases", "tags", "changed", "by"),
        ((r.name, r.newest, _aliases(r.aliases), r.tags, r.updated_at, r.author) for r in found),
    )


def _aliases(aliases: dict[str, int]) -> str:
    return ", ".join(f"{name}→{number}" for name, number in aliases.items())


@commands.command()
def show(ref: Ref, json: Json = False) -> None:
    """One version: its messages, variables and settings."""
    from prompts.export import prompt_json
    from prompts.service import get, used_by
    from prompts.template import renderer

    with state.reading() as session:
        prompt = get(session, *split_ref(ref))
        uses = used_by(session, prompt.name)
    content = prompt.content
    variables = list(renderer().variables_of(content).used)
    if json:
        print_json({**prompt_json(prompt), "variables": variables, "used_by": [
            {**one._asdict(), "stale": one.stale} for one in uses
        ]})  # fmt: skip
        return
    print_pairs([
        ("prompt", f"{prompt.name}@{prompt.version} of {prompt.newest}"),
        ("aliases", prompt.aliases), ("tags", prompt.tags), ("model", content.model),
        ("options", [f"{name}={value}" for name, value in content.options.items()]),
        ("variables", variables), ("inputs", [f"{v.name} ({v.kind})" for v in content.inputs]),
        ("includes", [f"{i.ref} = {i.target}" for i in content.includes if i.within is None]),
        ("used by", [_use(one) for one in uses]),
        ("saved", prompt.created_at), ("by", prompt.author), ("message", prompt.message),
        ("hash", prompt.hash),
    ])  # fmt: skip
    for message in content.messages:
        print(f"\n{message.role}:\n{visible(message.content, keep=_LINES)}")


def _use(use: "Use") -> str:
    now = f", now {use.now}: `promptstone prompt refresh {use.prompt}`" if use.stale else ""
    return f"{use.prompt}@{use.version} ({use.ref} = {use.pinned}{now})"


_LINES = "\n\t"


@commands.command()
def render(
    ref: Ref,
    var: Annotated[list[str], typer.Option(metavar="K=V", help="A variable; repeat.")] = [],  # noqa: B006
    json: Json = False,
) -> None:
    """The messages with variables filled in, and their tokens."""
    from connectors.tokens import count_messages
    from prompts.content import typed_inputs
    from prompts.template import renderer

    prompt = _get(ref)
    values = typed_inputs(prompt.content, pairs(var, "--var"))
    messages = renderer().render_content(prompt.content, values).messages
    tokens = count_messages(messages, prompt.content.model or "")
    if json:
        print_json({"messages": messages, "tokens": tokens.n, "tokens_estimated": tokens.estimated})
        return
    for message in messages:
        print(f"{message['role']}:\n{visible(message['content'], keep=_LINES)}\n")
    say(f"{tokens.n} tokens{' (estimated)' if tokens.estimated else ''}")


@commands.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="NAME@A")],
    after: Annotated[str, typer.Argument(metavar="NAME@B")],
    json: Json = False,
) -> None:
    """What changed between two versions: words of messages, and settings."""
    from prompts.diff import as_text
    from prompts.diff import diff as compare

    left, right = _get(before), _get(after)
    found = compare(left.content, right.content)
    if not json:
        print(visible(as_text(found), keep=_LINES) if found.changed else "No difference.")
        return
    print_json({
        "before": f"{left.name}@{left.version}", "after": f"{right.name}@{right.version}",
        **prompt_refresh.differences(found),
    })  # fmt: skip


@commands.command()
def alias(
    version: Annotated[str, typer.Argument(metavar="NAME@VERSION")],
    name: Annotated[str, typer.Argument(metavar="ALIAS")],
    reason: Annotated[str, typer.Option(help="Why; kept with the move.")] = "",
) -> None:
    """Point an alias at a version."""
    from prompts.service import get, set_alias

    prompt, ref = split_ref(version)
    with state.writing() as session:
        move = set_alias(session, prompt, ref, name, reason=reason)
        number = get(session, prompt, ref).version
    say(f"{name} {'points' if move else 'already pointed'} at {prompt}@{number}.")


@commands.command()
def history(name: str, json: Json = False) -> None:
    """All versions, newest first, and where the aliases pointed."""
    from prompts.service import alias_moves
    from prompts.service import history as versions

    with state.reading() as session:
        found = versions(session, name, limit=1_000_000)
        moves = alias_moves(session, name)
    if json:
        print_json({
            "name": name, "versions": [version._asdict() for version in found],
            "alias_moves": [move.model_dump(exclude={"id", "prompt_id"}) for move in moves],
        })  # fmt: skip
        return
    print_table(
        ("version", "aliases", "saved", "by", "message"),
        ((v.version, v.aliases, v.created_at, v.author, v.message) for v in found),
    )
    if moves:
        print()
        print_table(
            ("alias", "from", "to", "at", "by", "reason"),
            ((m.alias, m.from_version, m.to_version, m.at, m.actor, m.reason) for m in moves),
        )


@commands.command()
def export(
    ref: Ref,
    form: Annotated[Form, typer.Option("--format", help="Whose format.")] = Form.PROMPTY,
    output: Annotated[Path | None, typer.Option(help="File to write [stdout].")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME[@V]", help="Its cases too; promptfoo only.")
    ] = None,
    evaluator: Annotated[
        list[str], typer.Option(metavar="SPEC", help="An assertion too; promptfoo only; repeat.")
    ] = [],  # noqa: B006
) -> None:
    """A version as a file for this or another program."""
    if form is Form.PROMPTFOO:
        from app.cli.promptfoo_file import written

        write_text(written(_get(ref), dataset, evaluator), output)
        return
    if dataset or evaluator:
        raise typer.BadParameter("only promptfoo's format holds cases.", param_hint="--dataset")
    from prompts.export import export as text

    write_text(text(_get(ref), form.value), output)


def _get(ref: str) -> "PromptPublic":
    from prompts.service import get

    with state.reading() as session:
        return get(session, *split_ref(ref))
