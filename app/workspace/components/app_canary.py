"""A canary beside its rival, and when it is ended, in words."""

import streamlit as st

from app.workspace.components import access, keeping, numbers, table
from app.workspace.strings import raw, t
from evalsets.statistics.quantiles import Interval
from serving.canary import canary_figures
from serving.canary_rule import LEAST_CALLS, LEAST_FAILING, Arm, CanaryFigures, Compared, decide
from serving.models import AppAlias

COLUMNS = ("release", "calls", "errors", "share")


def draw(alias: AppAlias) -> None:
    """Figures since the canary began; nothing where there is none."""
    if alias.canary is None:
        return
    found = keeping.kept(("canary", alias.app_id, alias.canary_move), lambda: _read(alias))
    if found is None:
        return
    decision = decide(found)
    rows = [
        _row(raw("apps.canary_row", n=found.canary.release, percent=found.percent), found.canary,
             decision.good.canary_ci95, decision.errors.canary_ci95),
        _row(raw("apps.stable_row", n=found.stable.release), found.stable,
             decision.good.stable_ci95, decision.errors.stable_ci95),
    ]  # fmt: skip
    table.still(rows, {c: raw(f"columns.{c}") for c in COLUMNS}, alt=raw("apps.canary_alt"))
    good, errors = (_difference(one) for one in (decision.good, decision.errors))
    st.caption(t("apps.canary_now", since=numbers.ago(found.since), good=good, errors=errors))
    st.caption(t("apps.canary_rule", calls=LEAST_CALLS, failing=LEAST_FAILING))


def _read(alias: AppAlias) -> CanaryFigures | None:
    with access.reading() as session:
        return canary_figures(session, alias)


def _row(
    name: str, arm: Arm, good: Interval | None, errors: Interval | None
) -> dict[str, str]:  # fmt: skip
    rated = arm.good + arm.bad
    share = arm.good / rated if rated else None
    failed = arm.errors / arm.calls if arm.calls else None
    return {
        "release": name,
        "calls": numbers.count(arm.calls),
        "errors": numbers.MISSING if failed is None else numbers.share(failed, errors, arm.calls),
        "share": numbers.MISSING if share is None else numbers.share(share, good, rated),
    }


def _difference(found: Compared) -> str:
    if found.difference is None:
        return raw("apps.not_yet")
    return numbers.difference(found.difference, found.difference_ci95)
