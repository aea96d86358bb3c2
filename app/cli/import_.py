"""`promptstone import`: prompts, models, cases, assertions and results of other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import state
from app.cli.files import read_file
from app.cli.group import new_group
from app.cli.show import Json, print_json, print_table, say, visible

if TYPE_CHECKING:
    from evalsets.foreign.arrival import Arrival
    from evalsets.foreign.taking import Taken
    from prompts.foreign.found import Found

commands = new_group("What you have elsewhere: promptfoo, Langfuse, OpenAI, files of prompts.")
File = Annotated[Path, typer.Argument(metavar="FILE")]
Plan = Annotated[bool, typer.Option("--plan", help="Only tell what would be taken.")]


@commands.command()
def promptfoo(file: File, plan: Plan = False, json: Json = False) -> None:
    """A promptfoo configuration (YAML or JSON), or the results of `promptfoo eval -o FILE.json`."""
    from evalsets.foreign.folder import Folder
    from evalsets.foreign.promptfoo.config import read_promptfoo

    path = file.absolute()
    arrival = read_promptfoo(str(path), read_file(file), Folder(path.parent))
    _take(arrival, plan, json)


@commands.command()
def langfuse(file: File, plan: Plan = False, json: Json = False) -> None:
    """Prompts exported from Langfuse as JSON: one, a list, or a page of its API."""
    from prompts.foreign.langfuse import read_langfuse

    _take_prompts(read_langfuse(file.name, read_file(file)), plan, json)


@commands.command()
def openai(file: File, plan: Plan = False, json: Json = False) -> None:
    """OpenAI's prompt objects, evals, their runs and items, as JSON or JSONL."""
    from evalsets.foreign.openai_evals import read_openai

    _take(read_openai(file.name, read_file(file)), plan, json)


@commands.command()
def prompts(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    plan: Plan = False,
    json: Json = False,
) -> None:
    """Files of prompts: .prompty, .prompt, CSV or JSON (act, prompt), tasks of lm-eval, texts."""
    from prompts.foreign.found import Found
    from prompts.foreign.reading import read_prompts_file

    found = Found()
    for file in files:
        one = read_prompts_file(file.name, read_file(file))
        found.prompts += one.prompts
        found.not_taken += one.not_taken
    _take_prompts(found, plan, json)


def _take_prompts(found: "Found", plan: bool, as_json: bool) -> None:
    from evalsets.foreign.arrival import Arrival

    arrival = Arrival()
    arrival.add(found)
    _take(arrival, plan, as_json)


def _take(arrival: "Arrival", plan: bool, as_json: bool) -> None:
    """Store what was found, in one transaction; a plan takes it back."""
    from evalsets.foreign.taking import ready, take

    prepared = ready(arrival)
    with state.writing() as session:
        taken = take(session, prepared)
        if plan:
            session.rollback()
    if as_json:
        print_json(_document(taken, plan))
    else:
        _show(taken, plan)


def _document(taken: "Taken", plan: bool) -> dict[str, Any]:
    return {
        "plan": plan,
        "prompts": [
            {"name": one.name, "version": one.version, "created": one.created}
            for one in taken.prompts
        ],
        "datasets": [one._asdict() for one in taken.datasets],
        "models": [one._asdict() for one in taken.models],
        "runs": [{**one._asdict(), "id": None if plan and one.created else one.id}
                 for one in taken.runs],
        "evaluators": [
            {**one.settings, "name": one.name, "state": one.state} for one in taken.evaluators
        ],
        "not_taken": [one._asdict() for one in taken.not_taken],
    }  # fmt: skip


def _show(taken: "Taken", plan: bool) -> None:
    if plan:
        say("A plan: nothing is stored.")
    rows = [("prompt", f"{one.name}@{one.version}", _state(one.created)) for one in taken.prompts]
    rows += [("data set", f"{one.name}@{one.version} ({one.cases} cases)", _state(one.created))
             for one in taken.datasets]  # fmt: skip
    rows += [("model", f"{one.name} ({one.model})", _state(one.created)) for one in taken.models]
    rows += [("run", f"{one.title} ({one.cells} cells) {'' if plan else one.id}".rstrip(),
              _state(one.created)) for one in taken.runs]  # fmt: skip
    rows += [("evaluator", f"{one.name} ({one.settings['kind']})", one.state)
             for one in taken.evaluators]  # fmt: skip
    if rows:
        print_table(("what", "name", "state"), rows)
    else:
        say("Nothing could be taken.")
    for one in taken.not_taken:
        say(visible(f"Not taken: {one.where}: {one.what}. {one.reason}"))


def _state(created: bool) -> str:
    return "new" if created else "unchanged"
