"""`promptstone up` with a vLLM of ours, adapters on it, and an app on each; all in one folder."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.opening import open_database
from benchmarks.gateway_peers import free_port
from benchmarks.processes import ROOT
from connectors.backends import notes
from connectors.backends import service as backends
from connectors.backends.formats import check_model
from connectors.backends.models import BackendSettings
from connectors.backends.notes import Note
from core.clock import new_id
from core.settings import load_settings
from serving import aliases
from serving.key_forms import KeyCreate
from serving.keys import create_key
from tests.support.apps import ACTOR, make_app, push, release
from tests.support.models import safetensors
from tuning import jobs, serving
from tuning.bases import hash_of
from tuning.checkpoints import seal
from tuning.folders import adapter_folder
from tuning.manifest import BaseRef, Manifest, RowsRef
from tuning.methods import Knobs, Lora, Sft

BACKEND = "bench"
READY_SECONDS = 1200


class Bench:
    """The server as users start it, and its database to prepare it by."""

    def __init__(self, source: Path, adapters: int, concurrency: int, context: int) -> None:
        self.source = source
        self.folder = Path(tempfile.mkdtemp(prefix="promptstone-backends-"))
        self.data, self.port = self.folder / "data", free_port()
        self.database = open_database(load_settings(self.data))
        settings = BackendSettings(
            kind="vllm", source=str(source), lora=True, max_adapters=adapters + 1, max_rank=16,
            concurrency=concurrency, context=context,
        )  # fmt: skip
        with self.database.session_scope(ACTOR) as session:
            backends.add_backend(session, BACKEND, settings)
            backends.start_backend(session, BACKEND)
        command = [sys.executable, "-m", "app.cli.main", "--data-dir", str(self.data), "up"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)], cwd=ROOT, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    def ready(self) -> Note:
        """Where vLLM answers, once it does."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            note = notes.read_note(self.data, BACKEND)
            if note is not None and note.state == "ready" and self._answers():
                return note
            if self.process.poll() is not None or (note is not None and note.final):
                break
            time.sleep(0.2)
        raise RuntimeError(f"no vLLM: {note}: {(self.folder / 'log').read_text()[-2000:]}")

    def _answers(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with suppress(OSError):
            opener.open(f"http://127.0.0.1:{self.port}/readyz", timeout=5).close()
            return True
        return False

    def trained(self, name: str) -> None:
        """A job that ended, with an adapter of rank 8 that changes nothing."""
        job_id, config = new_id(), check_model(self.source).config
        folder = adapter_folder(self.data, job_id)
        folder.mkdir(parents=True)
        targets = ["q_proj", "v_proj"]
        (folder / "adapter_config.json").write_text(json.dumps({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 8, "lora_alpha": 16,
            "target_modules": targets, "base_model_name_or_path": str(self.source),
            "bias": "none", "lora_dropout": 0.0, "use_dora": False, "use_rslora": False,
        }))  # fmt: skip
        (folder / "adapter_model.safetensors").write_bytes(safetensors(_shapes(config)))
        sealed = seal(folder)
        rows = RowsRef(dataset="none", version=1, dataset_hash="", rows=1, hash="")
        base = BaseRef(name=BACKEND, path=str(self.source), hash=hash_of(self.source))
        manifest = Manifest(
            base=base, data=rows, evaluation=None, method=Sft(), adapter=Lora(rank=8),
            knobs=Knobs(), params={}, samples=(), code="bench",
        )  # fmt: skip
        with self.database.session_scope(ACTOR) as session:
            job = jobs.create(session, job_id, name, manifest)
            job.status, job.result = "completed", {"adapter_hash": sealed.hash}
            session.add(job)

    def publish(self, name: str) -> float:
        """Seconds from the ask until vLLM holds the adapter."""
        started = time.perf_counter()
        with self.database.session_scope(ACTOR) as session:
            serving.publish(session, self.data, name)
        served = None
        while served is None:
            with suppress(Exception):
                served = self.served(name)
            time.sleep(0.002)
        while served not in (self.ready_note().adapters):
            time.sleep(0.002)
        return time.perf_counter() - started

    def over(self, name: str) -> None:
        """Until the job says that its model is served."""
        while True:
            with self.database.read_scope() as session:
                now = serving.serving_of(jobs.get(session, self.data, name))
            if now is not None and now.state in serving.OVER:
                assert now.state == "ready", now.reason
                return
            time.sleep(0.05)

    def unpublish(self, name: str) -> None:
        """Take it down, until vLLM has let go of it."""
        served = self.served(name)
        with self.database.session_scope(ACTOR) as session:
            serving.unpublish(session, name)
        while served in self.ready_note().adapters:
            time.sleep(0.01)

    def served(self, name: str) -> str:
        """What vLLM calls a model."""
        with self.database.read_scope() as session:
            held = backends.adapters_of(session, BACKEND)
        return next(one.served_name for one in held if one.model == name)

    def ready_note(self) -> Note:
        note = notes.read_note(self.data, BACKEND)
        assert note is not None, "vLLM ended"
        return note

    def app(self, name: str, model: str, text: str, role: str, params: dict[str, Any]) -> None:
        """An app in production, of a prompt of one message."""
        push(self.database, text, name, role)
        make_app(self.database, name, prompt=name, model=model, params=params)
        number = release(self.database, name).number
        with self.database.session_scope(ACTOR) as session:
            aliases.promote(session, name, number, "production")

    def headers(self, *apps: str) -> dict[str, str]:
        """Of a key that may call them as much as it likes."""
        wanted = KeyCreate(
            name=f"bench-{apps[0]}", apps=apps, rpm=10**9, tpm=2 * 10**9, streams=10**5,
            budget_day=Decimal(10**6),
        )  # fmt: skip
        with self.database.session_scope(ACTOR) as session:
            return {"Authorization": f"Bearer {create_key(session, wanted).key}"}

    def stop(self) -> None:
        """End the server, and with it vLLM."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.database.close()


def _shapes(config: Any) -> dict[str, list[int]]:
    """The tensors of LoRA on the queries and values of a model like Llama."""
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    width = int(config.get("head_dim") or hidden // heads)
    outs = {"q_proj": heads * width, "v_proj": int(config["num_key_value_heads"]) * width}
    found: dict[str, list[int]] = {}
    for layer in range(int(config["num_hidden_layers"])):
        for name, out in outs.items():
            place = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            found[f"{place}.lora_A.weight"] = [8, hidden]
            found[f"{place}.lora_B.weight"] = [out, 8]
    return found
