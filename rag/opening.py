"""Embedders by what a person names, and opened with what the workspace allows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.access import is_allowed
from connectors.service import get_model
from core.database import Database
from core.errors import Invalid, NotFound
from rag.embedders import Embedder, OpenAI, open_embedder, read_embedder
from rag.service import EmbedderIdentity

PACKAGED = ("minilm", "minilm-fp32")


def open_for(database: Database, values: Mapping[str, Any]) -> Embedder:
    """The embedder of a base's settings; its owner closes it. Raises Unavailable."""
    settings = read_embedder(values)
    allowed = False
    if isinstance(settings, OpenAI):
        with database.read_scope() as session:
            allowed = is_allowed(session, settings.base_url)
    return open_embedder(settings, local_allowed=allowed)


def identify(database: Database, name: str) -> EmbedderIdentity:
    """What `minilm`, a folder or a model's name stands for, and its fingerprint.

    A model is asked at its own address by its own key, read from the environment. Raises Invalid,
    Unavailable.
    """
    values = read_embedder(_named(database, name)).model_dump(mode="json")
    embedder = open_for(database, values)
    try:
        return EmbedderIdentity(values, embedder.fingerprint)
    finally:
        embedder.close()


def _named(database: Database, name: str) -> dict[str, Any]:
    if name in PACKAGED:
        return {"kind": name}
    folder = Path(name).expanduser()
    if folder.is_dir():
        return {"kind": "sentence_transformers", "path": str(folder.resolve())}
    try:
        with database.read_scope() as session:
            model = get_model(session, name).settings
    except NotFound:
        model = None
    if model is None or model.kind != "openai" or not model.base_url:
        raise Invalid(
            f"{name!r} is no embedder: neither {' nor '.join(PACKAGED)}, nor a folder, nor a model "
            "that speaks OpenAI's API. Add one with `promptstone model add`.",
            param="embedder",
        )
    return {
        "kind": "openai",
        "base_url": model.base_url,
        "model": model.model,
        "api_key_env": model.api_key_env,
    }
