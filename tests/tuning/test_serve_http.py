"""The PEFT worker's server with an engine without a model: its door, its line, its answers."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import openai
import pytest

from tests.support.peft_client import KEY, ask, figures, hang_up_on
from tests.support.peft_server import Echo
from tests.support.training import until
from tuning.trainer.serve_http import MOST_BODY, Served, Server
from tuning.trainer.serve_line import Line

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


class Running(NamedTuple):
    """A server of two that may wait."""

    port: int
    engine: Echo


@pytest.fixture
def running() -> Iterator[Running]:
    """It, on a thread."""
    engine = Echo()
    server = Server(0, Served("echo", KEY, 64), Line(engine, 2), 2)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Running(server.server_address[1], engine)
    server.shutdown()
    server.server_close()


def said(text: object, **changes: object) -> dict[str, object]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **changes}


def test_the_openai_client_is_answered(running: Running) -> None:
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{running.port}/v1", api_key=KEY)
    assert [one.id for one in client.models.list()] == ["echo"]
    turns: Any = [{"role": "user", "content": [{"type": "text", "text": "one two three"}]}]
    whole = client.chat.completions.create(model="echo", messages=turns, max_completion_tokens=2)
    (choice,) = whole.choices
    assert (choice.message.content, choice.finish_reason) == ("one two ", "length")
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (3, 2)
    stream = client.chat.completions.create(
        model="echo", messages=turns, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "one two three "
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 6
    text = client.completions.create(model="echo", prompt="a b")
    assert (text.choices[0].text, text.object) == ("a b ", "text_completion")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
    with pytest.raises(openai.NotFoundError, match="no model 'other'"):
        client.chat.completions.create(model="other", messages=turns)


def test_token_ids_stand_where_vllm_has_them(running: Running) -> None:
    call = said("a b", return_token_ids=True)
    whole = ask(running.port, CHAT, call).body
    assert (whole["prompt_token_ids"], whole["choices"][0]["token_ids"]) == ([0, 1], [0, 1])
    first, *events, done = ask(running.port, CHAT, {**call, "stream": True}).body
    assert first["prompt_token_ids"] == [0, 1]
    assert [one for event in events for one in event["choices"][0]["token_ids"]] == [0, 1]
    assert done == "[DONE]"
    assert "token_ids" not in ask(running.port, CHAT, said("a")).body["choices"][0]


def test_only_health_is_open(running: Running) -> None:
    """And what there is not, is told to nobody without the key."""
    port = running.port
    for key, path in ((None, "/v1/models"), ("wrong", "/v1/models"), (None, "/metrics"),
                      ("é", "/v1/nothing")):  # fmt: skip
        assert ask(port, path, key=key).status == 401
    assert ask(port, CHAT, said("a"), key=None).status == 401
    assert running.engine.said == 0
    assert ask(port, "/health", key=None).status == 200
    for path, body in (("/v1/nothing", None), ("/invocations", {}), (CHAT, None), ("/health", {})):
        status, refused = ask(port, path, body)
        assert status == 404
        assert set(refused["error"]) == {"message", "type", "param", "code"}
    status, refused = ask(port, CHAT, method="DELETE")
    assert status == 501
    assert refused["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[" * 100_000, None),
        (b"[]", None),
        (said("a", tools=[]), "tools"),
        (said("a", response_format={"type": "json_object"}), "response_format"),
        (said("a", temperature=3), "temperature"),
        (said("a", max_tokens=0), "max_tokens"),
        (said("a", n=2), "n"),
        (said("a", logprobs=True), "logprobs"),
        (said("a", frequency_penalty=1), "frequency_penalty"),
        (said("a", seed=1 << 70), "seed"),
        (said("a", stop=["x"] * 17), "stop"),
        (said([{"type": "image_url", "image_url": {"url": "http://x"}}]), "messages.0.content"),
        ({"model": "echo", "messages": []}, "messages"),
        ({"model": "echo", "messages": [{"role": "mouse", "content": ""}]}, "messages.0.role"),
    ],
)
def test_what_is_wrong_is_named(running: Running, body: object, param: str | None) -> None:
    status, refused = ask(running.port, CHAT, body)
    assert (status, refused["error"]["param"]) == (400, param)
    assert refused["error"]["type"] == "invalid_request_error"
    assert running.engine.said == 0


def test_what_is_nothing_is_taken(running: Running) -> None:
    """Programs send the defaults along."""
    usual = {"n": 1, "logprobs": False, "frequency_penalty": 0.0, "presence_penalty": 0,
             "top_k": -1, "stop": None, "seed": None, "user": "u", "max_tokens": None}  # fmt: skip
    assert ask(running.port, CHAT, said("a", **usual)).status == 200


def test_a_body_has_its_bounds(running: Running) -> None:
    """One too long is not read, one without a length is not waited for."""
    for head, status in (
        (f"Content-Length: {MOST_BODY + 1}", 413),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: -1", 411),
    ):
        with socket.create_connection(("127.0.0.1", running.port), 5) as connection:
            start = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            connection.sendall(f"{start}{head}\r\n\r\n".encode())
            assert f" {status} ".encode() in connection.recv(4096).split(b"\r\n")[0]


def test_an_engine_that_breaks_is_an_answer_too(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    port = running.port
    assert ask(port, CHAT, said("fall")).status == 500
    assert "it fell" in capsys.readouterr().out, "the log has it, the caller does not"
    assert ask(port, CHAT, said("forget")).status == 503
    status, refused = ask(port, CHAT, said("a " * 64, stream=True))
    assert (status, refused["error"]["code"]) == (400, "context_length_exceeded")
    (opened, broken) = ask(port, CHAT, said("fall", stream=True)).body
    assert opened["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert broken["error"]["type"] == "api_error", "and no [DONE]"
    assert ask(port, CHAT, said("a")).status == 200


def test_few_may_wait(running: Running) -> None:
    """One is answered and two wait; the next is told to come again."""
    port = running.port
    slow = said("slowly 400")
    first = hang_up_on(port, CHAT, slow)
    until(lambda: figures(port)["requests_running"] == 1)
    others = [hang_up_on(port, CHAT, slow) for _ in range(2)]
    until(lambda: figures(port)["requests_waiting"] == 2)
    assert ask(port, CHAT, said("a")).status == 429
    # Who hangs up while it waits is passed by; who is being answered is dropped at once.
    for one in (*others, first):
        one.close()
    began = time.monotonic()
    assert ask(port, CHAT, said("a")).status in (200, 429)
    until(lambda: ask(port, CHAT, said("a")).status == 200)
    assert time.monotonic() - began < 4
    assert running.engine.said < 200
    until(lambda: figures(port)["requests_running"] == 0)


def test_who_leaves_a_stream_stops_it(running: Running) -> None:
    left = hang_up_on(running.port, CHAT, said("slowly 400", stream=True))
    until(lambda: running.engine.said > 2)
    left.close()
    until(lambda: figures(running.port)["requests_running"] == 0)
    assert running.engine.said < 200


def test_connections_have_a_number(running: Running) -> None:
    """Idle ones cannot take all threads of the machine; those beyond are closed."""
    port = running.port
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    until(lambda: sum(map(_is_closed, opened)) == 60 - 36)
    for connection in opened:
        connection.close()
    until(lambda: _answers(port))


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _answers(port: int) -> bool:
    try:
        return ask(port, "/health").status == 200
    except OSError:
        return False
