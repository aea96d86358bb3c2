"""A run as JUnit for a CI server: a test case a cell, in the form of the schema of Jenkins."""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple
from xml.sax.saxutils import escape as escape_xml
from xml.sax.saxutils import quoteattr

from evalsets.models import Run

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_MEMORY = 8 * 1024 * 1024
Rows = Iterable[Mapping[str, Any]]


class JudgedGate(NamedTuple):
    """A gate, and what every arm that fails it has instead."""

    gate: str
    failures: Sequence[str]


def write_junit(run: Run, rows: Rows, out: BinaryIO, gates: Sequence[JudgedGate] = ()) -> int:
    """A test case a cell: an error is an error, a score of 0 or a bad label a failure.

    Each gate is one more, under the class `gate`; the cells are counted. A pending cell is skipped.
    The suite's counts stand before its cases, so these wait in a file.
    """
    told: Counter[str] = Counter()
    seconds = 0.0
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as cases:
        for row in rows:
            kind, inner = _outcome(row)
            told["tests"] += 1
            told[kind] += 1
            seconds += _seconds(row)
            cases.write(_test_case(row, inner).encode())
        cells = told["tests"]
        for one in gates:
            told["tests"] += 1
            told["failures"] += bool(one.failures)
            cases.write(_gate_case(one).encode())
        cases.seek(0)
        out.write(_head(run, told, seconds).encode())
        shutil.copyfileobj(cases, out)
    out.write(b"</testsuite>\n</testsuites>\n")
    return cells


def _gate_case(one: JudgedGate) -> str:
    said = _xml(" ".join(one.failures))
    inner = f'<failure type="gate" message={quoteattr(said)}/>' if one.failures else ""
    return f'<testcase classname="gate" name={quoteattr(_xml(one.gate))}>{inner}</testcase>\n'


def _head(run: Run, told: Mapping[str, int], seconds: float) -> str:
    name = quoteattr(_xml(run.title or f"{run.dataset}@{run.dataset_version}"))
    counts = " ".join(f'{kind}="{told[kind]}"' for kind in ("tests", "failures", "errors"))
    skipped, took = f'skipped="{told["skipped"]}"', f'time="{seconds:.3f}"'
    at = f'timestamp="{run.created_at:%Y-%m-%dT%H:%M:%S}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={name} {counts} {took}>\n'
        f'<testsuite name={name} id="{run.id}" {counts} {skipped} {took} {at}>\n'
    )


def _seconds(row: Mapping[str, Any]) -> float:
    return (row["latency_ms"] or 0.0) / 1000


def _test_case(row: Mapping[str, Any], inner: str) -> str:
    repeat = f" #{row['repeat']}" if row["repeat"] > 1 else ""
    name, arm = quoteattr(_xml(row["case_id"] + repeat)), quoteattr(_xml(row["arm"]))
    if row["output"] is not None:
        inner += f"<system-out>{escape_xml(_xml(row['output']))}</system-out>"
    return f'<testcase classname={arm} name={name} time="{_seconds(row):.3f}">{inner}</testcase>\n'


def _outcome(row: Mapping[str, Any]) -> tuple[str, str]:
    """What the suite counts it as, and the element that says so."""
    if row["state"] == "failed":
        why = _xml(row["error"] or "failed")
        return "errors", f'<error type="failed" message={quoteattr(why)}/>'
    if row["state"] == "pending":
        return "skipped", "<skipped/>"
    wrong = [f"{name} is 0" for name, value in row["scores"].items() if value == 0]
    wrong += ["labeled bad"] if row["label"] == "bad" else []
    if not wrong:
        return "passed", ""
    kind = "label" if row["label"] == "bad" else "score"
    return "failures", f'<failure type="{kind}" message={quoteattr(_xml(", ".join(wrong)))}/>'


def _xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
