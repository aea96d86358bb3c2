"""SAFETY C4: fifty canary keys through a real server's life; none is found in anything it leaves."""

import base64
import os
import sqlite3
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

from app.opening import open_database
from connectors.models import LocalAddress, ModelSettings
from connectors.service import add_model
from core.database import Database
from core.settings import Settings
from tests.support.depth import DEEP
from tests.support.running import add_cases, add_prompt, begin, run_row
from tests.support.serving import Up, command, start
from tests.support.witness import Witness, witness

SEALED, NAMED = 30, 20
KEYS = [f"sk-canary{number:02}-{os.urandom(12).hex()}" for number in range(SEALED + NAMED)]
CONTROL = "plain-canary-that-must-be-found"
BEHAVIOURS = ("ok", "echokey", "r401", "r400", "garbage")
COMMANDS = ("model list --json", "model test m1", "audit list --json", "run show {run} --json",
            "run export {run} --format jsonl --output {out}/run.jsonl",
            "run export {run} --format html --output {out}/run.html",
            "backup {out}/with.zip --with-key")  # fmt: skip
MORE = ("model test m31", "model test m2", "label export {run}", "verdict {run} --json",
        "prompt show ask --json", "run list --json", "dataset show cases --json", "doctor --json",
        "backup {out}/without.zip", "run export {run} --format csv --output {out}/run.csv",
        "run export {run} --format xlsx --output {out}/run.xlsx",
        "run export {run} --format junit --output {out}/run.xml")  # fmt: skip


def sightings(places: Iterable[bytes], keys: list[str]) -> list[str]:
    """Which keys stand in any of the texts, as they are, in base64 or in hex."""
    whole = b"\x00".join(places)
    found: list[str] = []
    for key in keys:
        forms = (key.encode(), base64.b64encode(key.encode())[:-4], key.encode().hex().encode())
        found += [key for form in forms if form in whole]
    return found


def _add(db: Database, w: Witness) -> list[str]:
    with db.session_scope("user:admin") as session:
        session.merge(LocalAddress(host="127.0.0.1", port=w.port, actor="t"))
        for number, key in enumerate(KEYS):
            sealed = number < SEALED
            settings = ModelSettings(
                base_url=w.base_url, model=f"{BEHAVIOURS[number % len(BEHAVIOURS)]}+m{number}", timeout=10,
                api_key_env=None if sealed else f"CANARY_{number}", concurrency=1,
            )  # fmt: skip
            key_path = db.settings.key_path
            add_model(session, f"m{number}", settings, key=key if sealed else None,
                      key_path=key_path, allow_local=True)  # fmt: skip
    return [f"m{number}" for number in range(len(KEYS))]


def _files(folder: Path) -> list[bytes]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.append(path.read_bytes())
        if path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found += [archive.read(name) for name in archive.namelist()]
    return found


def _said(data: Path, out: Path, run: str, environment: dict[str, str]) -> list[bytes]:
    """What commands print and write."""
    said = []
    for words in (*COMMANDS, *(MORE if DEEP else ())):
        done = command(
            data, *words.format(run=run, out=out).split(), PROMPTSTONE_DEBUG="1", **environment
        )
        said += [done.stdout.encode(), done.stderr.encode()]
    return said


def _pages(up: Up) -> list[bytes]:
    paths = ("/", "/metrics", "/docs", "/openapi.json", "/healthz", "/readyz", "/_stcore/metrics",
             "/_stcore/health", "/ui/streams?ids=x", "/models", "/v1/models", "/settings")  # fmt: skip
    answers = [up.ask(path) for path in paths]
    return [answer.body + str(answer.headers).encode() for answer in answers]


def test_no_key_is_found_anywhere(tmp_path: Path) -> None:
    data, out, log = tmp_path / "data", tmp_path / "out", tmp_path / "server.log"
    out.mkdir()
    environment = {f"CANARY_{n}": key for n, key in enumerate(KEYS) if n >= SEALED}
    db = open_database(Settings(data_dir=data, database_url=None))
    redirected = ["sh", "-c", f'exec "$@" 2>{log}', "sh"]
    with witness() as w:
        names = _add(db, w)
        add_prompt(db, text=CONTROL + " {{ topic }}")
        add_cases(db, 1)
        up = start(data, prefix=redirected, PROMPTSTONE_DEBUG="1", **environment)
        try:
            up.sign_in()
            os.environ.update(environment)
            run = begin(db, *names)
            deadline = time.monotonic() + 90
            while run_row(db, run).status != "completed":
                assert time.monotonic() < deadline, run_row(db, run)
                time.sleep(0.2)
            places = _pages(up)
            places += [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in up.children()]
            places += _files(data)
            places += _said(data, out, run, environment)
        finally:
            for name in environment:
                os.environ.pop(name, None)
            up.stop()
            assert up.process.stdout
            rest = up.process.stdout.read()
        asked = {call["headers"].get("authorization") for call in w.requests()}
        assert asked == {f"Bearer {key}" for key in KEYS}, "every key was used"
    db.close()
    places += [*_files(data), *_files(out), log.read_bytes(), rest.encode()]
    places.append("\n".join(sqlite3.connect(data / "promptstone.db").iterdump()).encode())
    assert CONTROL.encode() in b"".join(places)
    assert len(list(out.iterdir())) == (7 if DEEP else 3)
    assert sightings(places, KEYS) == []


def test_a_key_that_is_there_is_seen() -> None:
    """The control of the search."""
    key = KEYS[0]
    for planted in (key, base64.b64encode(key.encode()).decode(), key.encode().hex()):
        assert sightings([b"x", f"log: {planted} end".encode()], KEYS) == [key]
