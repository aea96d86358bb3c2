"""Results of `promptfoo eval -o results.json` as a run: outputs, what they took, their scores.

Read by their shape: summaries of version 2 and 3, in files of version 4 and before.
"""

import hashlib
import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import orjson

from core.canonical import canonical_json, content_hash
from core.names import slug
from evalsets.files.cases import MAX_ID, CaseRow
from evalsets.foreign.arrival import Arrival, ForeignRun
from evalsets.foreign.promptfoo.scores import named_apart, scores_of
from evalsets.runs.lines import MAX_ARM, MAX_REPEATS, ImportedFigures, ImportedOutput, ImportedRun

Json = dict[str, Any]


def is_results(value: Json) -> bool:
    """Whether a JSON document is a file of results, not a configuration."""
    return bool(_rows(value)) or isinstance(_map(value.get("results")).get("stats"), dict)


def _map(value: Any) -> Json:
    return cast(Json, value) if isinstance(value, dict) else {}


def _rows(value: Json) -> list[Any]:
    inner = value.get("results")
    rows = _map(inner).get("results") if isinstance(inner, dict) else inner
    return cast(list[Any], rows) if isinstance(rows, list) else []


def read_results(value: Json, name: str, data: bytes) -> Arrival:
    """The run; its configuration, if the file holds one, is another import."""
    arrival = Arrival()
    reader = _Reader(arrival)
    for n, row in enumerate(_rows(value)):
        reader.take(f"results[{n}]", _map(row))
    if reader.apart:
        names = ", ".join(reader.apart)[:300]
        reason = "They are no assertion's own. The scores of assertions are taken."
        arrival.leave("results", f"the named scores {names}", reason)
    config = _map(value.get("config"))
    if config.get("tests") or config.get("prompts"):
        arrival.leave(
            "config",
            "the configuration of these results",
            "Import its own file for prompts and cases: `promptstone import promptfoo`.",
        )
    if not reader.run.outputs:
        arrival.leave("results", "the run", "The file holds no output. Nothing to take.")
        return arrival
    title = str(config.get("description") or value.get("evalId") or name.split(".")[0])
    key = f"promptfoo:{hashlib.sha256(data).hexdigest()}"
    arrival.runs.append(ForeignRun(title, f"{slug(title[:60])}-results", reader.run, name, key))
    return arrival


class _Reader:
    """Rows become cells: an arm is a prompt on a provider, a repeat the same test again."""

    def __init__(self, arrival: Arrival) -> None:
        self.run = ImportedRun()
        self.apart: dict[str, None] = {}
        self._arrival = arrival
        self._arms: dict[str, int] = {}
        self._cases: dict[str, int] = {}
        self._ids: Counter[str] = Counter()
        self._repeats: Counter[tuple[int, int]] = Counter()

    def take(self, where: str, row: Json) -> None:
        """Add a row, or list why not."""
        inputs = row.get("vars") if isinstance(row.get("vars"), dict) else None
        inputs = _map(inputs if inputs is not None else _map(row.get("testCase")).get("vars"))
        if not row:
            self._arrival.leave(where, "a result", "It is no map. Correct it.")
            return
        try:
            orjson.dumps([inputs, row.get("response"), row.get("error")])
        except TypeError as error:
            why = str(error)[:100]
            self._arrival.leave(where, "a result", f"It cannot be kept ({why}). Correct it.")
            return
        self.apart |= dict.fromkeys(named_apart(row))
        arm, case = self._arm(row), self._case(row, inputs)
        self._repeats[arm, case] += 1
        if self._repeats[arm, case] > MAX_REPEATS:
            self._arrival.leave(where, "a result", f"A case has more than {MAX_REPEATS} repeats.")
            return
        response = _map(row.get("response"))
        output, error = _output(response.get("output")), _error(row, response)
        if output is None and error is None:
            error = "promptfoo recorded neither an output nor an error"
        self.run.outputs.append(
            ImportedOutput(
                arm,
                case,
                self._repeats[arm, case],
                output,
                None,
                error if output is None else None,
                _figures(row, response),
            )
        )

    def _arm(self, row: Json) -> int:
        prompt, provider = _map(row.get("prompt")), row.get("provider")
        model = str(_map(provider).get("label") or _map(provider).get("id") or provider or "model")
        label = str(prompt.get("label") or "").strip()
        number = row.get("promptIdx")
        if not label or len(label) > 80 or "\n" in label or label == prompt.get("raw"):
            label = slug(label[:40], "") or "prompt"
        name = f"{label} | {model}"[: MAX_ARM - 8]
        key = f"{name}\0{number}" if number is not None else name
        if key not in self._arms:
            taken = set(self.run.arms)
            unique, n = name, 1
            while unique in taken:
                n += 1
                unique = f"{name} ({n})"
            self._arms[key] = len(self.run.arms)
            self.run.arms.append(unique)
        return self._arms[key]

    def _case(self, row: Json, inputs: Json) -> int:
        key = canonical_json(inputs)
        known = self._cases.get(key)
        if known is not None:
            return known
        title = str(_map(row.get("testCase")).get("description") or row.get("description") or "")
        name = title.strip()[: MAX_ID - 8] or content_hash(inputs)[:12]
        self._ids[name] += 1
        case_id = name if self._ids[name] == 1 else f"{name} ({self._ids[name]})"
        self._cases[key] = len(self.run.cases)
        self.run.cases.append(CaseRow(case_id, inputs, line=len(self.run.cases) + 1))
        return self._cases[key]


def _output(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _error(row: Json, response: Json) -> str | None:
    """An error of the call; a failed assertion stands there too, beside its output."""
    found = response.get("error") or row.get("error")
    return str(found)[:2_000] if found else None


def _figures(row: Json, response: Json) -> ImportedFigures:
    usage = _map(response.get("tokenUsage"))
    cached = response.get("cached") is True
    latency = None if cached else _number(row.get("latencyMs"))
    # Without a price promptfoo writes 0, as it does for what was cached.
    cost = _number(response.get("cost")) or _number(row.get("cost"))
    return ImportedFigures(
        latency_ms=latency,
        cost=_money(cost) if cost else None,
        input_tokens=_whole(usage.get("prompt")),
        output_tokens=_whole(usage.get("completion")),
        scores=scores_of(row),
    )


def _number(value: Any) -> float | None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
    return float(value) if known else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number else None


def _money(value: float) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
