"""What is started for a backend: the command line, the environment, and how much memory it asks."""

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from connectors.backends import estimate, guard, inside_vllm, llama_server
from connectors.backends.environment import Installation
from connectors.backends.estimate import GIB, MIB, Config, Parts
from connectors.backends.gpus import CPU, Place
from connectors.backends.models import BackendSettings
from connectors.backends.queue import HEADROOM
from connectors.demo_server import publish, threads

MARK = "PROMPTSTONE_BACKEND"
_PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_HOME", "HF_HOME", "TZ")
_QUIET = {
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_SLOTS = 8
_OVERHEAD = {"llamacpp": 256 * MIB, "cpu": 2 * GIB, "gpu": 3 * GIB // 2}
"""Beside weights and cache: buffers of llama.cpp, processes of vLLM, its CUDA context."""
_CPU_CACHE = 4 * GIB
"""vLLM on a CPU takes its cache at once; more would seldom be used there."""


class Plan(NamedTuple):
    """What a backend needs before it is started; `one` is the cache of one whole conversation."""

    parts: Parts
    one: int
    context: int
    on_gpu: bool

    @property
    def need(self) -> int:
        """Bytes that it asks for."""
        return self.parts.total

    def named(self) -> dict[str, int]:
        """The parts that are not 0, in bytes, and their sum as `total`."""
        parts = {k: v for k, v in self.parts._asdict().items() if isinstance(v, int) and v}
        return {**parts, "total": self.need}

    def as_json(self) -> dict[str, object]:
        """A plan of `backend estimate --json`."""
        unknown = list(self.parts.unknown)
        return {**self.named(), "context": self.context, "gpu": self.on_gpu, "unknown": unknown}


class Start(NamedTuple):
    """A server about to be started; its key stands in the environment, never in `command`."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    key: str


def plan(
    settings: BackendSettings,
    config: Config,
    weight_bytes: int | None,
    device: str,
    places: list[Place],
) -> Plan:
    """The memory that a start takes: as asked for, else as estimated and cut to what is here.

    `device` is gpu or cpu; a cache is cut down to one conversation before anything is refused.
    """
    llama = settings.kind == "llamacpp"
    shape = estimate.shape_of(config)
    context = estimate.context_of(shape, settings.context)
    lora = (settings.max_adapters, _rank(settings.max_rank)) if settings.lora else (0, 0)
    parts = estimate.serving(
        config,
        weight_bytes=weight_bytes,
        context=context,
        concurrency=1 if llama else settings.concurrency,
        adapters=lora[0],
        rank=lora[1],
        overhead=_OVERHEAD["llamacpp" if llama else device],
    )
    one = shape.kv * 2 * context
    on_gpu = not llama and device == "gpu"
    if not llama and not on_gpu:
        parts = parts._replace(kv_cache=min(parts.kv_cache, max(one, _CPU_CACHE)))
    if settings.gpu_memory is not None:
        given = int(settings.gpu_memory * GIB)
        rest = parts.total - parts.kv_cache
        parts = parts._replace(kv_cache=max(given - rest, min(one, parts.kv_cache)))
    else:
        most = max((p.total for p in places if (p.id != CPU) == on_gpu), default=0)
        parts = estimate.within(parts, int(most * HEADROOM * 0.97), one)
    return Plan(parts, one, context, on_gpu)


def mark_of(data: Path, name: str) -> str:
    """What stands in the environment of all processes of a backend."""
    return f"{data.resolve()}:{name}"


def llamacpp(
    settings: BackendSettings, planned: Plan, model: str, folder: Path, mark: str
) -> Start:
    """llama.cpp on loopback, in a child that reads what to serve from a note of its own."""
    port, key = free_port(), secrets.token_urlsafe(32)
    note = folder / "start.json"
    publish(
        note,
        {
            "model": str(Path(settings.source).expanduser().absolute()),
            "alias": model,
            "port": port,
            "key": key,
            "context": planned.context,
            "slots": min(settings.concurrency, _SLOTS),
            "threads": threads(),
        },
    )
    # -P: the script's own folder must not shadow top-level modules.
    command = (sys.executable, "-P", llama_server.__file__, str(note))
    return Start(_guarded(folder, command), {**_environment(), MARK: mark}, port, key)


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
        options += ["--max-lora-rank", str(_rank(settings.max_rank))]
    if planned.on_gpu:
        share = min(0.95, planned.need / place.total)
        options += ["--gpu-memory-utilization", f"{share:.3f}"]
    environment = {
        **_environment(),
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
    return Start(_guarded(folder, command), environment, port, key)


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _guarded(folder: Path, command: tuple[str, ...]) -> tuple[str, ...]:
    log = str(folder / "server.log")
    return (sys.executable, "-I", "-S", guard.__file__, log, *command)


def _environment() -> dict[str, str]:
    """Of ours, only what a server needs: no provider's key, no address of a database."""
    return {**{name: os.environ[name] for name in _PASSED if name in os.environ}, **_QUIET}


def _device(planned: Plan, place: Place) -> dict[str, str]:
    if planned.on_gpu:
        return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": str(place.number)}
    space = max(1, -(-planned.parts.kv_cache // GIB))
    return {"VLLM_CPU_KVCACHE_SPACE": str(space), "OMP_NUM_THREADS": str(threads())}


def _rank(rank: int) -> int:
    """The next rank that vLLM knows."""
    return next(known for known in _RANKS if known >= rank)
