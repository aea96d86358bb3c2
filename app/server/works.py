"""Work in threads of this process that a page starts and looks at; a restart ends it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from core.errors import PromptstoneError

_KEPT = 20


@dataclass
class Work:
    """One piece of work; `error` is why it ended without what was wanted."""

    error: str | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def lives(self) -> bool:
        return not self.done.is_set()


Key = TypeVar("Key", bound=Hashable)
Done = TypeVar("Done", bound=Work)


class Works(Generic[Key, Done]):
    """The newest work by key; `broken` says what broke off and what to do, {} is the reason."""

    def __init__(self, broken: str) -> None:
        self._broken = broken
        self._known: OrderedDict[Key, Done] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: Key) -> Done | None:
        """The newest work of a key in this process."""
        with self._lock:
            return self._known.get(key)

    def forget(self, key: Key) -> None:
        """It is over, and whoever asked for it has seen it."""
        with self._lock:
            self._known.pop(key, None)

    def begin(self, key: Key, made: Done, work: Callable[[Done], None]) -> Done:
        """Begin in a thread; what is under way for the key is not begun again."""
        with self._lock:
            known = self._known.get(key)
            if known is not None and known.lives:
                return known
            self._known[key] = made
            self._known.move_to_end(key)
            while len(self._known) > _KEPT:
                self._drop_oldest()
        threading.Thread(target=self._run, args=(made, work), daemon=True).start()
        return made

    def _drop_oldest(self) -> None:
        over = next((key for key, one in self._known.items() if not one.lives), None)
        if over is None:
            self._known.popitem(last=False)
        else:
            del self._known[over]

    def _run(self, made: Done, work: Callable[[Done], None]) -> None:
        try:
            work(made)
        except PromptstoneError as error:
            made.error = error.message
        except Exception as error:
            made.error = self._broken.format(f"{type(error).__name__}: {error}")
        finally:
            made.done.set()
