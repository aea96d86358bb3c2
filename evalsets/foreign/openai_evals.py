"""OpenAI's evals, their runs, outputs and items, and its prompt objects.

OpenAI ends both on 30 November 2026. A file may hold one object, a list, or a line each.
https://platform.openai.com/docs/api-reference/evals
"""

import hashlib
from pathlib import PurePosixPath
from typing import Any, cast

from core.canonical import Json as Value
from core.errors import Invalid, PromptstoneError
from core.names import slug
from evalsets.evaluators.checks import Checks
from evalsets.evaluators.specs import named
from evalsets.files.collecting import collect
from evalsets.files.tables import RawRow, RawTable
from evalsets.foreign.arrival import Arrival, ForeignCases, ForeignRun
from evalsets.foreign.openai_graders import Criteria, read_criteria
from evalsets.foreign.openai_leaving import leave_of_eval, leave_of_item, leave_of_run
from evalsets.foreign.openai_outputs import read_outputs
from prompts.content import PromptContent
from prompts.conversion import text_of
from prompts.foreign import options
from prompts.foreign.chat import messages
from prompts.foreign.documents import Entry, entries
from prompts.foreign.found import ForeignPrompt, together
from prompts.foreign.openai_prompts import is_prompt, read_prompts
from prompts.foreign.references import as_prompt

Json = dict[str, Any]
_LISTS = ("data", "items", "output_items", "runs", "evals", "prompts")


def read_openai(name: str, data: bytes) -> Arrival:
    """All that a file holds; raises Invalid or TooLarge where it cannot be read."""
    arrival = Arrival()
    stem = PurePosixPath(name).stem
    reader = _Reader(arrival, stem, name)
    for entry in _opened(entries(name, data, ())):
        reader.take(entry)
    reader.end(f"openai:{hashlib.sha256(data).hexdigest()}")
    arrival.not_taken = together(arrival.not_taken)
    if not (arrival.prompts or arrival.datasets or arrival.runs or arrival.evaluators
            or arrival.not_taken):  # fmt: skip
        raise Invalid(f"{name} holds nothing of OpenAI's that is known. Give an eval or a prompt.")
    return arrival


def _opened(listed: list[Entry]) -> list[Entry]:
    """Objects within objects: pages of the API, and an eval with its runs beside it."""
    found: list[Entry] = []
    for entry in listed:
        item = entry.item
        inner = item.get("eval")
        if isinstance(inner, dict):
            found.append(Entry(f"{entry.where} eval", cast(Json, inner)))
        lists = [key for key in _LISTS if _are_objects(item.get(key))]
        for key in lists:
            rows = cast(list[Json], item[key])
            inside = [Entry(f"{entry.where} {key}[{n}]", row) for n, row in enumerate(rows)]
            found += _opened(inside)
        if (not lists and not isinstance(inner, dict)) or "testing_criteria" in item:
            found.append(entry)
    return found


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(
        isinstance(one, dict) for one in cast(list[Any], value)
    )  # fmt: skip


