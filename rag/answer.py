"""Answers from documents: which passages a prompt is given, how they are numbered, what was cited.

The retrieved text is a value of a variable like any other: it is rendered, never read as template.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from core.errors import Invalid
from prompts.content import PromptContent
from prompts.outcome import VariableReport
from rag.search_settings import SearchSettings

if TYPE_CHECKING:  # searching loads embedders, which those who only read manifests do without
    from rag.searching import Found, Searcher

_CITED = re.compile(r"[\[【](\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)[\]】]")
_NUMBER = re.compile(r"\d+")


class Retrieval(BaseModel):
    """Where a prompt's passages come from: base, snapshot, settings, and the two variables.

    `query` names the variable that is searched for, `into` the one that holds the passages: a list
    for a template that goes through it, else one text (`as_text`). `base_id` is the base that was
    meant; another one of its name is none. `subject` (user:NAME or key:ID) is whose access rule
    applies.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kb: str
    base_id: str
    snapshot: int
    settings: SearchSettings = SearchSettings()
    query: str = "question"
    into: str = "context"
    as_text: bool = False
    subject: str | None = None


@dataclass(frozen=True)
class Source:
    """A passage as a prompt was given it; `n` is what an answer cites as [n]."""

    n: int
    document: str
    document_id: str
    chunk_id: str
    title: str
    page: int | None
    score: float
    start: int
    end: int
    text: str

    def row(self) -> dict[str, Any]:
        """As it is stored with a cell or a trace: without the text, which the snapshot holds."""
        values = asdict(self)
        del values["text"]
        return values


def sources_of(found: "Found") -> tuple[Source, ...]:
    """A search's hits, numbered from 1."""
    return tuple(
        Source(
            number,
            hit.document,
            hit.document_id,
            hit.hit.chunk_id,
            hit.title,
            hit.page,
            hit.hit.score,
            hit.start,
            hit.end,
            hit.given,
        )
        for number, hit in enumerate(found.hits, 1)
    )


def retrieve(
    searcher: "Searcher", retrieval: Retrieval, query: str, *, subject: str | None = None
) -> tuple[Source, ...]:
    """The passages for a query; none for a query that is blank. Raises NotFound, Unavailable.

    `subject` takes the place of the retrieval's own.
    """
    if not query.strip():
        return ()
    found = searcher.search(
        retrieval.kb,
        query,
        retrieval.settings,
        snapshot=retrieval.snapshot,
        subject=subject or retrieval.subject,
    )
    return sources_of(found)


def with_passages(
    inputs: Mapping[str, Any], retrieval: Retrieval, sources: Sequence[Source]
) -> dict[str, Any]:
    """The inputs with the passages in their variable.

    `{n, document, title, page, text}` each, or all as one numbered text.
    """
    return {**inputs, retrieval.into: passages(sources, as_text=retrieval.as_text)}


def passages(sources: Sequence[Source], *, as_text: bool) -> list[dict[str, Any]] | str:
    """What a prompt's variable holds of the sources."""
    if as_text:
        return "\n\n".join(f"[{one.n}] {_place(one)}\n{one.text}" for one in sources)
    shown = ("n", "document", "title", "page", "text")
    return [{name: getattr(source, name) for name in shown} for source in sources]


def _place(source: Source) -> str:
    page = "" if source.page is None else f", page {source.page}"
    return f"{source.title or source.document}{page}"


def query_of(inputs: Mapping[str, Any], retrieval: Retrieval) -> str:
    """What is searched for; empty when the inputs have no such value."""
    value = inputs.get(retrieval.query)
    return "" if value is None else str(value)


class Fitted(NamedTuple):
    """How a prompt takes passages: what it is searched by, where they stand, and in which form."""

    query: str
    into: str
    as_text: bool


def fitted(
    content: PromptContent, report: VariableReport, into: str = "context", query: str | None = None
) -> Fitted | None:
    """None for a prompt without the variable `into`; `report` is what its templates read.

    Passages are a list for a template that goes through them or reads their parts, or that says
    so, else one text. Raises Invalid for a thread, and when it is not clear what to search by.
    """
    names = variables_of(content, report)
    if into not in names:
        return None
    kind = next((one.kind for one in content.inputs if one.name == into), None)
    if kind == "thread":
        raise Invalid(
            f"{into!r} is a thread, and passages are no messages. Make it a list.", param="kb"
        )
    as_list = kind in ("list", "json") or into in report.looped or into in report.attributes
    return Fitted(query_variable(names, into, query), into, not as_list)


def variables_of(content: PromptContent, report: VariableReport) -> list[str]:
    """The declared variables, then those that the templates read beside them."""
    return list(dict.fromkeys([*(one.name for one in content.inputs), *report.used]))


def asked(content: PromptContent, into: str) -> PromptContent:
    """The prompt as a case fills it: without the variable that holds the passages."""
    inputs = tuple(one for one in content.inputs if one.name != into)
    return content.model_copy(update={"inputs": inputs})


def query_variable(names: Sequence[str], into: str, asked: str | None = None) -> str:
    """The variable that a prompt's passages are searched by; raises Invalid when it is not plain.

    Asked for, else `question` or `query`, else the only other one.
    """
    if into not in names:
        raise Invalid(
            f"The prompt has no variable {into!r} that passages could stand in. Add one, such as "
            "{% for p in " + into + " %}[{{ p.n }}] {{ p.text }}{% endfor %}.",
            param="kb",
        )
    others = [name for name in names if name != into]
    if asked is not None:
        if asked not in others:
            raise Invalid(f"The prompt has no variable {asked!r} to search by. Name one it has.")
        return asked
    known = [name for name in ("question", "query") if name in others] or others
    if not known or (len(known) > 1 and known[0] not in ("question", "query")):
        raise Invalid(
            "It is not clear which variable of the prompt is the question. Call it `question`.",
            param="kb",
        )
    return known[0]


def citations(answer: str) -> list[int]:
    """The numbers that an answer gives as [n], [n, m] or 【n】, each once, in their order."""
    groups = (match[1] for match in _CITED.finditer(answer))
    return list(dict.fromkeys(int(n) for group in groups for n in _NUMBER.findall(group)))


def cited(answer: str, sources: int) -> list[int]:
    """The citations that name one of so many sources."""
    return [n for n in citations(answer) if 1 <= n <= sources]
