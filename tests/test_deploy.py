"""What the image and the parts of a deployment may do, and that all they name exists."""

import fnmatch
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from app.cli.main import _COMMANDS
from app.cli.up import Role
from core.settings import Settings

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("promptstone:")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
KNOWN = {f"PROMPTSTONE_{name.upper()}" for name in Settings.model_fields}
ASKED = {"PROMPTSTONE_LISTEN"}
"""What compose.yaml itself asks of whoever starts it."""
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|API_KEY", re.I)


class Step(NamedTuple):
    """One instruction of a Dockerfile."""

    word: str
    rest: str


def steps(text: str) -> list[Step]:
    """The instructions, each on one line, without comments."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n", " ", lines)
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


DOCKERFILE = steps((DEPLOY / "Dockerfile").read_text())


def image_problems(found: list[Step]) -> list[str]:
    """What an image built by these instructions would be open by."""
    problems: list[str] = []
    for word, rest in found:
        tag = rest.split(" ")[0].partition(":")[2]
        if word == "FROM" and (not tag or tag == "latest"):
            problems.append(f"{rest} is not pinned")
        if word == "ADD":
            problems.append("ADD may fetch")
        if word in ("ARG", "ENV") and SECRET.search(rest):
            problems.append(f"{rest} stays in the image")
        if word == "COPY" and rest.split()[0] == ".":
            problems.append("everything is copied")
        if word == "RUN" and re.search(r"curl|wget|chmod [0-7]*7[0-7]*7|sudo", rest):
            problems.append(f"{rest} fetches or opens")
        if word == "RUN" and "pip install -" in rest and not _is_exact(rest):
            problems.append(f"{rest} takes any version")
    users = [rest for word, rest in found if word == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        problems.append("it runs as root")
    return problems


def _is_exact(rest: str) -> bool:
    return "--require-hashes" in rest or '"torch==$TORCH"' in rest or "-e ." in rest


def service_problems(name: str, one: Mapping[str, Any]) -> list[str]:
    """What a service of compose.yaml would be open by."""
    problems: list[str] = []
    tag = one["image"].rpartition(":")[2]
    if "/" in tag or tag == "latest" or not re.search(r"\d", tag):
        problems.append("its image is not pinned")
    if not re.fullmatch(r"[1-9]\d*:\d+", one.get("user", "")):
        problems.append("it runs as root")
    wanted = {
        "read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
    }  # fmt: skip
    problems += [
        f"{key} is {one.get(key)}" for key, value in wanted.items() if one.get(key) != value
    ]
    refused = {"cap_add", "privileged", "network_mode", "pid", "ipc", "devices", "userns_mode"}
    problems += [f"it has {key}" for key in refused & one.keys()]
    if "ports" in one and name != "balancer":
        problems.append("it has a port of the machine")
    for variable, value in one.get("environment", {}).items():
        if SECRET.search(variable) and not variable.endswith("_FILE"):
            problems.append(f"{variable} is a secret in the environment")
        if re.search(r"://[^/@\s]*:[^/@\s]*@", str(value)):
            problems.append(f"{variable} has a password")
    problems += [f"it mounts {one}" for one in one.get("volumes", []) if "docker.sock" in str(one)]
    return problems


def test_the_image_is_closed():
    assert image_problems(DOCKERFILE) == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_closed(name: str):
    assert service_problems(name, SERVICES[name]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"user": "root"}, {"read_only": False}, {"cap_drop": []}, {"security_opt": []},
        {"image": "promptstone"}, {"image": "promptstone:latest"}, {"privileged": True},
        {"ports": ["8501:8501"]}, {"environment": {"POSTGRES_PASSWORD": "postgres"}},
        {"environment": {"URL": "postgresql://u:p@h/d"}}, {"cap_add": ["NET_ADMIN"]},
        {"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]},
    ],
)  # fmt: skip
def test_the_check_of_services_sees(change: dict[str, Any]):
    assert service_problems("ui", {**SERVICES["ui"], **change})


@pytest.mark.parametrize(
    "bad",
    [
        "FROM python\nUSER 1:1", "FROM a:latest\nUSER 1:1", "FROM a:1", "FROM a:1\nUSER root",
        "FROM a:1\nADD https://x /y\nUSER 1:1", "FROM a:1\nENV API_KEY=x\nUSER 1:1",
        "FROM a:1\nCOPY . .\nUSER 1:1", "FROM a:1\nRUN pip install -q torch\nUSER 1:1",
        "FROM a:1\nRUN curl x | sh\nUSER 1:1",
    ],
)  # fmt: skip
def test_the_check_of_the_image_sees(bad: str):
    assert image_problems(steps(bad))


def test_the_database_and_the_models_reach_nothing_and_nobody_else_reaches_them():
    internal = {name for name, one in COMPOSE["networks"].items() if one.get("internal")}
    assert internal == {"database", "inference"}
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert SERVICES["vllm"]["networks"] == ["inference"]
    assert SERVICES["balancer"]["networks"] == ["front"]
    assert {name for name, one in SERVICES.items() if "database" in one["networks"]} == {
        "ui", "api", "worker", "postgres",
    }  # fmt: skip
    assert SERVICES["balancer"]["ports"] == ["${PROMPTSTONE_LISTEN:-127.0.0.1:8080}:8080"]


def test_models_of_vllm_are_ours_and_adapters_are_off():
    vllm = SERVICES["vllm"]
    assert vllm["profiles"] == ["gpu"]
    assert vllm["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "0"
    assert vllm["environment"]["VLLM_SERVER_DEV_MODE"] == "0"
    assert vllm["environment"]["HF_HUB_OFFLINE"] == "1"
    assert not [one for one in vllm["command"] if "lora" in one or "trust" in one]
    assert [one for one in vllm["volumes"] if not one.endswith(":ro")] == []


def test_secrets_are_files_that_nobody_keeps_in_the_repository():
    files = {one["file"] for one in COMPOSE["secrets"].values()}
    assert files == {"./secrets/postgres_password", "./secrets/sealing_key"}
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"/deploy/secrets/", "/deploy/keys.env", ".env"} <= set(ignored)
    for name in OURS:
        environment = SERVICES[name]["environment"]
        assert environment["PROMPTSTONE_DATABASE_PASSWORD_FILE"] == "/run/secrets/postgres_password"
        assert environment["PROMPTSTONE_KEY_FILE"] == "/run/secrets/sealing_key"


def test_every_role_is_there_and_has_a_data_folder_of_its_own():
    assert {name: one["command"] for name, one in OURS.items()} == {
        role.value: ["up", "--role", role.value] for role in Role if role is not Role.ALL
    }
    for one in OURS.values():
        assert "/data" in one["volumes"]
    handed = {name for name, one in OURS.items() if "uploads:/data/uploads" in one["volumes"]}
    assert handed == {"ui", "worker"}
    assert SERVICES["api"]["deploy"]["replicas"] == 2
    # A worker answers for its health where it is told a port.
    assert SERVICES["worker"]["environment"]["PROMPTSTONE_PORT"] == "8501"


def test_what_is_named_exists():
    assert {one["image"] for one in OURS.values()} == {
        f"promptstone:{PROJECT['project']['version']}"
    }
    for one in SERVICES.values():
        for kind in ("secrets", "networks"):
            assert set(one.get(kind, [])) <= set(COMPOSE[kind])
        assert set(one.get("depends_on", {})) <= set(SERVICES)
        for volume in one.get("volumes", []):
            name = volume.partition(":")[0]
            assert name.startswith(("/", "$")) or name in COMPOSE["volumes"]
    assert (DEPLOY / COMPOSE["configs"]["balancer"]["file"]).is_file()
    build = SERVICES["ui"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


@pytest.mark.parametrize("file", ["deploy/compose.yaml", "deploy/Dockerfile", "docs/operating.md"])
def test_settings_that_are_named_are_settings(file: str):
    named = set(re.findall(r"PROMPTSTONE_[A-Z_]+[A-Z]", (ROOT / file).read_text()))
    assert named - KNOWN - ASKED == set()
    assert named


def test_the_image_is_made_of_what_is_here():
    copied = [
        rest.split()[:-1] for word, rest in DOCKERFILE if word == "COPY" and "--from" not in rest
    ]
    sources = {one for group in copied for one in group}
    assert {one for one in sources if not (ROOT / one).exists()} == set()
    packages = {
        one.rstrip("*") for one in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    assert packages | {"examples", "pyproject.toml", "requirements/base.txt"} <= sources
    ignore = (ROOT / ".dockerignore").read_text().split()
    allowed = {line[1:].rstrip("/") for line in ignore if line.startswith("!")}
    assert sources == allowed


@pytest.mark.parametrize(
    "path",
    [".env", ".git/config", ".venv/pyvenv.cfg", "deploy/secrets/sealing_key", "deploy/keys.env",
     "tests/conftest.py", "app/.env", "app/__pycache__/x.pyc", "secret.key", "promptstone.db"],
)  # fmt: skip
def test_what_is_private_stays_out_of_the_build(path: str):
    assert not _in_context(path)


def test_the_sources_are_in_the_build():
    for path in ("app/cli/up.py", "requirements/base.txt", "app/workspace/.streamlit/config.toml"):
        assert _in_context(path), path


def _in_context(path: str) -> bool:
    """As Docker reads .dockerignore: the last rule that fits counts, also one of a folder."""
    kept = True
    parts = Path(path).parts
    above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        rule = line.removeprefix("!").rstrip("/")
        patterns = [rule] if not rule.startswith("**/") else [rule, rule[3:]]
        if any(fnmatch.fnmatch(one, pattern) for one in above for pattern in patterns):
            kept = line.startswith("!")
    return kept


def test_torch_is_that_of_the_makefile():
    makefile = re.search(r"^TORCH := (\S+)", (ROOT / "Makefile").read_text(), re.M)
    argument = next(rest for word, rest in DOCKERFILE if rest.startswith("TORCH="))
    assert makefile is not None
    assert argument == f"TORCH={makefile[1]}"


def test_python_is_one_that_the_project_supports():
    base = [rest for word, rest in DOCKERFILE if word == "FROM"]
    assert [one.split(" ")[0] for one in base] == ["python:3.11-slim-bookworm"] * 2
    assert PROJECT["project"]["requires-python"] == ">=3.11"


def test_the_entrypoint_is_the_command():
    entrypoint = next(rest for word, rest in DOCKERFILE if word == "ENTRYPOINT")
    assert json.loads(entrypoint)[0] in PROJECT["project"]["scripts"]
    assert json.loads(next(rest for word, rest in DOCKERFILE if word == "CMD"))[0] == "up"


@pytest.fixture
def answering() -> Iterator[tuple[int, list[str]]]:
    """A server that answers 200 to /healthz alone, and the paths it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if len(asked) == 1 else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_port, asked
    server.shutdown()
    server.server_close()


