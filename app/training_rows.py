"""What clients said of calls, as judged answers for training: serving and tuning meet here."""

from typing import NamedTuple

from core.canonical import content_hash
from core.database import Database
from serving.cases import Releases, case_inputs, correction_of
from serving.trace_filters import TraceFilter
from serving.traces import TracePublic, iter_traces
from tuning.data.from_run import Gathered
from tuning.data.judged import Said, rows_of
from tuning.data.rows import Turn
from tuning.data.turns import Unreadable, read_calls, read_turns
from tuning.methods import RowKind

MOST_CALLS = 100_000


def app_rows(database: Database, app: str, kind: RowKind) -> Gathered:
    """Rows from what clients and reviewers said of an app's newest calls; raises NotFound."""
    found = said_in_calls(database, TraceFilter(app=app), MOST_CALLS)
    return Gathered(rows_of(found.said, kind, (f"app:{app}"[:128], "feedback")), found.left_out)


class CallsSaid(NamedTuple):
    """Judged answers of calls, and why other calls gave none: reason → how many."""

    said: list[Said]
    left_out: dict[str, int]


def said_in_calls(database: Database, asked: TraceFilter, limit: int) -> CallsSaid:
    """Rated and corrected answers among the newest calls that match, the oldest of them first."""
    said: list[Said] = []
    left_out: dict[str, int] = {}
    calls = list(iter_traces(database, asked, limit=limit))
    with database.read_scope() as session:
        releases = Releases(session)
        for call in reversed(calls):
            correction = correction_of(call)
            if call.row.rating is None and correction is None:
                continue
            one = _said(releases, call, correction)
            if isinstance(one, str):
                left_out[one] = left_out.get(one, 0) + 1
            else:
                said.append(one)
    return CallsSaid(said, left_out)


def _said(releases: Releases, call: TracePublic, correction: str | None) -> Said | str:
    content = call.content
    if content is None:
        return "what was said is not kept"
    if call.row.state != "succeeded":
        return f"the call ended as {call.row.state}"
    try:
        prompt = read_turns(content.messages, "messages")
        calls = read_calls(content.tool_calls, "the output")
    except Unreadable as error:
        return str(error)
    manifest = releases.manifest(call.row.app_id, call.row.release)
    asked = case_inputs(manifest, content.inputs, content.given)
    rated = {"good": True, "bad": False}.get(call.row.rating or "")
    return Said(
        f"call {call.row.id}", content_hash(asked), prompt,
        (Turn("assistant", content.output, calls),), rated, correction, asked=asked,
    )  # fmt: skip
