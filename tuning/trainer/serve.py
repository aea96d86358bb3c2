"""`python -m tuning.trainer.serve NOTE`: a base with an adapter behind OpenAI's API, on loopback.

NOTE is a JSON file of what to serve: base, adapter (or null), cache (of folders that GGUF files
were turned into), alias, port, key, context, queue. It is read once, so that no key stands in a
command line. Its guard ends it.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from tuning.trainer.contain import leave_networks
from tuning.trainer.refusal import Refused, is_memory


def main() -> int:
    """Serve until killed; the log tells how far it is in the words of vLLM's."""
    note = json.loads(Path(sys.argv[1]).read_bytes())
    leave_networks()
    print(f"Starting to load model {note['alias']}", flush=True)
    try:
        serve(note)
    except Refused as error:
        print(f"error: {error}", flush=True)
        return 1
    except Exception as error:
        if not is_memory(error):
            raise
        print("torch.OutOfMemoryError: CUDA out of memory, or the machine's", flush=True)
        return 1
    return 0


def serve(note: dict[str, Any]) -> None:
    """Load and answer. Raises Refused."""
    since = time.monotonic()
    from tuning.trainer.serve_http import Served, Server
    from tuning.trainer.serve_line import Line
    from tuning.trainer.serve_model import Model

    cache = Path(note["cache"])
    adapter = None if note["adapter"] is None else Path(note["adapter"])
    model = Model(Path(note["base"]), adapter, cache, note["context"])
    print(f"Loading weights took {time.monotonic() - since:.1f} seconds", flush=True)
    served = Served(note["alias"], note["key"], model.context)
    server = Server(note["port"], served, Line(model, note["queue"]), note["queue"])
    print("Application startup complete.", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
