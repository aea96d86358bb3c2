"""Calls of a PEFT worker in their line: one is answered at a time, and few may wait."""

import os
import queue
import threading
from collections.abc import Callable
from typing import Protocol

from tuning.trainer.refusal import is_memory
from tuning.trainer.serve_wire import Ask, Bad, Begun, End, Event, Piece


class Engine(Protocol):
    """What answers: it tells Begun, pieces and End, and stops soon when the caller is `gone`."""

    def answer(
        self, ask: Ask, tell: Callable[[Begun | Piece | End], None], gone: Callable[[], bool]
    ) -> None:
        """Raises Bad."""
        ...


class Call:
    """One call; `events` end with an End or a Bad."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.gone = threading.Event()


class Line:
    """First come, first served, by one thread."""

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._waiting: queue.Queue[Call] = queue.Queue(most)
        self._running = 0
        self._read = self._made = 0
        threading.Thread(target=self._work, name="line", daemon=True).start()

    def put(self, call: Call) -> None:
        """Have it answered in its turn. Raises Bad when too many wait."""
        try:
            self._waiting.put_nowait(call)
        except queue.Full:
            raise Bad("Too many calls wait for this model. Ask again later.", 429) from None

    def metrics(self) -> str:
        """In Prometheus' text format."""
        told = {
            "peft:requests_running": self._running,
            "peft:requests_waiting": self._waiting.qsize(),
            "peft:prompt_tokens_total": self._read,
            "peft:generation_tokens_total": self._made,
        }
        return "".join(f"{name} {value}\n" for name, value in told.items())

    def _work(self) -> None:
        while True:
            call = self._waiting.get()
            if call.gone.is_set():
                continue
            self._running = 1
            call.events.put(self._answered(call) or End("stop"))
            self._running = 0

    def _answered(self, call: Call) -> Event | None:
        """The event that ends it."""
        ends: list[End] = []

        def tell(event: Begun | Piece | End) -> None:
            if isinstance(event, End):
                ends.append(event)
                return
            if isinstance(event, Begun):
                self._read += len(event.prompt)
            else:
                self._made += len(event.ids)
            call.events.put(event)

        try:
            self._engine.answer(call.ask, tell, call.gone.is_set)
        except Bad as bad:
            return bad
        except Exception as error:
            return _broken(error)
        return ends[-1] if ends else None


def _broken(error: Exception) -> Bad:
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    print(f"error: a call failed ({said})", flush=True)
    if is_memory(error):
        return Bad("The memory is used up by this call. Shorten it, or ask again later.", 503)
    if "CUDA error" in said:
        # Nothing works on this GPU in this process any more; whoever watches starts another.
        os._exit(70)
    return Bad("The model could not answer. Read the backend's log.", 500)
