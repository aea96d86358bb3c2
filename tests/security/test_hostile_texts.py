"""NUL, halves of surrogate pairs, bidi, endless and odd texts through every service, both engines.

Each is kept exactly or refused in a sentence; nothing else may come out of a service.
"""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError
from sqlmodel import Session

import core.database
from connectors import service as models
from connectors.models import Generation, ModelSettings
from core import audit, drafts, users
from core import workspace_settings as settings
from core.database import Database
from core.errors import PromptstoneError
from evalsets.datasets import service as datasets
from evalsets.datasets.edits import typed_cases
from evalsets.evaluators.specs import load_evaluator, parse_evaluator
from evalsets.files.reading import ReadOptions, preview, read_stream
from evalsets.labels import queue_plan
from evalsets.labels import service as labels
from evalsets.labels.importing import import_labels
from evalsets.labels.lines import lines_of
from evalsets.labels.queue_plan import PlanForm
from evalsets.runs import matrix
from evalsets.runs import service as runs
from evalsets.verdicts import promote
from prompts import service as prompts
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.files import parse_prompt_file
from prompts.models import PromptDraft
from prompts.template import renderer
from tests.support.depth import DEEP
from tests.support.runs_factory import make_run

HOSTILE = [
    "a\x00b", "\x00", "\ud800", "a\udfffb", "\ue000", "\ue0000", "\ufffe\uffff", "\u202e\u2066abc",
    "a\u2028b\u2029", "\x1b[31m\x07\x08", "x" * 200_000, "é" * 5000, "%s%n%%", "' OR 1=1 --",
    "\\", "\\u0000", "{{ 7*7 }}", "../../etc/passwd", "/", "//", ".", "..", "-", "a@b|c", "\r\n",
    "", " ", "\u0000\ud800", "𝕳𝖊𝖑𝖑𝖔", "null", "1e400", "[" * 5000, '{"a":' * 3000, "9" * 5000,
]  # fmt: skip


def _content(text: str) -> PromptContent:
    message = MessageTemplate(role="user", content=text)
    return PromptContent(messages=(message,), inputs=(Variable(name="a", description=text),))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _jsonl(text: str) -> io.BytesIO:
    return io.BytesIO(
        json.dumps({"id": text, "q": text, "expected": text, "tags": [text]}).encode()
    )


