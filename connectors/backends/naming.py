"""What a server calls its models: names that change with files, as cached answers go by them."""

import hashlib
import re
from pathlib import Path

from connectors.backends.models import BackendSettings

_SLUG = re.compile(r"[^A-Za-z0-9._-]+")


def served_adapter(adapter: str, path: str | Path) -> str:
    """What the server calls an adapter: another folder has another name."""
    return f"{_SLUG.sub('-', adapter)[:80]}-{hashlib.sha256(str(path).encode()).hexdigest()[:10]}"


def served_model(settings: BackendSettings) -> str:
    """What the server calls its model, by its sources and the state of their files."""
    source = Path(settings.source).expanduser()
    seen = [settings.kind, settings.source]
    files = _files(source)
    if settings.adapter is not None:
        seen.append(settings.adapter)
        files += _files(Path(settings.adapter))
    for file in files:
        status = file.stat()
        seen.append(f"{file.name}:{status.st_size}:{status.st_mtime_ns}")
    digest = hashlib.sha256("\n".join(seen).encode()).hexdigest()[:10]
    return f"{_SLUG.sub('-', source.name)[:80]}-{digest}"


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    return sorted(source.glob("*")) if source.is_dir() else []
