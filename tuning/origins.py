"""Where the rows of a training came from, read back from their tags."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from evalsets.datasets import service as datasets
from evalsets.datasets.cases import tag_counts
from evalsets.models import Run
from tuning.manifest import RowsRef


class Origin(NamedTuple):
    """A source of rows: `kind` is run, app, file or data, `rows` how many came from it."""

    kind: str
    name: str
    rows: int


def origins_of(session: Session, rows: RowsRef) -> list[Origin]:
    """The sources of a data set's version, those of most rows first."""
    version = datasets.get(session, rows.dataset, rows.version)
    counts: Counter[tuple[str, str]] = Counter()
    for tag, count in tag_counts(session, version.version_id).items():
        kind, colon, name = tag.partition(":")
        if colon and kind in ("run", "app", "file", "data"):
            counts[kind, name] = count
    return [Origin(kind, name, count) for (kind, name), count in counts.most_common()]


def runs_of(session: Session, origins: Sequence[Origin]) -> list[Run]:
    """Those of the origins that are runs and still there, in their order."""
    wanted = [one.name for one in origins if one.kind == "run"]
    found = {run.id: run for run in session.exec(select(Run).where(col(Run.id).in_(wanted)))}
    return [found[name] for name in wanted if name in found]
