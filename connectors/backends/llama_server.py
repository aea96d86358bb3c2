"""A GGUF file served by llama.cpp in a process of its own: `python -P llama_server.py NOTE`.

NOTE is a JSON file of what to serve: model, alias, port, key, context, slots, threads. It is read
once, at the start, so that no key stands in a command line.
"""

import importlib
import json
import sys
import threading
from pathlib import Path
from typing import Any


def main(note: Path) -> None:
    """Serve until killed."""
    asked = json.loads(note.read_bytes())
    server = start(asked)
    print(f"listening at {server.listening_address}", flush=True)
    threading.Event().wait()


def start(asked: dict[str, Any]) -> Any:
    """A llama.cpp server on loopback that answers only who knows the key."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = asked["model"]
    params.model_alias = {asked["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = asked["port"]
    params.api_keys = [asked["key"]]
    params.n_ctx = asked["context"]
    params.n_parallel = asked["slots"]
    # One pool for all slots: a single long prompt may use the whole context.
    params.kv_unified = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = asked["threads"]
    params.endpoint_metrics = True
    params.endpoint_slots = params.endpoint_props = False
    params.ui = False
    params.offline = True
    params.verbosity = 1
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
