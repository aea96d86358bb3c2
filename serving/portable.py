"""A release as one file: what answers, without keys, prices and what only this installation knows.

A file brings no address: models and bases are taken by name from where it is imported, so that no
key of this installation goes where a file says.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlmodel import Session

from connectors.parameters import refusal_of
from core.canonical import canonical_json
from core.errors import Invalid, NotFound, TooLarge
from core.names import check_name
from evalsets.runs.grounding import freeze_bases
from evalsets.runs.manifest import FrozenModel, find_model
from prompts.checks import check_content
from prompts.content import content_hash
from rag.answer import Retrieval
from serving.lookup import find_app, resolve
from serving.making import checked, fault
from serving.manifest import FrozenDoor, ReleaseManifest, sent
from serving.releasing import Released, store
from serving.service import create
from serving.settings import AppSettings, KnowledgeUse

MOST_BYTES = 8 * 1024 * 1024
_LOCAL = ("api_key_env", "secret_id", "input_price", "output_price")
_NAMED = ("kind", "provider", "model", "structured")
"""What a model must have in common with the file's; its address is its own."""


class ReleaseFile(BaseModel):
    """What stands in a file; `hash` is that of the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    promptstone_release: Literal[1] = 1
    app: str = Field(max_length=128)
    release: int = Field(ge=1)
    hash: str = Field(max_length=64)
    message: str = Field(default="", max_length=10_000)
    manifest: ReleaseManifest


class Imported(NamedTuple):
    """The release that was made, and what is different here."""

    released: Released
    notices: tuple[str, ...]


def without_keys(manifest: ReleaseManifest) -> ReleaseManifest:
    """The manifest without names of keys, sealed or not, and without prices."""
    return manifest.model_copy(update={"models": tuple(map(_bare, manifest.models))})


def _bare(door: FrozenDoor) -> FrozenDoor:
    settings = door.model.settings.model_copy(update=dict.fromkeys(_LOCAL))
    return door.model_copy(update={"model": FrozenModel(name=door.model.name, settings=settings)})


def export(session: Session, name: str, ref: str | int) -> str:
    """A release as the text of a file; raises NotFound."""
    found = resolve(session, name, ref).release
    file = ReleaseFile(
        app=name,
        release=found.number,
        hash=found.hash,
        message=found.message,
        manifest=without_keys(ReleaseManifest.model_validate(found.manifest)),
    )
    return file.model_dump_json(indent=2) + "\n"


def read_file(data: bytes) -> ReleaseFile:
    """A file that holds what it says; looks at its templates, so no transaction may be open.

    Raises TooLarge, Invalid.
    """
    if len(data) > MOST_BYTES:
        raise TooLarge("The release file is larger than 8 MiB. Export the release again.")
    try:
        file = ReleaseFile.model_validate_json(data, strict=True)
        digest, prompt = file.manifest.hash(), content_hash(file.manifest.prompt.content)
        canonical_json(file.model_dump(mode="json"))
    except ValidationError as error:
        raise Invalid(
            f"This is no release file: {fault(error)}. Export the release again."
        ) from None
    except (ValueError, RecursionError):
        raise Invalid("The release file holds no plain JSON. Export the release again.") from None
    if digest != file.hash or prompt != file.manifest.prompt.hash:
        raise Invalid("The release file was changed: its hash differs. Export the release again.")
    check_name(file.app, "app")
    _check(file.manifest)
    return file


def _check(manifest: ReleaseManifest) -> None:
    if not manifest.models:
        raise Invalid("The release file names no model. Export the release again.")
    if (manifest.kind == "rag") != (manifest.retrieval is not None):
        raise Invalid("The release file is of kind rag without a base. Export the release again.")
    _draft(manifest)
    report = check_content(manifest.prompt.content)
    pinned = {one.ref for one in manifest.prompt.content.includes if one.within is None}
    for ref in report.includes:
        if ref not in pinned:
            raise Invalid(
                f"The release file includes the snippet {ref!r} without its text. Export the "
                "release again."
            )


def take(session: Session, file: ReleaseFile, name: str | None = None) -> Imported:
    """Store a release under the file's name or another one; makes the app where there is none.

    Raises NotFound or Invalid, saying what to add, for models and bases that are not here.
    """
    name = check_name(name or file.app, "app")
    manifest = file.manifest
    doors = tuple(_door(session, door) for door in manifest.models)
    retrieval = _retrieval(session, manifest.retrieval)
    here = manifest.model_copy(update={"models": doors, "retrieval": retrieval})
    origin = f"{file.app}@{file.release}"
    if find_app(session, name) is None:
        made_of = {"file": origin, "hash": file.hash}
        create(session, name, _draft(here), origin=made_of, loose=True)
    released = store(session, name, here, message=file.message, imported_from=origin)
    return Imported(released, tuple(_notices(manifest, here)))


def _door(session: Session, door: FrozenDoor) -> FrozenDoor:
    name, theirs = door.model.name, door.model.settings
    try:
        model = find_model(session, name)
    except NotFound:
        where = f"--provider {theirs.provider}:" if theirs.provider else "--base-url URL --model "
        raise NotFound(
            f"The release asks the model {name!r}, which is not here. Add it with `promptstone "
            f"model add {name} {where}{theirs.model}`.",
            param="model",
        ) from None
    ours = model.settings
    for field in _NAMED:
        if getattr(ours, field) != getattr(theirs, field):
            raise Invalid(
                f"The model {name!r} is another one here: its {field} is {getattr(ours, field)!r}, "
                f"the release asks {getattr(theirs, field)!r}. Change it with `promptstone model "
                f"add {name}`, or import where it is the same.",
                param="model",
            )
    why = refusal_of(ours.kind, door.params)
    if why is not None:
        raise Invalid(f"{name}: {why}", param="param")
    return FrozenDoor(model=model, params=door.params)


def _retrieval(session: Session, theirs: Retrieval | None) -> Retrieval | None:
    if theirs is None:
        return None
    try:
        (base,) = freeze_bases(session, [check_name(theirs.kb, "kb")])
    except NotFound:
        raise NotFound(
            f"The release reads from snapshot {theirs.snapshot} of the knowledge base "
            f"{theirs.kb!r}, which is not here. Make it with `promptstone kb create {theirs.kb}` "
            "and add its documents.",
            param="kb",
        ) from None
    here = {"base_id": base.base_id, "snapshot": base.snapshot, "subject": None}
    return theirs.model_copy(update=here)


def _draft(manifest: ReleaseManifest) -> AppSettings:
    """The draft that the manifest would be the release of."""
    prompt, read = manifest.prompt, manifest.retrieval
    knowledge = None
    if read is not None:
        own = read.settings.model_dump(mode="json")
        knowledge = KnowledgeUse(kb=read.kb, settings=own, query=read.query, context=read.into)
    first, *rest = manifest.models
    return checked(
        {
            "kind": manifest.kind,
            "prompt": f"{check_name(prompt.name, 'prompt')}@{prompt.version}",
            "model": first.model.name,
            "fallbacks": tuple(door.model.name for door in rest),
            "params": first.params,
            "knowledge": knowledge,
            "history": manifest.history,
            "guards": manifest.guards,
            "pinned": manifest.pinned,
            "repair": manifest.repair,
        }
    )


def _notices(theirs: ReleaseManifest, ours: ReleaseManifest) -> Iterator[str]:
    for there, here in zip(theirs.models, ours.models, strict=True):
        if sent(there) != sent(here):
            yield (
                f"The model {here.model.name} is asked at its address here, "
                f"{here.model.settings.base_url}."
            )
    if theirs.retrieval is not None and ours.retrieval is not None:
        yield (
            f"It was made on snapshot {theirs.retrieval.snapshot} of {theirs.retrieval.kb}; here "
            f"it reads from snapshot {ours.retrieval.snapshot}."
        )
