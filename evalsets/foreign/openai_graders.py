"""Testing criteria of OpenAI's evals as evaluators; one table of kinds.

https://platform.openai.com/docs/guides/graders
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError

from core.errors import Invalid
from core.names import slug
from evalsets.evaluators.checks import Check
from evalsets.evaluators.judge import Judge
from evalsets.evaluators.kinds import Contains, Evaluator, Exact
from evalsets.evaluators.overlap import Bleu, Rouge
from evalsets.evaluators.similarity import Similarity
from evalsets.foreign.arrival import Arrival
from evalsets.foreign.promptfoo.scores import score_name
from prompts.content import MessageTemplate, PromptContent
from prompts.foreign.chat import messages
from prompts.foreign.found import ForeignPrompt
from prompts.foreign.options import sampling
from prompts.foreign.references import OUTPUT, as_judge, filled, item_of

Json = dict[str, Any]
_REPLY = (
    'Reply with one JSON object and nothing else:\n{"reason": "one or two sentences", '
    '"verdict": {{ answer_format }}}'
)
_SCORE = (
    'Reply with one JSON object and nothing else:\n{"reason": "one or two sentences", '
    '"score": a number from 0 to 1}'
)
_CODE = "It is a program, and no program of a file runs here."
SIMILARITIES: Mapping[str, Callable[[str, str | None], Evaluator]] = {
    "cosine": lambda name, value: Similarity(name=name, value=value),
    "bleu": lambda name, value: Bleu(name=name, value=value),
    "rouge_1": lambda name, value: Rouge(name=name, value=value, variant="rouge1"),
    "rouge_2": lambda name, value: Rouge(name=name, value=value, variant="rouge2"),
    "rouge_l": lambda name, value: Rouge(name=name, value=value, variant="rougeL"),
}
"""`evaluation_metric` of text_similarity to an evaluator by its name and the text to compare with.

