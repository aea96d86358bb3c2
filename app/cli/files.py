"""Files that commands read and write."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core.errors import Invalid, TooLarge

_MOST = 64 << 20


def read_file(path: Path) -> bytes:
    """All bytes of a file; raises Invalid or TooLarge with the reason."""
    try:
        with path.open("rb") as file:
            found = file.read(_MOST + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(found) > _MOST:
        raise TooLarge(f"{path} has more than 64 MiB. Shorten it.")
    return found


def unreadable(path: Path, error: OSError) -> Invalid:
    """The sentence for a file that cannot be read."""
    return Invalid(f"{path} cannot be read: {error.strerror}. Check its name and rights.")


def write_text(text: str, output: Path | None) -> None:
    """Write to `output`, whole or not at all, or to stdout."""
    with opened(output) as out:
        out.write(text.encode())


@contextmanager
def opened(output: Path | None) -> Iterator[BinaryIO]:
    """Where an export goes: stdout, or a file that takes its name when it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(output)
    except OSError as error:
        raise Invalid(f"{output} cannot be written: {error.strerror}. Choose another.") from error
    finally:
        temporary.unlink(missing_ok=True)
