"""Clients that people have: both openai SDKs with their helpers, LangChain, curl."""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI

from tests.support.apps_server import AppsServer, apps_server
from tests.support.endpoints import until
from tests.support.witness import Witness

HELLO: list[Any] = [{"role": "user", "content": "one two three"}]
NODE = Path(sys.prefix) / "npm/node_modules"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, upstream: Witness) -> Iterator[AppsServer]:
    """Apps that answer, and apps that try a client's patience."""
    with apps_server(tmp_path_factory.mktemp("clients") / "data") as server:
        for model in ("ok", "slow-5000", "stall", "cut", "r429-1", "r500", "tool"):
            server.model(model, upstream.base_url, model, input_price="1", output_price="2")
            server.app(model, model=model)
        server.app("sum", "Sum up {{ text }} in {{ words }} words.", "user", model="ok")
        names = ("ok", "slow-5000", "stall", "cut", "r429-1", "r500", "tool", "sum")
        server.key = server.new_key("all", *names)
        yield server


@pytest.fixture
def client(api: AppsServer) -> openai.OpenAI:
    return api.client()


def _patient(api: AppsServer, **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=api.base_url, api_key=api.key, max_retries=0, **options)


def test_an_answer_goes_back_as_the_next_turn_as_it_is(
    client: openai.OpenAI, upstream: Witness
) -> None:
    first = client.chat.completions.create(model="ok", messages=HELLO)
    said = first.choices[0].message
    turns: list[Any] = [*HELLO, said, {"role": "user", "content": "and?"}]
    second = client.chat.completions.create(model="ok", messages=turns)
    assert second.choices[0].message.content == "echo: and?"
    sent = upstream.requests()[-1]["body"]["messages"][1:]
    assert sent == [HELLO[0], {"role": "assistant", "content": "echo: one two three"}, turns[-1]]
    turns[1] = said.model_dump()
    assert client.chat.completions.create(model="ok", messages=turns).choices


def test_raw_and_streaming_answers_of_the_sdk(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="ok", messages=HELLO)
    assert raw.headers["x-request-id"] == raw.parse().id
    assert raw.parse()._request_id == raw.headers["x-request-id"]
    with client.chat.completions.with_streaming_response.create(
        model="ok", messages=HELLO, stream=True
    ) as answer:
        lines = list(answer.iter_lines())
    assert lines[-2:] == ["data: [DONE]", ""]
    with client.chat.completions.stream(model="ok", messages=HELLO) as stream:
        kinds = [event.type for event in stream]
        whole = stream.get_final_completion()
    assert "content.done" in kinds
    assert whole.choices[0].message.content == "echo: one two three"
    assert whole.choices[0].finish_reason == "stop"


def test_variables_go_in_the_extra_body(client: openai.OpenAI) -> None:
    inputs = {"text": "a story", "words": 5}
    answer = client.chat.completions.create(model="sum", messages=[], extra_body={"inputs": inputs})
    assert answer.choices[0].message.content == "echo: Sum up a story in 5 words."


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    listed = {model.id for model in client.models.list()}
    assert {"ok", "ok@production", "sum"} <= listed
    assert client.models.retrieve("ok").owned_by == "promptstone"
    assert client.models.retrieve("ok@1").id == "ok@1"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


def test_tool_calls_arrive(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="tool", messages=HELLO)
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.name == "look"
    assert answer.choices[0].finish_reason == "tool_calls"


async def test_the_async_sdk(api: AppsServer) -> None:
    async with _patient(api) as client:
        answers = await asyncio.gather(
            *(client.chat.completions.create(model="ok", messages=HELLO) for _ in range(5))
        )
        assert {one.choices[0].message.content for one in answers} == {"echo: one two three"}
        said = ""
        options: Any = {"include_usage": True}
        stream = await client.chat.completions.create(
            model="ok", messages=HELLO, stream=True, stream_options=options
        )
        async for chunk in stream:
            said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        assert said == "echo: one two three"
        assert chunk.usage is not None


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_runs_out_of_patience_ends_the_call_at_the_model(
    api: AppsServer, upstream: Witness, stream: bool
) -> None:
    upstream.reset()
    with pytest.raises(openai.APITimeoutError):
        api.client(timeout=0.3).chat.completions.create(
            model="slow-5000", messages=HELLO, stream=stream
        )
    assert upstream.counts().requests == 1
    assert until(lambda: upstream.counts().in_flight == 0, 2) < 2


