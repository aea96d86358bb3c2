"""Which model a job starts from: the embedded one, a backend's, a folder or a GGUF file."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from connectors.backends.estimate import Config
from connectors.backends.formats import CheckTemplate, check_model
from connectors.backends.models import Backend, BackendSettings
from connectors.demo import model_file
from core.database import Database
from core.errors import Invalid
from tuning.folders import turned_folder
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
    content = digest_of(path) if path.is_file() else None
    whole = hash_of(path) if content is None else _combined({path.name: content})
    return FoundBase(
        BaseRef(name=name, path=str(path), hash=whole, content=content), checked.config
    )


def served_base(data: Path, base: BaseRef) -> Path:
    """The folder of a base's weights: of a GGUF file the one that the trainer made of it."""
    return Path(base.path).resolve() if base.content is None else turned_folder(data, base.content)


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
    if path.is_file():
        return _combined({path.name: digest_of(path)})
    files = sorted(one for one in path.rglob("*") if one.is_file())
    return _combined({one.relative_to(path).as_posix(): digest_of(one) for one in files})


def digest_of(file: Path) -> str:
    """The sha256 of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _combined(digests: Mapping[str, str]) -> str:
    whole = hashlib.sha256()
    for name, digest in digests.items():
        whole.update(f"{name}\n{digest}\n".encode())
    return whole.hexdigest()