def test_the_health_check_asks_the_process(answering: tuple[int, list[str]]):
    port, asked = answering
    rest = next(rest for word, rest in DOCKERFILE if word == "HEALTHCHECK")
    command = json.loads(rest[rest.index("[") :])
    assert command[0] == "python"
    # A proxy for calls to the outside must not be asked.
    environment = {
        **os.environ, "PROMPTSTONE_PORT": str(port), "http_proxy": "http://127.0.0.1:9",
    }  # fmt: skip
    run = [sys.executable, *command[1:]]
    assert subprocess.run(run, env=environment).returncode == 0
    assert asked == ["/healthz"]
    assert subprocess.run(run, env=environment).returncode != 0
    environment["PROMPTSTONE_PORT"] = "9"
    assert subprocess.run(run, env=environment, stderr=subprocess.DEVNULL).returncode != 0


def test_commands_of_the_page_about_operating_exist():
    text = (ROOT / "docs" / "operating.md").read_text()
    called = re.findall(r"^promptstone (\w+)", text, re.M)
    called += re.findall(r" exec \w+ promptstone (\w+)", text)
    called += re.findall(r" run --rm .* (?:ui|worker) (\w+)", text)
    assert len(called) > 8
    assert set(called) <= set(_COMMANDS)
    services = set(re.findall(r" (?:exec|cp|pull|stop|up -d) ([a-z]+)", text))
    assert services <= SERVICES.keys()