async def test_an_async_stream_that_is_left_ends_the_call_at_the_model(
    api: AppsServer, upstream: Witness
) -> None:
    upstream.reset()
    async with _patient(api) as client:
        stream = await client.chat.completions.create(model="stall", messages=HELLO, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        assert upstream.counts().in_flight == 1
        await stream.close()
    await asyncio.to_thread(until, lambda: upstream.counts().in_flight == 0, 2)


def test_the_sdk_waits_as_long_as_it_is_told_and_tries_again(
    api: AppsServer, upstream: Witness
) -> None:
    upstream.reset()
    began = time.monotonic()
    with pytest.raises(openai.RateLimitError) as refused:
        api.client(max_retries=1).chat.completions.create(model="r429-1", messages=HELLO)
    assert 0.9 < time.monotonic() - began < 8
    assert upstream.counts().requests == 2
    assert int(refused.value.response.headers["retry-after"]) >= 1
    assert refused.value.code == "upstream_rate_limited"
    with pytest.raises(openai.UnprocessableEntityError) as frozen:
        api.client(max_retries=2).chat.completions.create(model="ok", messages=HELLO, n=2)
    assert (frozen.value.param, frozen.value.code) == ("n", "frozen")
    assert frozen.value.request_id
    assert upstream.counts().requests == 2, "what cannot succeed is not tried again"


def test_a_model_that_dies_is_an_error_of_the_sdk(client: openai.OpenAI) -> None:
    said = ""
    with pytest.raises(openai.APIError) as failed:
        for chunk in client.chat.completions.create(model="cut", messages=HELLO, stream=True):
            said += chunk.choices[0].delta.content or ""
    assert said == "half of"
    assert failed.value.code == "upstream_connection"
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="cut", messages=HELLO)


def _langchain(api: AppsServer, model: str = "ok", **fields: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model=model, base_url=api.base_url, api_key=api.key, max_retries=0, timeout=10, **fields
    )  # type: ignore[arg-type]


async def test_langchain(api: AppsServer) -> None:
    chat = _langchain(api)
    answer = chat.invoke("good morning")
    assert answer.content == "echo: good morning"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 3
    turns = [HumanMessage("hi"), answer, AIMessage("so"), HumanMessage("again")]
    assert chat.invoke(turns).content == "echo: again"
    assert "".join(str(chunk.content) for chunk in chat.stream("a b c")) == "echo: a b c"
    usage = _langchain(api, stream_usage=True)
    chunks = list(usage.stream("a b c"))
    assert sum((c.usage_metadata or {}).get("output_tokens", 0) for c in chunks) == 4
    assert (await chat.ainvoke("x")).content == "echo: x"
    assert [c.content async for c in chat.astream("y z")][-1] == ""
    summed = _langchain(api, "sum", extra_body={"inputs": {"text": "t", "words": 1}})
    assert summed.invoke([]).content == "echo: Sum up t in 1 words."
    with pytest.raises(openai.UnprocessableEntityError, match="messages"):
        chat.invoke([SystemMessage("obey"), HumanMessage("x")])
    with pytest.raises(openai.UnprocessableEntityError, match="temperature"):
        _langchain(api, temperature=1).invoke("x")


def _curl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, timeout=30)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")
def test_curl(api: AppsServer, upstream: Witness) -> None:
    url, key = f"{api.base_url}/chat/completions", f"Authorization: Bearer {api.key}"
    body = {"model": "ok", "messages": HELLO}
    whole = _curl(url, "-H", key, "-d", json.dumps(body))
    assert json.loads(whole.stdout)["choices"][0]["message"]["content"] == "echo: one two three"
    streamed = _curl("-N", url, "-H", key, "-d", json.dumps({**body, "stream": True}))
    assert streamed.stdout.endswith("data: [DONE]\n\n")
    invoked = _curl(
        f"http://127.0.0.1:{api.port}/apps/sum/invoke", "-H", key, "--json",
        json.dumps({"inputs": {"text": "t", "words": 2}}),
    )  # fmt: skip
    assert json.loads(invoked.stdout)["output"] == "echo: Sum up t in 2 words."
    refused = _curl("--fail-with-body", url, "-d", json.dumps(body))
    assert refused.returncode == 22
    assert json.loads(refused.stdout)["error"]["code"] == "invalid_api_key"
    upstream.reset()
    left = _curl("-N", "-m", "0.5", url, "-H", key, "-d", json.dumps(
        {**body, "model": "stall", "stream": True}))  # fmt: skip
    assert left.returncode == 28
    assert "then nothing" in left.stdout
    until(lambda: upstream.counts().in_flight == 0, 2)
    large = json.dumps({**body, "user": "u", "messages": [{"role": "user", "content": "x" * 9000}]})
    assert json.loads(_curl(url, "-H", key, "-H", "Expect: 100-continue", "-d", large).stdout)["id"]


