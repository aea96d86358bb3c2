"""What a training takes and how long it still takes, by what earlier ones measured."""

from datetime import timedelta

import pytest

from core.clock import utcnow
from core.database import Database
from tests.support.models import CONFIG
from tuning import jobs
from tuning.forecast import memory_of, seconds_for, seconds_left, speed_of
from tuning.manifest import BaseRef, Manifest, RowsRef
from tuning.methods import Dpo, Full, Knobs, Lora, Sft
from tuning.models import TuningPoint

KNOBS = Knobs(learning_rate=1e-4, epochs=2, batch=4, max_length=128)


@pytest.fixture
def job_id(sqlite_db: Database) -> str:
    rows = RowsRef(dataset="codes", version=1, dataset_hash="0", rows=10, hash="0")
    manifest = Manifest(
        base=BaseRef(name="demo", path="/", hash="0"), data=rows, evaluation=None, method=Sft(),
        adapter=Lora(), knobs=KNOBS, params={}, samples=(), code="1",
    )  # fmt: skip
    with sqlite_db.session_scope("worker") as session:
        return jobs.create(session, "a", "one", manifest).id


def told(db: Database, job_id: str, steps: list[tuple[int, float]], **fields: object) -> None:
    """Losses at steps, each so many seconds after the first."""
    begun = utcnow()
    with db.session_scope("worker") as session:
        for number, (step, at) in enumerate(steps):
            session.add(TuningPoint(
                job_id=job_id, number=number, kind="loss", step=step, value=1.0,
                at=begun + timedelta(seconds=at),
            ))  # fmt: skip
        job = jobs.row(session, job_id)
        job.step, job.steps = steps[-1][0], 100
        for name, value in fields.items():
            setattr(job, name, value)
        session.add(job)


def test_what_is_left_goes_by_the_pace_since_the_last_resume(
    sqlite_db: Database, job_id: str
) -> None:
    db = sqlite_db
    told(db, job_id, [(8, 0), (9, 1), (10, 2), (9, 900), (10, 903), (11, 906)])
    with db.read_scope() as session:
        job = jobs.get(session, db.settings.data, job_id)
        assert seconds_left(session, job) == pytest.approx(89 * 3)


def test_the_speed_is_that_of_the_median_update(sqlite_db: Database, job_id: str) -> None:
    db = sqlite_db
    told(
        db, job_id, [(1, 0), (2, 2), (3, 4), (4, 904), (5, 906)], tokens_per_second=7.0,
        result={"tokens": 1000},
    )  # fmt: skip
    with db.read_scope() as session:
        assert speed_of(session, "demo", Sft(), Lora()) == pytest.approx(100)
        assert speed_of(session, "demo", Sft(), Full()) is None
        assert speed_of(session, "demo", Dpo(), Lora()) is None
        assert speed_of(session, "other", Sft(), Lora()) is None


def test_time_and_memory_grow_with_what_is_trained() -> None:
    assert seconds_for(10, 1000, KNOBS, 100.0) == pytest.approx(6 * 1000 / 3 / 100)
    assert seconds_for(10, 9999, KNOBS, 100.0) == pytest.approx(6 * 1280 / 3 / 100), "rows are cut"
    lora = memory_of(CONFIG, Sft(), Lora(), KNOBS, on_gpu=False)
    full = memory_of(CONFIG, Sft(), Full(), KNOBS, on_gpu=False)
    compared = memory_of(CONFIG, Dpo(), Full(), KNOBS, on_gpu=False)
    assert lora.total < full.total < compared.total
    assert compared.weights == 2 * full.weights
    assert memory_of(CONFIG, Sft(), Lora(), KNOBS, on_gpu=True).weights * 2 == lora.weights
    assert memory_of(CONFIG, Sft(), Full(), KNOBS, on_gpu=True).weights == full.weights


def test_in_four_bits_embeddings_and_head_stay_whole() -> None:
    """Measured on an H200: Llama 8B 5.32 GiB loaded, 1B 1.45 GiB; in 16 bits 14.96 and 2.79."""
    sizes = {
        (4096, 14336, 32, 32, 8, 128256): (14.96, 5.32),
        (2048, 8192, 16, 32, 8, 128256): (2.79, 1.45),
    }
    for (hidden, inner, layers, heads, pairs, vocabulary), (whole, small) in sizes.items():
        config = CONFIG | {
            "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": pairs, "vocab_size": vocabulary,
            "head_dim": hidden // heads, "tie_word_embeddings": False,
        }  # fmt: skip
        for bits, measured in ((16, whole), (4, small)):
            found = memory_of(config, Sft(), Lora(bits=bits), KNOBS, on_gpu=True)
            assert found.weights / 2**30 == pytest.approx(measured, rel=0.05)
