"""The PEFT worker of FOLDER's `note.json`: `python -m tests.support.serve_tiny FOLDER`."""

import sys
from pathlib import Path

from tuning.trainer import serve


def main() -> int:
    """Until killed."""
    sys.argv[1] = str(Path(sys.argv[1]) / "note.json")
    return serve.main()
