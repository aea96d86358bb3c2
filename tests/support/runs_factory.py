"""Completed runs with given outputs, written straight into the tables."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, select

from core.clock import new_id
from evalsets.identity import inputs_hash, item_key
from evalsets.models import Answer, Case, Cell, CellScore, Dataset, DatasetVersion, Run

Output = Callable[[int, int, int], str | None]
"""(row of the data set, arm, repeat from 1) to an output; None is a failed cell."""


def distinct(row: int, arm: int, repeat: int) -> str:
    """An output of its own for every cell."""
    return f"answer {row} of arm {arm}, {repeat}"


def make_run(
    session: Session,
    *,
    cases: int | Sequence[dict[str, Any]] = 10,
    arms: Sequence[str] = ("base@1 | echo", "base@2 | echo"),
    repeats: int = 1,
    output: Output = distinct,
    dataset: str = "questions",
    status: str = "completed",
    split: str | None = None,
    only: Callable[[int, int], bool] | None = None,
    imported: bool = False,
    cost: Decimal | None = None,
) -> str:
    """The id of a run; `only(row, arm)` leaves cells out, as imported runs may."""
    rows = (
        [{"question": f"number {number}"} for number in range(cases)]
        if isinstance(cases, int)
        else list(cases)
    )
    version = _version(session, dataset, rows, split)
    run = Run(
        status=status,
        dataset=dataset,
        dataset_version=1,
        version_id=version,
        repeats=repeats,
        manifest={"arms": [_arm(name, imported) for name in arms], "evaluators": []},
        imported=imported,
        actor="cli:tester",
    )
    session.add(run)
    session.flush()
    refs = session.exec(
        select(Case.id).where(Case.version_id == version).order_by(Case.position)  # pyright: ignore
    ).all()
    answers: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    for row, inputs in enumerate(rows):
        for arm in range(len(arms)):
            if only is not None and not only(row, arm):
                continue
            for repeat in range(1, repeats + 1):
                number = (row * len(arms) + arm) * repeats + repeat - 1
                text = output(row, arm, repeat)
                answer = None
                if text is not None:
                    answer = new_id()
                    answers.append({"id": answer, "request": "", "output": text, "cost": cost})
                cells.append(
                    {
                        "run_id": run.id,
                        "number": number,
                        "arm": arm,
                        "case_ref": refs[row],
                        "repeat": repeat,
                        "state": "failed" if text is None else "succeeded",
                        "answer_id": answer,
                        "item_key": None if text is None else item_key(dataset, inputs, text, None),
                        "preview": None if text is None else text[:200],
                        "error_kind": "timeout" if text is None else None,
                    }
                )
    for table, values in ((Answer, answers), (Cell, cells)):
        if values:
            session.execute(insert(table), values)
    return run.id


def _version(session: Session, name: str, rows: Sequence[dict[str, Any]], split: str | None) -> int:
    found = session.exec(select(Dataset).where(Dataset.name == name)).first()
    if found is None:
        found = Dataset(name=name, newest=0, actor="cli:tester")
        session.add(found)
        session.flush()
    found.newest += 1
    version = DatasetVersion(
        dataset_id=found.id or 0,
        number=found.newest,
        hash=new_id(),
        cases=len(rows),
        columns=list(rows[0]) if rows else [],
        actor="cli:tester",
    )
    session.add(version)
    session.flush()
    cases = [
        {
            "version_id": version.id,
            "position": position,
            "case_id": f"c{position}",
            "inputs": inputs,
            "inputs_hash": inputs_hash(inputs),
            "expected": f"expected {position}",
            "tags": [],
            "split": split,
        }
        for position, inputs in enumerate(rows)
    ]
    session.execute(insert(Case), cases)
    return version.id or 0


def _arm(name: str, imported: bool) -> dict[str, Any]:
    if imported:
        return {"name": name, "prompt": None, "model": None}
    prompt, _, model = name.partition(" | ")
    title, _, version = prompt.partition("@")
    return {
        "name": name,
        "prompt": {"name": title, "version": int(version), "hash": "0" * 64},
        "model": {"name": model},
    }


def score_run(
    session: Session, run_id: str, evaluator: str, value: Callable[[Cell], float | None]
) -> None:
    """Give every succeeded cell a score."""
    cells = session.exec(select(Cell).where(Cell.run_id == run_id, Cell.state == "succeeded"))
    session.add_all(
        [
            CellScore(run_id=run_id, cell=cell.number, evaluator=evaluator, value=value(cell))
            for cell in cells
        ]
    )
    session.flush()
