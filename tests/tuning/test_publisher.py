"""A trained model on its way into the workspace: served, compared, published, proven, unloaded."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.backends import service as backends
from connectors.backends.models import BackendSettings
from connectors.service import get_model, list_models
from core.database import Database
from core.errors import Conflict, NotFound
from evalsets.runs.cells import get_run
from tests.connectors.backends.conftest import Watched
from tests.support.running import ACTOR
from tests.support.training import Forks
from tests.tuning.test_owner import add_rows
from tuning import jobs, publisher, serving
from tuning.folders import adapter_folder, job_folder
from tuning.lineage import lineage_of, trained
from tuning.owner import own_and_run
from tuning.proof import ROWS_PROMPT, offer, prove
from tuning.report import document
from tuning.request import settings_of
from tuning.service import TuneRequest, start
from tuning.serving import Serving, serving_of

pytestmark = pytest.mark.usefixtures("small_vllm")
Train = Callable[..., str]


@pytest.fixture
def train(trainers: Forks, tiny: Path, watched: Watched) -> Train:
    """Trains a tiny model for two steps; the job's id."""

    def one(
        name: str = "tuned", method: str = "sft", adapter: str = "lora", **given: object
    ) -> str:
        db = watched.database
        knobs = {"learning_rate": 0.02, "batch": 4, "steps": 2, "max_length": 128, **given}
        settings = settings_of(method, adapter, knobs)
        job_id = start(db, ACTOR, TuneRequest(name, str(tiny), "codes", None, *settings), None)
        assert trainers.run(job_folder(db.settings.data, job_id)) == 0
        assert own_and_run(db, job_id, threading.Event()) == "completed"
        return job_id

    add_rows(watched.database)
    return one


def host(watched: Watched, tiny: Path, name: str = "host", **changes: object) -> None:
    """A vLLM of the base that takes adapters."""
    given = {"kind": "vllm", "source": str(tiny), "lora": True, "max_rank": 16, **changes}
    watched.add(name, BackendSettings.model_validate(given))


async def carry_out(watched: Watched, job_id: str) -> Serving:
    """What a worker does, to its end."""
    assert publisher.next_asked(watched.database) == job_id
    await asyncio.wait_for(publisher.carry_out(watched.database, job_id, asyncio.Event()), 30)
    found = serving_of(job_of(watched.database, job_id))
    assert found is not None
    return found


def job_of(db: Database, job_id: str) -> jobs.JobPublic:
    with db.read_scope() as session:
        return jobs.get(session, db.settings.data, job_id)


def publish(db: Database, name: str, backend: str | None = None) -> Serving:
    with db.session_scope(ACTOR) as session:
        return serving.publish(session, db.settings.data, name, backend)


async def test_a_trained_adapter_becomes_a_model_beside_its_base(
    watched: Watched, train: Train, tiny: Path
) -> None:
    db = watched.database
    host(watched, tiny)
    job_id = train()
    assert publish(db, "tuned").route == ("adapter", "host")
    with pytest.raises(Conflict, match="on its way"):
        publish(db, "tuned")
    assert (await carry_out(watched, job_id)).state == "ready"
    assert publisher.next_asked(db) is None
    job = job_of(db, job_id)
    assert (job.model, job.backend) == ("tuned", "host")
    assert job.parity is not None
    assert job.parity["prompts"] == job.parity["token_ids_equal"] == job.parity["answers_equal"] > 0
    beside = json.loads((job_folder(db.settings.data, job_id) / "parity.json").read_text())
    assert beside == job.parity
    with db.read_scope() as session:
        assert get_model(session, "tuned").settings.backend == "host"
        told = document(session, job)
        parents = lineage_of(session, db.settings.data, "tuned")
        assert trained(session, "tuned") == ("tuned", False)
        assert trained(session, "host") is None
    assert (told["model"], told["parity"]["prompts"]) == ("tuned", job.parity["prompts"])
    assert [one.kind for one in parents] == ["base", "dataset", "job", "adapter", "model"]
    assert parents[1].name == "codes@1"
    assert all(one.hash for one in (parents[0], parents[1], parents[3]))

    with db.session_scope(ACTOR) as session:
        serving.unpublish(session, "tuned")
        assert "tuned" not in {one.name for one in list_models(session)}
    assert (job_of(db, job_id).model, job_of(db, job_id).serving) == (None, None)
    await watched.until("host", lambda one: one.adapters == ())


async def test_a_proof_serves_the_model_and_runs_it_beside_its_base_on_cases_held_out(
    watched: Watched, train: Train, tiny: Path
) -> None:
    db = watched.database
    host(watched, tiny)
    job_id = train()
    with db.read_scope() as session:
        offered = offer(session, db.settings.data, "tuned")
    assert offered.why is None
    assert (offered.prompts[0], offered.datasets, offered.base) == (
        ROWS_PROMPT, ("codes@1",), "host",
    )  # fmt: skip
    assert prove(db, ACTOR, "tuned") is None, "it is served first"
    assert (await carry_out(watched, job_id)).state == "ready"
    job = job_of(db, job_id)
    assert job.model is None, "proven is not published"
    with db.read_scope() as session:
        assert trained(session, "tuned") == ("tuned", True)
    assert job.proof_run is not None
    with db.read_scope() as session:
        run = get_run(session, job.proof_run)
        assert run.manifest["split"] == "dev"
        assert (run.total, run.dataset) == (4, "codes")
        names = [arm["model"]["name"] for arm in run.manifest["arms"]]
    assert names == ["host", "tuned"]
    again = prove(db, ACTOR, "tuned")
    assert again not in (None, job.proof_run), "a served model is proven at once"
    publish(db, "tuned")
    await carry_out(watched, job_id)
    assert job_of(db, job_id).model == "tuned"


async def test_why_it_cannot_be_served_is_said_before_anything_is_done(
    watched: Watched, train: Train, tiny: Path
) -> None:
    db = watched.database
    host(watched, tiny)
    host(watched, tiny, "low", max_rank=8)
    watched.add("plain", BackendSettings(kind="vllm", source=str(tiny)), start=False)
    job_id = train(rank=16)
    for backend, why in (("low", "up to 8"), ("plain", "--lora"), ("gone", "no backend")):
        with pytest.raises((Conflict, NotFound), match=why):
            publish(db, "tuned", backend)
    assert publish(db, "tuned").route.backend == "host", "the one that fits"
    await carry_out(watched, job_id)
    with pytest.raises(Conflict, match="a model 'host' already"):
        train("host")


async def test_a_changed_adapter_is_not_served(watched: Watched, train: Train, tiny: Path) -> None:
    db = watched.database
    host(watched, tiny)
    job_id = train()
    folder = adapter_folder(db.settings.data, job_id)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4}')
    publish(db, "tuned")
    found = await carry_out(watched, job_id)
    assert found.state == "failed"
    assert found.reason is not None
    assert "adapter_config.json is not what was written" in found.reason
    with db.read_scope() as session:
        assert backends.adapters_of(session, "host") == []
