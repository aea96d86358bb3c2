"""`promptstone prompt improve`: a version that a model proposes from labeled failures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.asking import asked
from app.cli.files import write_text
from app.cli.prompt_refresh import differences
from app.cli.show import Json, money, print_json, say, visible

if TYPE_CHECKING:
    from prompts.content import PromptContent


def improve(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    from_run: Annotated[str, typer.Option(metavar="ID", help="Run whose bad labels teach.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="Model that writes.")],
    arm: Annotated[str | None, typer.Option(help="Whose failures, where it has several.")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as a .prompty file to push.")
    ] = None,
    json: Json = False,
) -> None:
    """Propose a better prompt from answers labeled bad; show what changes, and save nothing.

    Cases of the splits holdout and test are never shown to the model: compare there.
    """
    from evalsets.improving.asking import messages, version_message
    from evalsets.improving.failures import failures
    from evalsets.improving.proposal import SCHEMA, proposed
    from prompts.diff import as_text
    from prompts.diff import diff as compare

    with state.reading() as session:
        found = failures(session, from_run, prompt=name, arm=arm)
    answer = asked(model, messages(found), SCHEMA)
    made = proposed(found.prompt.content, answer.text)
    change = compare(found.prompt.content, made.content)
    if output is not None:
        write_text(_file(name, found.prompt.version, made.content), output)
    if json:
        print_json({
            "prompt": name, "based_on": found.prompt.version, "arm": found.arm.name,
            "failures": [one.case_id for one in found.chosen], "labeled": found.labeled,
            "held_out": found.held_out, "message": version_message(found),
            "reason": made.reason, "content": made.content.model_dump(mode="json"),
            "input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens,
            "cost_usd": answer.cost, **differences(change),
        })  # fmt: skip
        return
    print(visible(as_text(change), keep="\n\t"))
    print(f"\nWhy: {visible(made.reason)}" if made.reason else "")
    say(f"From {len(found.chosen)} of {found.labeled} failures of {found.arm.name}; "
        f"{held(found.held_out)}{answer.input_tokens} tokens in, {answer.output_tokens} out, "
        f"{money(answer.cost)}. Nothing is saved.")  # fmt: skip


def held(count: int) -> str:
    """What was kept back, if anything."""
    return f"{count} of cases held out were not shown; " if count else ""


def _file(name: str, version: int, content: "PromptContent") -> str:
    """The proposal in the place of the version that it changes, which the file names."""
    from prompts.export import prompty
    from prompts.service import get

    with state.reading() as session:
        prompt = get(session, name, version)
    return prompty(prompt.model_copy(update={"content": content}), based_on=version)
