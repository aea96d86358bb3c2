"""Arms that are given one by one, each by its name; and the names that would ask the same again."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlmodel import Session

from core.canonical import Json, canonical_json
from core.errors import Invalid, NotFound
from core.names import split_ref
from evalsets.runs.arm_names import APP, AskedArm, is_app, parse_arm
from evalsets.runs.arms import given_params, make_arm, own_params
from evalsets.runs.grounding import Grounding, freeze_bases
from evalsets.runs.manifest import Arm, FrozenPrompt, find_model
from prompts import service as prompts
from rag import service as bases
from rag.answer import Retrieval
from rag.search_settings import SearchSettings

FreezeApps = Callable[[Session, Sequence[str]], tuple[Arm, ...]]
"""Arms of published apps by APP[@REF]; apps stand above this floor, so who plans passes this in."""
_QUERY, _CONTEXT = "query", "context"


class Listed(NamedTuple):
    """An arm by its name; `reads` is what gives it its passages once templates can be looked at."""

    arm: Arm
    reads: Grounding | None


class Reading(NamedTuple):
    """What arms read by where they do not say so: variables, and whose access rules apply."""

    query: str | None
    context: str
    subject: str | None


def freeze_prompt(session: Session, text: str) -> FrozenPrompt:
    """A version by NAME[@REF]; raises NotFound."""
    found = prompts.get(session, *split_ref(text))
    return FrozenPrompt(
        name=found.name, version=found.version, hash=found.hash, content=found.content
    )


def freeze_apps_with(freeze: FreezeApps | None, session: Session, refs: Sequence[str]) -> list[Arm]:
    """Arms of apps, by whoever can freeze them."""
    if not refs:
        return []
    assert freeze is not None, "a run of apps is planned by who can freeze them"
    return list(freeze(session, refs))


def freeze_listed(
    session: Session, text: str, reading: Reading, freeze: FreezeApps | None
) -> Listed:
    """One arm of a list, its references resolved; raises NotFound, Invalid."""
    if is_app(text):
        return Listed(freeze_apps_with(freeze, session, [text.strip().removeprefix(APP)])[0], None)
    asked = parse_arm(text)
    prompt, model = freeze_prompt(session, asked.prompt), find_model(session, asked.model)
    reads = None if asked.kb is None else _grounding(session, asked.kb, asked.settings, reading)
    ref = f"{prompt.name}@{prompt.version}"
    kb = None if reads is None else reads.bases[0].label
    named = AskedArm(ref, model.name, asked.params, kb, asked.settings)
    suffix = named.text.removeprefix(f"{ref} | {model.name}")
    return Listed(make_arm(prompt, model, asked.params, suffix), reads)


def _grounding(
    session: Session, kb: str, settings: Mapping[str, Json], reading: Reading
) -> Grounding:
    query, context = settings.get(_QUERY, reading.query), settings.get(_CONTEXT, reading.context)
    if not isinstance(query, str | None) or not isinstance(context, str):
        raise Invalid("The query and the context of an arm are variables. Name them.", param="arm")
    rest = {key: value for key, value in settings.items() if key not in (_QUERY, _CONTEXT)}
    return Grounding(
        freeze_bases(session, [kb]), tuple(rest.items()), query, context, reading.subject
    )


def asked_of(session: Session, arm: Arm) -> AskedArm:
    """The arm of a run as one lists it, to ask the same with its model and base as they are now."""
    assert arm.prompt is not None
    assert arm.model is not None
    try:
        model = find_model(session, arm.model.name)
    except NotFound:
        model = arm.model  # the plan says so in its own words
    params = given_params(arm.params, own_params(model, arm.prompt))
    ref = f"{arm.prompt.name}@{arm.prompt.version}"
    read = arm.retrieval
    if read is None:
        return AskedArm(ref, arm.model.name, params)
    kb = f"{read.kb}@{read.snapshot}"
    return AskedArm(ref, arm.model.name, params, kb, _settings(session, read))


def _settings(session: Session, read: Retrieval) -> dict[str, Json]:
    try:
        saved = SearchSettings(**bases.get(session, read.kb).retrieval)
    except NotFound:
        saved = SearchSettings()
    now, then = saved.model_dump(mode="json"), read.settings.model_dump(mode="json")
    differing = {k: v for k, v in then.items() if canonical_json(v) != canonical_json(now[k])}
    places = {_QUERY: (read.query, "question"), _CONTEXT: (read.into, "context")}
    return {**{k: is_ for k, (is_, usual) in places.items() if is_ != usual}, **differing}


def text_of(session: Session, arm: Arm) -> str | None:
    """What lists this arm again; None for one of an imported run."""
    if arm.app is not None:
        return f"{APP}{arm.app}"
    return None if arm.prompt is None or arm.model is None else asked_of(session, arm).text
