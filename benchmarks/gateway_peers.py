"""The gateways that calls go through, each in an environment of its own outside of the repository."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.environments import cache, venv

KEY = "sk-bench-0123456789"
LITELLM = "1.102.4"
"""Never 1.82.7, 1.82.8 or 1.107.0, which stole credentials; its wheel carries no .pth file."""
PORTKEY = "1.15.2"
VLLM_ROUTER = "0.1.17"
_BODY = {"messages": [{"role": "user", "content": "Write one sentence about topic 7."}]}


def end_in_order() -> None:
    """A time-out's SIGTERM ends what was started, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Subject:
    """What calls go through; `pid` is the root of its processes, None for none."""

    name = ""
    version = ""
    pid: int | None = None
    port = 0
    counted = True
    """Whether its CPU is its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="promptstone-gateway-"))
        self.process: subprocess.Popen[bytes] | None = None

    def install(self) -> str | None:
        """None when it is there, else why not."""
        return None

    def start(self, upstream: int) -> None:
        """Serve until `stop`; calls go on to the upstream's port."""
        raise NotImplementedError

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEY}"}

    def body(self, model: str, *, stream: bool) -> str:
        asked = {"model": model, **_BODY}
        return json.dumps(asked | {"stream": True} if stream else asked)

    def run(self, command: list[str], **environment: str) -> None:
        """Start a process that knows nothing of this one's secrets, and wait until it answers."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={**kept, "HOME": str(self.folder), **environment}, start_new_session=True,
            )  # fmt: skip
        self.pid = self.process.pid
        self.wait()

    def wait(self) -> None:
        """Until a call is answered."""
        deadline = time.monotonic() + 120
        while True:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {self.log()}")
            try:
                if b"word0" in self.ask():
                    return
            except (OSError, urllib.error.HTTPError) as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name}: {error}: {self.log()}") from None
            time.sleep(0.2)

    def ask(self) -> bytes:
        """One call, by plain means."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        headers = {"Content-Type": "application/json", **self.headers()}
        address = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        body = self.body("fast", stream=False).encode()
        with opener.open(urllib.request.Request(address, body, headers), timeout=20) as answer:
            return answer.read()

    def log(self) -> str:
        return (self.folder / "log").read_bytes()[-2000:].decode("utf-8", "replace")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Direct(Subject):
    """The upstream itself."""

    name = "direct"
    counted = False

    def start(self, upstream: int) -> None:
        self.port = upstream


class Nginx(Subject):
    """The floor: bytes passed on, nothing checked."""

    name = "nginx"

    def install(self) -> str | None:
        found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None:
            return "not installed (apt-get install nginx-light)"
        self.program = found
        told = subprocess.run([found, "-v"], capture_output=True, text=True).stderr
        self.version = told.strip().rpartition("/")[2]
        return None

    def start(self, upstream: int) -> None:
        self.port = free_port()
        folder = self.folder
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error;"
            "events { worker_connections 4096; } http { access_log off;"
            f"client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;"
            f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;"
            f"upstream model {{ server 127.0.0.1:{upstream}; keepalive 256; }}"
            f"server {{ listen 127.0.0.1:{self.port}; keepalive_requests 1000000000; location / {{"
            "proxy_pass http://model; proxy_http_version 1.1; proxy_buffering off;"
            'proxy_set_header Connection ""; } } }'
        )
        command = [self.program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        self.run([*command, "-e", str(folder / "error")])


class LiteLLM(Subject):
    """The proxy with a master key and two models; without a database it logs no spend."""

    name = "litellm"
    version = LITELLM
    settings: dict[str, object] = {}  # noqa: RUF012
    environment: dict[str, str] = {}  # noqa: RUF012

    def install(self) -> str | None:
        self.program = venv(f"litellm-{LITELLM}", "litellm", f"litellm[proxy]=={LITELLM}")
        return None if self.program.exists() else "pip could not install it"

    def start(self, upstream: int) -> None:
        self.port = free_port()
        at = f"http://127.0.0.1:{upstream}/v1"
        parameters = {"api_base": at, "api_key": "none"}
        prices = {"input_cost_per_token": 1e-7, "output_cost_per_token": 4e-7}
        models = [
            {"model_name": name,
             "litellm_params": {"model": f"openai/{name}", **parameters, **prices}}
            for name in ("fast", "paced-10")
        ]  # fmt: skip
        config = {
            "model_list": models, "general_settings": {"master_key": KEY},
            "litellm_settings": self.settings,
        }  # fmt: skip
        (self.folder / "config.yaml").write_text(json.dumps(config))
        self.run(
            [str(self.program), "--config", "config.yaml", "--host", "127.0.0.1",
             "--port", str(self.port), "--num_workers", "1", "--telemetry", "False"],
            LITELLM_LOCAL_MODEL_COST_MAP="True", NO_DOCS="True", **self.environment,
        )  # fmt: skip


class LiteLLMTuned(LiteLLM):
    """As its own page on production advises: errors alone in the log, no debugging, no retries."""

    name = "litellm tuned"
    settings = {"set_verbose": False, "json_logs": True, "num_retries": 0, "request_timeout": 600}  # noqa: RUF012
    environment = {"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}  # noqa: RUF012


class Portkey(Subject):
    """Node; the provider and its address come with each call, keys are not checked."""

    name = "portkey"
    version = PORTKEY

    def install(self) -> str | None:
        folder = cache() / f"portkey-{PORTKEY}"
        self.program = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
        if shutil.which("npm") is None:
            return "npm is not installed"
        if not self.program.exists():
            folder.mkdir(parents=True, exist_ok=True)
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
            subprocess.run(
                [*command, f"@portkey-ai/gateway@{PORTKEY}"], capture_output=True, timeout=900
            )
        return None if self.program.exists() else "npm could not install it"

    def headers(self) -> dict[str, str]:
        host = f"http://127.0.0.1:{self.upstream}/v1"
        return super().headers() | {"x-portkey-provider": "openai", "x-portkey-custom-host": host}

    def start(self, upstream: int) -> None:
        self.port, self.upstream = free_port(), upstream
        self.run(
            ["node", str(self.program), f"--port={self.port}", "--headless"],
            TRUSTED_CUSTOM_HOSTS="127.0.0.1,localhost", NODE_ENV="production",
        )  # fmt: skip


class VllmRouter(Subject):
    """vLLM's own router, in Rust: it chooses a worker, no keys and no traces."""

    name = "vllm-router"
    version = VLLM_ROUTER

    def install(self) -> str | None:
        folder = f"vllm-router-{VLLM_ROUTER}"
        self.program = venv(folder, "vllm-router", f"vllm-router=={VLLM_ROUTER}")
        return None if self.program.exists() else "pip could not install it"

    def start(self, upstream: int) -> None:
        self.port = free_port()
        self.run(
            [str(self.program), "--host", "127.0.0.1", "--port", str(self.port),
             "--worker-urls", f"http://127.0.0.1:{upstream}", "--policy", "round_robin",
             "--log-level", "error", "--prometheus-port", str(free_port())],
        )  # fmt: skip
