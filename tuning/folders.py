"""Where tuning keeps its files in a data folder."""

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


def turned_folder(data: Path, digest: str) -> Path:
    """The weights that the trainer makes of a GGUF file, by the sha256 of its content."""
    return root(data) / "bases" / digest[:32]
