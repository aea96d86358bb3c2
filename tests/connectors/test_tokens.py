"""Token counts, offline."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import tiktoken

from connectors.tokens import TokenCount, count_messages, count_text, estimate_usage
from connectors.wire import Usage


def test_offline_and_equal_to_published_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known from tiktoken's own tests: "hello world" is [24912, 2375] in o200k_base."""

    def refuse(*_: object) -> None:
        raise AssertionError("no table may come over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert count_text("hello world", "gpt-4o") == TokenCount(2, estimated=False)
    assert tiktoken.get_encoding("o200k_base").encode("hello world") == [24912, 2375]
    assert tiktoken.get_encoding("cl100k_base").encode("hello world") == [15339, 1917]


def test_unknown_models_are_estimates() -> None:
    assert count_text("hello world", "SmolLM2") == TokenCount(2, estimated=True)
    assert count_text("", "") == TokenCount(0, estimated=True)


def test_the_encoding_of_the_model_is_used() -> None:
    text = "今天天气很好，我们去公园散步吧。"
    assert count_text(text, "gpt-4").n > count_text(text, "gpt-4o").n


def test_messages_count_their_frame() -> None:
    one = count_messages([{"role": "user", "content": "hello world"}], "gpt-4o")
    assert one == TokenCount(3 + 3 + 1 + 2, estimated=False)
    parts = [{"role": "user", "content": [{"type": "text", "text": "hello world"}]}]
    assert count_messages(parts, "gpt-4o") == one
    assert count_messages([{"role": "assistant", "content": None}], "gpt-4o").n == 3 + 3 + 1


def test_control_tokens_in_a_text_are_text() -> None:
    assert count_text("<|endoftext|>", "gpt-4o").n > 1


def test_estimate_is_marked() -> None:
    usage = estimate_usage([{"role": "user", "content": "hello world"}], "hello", "gpt-4o")
    assert usage == Usage(9, 1, estimated=True)


def test_tiktoken_is_loaded_only_when_counting() -> None:
    code = "import sys, connectors.chat; print('tiktoken' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_read_only_environment_counts_too(tmp_path: Path) -> None:
    """The tables go to a temporary folder where the environment cannot be written."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    code = (
        "import sys; from connectors.tokens import count_text; "
        f"sys.prefix = {str(blocked)!r}; print(count_text('hello world', 'gpt-4o').n)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.stdout.strip() == "2"
    assert len(list(tmp_path.glob("promptstone-tiktoken-*/*"))) == 2


@pytest.mark.parametrize(
    "text", [" " * 1_000_000, "\n" * 1_000_000, "a" * 100_000, " word" * 50_000]
)
def test_long_runs_are_counted_and_panic_nobody(text: str):
    assert 0 < count_text(text).n <= len(text)


def test_a_long_text_counts_as_if_it_were_counted_whole():

    text = "The river froze, and nobody crossed it until March. " * 2000
    whole = len(tiktoken.get_encoding("o200k_base").encode_ordinary(text))
    assert count_text(text).n == whole
