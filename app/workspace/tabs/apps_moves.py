"""Decisions about releases: make one, promote it, roll back, take an alias away."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from app.workspace.components import (
    access,
    app_replay,
    drawer,
    numbers,
    publishing,
    release_diff,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from core.errors import Invalid, PromptstoneError
from evalsets.models import Run
from evalsets.verdicts.gates import GateResult, parse_gates
from serving import aliases, gates, making
from serving.gates import Promotion, RunGate
from serving.manifest import ReleaseManifest

ALIASES = ("production", "staging")


def bodies(seen: View) -> dict[str, Callable[[], None]]:
    """The drawers by name."""
    made = {"release": _release, "promote": _promote, "rollback": _rollback, "unalias": _unalias}
    return {name: partial(body, seen) for name, body in made.items()}


def _release(seen: View) -> None:
    if seen.refused is not None:
        st.error(plain(seen.refused), icon=":material/error:")
        return
    if not seen.is_changed or seen.next is None:
        st.text(raw("apps.draft_same"))
        return
    st.text(raw("apps.release_what"))
    if seen.newest is not None:
        release_diff.draw(seen.newest, seen.next, "draft_diff")
    with drawer.form("app_release_form"):
        message = st.text_input(t("apps.message"), max_chars=500)

        def freeze() -> int:
            publishing.checked_role()
            return making.release(access.database(), access.actor(), seen.name, message).number

        number = drawer.submit_outside("apps.release_verb", freeze)
    if number is not None:
        drawer.done(id=seen.name, tab="releases")


def _number(seen: View) -> int:
    asked = url.get("release") or ""
    return int(asked) if asked.isdecimal() else seen.app.newest


def _promote(seen: View) -> None:
    number = _number(seen)
    known = list(dict.fromkeys([*ALIASES, *(one.name for one in seen.aliases)]))
    with access.reading() as session:
        release = gates.candidate(session, seen.name, number)
        runs = gates.proving_runs(session, release)
    st.text(raw("apps.promote_what", ref=f"{seen.name}@{number}"))
    replayed = app_replay.draw(seen, release)
    with drawer.form("app_promote_form"):
        alias = st.selectbox(
            t("apps.alias"), known, key="promote_alias", accept_new_options=True,
            index=known.index(url.get("alias") or known[0]) if url.get("alias") in known else 0,
        )  # fmt: skip
        canary = st.number_input(
            t("apps.canary_percent"), 1, 99, None, key="promote_canary", step=5,
            placeholder=raw("apps.all_calls"), help=t("apps.canary_help"),
        )  # fmt: skip
        run = st.selectbox(
            t("apps.evidence"), runs, _origin(seen, runs), key="promote_run", format_func=_spelled,
            placeholder=raw("apps.no_evidence" if runs else "apps.no_runs"),
            help=t("apps.evidence_help"),
        )  # fmt: skip
        gate = st.text_input(
            t("apps.gate"), key="promote_gate", placeholder="share_good>=0.8",
            help=t("apps.gate_help"),
        )  # fmt: skip
        reason = st.text_input(t("apps.reason"), key="promote_reason")
        if not replayed:
            replayed = st.checkbox(t("apps.without_replay"), key="promote_unreplayed")
        pressed = st.form_submit_button(t("apps.promote_n", n=number), type="primary")
    if pressed and not replayed:
        st.error(t("apps.replay_first"), icon=":material/error:")
    elif pressed:
        _promoted(seen, number, str(alias or ""), canary, run, gate, reason)
    _against(seen, number, release.manifest, str(alias or ""))


def _origin(seen: View, runs: Sequence[Run]) -> int | None:
    """The run that the app was made of, where it proves this release."""
    made_of = (seen.app.origin or {}).get("run")
    return next((place for place, run in enumerate(runs) if run.id == made_of), None)


def _spelled(run: Run) -> str:
    title = run.title or f"{run.dataset}@{run.dataset_version}"
    return f"{title} · {numbers.ago(run.created_at)} · {run.id}"


def _promoted(
    seen: View, number: int, alias: str, canary: int | None, run: Run | None, gate: str, reason: str
) -> None:
    try:
        found = _move(seen.name, number, alias.strip(), canary, run, gate.strip(), reason)
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    for failure in found.result.failures:
        st.error(plain(failure.sentence), icon=":material/error:")
    if found.result.holds:
        access.saved("apps.promoted", alias=alias, ref=f"{seen.name}@{number}")
        drawer.done(id=seen.name)


def _move(
    name: str, number: int, alias: str, canary: int | None, run: Run | None, gate: str, reason: str
) -> Promotion:
    publishing.checked_role()
    if gate and run is None:
        raise Invalid(raw("apps.gate_needs_run"))
    checks = tuple(parse_gates(gate)) if gate else ()
    with access.writing() as session:
        if run is not None:
            return gates.promote_on(
                session, name, number, alias, RunGate(run.id, checks), canary=canary, reason=reason
            )
        move = aliases.promote(session, name, number, alias, canary=canary, reason=reason)
        return Promotion(move, GateResult(True, []))


def _against(seen: View, number: int, manifest: ReleaseManifest, alias: str) -> None:
    """What will be different for the callers of an alias."""
    live = next((one for one in seen.aliases if one.name == alias), None)
    if live is not None and live.release != number:
        st.caption(t("apps.difference_to", n=live.release))
        before = publishing.manifest(seen.name, live.release)
        release_diff.draw(before, manifest, "promote_diff")


def _rollback(seen: View) -> None:
    alias = url.get("alias") or ALIASES[0]
    with access.reading() as session:
        target = aliases.rollback_target(session, seen.name, alias)
    live = next(one for one in seen.aliases if one.name == alias)
    leaves = live.release if live.canary is None else live.canary
    st.text(raw("apps.rollback_what", alias=alias, target=target, leaves=leaves))
    release_diff.draw(
        publishing.manifest(seen.name, leaves), publishing.manifest(seen.name, target), "back_diff"
    )
    with drawer.form("app_rollback_form"):
        reason = st.text_input(t("apps.reason"), key="rollback_reason")

        def back() -> int:
            publishing.checked_role()
            with access.writing() as session:
                return aliases.rollback(session, seen.name, alias, reason=reason).to_release

        done = drawer.submit_outside("apps.rollback_verb", back, n=target)
    if done is not None:
        access.saved("apps.promoted", alias=alias, ref=f"{seen.name}@{done}")
        drawer.done(id=seen.name)


def _unalias(seen: View) -> None:
    alias = url.get("alias") or ""
    st.text(raw("apps.unalias_what", alias=alias, name=seen.name))
    with drawer.form("app_unalias_form"):

        def remove() -> bool:
            publishing.checked_role()
            with access.writing() as session:
                aliases.remove_alias(session, seen.name, alias)
            return True

        done = drawer.submit_outside("apps.unalias_verb", remove)
    if done is not None:
        drawer.done(id=seen.name)
