"""Where tuning keeps its files in a data folder."""

import hashlib
from functools import lru_cache
from pathlib import Path


def root(data: Path) -> Path:
    """All that tuning keeps: adapters are served only from below it."""
    return data / "tuning"


def job_folder(data: Path, job_id: str) -> Path:
    """One job's folder, as `tuning.spec` describes it."""
    return root(data) / job_id


def adapter_folder(data: Path, job_id: str) -> Path:
    """What a job that ended leaves."""
    return job_folder(data, job_id) / "adapter"


def served_base(data: Path, base: Path) -> Path:
    """The folder of weights of a job's base: of a GGUF file the one that the trainer made of it."""
    if not base.is_file():
        return base.resolve()
    status = base.stat()
    return root(data) / "bases" / _digest(base, status.st_size, status.st_mtime_ns)[:32]


@lru_cache(maxsize=8)
def _digest(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
