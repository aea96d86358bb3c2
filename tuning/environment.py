"""The trainer's own Python: made once in the data folder, and found there.

Torch and whatever else the lock and this environment hold in the same version are not installed a
second time: a path file shows them to the new environment. The marker, written last, says what was
seen there, so that neither a half install nor a changed one is taken for ours.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Literal

from core.errors import Unavailable
from core.locks import FileLock

TORCH = "2.13.0"
LOCK = Path(__file__).resolve().parents[1] / "requirements" / "tuning.txt"
PREPARED = Path(sys.prefix) / "share" / "promptstone"
"""Where `make` and images prepare one, instead of a data folder."""
NAMED = "PROMPTSTONE_TUNING_PYTHON"
_MARKER = "promptstone.json"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
_REMEDY = "Run `promptstone tune install`."


def find(data: Path) -> Path:
    """The Python that trains. Raises Unavailable with the remedy and a code of what is wrong."""
    named = os.environ.get(NAMED)
    if named:
        if not os.access(named, os.X_OK):
            raise Unavailable(
                f"There is no program {named[:200]}. Correct {NAMED}.", code="trainer_named"
            )
        return Path(named)
    states = [(folder, _state(folder)) for folder in map(folder_of, (data, PREPARED))]
    for folder, state in states:
        if state == "good":
            return _python(folder)
    if any(state == "other" for _, state in states):
        raise Unavailable(
            f"The trainer was installed for another release. {_REMEDY}", code="trainer_outdated"
        )
    raise Unavailable(f"The trainer is not installed. {_REMEDY}", code="trainer_missing")


def folder_of(data: Path) -> Path:
    """Where `install` puts it."""
    return data / "environments" / "tuning"


def _state(folder: Path) -> Literal["good", "other", "missing"]:
    try:
        marker = json.loads((folder / _MARKER).read_bytes())
        return "good" if marker == _marker(dict(marker["shared"])) else "other"
    except OSError:
        return "missing"
    except (ValueError, TypeError, KeyError):
        return "other"


def install(data: Path, say: Callable[[str], None]) -> Path:
    """Make the environment, or leave a good one as it is. Raises Unavailable."""
    folder = folder_of(data)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / "tuning.lock"):
        try:
            return _found(data, say)
        except Unavailable:
            shutil.rmtree(folder, ignore_errors=True)
        try:
            return _made(folder, say)
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(
                f"The trainer could not be installed ({error}). Check the disk and the network, "
                "then run `promptstone tune install` again."
            ) from error


def _found(data: Path, say: Callable[[str], None]) -> Path:
    python = find(data)
    say(f"The trainer is installed: {python}")
    return python


def _made(folder: Path, say: Callable[[str], None]) -> Path:
    if not LOCK.is_file():
        raise Unavailable(
            f"{LOCK.name} is missing beside the program. Install from a checkout of the source, or "
            f"name a Python that has TRL and PEFT in {NAMED}."
        )
    say("Making the environment…")
    venv.create(folder, with_pip=False, symlinks=True)
    python = _python(folder)
    shared = _shared()
    if shared:
        # A path alone, which runs nothing: hooks of the other environment are not taken over.
        paths = sysconfig.get_paths()
        lines = sorted({paths["purelib"], paths["platlib"]})
        (_site(folder) / "shared.pth").write_text("\n".join(lines) + "\n")
    say("Installing TRL and PEFT…")
    _pip(python, "--no-deps", "--require-hashes", "-r", str(LOCK))
    if "torch" not in shared:
        say("Installing torch…")
        _pip(python, f"torch=={TORCH}")
    say("Checking…")
    _check(python)
    (folder / _MARKER).write_text(json.dumps(_marker(shared)))
    say(f"The trainer is installed: {python}")
    return python


def _pip(python: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    options = ["--no-input", "--no-compile", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, *options, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        raise Unavailable(
            f"The trainer could not be installed ({said[0][:500]}). Check the disk and the "
            "network, then run `promptstone tune install` again."
        )


def _check(python: Path) -> None:
    """Import what the trainer imports; it also compiles it, so that the first job starts soon."""
    code = "import torch, peft, trl; from trl import SFTTrainer, DPOTrainer, KTOTrainer"
    done = subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=False,
        env={"PATH": os.environ.get("PATH", ""), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise Unavailable(
            f"The trainer was installed but does not start ({said[0][:500]}). Run `make setup`, "
            "then `promptstone tune install` again."
        )


def _pins() -> dict[str, str]:
    """What the lock asks for: versions by name, torch with them."""
    found = _PIN.findall(LOCK.read_text())
    return {name.lower().replace("_", "-"): version for name, version in found} | {"torch": TORCH}


def _shared() -> dict[str, str]:
    """What this environment has in the very version that is asked for."""
    shared: dict[str, str] = {}
    for name, version in _pins().items():
        found = _version(name)
        if found is not None and found.split("+")[0] == version:
            shared[name] = found
    return shared


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _marker(shared: Mapping[str, str]) -> dict[str, object]:
    """What must be as it was: the lock, this Python, and the packages that are shared."""
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else ""
    now = {name: _version(name) for name in shared}
    return {"lock": lock, "python": sys.version, "prefix": sys.prefix, "shared": now}


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _site(folder: Path) -> Path:
    names = {"base": str(folder), "platbase": str(folder)}
    return Path(sysconfig.get_path("purelib", "venv", vars=names))


def main() -> int:
    """`python -m tuning.environment`: prepare one beside this environment; prints its progress."""
    try:
        install(PREPARED, print)
    except Unavailable as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
