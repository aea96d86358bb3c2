"""A release in memory, ready to answer: everything about it that is worked out once."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from connectors.prices import Price
from connectors.service import target_of
from connectors.wire import Target
from core.errors import PromptstoneError
from prompts.content import PromptContent
from prompts.template import renderer
from rag.answer import variables_of
from serving.manifest import FrozenDoor, ReleaseManifest
from serving.models import AppRelease
from serving.pinned import PinnedAnswers

if TYPE_CHECKING:
    from rag.embedders import Vectors


@dataclass(frozen=True, slots=True)
class LoadedDoor:
    """A model of a release, ready to be asked; `refused` is why it cannot be."""

    target: Target
    price: Price | None
    params: Mapping[str, Any]
    refused: str | None = None


@dataclass(slots=True)
class LoadedRelease:
    """A release; `names` may be given in `inputs`, `thread` is the input that messages fill.

    `doors_of` marks the state of the models that `doors` were opened for. `rendered` are messages
    by small inputs, `vectors` those of pinned questions.
    """

    app: str
    number: int
    manifest: ReleaseManifest
    content: PromptContent
    names: frozenset[str]
    thread: str | None
    pinned: PinnedAnswers
    doors: tuple[LoadedDoor, ...] = ()
    doors_of: object = None
    rendered: "OrderedDict[str, list[dict[str, str]]]" = field(default_factory=OrderedDict)
    vectors: "Vectors | None" = None


def loaded_release(app: str, row: AppRelease) -> LoadedRelease:
    """A release without its doors; compiles its templates, so it stays outside of transactions."""
    manifest = ReleaseManifest.model_validate(row.manifest)
    content = manifest.asked
    names = set(variables_of(content, renderer().variables_of(manifest.prompt.content)))
    if manifest.retrieval is not None:
        names.discard(manifest.retrieval.into)
    return LoadedRelease(
        app,
        row.number,
        manifest,
        content,
        frozenset(names),
        manifest.thread,
        PinnedAnswers(manifest.pinned),
    )


def open_doors(
    session: Session, key_path: Path, manifest: ReleaseManifest
) -> tuple[LoadedDoor, ...]:
    """Its models with the keys and time-outs of now."""
    return tuple(_door(session, key_path, frozen) for frozen in manifest.models)


def _door(session: Session, key_path: Path, frozen: FrozenDoor) -> LoadedDoor:
    model = frozen.model
    try:
        target = target_of(session, model.name, key_path, frozen=model.settings)
    except PromptstoneError as error:
        return LoadedDoor(model.target, model.price, frozen.params, error.message)
    return LoadedDoor(target, model.price, frozen.params)