class _Reader:
    """Entries sorted by what they are; joined at the end, because an eval may come last."""

    def __init__(self, arrival: Arrival, stem: str, source: str) -> None:
        self._arrival, self._stem, self._source = arrival, stem, source
        self._criteria: list[Any] = []
        self._title: str | None = None
        self._items: list[Entry] = []
        self._outputs: list[Entry] = []
        self._runs: list[Entry] = []
        self._prompts: list[Entry] = []

    def take(self, entry: Entry) -> None:
        item = entry.item
        if "testing_criteria" in item:
            self._title = str(item.get("name") or self._title or self._stem)
            self._criteria += cast(list[Any], item["testing_criteria"] or [])
            leave_of_eval(entry, self._arrival)
        elif "datasource_item" in item:
            self._outputs.append(entry)
        elif "data_source" in item:
            self._runs.append(entry)
        elif isinstance(item.get("item"), dict):
            self._items.append(entry)
        elif is_prompt(item):
            self._prompts.append(entry)
        else:
            what = str(item.get("object") or item.get("type") or "an object")
            self._arrival.leave(entry.where, what[:80], "It is no prompt, eval, run or item.")

    def end(self, key: str) -> None:
        """Make prompts, cases, evaluators and runs of what was sorted."""
        self._arrival.add(read_prompts(self._prompts, self._stem))
        base = slug((self._title or self._stem)[:60]).replace("/", "-")
        criteria = read_criteria(self._criteria, base, self._arrival)
        for run in self._runs:
            leave_of_run(run, self._arrival)
            self._run(run, base)
        self._cases(base, criteria)
        evaluators = criteria.evaluators
        if criteria.templates:
            evaluators = [*evaluators, Checks()]
        self._arrival.evaluators += [
            one.model_copy(update={"name": f"{base[:30]}.{one.name}"[:64].strip()})
            for one in named(evaluators)
        ]
        if self._outputs:
            found = read_outputs(self._outputs, self._runs, self._arrival)
            title = self._title or self._stem
            if found.outputs:
                run = ForeignRun(title, f"{base}-results", found, self._source, key)
                self._arrival.runs.append(run)

    def _run(self, entry: Entry, base: str) -> None:
        """The prompt of a run, and the items that it brings along."""
        source = cast(Json, entry.item["data_source"] or {})
        title = str(entry.item.get("name") or source.get("model") or "run")
        given = cast(Json, source.get("input_messages") or {})
        if isinstance(given.get("template"), list):
            try:
                self._arrival.prompts.append(_prompt(given["template"], source, base, title))
            except PromptstoneError as error:
                self._arrival.refuse(entry.where, f"the prompt of {title}", error)
        inner = cast(Json, source.get("source") or {})
        if isinstance(inner.get("content"), list):
            for n, row in enumerate(cast(list[Any], inner["content"])):
                place = f"{entry.where} content[{n}]"
                if isinstance(row, dict) and isinstance(cast(Json, row).get("item"), dict):
                    self._items.append(Entry(place, cast(Json, row)))
                else:
                    self._arrival.leave(place, "an item", "It holds no `item`. Correct it.")
        elif inner:
            what = str(inner.get("id") or inner.get("type") or "its data")
            self._arrival.leave(entry.where, what, "Its items are not in this file. Download them.")

    def _cases(self, base: str, criteria: Criteria) -> None:
        rows: list[RawRow] = []
        seen: set[str] = set()
        for n, entry in enumerate(self._items, 1):
            item = cast(Json, entry.item["item"])
            leave_of_item(entry, self._arrival)
            text = repr(item)
            if text in seen:
                continue
            seen.add(text)
            try:
                rows.append(RawRow(n, _case(item, criteria)))
            except (PromptstoneError, ValueError) as error:
                said = error.message if isinstance(error, PromptstoneError) else str(error)
                self._arrival.leave(entry.where, "an item", said)
        if not rows:
            return
        found = collect(RawTable("openai", iter(rows)), max_problems=len(rows) + 1)
        for line, message in found.problems:
            self._arrival.leave(f"item {line}", "an item", f"{message.rstrip('.')}.")
        if found.parsed.cases:
            self._arrival.datasets.append(ForeignCases(base, found.parsed, self._source))


def _case(item: Json, criteria: Criteria) -> dict[str, Value]:
    row: dict[str, Value] = dict(item)
    if criteria.expected is not None and item.get(criteria.expected) is not None:
        row["expected"] = text_of(item[criteria.expected])
    checks: list[Value] = [one.row() for one in criteria.checks(item)]
    if checks:
        row["checks"] = checks
    return row


def _prompt(template: Any, source: Json, base: str, title: str) -> ForeignPrompt:
    settings = options.sampling(source.get("sampling_params"))
    content = PromptContent(
        messages=messages(template, as_prompt), model=source.get("model"),
        options=settings.options, outputs=settings.outputs, tools=tuple(settings.tools),
    )  # fmt: skip
    name = f"{base}/{slug(title).replace('/', '-')}"
    return ForeignPrompt(name, content, title=title if slug(title) != title else None)
