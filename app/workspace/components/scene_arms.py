"""The columns of a scene as arms of a run: those that stored versions answer for."""

from collections.abc import Set
from dataclasses import replace
from typing import NamedTuple

from pydantic import ValidationError
from sqlmodel import Session

from app.workspace.components import access
from connectors.service import get_model
from core.errors import NotFound
from evalsets.runs.arm_names import AskedArm
from evalsets.runs.arms import given_params
from prompts import service
from prompts.content import PromptContent
from prompts.scene import Column, SceneState


class SceneArms(NamedTuple):
    """An arm's text for each column, but for those `unsaved`, which are named by their place."""

    texts: list[str]
    unsaved: list[int]


def of_scene(state: SceneState, reading: Set[str]) -> SceneArms:
    """Every column with the parameters in which it differs from its version.

    `reading` are the columns whose prompts take passages: these keep their base.
    """
    texts: list[str] = []
    unsaved: list[int] = []
    with access.reading() as session:
        for place, column in enumerate(state.columns, 1):
            arm = _arm(session, column)
            if arm is None:
                unsaved.append(place)
            else:
                base = column.kb if column.id in reading else None
                texts.append(replace(arm, kb=base, settings=column.search if base else {}).text)
    return SceneArms(texts, unsaved)


def _arm(session: Session, column: Column) -> AskedArm | None:
    if column.prompt is None or column.model is None:
        return None
    arm = AskedArm(f"{column.prompt}@{column.version}", column.model)
    if not column.changed:
        return arm
    try:
        version = service.get(session, column.prompt, column.version or "latest")
        model = get_model(session, column.model)
    except NotFound:
        return None
    saved = version.content.model_dump(mode="json")
    # A changed text takes its snippets as they are now, a version as it pinned them.
    if version.content.includes or {**column.content, "options": {}} != {**saved, "options": {}}:
        return None
    try:
        content = PromptContent.model_validate(column.content)
    except ValidationError:
        return None
    own = model.settings.params
    params = given_params({**own, **content.options}, {**own, **version.content.options})
    return AskedArm(arm.prompt, arm.model, params)
