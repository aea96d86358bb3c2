"""An app that answers as an arm of a run did."""

from typing import Any, NamedTuple

from sqlmodel import Session

from core.errors import Invalid
from evalsets.runs.cells import arm_names, arm_position, get_run
from evalsets.runs.manifest import Arm
from rag import service as bases
from rag.search_settings import SearchSettings
from serving.settings import KnowledgeUse


class ArmApp(NamedTuple):
    """Fields of the AppSettings that an arm makes (its kind is found from the templates), and
    where they came from."""

    fields: dict[str, Any]
    origin: dict[str, Any]


def settings_from_arm(session: Session, run_id: str, arm: str) -> ArmApp:
    """What to make an app of; raises NotFound, Invalid for an arm without a prompt here."""
    run = get_run(session, run_id)
    found = run.manifest["arms"][arm_position(arm_names(run), arm)]
    if not found.get("prompt") or not found.get("model"):
        raise Invalid(
            f"The arm {arm!r} was imported and has no prompt here. Push the prompt, and make the "
            "app of it.",
            param="arm",
        )
    frozen = Arm.model_validate(found)
    if frozen.app is not None:
        raise Invalid(
            f"The arm {arm!r} is an app already. Promote its release {frozen.app}.", param="arm"
        )
    assert frozen.prompt is not None
    assert frozen.model is not None
    fields = {
        "prompt": f"{frozen.prompt.name}@{frozen.prompt.version}",
        "model": frozen.model.name,
        "params": _params(frozen),
        "knowledge": _knowledge(session, frozen),
    }
    dataset = f"{run.dataset}@{run.dataset_version}"
    return ArmApp(fields, {"run": run_id, "arm": arm, "dataset": dataset})


def _params(arm: Arm) -> dict[str, Any]:
    """What the arm was sent beside its prompt's options; null takes an option away."""
    assert arm.prompt is not None
    options = arm.prompt.content.options
    missing = object()
    given = {key: value for key, value in arm.params.items() if options.get(key, missing) != value}
    return given | {key: None for key in options if key not in arm.params}


def _knowledge(session: Session, arm: Arm) -> KnowledgeUse | None:
    """The arm's base, with the settings in which it differs from those saved with the base."""
    read = arm.retrieval
    if read is None:
        return None
    saved = SearchSettings(**bases.get(session, read.kb).retrieval).model_dump(mode="json")
    own = read.settings.model_dump(mode="json")
    changed = {key: value for key, value in own.items() if saved[key] != value}
    return KnowledgeUse(kb=read.kb, settings=changed, query=read.query, context=read.into)
