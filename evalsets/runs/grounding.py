"""Arms that differ in what they are given to read: bases, snapshots and search settings.

Bases are read in a transaction; which prompts take passages follows from their templates, which
are looked at outside of it.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlmodel import Session

from core.canonical import Json
from core.errors import Invalid
from core.names import split_ref
from evalsets.runs.arm_names import written
from evalsets.runs.manifest import Arm, FrozenPrompt
from prompts.content import PromptContent
from prompts.outcome import VariableReport
from prompts.template import renderer
from rag import service as bases
from rag.access import read_where
from rag.answer import Fitted, Retrieval, fitted, query_variable, variables_of
from rag.search_settings import SearchSettings
from rag.snapshots import get_snapshot


class FrozenBase(NamedTuple):
    """A base at a snapshot, with the search settings that it had saved."""

    kb: str
    base_id: str
    snapshot: int
    saved: SearchSettings

    @property
    def label(self) -> str:
        return f"{self.kb}@{self.snapshot}"


class Grounding(NamedTuple):
    """What arms read from: `settings` may name a key several times, an arm for each value.

    `query` is the variable that is searched by, found by itself if left out; `into` holds the
    passages. `subject` is whose access rules apply.
    """

    bases: tuple[FrozenBase, ...]
    settings: tuple[tuple[str, Any], ...] = ()
    query: str | None = None
    into: str = "context"
    subject: str | None = None


def freeze_bases(session: Session, refs: Sequence[str]) -> tuple[FrozenBase, ...]:
    """Bases by NAME[@SNAPSHOT], each once; raises NotFound, Invalid."""
    found: dict[tuple[str, int], FrozenBase] = {}
    for text in refs:
        name, ref = split_ref(text)
        base = bases.get(session, name)
        snapshot = get_snapshot(session, base, _number(text, ref)).number
        saved = SearchSettings(**base.retrieval)
        found[base.id, snapshot] = FrozenBase(name, base.id, snapshot, saved)
    return tuple(found.values())


def _number(text: str, ref: str) -> int | None:
    if ref == "latest":
        return None
    if not ref.isdecimal():
        raise Invalid(
            f"{text!r} names no snapshot. Write NAME or NAME@NUMBER, as docs@3.", param="kb"
        )
    return int(ref)


class _Choice(NamedTuple):
    base: FrozenBase
    settings: SearchSettings
    suffix: str


def grounded(arms: Sequence[Arm], grounding: Grounding) -> tuple[Arm, ...]:
    """Each arm whose prompt takes passages, once for every base and setting; the others as before.

    Raises Invalid when no prompt takes any, or a setting does not exist.
    """
    if not grounding.bases:
        if grounding.settings:
            raise Invalid("Retrieval settings need a base. Name it with --kb.", param="kb")
        return tuple(arms)
    choices = _choices(grounding)
    prompts = {_key(arm): arm.prompt for arm in arms if arm.prompt is not None and not arm.app}
    taken = {key: _fitted(prompt, grounding) for key, prompt in prompts.items()}
    if not any(taken.values()):
        if not prompts:
            raise Invalid("An app reads from its own base. Leave out --kb.", param="kb")
        content = next(iter(prompts.values())).content
        query_variable(variables_of(content, _report(content)), grounding.into)
    return tuple(
        one
        for arm in arms
        for one in _expanded(arm, None if arm.app else taken[_key(arm)], choices, grounding.subject)
    )


def _key(arm: Arm) -> tuple[str, int]:
    assert arm.prompt is not None
    return arm.prompt.name, arm.prompt.version


def _fitted(prompt: FrozenPrompt, grounding: Grounding) -> Fitted | None:
    report = _report(prompt.content)
    return fitted(prompt.content, report, grounding.into, grounding.query)


def _report(content: PromptContent) -> VariableReport:
    return renderer().variables_of(content)


def _expanded(
    arm: Arm, taken: Fitted | None, choices: Sequence[_Choice], subject: str | None
) -> list[Arm]:
    if taken is None:
        return [arm]
    if taken.into in arm.mapping:
        raise Invalid(
            f"{taken.into!r} of {arm.name} is filled by a column and by a knowledge base. "
            "Leave out one of --map and --kb.",
            param="map",
        )
    return [
        arm.model_copy(
            update={
                "name": f"{arm.name}{choice.suffix}",
                "retrieval": Retrieval(
                    kb=choice.base.kb,
                    base_id=choice.base.base_id,
                    snapshot=choice.base.snapshot,
                    settings=choice.settings,
                    subject=subject,
                    **taken._asdict(),
                ),
            }
        )
        for choice in choices
    ]


def _choices(grounding: Grounding) -> list[_Choice]:
    values: dict[str, list[Json]] = {}
    for key, value in grounding.settings:
        known = values.setdefault(_setting(key), [])
        if value not in known:
            known.append(value)
    found: list[_Choice] = []
    for base in grounding.bases:
        label = f" | kb={base.label}" if len(grounding.bases) > 1 else ""
        for combination in product(*values.values()):
            given = dict(zip(values, combination, strict=True))
            shown = (
                f" | {key}={written(given[key])}" for key, many in values.items() if len(many) > 1
            )
            found.append(_Choice(base, search_settings(base, given), label + "".join(shown)))
    return found


def _setting(key: str) -> str:
    key = key.replace("-", "_")
    if key not in SearchSettings.model_fields:
        known = ", ".join(SearchSettings.model_fields)
        raise Invalid(f"There is no retrieval setting {key[:40]!r}. Use {known}.", param=key[:40])
    return key


def search_settings(base: FrozenBase, given: Mapping[str, Json]) -> SearchSettings:
    """The base's own with what was given put over them; raises Invalid."""
    values: dict[str, Any] = {**base.saved.model_dump(), **given}
    if isinstance(values["where"], str):
        pairs = read_where(values["where"].split(","))
        values["where"] = tuple((key, one) for key, many in pairs.items() for one in many)
    try:
        return SearchSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Invalid(
            f"The retrieval setting {field} is wrong: {first['msg']}. Correct it.",
            param="retrieval",
        ) from error
