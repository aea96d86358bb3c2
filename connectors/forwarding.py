"""A provider's chat stream under our id and model name, in whole events. Pure.

Most events of a stream differ from each other in the text alone. So an event with text is parsed
once, and what stands around the text is remembered, the provider's and ours: the next event that
begins and ends like it goes on by putting our frame around its text. Any other event (tool calls, a
reason to finish, usage, an error) is parsed and written anew.
"""

from dataclasses import dataclass
from typing import cast

import orjson

from connectors.answers import MAX_LINE, Garbage, Reply, TooLarge, add_chunk, parse_json, read_usage
from connectors.wire import Usage

Value = dict[str, object]

_FRAMES = 64
"""How often a stream's frame is learnt: where each event is another, parsing is cheaper."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands before and after the text of an event: the provider's, and ours.

    `length` is that of an event without text; `end` is how one ends with its blank line.
    """

    before: bytes
    after: bytes
    our_before: bytes
    our_after: bytes
    length: int
    end: bytes


class Forwarder:
    """What may go on of one stream; `usage_asked` lets the chunk with usage and no choice pass.

    `started` once something was said, `ended` once the provider said `[DONE]`.
    """

    def __init__(self, request_id: str, model: str, *, usage_asked: bool = False) -> None:
        self.started = self.ended = self.usage_passed = False
        self._names: Value = {"id": request_id, "model": model}
        self._usage_asked = usage_asked
        self._reply = Reply()
        self._texts: list[str] = []
        self._frame: _Frame | None = None
        self._learnt = 0
        self._rest = bytearray()
        self._return = False

    def feed(self, data: bytes) -> bytes:
        """The events that are whole now. Raises Garbage, TooLarge, ErrorEvent."""
        frame = self._frame
        one = data.find(b"\n\n") == len(data) - 2
        if one and frame is not None and not self._rest and data.endswith(frame.end):
            # Most pieces are one such event, and a stream has as many as tokens.
            made = self._framed(frame, data[:-2])
            if made is not None:
                return made
        if self._return or b"\r" in data:
            data = self._with_line_feeds(data)
        if self._rest or not data.endswith(b"\n\n"):
            data = self._whole(data)
        if self.ended:
            return b""
        return b"".join(map(self._event, data.split(b"\n\n")))

    def close(self) -> bytes:
        """The last event of a stream that ends without a line feed."""
        return self.feed(b"\n\n") if self._rest else b""

    @property
    def usage(self) -> Usage | None:
        """What the provider told, once it did."""
        return self._reply.usage

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended, once it did."""
        return self._reply.finish_reason

    def read(self) -> Reply:
        """What was said so far."""
        self._reply.text = "".join(self._texts)
        return self._reply

    def _with_line_feeds(self, data: bytes) -> bytes:
        """All line ends as one; a return at the end waits for its line feed."""
        data = b"\r" + data if self._return else data
        self._return = data.endswith(b"\r")
        if self._return:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _whole(self, data: bytes) -> bytes:
        """Everything up to the last end of an event; the rest is kept."""
        seen = max(0, len(self._rest) - 6)
        self._rest += data
        end = self._rest.rfind(b"\n\n", seen) + 2
        if end < 2:
            # Some servers end an event with a single line feed: the next `data:` shows it.
            end = self._rest.rfind(b"\ndata:", seen) + 1
        if len(self._rest) - end > MAX_LINE:
            raise TooLarge("a line of the stream has more than 1 MiB")
        made = bytes(self._rest[:end])
        del self._rest[:end]
        return made

    def _event(self, event: bytes) -> bytes:
        if self.ended:
            return b""
        made = None if self._frame is None else self._framed(self._frame, event)
        return self._parsed(event) if made is None else made

    def _framed(self, frame: _Frame, event: bytes) -> bytes | None:
        """The event in our frame; None when it is not text in the provider's."""
        if not (event.startswith(frame.before) and event.endswith(frame.after)):
            return None
        if not frame.length <= len(event) <= MAX_LINE:
            return None
        inner = event[len(frame.before) : -len(frame.after)]
        try:
            # As a JSON string it is whole: no quote ends it early, every escape is one.
            self._texts.append(orjson.loads(b'"%b"' % inner))
        except orjson.JSONDecodeError:
            return None
        return b"%b%b%b" % (frame.our_before, inner, frame.our_after)

    def _parsed(self, event: bytes) -> bytes:
        made: list[bytes] = []
        for line in event.split(b"\n"):
            if len(line) > MAX_LINE:
                raise TooLarge("a line of the stream has more than 1 MiB")
            if self.ended:
                break
            if not line.startswith(b"data:"):
                continue
            payload = line[5:].strip()
            if payload == b"[DONE]":
                self.ended, self._frame = True, None
            else:
                made.append(self._written_anew(line, parse_json(payload)))
        return b"".join(made)

    def _written_anew(self, line: bytes, value: Value) -> bytes:
        text = add_chunk(self._reply, value)
        choice = _first_choice(value)
        if choice is None:
            if not self._usage_asked or read_usage(value.get("usage")) is None:
                return b""
            self.usage_passed = True
        else:
            self.started = self.started or bool(choice.get("finish_reason")) or _says(choice)
        try:
            made = b"data: %b\n\n" % orjson.dumps(value | self._names)
        except TypeError as error:
            raise Garbage(f"a chunk that cannot be written again: {error}") from None
        if text:
            self._texts.append(text)
            if self._learnt < _FRAMES:
                self._learnt += 1
                self._frame = _frame_of(line, made, text)
        return made


def _frame_of(line: bytes, made: bytes, text: str) -> _Frame | None:
    """What stands around `text` in a provider's event and in ours."""
    theirs, ours = _around(line, text), _around(made, text)
    if theirs is None or ours is None or _text_within(theirs, b"~") != "~":
        return None
    return _Frame(*theirs, *ours, len(theirs[0]) + len(theirs[1]), theirs[1] + b"\n\n")


def _around(event: bytes, text: str) -> tuple[bytes, bytes] | None:
    written = orjson.dumps(text)
    for name in (b'"content":', b'"content": '):
        before, found, after = event.partition(name + written)
        if found and name + written not in after:
            return before + name + b'"', b'"' + after
    return None


def _text_within(frame: tuple[bytes, bytes], inner: bytes) -> str:
    """The text that a reader finds in a frame."""
    value = parse_json(b"%b%b%b" % (frame[0].removeprefix(b"data:"), inner, frame[1]))
    return add_chunk(Reply(), value)


def _first_choice(value: Value) -> Value | None:
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices:
        return None
    first = cast(list[object], choices)[0]
    return cast(Value, first) if isinstance(first, dict) else None


def _says(choice: Value) -> bool:
    """Whether a delta has more than a role: text, a refusal, tool calls, reasoning."""
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return False
    return any(said for name, said in cast(Value, delta).items() if name != "role")
