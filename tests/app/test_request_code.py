"""Code of a call sends exactly its body; JSON is laid out without a change to it."""

import inspect
import json
import shutil
import subprocess
import sys

import pytest
from openai.resources.chat.completions import Completions

from app.workspace.components import request_code
from app.workspace.components.json_view import laid_out
from app.workspace.components.request_code import Asked
from tests.support.talker import talking

BODY = {
    "model": "paced-0",
    "messages": [
        {"role": "system", "content": 'It\'s "quoted" \\ $HOME `x` 你好 😀\n${y}'},
        {"role": "user", "content": "say 'this'"},
    ],
    "temperature": 0.3,
    "top_k": 5,
    "stop": None,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": True}},
}


@pytest.mark.parametrize("language", ["python", "curl"])
def test_the_code_sends_exactly_the_body(language: str) -> None:
    if language == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is missing")
    with talking() as talker:
        code = request_code.LANGUAGES[language](Asked(talker.url, "SOME_KEY", BODY))
        command = [sys.executable, "-c", code] if language == "python" else ["sh", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        assert "say 'this'" in done.stdout
        assert talker.asked == [BODY]


def test_typescript_holds_the_body_as_it_is() -> None:
    code = request_code.typescript(Asked("http://127.0.0.1:1/v1", "SOME_KEY", BODY))
    start, end = code.index("create(\n") + 8, code.index(" as OpenAI")
    assert json.loads(code[start:end]) == BODY


def test_what_is_an_argument_of_the_package_is_no_extra_of_the_body() -> None:
    known = set(inspect.signature(Completions.create).parameters)
    assert known >= request_code._ARGUMENTS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a":[1.10,{"b":"x\\u00e9 \\"y\\", {}"}],"c":{},"d":[]}', None),
        ("[1e400, 12345678901234567890, -0.0]", None),
        ('```json\n{"a": 1}\n```', '{\n  "a": 1\n}'),
        ("3", "3"),
    ],
)
def test_json_is_laid_out_without_a_change(text: str, shown: str | None) -> None:
    found = laid_out(text)
    assert found is not None
    if shown is not None:
        assert found == shown
    else:
        assert "".join(found.split()) == "".join(text.split())
        assert json.loads(found) == json.loads(text)
        assert "\n  " in found


@pytest.mark.parametrize("text", ["", "no", "{'a': 1}", "[NaN]", '{"a": 1} and more', "[" * 99999])
def test_what_is_no_json_is_told_so(text: str) -> None:
    assert laid_out(text) is None
