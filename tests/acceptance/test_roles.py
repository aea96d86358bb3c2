"""Pages, two processes for calls and a worker, each by itself, with one PostgreSQL: the whole way."""

import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from openai import OpenAI

from tests.support.balancer import balanced, program
from tests.support.collector import Collector, collector
from tests.support.forked import Forking
from tests.support.parts import Part, begin
from tests.support.serving import ask
from tests.support.witness import Witness

ROLES = {"ui": "ui", "api1": "api", "api2": "api", "worker": "worker"}


@dataclass
class Fleet:
    """The parts, and commands from a data folder that none of them shares."""

    parts: dict[str, Part]
    shell_data: Path
    here: Path
    environment: dict[str, str]
    forking: Forking
    spans: Collector
    keys: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def apis(self) -> tuple[Part, Part]:
        return self.parts["api1"], self.parts["api2"]

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return self.forking.run(self.shell_data, *map(str, arguments), **self.environment)

    def json(self, *arguments: object) -> Any:
        """What a command prints."""
        found = self.run(*arguments, "--json")
        assert found.returncode == 0, (arguments, found.stdout[-1000:], found.stderr)
        return json.loads(found.stdout)

    def write(self, name: str, text: str) -> Path:
        path = self.here / name
        path.write_text(text)
        return path

    def new_key(self, name: str, *more: object) -> str:
        """A key, known to both processes that answer calls."""
        key = self.json("key", "create", name, *more)["key"]
        for api in self.apis:
            until(
                lambda api=api: api.get("/v1/models", authorization=f"Bearer {key}").status != 401
            )
        return key


