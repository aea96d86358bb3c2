"""Processes that label a queue until they are killed; run as a script by the test of U3.

For every line on stdin the script forks an annotator and prints `pid N`. The annotator takes the
items one by one and prints `saved POSITION` after each commit. As a browser whose answer never
came, it first sends the press again that had no answer when its forerunner died.
"""

import os
import sys
from pathlib import Path

from core.database import Database
from core.settings import Settings
from evalsets.labels.queues import next_item, save_item
from evalsets.labels.service import checked

WORDS = ("good", "bad", "skip")


def word(position: int) -> str:
    """What the annotator says about an item, whenever it is asked."""
    return WORDS[position % 3]


def say(line: str) -> None:
    """One line to the test in one write."""
    os.write(1, f"{line}\n".encode())


def annotate(settings: Settings, queue: str, unanswered: int) -> None:
    """Label to the end of the queue."""
    database = Database(settings)

    def press(position: int) -> None:
        say(f"pressed {position}")
        with database.session_scope("user:ann") as session:
            save_item(session, queue, position, checked(word(position), comment="as read"))
        say(f"saved {position}")

    if unanswered >= 0:
        press(unanswered)
    while True:
        with database.session_scope("user:ann") as session:
            item = next_item(session, queue)
        if item is None:
            break
        press(item.position)
    say("end")


def main() -> None:
    """Fork an annotator for every line: the position of the press without an answer, or -1."""
    folder, url, queue = sys.argv[1:]
    settings = Settings(data_dir=Path(folder), database_url=url or None)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            annotate(settings, queue, int(line))
            os._exit(0)
        say(f"pid {child}")
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    main()
