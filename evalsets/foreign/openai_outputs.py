"""Output items of OpenAI's eval runs as cells of an imported run."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from core.canonical import canonical_json, content_hash
from evalsets.files.cases import CaseRow
from evalsets.foreign.arrival import Arrival
from evalsets.foreign.openai_leaving import leave_of_output
from evalsets.foreign.promptfoo.scores import score_name
from evalsets.runs.lines import ImportedFigures, ImportedOutput, ImportedRun, ImportedScore
from prompts.foreign.documents import Entry

Json = dict[str, Any]


def read_outputs(given: Sequence[Entry], runs: Sequence[Entry], arrival: Arrival) -> ImportedRun:
    """An arm for each run, a case for each item."""
    titles = {str(one.item.get("id")): _title(one.item) for one in runs}
    found = ImportedRun()
    arms: dict[str, int] = {}
    cases: dict[str, int] = {}
    repeats: Counter[tuple[int, int]] = Counter()
    for entry in given:
        item = cast(Json, entry.item.get("datasource_item") or {})
        sample = cast(Json, entry.item.get("sample") or {})
        run_id = str(entry.item.get("run_id") or sample.get("model") or "run")
        name = titles.get(run_id) or str(sample.get("model") or run_id)
        if name not in arms:
            arms[name] = len(found.arms)
            found.arms.append(name)
        key = canonical_json(item)
        if key not in cases:
            cases[key] = len(found.cases)
            found.cases.append(CaseRow(content_hash(item)[:12], item, line=len(cases)))
        place = (arms[name], cases[key])
        leave_of_output(entry, arrival)
        repeats[place] += 1
        output, error = _output(sample), _error(sample)
        if output is None and error is None:
            arrival.leave(entry.where, "an output", "It holds neither a text nor an error.")
            repeats[place] -= 1
            continue
        found.outputs.append(
            ImportedOutput(*place, repeats[place], output, None,
                           error if output is None else None, _figures(entry.item, sample))
        )  # fmt: skip
    return found


def _title(run: Json) -> str:
    source = cast(Json, run.get("data_source") or {})
    model = run.get("model") or source.get("model")
    name = str(run.get("name") or run.get("id") or "run")
    return f"{name} | {model}" if model else name


def _output(sample: Json) -> str | None:
    if isinstance(sample.get("output_text"), str):
        return sample["output_text"]
    listed = cast(list[Any], sample.get("output") or [])
    texts = [cast(Json, one).get("content") for one in listed if isinstance(one, dict)]
    found = [one for one in texts if isinstance(one, str)]
    return "\n".join(found) if found else None


def _error(sample: Json) -> str | None:
    error = sample.get("error")
    if isinstance(error, dict):
        found = cast(Json, error).get("message") or cast(Json, error).get("code")
        return str(found)[:2_000] if found else None
    return str(error)[:2_000] if error else None


def _figures(item: Json, sample: Json) -> ImportedFigures:
    usage = cast(Json, sample.get("usage") or {})
    scores: dict[str, ImportedScore] = {}
    for one in cast(list[Any], item.get("results") or []):
        result = cast(Json, one) if isinstance(one, dict) else {}
        score = result.get("score")
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            score = float(result["passed"]) if isinstance(result.get("passed"), bool) else None
        # A criterion's id is appended to its name.
        name = score_name(str(result.get("name") or result.get("type") or "score"))
        scores[name] = ImportedScore(None if score is None else float(score), "")
    return ImportedFigures(
        input_tokens=_whole(usage.get("prompt_tokens")),
        output_tokens=_whole(usage.get("completion_tokens")),
        scores=scores,
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
