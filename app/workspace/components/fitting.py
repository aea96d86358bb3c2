"""Which data set a plan proposes: the one touched last, of those that fit its prompts best."""

from collections.abc import Sequence

from sqlmodel import col, select

from app.workspace.components import access
from core.names import split_ref
from evalsets.models import Dataset, DatasetVersion
from prompts import service
from prompts.outcome import TemplateError
from prompts.template import renderer


def fitting(names: Sequence[str], prompts: Sequence[str]) -> str | None:
    """The first of `names` whose newest version has the most columns that `prompts` read."""
    wanted = _read_by(prompts)
    if not wanted:
        return names[0] if names else None
    query = (
        select(Dataset.name, DatasetVersion.columns)
        .join(DatasetVersion, col(DatasetVersion.dataset_id) == Dataset.id)
        .where(DatasetVersion.number == Dataset.newest, col(Dataset.name).in_(names))
    )
    with access.reading() as session:
        fits = {name: len(wanted.intersection(columns)) for name, columns in session.exec(query)}
    return max(names, key=lambda name: fits.get(name, 0), default=None)


def _read_by(prompts: Sequence[str]) -> set[str]:
    with access.reading() as session:
        contents = [service.get(session, *split_ref(ref)).content for ref in prompts]
    found: set[str] = set()
    for content in contents:
        try:
            found.update(renderer().variables_of(content).used)
        except TemplateError:
            continue
    return found
