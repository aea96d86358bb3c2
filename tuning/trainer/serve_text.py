"""An answer's text as its tokens come: told as soon as it cannot change, cut at a stop. Pure."""

from collections.abc import Callable

from tuning.trainer.serve_wire import Piece

_OPEN = "\ufffd"
"""What a decoder writes for a character of which only some bytes came."""


class Text:
    """Tells pieces whose sum is the decoded answer; all of it is decoded each time.

    So a stream says what the whole would: a decoder writes spaces by what stands before them.
    """

    def __init__(
        self,
        decode: Callable[[list[int]], str],
        stops: tuple[str, ...],
        tell: Callable[[Piece], None],
    ) -> None:
        self._decode, self._stops, self._tell = decode, stops, tell
        self._longest = max(map(len, stops), default=0)
        self._ids: list[int] = []
        self._told_ids = self._told = 0
        self._cut: int | None = None
        self._ended = False

    def add(self, token: int, *, last: bool) -> bool:
        """A further token; `last` is one that ends answers and has no text. Whether it ended."""
        self._ids.append(token)
        text = self._text(last)
        self._cut = self._found(text)
        if self._cut is not None:
            self._say(text[: self._cut])
        elif not text.endswith(_OPEN):
            # What may be the beginning of a stop is kept back.
            held = max(0, self._longest - 1)
            self._say(text if last else text[: max(0, len(text) - held)])
        self._ended = last
        return last or self._cut is not None

    def flush(self) -> None:
        """Nothing follows."""
        if not self._ids:
            return
        text = self._text(self._ended)
        self._say(text if self._cut is None else text[: self._cut], even_none=True)

    def _text(self, last: bool) -> str:
        return self._decode(self._ids[:-1] if last else self._ids)

    def _found(self, text: str) -> int | None:
        """Where the first stop begins, which nothing before has told."""
        after = max(0, self._told - self._longest)
        places = [text.find(stop, after) for stop in self._stops]
        return min((place for place in places if place >= 0), default=None)

    def _say(self, text: str, *, even_none: bool = False) -> None:
        more, ids = text[self._told :], self._ids[self._told_ids :]
        if more or (even_none and ids):
            self._told, self._told_ids = self._told + len(more), len(self._ids)
            self._tell(Piece(more, ids))
