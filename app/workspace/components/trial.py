"""Trying a prompt: values, model, tokens and cost before, the answer as it comes, what it took."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st
from sqlmodel import Session

from app.server import context
from app.workspace.components import (
    access,
    base_passages,
    choices,
    code,
    fields,
    one_call,
    output,
    scene_opening,
    sources,
    tool_turns,
    trial_base,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.components.working import Working
from app.workspace.strings import raw, t
from connectors import generate, service
from connectors.models import Generation
from connectors.service import ModelPublic
from connectors.wire import ChatRequest
from core.errors import PromptstoneError
from prompts.going_on import going_on
from prompts.template import RenderedPrompt, VariableReport, renderer
from rag.answer import Source

_GUESSED_OUTPUT = 256


def draw(copy: Working, report: VariableReport | None) -> None:
    """The right side of the Edit tab."""
    model = _model(copy)
    if report is not None:
        trial_base.choose(copy, report)
        used = [v for v in copy.inputs(report.used) if v.name in report.used]
        filled = base_passages.INTO if copy.kb else None
        fields.values(copy, [v for v in used if v.name != filled])
    rendered = _estimate(copy, model)
    found = _generation(copy)
    running = found is not None and found.state == "sent"
    with st.container(horizontal=True, vertical_alignment="center"):
        if running:
            st.button(
                t("prompts.stop"), key="trial_stop", icon=":material/stop:", shortcut="Esc",
                on_click=_stop, args=(copy,), type="secondary",
            )  # fmt: skip
        else:
            st.button(
                t("prompts.run"), key="trial_run", icon=":material/play_arrow:",
                shortcut=url.shortcut("Ctrl+Enter"), on_click=_run, args=(copy,),
            )  # fmt: skip
        if st.button(t("prompts.run_dataset"), key="trial_dataset", icon=":material/grid_on:"):
            from app.workspace.tabs import runs_plan

            runs_plan.go(prompt=f"{copy.name}@{copy.based_on}", model=model.name, kb=copy.kb)
    if found is not None:
        _answer(copy, found)
    with st.container(horizontal=True):
        st.button(
            t("prompts.save_case"), key="trial_case", on_click=url.put, kwargs={"do": "case"},
            icon=":material/add:", type="tertiary",
        )  # fmt: skip
        st.button(
            t("prompts.compare_production"), key="trial_compare", icon=":material/view_column:",
            on_click=scene_opening.compare_with_production, args=(copy, model.name),
            type="tertiary",
        )  # fmt: skip
        if rendered is not None:
            with st.popover(t("prompts.get_code"), icon=":material/code:", type="tertiary"):
                code.draw(model, _request(copy, model, rendered), key="trial_code")


def _model(copy: Working) -> ModelPublic:
    with access.reading() as session:
        known = service.list_models(session)
        names = [model.name for model in known]
        wanted = _wanted(session, copy, names)
    key = f"trial_model_{copy.name}"

    def changed() -> None:
        copy.model = st.session_state[key]
        copy.keep_try()

    picked = st.selectbox(
        t("prompts.model"), names, index=names.index(wanted), key=key, on_change=changed
    )
    return next(model for model in known if model.name == picked)


def _wanted(session: Session, copy: Working, names: Sequence[str]) -> str:
    """The model that is shown and asked: chosen here, named by the prompt, or the default."""
    asked = (copy.model, copy.content.get("model"), choices.default_model(session))
    return next((name for one in asked for name in names if name == one), names[0])


def _params(copy: Working, model: ModelPublic) -> dict[str, Any]:
    return {**model.settings.params, **copy.content.get("options", {})}


def _request(copy: Working, model: ModelPublic, rendered: RenderedPrompt) -> ChatRequest:
    content = copy.checked()
    return ChatRequest(
        rendered.messages,
        params=_params(copy, model),
        schema=content.outputs,
        tools=content.tools or None,
    )


class _Tried(NamedTuple):
    rendered: RenderedPrompt
    sources: tuple[Source, ...]


def _rendered(copy: Working) -> _Tried:
    content = copy.checked()
    given = {name: value for name, value in copy.values.items() if value is not None}
    examples = {v.name: v.example for v in content.inputs if v.example is not None}
    filled = base_passages.filled(content, {**examples, **given}, copy.kb)
    return _Tried(renderer().render_content(content, filled.values), filled.sources)


def _estimate(copy: Working, model: ModelPublic) -> RenderedPrompt | None:
    """Tokens and cost before the call, or why it cannot be made."""
    try:
        rendered = _rendered(copy).rendered
    except PromptstoneError as error:
        st.caption(f":material/error: {plain(error.message)}")
        return None
    params = _params(copy, model)
    most = params.get("max_tokens") or params.get("max_completion_tokens")
    made = int(most) if isinstance(most, int | float) else _GUESSED_OUTPUT
    one_call.estimate(model, rendered.messages, made)
    sent = ", ".join(f"{k}={v}" for k, v in params.items())
    st.caption(t("prompts.sent", params=sent or raw("prompts.no_params")))
    return rendered


def _generation(copy: Working) -> Generation | None:
    if copy.generation is None:
        return None
    with access.reading() as session:
        found = session.get(Generation, copy.generation)
    return found if found is not None and found.actor == access.actor() else None


def _run(copy: Working) -> None:
    """Start the call on the server's loop; a second press finds the first one running."""
    here = context.current()
    running = _generation(copy)
    if running is not None and running.state == "sent":
        return
    try:
        content, tried = copy.checked(), _rendered(copy)
        with access.reading() as session:
            names = [one.name for one in service.list_models(session)]
            call = generate.prepare(
                session,
                access.actor(),
                _wanted(session, copy, names),
                tried.rendered.messages,
                here.settings.key_path,
                params=content.options,
                schema=content.outputs,
                tools=content.tools or None,
                prompt=copy.name,
                version=copy.based_on,
                goes_on=going_on(content.mocks),
            )
        copy.generation = here.generations.start(call)
        copy.sources = [one.row() for one in tried.sources]
    except PromptstoneError as error:
        access.refuse(error)
        return
    copy.keep_try()


def _stop(copy: Working) -> None:
    if copy.generation is not None:
        context.current().generations.stop(copy.generation)


def _answer(copy: Working, found: Generation) -> None:
    running = found.state == "sent"
    text = found.output
    if running:
        text = context.current().generations.text(found.id) or ""
    output.output(
        text, key="trial_answer", label=raw("prompts.answer"),
        stream=found.id if running else None,
    )  # fmt: skip
    if found.error:
        st.error(plain(found.error), icon=":material/error:")
    sources.draw(copy.kb, copy.sources, text)
    if running:
        return
    tool_turns.draw(found, key="trial_tools", has_mocks=bool(copy.content.get("mocks")))
    if found.state == "succeeded":
        tool_turns.fits(text, copy.content.get("outputs"))
    if found.state in ("stopped", "interrupted"):
        st.caption(t(f"prompts.state_{found.state}"))
    one_call.took(found)
