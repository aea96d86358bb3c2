"""Models: what we can ask, at what price, and whether it answers."""

import streamlit as st

from app.workspace.components import access, asking, header, live, numbers, table, url, uses
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import models_drawers
from connectors import service
from connectors.prices import is_ending
from connectors.service import ModelPublic
from tuning import lineage


def catalogue() -> None:
    header.head(raw("models.title"), actions=_new)
    with access.reading() as session:
        models = service.list_models(session)
    rows = [
        {
            "name": model.name,
            "kind": raw(f"models.kind_{model.settings.kind}"),
            "model": model.settings.model,
            "where": where(model),
            "price": price(model),
            "limits": limits(model),
            "test": tested(model),
        }
        for model in models
    ]
    columns = ("name", "kind", "model", "where", "price", "limits", "test")
    table.catalogue(
        "models", rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("models.title")
    )


def _new() -> None:
    st.button(
        t("models.new"), type="primary", icon=":material/add:", on_click=url.open_drawer,
        args=("new",),
    )  # fmt: skip


def where(model: ModelPublic) -> str:
    settings = model.settings
    return settings.base_url or settings.provider or raw("models.here")


def price(model: ModelPublic) -> str:
    found = model.price
    if found is None:
        return raw("numbers.unpriced")
    if found.source == "local":
        return raw("models.free")
    each = (numbers.money(found.input_per_million), numbers.money(found.output_per_million))
    return raw("models.per_million", input=each[0], output=each[1])


def limits(model: ModelPublic) -> str:
    settings = model.settings
    parts = [raw("models.at_once", n=settings.concurrency)]
    parts += [raw("models.rpm", n=numbers.count(settings.rpm))] if settings.rpm else []
    parts += [raw("models.tpm", n=numbers.count(settings.tpm))] if settings.tpm else []
    return " · ".join(parts)


def tested(model: ModelPublic) -> str:
    last = model.last_test
    if last is None:
        return raw("models.untested")
    return f"{'✓' if last.ok else '!'} {last.message}"


def one(name: str) -> None:
    with header.found("models", name):
        with access.reading() as session:
            model = service.get_model(session, name)
            ours = lineage.trained(session, name)
        badges = [(raw("models.badge_demo"), "gray")] if model.settings.kind == "demo" else []
        badges += [(raw("models.badge_candidate"), "orange")] if ours and ours.candidate else []
        header.head(
            model.name, badges=badges, actions=lambda: _test(name), more=models_drawers.more(model)
        )
        if ours is not None:
            url.link(
                "tuning", plain(raw("models.tuned_by", job=ours.job)), ":material/model_training:",
                id=ours.job, tab="lineage",
            )  # fmt: skip
        live.live(lambda: _state(name), alive=asking.is_testing(name))
        if is_ending(model.settings):
            st.warning(t("models.ends"), icon=":material/event_busy:")
        _settings(model)
        with access.reading() as session:
            used = uses.runs_of_model(session, name)[:10]
        uses.apps_links("model", name)
        if used:
            st.subheader(t("models.used"), anchor=False)
            for run in used:
                url.link("runs", plain(run.title or f"{run.dataset}@{run.dataset_version}"),
                         ":material/grid_on:", id=run.id)  # fmt: skip


def _test(name: str) -> None:
    st.button(
        t("models.test"), type="primary", icon=":material/play_arrow:",
        on_click=asking.start_test, args=(name,), disabled=asking.is_testing(name),
    )  # fmt: skip


def _state(name: str) -> bool:
    if asking.is_testing(name):
        st.caption(t("models.testing"))
        return True
    with access.reading() as session:
        last = service.get_model(session, name).last_test
    if last is None:
        st.caption(t("models.untested"))
    else:
        icon = ":material/check:" if last.ok else ":material/error:"
        with st.container(horizontal=True, vertical_alignment="center"):
            word = t("models.answers" if last.ok else "models.fails")
            st.badge(word, color="green" if last.ok else "red", icon=icon)
            st.text(f"{last.message} ({numbers.ago(last.at)})")
    return False


def _settings(model: ModelPublic) -> None:
    settings, found = model.settings, model.price
    dated = f" · {found.source} {found.as_of}" if found and found.source != "local" else ""
    rows = {
        "kind": raw(f"models.kind_{settings.kind}"),
        "model": settings.model,
        "where": where(model),
        "key": raw(_key_word(model)),
        "price": price(model) + dated,
        "params": ", ".join(f"{k}={v}" for k, v in settings.params.items()) or numbers.MISSING,
        "limits": limits(model),
        "timeout": numbers.span(settings.timeout * 1000),
        "structured": settings.structured,
    }
    table.still(
        [{"setting": raw(f"columns.{name}"), "value": value} for name, value in rows.items()],
        {"setting": raw("columns.setting"), "value": raw("columns.value")},
        alt=raw("models.title"),
    )


def _key_word(model: ModelPublic) -> str:
    if model.settings.api_key_env:
        return "models.key_env"
    return "models.key_sealed" if model.settings.secret_id else "models.key_none"


chosen = url.get("id")
if chosen is None:
    catalogue()
else:
    one(chosen)
models_drawers.draw(chosen)
