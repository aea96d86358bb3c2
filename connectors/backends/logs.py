"""Reads a server's log: how far it is, and why it ended. Pure but for `tail`."""

import re
from pathlib import Path

TAIL = 64 << 10
_SHARDS = re.compile(r"checkpoint shards:\s+(\d+)%")
_GRAPHS = re.compile(r"Capturing CUDA graphs[^%]*?(\d+)%")
_STEPS = (
    ("Starting to load model", 0.05),
    ("Loading weights took", 0.6),
    ("Model loading took", 0.65),
    ("GPU KV cache size", 0.75),
    ("CPU KV cache size", 0.75),
    ("init engine", 0.9),
    ("Starting vLLM", 0.95),
    ("Application startup complete", 1.0),
)
_KNOWN = (
    (re.compile(r"CUDA out of memory|OutOfMemoryError|failed to allocate|ggml_aligned_malloc"),
     "it ran out of memory. Lower its context or concurrency, or give it more memory"),
    (re.compile(r"No available memory for the cache blocks|is larger than .*KV cache"
                r"|larger than the (?:maximum number|available)"),
     "no memory was left for its KV cache. Lower its context, or give it more memory"),
    (re.compile(r"architectures? .*(?:not supported|are not supported)|unknown model architecture"),
     "its server does not know this architecture. Update the server, or choose another model"),
    (re.compile(r"address already in use", re.IGNORECASE),
     "its port was taken by another program. It is tried again on another"),
    (re.compile(r"bfloat16 is only supported|does not support bfloat16"),
     "this GPU knows no bfloat16. Choose another place or model"),
)  # fmt: skip
_ERROR = re.compile(r"(?:\b[A-Z]\w*(?:Error|Exception):|^\s*(?:\S+: )?error:)\s*(.+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def tail(path: Path, most: int = TAIL) -> str:
    """The end of a log as plain text; what was turned over is before it."""
    parts: list[bytes] = []
    for one in (path.with_name(path.name + ".old"), path):
        try:
            with one.open("rb") as file:
                file.seek(max(0, one.stat().st_size - most))
                parts.append(file.read(most))
        except OSError:
            continue
    text = b"".join(parts)[-most:].decode("utf-8", "replace")
    return _ESCAPES.sub("", text.replace("\r", "\n"))


def progress(log: str) -> float | None:
    """The share of the loading that is done, from 0 to 1; None when the log does not tell."""
    found = [share for words, share in _STEPS if words in log]
    shards, graphs = _SHARDS.findall(log), _GRAPHS.findall(log)
    found += [0.05 + 0.55 * int(shards[-1]) / 100] if shards else []
    found += [0.75 + 0.15 * int(graphs[-1]) / 100] if graphs else []
    return max(found, default=None)


def reason(log: str, status: int | None, name: str) -> str:
    """Why a server ended, as a sentence with its remedy; `status` is that of its guard."""
    end = f"`promptstone backend logs {name}` shows its log."
    if status is not None and status < 0:
        return f"Its server was killed from outside. {end}"
    if status == 137:
        return f"Its server was killed; the machine was probably out of memory. {end}"
    for sign, words in _KNOWN:
        if sign.search(log):
            return f"Its server ended: {words}. {end}"
    said = [found[1].strip() for found in map(_ERROR.search, log.splitlines()) if found]
    if said:
        return f"Its server ended: {said[-1][:300].rstrip('.')}. {end}"
    how = "" if status is None else f" with status {status}"
    return f"Its server ended{how} and said nothing. {end}"
