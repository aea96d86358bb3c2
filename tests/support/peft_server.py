"""A PEFT worker's own server in front of an engine without a model: `python peft_server.py NOTE`.

Started in the place of `python -m tuning.trainer.serve`. The engine says the words of the last
message again, one a token; `slowly N` says N words with a pause after each, `fall` and `forget`
break it.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tuning.trainer.serve_http import Served, Server
from tuning.trainer.serve_line import Line
from tuning.trainer.serve_wire import Ask, Bad, Begun, ChatAsk, End, Piece, TextAsk

CONTEXT = 64


class Echo:
    """Counts what it said, so that a test sees when it stopped."""

    said = 0

    def answer(
        self, ask: Ask, tell: Callable[[Begun | Piece | End], None], gone: Callable[[], bool]
    ) -> None:
        text = ask.messages[-1].content if isinstance(ask, ChatAsk) else "again"
        if isinstance(ask, TextAsk) and isinstance(ask.prompt, str):
            text = ask.prompt
        words = text.split()
        if len(words) >= CONTEXT:
            raise Bad(f"the context is {CONTEXT}", code="context_length_exceeded")
        tell(Begun(list(range(len(words)))))
        if words[:1] == ["fall"]:
            raise RuntimeError("it fell")
        if words[:1] == ["forget"]:
            raise MemoryError
        slow = words[:1] == ["slowly"]
        words = ["word"] * int(words[1]) if slow else words
        for number, word in enumerate(words[: ask.most]):
            if gone():
                return
            self.said += 1
            tell(Piece(f"{word} ", [number]))
            time.sleep(0.02 if slow else 0)
        tell(End("length" if ask.most is not None and len(words) > ask.most else "stop"))


def main() -> None:
    """Until killed; an adapter whose settings say so misbehaves."""
    note = json.loads(Path(sys.argv[1]).read_bytes())
    config = json.loads((Path(note["adapter"]) / "adapter_config.json").read_bytes())
    print(f"pid {os.getpid()}", flush=True)
    print("seen", *(name for name in os.environ if "SECRET" in name), flush=True)
    if config.get("misbehave"):
        print(f"error: {config['misbehave']}", flush=True)
        sys.exit(1)
    served = Served(note["alias"], note["key"], note["context"])
    server = Server(note["port"], served, Line(Echo(), note["queue"]), note["queue"])
    server.serve_forever()


if __name__ == "__main__":
    main()
