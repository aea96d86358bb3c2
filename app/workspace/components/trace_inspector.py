"""One call whole: what happened step by step, what was asked and answered, what was said of it."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.workspace.components import (
    access,
    header,
    numbers,
    output,
    sources,
    states,
    trace_actions,
    trace_list,
)
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from serving.cases import Releases
from serving.manifest import ReleaseManifest
from serving.models import Trace, TraceContent
from serving.traces import FeedbackPublic, TracePublic, get_trace

_STEPS = ("guard", "pinned", "retrieve", "render", "call", "fallback", "repair", "check")


def draw(request_id: str) -> None:
    """The inspector."""
    with access.reading() as session:
        found = get_trace(session, request_id)
        manifest = Releases(session).manifest(found.row.app_id, found.row.release)
    with st.container(border=True, key="inspector", gap="small"):
        _head(found)
        trace_actions.draw(found, manifest)
        if found.row.error:
            st.caption(t("runs.error"))
            st.text(visible(found.row.error))
        if found.content is None:
            st.caption(t("traces.not_kept"))
        else:
            _content(found.content, manifest)
        _usage(found.row)
        _said(found)


def _head(found: TracePublic) -> None:
    row = found.row
    badges: list[header.Badge] = [
        (f"{row.app}@{row.release}", "gray"),
        (
            f"{trace_list.status(row)} · {raw(f'traces.ended_{row.state}')}",
            "green" if row.state in ("succeeded", "pinned") else "orange",
        ),
    ]
    if row.canary:
        badges.append((raw("apps.canary"), "orange"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for text, color in badges:
            st.badge(plain(text), color=color)  # type: ignore[arg-type]
    who = [numbers.moment(row.at), found.key, row.user, row.model]
    st.caption(plain(" · ".join(part for part in who if part)))
    st.code(row.id, language=None)


def _content(content: TraceContent, manifest: ReleaseManifest | None) -> None:
    for step in content.steps:
        _step(step)
    for name, value in content.inputs.items():
        _value(name, value)
    for turn in content.given:
        _value(str(turn.get("role", "")), turn.get("content"))
    if content.output:
        st.caption(t("runs.full_output"))
        output.output(content.output, key="trace_output", label=raw("runs.full_output"))
    if content.tool_calls:
        st.json(content.tool_calls)
    retrieval = None if manifest is None else manifest.retrieval
    sources.draw(None if retrieval is None else retrieval.kb, content.sources, content.output)
    with st.expander(t("runs.exact_request")):
        st.json(content.messages)


def _step(step: Mapping[str, Any]) -> None:
    kind = str(step["kind"])
    name = t(f"traces.step_{kind}") if kind in _STEPS else plain(kind)
    took = plain(numbers.span(step["ms"]))
    what = plain(step["name"]) if step["name"] else ""
    label = " · ".join([name, what, took]) if step["name"] else " · ".join([name, took])
    with st.status(label, state="complete" if step["ok"] else "error", type="step"):
        at = numbers.span(step["at_ms"])
        detail = json.dumps(step["detail"], ensure_ascii=False) if step["detail"] else ""
        st.text(visible(" ".join([raw("traces.step_at", at=at), detail]).strip()))


def _value(name: str, value: object) -> None:
    with st.container(gap=None):
        st.caption(plain(name))
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        st.text(visible(text))


def _usage(row: Trace) -> None:
    first = numbers.MISSING if row.ttft_ms is None else numbers.span(row.ttft_ms)
    took = t(
        "prompts.took_short",
        input=numbers.count(row.input_tokens),
        output=numbers.count(row.output_tokens),
        cost=numbers.money(row.cost),
        latency=numbers.span(row.latency_ms),
    )
    st.caption(f"{took} · {t('traces.first_token', span=first)}")


def _said(found: TracePublic) -> None:
    for one in found.feedback:
        feedback(one, who=one.actor)
    decision = found.decision
    if decision is not None:
        said = raw(f"review.decided_{decision.decision}", who=decision.actor.removeprefix("user:"))
        st.text(visible(" · ".join(filter(None, [said, decision.dataset]))))


def feedback(one: FeedbackPublic, *, who: str = "") -> None:
    """What was said of a call, inert."""
    word = raw(f"label.{one.rating}") if one.rating else ""
    head = " ".join(filter(None, [states.SIGNS.get(one.rating or "", ""), word]))
    parts = [head, states.label_reasons(one.reasons), who, numbers.ago(one.at)]
    with st.container(gap=None):
        st.caption(t("traces.feedback"))
        st.text(visible(" · ".join(part for part in parts if part)))
        if one.comment:
            st.text(visible(one.comment))
        if one.correction:
            st.caption(t("label.label_correction"))
            st.text(visible(one.correction))