def until(holds: Callable[[], bool], seconds: float = 30) -> float:
    """Wait for something to become true; how long it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it never came true"
        time.sleep(0.02)
    return time.monotonic() - began


def _database(postgres_url: str) -> str:
    import psycopg

    name = f"t{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    parts = urlsplit(postgres_url)
    return parts._replace(netloc=parts.netloc.replace(":@", "@"), path=f"/{name}").geturl()


@pytest.fixture(scope="module")
def spans() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest.fixture(scope="module")
def fleet(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory, forking: Forking, spans: Collector
) -> Iterator[Fleet]:
    """All parts begin at once on an empty database."""
    place = tmp_path_factory.mktemp("roles")
    (place / "key").write_bytes(bytes(range(32)))
    (place / "password").write_text("p@ss:w/ord\n")
    environment = {
        "PROMPTSTONE_DATABASE_URL": _database(postgres_url),
        "PROMPTSTONE_DATABASE_PASSWORD_FILE": str(place / "password"),
        "PROMPTSTONE_KEY_FILE": str(place / "key"),
    }
    telling = {**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": spans.url}
    parts = {name: begin(role, place / name, telling) for name, role in ROLES.items()}
    try:
        for part in parts.values():
            part.wait_started()
        yield Fleet(parts, place / "shell", place, environment, forking, spans)
    finally:
        for part in parts.values():
            part.kill()


@pytest.fixture(scope="module")
def run(fleet: Fleet, provider: Witness) -> dict[str, Any]:
    """Two versions over ten cases, worked on by the worker alone, and labeled."""
    fleet.json("model", "add", "ok", "--base-url", provider.base_url, "--model", "ok",
               "--input-price", 1, "--output-price", 2)  # fmt: skip
    fleet.json("prompt", "push", fleet.write("ask.txt", "About {{ topic }}"), "--name", "ask")
    fleet.json("prompt", "push", fleet.write("ask.txt", "Say more of {{ topic }}"), "--name", "ask")
    rows = "".join(f"topic {n}\n" for n in range(10))
    fleet.json("dataset", "push", "cases", fleet.write("cases.csv", "topic\n" + rows))
    found = fleet.json("run", "start", "--prompt", "ask@1", "--prompt", "ask@2", "--model", "ok",
                       "--dataset", "cases", "--wait")  # fmt: skip
    exported = fleet.run("run", "export", found["id"], "--format", "jsonl").stdout
    cells = [json.loads(line) for line in exported.splitlines()]
    lines = [
        json.dumps({"cell": cell["cell"], "label": "good" if "@2" in cell["arm"] else "bad"})
        for cell in cells
    ]
    labels = fleet.write("labels.jsonl", "\n".join(lines) + "\n")
    fleet.json("label", "import", found["id"], labels, "--annotator", "ann")
    return found


@pytest.fixture(scope="module")
def key(fleet: Fleet, run: dict[str, Any]) -> str:
    """An app in production, promoted by a gate on the run, and a key for it."""
    fleet.json("app", "create", "answers", "--prompt", "ask@2", "--model", "ok")
    fleet.json("app", "release", "answers")
    gate = f"{run['id']}:share_good>=0.8"
    fleet.json("app", "promote", "answers@1", "production", "--gate", gate, "--no-replay")
    return fleet.new_key("client", "--app", "answers")


@pytest.fixture(scope="module")
def scraper(fleet: Fleet) -> str:
    """A key for figures."""
    return fleet.new_key("scraper", "--scope", "metrics")


def test_each_part_is_ready_and_tells_so(fleet: Fleet):
    until(lambda: fleet.parts["worker"].get("/readyz").status == 200)
    for name, part in fleet.parts.items():
        assert part.get("/healthz").body == b'{"status":"ok"}', name
        until(lambda part=part: json.loads(part.get("/readyz").body)["worker"])
        assert part.get("/readyz").body == b'{"status":"ready","database":true,"worker":true}'


def test_pages_are_served_by_ui_alone(fleet: Fleet):
    ui = fleet.parts["ui"]
    answer = ui.get(ui.link)
    assert answer.status == 303
    cookie = answer.headers["set-cookie"].split(";")[0]
    page = ui.get("/", cookie=cookie, accept="text/html")
    assert b'<div id="root">' in page.body
    for api in fleet.apis:
        # The session is good everywhere; there is no page there.
        assert api.get("/docs", cookie=cookie.replace(str(ui.port), str(api.port))).status == 200
        found = api.get("/", cookie=cookie.replace(str(ui.port), str(api.port)), accept="text/html")
        assert found.status == 404
    assert fleet.parts["worker"].get("/v1/models").status == 404


def test_the_worker_runs_what_a_command_waits_for(fleet: Fleet, run: dict[str, Any]):
    assert (run["status"], run["calls"]) == ("completed", 20)
    locks = {name: list((part.data / "locks").glob("run-*")) for name, part in fleet.parts.items()}
    assert [name for name, found in locks.items() if found] == ["worker"]
    assert not (fleet.shell_data / "locks").exists()
    found = fleet.json("verdict", run["id"])
    assert found["comparisons"][0]["verdict"] == "candidate better"


def test_both_processes_answer_and_stream(fleet: Fleet, key: str):
    for api in fleet.apis:
        client = api.client(key)
        assert [one.id for one in client.models.list()] == ["answers", "answers@production"]
        status, whole = api.post("/apps/answers/invoke", key, {"inputs": {"topic": "tea"}})
        assert (status, whole["output"]) == (200, "echo: Say more of tea")
        stream = client.chat.completions.create(
            model="answers", messages=[], stream=True, extra_body={"inputs": {"topic": "tea"}}
        )
        said = "".join(one.choices[0].delta.content or "" for one in stream if one.choices)
        assert said == "echo: Say more of tea"


def test_pages_answer_calls_too(fleet: Fleet, key: str):
    status, _ = fleet.parts["ui"].post("/apps/answers/invoke", key, {"inputs": {"topic": "tea"}})
    assert status == 200


def test_feedback_goes_to_any_process_and_the_trace_has_it(fleet: Fleet, key: str):
    first, second = fleet.apis
    _, answer = first.post("/apps/answers/invoke", key, {"inputs": {"topic": "feedback"}})
    told = {"request_id": answer["request_id"], "rating": "bad", "comment": "too short"}
    until(lambda: second.post("/v1/feedback", key, told)[0] == 200)
    found = fleet.json("trace", "list", "--app", "answers", "--rating", "bad")
    assert [one["request_id"] for one in found["traces"]] == [answer["request_id"]]


def test_limits_are_those_of_both_together(fleet: Fleet, key: str):
    limited = fleet.new_key("limited", "--app", "answers", "--rpm", 6)
    # Not over the turn of a minute, at which the limit begins anew.
    if (left := 60 - time.time() % 60) < 4:
        time.sleep(left + 0.1)
    body = {"inputs": {"topic": "tea"}}
    statuses = [fleet.apis[n % 2].post("/apps/answers/invoke", limited, body)[0] for n in range(12)]
    assert (statuses.count(200), statuses.count(429)) == (6, 6)


def test_a_revoked_key_is_refused_by_both_within_a_second(fleet: Fleet, key: str):
    # The machine itself may be late, but not three times.
    assert any(_refused_after(fleet, f"doomed{n}") < 1 for n in range(3))


def _refused_after(fleet: Fleet, name: str) -> float:
    """Seconds from the end of the command that revokes until both refuse."""
    doomed = fleet.new_key(name, "--app", "answers")
    fleet.json("key", "revoke", name)
    body = {"inputs": {"topic": "tea"}}
    return until(
        lambda: [a.post("/apps/answers/invoke", doomed, body)[0] for a in fleet.apis] == [401, 401]
    )


def test_a_promotion_reaches_both(fleet: Fleet, key: str):
    draft = fleet.write("app.json", json.dumps({"prompt": "ask@1"}))
    fleet.json("app", "set", "answers", "--settings", draft)
    fleet.json("app", "release", "answers")
    fleet.json("app", "promote", "answers@2", "production", "--no-replay")
    body = {"inputs": {"topic": "tea"}}

    def outputs() -> list[str]:
        return [a.post("/apps/answers/invoke", key, body)[1]["output"] for a in fleet.apis]

    until(lambda: outputs() == ["echo: About tea"] * 2)


def test_the_worker_ingests_what_the_command_alone_can_see(fleet: Fleet, run: dict[str, Any]):
    document = fleet.write("opening.md", "# Hours\n\nThe museum opens at nine.\n")
    fleet.json("kb", "create", "manual")
    added = fleet.json("kb", "add", "manual", document, "--wait")
    assert (added["status"], added["documents"], added["failed"]) == ("completed", 1, 0)
    locks = [path.name for path in (fleet.parts["worker"].data / "locks").glob("ingest-*")]
    assert locks == [f"ingest-{added['id']}.lock"]
    prompt = fleet.write("rag.txt", "{{ context }}\n\n{{ question }}")
    fleet.json("prompt", "push", prompt, "--name", "rag")
    fleet.json("app", "create", "museum", "--prompt", "rag", "--model", "ok", "--kb", "manual")
    fleet.json("app", "release", "museum")
    fleet.json("app", "promote", "museum@1", "production", "--no-replay")
    visitor = fleet.new_key("visitor", "--app", "museum")
    body = {"inputs": {"question": "When does the museum open?"}}
    for api in fleet.apis[:1]:
        status, answer = api.post("/apps/museum/invoke", visitor, body)
        assert status == 200
        assert "opens at nine" in answer["output"]
        assert [one["document"] for one in answer["sources"]] == ["opening.md"]
    # Handed over as a copy, which is gone when the ingest has ended.
    handed = fleet.shell_data / "uploads"
    assert handed.is_dir()


def test_figures_are_each_process_own(fleet: Fleet, key: str, scraper: str):
    first, second = fleet.apis
    before = _calls(first, scraper), _calls(second, scraper)
    assert first.post("/apps/answers/invoke", key, {"inputs": {"topic": "tea"}})[0] == 200
    assert (_calls(first, scraper), _calls(second, scraper)) == (before[0] + 1, before[1])


@pytest.mark.skipif(program() is None, reason="nginx is not installed")
def test_the_balancer_tells_pages_from_calls(fleet: Fleet, key: str, scraper: str):
    (fleet.here / "nginx").mkdir()
    ui, apis = fleet.parts["ui"], fleet.apis
    answered = [_calls(api, scraper) for api in apis]
    with balanced(fleet.here / "nginx", [ui.port], [api.port for api in apis]) as port:
        link = fleet.json("user", "link", "admin")["url"]
        path = f"/sign-in?{urlsplit(link).query}"
        signed = ask(port, path, headers={"x-forwarded-proto": "https"})
        assert signed.status == 303
        assert "Secure" in signed.headers["set-cookie"]
        cookie = {"cookie": signed.headers["set-cookie"].split(";")[0]}
        assert b'<div id="root">' in ask(port, "/apps", headers=cookie).body
        assert _opens_websocket(port, cookie["cookie"])
        client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0)
        for _ in range(6):
            stream = client.chat.completions.create(
                model="answers", messages=[], stream=True, extra_body={"inputs": {"topic": "tea"}}
            )
            assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
        assert ask(port, "/metrics", headers=cookie).status == 404
        assert ask(port, "/v1/models").status == 401
        wrong = ask(port, "/readyz", headers={"host": "evil.example"})
        assert wrong.status == 400
    # Each answered its share, and no log has the token of the link.
    assert all(_calls(api, scraper) > before for api, before in zip(apis, answered, strict=True))
    log = (fleet.here / "nginx" / "access.log").read_text()
    assert "/sign-in" in log
    assert "token" not in log


def _calls(api: Part, scraper: str) -> float:
    """How many calls of the app a process has answered."""
    text = api.get("/metrics", authorization=f"Bearer {scraper}").body.decode()
    lines = [one for one in text.splitlines() if 'app_calls_total{app="answers"' in one]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def _opens_websocket(port: int, cookie: str) -> bool:
    """Whether the stream of a page gets through."""
    wanted = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13",
              "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    origin = f"http://127.0.0.1:{port}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {**wanted, "cookie": cookie, "origin": origin}
        connection.request("GET", "/_stcore/stream", headers=headers)
        return connection.getresponse().status == 101
    finally:
        connection.close()


def test_each_part_ends_cleanly(fleet: Fleet, key: str):
    began = time.monotonic()
    for part in fleet.parts.values():
        part.process.terminate()
    assert {name: part.process.wait(15) for name, part in fleet.parts.items()} == dict.fromkeys(
        ROLES, 0
    )
    assert time.monotonic() - began < 12
    names = set(fleet.spans.names)
    assert {"invoke_agent answers", "invoke_agent museum", "retrieval manual", "chat ok"} <= names
