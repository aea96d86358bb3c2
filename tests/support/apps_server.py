"""The server's routes in this process, with an app on the witness and a key: for tests over HTTP."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from openai import OpenAI

from app.opening import open_database
from app.server.binding import bind
from app.server.main import build, guarded
from app.server.protocol import BoundedProtocol
from app.server.run import _Ending, _lifespan
from connectors.models import ModelSettings
from connectors.service import add_model
from core.database import Database
from core.settings import Settings
from serving import aliases
from serving.answering import Answering
from serving.key_forms import KeyCreate
from serving.keys import create_key
from serving.live import Live
from tests.support.apps import ACTOR, make_app, push, release


@dataclass(frozen=True)
class Answered:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


@dataclass
class AppsServer:
    """A listening server; `key` calls every app made here."""

    port: int
    database: Database
    live: Live
    api: FastAPI
    key: str = ""

    @property
    def answering(self) -> Answering:
        """What answers the calls."""
        return self.api.state.serving.answering

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def client(self, **options: Any) -> OpenAI:
        """The real SDK, which tries nothing again."""
        return OpenAI(
            base_url=self.base_url, api_key=self.key, **{"max_retries": 0, "timeout": 20, **options}
        )

    def call(
        self, path: str, body: object = None, *, key: str | None = None, method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> Answered:  # fmt: skip
        """One request; bytes go as they are, anything else as JSON."""
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        sent = {"authorization": f"Bearer {self.key if key is None else key}", **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, raw, {"content-type": "application/json", **sent})
            answer = connection.getresponse()
            return Answered(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def chat(self, model: str, text: str = "hi", **fields: Any) -> Answered:
        """A chat completion of one user message."""
        messages = fields.pop("messages", [{"role": "user", "content": text}])
        return self.call("/v1/chat/completions", {"model": model, "messages": messages, **fields})

    def model(self, name: str, base_url: str, model: str, **settings: Any) -> None:
        """A model at a loopback server."""
        made = ModelSettings(base_url=base_url, model=model, **settings)
        with self.database.session_scope(ACTOR) as session:
            add_model(session, name, made, allow_local=True)

    def app(
        self, name: str, text: str = "You are kind.", role: str = "system", **fields: Any
    ) -> None:
        """An app in production, on a prompt of its own."""
        content = fields.pop("content", {})
        push(self.database, text, name, role, **content)
        make_app(self.database, name, prompt=name, **fields)
        self.publish(name)

    def publish(self, name: str, alias: str = "production") -> int:
        """A release of the draft, in production."""
        number = release(self.database, name).number
        with self.database.session_scope(ACTOR) as session:
            aliases.promote(session, name, number, alias)
        self.live.refresh()
        return number

    def new_key(self, name: str, *apps: str, **limits: Any) -> str:
        """A key for some apps."""
        with self.database.session_scope(ACTOR) as session:
            key = create_key(session, KeyCreate(name=name, apps=apps, **limits)).key
        self.live.refresh()
        return key


def beside(port: int, database: Database) -> AppsServer:
    """The same handle on a server in a process of its own, which sees within a second what is
    made here."""
    return AppsServer(port, database, Live(database), FastAPI())


@contextmanager
def apps_server(data: Path, database_url: str | None = None) -> Iterator[AppsServer]:
    """Routes, guard, limits and traces as `promptstone up` has them, without worker and pages."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    database = open_database(Settings(data_dir=data, database_url=database_url, port=port))
    live = Live(database)
    api = build(_lifespan(database, [], live, _Ending()), workspace=False)
    server = uvicorn.Server(
        uvicorn.Config(
            guarded(api, database, live), http=BoundedProtocol, log_level="warning", lifespan="on"
        )
    )
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield AppsServer(port, database, live, api)
    finally:
        server.should_exit = True
        thread.join(20)
        database.close()
