"""Evaluators of answers from a knowledge base that need no model."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from core.canonical import Json
from evalsets.evaluators.refusals import says_not_in_context
from evalsets.evaluators.subjects import (
    EvaluatorSettings,
    Relevant,
    Score,
    Subject,
    passed,
    unscored,
)
from prompts.conversion import ConversionError, convert
from rag.answer import citations

UNANSWERABLE = "unanswerable"
NO_BASE = "the arm reads from no knowledge base"
_HELD = 0.5


class ContextRecall(EvaluatorSettings):
    """Share of what is relevant for a case that its passages hold."""

    kind: Literal["context_recall"] = "context_recall"
    column: str = Field(
        default="relevant",
        description="Column with the names of the relevant documents; else the base's marks count.",
    )

    def score(self, subject: Subject) -> Score:
        """By document names of the case, else by marked passages, at least half of each.

        Unscored where neither says what is relevant.
        """
        if subject.sources is None:
            return unscored(NO_BASE)
        wanted = _names(subject.inputs.get(self.column))
        if wanted:
            given = {name for one in subject.sources for name in _called(str(one["document"]))}
            return _recall(len(wanted), [name for name in wanted if name not in given])
        if not subject.relevant:
            return unscored("neither the case nor the marks of the base say what is relevant")
        missing = [one for one in subject.relevant if _share_held(one, subject.sources) < _HELD]
        places = [f"{one.document} {one.start}-{one.end}" for one in missing]
        return _recall(len(subject.relevant), places)


def _recall(wanted: int, missing: Sequence[str]) -> Score:
    lacks = f"; missing: {', '.join(missing)}"[:500] if missing else ""
    return Score(1 - len(missing) / wanted, f"{wanted - len(missing)} of {wanted} found{lacks}")


def _names(value: Json) -> list[str]:
    """A list, a JSON array, or names between commas or on lines; each once."""
    if value is None:
        return []
    try:
        names = (str(one).strip() for one in convert("list", value))
    except ConversionError:
        return []
    return list(dict.fromkeys(name for name in names if name))


def _called(document: str) -> tuple[str, str]:
    """A document's name with its folders and without."""
    return document, document.rpartition("/")[2]


def _share_held(passage: Relevant, sources: Sequence[Mapping[str, Any]]) -> float:
    """Which share of the passage's characters stands in the sources."""
    held: set[int] = set()
    for one in sources:
        if one["document_id"] == passage.document_id:
            held.update(range(max(one["start"], passage.start), min(one["end"], passage.end)))
    return len(held) / max(passage.end - passage.start, 1)


class Cites(EvaluatorSettings):
    """Share of an answer's citations [n] that name a passage it was given."""

    kind: Literal["cites"] = "cites"

    def score(self, subject: Subject) -> Score:
        """0 without a citation though passages were given; a refusal needs none and is unscored."""
        if subject.sources is None:
            return unscored(NO_BASE)
        numbers = citations(subject.output)
        if not numbers:
            if not subject.sources:
                return unscored("no passage was given")
            if says_not_in_context(subject.output):
                return unscored("a refusal needs no citation")
            return Score(0.0, "cites nothing")
        there = [n for n in numbers if 1 <= n <= len(subject.sources)]
        wrong = ", ".join(f"[{n}]" for n in numbers if n not in there)
        said = f"{len(there)} of {len(numbers)} citations exist"
        return Score(len(there) / len(numbers), f"{said}; not {wrong}"[:500] if wrong else said)


class Refused(EvaluatorSettings):
    """1 when the answer says that it is not in the context exactly when it should."""

    kind: Literal["refused"] = "refused"
    tag: str = Field(
        default=UNANSWERABLE, description="Tag of cases that the documents do not answer."
    )

    def score(self, subject: Subject) -> Score:
        """It should with the tag, with no expected output, or one that itself says so."""
        wanted = (subject.expected or "").strip()
        should = self.tag in subject.tags or not wanted or says_not_in_context(wanted)
        did = says_not_in_context(subject.output)
        said = "says that it is not in the context" if did else "gives an answer"
        return passed(did == should, f"{said}, and should{'' if did == should else ' not'}")