Service = Callable[[Session, str, str], Any]
PLAIN = _content("plain")
SERVICES: dict[str, Service] = {
    "prompt name": lambda s, t, _: prompts.push(s, t, PLAIN),
    "prompt content": lambda s, t, _: prompts.push(s, "c", _content(t)),
    "prompt message": lambda s, t, _: prompts.push(s, "m", _content(t[:9] + "x"), message=t),
    "prompt words": lambda s, t, _: prompts.push(s, "w", PLAIN, title=t, description=t, tags=[t]),
    "prompt alias": lambda s, t, _: prompts.push(s, "p", PLAIN, alias=t),
    "prompt reason": lambda s, t, _: prompts.set_alias(s, "p", 1, f"r{len(t)}", reason=t),
    "prompt evidence": lambda s, t, _: prompts.set_alias(s, "p", 1, f"e{len(t)}", evidence={t: t}),
    "prompt search": lambda s, t, _: prompts.list_prompts(s, search=t),
    "prompt tag": lambda s, t, _: prompts.list_prompts(s, tag=t, folder=t, after=t),
    "prompt get": lambda s, t, _: prompts.get(s, "p", t),
    "prompt get by name": lambda s, t, _: prompts.get(s, t),
    "prompt moves": lambda s, t, _: prompts.alias_moves(s, "p", t),
    "prompt restore": lambda s, t, _: prompts.restore(s, "p", 1, t),
    "prompt rename": lambda s, t, _: prompts.rename(s, "p", t) or prompts.rename(s, t, "p"),
    "prompt draft": lambda s, t, _: prompts.save_draft(s, "p", PromptDraft(content=PLAIN, message=t)),
    "prompt draft of": lambda s, t, _: prompts.load_draft(s, t, "p"),
    "prompt file": lambda s, t, _: parse_prompt_file("a.prompty", b"---\nname: " + _bytes(t)),
    "prompt body": lambda s, t, _: parse_prompt_file("a.prompty", b"---\n---\nuser:\n" + _bytes(t)),
    "prompt file name": lambda s, t, _: parse_prompt_file(t, b"x"),
    "template": lambda s, t, _: renderer().render(PLAIN.messages, {"a": t}),
    "template source": lambda s, t, _: renderer().render(_content(t).messages, {}),
    "model name": lambda s, t, _: models.add_model(s, t, ModelSettings(model="m"), allow_local=True),
    "model id": lambda s, t, _: models.add_model(s, "i", ModelSettings(model=t), allow_local=True),
    "model url": lambda s, t, _: models.add_model(
        s, "u", ModelSettings(model="m", base_url=t), allow_local=True
    ),
    "model host": lambda s, t, _: models.add_model(
        s, "u", ModelSettings(model="m", base_url=f"http://{t}/v1"), allow_local=True
    ),
    "model parameter": lambda s, t, _: models.add_model(
        s, "q", ModelSettings(model="m", params={t: t}), allow_local=True
    ),
    "model provider": lambda s, t, _: models.add_model(
        s, "v", ModelSettings(kind="langchain", provider=t, model="m", api_key_env=t),
        allow_local=True,
    ),
    "model get": lambda s, t, _: models.get_model(s, t),
    "data set name": lambda s, t, _: datasets.push(s, t, typed_cases([{"q": "x"}])),
    "data set words": lambda s, t, _: datasets.push(
        s, "d", typed_cases([{"q": f"{len(t)}{t[:5]}"}]), message=t, source=t
    ),
    "data set cells": lambda s, t, _: datasets.push(s, "e", typed_cases([{"q": t, "expected": t}])),
    "data set column": lambda s, t, _: datasets.push(s, "f", typed_cases([{t: "x"}])),
    "data set file": lambda s, t, _: datasets.push(s, "g", read_stream(_jsonl(t), "a.jsonl")),
    "data set csv": lambda s, t, _: datasets.push(
        s, "h", read_stream(io.BytesIO(b"q,r\n" + _bytes(t) + b",1\n"), "a.csv")
    ),
    "data set options": lambda s, t, _: read_stream(
        _jsonl("x"), "a.jsonl", ReadOptions({t: "q"}, encoding=t or None)
    ),
    "data set preview": lambda s, t, _: preview(io.BytesIO(_bytes(t)), f"{t}.csv"),
    "data set search": lambda s, t, _: datasets.list_datasets(s, search=t, after=t),
    "data set get": lambda s, t, _: datasets.get(s, "cases", t),
    "data set description": lambda s, t, _: datasets.describe(s, "cases", t),
    "user name": lambda s, t, _: users.add_user(s, t, "viewer"),
    "user role": lambda s, t, _: users.add_user(s, "r", t),
    "user link": lambda s, t, _: users.make_link_token(s, t),
    "sign-in token": lambda s, t, _: users.redeem(s, t),
    "session cookie": lambda s, t, _: users.session_user(s, t),
    "draft": lambda s, t, _: drafts.save_draft(s, "k", t, t),
    "recent": lambda s, t, _: drafts.touch(s, "k", t, t),
    "setting": lambda s, t, _: settings.set_setting(s, "x", t),
    "audit": lambda s, t, _: audit.record(s, "a.b", t, {"t": t}),
    "evaluator": lambda s, t, _: parse_evaluator(t),
    "evaluator regex": lambda s, t, _: parse_evaluator(f"regex:{t}"),
    "evaluator file": lambda s, t, _: parse_evaluator(f"{t[:200]}.yaml"),
    "evaluator schema": lambda s, t, _: parse_evaluator(f"json_schema:{t[:200]}"),
    "evaluator fields": lambda s, t, _: load_evaluator({"kind": "contains", "value": t, t: t}),
    "matrix search": lambda s, t, r: matrix.matrix_page(s, r, text=t),
    "matrix score": lambda s, t, r: matrix.matrix_page(s, r, score=matrix.ScoreFilter(t)),
    "run get": lambda s, t, _: runs.get_run(s, t),
    "run list": lambda s, t, _: runs.list_runs(s, status=t, before=t),
    "label": lambda s, t, r: labels.save_label(
        s, labels.item_of(s, r, 0), labels.checked("bad", [t], t, t), labels.Press()
    ),
    "label annotator": lambda s, t, _: labels.checked_annotator(t),
    "label file": lambda s, t, r: import_labels(
        s, r, lines_of(json.dumps({"cell": 0, "label": "bad", "annotator": t, "comment": t})), None
    ),
    "label place": lambda s, t, r: import_labels(
        s, r, lines_of(json.dumps({"arm": t, "case_id": t, "label": "good"})), "x"
    ),
    "label text": lambda s, t, _: lines_of(t),
    "queue": lambda s, t, r: queue_plan.create_queue(
        s, r, PlanForm(reasons=(t,), guidelines=t)
    ),
    "promote": lambda s, t, r: promote.promote(s, r, t, t, reason=t),
    "generation": lambda s, t, _: s.add(Generation(actor="a", model="m", request={"t": t}, output=t)),
}  # fmt: skip


@pytest.fixture
def run(db: Database) -> str:
    """A prompt, a data set and a run that the services work on; the run's id."""
    with db.session_scope("user:a") as session:
        prompts.push(session, "p", PLAIN)
        return make_run(session, cases=2, dataset="cases")


def test_every_service_keeps_a_text_or_refuses_it_in_a_sentence(db: Database, run: str) -> None:
    said: list[str] = []
    for at, (name, service) in enumerate(SERVICES.items()):
        for text in HOSTILE if DEEP else HOSTILE[at % 3 :: 3]:
            try:
                with db.session_scope("user:a") as session:
                    service(session, text, run)
                    session.flush()
            except PromptstoneError as error:
                said.append(error.message)
            except ValidationError:  # a form refuses it before a service is called
                pass
            except Exception as error:
                raise AssertionError(f"{name}: {text[:20]!r}: {error!r}") from error
    assert len(said) > (300 if DEEP else 100)
    assert [text[:100] for text in said if len(text.encode()) > 5000] == []
    assert [text[-100:] for text in said if not text.endswith((".", "?", "`"))] == []


def test_without_the_explanation_the_same_text_is_unforeseen(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(core.database, "_UNKEEPABLE", {})
    with pytest.raises(UnicodeEncodeError), sqlite_db.session_scope("user:a") as session:
        drafts.touch(session, "k", "\ud800", "x")
