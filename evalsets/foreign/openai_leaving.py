"""What of OpenAI's evals, runs, items and outputs has no place here, and why.

What the server says about itself (ids, times, counts, links) is no loss and not listed.
"""

from collections.abc import Mapping
from typing import Any, cast

from evalsets.foreign.arrival import Arrival
from prompts.foreign import options
from prompts.foreign.chat import extras
from prompts.foreign.documents import Entry

Json = dict[str, Any]
_SERVER = {
    "id", "object", "created_at", "eval_id", "run_id", "status", "report_url", "result_counts",
    "per_model_usage", "per_testing_criteria_results", "share_with_openai", "datasource_item_id",
}  # fmt: skip
_NO_PLACE = "It has no place here."
_TAGS = "Tags belong to prompts and cases here. Set them there."
_LOGGED = "Its items lie in OpenAI's logs. Download them."
_SETTING = "The settings of an arm stand in its name here. Name the run after them."
_EVAL = {"name", "testing_criteria", "data_source_config", "eval", "data", "runs", "items"}
_RUN = {"name", "model", "data_source", "output_items", "data"}
_OUTPUT = {"datasource_item", "sample", "results"}
_SAMPLE = {"output", "output_text", "error", "usage", "model"}


def leave_of_eval(entry: Entry, arrival: Arrival) -> None:
    """`data_source_config` says what items look like, which the items say themselves."""
    _leave(entry.where, entry.item, _EVAL, {"metadata": _TAGS}, arrival)
    config = entry.item.get("data_source_config")
    given = cast(Json, config) if isinstance(config, dict) else {}
    if given.get("type") in ("logs", "stored_completions"):
        arrival.leave(f"{entry.where}.data_source_config", "the data of the eval", _LOGGED)
        return
    reasons = {
        "schema": "The columns are those of the items.",
        "item_schema": "The columns are those of the items.",
        "include_sample_schema": "Answers are made by a run here.",
    }
    _leave(f"{entry.where}.data_source_config", given, {"type"}, reasons, arrival)


def leave_of_run(entry: Entry, arrival: Arrival) -> None:
    """Its items, template and sampling parameters are read elsewhere."""
    reasons = {"metadata": _TAGS, "error": "What failed stands at its outputs."}
    _leave(entry.where, entry.item, _RUN, reasons, arrival)
    source = cast(Json, entry.item.get("data_source") or {})
    known = {"type", "source", "input_messages", "model", "sampling_params"}
    _leave(f"{entry.where}.data_source", source, known, {}, arrival)
    given = cast(Json, source.get("input_messages") or {})
    if isinstance(given.get("template"), list):
        left = dict.fromkeys(extras(given["template"]), "A message here has a role and a content.")
        left |= options.sampling(source.get("sampling_params")).left
        for key, reason in left.items():
            arrival.leave(f"{entry.where}.data_source.{key}", f"`{key}` of a run", reason)
        return
    if given:
        reason = "Its messages are those of the items. Make a prompt with a list of turns."
        arrival.leave(f"{entry.where}.data_source.input_messages", "the messages of a run", reason)
    if source.get("sampling_params"):
        reason = "There is no prompt that could keep them."
        arrival.leave(f"{entry.where}.data_source.sampling_params", "the settings of a run", reason)


def leave_of_item(entry: Entry, arrival: Arrival) -> None:
    """A row of a source: what stands beside its `item`."""
    reasons = {"sample": "An answer made before is taken by `promptstone run import`."}
    _leave(entry.where, entry.item, {"item"}, reasons, arrival)


def leave_of_output(entry: Entry, arrival: Arrival) -> None:
    """What a cell of an imported run does not hold."""
    _leave(entry.where, entry.item, _OUTPUT, {}, arrival)
    sample = cast(Json, entry.item.get("sample") or {})
    settings = ("temperature", "top_p", "seed", "max_completion_tokens")
    reasons = {"input": "An imported cell keeps its inputs, not the messages made of them."}
    reasons |= dict.fromkeys(settings, _SETTING)
    _leave(f"{entry.where}.sample", sample, _SAMPLE, reasons, arrival)


def _leave(
    where: str, item: Json, known: set[str], reasons: Mapping[str, str], arrival: Arrival
) -> None:
    for key in sorted(item.keys() - known - _SERVER):
        if item[key] not in (None, {}, [], ""):
            arrival.leave(f"{where}.{key}", f"`{key}`", reasons.get(key, _NO_PLACE))
