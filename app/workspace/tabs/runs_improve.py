"""A better prompt from the answers that people called bad: proposed, compared, accepted."""

from dataclasses import replace

import streamlit as st

from app.workspace.components import (
    access,
    choices,
    content_diff,
    improving,
    live,
    one_call,
    output,
    plan_address,
    states,
    table,
    url,
)
from app.workspace.components.improving import Asked
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import runs_plan
from connectors import service as models
from connectors.models import Generation
from evalsets.improving.asking import estimate, messages
from evalsets.improving.failures import Failures, NoFailures, failures, prompt_arms
from evalsets.improving.proposal import Proposal, RefusedError, proposed
from evalsets.runs.listed import asked_of
from prompts.diff import diff


def draw(run_id: str) -> None:
    with access.shown_errors():
        with access.reading() as session:
            arms = [arm.name for arm in prompt_arms(session, run_id)]
        st.caption(t("improve.what" if arms else "improve.no_arm"))
        if not arms:
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            arm = url.select("improve", "arm", arms, t("improve.whose"))
            model = _model()
        try:
            with access.reading() as session:
                asked = Asked(failures(session, run_id, arm=arm), model)
        except NoFailures as none:
            improving.nothing_to_see(none)
            to_label = {"id": run_id, "tab": "cases", "f": "unlabeled"}
            url.link("runs", t("improve.to_label"), ":material/rate_review:", **to_label)
            return
        _failures(asked.found)
        got = improving.answer(asked)
        _foot(asked, got)
        if one_call.running(got):
            live.live(lambda: one_call.running(improving.answer(asked)), alive=True)
        elif got is not None:
            _answered(asked, got)


def _model() -> str:
    with access.reading() as session:
        names = [one.name for one in models.list_models(session)]
        first = choices.default_model(session)
    ordered = sorted(names, key=lambda name: name != first)
    return url.select("improve", "writer", ordered, t("improve.writer"))


def _failures(found: Failures) -> None:
    st.caption(
        t("improve.seen", n=len(found.chosen), labeled=found.labeled, held=found.held_out)
    )  # fmt: skip
    rows = [
        {
            "case": one.case_id,
            "answer": one.output[:200],
            "reasons": states.label_reasons(one.said.reasons),
            "comment": (one.said.comment or "")[:200],
            "correction": (one.said.correction or "")[:200],
        }
        for one in found.chosen
    ]
    columns = ("case", "answer", "reasons", "comment", "correction")
    table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("improve.table"))


def _foot(asked: Asked, got: Generation | None) -> None:
    """What the call takes, and its button."""
    with access.reading() as session:
        model = models.get_model(session, asked.model)
    guess = estimate(
        messages(asked.found), asked.found.prompt.content, model.settings.model, model.price
    )
    one_call.tell(guess.input_tokens, guess.output_tokens, guess.cost)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("improve.again" if got else "improve.ask"), key="improve_ask",
            icon=":material/auto_fix_high:", on_click=improving.ask, args=(asked,),
            disabled=one_call.running(got), type="secondary" if got else "primary",
        )  # fmt: skip
        if got is not None and one_call.running(got):
            st.button(
                t("prompts.stop"), key="improve_stop", icon=":material/stop:",
                on_click=one_call.stop, args=(got,),
            )  # fmt: skip
            st.caption(t("improve.asking", model=asked.model))
        else:
            st.button(
                t("improve.more_like"), key="improve_more", icon=":material/post_add:",
                type="tertiary", on_click=url.leave, args=("datasets",),
                kwargs={
                    "id": asked.found.dataset, "do": "generate", "like": asked.found.run_id,
                    "arm": asked.found.arm.name,
                },
            )  # fmt: skip


def _answered(asked: Asked, got: Generation) -> None:
    if not one_call.succeeded(got):
        return
    before = asked.found.prompt
    try:
        made = proposed(before.content, got.output)
    except RefusedError as error:
        st.error(plain(error.message), icon=":material/error:")
        st.caption(t("improve.said"))
        output.output(got.output, key="improve_said", label=raw("improve.said"))
        return
    if made.reason:
        st.text(raw("improve.why", reason=made.reason))
    st.subheader(t("improve.change", ref=f"{before.name}@{before.version}"), anchor=False)
    content_diff.draw(diff(before.content, made.content), "runs")
    _decide(asked, made)


def _decide(asked: Asked, made: Proposal) -> None:
    """Accept it; once it is a version, measure it on cases that the model did not see."""
    before, saved = asked.found.prompt, improving.saved_as(asked, made)
    if saved is None:
        st.button(
            t("improve.accept"), key="improve_accept", type="primary", icon=":material/check:",
            on_click=improving.accepted, args=(asked, made),
        )  # fmt: skip
        return
    ref = f"{before.name}@{saved}"
    st.text(raw("improve.accepted", ref=ref))
    with access.reading() as session:
        arm = asked_of(session, asked.found.arm)
    arms = [arm.text, replace(arm, prompt=ref).text]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("improve.compare"), key="improve_compare", icon=":material/compare_arrows:",
            type="primary", on_click=runs_plan.open_plan,
            kwargs={
                "arms": plan_address.listed(arms), "split": "holdout",
                "dataset": asked.found.dataset,
                "mapping": plan_address.mapping_text(asked.found.arm.mapping),
            },
        )  # fmt: skip
        url.link("prompts", t("improve.open", ref=ref), id=before.name)
