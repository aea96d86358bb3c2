"""A cell is read first and rendered afterwards, beside no transaction."""

import asyncio
from typing import Any

from sqlalchemy import event

from core.database import Database
from evalsets.runs.cell_detail import CellDetail, cell_detail
from tests.support.running import add_cases, add_model, add_prompt, begin
from tests.support.witness import witness

ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"


async def test_no_connection_is_held_while_an_unsent_cell_is_rendered(sqlite_db: Database) -> None:
    db = sqlite_db
    add_prompt(db, text=ENDLESS)
    with witness() as w:
        add_model(db, w, "ok")
    add_cases(db, 1)
    run_id = begin(db, "ok")
    held, reads = 0, 0

    def taken(*_: Any) -> None:
        nonlocal held, reads
        held, reads = held + 1, reads + 1

    def given(*_: Any) -> None:
        nonlocal held
        held -= 1

    event.listen(db.reader, "checkout", taken)
    event.listen(db.reader, "checkin", given)
    rendering = asyncio.create_task(asyncio.to_thread(cell_detail, db, run_id, 0))
    await asyncio.sleep(0.5)
    assert not rendering.done(), "the template is cut off after two seconds of CPU"
    assert (held, reads) == (0, 1)
    found: CellDetail = await rendering
    assert (found.state, found.request) == ("pending", None)