The cosine is of our embedder, not of OpenAI's: its figures are other ones.
"""
_COMPARING = ("string_check", "text_similarity")
_CHECKS = {"eq": "equals", "ne": "not-equals", "like": "contains", "ilike": "icontains"}


@dataclass
class Criteria:
    """What the criteria of an eval amount to; `expected` is the field of the expected output.

    `templates` are checks whose value is filled for each case.
    """

    evaluators: list[Evaluator] = field(default_factory=list[Evaluator])
    expected: str | None = None
    templates: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def checks(self, item: Json) -> list[Check]:
        """The checks of one case; raises Invalid for a field that is not there."""
        return [Check(type=kind, value=filled(text, item)) for kind, text in self.templates]


def read_criteria(given: Sequence[Any], base: str, arrival: Arrival) -> Criteria:
    """All criteria of an eval called `base`."""
    found = Criteria(expected=_expected(given))
    for n, one in enumerate(given):
        item = cast(Json, one) if isinstance(one, dict) else {}
        where = f"testing_criteria[{n}]"
        name = str(item.get("name") or item.get("type") or "a criterion")
        try:
            _read(item, name, base, found, arrival, where)
        except (Invalid, ValidationError) as error:
            said = error.message if isinstance(error, Invalid) else "Its settings are wrong."
            arrival.leave(where, name, said)
    return found


def _expected(given: Sequence[Any]) -> str | None:
    """The one field that texts are compared with; None where they differ."""
    fields = {
        name
        for one in given
        if isinstance(one, dict) and cast(Json, one).get("type") in _COMPARING
        and (name := item_of(str(cast(Json, one).get("reference") or "")))
    }  # fmt: skip
    return fields.pop() if len(fields) == 1 else None


def _read(item: Json, name: str, base: str, found: Criteria, arrival: Arrival, where: str) -> None:
    kind = item.get("type")
    for key in sorted(item.keys() - _READ.get(str(kind), item.keys())):
        arrival.leave(f"{where}.{key}", f"`{key}` of {name}", "It has no place here.")
    if kind == "string_check":
        _string(item, name, found)
    elif kind == "text_similarity":
        _similarity(item, name, found, arrival, where)
    elif kind in ("label_model", "score_model"):
        _model(item, name, base, found, arrival, where)
    elif kind == "python":
        raise Invalid(_CODE)
    elif kind == "multi":
        raise Invalid("Its formula joins figures, which stand apart here. Give its graders alone.")
    else:
        raise Invalid(f"A grader {str(kind)[:40]!r} has no place here. Use a judge.")


_ALL = {"type", "name", "id", "input"}
_READ = {
    "string_check": _ALL | {"operation", "reference"},
    "text_similarity": _ALL | {"evaluation_metric", "reference", "pass_threshold"},
    "label_model": _ALL | {"labels", "passing_labels", "model", "sampling_params"},
    "score_model": _ALL | {"range", "model", "sampling_params", "pass_threshold"},
}
"""What is read of a kind; of other kinds nothing is taken, which is told as a whole."""


def _similarity(item: Json, name: str, found: Criteria, arrival: Arrival, where: str) -> None:
    metric = str(item.get("evaluation_metric"))
    make = SIMILARITIES.get(metric)
    if make is None:
        raise Invalid(
            f"There is no evaluator {metric[:40]!r}. Use one of {', '.join(SIMILARITIES)}."
        )
    if not OUTPUT.fullmatch(str(item.get("input") or "").strip()):
        raise Invalid("It compares something other than {{sample.output_text}}. Use a judge.")
    reference = str(item.get("reference") or "")
    own = item_of(reference)
    if own != found.expected and "{{" in reference:
        raise Invalid(
            "Its reference is not the expected output of the other criteria. Use an evaluator of "
            "your own with that text."
        )
    if item.get("pass_threshold") is not None:
        arrival.leave(f"{where}.pass_threshold", f"the threshold of {name}",
                      "Give it to a gate: `--gate NAME>=0.8`.")  # fmt: skip
    found.evaluators.append(make(score_name(name), None if own else reference))


def _string(item: Json, name: str, found: Criteria) -> None:
    if not OUTPUT.fullmatch(str(item.get("input") or "").strip()):
        raise Invalid("It compares something other than {{sample.output_text}}. Use a judge.")
    operation, reference = str(item.get("operation")), str(item.get("reference") or "")
    if operation not in _CHECKS:
        raise Invalid(f"The operation {operation[:40]!r} is not known. Use eq, ne, like or ilike.")
    own = item_of(reference)
    plain = "{{" not in reference
    value = None if own is not None else reference
    known = own is not None and own == found.expected
    if operation != "ne" and (plain or known):
        found.evaluators.append(
            Exact(value=value, strip=False, name=score_name(name)) if operation == "eq"
            else Contains(value=value, case=operation == "like", name=score_name(name))
        )  # fmt: skip
    else:
        found.templates.append((_CHECKS[operation], reference))


def _model(item: Json, name: str, base: str, found: Criteria, arrival: Arrival, where: str) -> None:
    made = list(messages(item.get("input"), as_judge))
    labels = [str(one) for one in cast(list[Any], item.get("labels") or [])]
    scored = item.get("type") == "score_model"
    low_high = item.get("range") or [0, 1]
    if scored and low_high not in ([0, 1], [1, 5]):
        raise Invalid(f"Its range is {low_high}; a judge here gives 0 to 1, or 1 to 5. Change it.")
    if item.get("pass_threshold") is not None:
        arrival.leave(f"{where}.pass_threshold", f"the threshold of {name}",
                      "Give it to a gate: `--gate NAME>=0.8`.")  # fmt: skip
    if item.get("model"):
        arrival.leave(f"{where}.model", f"the model {item['model']} of {name}",
                      "Choose the judging model when a run is started.")  # fmt: skip
    reply = _SCORE if scored and low_high == [0, 1] else _REPLY
    made.append(MessageTemplate(role="user", content=reply))
    prompt = f"{base}/{slug(name).replace('/', '-')}"
    settings = sampling(item.get("sampling_params"))
    for key, reason in settings.left.items():
        arrival.leave(f"{where}.sampling_params.{key}", f"`{key}` of {name}", reason)
    content = PromptContent(messages=tuple(made), options=settings.options)
    arrival.prompts.append(
        ForeignPrompt(prompt, content, title=name,
                      description=f"Grades answers of {base}.")
    )  # fmt: skip
    passing = {str(one) for one in cast(list[Any], item.get("passing_labels") or [])}
    found.evaluators.append(
        Judge(
            rubric=name, prompt=prompt, name=score_name(name),
            scale="categories" if labels else "1-5" if low_high == [1, 5] else "yes_no",
            categories={label: float(label in passing) for label in labels} or None,
        )
    )  # fmt: skip
