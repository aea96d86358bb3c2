"""An arrival stored in one transaction: all that can be taken of a file, or nothing of it."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sqlmodel import Session

from connectors.service import add_model, list_models
from core.errors import PromptstoneError
from core.workspace_settings import get_setting, set_setting
from evalsets.datasets import service as datasets
from evalsets.evaluators.kinds import Evaluator
from evalsets.foreign.arrival import Arrival, ForeignModel
from evalsets.runs.importing import PreparedRun, prepare, store
from prompts.foreign.found import NotTaken
from prompts.foreign.pushing import Pushed, checked, push_all

EVALUATORS = "evaluators"
"""The setting in which the workspace keeps its own evaluators by name."""
State = Literal["new", "changed", "unchanged"]


class ReadyArrival(NamedTuple):
    """An arrival with all the work done that has no place in a transaction."""

    arrival: Arrival
    runs: Sequence[PreparedRun]


class TakenData(NamedTuple):
    """A data set's version."""

    name: str
    version: int
    cases: int
    created: bool


class TakenModel(NamedTuple):
    """A model as it was asked for; it was there already unless it is new."""

    name: str
    model: str
    base_url: str | None
    provider: str | None
    api_key_env: str | None
    created: bool


class TakenRun(NamedTuple):
    """A run of outputs made elsewhere."""

    id: str
    title: str
    cells: int
    created: bool


class TakenEvaluator(NamedTuple):
    """An evaluator that the workspace now keeps by its name."""

    name: str
    settings: dict[str, Any]
    state: State


class Taken(NamedTuple):
    """What stands in the database now, and what could not be taken."""

    prompts: list[Pushed]
    datasets: list[TakenData]
    models: list[TakenModel]
    runs: list[TakenRun]
    evaluators: list[TakenEvaluator]
    not_taken: list[NotTaken]


def ready(arrival: Arrival) -> ReadyArrival:
    """Compile templates, hash cases, make rows; call it outside of any transaction."""
    checked(arrival)
    for one in arrival.datasets:
        _ = one.parsed.hash
    runs = [
        prepare(one.title, one.found, one.source, name=one.name, key=one.key)
        for one in arrival.runs
    ]
    return ReadyArrival(arrival, runs)


def take(session: Session, given: ReadyArrival) -> Taken:
    """Store it all; raises Conflict if a name is taken by something else."""
    arrival, left = given.arrival, list(given.arrival.not_taken)
    pushed, not_pushed = push_all(session, arrival.prompts)
    left += not_pushed
    left += [one for each in pushed for one in each.left]
    data = [
        _data(datasets.push(session, one.name, one.parsed, source=one.source))
        for one in arrival.datasets
    ]
    models = [taken for one in arrival.models if (taken := _model(session, one, left))]
    runs = [_run(session, one) for one in given.runs]
    return Taken(pushed, data, models, runs, _evaluators(session, arrival.evaluators), left)


def _data(pushed: datasets.DatasetPushed) -> TakenData:
    version = pushed.version
    return TakenData(version.name, version.version, version.cases, pushed.created)


def _model(session: Session, one: ForeignModel, left: list[NotTaken]) -> TakenModel | None:
    """Never over a model of the same name, and never past the allowlist of local addresses."""
    settings = one.settings
    told = TakenModel(
        one.name, settings.model, settings.base_url, settings.provider, settings.api_key_env, True
    )
    known = next((m.settings for m in list_models(session) if m.name == one.name), None)
    if known is not None:
        same = (known.kind, known.base_url, known.provider, known.model, known.params) == (
            settings.kind,
            settings.base_url,
            settings.provider,
            settings.model,
            settings.params,
        )
        if same:
            return told._replace(created=False)
        left.append(NotTaken(one.name, "a model", "Another model has this name. Rename one."))
        return None
    try:
        with session.begin_nested():
            add_model(session, one.name, settings)
    except PromptstoneError as error:
        left.append(NotTaken(one.name, "a model", error.message))
        return None
    return told


def _run(session: Session, prepared: PreparedRun) -> TakenRun:
    stored = store(session, prepared)
    return TakenRun(stored.run_id, prepared.title, len(prepared.outputs), stored.created)


def _evaluators(session: Session, given: Sequence[Evaluator]) -> list[TakenEvaluator]:
    """Keep them beside the workspace's own; one of the same name is replaced, and said so."""
    if not given:
        return []
    kept = dict(get_setting(session, EVALUATORS, {}))
    found: list[TakenEvaluator] = []
    for one in given:
        name, spec = str(one.name), one.model_dump(mode="json", exclude_none=True)
        before = kept.get(name)
        state: State = "new" if before is None else "changed" if before != spec else "unchanged"
        kept[name] = spec
        found.append(TakenEvaluator(name, spec, state))
    if any(one.state != "unchanged" for one in found):
        set_setting(session, EVALUATORS, kept)
    return found
