"""Test cases of a promptfoo configuration, wherever they are written, one dict each.

https://www.promptfoo.dev/docs/configuration/test-cases/
"""

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast

from core.errors import Invalid, PromptstoneError
from evalsets.foreign.folder import Files
from evalsets.foreign.promptfoo.assert_text import from_text
from evalsets.foreign.promptfoo.tables import csv_rows, text_of_file
from prompts.foreign import plain_yaml
from prompts.foreign.found import Found

MAX_CASES = 100_000
Json = dict[str, Any]
_TABLES = (".csv", ".tsv", ".xlsx")
_ELSEWHERE = re.compile(r"^(?:https?|huggingface|s3|az|gs)://", re.IGNORECASE)
_CODE = (".py", ".js", ".ts", ".mjs", ".cjs", ".rb")
_NO_CONFIG = "Only a program could read it, and no program of a file runs here."
_PROGRAM = "It is made by a program, and no program of a file runs here."


class TestCase(NamedTuple):
    """A test with the place it stands at."""

    __test__ = False

    where: str
    item: Json


def read_tests(value: Any, files: Files, found: Found, where: str = "tests") -> Iterator[TestCase]:
    """All tests; what is no test is listed in `found`."""
    items = cast(list[Any], value) if isinstance(value, list) else [value]
    for n, item in enumerate(items):
        place = f"{where}[{n}]" if isinstance(value, list) else where
        if isinstance(item, str):
            yield from _named(place, item, files, found)
        elif isinstance(item, dict):
            entry = cast(Json, item)
            if isinstance(entry.get("path"), str) and not entry.keys() - {"path", "config"}:
                if entry.get("config"):
                    found.leave(f"{place}.config", "`config` of a file of tests", _NO_CONFIG)
                yield from _named(place, entry["path"], files, found)
            else:
                yield TestCase(place, entry)
        elif item is not None:
            found.leave(place, "a test", "It is neither a map nor a file. Correct it.")


def _named(where: str, text: str, files: Files, found: Found) -> Iterator[TestCase]:
    path = text.removeprefix("file://")
    bare = path.split(":", 1)[0] if re.search(r"\.\w+:\w+$", path) else path
    if _ELSEWHERE.match(text):
        found.leave(where, text[:120], "It lies elsewhere. Download it, and name the file.")
        return
    if PurePosixPath(bare).suffix.lower() in _CODE:
        found.leave(where, text[:120], _PROGRAM)
        return
    try:
        paths = files.matching(path) if set("*?[") & set(path) else [path]
        if not paths:
            raise Invalid("No file fits it. Add the files to the configuration's folder.")
        for one in paths:
            yield from _of_file(one, files, found)
    except PromptstoneError as error:
        found.refuse(where, text[:120], error)


def _of_file(path: str, files: Files, found: Found) -> Iterator[TestCase]:
    data, suffix = files.read(path), PurePosixPath(path).suffix.lower()
    if suffix in _TABLES:
        for line, row in csv_rows(path, data):
            yield TestCase(f"{path}, line {line}", _of_row(f"{path}, line {line}", row, found))
        return
    text = text_of_file(path, data)
    if suffix == ".jsonl":
        for n, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield from _one(f"{path}, line {n}", parse_json(line, f"{path}, line {n}"), found)
        return
    value = parse_json(text, path) if suffix == ".json" else plain_yaml.load(text, path)
    for n, item in enumerate(cast(list[Any], value) if isinstance(value, list) else [value]):
        yield from _one(f"{path} [{n}]", item, found)


def _one(where: str, item: Any, found: Found) -> Iterator[TestCase]:
    """A test; rows of JSON without `vars` are variables alone."""
    if not isinstance(item, dict):
        found.leave(where, "a test", "It is no map. Correct it.")
        return
    entry = cast(Json, item)
    known = {"vars", "assert", "description", "threshold", "options", "metadata"}
    if not known & entry.keys():
        entry = _of_row(where, entry, found)
    yield TestCase(where, entry)


def _of_row(where: str, row: Json, found: Found) -> Json:
    """A row of a table: `__expected…` and `__…` mean something, the others are variables."""
    made: Json = {"vars": {}, "assert": [], "metadata": {}}
    for key, value in row.items():
        name = key.strip()
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if not name.startswith("__"):
            made["vars"][name] = value
        elif name.startswith("__expected"):
            if text.strip():
                made["assert"].append(from_text(text.strip()))
        elif name == "__description" and text:
            made["description"] = text
        elif name == "__threshold" and text.strip():
            made["threshold"] = _number(text)
        elif name == "__metric" and text:
            made["metric"] = text
        elif name.startswith("__metadata:") and text.strip():
            made["metadata"][name[len("__metadata:") :].removesuffix("[]")] = text
        elif text.strip():
            found.leave(where, f"the column {name}", "It has no place in a case here.")
    metric = made.pop("metric", None)
    if metric:
        made["assert"] = [{**one, "metric": metric} for one in made["assert"]]
    return made


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def parse_json(text: str, what: str) -> Any:
    """JSON, or Invalid that names `what`."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{what} is no JSON ({str(error)[:100]}). Correct it.") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def scenario_tests(value: Any, files: Files, found: Found) -> Iterator[TestCase]:
    """Every configuration of a scenario with every test of it."""
    items = cast(list[Any], value) if isinstance(value, list) else [value]
    for n, item in enumerate(items):
        where = f"scenarios[{n}]"
        if isinstance(item, str):
            items += _scenarios_of_file(where, item, files, found)
            continue
        if not isinstance(item, dict):
            found.leave(where, "a scenario", "It is no map. Correct it.")
            continue
        scenario = cast(Json, item)
        for key in sorted(scenario.keys() - {"config", "tests"}):
            reason = "Name its tests instead." if key == "description" else "It has no place here."
            found.leave(f"{where}.{key}", f"`{key}` of a scenario", reason)
        configs = list(read_tests(scenario.get("config") or [{}], files, found, f"{where}.config"))
        tests = list(read_tests(scenario.get("tests") or [{}], files, found, f"{where}.tests"))
        for config, test in product(configs, tests):
            yield TestCase(test.where, merged(config.item, test.item))


def _scenarios_of_file(where: str, text: str, files: Files, found: Found) -> list[Any]:
    path = text.removeprefix("file://")
    try:
        value = plain_yaml.load(text_of_file(path, files.read(path)), path)
    except PromptstoneError as error:
        found.refuse(where, text[:120], error)
        return []
    listed = cast(list[Any], value) if isinstance(value, list) else [value]
    for one in listed:
        if not isinstance(one, dict):
            found.leave(where, "a scenario", "It is no map. Correct it.")
    return [one for one in listed if isinstance(one, dict)]


def merged(below: Json, above: Json) -> Json:
    """`above` over `below`: variables, options, metadata by key, assertions one after another."""
    made = {**below, **above}
    for key in ("vars", "options", "metadata"):
        inner = (below.get(key), above.get(key))
        if all(isinstance(one, dict) for one in inner if one) and any(inner):
            made[key] = {**(inner[0] or {}), **(inner[1] or {})}
    asserts = [*(below.get("assert") or []), *(above.get("assert") or [])]
    return {**made, "assert": asserts} if asserts else made
