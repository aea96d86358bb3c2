"""All versions of a prompt, and where its aliases moved."""

import streamlit as st

from app.workspace.components import access, numbers, table, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from prompts import service
from prompts.models import PromptPublic


def draw(version: PromptPublic) -> None:
    with access.reading() as session:
        versions = service.history(session, version.name)
        moves = service.alias_moves(session, version.name)
    rows = [
        {
            "version": one.version,
            "message": one.message,
            "aliases": one.aliases,
            "author": one.author.removeprefix("user:"),
            "when": numbers.moment(one.created_at),
        }
        for one in versions
    ]
    columns = ("version", "message", "aliases", "author", "when")
    table.grid(
        "history", rows, {c: raw(f"columns.{c}") for c in columns},
        alt=raw("prompts.tab_history"), on_cell=lambda row, _: url.put(sel=rows[row]["version"]),
    )  # fmt: skip
    picked = int(url.get("sel") or versions[0].version)
    _actions(version, picked, newest=versions[0].version)
    if moves:
        st.subheader(t("prompts.moves"), anchor=False)
        table.still(
            [
                {
                    "alias": move.alias,
                    "from": move.from_version or numbers.MISSING,
                    "to": move.to_version,
                    "reason": move.reason,
                    "evidence": (move.evidence or {}).get("run", ""),
                    "author": move.actor.removeprefix("user:"),
                    "when": numbers.moment(move.at),
                }
                for move in moves
            ],
            {
                c: raw(f"columns.{c}")
                for c in ("alias", "from", "to", "reason", "evidence", "author", "when")
            },
            alt=raw("prompts.moves"),
        )


def _actions(version: PromptPublic, picked: int, newest: int) -> None:
    def restore() -> None:
        done = access.act(lambda session: service.restore(session, version.name, picked))
        if done is not None:
            url.replace(id=version.name, tab="history")

    def compare() -> None:
        other = newest if picked != newest else max(newest - 1, 1)
        low, high = sorted((picked, other))
        url.replace(id=version.name, tab="diff", a=low, b=high)

    def move() -> None:
        url.put(do="alias", sel=picked)

    access.notice()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(raw("prompts.version_n", n=picked))
        st.button(t("prompts.restore"), on_click=restore, disabled=picked == newest)
        st.button(t("prompts.compare"), on_click=compare, disabled=newest == 1)
        st.button(t("prompts.move_alias"), on_click=move)
        url.link("prompts", t("prompts.open_version", n=plain(picked)), id=version.name, v=picked)
