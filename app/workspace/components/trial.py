"""Trying a prompt: values, model, tokens and cost before, the answer as it comes, what it took."""

import streamlit as st

from app.workspace.components import access, fields, numbers
from app.workspace.components.plain import plain
from app.workspace.components.working import Working, declared
from app.workspace.strings import t
from connectors import service as models
from connectors.models import Generation, ModelPublic
from core.errors import PromptstoneError
from prompts.content import typed_inputs
from prompts.template import RenderedPrompt, VariableReport, renderer

LIVE = ("sent", "streaming")


def draw(copy: Working, report: VariableReport | None) -> None:
    """The right side of the Edit tab."""
    model = _model(copy)
    if report is not None:
        used = [v for v in declared(copy.content, report.used) if v.name in report.used]
        fields.values(copy, used)
    _estimate(copy, model)
    generation = _generation(copy)
    _run_or_stop(copy, model, generation, ready=report is not None)
    if generation is not None:
        _answer(generation)
    _next(copy)


def _model(copy: Working) -> ModelPublic:
    with access.reading() as session:
        known = models.list_models(session)
    names = [model.name for model in known]
    wanted = copy.model or copy.content.get("model")
    key = f"trial_model_{copy.name}"

    def changed() -> None:
        copy.model = st.session_state[key]
        copy.keep_try()

    place = names.index(wanted) if wanted in names else 0
    picked = st.selectbox(t("prompts.model"), names, index=place, key=key, on_change=changed)
    return next(model for model in known if model.name == picked)


def _rendered(copy: Working) -> RenderedPrompt:
    content = copy.checked()
    return renderer().render_content(content, typed_inputs(content, copy.values))


def _estimate(copy: Working, model: ModelPublic) -> None:
    """Tokens and cost before the call, or why it cannot be made."""
    try:
        found = models.estimate(model, _rendered(copy).messages, copy.content.get("options", {}))
    except PromptstoneError as error:
        st.caption(f":material/error: {plain(error.message)}")
        return
    st.caption(
        t(
            "prompts.estimate",
            input=numbers.count(found.input_tokens),
            output=numbers.count(found.output_tokens),
            cost=numbers.money(found.cost),
        )
    )


def _generation(copy: Working) -> Generation | None:
    if copy.generation is None:
        return None
    with access.reading() as session:
        return session.get(Generation, copy.generation)
