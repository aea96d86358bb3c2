"""What a release made of the failed set, before it is promoted."""

import streamlit as st

from app.workspace.components import access, numbers, publishing, url
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from evalsets.runs.service import get_run
from serving import replays
from serving.gates import Candidate
from serving.replays import Replay
from serving.settings import FailedSet


def draw(seen: View, release: Candidate) -> bool:
    """The result, or the button that asks for it; whether nothing is left to wait for."""
    failed = seen.operations.failed_set
    if failed is None:
        return True
    with access.reading() as session:
        found = replays.find(session, release, failed)
    if found is None:
        st.text(raw("apps.replay_none", dataset=failed.dataset))
        st.button(
            t("apps.replay"), key="replay_start", icon=":material/replay:", on_click=_start,
            args=(release, failed),
        )  # fmt: skip
        return False
    st.text(_said(found) if found.done else _waiting(found))
    url.link("runs", t("apps.replay_run"), ":material/grid_on:", id=found.run, tab="cases")
    return found.done


def _start(release: Candidate, failed: FailedSet) -> None:
    try:
        publishing.checked_role()
        replays.start(access.database(), access.actor(), release, failed)
    except PromptstoneError as error:
        access.refuse(error)


def _said(found: Replay) -> str:
    parts = [raw("apps.replay_cases", n=numbers.count(found.cases))]
    parts += [raw("runs.failed_n", n=numbers.count(found.failed))] if found.failed else []
    parts += [f"{name} {numbers.score(mean)}" for name, mean in found.scores.items()]
    if found.rated:
        parts.append(numbers.share(found.share, found.share_ci95, found.rated))
    return raw("apps.replay_done", dataset=found.dataset, result=" · ".join(parts))


def _waiting(found: Replay) -> str:
    with access.reading() as session:
        run = get_run(session, found.run)
    done = numbers.count(run.succeeded + run.failed)
    state = raw(f"runs.state_{run.status}")
    return raw(
        "apps.replay_runs", dataset=found.dataset, state=state, done=done,
        total=numbers.count(run.total),
    )  # fmt: skip
