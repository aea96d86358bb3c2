"""What of a whole promptfoo configuration has no place here, and why."""

from collections.abc import Mapping
from typing import Any, cast

from evalsets.foreign.arrival import Arrival

_OF_THE_PROGRAM = "It is about promptfoo's own program."
_REASONS = {
    "env": "Environment variables are not taken over. Set them where Promptstone is started.",
    "nunjucksFilters": "They are programs, and no program of a file runs here.",
    "extensions": "They are programs, and no program of a file runs here.",
    "redteam": "There are no attacks made by a model here.",
    "derivedMetrics": "There are no metrics computed from others here.",
    "tags": "Tags belong to prompts and cases here. Set them there.",
    "metadata": "Tags belong to prompts and cases here. Set them there.",
    "tracing": "Calls of apps are traced here by themselves.",
}
_OPTIONS = {
    "repeat": "Give `--repeats` when a run is started.",
    "maxConcurrency": "Give `--concurrency` when a run is started.",
    "delay": "Give `--rpm` to the model instead.",
    "cache": "Give `--no-cache` when a run is started.",
    "timeoutMs": "Give `--timeout` to the model instead.",
    "filterFirstN": "Give `--limit` when a run is started.",
    "vars": "Add the variables to the cases.",
    "var": "Add the variables to the cases.",
    "assertions": "Give `--evaluator` when a run is started.",
    "promptPrefix": "Write it into the prompt.",
    "promptSuffix": "Write it into the prompt.",
}
"""What belongs to the start of a run here."""
_STARTING = ("evaluateOptions", "commandLineOptions")


def leave_rest(value: Mapping[str, Any], arrival: Arrival) -> None:
    """List every key; the options of a start one by one, as each has a place elsewhere."""
    for key in sorted(value):
        inner = value[key]
        if key in _STARTING and isinstance(inner, dict):
            for name in sorted(cast(dict[str, Any], inner)):
                reason = _OPTIONS.get(name, _OF_THE_PROGRAM)
                arrival.leave(f"{key}.{name}", f"`{name}` of the configuration", reason)
        else:
            reason = _REASONS.get(key, _OF_THE_PROGRAM)
            arrival.leave(key, f"`{key}` of the configuration", reason)
