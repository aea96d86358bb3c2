"""What a provider may put into an answer: each costs its own cell at most, never the run."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import connectors.answers as answers_of_the_wire
from connectors.models import LocalAddress, Model, ModelSettings
from core.database import Database
from evalsets.models import Answer
from evalsets.runs.matrix import matrix_page
from tests.support.running import (
    add_cases,
    add_prompt,
    begin,
    cell_rows,
    run_row,
    scores_of,
    work_on,
)


def _completion(**changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "fine", **changes.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **changes.pop("choice", {})}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    return {"model": "m", "choices": [choice], "usage": usage, **changes}


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def _calls(value: Any) -> dict[str, Any]:
    return {"message": {"tool_calls": [{"id": "1", "function": {"name": "f"}, "more": value}]}}


ANSWERS: dict[str, dict[str, Any]] = {
    "nul-text": _completion(message={"content": "a\x00b\ue000c"}),
    "nul-reason": _completion(choice={"finish_reason": "st\x00op"}),
    "long-reason": _completion(choice={"finish_reason": "x" * 100_000}),
    "nul-model": _completion(model="m\x00" * 1000),
    "deep-calls": _completion(**_calls(_nested(300))),
    "deeper-calls": _completion(**_calls(_nested(900))),
    "nul-calls": _completion(**_calls("a\x00b")),
    "huge-numbers": _completion(**_calls([2**63, 2**64 - 1, 1e308])),
    "many-tokens": _completion(
        usage={"prompt_tokens": 999_999_999, "completion_tokens": 999_999_999}
    ),
    "text-parts": _completion(message={"content": [{"type": "text", "text": "a\x00"}, 7, None]}),
    "half-key": _completion(message={"content": '{"\\ud800": 1}'}),
    "object-text": _completion(message={"content": {"a": 1}}),
}


@contextmanager
def nasty() -> Iterator[int]:
    """A server that answers what `ANSWERS` holds for the model's name; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps(ANSWERS[asked["model"]]).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _add_models(db: Database, port: int) -> None:
    with db.session_scope("t") as session:
        session.merge(LocalAddress(host="127.0.0.1", port=port, actor="t"))
        for name in ANSWERS:
            settings = ModelSettings(base_url=f"http://127.0.0.1:{port}/v1", model=name)
            session.merge(Model(name=name, settings=settings.model_dump(mode="json"), actor="t"))


async def test_no_answer_ends_the_run(db: Database) -> None:
    """One run over all of them: what cannot be kept fails its own cells, everything else stays."""
    add_prompt(db)
    add_cases(db, 4)
    with nasty() as port:
        _add_models(db, port)
        run = begin(db, *ANSWERS)
        await work_on(db, run)
    assert run_row(db, run).status == "completed"
    cells = cell_rows(db, run)
    failed = dict.fromkeys(ANSWERS, 0)
    for cell in cells:
        failed[list(ANSWERS)[cell.arm]] += cell.state == "failed"
        assert cell.state in ("succeeded", "failed")
        assert cell.state == "succeeded" or cell.error
    assert {name for name, count in failed.items() if count} == {"deep-calls", "deeper-calls"}
    with db.read_scope() as session:
        answers = {
            list(ANSWERS)[cell.arm]: session.get(Answer, cell.answer_id)
            for cell in cells
            if cell.answer_id
        }
        assert len(matrix_page(session, run).rows) == 4
    assert answers["nul-text"].output == "a\x00b\ue000c"
    assert answers["nul-reason"].finish_reason == "st op"
    assert len(answers["long-reason"].finish_reason) <= 64
    assert answers["huge-numbers"].tool_calls[0]["more"][:2] == [2**63, 2**64 - 1]


async def test_halves_of_characters_cost_their_own_cells(db: Database) -> None:
    """In a key of an answer that a schema complains about, and from an escape in a template."""
    add_prompt(db)
    add_prompt(db, "half", text="{{ '\\ud800' }} {{ topic }}")
    add_cases(db, 2)
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    spec = {"kind": "json_schema", "definition": schema}
    with nasty() as port:
        _add_models(db, port)
        run = begin(db, "half-key", prompts=("ask", "half"), evaluators=(spec,))
        await work_on(db, run)
    assert run_row(db, run).status == "completed"
    assert [cell.state for cell in cell_rows(db, run)] == ["succeeded", "failed"] * 2
    scores = scores_of(db, run)
    assert {number for number, _ in scores} == {0, 2}
    for score in scores.values():
        assert score.value == 0
        assert "\\ud800" in score.reason


async def test_the_text_of_a_cell_that_cannot_be_kept_holds_no_statement(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with the check of tool calls gone, the same answers reach the database."""
    monkeypatch.setattr(answers_of_the_wire, "MAX_DEPTH", 10_000)
    add_prompt(sqlite_db, text="canary-prompt {{ topic }}")
    add_cases(sqlite_db, 1)
    with nasty() as port:
        _add_models(sqlite_db, port)
        run = begin(sqlite_db, "deeper-calls")
        await work_on(sqlite_db, run)
    (cell,) = cell_rows(sqlite_db, run)
    assert (cell.state, cell.error_kind) == ("failed", "unkept")
    assert cell.error
    assert "INSERT" not in cell.error
    assert "canary" not in cell.error
