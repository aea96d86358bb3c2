"""The failed set of an app, asked again of a release before it is promoted."""

from typing import TYPE_CHECKING

from app.cli import state
from app.cli.show import percent, say

if TYPE_CHECKING:
    from serving.gates import Candidate
    from serving.replays import Replay
    from serving.settings import FailedSet


def replayed(name: str, number: int) -> "Replay | None":
    """What the release made of the app's failed set, asked now unless it was; None without one."""
    from serving.lookup import need_app
    from serving.service import operations_of

    with state.reading() as session:
        failed = operations_of(need_app(session, name)).failed_set
    return None if failed is None else _replayed(name, number, failed)


def _replayed(name: str, number: int, failed: "FailedSet") -> "Replay":
    from core.errors import Conflict
    from serving import replays
    from serving.gates import candidate

    with state.reading() as session:
        release = candidate(session, name, number)
        found = replays.find(session, release, failed)
    if found is None or not found.done:
        found = _asked(release, failed)
    say(_said(found))
    if not found.done:
        raise Conflict(
            f"The replay {found.run} is {found.status}. Go on with `promptstone run resume "
            f"{found.run} --wait`, or promote with --no-replay."
        )
    return found


def _asked(release: "Candidate", failed: "FailedSet") -> "Replay":
    from app.cli.waiting import wait_for
    from serving import replays

    say(f"Asking {release.app}@{release.number} the failed set {failed.dataset}.")
    run_id = replays.start(state.database(), state.actor(), release, failed, here=True)
    wait_for(run_id)
    with state.reading() as session:
        found = replays.find(session, release, failed)
    assert found is not None
    return found


def _said(found: "Replay") -> str:
    means = [
        f"{name} {'unscored' if mean is None else f'{mean:.2f}'}"
        for name, mean in found.scores.items()
    ]
    share = [f"{percent(found.share)} good (n = {found.rated})"] if found.rated else []
    parts = [f"{found.cases} cases", f"{found.failed} failed", *means, *share]
    return f"Failed set {found.dataset}: {', '.join(parts)} (run {found.run})."
