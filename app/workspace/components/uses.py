"""Which runs and apps use an object."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from sqlalchemy import String, cast
from sqlmodel import Session, col, select

from app.workspace.components import access, numbers, states, table, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from evalsets.models import Run
from serving.uses import Part, apps_using

_LOOK_BACK = 200


def arm_names(run: Run) -> str:
    """The arms of a run in one line."""
    return ", ".join(str(arm["name"]) for arm in _arms(run))


def runs_of_prompt(session: Session, name: str) -> list[Run]:
    """The newest runs with an arm of this prompt."""
    return [run for run in _recent(session, name) if _has(run, "prompt", name)]


def runs_of_model(session: Session, name: str) -> list[Run]:
    """The newest runs with an arm on this model."""
    return [run for run in _recent(session, name) if _has(run, "model", name)]


def runs_of_base(session: Session, base_id: str) -> list[Run]:
    """The newest runs with an arm that reads from this base."""
    return [
        run
        for run in _recent(session, base_id)
        if any((arm.get("retrieval") or {}).get("base_id") == base_id for arm in _arms(run))
    ]


def runs_of_dataset(session: Session, name: str) -> list[Run]:
    """The newest runs over any version of this data set."""
    query = select(Run).where(Run.dataset == name, col(Run.imported).is_(False))
    return list(session.exec(query.order_by(col(Run.id).desc()).limit(50)))


def _recent(session: Session, name: str) -> list[Run]:
    named = cast(col(Run.manifest), String).contains(name, autoescape=True)
    query = select(Run).where(named).order_by(col(Run.id).desc()).limit(_LOOK_BACK)
    return list(session.exec(query))


def _has(run: Run, part: str, name: str) -> bool:
    return any((arm.get(part) or {}).get("name") == name for arm in _arms(run))


def _arms(run: Run) -> list[dict[str, Any]]:
    return run.manifest.get("arms", [])


def runs_table(key: str, runs: Sequence[Run], alt: str) -> None:
    """Runs that use an object, newest first; a row opens its run."""
    rows = [
        {
            "name": run.title or f"{run.dataset}@{run.dataset_version}",
            "arms": arm_names(run),
            "state": states.run_badge(run.status)[0],
            "when": numbers.ago(run.created_at),
            "id": run.id,
        }
        for run in runs
    ]
    columns = {name: raw(f"columns.{name}") for name in ("name", "arms", "state", "when")}
    table.catalogue(key, rows, columns, alt=alt, opens=lambda row: url.leave("runs", id=row["id"]))


def apps_links(part: Part, name: str) -> None:
    """Links to the apps that use an object, with where they do; nothing when none does."""
    with access.reading() as session:
        found = apps_using(session, part, name)
    if not found:
        return
    st.subheader(t("uses.apps"), anchor=False)
    for use in found:
        live = [raw("uses.live", aliases=", ".join(use.live))] if use.live else []
        draft = [raw("uses.draft")] if use.draft else []
        label = " · ".join([use.app, *live, *draft])
        url.link("apps", plain(label), ":material/rocket_launch:", id=use.app)
