"""Which rows of the matrix are wanted, as conditions in SQL."""

from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import col

from evalsets.models import Answer, Case, Cell, CellScore, Highlight, Label

Filter = Literal["all", "failed", "different", "unlabeled", "highlighted"]


class ScoreFilter(NamedTuple):
    """Rows in which some arm's score lies within bounds; with neither, where it is unscored."""

    evaluator: str
    at_least: float | None = None
    at_most: float | None = None


class Conditions(NamedTuple):
    """What a row's cells must be; `having` looks at all of them together."""

    where: list[ColumnElement[bool]]
    having: ColumnElement[bool] | None


def conditions(show: Filter, score: ScoreFilter | None, text: str) -> Conditions:
    """What `matrix_page` was asked to show, as SQL on a row's cells."""
    where: list[ColumnElement[bool]] = []
    having = None
    if show == "failed":
        where.append(col(Cell.state) == "failed")
    elif show == "unlabeled":
        where += [col(Cell.state) == "succeeded", ~is_labeled()]
    elif show == "highlighted":
        where.append(
            exists().where(col(Highlight.run_id) == Cell.run_id, col(Highlight.cell) == Cell.number)
        )
    elif show == "different":
        where.append(col(Cell.state) != "pending")
        having = func.count(func.coalesce(Cell.item_key, Cell.state).distinct()) > 1
    if score is not None:
        where.append(_scored(score))
    if text:
        where.append(_mentions(text))
    return Conditions(where, having)


def is_labeled() -> ColumnElement[bool]:
    """Some annotator's newest label of the output says something."""
    label, later = aliased(Label), aliased(Label)
    replaced = exists().where(
        col(later.item_key) == label.item_key,
        col(later.annotator) == label.annotator,
        col(later.id) > col(label.id),
    )
    return exists().where(
        col(label.item_key) == Cell.item_key, col(label.label).is_not(None), ~replaced
    )


def _scored(score: ScoreFilter) -> ColumnElement[bool]:
    bounds: list[ColumnElement[bool]] = []
    if score.at_least is not None:
        bounds.append(col(CellScore.value) >= score.at_least)
    if score.at_most is not None:
        bounds.append(col(CellScore.value) <= score.at_most)
    return exists().where(
        col(CellScore.run_id) == Cell.run_id,
        col(CellScore.cell) == Cell.number,
        col(CellScore.evaluator) == score.evaluator,
        *(bounds or [col(CellScore.value).is_(None)]),
    )


def _mentions(text: str) -> ColumnElement[bool]:
    """In the output, the error, the inputs, the expected text or the id, whatever its case."""
    plain = text.lower()
    in_json = orjson.dumps(plain).decode()[1:-1]

    def has(column: Any, needle: str = plain) -> ColumnElement[bool]:
        return func.lower(column).contains(needle, autoescape=True)

    answer = exists().where(col(Answer.id) == Cell.answer_id, has(Answer.output))
    case = exists().where(
        col(Case.id) == Cell.case_ref,
        or_(has(Case.case_id), has(Case.expected), has(cast(Case.inputs, Text), in_json)),
    )
    return or_(answer, case, and_(col(Cell.error).is_not(None), has(Cell.error)))
