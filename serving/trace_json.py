"""Calls as the JSON of commands and exports."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from serving.models import Trace, TraceContent
from serving.traces import TracePublic

Json = dict[str, Any]
_CONTENT = ("inputs", "given", "messages", "output", "tool_calls", "sources", "steps")


def summary(row: Trace) -> Json:
    """A line of `trace list --json`."""
    return {
        "request_id": row.id,
        "app": row.app,
        "release": row.release,
        "alias": row.alias,
        "canary": row.canary,
        "at": row.at.isoformat(),
        "status": row.status,
        "state": row.state,
        "model": row.model,
        "latency_ms": row.latency_ms,
        "ttft_ms": row.ttft_ms,
        "tokens": {"input": row.input_tokens, "output": row.output_tokens},
        "cost_usd": _money(row.cost),
        "rating": row.rating,
        "review": row.review,
        "preview": row.preview,
    }


def document(found: TracePublic) -> Json:
    """`trace show --json`, and a line of an export; what was said is null if it is not kept."""
    row, decision = found.row, found.decision
    shown = summary(row)
    del shown["preview"]
    return {
        **shown,
        "key": found.key,
        "user": row.user,
        "conversation": row.conversation,
        "stream": row.stream,
        "fallback": row.fallback,
        "repaired": row.repaired,
        "error": row.error,
        "error_kind": row.error_kind,
        "judged": row.judged,
        **_content(found.content),
        "feedback": [{**one._asdict(), "at": _moment(one.at)} for one in found.feedback],
        "decision": None
        if decision is None
        else {**decision._asdict(), "at": _moment(decision.at)},
    }


def _content(content: TraceContent | None) -> Json:
    return {name: None if content is None else getattr(content, name) for name in _CONTENT}


def _moment(at: datetime) -> str:
    return at.isoformat()


def _money(cost: Decimal | None) -> str | None:
    return None if cost is None else format(cost, "f")
