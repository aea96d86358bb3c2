"""What a server does beside pages: its worker takes runs, its streams tell what is said."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from app.opening import open_database
from app.server import context
from app.server.binding import bind
from app.server.main import build, guarded
from app.server.run import _Ending, _lifespan
from connectors.generate import prepare
from core.database import Database
from core.settings import Settings
from core.users import make_link_token, redeem
from evalsets.models import Run
from evalsets.runs.service import get_run
from serving.live import Live
from tests.support.depth import deep_only
from tests.support.forked import forking
from tests.support.serving import alive, ask, serving
from tests.support.witness import witness

CASES = 40


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A file of cases."""
    file = tmp_path / "cases.csv"
    file.write_text("topic\n" + "".join(f"topic {n}\n" for n in range(CASES)))
    return file


def _start(data: Path, model: str, **environment: str) -> str:
    found = forking().run(
        data, "run", "start", "--prompt", "p", "--model", model, "--dataset", "cases", "--json",
        **environment,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)["id"]


def _until(database: Database, run_id: str, enough: Callable[[Run], bool]) -> Run:
    """The run as soon as it is `enough`; read without a command each time, which would cost 1 s."""
    deadline = time.monotonic() + 60
    while True:
        with database.read_scope() as session:
            run = get_run(session, run_id)
        if enough(run):
            return run
        assert run.status in ("queued", "running") or run.reason == "shutdown", run
        assert time.monotonic() < deadline, run
        time.sleep(0.05)


def _completed(run: Run) -> bool:
    return run.status == "completed"


def _fill(data: Path, cases: Path, **environment: str) -> None:
    (cases.parent / "p.txt").write_text("Tell me about {{ topic }}")
    for arguments in (
        ("prompt", "push", str(cases.parent / "p.txt")),
        ("dataset", "push", "cases", str(cases)),
    ):
        assert forking().run(data, *arguments, **environment).returncode == 0


def test_a_run_is_handed_to_the_live_worker(tmp_path: Path, cases: Path):
    with serving(tmp_path / "d") as up:
        up.wait_ready()
        _fill(up.data_dir, cases)
        run = _start(up.data_dir, "echo")
        database = open_database(Settings(data_dir=up.data_dir, database_url=None))
        done = _until(database, run, _completed)
        database.close()
        assert done.succeeded == CASES
        waited = forking().run(up.data_dir, "run", "resume", run, "--wait", "--json")
        assert json.loads(waited.stdout)["calls"] == CASES


def test_a_stop_keeps_what_is_in_flight_and_a_start_goes_on(tmp_path: Path, cases: Path):
    """Nothing is sent twice: the witness counts each request once over both lives."""
    data = tmp_path / "d"
    with witness() as seen:
        _fill(data, cases)
        added = forking().run(
            data, "model", "add", "w", "--base-url", seen.base_url, "--model", "slow-300",
            "--concurrency", "4",
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        database = open_database(Settings(data_dir=data, database_url=None))
        with serving(data) as up:
            up.wait_ready()
            run = _start(data, "w")
            _until(database, run, lambda row: row.succeeded >= 10)
            children, began = up.children(), time.monotonic()
            assert up.stop(signal.SIGTERM) == 0
            assert time.monotonic() - began < 12
            assert alive(children) == []
        kept = _until(database, run, lambda row: row.status != "running")
        assert kept.interrupted == 0
        assert kept.succeeded == kept.calls == seen.counts().requests < CASES
        with serving(data):
            done = _until(database, run, _completed)
        database.close()
        assert done.succeeded == done.calls == seen.counts().requests == CASES


@deep_only
def test_a_stop_waits_for_no_model_that_never_answers(tmp_path: Path, cases: Path):
    data = tmp_path / "d"
    with witness() as seen:
        _fill(data, cases)
        hang = ("--base-url", seen.base_url, "--model", "hang", "--timeout", "600")
        assert forking().run(data, "model", "add", "w", *hang).returncode == 0
        with serving(data) as up:
            up.wait_ready()
            run = _start(data, "w")
            while seen.counts().in_flight < 8:
                time.sleep(0.05)
            children, began = up.children(), time.monotonic()
            assert up.stop(signal.SIGTERM) == 0
            assert time.monotonic() - began < 12
            assert alive(children) == []
        database = open_database(Settings(data_dir=data, database_url=None))
        left = _until(database, run, lambda row: row.status != "running")
        database.close()
        assert (left.interrupted, left.calls, left.succeeded) == (8, 8, 0)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """The routes with a real hub of generations, in this process; port and cookie."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    settings = Settings(data_dir=tmp_path / "d", database_url=None, port=port)
    database = open_database(settings)
    live = Live(database)
    api = build(_lifespan(database, [], live, _Ending()), workspace=False)
    server = uvicorn.Server(uvicorn.Config(guarded(api, database, live), log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    with database.session_scope("t") as session:
        token = make_link_token(session, "admin")
    with database.session_scope("t") as session:
        cookie = redeem(session, token)
    yield port, f"promptstone_{port}={cookie}"
    server.should_exit = True
    thread.join(20)
    database.close()


def _generate(actor: str, text: str) -> str:
    here = context.current()
    with here.database.read_scope() as session:
        call = prepare(
            session, actor, "echo", [{"role": "user", "content": text}], here.settings.key_path
        )
    return here.generations.start(call)


def _events(port: int, cookie: str, *ids: str) -> dict[str, tuple[str, str]]:
    """Id → what was said and how it ended."""
    body = ask(port, f"/ui/streams?ids={','.join(ids)}", headers={"cookie": cookie}).body.decode()
    found = dict.fromkeys(ids, ("", ""))
    for block in body.split("\n\n"):
        if block.startswith("event: "):
            kind, data = block.split("\n", 1)
            event = json.loads(data.removeprefix("data: "))
            text, state = found[event["id"]]
            found[event["id"]] = (
                event["text"] if kind == "event: text" else text + event["text"],
                event["state"] if kind == "event: end" else state,
            )
    return found


def test_one_stream_tells_what_all_of_ones_own_generations_say(listening: tuple[int, str]):
    port, cookie = listening
    texts = ["first \u2028 answer", "second\n\nevent: end"]
    mine = [_generate("user:admin", text) for text in texts]
    theirs = _generate("user:other", "secret")
    found = _events(port, cookie, *mine, theirs)
    assert found[theirs] == ("", "unknown")
    for one, text in zip(mine, texts, strict=True):
        said, state = found[one]
        assert state == "succeeded"
        assert text in said
    again = _events(port, cookie, *mine)
    assert again == {one: found[one] for one in mine}
    assert ask(port, f"/ui/streams?ids={mine[0]}").status == 401
