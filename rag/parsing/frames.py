"""Results on their way from the confined process to ours: JSON and text with lengths in front.

`sent` limits what the receiver takes, whatever the sender claims.
"""

import json
import os
import signal
import struct
from dataclasses import dataclass
from typing import Any

from rag.parsing.extract import Extract, plain

HEAD = struct.Struct(">IQ")
MAX_HEAD_BYTES = 4 << 20
TOO_MUCH_MEMORY = "It needs more memory to read than one file may take. Split it."
TOO_DEEP = "It is nested deeper than any real document. Save it in a simpler form and add that."
CRASHED = "Its reader crashed on it. Open it, save it again and add that."


@dataclass(frozen=True)
class Result:
    """Either an extract or the sentence of a refusal."""

    name: str
    digest: str
    extract: Extract | None
    reason: str | None


def stumbled(error: Exception) -> str:
    """The sentence for an error that no reader foresaw."""
    return f"It is damaged ({type(error).__name__}). Open it, save it again and add that."


def ended(status: int, seconds: int) -> str:
    """The sentence for a process that ended with `status`, as waitpid gives it."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in (signal.SIGALRM, signal.SIGXCPU):
            return f"It takes longer than {seconds} seconds to read. Split it into smaller files."
        if number == signal.SIGKILL:
            return TOO_MUCH_MEMORY
    return CRASHED


def send(stream: int, result: Result) -> None:
    """Write one result whole."""
    head: dict[str, Any] = {"name": result.name, "digest": result.digest, "reason": result.reason}
    body = b""
    if result.extract is not None:
        extract = result.extract
        head |= {"media": extract.media, "title": extract.title}
        head |= {"pages": extract.pages, "notes": extract.notes}
        body = plain(extract.text).encode()
    packed = json.dumps(head).encode("ascii")
    view = memoryview(HEAD.pack(len(packed), len(body)) + packed + body)
    while view:
        view = view[os.write(stream, view) :]


def received(head: bytes, body: bytes) -> Result:
    """The result of one frame; raises ValueError when its parts have other types than these."""
    values = json.loads(head)
    name, digest, reason = values["name"], values["digest"], values["reason"]
    _require(isinstance(name, str) and isinstance(digest, str) and len(digest) == 64)
    if reason is not None:
        _require(isinstance(reason, str))
        return Result(name, digest, None, plain(reason)[:1500])
    media, title, pages, notes = (values[key] for key in ("media", "title", "pages", "notes"))
    text = body.decode()
    _require(isinstance(media, str) and isinstance(title, str | None))
    _require(isinstance(pages, list) and all(_offset(page, text) for page in pages))
    _require(isinstance(notes, list) and all(isinstance(note, str) for note in notes))
    return Result(name, digest, Extract(media, text, title, tuple(pages), tuple(notes)), None)


def _offset(value: Any, text: str) -> bool:
    return type(value) is int and 0 <= value <= len(text)


def _require(fits: bool) -> None:
    if not fits:
        raise ValueError("the reader's answer is malformed")
