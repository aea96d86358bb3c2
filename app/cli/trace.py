"""`promptstone trace`: the calls of published apps."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.files import opened
from app.cli.group import new_group
from app.cli.show import Json, money, print_json, print_table, say

if TYPE_CHECKING:
    from serving.trace_filters import TraceFilter

commands = new_group("Calls of published apps: what was asked, answered and said of it.")


class Rating(StrEnum):
    """What a client said of an answer."""

    GOOD = "good"
    BAD = "bad"
    NONE = "none"


class Status(StrEnum):
    """How calls ended."""

    OK = "ok"
    FAILED = "failed"
    BLOCKED = "blocked"
    ABORTED = "aborted"


class Form(StrEnum):
    """Format of an export."""

    JSONL = "jsonl"


App = Annotated[str | None, typer.Option(help="Only this app's.")]
Release = Annotated[int | None, typer.Option(min=1, help="Only this release's.")]
Rated = Annotated[Rating | None, typer.Option(help="Only those with this rating.")]
Ended = Annotated[Status | None, typer.Option(help="Only those that ended so.")]
Since = Annotated[str | None, typer.Option(metavar="MOMENT", help="From 12h, 1d or a date on.")]
Until = Annotated[str | None, typer.Option(metavar="MOMENT", help="Until then.")]
Key = Annotated[str | None, typer.Option(help="Only those of this API key.")]
Text = Annotated[str | None, typer.Option(help="Found in the inputs, the answer or the error.")]
Reason = Annotated[str | None, typer.Option(help="Only those with this reason of feedback.")]


def asked(
    app: str | None,
    release: int | None,
    rating: Rating | None,
    status: Status | None,
    since: str | None,
    until: str | None,
    key: str | None = None,
    text: str | None = None,
    reason: str | None = None,
) -> "TraceFilter":
    """The options as a filter."""
    from app.cli.moments import moment
    from serving.trace_filters import TraceFilter

    return TraceFilter(
        app=app,
        release=release,
        rating=None if rating is None else rating.value,
        state=None if status is None else status.value,
        since=None if since is None else moment(since, "--since"),
        until=None if until is None else moment(until, "--until"),
        key=key,
        text=text,
        reason=reason,
    )


@commands.command("list")
def list_all(
    app: App = None,
    release: Release = None,
    rating: Rated = None,
    status: Ended = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    text: Text = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
    before: Annotated[str | None, typer.Option(metavar="ID", help="Only older ones.")] = None,
    json: Json = False,
) -> None:
    """The newest calls first."""
    from serving.trace_json import summary
    from serving.traces import page_traces

    wanted = asked(app, release, rating, status, since, until, key, text, reason)
    with state.reading() as session:
        page = page_traces(session, wanted, after=before, limit=limit)
    if page.cut:
        say(f"Only so many calls were searched; older ones with --before {page.after}.")
    if json:
        print_json({"traces": [summary(row) for row in page.rows]})
        return
    heads = ("request", "app", "at", "status", "ms", "first ms", "in", "out", "cost", "rating")
    print_table(
        heads,
        (
            (
                r.id, f"{r.app}@{r.release}", r.at, r.status, r.latency_ms, r.ttft_ms,
                r.input_tokens, r.output_tokens, money(r.cost), r.rating,
            )
            for r in page.rows
        ),
    )  # fmt: skip


@commands.command()
def show(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="Its x-request-id.")],
    json: Json = False,
) -> None:
    """One call with everything that is kept of it."""
    from serving.trace_json import document
    from serving.traces import get_trace

    with state.reading() as session:
        found = document(get_trace(session, request_id))
    if json:
        print_json(found)
        return
    from app.cli.trace_text import print_trace

    print_trace(found)


@commands.command()
def export(
    form: Annotated[Form, typer.Option("--format")],
    app: App = None,
    release: Release = None,
    rating: Rated = None,
    status: Ended = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    text: Text = None,
    reason: Reason = None,
    output: Annotated[Path | None, typer.Option(help="File to write [stdout].")] = None,
) -> None:
    """A line a call with everything, the newest first."""
    from evalsets.files.export import write_rows
    from serving.trace_json import document
    from serving.traces import iter_traces

    wanted = asked(app, release, rating, status, since, until, key, text, reason)
    with opened(output) as out:
        write_rows(form.value, (), map(document, iter_traces(state.database(), wanted)), out)
