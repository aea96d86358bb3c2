"""A start of vLLM."""

import secrets
from pathlib import Path

from connectors.backends import inside_vllm
from connectors.backends.environment import Installation
from connectors.backends.estimate import GIB
from connectors.backends.gpus import Place
from connectors.backends.launch import (
    MARK,
    Plan,
    Start,
    environment,
    free_port,
    guarded,
    rank_of,
)
from connectors.backends.models import BackendSettings
from connectors.demo_server import threads


def vllm(
    settings: BackendSettings,
    planned: Plan,
    model: str,
    folder: Path,
    mark: str,
    python: Installation,
    place: Place,
) -> Start:
    """vLLM on loopback behind our door, with nothing of the model's folder run as code."""
    port, key = free_port(), secrets.token_urlsafe(32)
    source = Path(settings.source).expanduser()
    here = source.is_dir()
    options: list[str] = [
        "--model", str(source.absolute()) if here else settings.source,
        "--served-model-name", model,
        "--host", "127.0.0.1",
        "--port", str(port),
        "--max-num-seqs", str(settings.concurrency),
        "--load-format", "safetensors",
        "--middleware", "promptstone_door.Door",
        "--disable-uvicorn-access-log",
        "--disable-fastapi-docs",
        "--enable-prompt-tokens-details",
    ]  # fmt: skip
    if planned.context:
        options += ["--max-model-len", str(planned.context)]
    if settings.lora:
        kept = str(settings.max_adapters)
        options += ["--enable-lora", "--max-loras", kept, "--max-cpu-loras", kept]
        options += ["--max-lora-rank", str(rank_of(settings.max_rank))]
    if planned.on_gpu:
        share = min(0.95, planned.need / place.total)
        options += ["--gpu-memory-utilization", f"{share:.3f}"]
    sees = {
        **environment(),
        MARK: mark,
        "VLLM_API_KEY": key,
        "PROMPTSTONE_BACKEND_KEY": key,
        "PYTHONPATH": str(Path(str(inside_vllm.__file__)).parent),
        "VLLM_SERVER_DEV_MODE": "0",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1" if settings.lora else "0",
        **({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"} if here else {}),
        **_device(planned, place),
    }
    command = (str(python.python), "-m", "vllm.entrypoints.openai.api_server", *options)
    return Start(guarded(folder, command), sees, port, key)


def _device(planned: Plan, place: Place) -> dict[str, str]:
    if planned.on_gpu:
        return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": str(place.number)}
    space = max(1, -(-planned.parts.kv_cache // GIB))
    return {"VLLM_CPU_KVCACHE_SPACE": str(space), "OMP_NUM_THREADS": str(threads())}
