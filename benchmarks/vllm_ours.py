"""`promptstone up --role api` before a model that is already served, with a key that has limits.

python -m benchmarks.vllm_ours DATA DATABASE_URL BASE_URL MODEL PARAMS    # prints the key
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.opening import open_database
from benchmarks.gateway_ours import PromptstoneApi
from benchmarks.gateway_peers import free_port
from benchmarks.processes import ROOT, child
from connectors.models import ModelSettings
from connectors.service import add_model
from core.settings import load_settings
from serving import aliases
from serving.key_forms import KeyCreate
from serving.keys import create_key
from tests.support.apps import ACTOR, make_app, push, release

APP = "bench"
SYSTEM = "You are kind."
READY_SECONDS = 60


class PromptstoneBefore(PromptstoneApi):
    """The api role on a PostgreSQL of its own; its app asks one model with fixed parameters."""

    def __init__(self, base_url: str, model: str, params: Mapping[str, Any]) -> None:
        super().__init__()
        self.base_url, self.model, self.params = base_url, model, params

    def serve(self) -> None:
        """Start what is installed, and wait until calls can come."""
        assert self.database_url is not None
        self.port, data = free_port(), self.folder / "data"
        named = [self.database_url, self.base_url, self.model, json.dumps(self.params)]
        self.key = child("vllm_ours", data, *named)["key"]
        command = [sys.executable, "-m", "app.cli.main", "--data-dir", str(data), "up"]
        self.run(
            [*command, "--port", str(self.port), "--role", "api"],
            PYTHONPATH=str(ROOT), PROMPTSTONE_DATABASE_URL=self.database_url,
        )  # fmt: skip

    def wait(self) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                opener.open(f"http://127.0.0.1:{self.port}/readyz", timeout=5).close()
                return
            except (OSError, urllib.error.HTTPError) as error:
                ended = self.process is not None and self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name}: {error}: {self.log()}") from None
            time.sleep(0.2)


def prepare(data: Path, base_url: str, model: str, params: Mapping[str, Any]) -> str:
    """A fresh data folder with an app on the model, in production; the key that may call it."""
    database = open_database(load_settings(data))
    settings = ModelSettings(
        base_url=base_url, model=model, concurrency=1000,
        input_price=Decimal("0.1"), output_price=Decimal("0.4"),
    )  # fmt: skip
    push(database, SYSTEM, APP, "system")
    with database.session_scope(ACTOR) as session:
        add_model(session, APP, settings, allow_local=True)
    make_app(database, APP, prompt=APP, model=APP, params=dict(params))
    number = release(database, APP).number
    wanted = KeyCreate(
        name="bench", apps=(APP,), rpm=10**9, tpm=2 * 10**9, streams=10**5,
        budget_day=Decimal(10**6),
    )  # fmt: skip
    with database.session_scope(ACTOR) as session:
        aliases.promote(session, APP, number, "production")
        key = create_key(session, wanted).key
    database.close()
    return key


if __name__ == "__main__":
    data, database_url, base_url, model, params = sys.argv[1:]
    os.environ["PROMPTSTONE_DATABASE_URL"] = database_url
    print(json.dumps({"key": prepare(Path(data), base_url, model, json.loads(params))}), flush=True)
