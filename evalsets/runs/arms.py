"""Arms made of prompts and models, and what a parameter is worth where several places name it."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from connectors.parameters import refusal_of
from core.canonical import Json, canonical_json, content_hash
from core.errors import Invalid
from evalsets.runs.arm_names import written
from evalsets.runs.manifest import Arm, FrozenModel, FrozenPrompt


def build_arms(
    prompts: Sequence[FrozenPrompt],
    models: Sequence[FrozenModel],
    params: Sequence[tuple[str, Json]] = (),
) -> tuple[Arm, ...]:
    """Prompts × models × values of the parameters that were given more than once, in that order.

    Prompts and models named twice count once.
    """
    once = {(prompt.name, prompt.version): prompt for prompt in prompts}
    return tuple(
        make_arm(prompt, model, chosen.params, chosen.suffix)
        for prompt in once.values()
        for model in {model.name: model for model in models}.values()
        for chosen in _choices(params)
    )


class _Chosen(NamedTuple):
    params: Mapping[str, Json]
    suffix: str


def _choices(params: Sequence[tuple[str, Json]]) -> list[_Chosen]:
    values: dict[str, list[Json]] = {}
    for key, value in params:
        known = values.setdefault(key, [])
        if value not in known:
            known.append(value)
    differing = [key for key, options in values.items() if len(options) > 1]
    found: list[_Chosen] = []
    for combination in product(*values.values()):
        given = dict(zip(values, combination, strict=True))
        suffix = "".join(f" | {key}={written(given[key])}" for key in differing)
        found.append(_Chosen(given, suffix))
    return found


def make_arm(
    prompt: FrozenPrompt, model: FrozenModel, given: Mapping[str, Json], suffix: str
) -> Arm:
    """One arm. What is given wins over the prompt's option, which wins over the model's own."""
    own = own_params(model, prompt)
    params: Mapping[str, Any] = {**own, **given}
    why = refusal_of(model.settings.kind, params)
    if why is not None:
        raise Invalid(f"{prompt.name} on {model.name}: {why}", param="param")
    return Arm(
        name=f"{prompt.name}@{prompt.version} | {model.name}{suffix}",
        prompt=prompt,
        model=model,
        params={key: value for key, value in params.items() if value is not None},
    )


def own_params(model: FrozenModel, prompt: FrozenPrompt) -> dict[str, Any]:
    """What is sent where nothing is given: the model's own parameters under the prompt's."""
    return {**model.settings.params, **prompt.content.options}


def given_params(sent: Mapping[str, Json], own: Mapping[str, Json]) -> dict[str, Json]:
    """What must be given over `own` so that just `sent` is sent; null takes a parameter away."""
    wanted = {key: value for key, value in sent.items() if value is not None}
    other = {
        key: value
        for key, value in wanted.items()
        if key not in own or canonical_json(own[key]) != canonical_json(value)
    }
    gone = [key for key, value in own.items() if value is not None and key not in wanted]
    return {**other, **dict.fromkeys(gone)}


def each_once(listed: Sequence[Arm], others: Sequence[Arm]) -> tuple[Arm, ...]:
    """The listed arms, then those of the others that ask something else.

    Raises Invalid for two listed arms that ask the same, and for one name of two arms.
    """
    known: dict[str, Arm] = {}
    for arm in listed:
        twin = known.setdefault(_asks(arm), arm)
        if twin is not arm:
            both = f"{twin.name!r} and {arm.name!r} are one arm"
            what = f"The arm {arm.name!r} is given twice" if twin.name == arm.name else both
            raise Invalid(f"{what}. Leave one out.", param="arm")
    kept = [arm for arm in others if _asks(arm) not in known]
    names = {arm.name for arm in listed}
    for arm in kept:
        if arm.name in names:
            raise Invalid(
                f"{arm.name!r} is given as an arm, and --prompt and --model make another one of "
                "that name with other parameters or another base. Give that one as an arm, too.",
                param="arm",
            )
    return (*listed, *kept)


def _asks(arm: Arm) -> str:
    return content_hash(arm.model_dump(mode="json", exclude={"name"}))
