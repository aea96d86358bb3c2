"""Why a training cannot be, or could not go on: one sentence with the remedy."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)


class Refused(Exception):
    """A foreseen end whose text is for the person who started the job."""


def reason_of(error: BaseException) -> str:
    """The sentence for whatever ended a training."""
    if isinstance(error, Refused):
        return str(error)
    text = _first_line(error)
    if is_memory(error):
        return (
            "The memory is used up. Lower `batch` or `max_length`, choose 4 bits or a smaller "
            "base, or give the job a device with more memory; then resume it."
        )
    if (isinstance(error, OSError) and error.errno in FULL) or "No space left" in text:
        return "The disk is full. Make room, then resume the job."
    return f"The training broke off ({type(error).__name__}: {text}). Read the job's log."


def is_memory(error: BaseException) -> bool:
    """Whether it failed for lack of memory, of the machine or of a GPU."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in text
        or "not enough memory" in text
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "it said nothing")[:500]
