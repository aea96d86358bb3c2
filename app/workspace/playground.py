"""Playground: 2 to 6 arms on one input, side by side."""

import streamlit as st

from app.workspace.components import access, header, numbers, scene_copy, scene_opening, table, url
from app.workspace.strings import raw, t
from app.workspace.tabs import playground_board, playground_drawers
from prompts import scenes

KEYS = {
    "Ctrl+Enter": "keys.run_all",
    "Esc": "keys.stop_all",
    "Ctrl+Space": "keys.complete",
    "Tab": "keys.tab",
    "A": "keys.left_better",
    "B": "keys.right_better",
    "E": "keys.equal",
}
COLUMNS = ("title", "columns", "when")


def catalogue() -> None:
    header.head(raw("navigation.playground"), actions=_new, page_keys={"O": "keys.open"})
    with access.reading() as session:
        rows = scenes.list_scenes(session, access.actor(), before=url.get("after"))
    if not rows and not url.get("after"):
        header.empty("playground.none")
        return
    shown = [scene_opening.row(row) for row in rows]
    table.catalogue(
        "playground",
        [{**one, "when": numbers.ago(one["when"])} for one in shown],
        {name: raw(f"columns.{name}") for name in COLUMNS},
        alt=raw("navigation.playground"),
        opens=lambda row: url.replace(scene=row["id"]),
    )
    more = rows[-1].id if len(rows) == table.PAGE else None
    table.pager("playground", before="" if url.get("after") else None, after=more)


def _new() -> None:
    st.button(
        t("playground.new"), type="primary", icon=":material/add:", key="scene_new",
        on_click=scene_opening.new, disabled=access.role() == "viewer",
    )  # fmt: skip


def one() -> None:
    copy = scene_copy.here()
    badges = [(raw("playground.n_columns", n=len(copy.mine.columns)), "gray")]
    if not copy.is_own:
        owner = copy.stored.owner.removeprefix("user:")
        badges.append((raw("playground.of", who=owner), "orange"))
    more = {"playground.another": scene_opening.new}
    if copy.is_own:
        more["playground.remove"] = lambda: scene_opening.remove(copy.stored.id)
    header.head(raw("navigation.playground"), badges=badges, more=more, page_keys=KEYS)
    playground_board.draw()


scene_copy.drawn()
chosen = scene_copy.chosen()
if chosen is None:
    catalogue()
else:
    with header.found("playground", chosen):
        one()
    playground_drawers.draw(chosen)
