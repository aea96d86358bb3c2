"""Which model a job starts from: the embedded one, a backend's, a folder or a GGUF file."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from connectors.backends.estimate import Config
from connectors.backends.formats import CheckTemplate, check_model
from connectors.backends.models import Backend, BackendSettings
from connectors.demo import model_file
from core.database import Database
from core.errors import Invalid
from tuning.manifest import BaseRef


class FoundBase(NamedTuple):
    """A base with its `config.json`, or what a GGUF file says under the same names."""

    ref: BaseRef
    config: Config


def find_base(
    database: Database, name: str, check_template: CheckTemplate | None = None
) -> FoundBase:
    """`demo`, the name of a backend, or a path; its files checked and hashed. Raises Invalid."""
    path = path_of(database, name)
    if not path.exists():
        raise Invalid(
            f"There is no base {name[:200]!r}. Give demo, a backend's name, or a model's folder.",
            param="base",
        )
    checked = check_model(path, check_template)
    return FoundBase(BaseRef(name=name, path=str(path), hash=hash_of(path)), checked.config)


def path_of(database: Database, name: str) -> Path:
    """Where a base should lie; raises Unavailable where the embedded model was never fetched."""
    if name == "demo":
        return model_file()
    with database.read_scope() as session:
        backend = session.get(Backend, name)
    source = name if backend is None else BackendSettings.model_validate(backend.settings).source
    return Path(source).expanduser().resolve()


def hash_of(path: Path) -> str:
    """sha256 over the names and hashes of a model's files, in order."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    whole = hashlib.sha256()
    for file in files:
        name = file.name if path.is_file() else file.relative_to(path).as_posix()
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        whole.update(f"{name}\n{digest}\n".encode())
    return whole.hexdigest()
