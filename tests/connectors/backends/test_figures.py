"""What servers tell of themselves, in their own words."""

import os
from pathlib import Path

import pytest

from connectors.backends import gpus, logs
from connectors.backends.figures import Figures, figures, read_sample, worked

VLLM = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 400.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 300.0
vllm:prompt_tokens_total{engine="0",model_name="m"} 1.0e+03
vllm:generation_tokens_total{engine="0",model_name="m"} 500.0
vllm:generation_tokens_total{engine="1",model_name="m"} 100.0
"""
LLAMA = """llamacpp:prompt_tokens_total 34
llamacpp:tokens_predicted_total 7
llamacpp:requests_processing 1
llamacpp:requests_deferred 0
"""


def test_figures_of_two_readings() -> None:
    before = read_sample(VLLM.replace("500.0", "300.0").replace("1.0e+03", "600"), 10.0)
    now = read_sample(VLLM, 14.0)
    assert figures(now, before) == Figures(
        running=3, waiting=2, tokens_per_second=50.0, prompt_tokens_per_second=100.0,
        prefix_hit_share=0.75, kv_cache_used=0.25,
    )  # fmt: skip
    assert figures(now, None).tokens_per_second is None
    assert figures(before, now).tokens_per_second is None, "it began anew"


def test_work_is_seen_between_readings() -> None:
    idle = read_sample(LLAMA.replace("processing 1", "processing 0"), 1)
    assert worked(read_sample(LLAMA, 2), idle)
    assert not worked(idle.model_copy(update={"at": 3}), idle)
    assert worked(idle.model_copy(update={"made": 8.0}), idle)
    assert figures(idle, None).prefix_hit_share is None


def test_how_far_and_why() -> None:
    log = (
        "Starting to load model x\nLoading safetensors checkpoint shards:  50% Completed | 1/2 [..]"
    )
    assert logs.progress(log) == pytest.approx(0.325)
    assert logs.progress("") is None
    assert "out of memory" in logs.reason("x\ntorch.OutOfMemoryError: CUDA out of memory.", 1, "a")
    assert "nothing is there" in logs.reason("ValueError: nothing is there.\nbye", 1, "a")
    assert "killed" in logs.reason("", 137, "a")
    assert "status 3" in logs.reason("hello", 3, "a")


def test_gpus_as_the_driver_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho 'GPU-a, 0, NVIDIA H200, 143771, 1000'\n"
        "echo 'GPU-b, 1, NVIDIA L4, 23034, 34'\necho 'GPU-c, 2, NVIDIA X, [N/A], [N/A]'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = gpus.gpus()
    assert [(one.id, one.name, one.number) for one in found] == [
        ("GPU-a", "NVIDIA H200", 0), ("GPU-b", "NVIDIA L4", 1),
    ]  # fmt: skip
    assert found[1].free == 23000 << 20
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [one.id for one in gpus.gpus()] == ["GPU-b"]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert gpus.gpus() == []
    assert gpus.places()[-1].id == "cpu"
    assert 0 < gpus.memory().free <= gpus.memory().total
