"""Cases of dev, test and holdout splits: what no model may learn."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlmodel import Session, and_, col, select

from core.canonical import Json
from evalsets.models import Case, Dataset, DatasetVersion
from tuning.data.candidates import HELD_OUT, value_texts
from tuning.data.reading import Unread, read_row
from tuning.data.texts import asked_text


class HeldOut(NamedTuple):
    """A held-out case: all that it asks, and its values one by one where they are several."""

    dataset: str
    case_id: str
    split: str
    text: str
    parts: tuple[str, ...] = ()


def held_out(session: Session, version_id: int | None = None) -> list[HeldOut]:
    """Held-out cases of the newest version of every data set, and of one more version."""
    newest = and_(
        col(DatasetVersion.dataset_id) == Dataset.id, col(DatasetVersion.number) == Dataset.newest
    )
    wanted = col(Case.version_id).in_(select(DatasetVersion.id).join(Dataset, newest))
    if version_id is not None:
        wanted |= col(Case.version_id) == version_id
    query = (
        select(Dataset.name, Case)
        .join(DatasetVersion, col(DatasetVersion.id) == col(Case.version_id))
        .join(Dataset, col(Dataset.id) == col(DatasetVersion.dataset_id))
        .where(wanted, col(Case.split).in_(HELD_OUT))
        .order_by(col(Dataset.name), col(Case.position))
    )
    return [
        held_out_case(name, case.case_id, case.split or "", case.inputs, case.expected)
        for name, case in session.exec(query)
    ]


def held_out_case(
    dataset: str, case_id: str, split: str, inputs: Mapping[str, Json], expected: str | None
) -> HeldOut:
    """What a case asks, whether its columns are inputs or a row's."""
    row = read_row(inputs, expected)
    if not isinstance(row, Unread):
        return HeldOut(dataset, case_id, split, asked_text(row))
    texts = ["\n".join(value_texts(value)) for value in inputs.values()]
    parts = tuple(text for text in texts if text) if len(texts) > 1 else ()
    return HeldOut(dataset, case_id, split, "\n".join(filter(None, texts)), parts)
