"""Releases of an app: what each froze, where aliases pointed and on what evidence, and diffs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from app.workspace.components import (
    access,
    numbers,
    publishing,
    release_diff,
    release_facts,
    table,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from serving import aliases, portable
from serving.models import AppAliasMove, AppRelease
from serving.releasing import releases

COLUMNS = ("release", "aliases", "message", "author", "when", "hash")
MOVES = ("alias", "change", "from", "to", "reason", "evidence", "author", "when")


def draw(seen: View) -> None:
    _draft(seen)
    before = url.get("before")
    with access.reading() as session:
        found = releases(
            session, seen.app, before=int(before) if before and before.isdecimal() else None,
            limit=table.PAGE,
        )  # fmt: skip
        moved = aliases.moves(session, seen.app)[: table.PAGE]
    if not found:
        st.caption(t("apps.no_release"))
        return
    table.grid(
        "releases", [_row(seen, one) for one in found], {c: raw(f"columns.{c}") for c in COLUMNS},
        alt=raw("apps.tab_releases"), on_cell=lambda row, _: url.put(sel=found[row].number),
    )  # fmt: skip
    _pager(found)
    _one(seen, _picked(found))
    _moves(moved)


def _draft(seen: View) -> None:
    if seen.refused is not None:
        st.warning(t("apps.refused", why=seen.refused), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        word = "apps.draft_changed" if seen.is_changed else "apps.draft_same"
        st.caption(t(word if seen.refused is None else "apps.draft_refused"), width="content")
        if publishing.may_publish():
            st.button(
                t("apps.change_draft"), key="draft_change", type="tertiary",
                icon=":material/tune:", on_click=url.open_drawer, args=("draft",),
            )  # fmt: skip


def _row(seen: View, one: AppRelease) -> dict[str, object]:
    return {
        "release": str(one.number),
        "aliases": [alias.name for alias in seen.aliases if alias.release == one.number],
        "message": one.message
        or (raw("apps.imported", origin=one.imported_from) if one.imported_from else ""),
        "author": one.actor.removeprefix("user:"),
        "when": numbers.moment(one.created_at),
        "hash": one.hash[:12],
    }


def _pager(found: Sequence[AppRelease]) -> None:
    before = url.get("before")
    last = found[-1].number
    if before is None and (len(found) < table.PAGE or last == 1):
        return
    with st.container(horizontal=True):
        st.button(
            t("table.first"), key="releases_first", type="tertiary", shortcut=url.shortcut("P"),
            disabled=before is None, on_click=partial(url.put, before=None, sel=None),
        )  # fmt: skip
        st.button(
            t("table.next"), key="releases_next", type="tertiary", shortcut=url.shortcut("N"),
            disabled=last == 1, on_click=partial(url.put, before=last, sel=None),
        )  # fmt: skip


def _picked(found: Sequence[AppRelease]) -> AppRelease:
    asked = url.get("sel") or ""
    return next((one for one in found if str(one.number) == asked), found[0])


def _one(seen: View, release: AppRelease) -> None:
    number = release.number
    st.subheader(plain(f"{seen.name}@{number}"), anchor=False)
    manifest = publishing.manifest(seen.name, number)
    with st.container(horizontal=True):
        if publishing.may_publish():
            st.button(
                t("apps.promote_n", n=number), key="release_promote", on_click=url.put,
                kwargs={"do": "promote", "release": number}, icon=":material/rocket_launch:",
            )  # fmt: skip
        st.button(
            t("prompts.run_dataset"), key="release_run", icon=":material/grid_on:",
            on_click=url.leave, args=("runs",),
            kwargs={"do": "plan", "app": f"{seen.name}@{number}"},
        )  # fmt: skip
        st.download_button(
            t("apps.export"), data=partial(_exported, seen.name, number), mime="application/json",
            file_name=f"{seen.name.replace('/', '-')}-{number}.json", on_click="ignore",
            icon=":material/download:", key="release_export", type="tertiary",
        )  # fmt: skip
    release_facts.draw(manifest)
    for message in manifest.prompt.content.messages:
        st.caption(plain(message.role))
        st.code(message.content, language=None, wrap_lines=True)
    if number > 1:
        other = release_diff.other(number)
        st.subheader(t("apps.difference_to", n=other), anchor=False)
        release_diff.draw(publishing.manifest(seen.name, other), manifest, "release_diff")


def _exported(name: str, number: int) -> str:
    with access.reading() as session:
        return portable.export(session, name, number)


def _moves(moved: Sequence[AppAliasMove]) -> None:
    if not moved:
        return
    st.subheader(t("apps.moves"), anchor=False)
    rows = [
        {
            "alias": move.alias,
            "change": _kind(move),
            "from": move.from_release or numbers.MISSING,
            "to": move.to_release,
            "reason": _reason(move),
            "evidence": _evidence(move.evidence),
            "author": move.actor.removeprefix("user:"),
            "when": numbers.moment(move.at),
            "run": (move.evidence or {}).get("run"),
        }
        for move in moved
    ]
    table.catalogue(
        "moves", rows, {c: raw(f"columns.{c}") for c in MOVES}, alt=raw("apps.moves"),
        opens=_open_run,
    )  # fmt: skip


def _kind(move: AppAliasMove) -> str:
    word = raw(f"apps.move_{move.kind}")
    return word if move.percent is None else f"{word}, {move.percent} %"


def _reason(move: AppAliasMove) -> str:
    """A person's words, or why the canary was stopped."""
    stopped = move.kind == "canary_stop" and move.reason in ("worse", "errors")
    return raw(f"apps.why_{move.reason}") if stopped else move.reason


def _evidence(found: Mapping[str, Any] | None) -> str:
    """The arm's share in the run that the move stands on, and the gate it passed."""
    if not found or "arm" not in found:
        return "" if not found else raw("apps.evidence_traffic")
    arm = next((one for one in found["arms"] if one["arm"] == found["arm"]), None)
    share = "" if arm is None else numbers.share(arm["share"], arm["ci95"], arm["n"])
    return " · ".join(part for part in (share, found.get("gate") or "") if part)


def _open_run(row: Mapping[str, Any]) -> None:
    if row["run"]:
        url.leave("runs", id=row["run"], tab="verdict")