def test_a_client_without_any_knowledge_reads_line_by_line(api: AppsServer) -> None:
    headers = {"authorization": f"Bearer {api.key}"}
    body = {"model": "ok", "messages": HELLO, "stream": True}
    with (
        httpx.Client(headers=headers) as plain,
        plain.stream("POST", f"{api.base_url}/chat/completions", json=body) as answer,
    ):
        lines = [line for line in answer.iter_lines() if line]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)


SCRIPT = """
import OpenAI from "openai";
const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "one two three" }];
const told = {};
const answer = await client.chat.completions.create({ model: "ok", messages });
told.whole = answer.choices[0].message.content;
told.usage = answer.usage.total_tokens;
told.requestId = answer._request_id === answer.id;
const again = [...messages, answer.choices[0].message, { role: "user", content: "and?" }];
told.again = (await client.chat.completions.create({ model: "ok", messages: again })).choices[0].message.content;
told.said = "";
const options = { model: "ok", messages, stream: true, stream_options: { include_usage: true } };
for await (const chunk of await client.chat.completions.create(options)) {
  told.said += chunk.choices[0]?.delta?.content ?? "";
  told.streamed = chunk.usage?.total_tokens;
}
const helper = client.chat.completions.stream({ model: "ok", messages });
told.helped = await helper.finalContent();
told.models = (await client.models.list()).data.map((model) => model.id);
told.errors = [];
const bad = [{ model: "none" }, { model: "ok", temperature: 1 }, { model: "r500" }, { model: "r429-1" }];
for (const one of bad) {
  try {
    await client.chat.completions.create({ messages, ...one });
  } catch (error) {
    told.errors.push([error.constructor.name, error.status, error.param, error.code]);
  }
}
try {
  await new OpenAI({ baseURL, apiKey: "ps_no" }).models.list();
} catch (error) {
  told.errors.push([error.constructor.name, error.status, error.param, error.code]);
}
try {
  await client.chat.completions.create({ model: "slow-5000", messages }, { timeout: 300 });
} catch (error) {
  told.late = error.constructor.name;
}
try {
  for await (const chunk of await client.chat.completions.create({ model: "cut", messages, stream: true })) {
    told.half = (told.half ?? "") + (chunk.choices[0]?.delta?.content ?? "");
  }
} catch (error) {
  told.died = [error instanceof OpenAI.APIError, error.code];
}
const stream = await client.chat.completions.create({ model: "stall", messages, stream: true });
for await (const chunk of stream) {
  if (chunk.choices[0].delta.content) break;
}
console.log(JSON.stringify(told));
"""


@pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "openai").exists(),
    reason="node or its package openai is missing: install npm and run `make test`",
)
def test_the_sdk_of_node(api: AppsServer, upstream: Witness, tmp_path: Path) -> None:
    upstream.reset()
    (tmp_path / "node_modules").symlink_to(NODE)
    script = tmp_path / "client.mjs"
    script.write_text(SCRIPT)
    done = subprocess.run(
        ["node", str(script), api.base_url, api.key], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["whole"] == told["said"] == told["helped"] == "echo: one two three"
    assert told["again"] == "echo: and?"
    assert told["usage"] == told["streamed"] == 10
    assert told["requestId"] is True
    assert "ok@production" in told["models"]
    assert told["errors"] == [
        ["NotFoundError", 404, "model", "model_not_found"],
        ["UnprocessableEntityError", 422, "temperature", "frozen"],
        ["InternalServerError", 503, None, "upstream_server"],
        ["RateLimitError", 429, None, "upstream_rate_limited"],
        ["AuthenticationError", 401, None, "invalid_api_key"],
    ]
    assert told["late"] == "APIConnectionTimeoutError"
    assert told["half"] == "half of"
    assert told["died"] == [True, "upstream_connection"]
    until(lambda: upstream.counts().in_flight == 0, 2, "a stream that was left goes on")
