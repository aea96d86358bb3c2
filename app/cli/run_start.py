"""`promptstone run start`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import state
from app.cli.evaluators import with_saved
from app.cli.gating import check_names, parsed
from app.cli.parse import repeated_pairs
from app.cli.show import Json, money, print_json, print_pairs, say
from app.cli.watching import Gates, Wait, tell_if_alone, watch_run

if TYPE_CHECKING:
    from evalsets.runs.plan import Plan
    from evalsets.runs.request import FreezeApps
    from evalsets.runs.service import RunRequest


def start(
    dataset: Annotated[str, typer.Option(metavar="NAME[@V]", help="The cases.")],
    prompt: Annotated[list[str], typer.Option(metavar="NAME[@REF]", help="A prompt; repeat.")] = [],  # noqa: B006
    model: Annotated[list[str], typer.Option(metavar="NAME", help="A model; repeat.")] = [],  # noqa: B006
    app: Annotated[
        list[str],
        typer.Option(metavar="APP[@REF]", help="A published app as an arm of its own; repeat."),
    ] = [],  # noqa: B006
    arm: Annotated[
        list[str],
        typer.Option(
            metavar="ARM",
            help="One arm, as 'news@2 | demo | temperature=0'; repeat. Given arms come first, "
            "and what --prompt and --model make of them again counts once.",
        ),
    ] = [],  # noqa: B006
    repeats: Annotated[int, typer.Option(min=1, help="Calls of every case.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many cases.")] = None,
    param: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUE", help="Parameter; given twice, it makes two arms."),
    ] = [],  # noqa: B006
    split: Annotated[
        str | None,
        typer.Option(metavar="SPLIT", help="Its cases alone: dev, test, holdout, train."),
    ] = None,
    kb: Annotated[
        list[str],
        typer.Option(
            metavar="NAME[@SNAPSHOT]", help="Base to answer from; given twice, it makes two arms."
        ),
    ] = [],  # noqa: B006
    retrieval: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=VALUE", help="Search setting, as top_k=4; given twice, it makes two arms."
        ),
    ] = [],  # noqa: B006
    query: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Searched by [question].")
    ] = None,
    context: Annotated[
        str, typer.Option(metavar="VARIABLE", help="Takes the passages.")
    ] = "context",
    mapping: Annotated[
        list[str],
        typer.Option("--map", metavar="[PROMPT:]VARIABLE=COLUMN", help="Bind a column; repeat."),
    ] = [],  # noqa: B006
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Calls at once, instead of the models'.")
    ] = None,
    budget: Annotated[str | None, typer.Option(metavar="USD", help="Pause when reached.")] = None,
    judge_budget: Annotated[
        str | None, typer.Option(metavar="USD", help="What judges may spend of it.")
    ] = None,
    evaluator: Annotated[
        list[str],
        typer.Option(
            metavar="SPEC",
            help="exact, contains:TEXT, similarity:0.8, rouge, bleu, chrf, json_path:$.a, "
            "tool_call:NAME, judge:RUBRIC, pairwise:RUBRIC, python:NAME, FILE.yaml, "
            "a saved name; repeat.",
        ),
    ] = [],  # noqa: B006
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask again what was asked.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only tell what it would take.")] = False,
    wait: Wait = False,
    gate: Gates = [],  # noqa: B006
    title: Annotated[str, typer.Option(help="A name for people.")] = "",
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="K", help="The same key gives the same run.")
    ] = None,
    json: Json = False,
) -> None:
    """Run every arm, and every prompt on every model, over every case; the worker takes it."""
    from evalsets.runs import service as runs

    if gate and not wait:
        raise typer.BadParameter("a gate needs --wait.", param_hint="--gate")
    gates = parsed(gate)
    chosen = with_saved(evaluator)
    request = _request(
        arms=arm, prompts=prompt, models=model, apps=app, dataset=dataset, repeats=repeats,
        limit=limit, split=split,
        params=repeated_pairs(param, "--param"), kb=kb,
        retrieval=repeated_pairs(retrieval, "--retrieval"), query=query, context=context,
        mapping=mapping, evaluators=chosen,
        concurrency=concurrency, budget=budget, judge_budget=judge_budget,
        cache=not no_cache, title=title, idempotency_key=idempotency_key,
    )  # fmt: skip
    check_names(gates, chosen)
    if plan:
        _show_plan(runs.plan(state.database(), request, _freezing(request)), None, json)
        return
    started = runs.start(state.database(), state.actor(), request, _freezing(request), here=wait)
    if not wait:
        _show_plan(started.plan, started.run_id, json)
        tell_if_alone(started.run_id)
        return
    _tell_unread(started.plan)
    say(f"Run {started.run_id}")
    watch_run(started.run_id, gates, json)


def _freezing(request: "RunRequest") -> "FreezeApps | None":
    """What freezes apps, loaded where there are some."""
    if not request.names_apps:
        return None
    from serving.as_model import freeze_apps

    return freeze_apps


def _request(**fields: Any) -> "RunRequest":
    from pydantic import ValidationError

    from evalsets.runs.service import RunRequest

    try:
        return RunRequest.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]).replace("_", "-") if first["loc"] else "prompt"
        what = first["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{what}.", param_hint=f"--{where}") from error


def _tell_unread(plan: "Plan") -> None:
    if plan.unread:
        say(f"No prompt reads {', '.join(plan.unread)}, which --map binds. Correct the name.")


def _show_plan(plan: "Plan", run_id: str | None, as_json: bool) -> None:
    from evalsets.runs.plan import plan_json

    _tell_unread(plan)
    document = plan_json(plan)
    if as_json:
        print_json(document if run_id is None else {"id": run_id, **document})
        return
    lines = [
        ("cells", plan.cells), ("calls", plan.calls), ("cached", plan.cached),
        ("unrunnable", plan.unrunnable), ("tokens in", plan.tokens.input),
        ("tokens out", plan.tokens.output), ("cost", money(document["cost_usd"])),
        ("unpriced", plan.unpriced), ("minutes", plan.minutes),
        ("judge calls", plan.evaluation.calls),
        ("judge cost", money(document["evaluation"]["cost_usd"])),
    ]  # fmt: skip
    if run_id is None:
        print_pairs(lines)
        return
    print(run_id)
    say(f"{plan.calls} calls, {plan.cached} cached, {money(document['cost_usd'])}, "
        f"about {plan.minutes} minutes.")  # fmt: skip
