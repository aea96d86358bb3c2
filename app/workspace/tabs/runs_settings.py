"""Everything that the run froze at its start."""

import streamlit as st

from app.workspace.components import access, numbers, table
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from evalsets.runs.manifest import Manifest
from evalsets.runs.service import get_run


def draw(run_id: str) -> None:
    with access.reading() as session:
        run = get_run(session, run_id)
    manifest = Manifest.model_validate(run.manifest)
    st.caption(t("runs.frozen"))
    facts = {
        "id": run.id,
        "cases": f"{run.dataset}@{run.dataset_version}",
        "author": run.actor.removeprefix("user:"),
        "when": numbers.moment(run.created_at),
        "cells": numbers.count(run.total),
        "calls": numbers.count(run.calls),
        "tokens": f"{numbers.count(run.input_tokens)} / {numbers.count(run.output_tokens)}",
        "cost": numbers.money(run.cost),
        "interrupted": run.interrupted,
        "evaluator": ", ".join(one.name for one in manifest.evaluators) or numbers.MISSING,
    }
    table.still(
        [{"setting": raw(f"columns.{name}"), "value": value} for name, value in facts.items()],
        {"setting": raw("columns.setting"), "value": raw("columns.value")},
        alt=raw("runs.settings_alt"),
    )
    for arm in manifest.arms:
        with st.expander(plain(arm.name)):
            if arm.prompt is not None:
                for message in arm.prompt.content.messages:
                    st.caption(plain(message.role))
                    st.code(message.content, language=None, wrap_lines=True)
            shown = {
                "model": arm.model.settings.model_dump(mode="json", exclude={"secret_id"})
                if arm.model
                else None,
                "params": arm.params,
                "mapping": arm.mapping,
            }
            st.json(shown)
