"""What waits for a person: queues, runs, cells, reviews, apps; and the first steps."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st
from sqlalchemy import func
from sqlmodel import Session, col, select

from app import example
from app.server import context
from app.workspace.components import access, app_alarms, asking, header, navigation, numbers, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from evalsets.models import Queue, QueueItem, Run
from prompts.models import Prompt
from serving import review
from serving.attention import Waiting


class Steps(NamedTuple):
    """Which of the first steps are done."""

    model: bool
    example: bool
    prompt: bool

    @property
    def finished(self) -> bool:
        return all(self)


class OpenQueue(NamedTuple):
    """A queue with items that wait."""

    id: str
    name: str
    done: int
    total: int


class Counts(NamedTuple):
    """What needs a hand now."""

    queues: Sequence[OpenQueue]
    paused: Sequence[Run]
    failed: Sequence[Run]
    reviews: int
    apps: Waiting | None


def steps() -> Steps:
    """How far a newcomer is."""
    with access.reading() as session:
        names = set(session.exec(select(Prompt.name)).all())
        has_run = session.exec(select(Run.id).limit(1)).first() is not None
    return Steps(True, "news" in names and has_run, bool(names - {"news"}))


def open_queues(session: Session) -> list[OpenQueue]:
    """Queues with unlabeled items, the newest first."""
    done = func.count().filter(col(QueueItem.done).is_(True))
    query = (
        select(Queue.id, Queue.name, done, func.count())
        .join(QueueItem, col(QueueItem.queue_id) == Queue.id)
        .group_by(col(Queue.id), col(Queue.name), col(Queue.created_at))
        .having(done < func.count())
        .order_by(col(Queue.created_at).desc())
        .limit(50)
    )
    return [OpenQueue(*row) for row in session.execute(query)]


def counts() -> Counts:
    """What "Needs you" shows."""
    of_apps = app_alarms.found()
    with access.reading() as session:
        newest = select(Run).order_by(col(Run.created_at).desc()).limit(8)
        paused = session.exec(newest.where(Run.status == "paused")).all()
        failed = session.exec(newest.where(Run.failed > 0, Run.status == "completed")).all()
        reviews = review.counts(session).open if navigation.sees("review") else 0
        return Counts(open_queues(session), paused, failed, reviews, of_apps)


def needs_you() -> None:
    """Open queues, paused runs, failed cells and reviews, counted again every 5 seconds."""

    @st.fragment(run_every="5s")
    def polled() -> None:
        found = counts()
        if not any(found):
            return
        st.subheader(t("home.needs_you"), anchor=False)
        with st.grid("auto", min_column_width=240, gap="small"):
            if found.apps is not None:
                app_alarms.draw(found.apps)
            for queue in found.queues:
                _queue(queue)
            for run in found.paused:
                _run(run, run.reason or raw("runs.state_paused"), ":material/pause:")
            for run in found.failed:
                _run(run, raw("home.failed_cells", n=run.failed), ":material/error:")
            if found.reviews:
                with st.container(border=True, gap="xsmall"):
                    text = t("home.to_review", n=numbers.count(found.reviews))
                    url.link("review", text, icon=":material/reviews:")

    polled()


def _queue(queue: OpenQueue) -> None:
    with st.container(border=True, gap="xsmall"):
        url.link("label", plain(queue.name), icon=":material/rate_review:", queue=queue.id)
        st.progress(
            queue.done / queue.total, text=t("label.progress", done=queue.done, total=queue.total)
        )


def _run(run: Run, what: str, icon: str) -> None:
    with st.container(border=True, gap="xsmall"):
        url.link("runs", plain(run.title or run.dataset), icon=icon, id=run.id)
        st.caption(plain(what))


def queues() -> None:
    """The label page without a queue: those that wait."""
    with access.reading() as session:
        found = open_queues(session)
    if not found:
        header.empty("label.empty")
        return
    with st.grid("auto", min_column_width=240, gap="small"):
        for queue in found:
            _queue(queue)


def connect() -> None:
    """Endpoints found on this machine, each one click from being a model."""
    for found in asking.found_here():
        model = found.models[0] if found.models else ""
        params = {"base_url": found.base_url, "model": model, "key_env": found.api_key_env}
        if st.button(t("home.connect", name=found.title), key=f"connect_{found.title}"):
            url.go("models", do="new", **params)


def load_example() -> str | None:
    """Load the example; the name of its prompt, or None where it was refused."""
    try:
        return example.load(context.current().database, access.actor())
    except PromptstoneError as error:
        access.refuse(error)
        return None


def health() -> None:
    """One line: what lives."""
    here = context.current()
    with access.reading() as session:
        waiting = session.exec(
            select(func.count()).select_from(Run).where(col(Run.status).in_(("queued", "running")))
        ).one()
    st.caption(t("home.health", n=waiting, folder=str(here.settings.data)))


def example_run(run_id: str) -> None:
    """From a run over the example's cases to the one that is labeled already."""
    with access.reading() as session:
        run = session.get(Run, run_id)
        labeled = example.known_run(session)
    if run is not None and labeled is not None and run.dataset == example.GRID:
        url.link("runs", t("home.example_run"), ":material/verified:", id=labeled, tab="verdict")
