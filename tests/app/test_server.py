"""The server as a process: starts, refusals, signals, children."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.depth import DEEP, deep_only
from tests.support.forked import forking
from tests.support.serving import Up, alive, ask, command, serving, start, wait_until_gone


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One server for the tests that do not end it."""
    with serving(tmp_path_factory.mktemp("server") / "data", alone=True) as server:
        server.sign_in()
        server.wait_ready()
        yield server


def test_health_needs_nobody_and_says_little(up: Up):
    assert up.ask("/healthz", signed_in=False).body == b'{"status":"ok"}'
    ready = up.ask("/readyz", signed_in=False)
    assert ready.body == b'{"status":"ready","database":true,"worker":true}'
    assert ready.status == 200
    assert up.ask("/_stcore/health", signed_in=False).status == 200


def test_the_link_signs_in_once_with_a_cookie_that_scripts_cannot_read(up: Up):
    assert up.link.startswith(f"http://127.0.0.1:{up.port}/sign-in?token=")
    path = up.link.split(str(up.port), 1)[1]
    again = up.ask(path, signed_in=False)
    assert again.status == 401
    assert b"was used or has expired" in again.body
    assert "set-cookie" not in again.headers
    link = forking().run(up.data_dir, "user", "link", "admin").stdout.split("Sign in: ")[1].strip()
    assert link.startswith(f"http://127.0.0.1:{up.port}/sign-in?token=")
    path = link.split(str(up.port), 1)[1]
    preview = up.ask(path, "HEAD", signed_in=False)
    assert preview.status == 405
    assert up.ask(path, signed_in=False, sec_purpose="prefetch").status == 204
    fresh = up.ask(path, signed_in=False)
    assert fresh.status == 303
    cookie = fresh.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert fresh.headers["location"] == "/"


def test_the_pages_are_served_on_the_same_port(up: Up):
    page = up.ask("/", accept="text/html")
    assert page.status == 200
    assert b'<div id="root">' in page.body
    assert b"cdn" not in up.ask("/docs").body
    assert up.ask("/docs").status == 200
    assert up.ask("/openapi.json").headers["content-type"] == "application/json"
    metrics = up.ask("/metrics").body.decode()
    assert "promptstone_worker_alive 1.0" in metrics
    assert 'promptstone_http_answers_total{status="200"}' in metrics


@pytest.mark.parametrize("path", ["/api/x", "/ui/nothing"])
def test_an_unknown_api_path_is_told_in_the_error_shape(up: Up, path: str):
    import json

    for method in ("GET", "POST", "DELETE"):
        answer = up.ask(path, method)
        assert answer.status == 404
        assert set(json.loads(answer.body)["error"]) == {"message", "type", "param", "code"}


def test_every_answer_has_a_request_id_of_its_own(up: Up):
    answers = [up.ask(path) for path in ("/healthz", "/", "/v1/x", "/metrics", "/healthz")]
    answers.append(up.ask("/metrics", signed_in=False))
    answers.append(up.ask("/healthz", host="evil.example"))
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == len(answers)


def test_a_second_up_names_the_first(up: Up):
    second = command(up.data_dir, "up", "--port", "0")
    assert second.returncode == 1
    assert f"http://127.0.0.1:{up.port}" in second.stderr
    assert second.stderr.count("\n") == 1
    assert up.ask("/healthz").status == 200


def test_a_port_in_use_is_a_sentence(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = command(tmp_path / "d", "up", "--port", str(port))
    assert found.returncode == 1
    assert found.stderr == (
        f"Port {port} of 127.0.0.1 is used by another program. Choose another with --port.\n"
    )


@pytest.mark.parametrize("role", ["ui", "worker"])
def test_other_roles_need_postgresql(tmp_path: Path, role: str):
    found = command(tmp_path / "d", "up", "--role", role, "--port", "0")
    assert found.returncode == 1
    assert "PROMPTSTONE_DATABASE_URL" in found.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=deep_only)])
