"""The embedded model itself, from its GGUF file: ten steps of answers and ten of preferences."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connectors.demo import model_file
from tests.support.training import ROWS, events, told, write_job
from tuning.checkpoints import verify
from tuning.knobs import derive
from tuning.methods import Dpo, Knobs, Lora, Sft
from tuning.owner import trainer_environment
from tuning.spec import Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def train(python: Path, folder: Path) -> None:
    """The real program, to its end."""
    with (folder / "trainer.log").open("wb") as log:
        process = subprocess.Popen(
            [str(python), "-m", "tuning.trainer", str(folder)], stdin=subprocess.PIPE,
            stdout=log, stderr=log, env=trainer_environment(), start_new_session=True,
        )  # fmt: skip
        assert process.wait(900) == 0, (folder / "trainer.log").read_text()[-3000:]
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_ten_steps_teach_it(
    trainer_python: Path, tmp_path_factory: pytest.TempPathFactory, method: str
) -> None:
    place = tmp_path_factory.getbasetemp() / "smollm"
    kind = Sft() if method == "sft" else Dpo()
    given = Knobs(steps=10, batch=4, learning_rate=2e-3 if method == "sft" else 5e-5)
    knobs: dict[str, Any] = derive(16, [60] * 16, kind, Lora(), given).model_dump()
    sample = ROWS["sft"][3]["messages"][:1]
    folder = write_job(
        place / method, model_file(), method, {"kind": "lora", "rank": 8}, knobs=knobs,
        samples=[sample], evaluate_every=5, checkpoint_every=5,
    )  # fmt: skip
    train(trainer_python, folder)
    ended = events(folder)[-1]
    assert isinstance(ended, Ended)
    assert ended.step == 10
    first, last = told(folder, "eval")
    assert last.loss < first.loss
    if method == "sft":
        assert "zebra" in told(folder, "sample")[-1].text.lower()
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert config["r"] == 8
    assert verify(folder / "adapter").hash == ended.adapter_hash
    # Both jobs start from one folder of safetensors, made of the GGUF file once.
    (turned,) = (path for path in (place / "bases").iterdir() if path.is_dir())
    assert verify(turned).path == Path(config["base_model_name_or_path"])
