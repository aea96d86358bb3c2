"""`promptstone kb snapshot`: list, name, compare and remove the states of a base."""

from app.cli import state
from app.cli.show import print_json, print_table


def show_snapshots(
    name: str,
    message: str | None,
    diff: tuple[int, int] | None,
    drop_before: int | None,
    as_json: bool,
) -> None:
    """Do what was asked, then show the snapshots, or the difference of two."""
    if diff is not None:
        _show_diff(name, diff, as_json)
        return
    if message is not None or drop_before is not None:
        _change(name, message, drop_before)
    _show(name, as_json)


def _change(name: str, message: str | None, drop_before: int | None) -> None:
    from rag.service import get, lock
    from rag.snapshots import drop_before as drop
    from rag.snapshots import name_snapshot

    with state.writing() as session:
        base = lock(session, get(session, name).id)
        if message is not None:
            name_snapshot(session, base, message)
        if drop_before is not None:
            drop(session, base, drop_before)
    if drop_before is not None:
        state.database().shred()


def _show(name: str, as_json: bool) -> None:
    from rag.service import get
    from rag.snapshots import list_snapshots

    with state.reading() as session:
        base = get(session, name)
        found = list_snapshots(session, base.id)
    if as_json:
        keys = ("number", "message", "documents", "chunks", "fingerprint", "at", "actor")
        rows = [{key: getattr(one, key) for key in keys} for one in found]
        print_json({"kb": name, "snapshot": base.snapshot, "snapshots": rows})
        return
    print_table(
        ("snapshot", "documents", "chunks", "made", "by", "message"),
        ((one.number, one.documents, one.chunks, one.at, one.actor, one.message) for one in found),
    )


def _show_diff(name: str, pair: tuple[int, int], as_json: bool) -> None:
    from rag.service import get
    from rag.snapshots import diff

    with state.reading() as session:
        changes = diff(session, get(session, name), *pair)
    if as_json:
        rows = [change._asdict() for change in changes]
        print_json({"kb": name, "from": pair[0], "to": pair[1], "documents": rows})
        return
    print_table(("document", "change", "chunks before", "chunks after"), changes)
