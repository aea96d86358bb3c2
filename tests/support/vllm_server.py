"""Speaks as much of vLLM's wire as a watcher uses: `python vllm_server.py OPTIONS...`.

Started in the place of `python -m vllm.entrypoints.openai.api_server`, with the same options and
environment, behind the same door. `--model` names a folder; one whose config says "misbehave"
does that: `die`, `oom`, `mute`, `slow-SECONDS`. A child process stands for vLLM's engine.
"""

import argparse
import asyncio
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn

LOADED: dict[str, str] = {}
COUNTS = {"prompt": 0, "made": 0}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("-m")
    for name in ("model", "served-model-name", "host", "port", "middleware", "max-lora-rank"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--enable-lora", action="store_true")
    return parser.parse_known_args()[0]


ASKED = options()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The routes."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    status, answer = respond(scope["path"], json.loads(body) if body else {})
    text = answer if isinstance(answer, str) else json.dumps(answer)
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def respond(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    known = [ASKED.served_model_name, *LOADED]
    if path == "/health":
        return 200, ""
    if path == "/v1/models":
        return 200, {"data": [{"id": name} for name in known]}
    if path == "/metrics":
        return 200, (
            f"vllm:num_requests_running 0.0\nvllm:generation_tokens_total {COUNTS['made']}\n"
            f"vllm:prompt_tokens_total {COUNTS['prompt']}\n"
        )
    if path == "/v1/load_lora_adapter":
        return load(body)
    if path == "/v1/unload_lora_adapter":
        return (200, "ok") if LOADED.pop(body["lora_name"], None) else (404, error("not found"))
    if body.get("model") not in known:
        return 404, error("no such model")
    COUNTS["prompt"] += 3
    COUNTS["made"] += 2
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    said = {"role": "assistant", "content": json.dumps(body, sort_keys=True)}
    choice = {"index": 0, "message": said, "text": "a", "finish_reason": "stop"}
    told = as_trained(body) if body.get("return_token_ids") else {}
    choice["token_ids"] = told.get("answer_ids")
    answer = {"model": body["model"], "choices": [choice], "usage": usage}
    return 200, {**answer, "prompt_token_ids": told.get("prompt_ids")}


def as_trained(body: dict[str, Any]) -> dict[str, Any]:
    """What the adapter's trainer said to these messages."""
    reference = json.loads((Path(LOADED[body["model"]]) / "reference.json").read_text())
    return next(one for one in reference["answers"] if one["messages"] == body["messages"])


def load(body: dict[str, Any]) -> tuple[int, Any]:
    if not ASKED.enable_lora or os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") != "1":
        return 404, error("off")
    rank = json.loads((Path(body["lora_path"]) / "adapter_config.json").read_text())["r"]
    if rank > int(ASKED.max_lora_rank):
        return 400, error(f"LoRA rank {rank} is greater than max_lora_rank {ASKED.max_lora_rank}.")
    if body["lora_name"] in LOADED:
        return 400, error("it has already been loaded")
    LOADED[body["lora_name"]] = body["lora_path"]
    return 200, "Success"


def error(text: str) -> dict[str, Any]:
    return {"error": {"message": text}}


def main() -> None:
    config = json.loads((Path(ASKED.model) / "config.json").read_text())
    does = str(config.get("misbehave", ""))
    print(f"pid {os.getpid()}", flush=True)
    if does == "die":
        print("ValueError: nothing is there.", flush=True)
        sys.exit(1)
    if does == "oom":
        print("torch.OutOfMemoryError: CUDA out of memory.", flush=True)
        sys.exit(1)
    print("Loading safetensors checkpoint shards:  50% Completed | 1/2", flush=True)
    if does.startswith("slow"):
        time.sleep(float(does.partition("-")[2]))
    # vLLM's engine hides its environment and outlives a killed front.
    engine = subprocess.Popen(
        [sys.executable, "-S", "-c", "import time; time.sleep(600)"], env={"ENGINE": ASKED.model}
    )
    print(f"engine {engine.pid}", flush=True)
    if does == "mute":
        time.sleep(600)
    module, _, name = ASKED.middleware.rpartition(".")
    door = getattr(importlib.import_module(module), name)
    config = uvicorn.Config(door(app), host=ASKED.host, port=int(ASKED.port), log_level="error",
                            lifespan="off", access_log=False)  # fmt: skip
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