def test_a_signal_ends_it_with_zero_and_its_children_with_it(tmp_path: Path, number: int):
    with serving(tmp_path / "d") as up:
        children = up.children()
        assert children
        began = time.monotonic()
        assert up.stop(number) == 0
        assert time.monotonic() - began < 12
        assert alive(children) == []


def test_killed_it_leaves_no_child_and_starts_again(tmp_path: Path):
    with serving(tmp_path / "d") as up:
        children = up.children()
        assert children
        up.process.kill()
        up.process.wait()
        assert wait_until_gone(children, 3) == []
    with serving(tmp_path / "d") as again:
        assert again.ask("/healthz").status == 200


def test_a_dead_worker_is_started_again(tmp_path: Path):
    with serving(tmp_path / "d") as up:
        (worker, *_) = up.children()
        up.wait_ready()
        os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while worker in up.children() or up.ask("/readyz").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert up.children() != [worker]


def _refused(data: Path, words: str) -> None:
    before = {path.name: path.stat().st_size for path in data.iterdir() if path.suffix == ".db"}
    found = forking().run(data, "up", "--port", "0")
    assert found.returncode == 1, found.stdout
    assert words in found.stderr
    assert "restore FILE" in found.stderr
    after = {path.name: path.stat().st_size for path in data.iterdir() if path.suffix == ".db"}
    assert after == before


@pytest.fixture
def old_data(tmp_path: Path) -> Path:
    """A data folder that was used, with its pages in the main file."""
    data = tmp_path / "old"
    assert forking().run(data, "user", "link", "admin").returncode == 0
    from pysqlite3 import dbapi2

    connection = dbapi2.connect(str(data / "promptstone.db"))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return data


def test_a_lost_database_is_not_taken_for_a_new_one(old_data: Path):
    kept = (old_data / "promptstone.db").read_bytes()
    (old_data / "promptstone.db").unlink()
    _refused(old_data, "is missing or empty")
    (old_data / "promptstone.db").write_bytes(b"")
    _refused(old_data, "is missing or empty")
    (old_data / "promptstone.db").write_bytes(kept)
    assert forking().run(old_data, "user", "link", "admin").returncode == 0


def test_a_garbled_page_anywhere_is_refused(old_data: Path, tmp_path: Path):
    from app.opening import check_integrity, open_database
    from core.errors import Unavailable
    from core.settings import Settings

    whole = (old_data / "promptstone.db").read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    pages = len(whole) // size
    assert pages > 20
    missed = []
    for page in range(0, pages, 1 if DEEP else 4):
        data = tmp_path / f"p{page}"
        shutil.copytree(old_data, data)
        garbled = bytearray(whole)
        for at in range(page * size, (page + 1) * size):
            garbled[at] ^= 0xFF
        (data / "promptstone.db").write_bytes(garbled)
        try:
            database = open_database(Settings(data_dir=data, database_url=None))
            check_integrity(database)
            missed.append(page)
        except Unavailable as error:
            assert "restore FILE" in error.message  # noqa: PT017
        shutil.rmtree(data)
    assert missed == []
    garbled = bytearray(whole)
    garbled[size : 2 * size] = bytes(byte ^ 0xFF for byte in whole[size : 2 * size])
    (old_data / "promptstone.db").write_bytes(garbled)
    _refused(old_data, "is damaged")
    (old_data / "promptstone.db").write_bytes(b"this is a text" * 1000)
    _refused(old_data, "is damaged")


def test_sealed_keys_without_their_key_are_refused(tmp_path: Path):
    from core.database import Database
    from core.secrets import seal
    from core.settings import Settings

    data = tmp_path / "d"
    assert forking().run(data, "user", "link", "admin").returncode == 0
    database = Database(Settings(data_dir=data, database_url=None))
    with database.session_scope("t") as session:
        seal(session, "h:1", "key", database.settings.key_path)
    database.close()
    (data / "secret.key").rename(data / "moved")
    found = forking().run(data, "up", "--port", "0")
    assert found.returncode == 1
    assert "PROMPTSTONE_KEY_FILE" in found.stderr
    (data / "moved").rename(data / "secret.key")
    with serving(data) as up:
        assert up.ask("/healthz").status == 200


