"""`python -m tuning.trainer.merge FOLDER`: the job's adapter put into its base, as `merged/`."""

import sys
from pathlib import Path

from tuning.trainer.contain import end_with_stdin, leave_networks
from tuning.trainer.refusal import FULL, Refused, is_memory

REFUSED = 3
"""The exit status when it cannot be done; 1 when it could not be done now."""


def main() -> int:
    """Progress goes to stdout, why it failed is the last line of stderr."""
    folder = Path(sys.argv[1])
    leave_networks()
    end_with_stdin(own_group=True)
    # Seconds of imports come after the watch, so that no moment is without it.
    from tuning.trainer.whole import merge

    try:
        merge(folder, lambda text: print(text, flush=True))
    except Refused as error:
        print(error, file=sys.stderr, flush=True)
        return REFUSED
    except Exception as error:
        print(_reason(error), file=sys.stderr, flush=True)
        return 1
    return 0


def _reason(error: Exception) -> str:
    if is_memory(error):
        return "The memory is used up. Merge on a machine with more, or when less runs on it."
    if isinstance(error, OSError) and error.errno in FULL:
        return "The disk is full. Make room, then merge again."
    said = " ".join(str(error).split())[:500] or "it said nothing"
    return f"The merge broke off ({type(error).__name__}: {said}). Merge again."


if __name__ == "__main__":
    sys.exit(main())
