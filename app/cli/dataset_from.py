"""`promptstone dataset from-run` and `from-traces`: cases from what happened."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.show import Json, print_json, say
from app.cli.trace import App, Ended, Key, Rated, Reason, Release, Since, Text, Until, asked

if TYPE_CHECKING:
    from evalsets.datasets.adding import Added

Name = Annotated[str, typer.Option(help="The data set that gets them.")]


class Label(StrEnum):
    """A label of people."""

    GOOD = "good"
    BAD = "bad"


def from_run(
    run: Annotated[str, typer.Argument(metavar="ID", help="The run.")],
    name: Name,
    label: Annotated[
        Label | None, typer.Option(help="Only outputs with this label [good or corrected].")
    ] = None,
    json: Json = False,
) -> None:
    """Add a case for each labeled case of a run: expected is the correction or the good output."""
    from evalsets.datasets.adding import add_cases
    from evalsets.datasets.from_run import run_cases

    with state.reading() as session:
        cases = run_cases(session, run, None if label is None else label.value)
    _say(add_cases(state.database(), state.actor(), name, cases, f"from run {run}"), json)


def from_traces(
    name: Name,
    app: App = None,
    release: Release = None,
    rating: Rated = None,
    status: Ended = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    text: Text = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 1000,
    json: Json = False,
) -> None:
    """Add a case for each call of an app: expected is the correction, or an answer rated good."""
    from core.errors import Invalid
    from evalsets.datasets.adding import add_cases
    from serving.cases import gather_cases

    wanted = asked(app, release, rating, status, since, until, key, text, reason)
    found = gather_cases(state.database(), wanted, limit)
    if found.without_content:
        say(f"{found.without_content} calls are left out: what was said in them is not kept.")
    if not found.cases:
        raise Invalid("No call matches of which the content is kept. Choose others.")
    if len(found.cases) + found.without_content == limit:
        say(f"Only the newest {limit} calls were taken. Take more with --limit.")
    _say(add_cases(state.database(), state.actor(), name, found.cases, "from calls"), json)


def _say(added: "Added", as_json: bool) -> None:
    version = added.version
    if as_json:
        print_json({**version._asdict(), "new": added.new, "changed": added.changed})
    else:
        print(f"{version.ref} ({version.cases} cases, {added.new} new, {added.changed} changed)")
