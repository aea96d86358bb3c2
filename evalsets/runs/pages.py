"""A run as one HTML page that loads nothing, or as JUnit for a CI server. Both are streamed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, BinaryIO
from xml.sax.saxutils import escape as escape_xml
from xml.sax.saxutils import quoteattr

from evalsets.models import Run

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1a1d21; background: #fff }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ border: 1px solid #d8dce0; padding: .4rem .6rem; text-align: left; vertical-align: top }}
th {{ background: #f3f5f7; position: sticky; top: 0 }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: inherit; max-width: 60ch }}
.failed {{ color: #a3190f }}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
<table><thead><tr>{heads}</tr></thead><tbody>
"""
Rows = Iterable[Mapping[str, Any]]


def write_html(run: Run, evaluators: Sequence[str], rows: Rows, out: BinaryIO) -> int:
    """One table; texts of models are shown as text, control characters made visible."""
    summary = (
        f"Run {run.id}: {run.status}. {run.succeeded} of {run.total} cells succeeded, "
        f"{run.failed} failed. Data set {run.dataset}@{run.dataset_version}."
    )
    names = ("case", "arm", "repeat", "inputs", "expected", "output", *evaluators, "label")
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    title = _text(run.title or f"{run.dataset}@{run.dataset_version}")
    out.write(_HEAD.format(title=title, summary=_text(summary), heads=heads).encode())
    count = 0
    for row in rows:
        out.write(_html_row(row, evaluators).encode(errors="replace"))
        count += 1
    out.write(b"</tbody></table></body></html>\n")
    return count


def _html_row(row: Mapping[str, Any], evaluators: Sequence[str]) -> str:
    inputs = "\n".join(f"{name}: {value}" for name, value in row["inputs"].items())
    failed = row["state"] == "failed"
    shown = [row["case_id"], row["arm"], row["repeat"], inputs, row["expected"]]
    cells = [f"<td><pre>{_text(value)}</pre></td>" for value in shown]
    output = row["error"] if failed else row["output"]
    mark = ' class="failed"' if failed else ""
    cells.append(f'<td{mark}><pre dir="auto">{_text(output)}</pre></td>')
    cells += [f"<td>{_text(row['scores'].get(name))}</td>" for name in evaluators]
    cells.append(f"<td>{_text(row['label'])}</td>")
    return f"<tr>{''.join(cells)}</tr>\n"


def _text(value: object) -> str:
    if value is None:
        return ""
    return escape(_HIDDEN.sub(lambda match: f"\\u{ord(match.group()):04x}", str(value)))


def write_junit(run: Run, rows: Rows, out: BinaryIO) -> int:
    """A test case a cell: an error is an error, a score of 0 or a bad label a failure.

    A pending cell is skipped. The counts of the suite follow from the run and are not repeated.
    """
    name = quoteattr(_xml(run.title or f"{run.dataset}@{run.dataset_version}"))
    out.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    out.write(f'<testsuites name={name}>\n<testsuite name={name} id="{run.id}">\n'.encode())
    count = 0
    for row in rows:
        out.write(_test_case(row).encode())
        count += 1
    out.write(b"</testsuite>\n</testsuites>\n")
    return count


def _test_case(row: Mapping[str, Any]) -> str:
    repeat = f" #{row['repeat']}" if row["repeat"] > 1 else ""
    name, arm = quoteattr(_xml(row["case_id"] + repeat)), quoteattr(_xml(row["arm"]))
    seconds = (row["latency_ms"] or 0.0) / 1000
    inner = _outcome(row)
    if row["output"] is not None:
        inner += f"<system-out>{escape_xml(_xml(row['output']))}</system-out>"
    return f'<testcase classname={arm} name={name} time="{seconds:.3f}">{inner}</testcase>\n'


def _outcome(row: Mapping[str, Any]) -> str:
    if row["state"] == "failed":
        return f"<error message={quoteattr(_xml(row['error'] or 'failed'))}/>"
    if row["state"] == "pending":
        return "<skipped/>"
    wrong = [f"{name} is 0" for name, value in row["scores"].items() if value == 0]
    wrong += ["labeled bad"] if row["label"] == "bad" else []
    return f"<failure message={quoteattr(_xml(', '.join(wrong)))}/>" if wrong else ""


def _xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
