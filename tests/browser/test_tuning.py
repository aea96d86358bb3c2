"""A training that is followed in a real browser: points are added to the chart that is drawn."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from core.database import Database
from core.jobs import place
from core.settings import Settings
from evalsets.datasets.edits import typed_cases
from evalsets.datasets.service import push
from tests.support.browser import Server, at_rest
from tuning import jobs
from tuning.jobs import Owned
from tuning.manifest import BaseRef, Manifest, RowsRef
from tuning.methods import Knobs, Lora, Sft
from tuning.models import TuningPoint

pytestmark = pytest.mark.browser
CHART = "[data-testid=stVegaLiteChart] svg"
LINES = "[...document.querySelectorAll(`[data-testid=stVegaLiteChart] svg .mark-line path`)]"


class Followed:
    """A training in the hands of this process, as a worker has one."""

    def __init__(self, database: Database, owned: Owned) -> None:
        self.database = database
        self.owned = owned
        self.number = 0

    def told(self, kind: str, step: int, value: float) -> None:
        """What its trainer tells next."""
        with self.database.session_scope("worker") as session:
            session.add(TuningPoint(
                job_id=self.owned.job_id, number=self.number, kind=kind, step=step, value=value
            ))  # fmt: skip
            job = jobs.row(session, self.owned.job_id)
            job.step, job.steps, job.tokens_per_second = step, 40, 1204.0
            session.add(job)
        self.number += 1


@pytest.fixture
def followed(server: Server) -> Iterator[Followed]:
    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    data = database.settings.data
    rows = [{"messages": [{"role": "user", "content": "code?"}], "expected": "zebra"}]
    lock = jobs.job_lock(data, "followed")
    assert lock.try_acquire(str(os.getpid()))
    # In one transaction, or the server's own worker would take it.
    with database.session_scope("user:admin") as session:
        version = push(session, "codes", typed_cases(rows)).version
        manifest = Manifest(
            base=BaseRef(name="demo", path="/", hash="0" * 64),
            data=RowsRef(
                dataset="codes", version=1, dataset_hash=version.hash, rows=1, hash="0" * 64
            ),
            evaluation=None, method=Sft(), adapter=Lora(), knobs=Knobs(steps=40), params={},
            samples=(), code="1",
        )  # fmt: skip
        jobs.queue(session, jobs.create(session, "followed", "one", manifest))
        owned = jobs.take(session, f"{place(data)}:{os.getpid()}", "followed", dead=False)
    assert owned is not None
    yield Followed(database, owned)
    lock.release()
    database.close()


def test_points_come_into_the_chart_that_is_there(
    context: BrowserContext, server: Server, followed: Followed
) -> None:
    page = context.new_page()
    page.goto(server.sign_in)
    expect(page.get_by_role("heading", level=1).first).to_be_visible()
    for step, value in ((1, 3.2), (2, 2.9)):
        followed.told("loss", step, value)
    page.goto(f"{server.url}/tuning?id=one")
    expect(page.get_by_text("step 2 of 40 · 1,204 tokens/s")).to_be_visible()
    at_rest(page)
    page.locator(CHART).evaluate("chart => { chart.mine = true }")
    before = page.evaluate(f"{LINES}.map(path => path.getAttribute('d')).join()")
    for step, value in ((3, 2.4), (4, 2.0)):
        followed.told("loss", step, value)
    expect(page.get_by_text("2.000 at step 4")).to_be_visible()
    page.wait_for_function(
        f"before => {LINES}.map(path => path.getAttribute('d')).join() !== before", arg=before
    )
    assert page.locator(CHART).evaluate("chart => chart.mine"), "it was drawn from zero"
    with followed.database.session_scope("worker") as session:
        jobs.leave(session, followed.owned.claim, "completed", None)
    expect(page.get_by_text("completed", exact=True)).to_be_visible()
    page.close()
