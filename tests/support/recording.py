"""A process that records calls until it is stopped: `python -m tests.support.recording DATA URL`.

Prints the id of each call after it was put down. On SIGTERM it closes its recorder and prints
`closed`.
"""

import signal
import sys
import time
from pathlib import Path

from sqlmodel import select

from core.database import Database
from core.settings import Settings
from serving.models import App
from serving.recorder import Recorder
from tests.support.calls import call


def main(data: Path, url: str | None) -> None:
    """Put a call every two milliseconds."""
    database = Database(Settings(data_dir=data, database_url=url))
    with database.read_scope() as session:
        app = session.exec(select(App)).one()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    recorder = Recorder(database)
    print("ready", flush=True)
    while not stopped:
        record = call(app)
        recorder.put(record)
        print(record.id, time.monotonic(), flush=True)
        time.sleep(0.002)
    recorder.close()
    print("closed", flush=True)


main(Path(sys.argv[1]), sys.argv[2] or None)