def test_an_open_port_answers_only_loopback(up: Up):
    listening = _listeners([up.process.pid, *up.children()])
    assert listening
    assert {address for address, _ in listening} == {"127.0.0.1"}
    assert ("127.0.0.1", up.port) in listening


def _listeners(pids: list[int]) -> set[tuple[str, int]]:
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(entry.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for family, length in (("tcp", 4), ("tcp6", 16)):
        for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and parts[9] in inodes:
                address, port = parts[1].split(":")
                raw = bytes.fromhex(address)
                words = b"".join(raw[i : i + 4][::-1] for i in range(0, length, 4))
                kind = socket.AF_INET if length == 4 else socket.AF_INET6
                found.add((socket.inet_ntop(kind, words), int(port, 16)))
    return found


def _has_own_network() -> bool:
    import subprocess

    return subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(
    shutil.which("unshare") is None or not _has_own_network(), reason="needs a network namespace"
)
def test_a_first_start_and_the_whole_trip_send_nothing_outside(tmp_path: Path):
    """In a network of its own, packets to anywhere but loopback are counted as having no route."""
    import json
    import subprocess
    import sys

    script = Path(__file__).parents[1] / "support" / "alone.py"
    found = subprocess.run(
        ["unshare", "-n", sys.executable, str(script), str(tmp_path / "d")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert result["status"] == 200
    assert result["failed"] == []
    assert result["sent"] == 0
    assert result["control"] > 0


def test_start_refuses_what_streamlit_must_not_be_told(tmp_path: Path):
    from app.server.streamlit_config import GUARDED

    flipped = {
        "server.enableXsrfProtection": "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION",
        "server.enableCORS": "STREAMLIT_SERVER_ENABLE_CORS",
        "client.showErrorDetails": "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS",
    }
    # Each of them is flipped below; here it shows that the environment is looked at, too.
    for option, variable in list(flipped.items())[: None if DEEP else 1]:
        wrong = "false" if GUARDED[option] is True else "full"
        found = command(tmp_path / "d", "up", "--port", "0", **{variable: wrong})
        assert found.returncode == 1
        assert option in found.stderr


def test_a_config_file_that_flips_a_guard_is_refused(tmp_path: Path):
    import subprocess
    import sys

    folder = tmp_path / "home" / ".streamlit"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[server]\nenableStaticServing = true\n")
    found = subprocess.run(
        [sys.executable, "-m", "app.cli.main", "--data-dir", str(tmp_path / "d"), "up",
         "--port", "0"],
        capture_output=True, text=True, timeout=60,
        env={**os.environ, "HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert found.returncode == 1
    assert "server.enableStaticServing" in found.stderr


def test_each_guard_is_checked_again_when_all_is_loaded(tmp_path: Path):
    from streamlit import config

    from app.server.streamlit_config import GUARDED, check_guards, configure
    from core.errors import Invalid
    from core.settings import Settings

    configure(Settings(data_dir=tmp_path, database_url=None), 8501)
    check_guards()
    for option, wanted in GUARDED.items():
        config.set_option(option, (not wanted) if isinstance(wanted, bool) else "full")
        with pytest.raises(Invalid, match=option):
            check_guards()
        config.set_option(option, wanted)
    check_guards()


def test_nothing_secret_is_printed(tmp_path: Path):
    up = start(tmp_path / "d")
    try:
        up.sign_in()
        cookie = up.cookie.partition("=")[2]
        up.ask("/metrics")
        up.stop()
        assert up.process.stdout is not None
        rest = up.process.stdout.read()
        token = up.link.rpartition("=")[2]
        assert token not in rest
        for path in (tmp_path / "d").rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert token.encode() not in data, path
                assert cookie.encode() not in data, path
    finally:
        if up.process.poll() is None:
            up.process.kill()


def test_ask_reaches_nobody_else(up: Up):
    assert ask(up.port, "/healthz", headers={"host": f"localhost:{up.port}"}).status == 200
