"""`python -m tuning.trainer FOLDER`: train FOLDER's job until it ends, SIGTERM, or no stdin."""

import os
import sys
from pathlib import Path

from tuning.trainer.contain import Stopping, end_with_stdin, leave_networks


def main() -> int:
    """Exit 0 when the job ended, or stopped with a checkpoint; 1 when it failed."""
    folder, stopping = Path(sys.argv[1]), Stopping()
    leave_networks()
    stopping.listen()
    first = "RANK" not in os.environ
    end_with_stdin(own_group=first)
    if first:
        from tuning.trainer import ranks

        number = gpus()
        if number > 1:
            return ranks.launch(folder, number, stopping)
    # Seconds of imports come after the watch, so that no moment is without it.
    from tuning.trainer.run import run

    return run(folder, stopping)


def gpus() -> int:
    """How many GPUs this job was given; PROMPTSTONE_TUNING_RANKS names another number."""
    named = os.environ.get("PROMPTSTONE_TUNING_RANKS")
    if named:
        return int(named)
    import torch

    return torch.cuda.device_count()


if __name__ == "__main__":
    sys.exit(main())
