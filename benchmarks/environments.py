"""Where peers are installed: folders of their own, outside of the repository."""

import os
import subprocess
import sys
from pathlib import Path


def cache() -> Path:
    """PROMPTSTONE_BENCH_CACHE, else a folder in the user's cache."""
    named = os.environ.get("PROMPTSTONE_BENCH_CACHE")
    home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(named) if named else Path(home).expanduser() / "promptstone-bench"


def venv(folder: str, program: str, *wanted: str) -> Path:
    """A command in a virtual environment of its own, installed from wheels alone when missing."""
    place = cache() / folder / "venv"
    found = place / "bin" / program
    if not found.exists():
        print(f"installing {' '.join(wanted)} under {place} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(place / "bin" / "pip"), "install", "-q", "--only-binary=:all:"]
        subprocess.run([*pip, *wanted], timeout=1500, capture_output=True)
    return found
