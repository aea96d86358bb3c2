"""A prompt, cases and evaluators as a promptfoo configuration that our import reads back."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import orjson

from evalsets.datasets.cases import CasePublic
from evalsets.evaluators.checks import Checks, case_checks
from evalsets.evaluators.judge import Judge
from evalsets.evaluators.kinds import Contains, Cost, Evaluator, Exact, JsonSchema, Latency, Regex
from evalsets.evaluators.overlap import Bleu, Rouge
from evalsets.evaluators.similarity import Similarity
from prompts import front_matter
from prompts.foreign.found import NotTaken
from prompts.models import PromptPublic
from prompts.template import renderer

Json = dict[str, Any]
_OWN_ID = re.compile(r"[0-9a-f]{12}(-\d+)?")


class PromptfooExport(NamedTuple):
    """The YAML, and what promptfoo has no place for."""

    text: str
    left: list[NotTaken]


def export_promptfoo(
    prompts: Sequence[PromptPublic],
    cases: Iterable[CasePublic] = (),
    evaluators: Sequence[Evaluator] = (),
    *,
    title: str | None = None,
) -> PromptfooExport:
    """Prompts with the models that they name, a test a case, and an assertion an evaluator."""
    left: list[NotTaken] = []
    tests = [_test(case, evaluators, left) for case in cases]
    default = [one for each in evaluators for one in _for_all(each, left)]
    settings: Json = {
        "description": title or prompts[0].name,
        "prompts": [_prompt(one, left) for one in prompts],
        "providers": _providers(prompts),
        "defaultTest": {"assert": default} if default else None,
        "tests": tests,
    }
    kept = {key: value for key, value in settings.items() if value}
    text = front_matter.dump(kept).removeprefix("---\n").removesuffix("---\n")
    return PromptfooExport(text, left)


def _prompt(prompt: PromptPublic, left: list[NotTaken]) -> Json:
    content = prompt.content
    if content.threads:
        left.append(NotTaken(prompt.name, f"the messages {', '.join(sorted(content.threads))}",
                             "promptfoo has no lists of messages as variables."))  # fmt: skip
    if content.mocks:
        left.append(NotTaken(prompt.name, "the mocked results of its tools",
                             "promptfoo has no place for them."))  # fmt: skip
    messages = [{"role": one.role, "content": one.content} for one in renderer().inlined(content)]
    alone = len(messages) == 1 and messages[0]["role"] == "user"
    raw = messages[0]["content"] if alone else orjson.dumps(messages).decode()
    config: Json = dict(content.options)
    if content.outputs is not None:
        config["response_format"] = {
            "type": "json_schema", "json_schema": {"name": "output", "schema": content.outputs}
        }  # fmt: skip
    if content.tools:
        config["tools"] = list(content.tools)
    if content.model:
        config["model"] = content.model
    made: Json = {"raw": raw, "label": prompt.name.rsplit("/", 1)[-1]}
    return {**made, "config": config} if config else made


def _providers(prompts: Sequence[PromptPublic]) -> list[str]:
    models = dict.fromkeys(one.content.model for one in prompts if one.content.model)
    return [f"openai:chat:{model}" for model in models] or ["echo"]


def _test(case: CasePublic, evaluators: Sequence[Evaluator], left: list[NotTaken]) -> Json:
    inputs = dict(case.inputs)
    asserts: list[Json] = []
    threshold = None
    for one in evaluators:
        if isinstance(one, Checks):
            try:
                own = case_checks(inputs.pop(one.column, None))
            except ValueError as error:
                left.append(NotTaken(case.case_id, f"the column {one.column}", f"{error}."))
                continue
            asserts += [cast(Json, check.row()) for check in own.checks]
            threshold = own.threshold if threshold is None else threshold
        elif (kind := _by_expected(one)) and case.expected is not None:
            asserts.append(_named({"type": kind, "value": case.expected}, one))
    compared = any(_by_expected(one) for one in evaluators)
    if case.expected is not None and not compared:
        inputs["expected"] = case.expected
    metadata = {"tags": list(case.tags), "split": case.split}
    made: Json = {
        "description": None if _OWN_ID.fullmatch(case.case_id) else case.case_id,
        "vars": {name: value for name, value in inputs.items() if value is not None},
        "options": {"disableVarExpansion": True}
        if any(map(_would_expand, inputs.values()))
        else {},
        "assert": asserts,
        "threshold": threshold,
        "metadata": {key: value for key, value in metadata.items() if value},
    }
    return {
        key: value for key, value in made.items() if value is not None and value not in ([], {})
    }


def _would_expand(value: Any) -> bool:
    """Of a list of texts promptfoo makes a case each."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


def _by_expected(one: Evaluator) -> str | None:
    """The assertion that an evaluator is which compares with the expected output."""
    if isinstance(one, Exact) and one.value is None and not one.strip and one.case:
        return "equals"
    if isinstance(one, Contains) and one.value is None:
        return "contains" if one.case else "icontains"
    if isinstance(one, Regex) and one.pattern is None and one.case and not one.whole:
        return "regex"
    return None


def _for_all(one: Evaluator, left: list[NotTaken]) -> list[Json]:
    if _by_expected(one):
        return []
    if isinstance(one, Checks):
        return [cast(Json, check.row()) for check in one.every]
    made = _assert(one)
    if made is None:
        left.append(NotTaken(f"the evaluator {one.name or one.kind}", one.kind,
                             "promptfoo has no assertion that means exactly this."))  # fmt: skip
        return []
    return [_named(made, one)]


def _named(made: Json, one: Evaluator) -> Json:
    own = one.name is not None and one.name != one.kind
    return {**made, "metric": one.name} if own else made


def _assert(one: Evaluator) -> Json | None:
    if isinstance(one, Exact):
        return {"type": "equals", "value": one.value} if one.case and not one.strip else None
    if isinstance(one, Contains):
        return {"type": "contains" if one.case else "icontains", "value": one.value}
    if isinstance(one, Regex):
        return {"type": "regex", "value": one.pattern} if one.case and not one.whole else None
    if isinstance(one, JsonSchema) and one.definition is not None and not one.fenced:
        return {"type": "is-json", **({"value": one.definition} if one.definition else {})}
    if isinstance(one, (Latency, Cost)) and one.max is not None:
        return {"type": one.kind, "threshold": one.max}
    if isinstance(one, (Similarity, Rouge, Bleu)):
        return _compared(one)
    if isinstance(one, Judge) and one.prompt is None and one.scale == "yes_no":
        return {"type": "llm-rubric", "value": one.rubric}
    return None


def _compared(one: Similarity | Rouge | Bleu) -> Json | None:
    """Where both programs have the figure, and the text stands in the evaluator."""
    if isinstance(one, Rouge) and (one.variant, one.measure) != ("rouge1", "f1"):
        return None
    if isinstance(one, Bleu) and not one.case:
        return None
    if one.value is None or one.threshold is None:
        return None
    kind = {"similarity": "similar", "rouge": "rouge-n", "bleu": "bleu"}[one.kind]
    return {"type": kind, "value": one.value, "threshold": one.threshold}
