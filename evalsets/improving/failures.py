"""Labeled failures of one arm of a run: what a model may see of them to write a better prompt.

Cases held out stay unseen, in whichever version of the data set they are held out and by their
inputs, so that the gain on them is one on cases that nobody wrote the prompt for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from connectors.tokens import count_text
from core.canonical import Json, canonical_json
from core.errors import Invalid
from evalsets.labels.state import CellLabel, cells_labels
from evalsets.models import Answer, Case, Cell, Dataset, DatasetVersion, Label, Run
from evalsets.runs.cells import get_run
from evalsets.runs.manifest import Arm, FrozenPrompt, Manifest

HELD_OUT = ("holdout", "test")
MOST = 8
MOST_TOKENS = 6_000
MOST_CHARS = 4_000
_AT_ONCE = 500


class Failure(NamedTuple):
    """An answer that people called bad, and what they said of it."""

    case_id: str
    inputs: Mapping[str, Json]
    output: str
    expected: str | None
    said: CellLabel

    @property
    def worth(self) -> int:
        """How much it teaches: a correction most, then why it is bad."""
        return 2 * bool(self.said.correction) + bool(self.said.reasons or self.said.comment)

    def as_json(self) -> dict[str, Json]:
        """What the model is shown; long texts are cut."""
        told: dict[str, Json] = {"inputs": _cut_json(self.inputs), "answer": cut(self.output)}
        for name, text in (
            ("expected", self.expected), ("comment", self.said.comment),
            ("correction", self.said.correction),
        ):  # fmt: skip
            if text:
                told[name] = cut(text)
        if self.said.reasons:
            told["reasons"] = list(self.said.reasons)
        return told


class NoFailures(Invalid):
    """No answer of `arm` is labeled bad but those of `held_out` cases, which stay unseen."""

    def __init__(self, arm: str, held_out: int) -> None:
        more = f"; {held_out} are of cases held out" if held_out else ""
        super().__init__(
            f"No answer of {arm} is labeled bad{more}. Label some failures first.", param="arm"
        )
        self.arm = arm
        self.held_out = held_out


class Failures(NamedTuple):
    """`chosen` of the `labeled` failures that may be seen; `held_out` more are kept back."""

    run_id: str
    dataset: str
    arm: Arm
    prompt: FrozenPrompt
    chosen: tuple[Failure, ...]
    labeled: int
    held_out: int


def prompt_arms(session: Session, run_id: str, prompt: str | None = None) -> list[Arm]:
    """The arms that a prompt of the workspace made (of the name `prompt`); raises NotFound."""
    arms = Manifest.model_validate(get_run(session, run_id).manifest).arms
    return [
        arm
        for arm in arms
        if arm.prompt is not None and arm.app is None and prompt in (None, arm.prompt.name)
    ]


def failures(
    session: Session, run_id: str, *, prompt: str | None = None, arm: str | None = None
) -> Failures:
    """The failures of one arm that teach most, a handful of at most 6,000 tokens.

    Raises NotFound, Invalid where the arm is not clear, and NoFailures.
    """
    run = get_run(session, run_id)
    chosen = _arm(prompt_arms(session, run_id, prompt), run, prompt, arm)
    assert chosen.prompt is not None
    found, held_out = _bad(session, run, chosen.name)
    if not found:
        raise NoFailures(chosen.name, held_out)
    handful = tuple(_handful(sorted(found, key=lambda one: -one.worth)))
    return Failures(
        run_id, run.dataset, chosen, chosen.prompt, handful, len(found), held_out
    )  # fmt: skip


def _arm(arms: Sequence[Arm], run: Run, prompt: str | None, name: str | None) -> Arm:
    if not arms:
        whose = f" of the prompt {prompt}" if prompt else " of a prompt of this workspace"
        raise Invalid(f"The run {run.id} has no arm{whose}. Choose another run.", param="run")
    fits = [arm for arm in arms if name in (None, arm.name)]
    if len(fits) != 1:
        known = "; ".join(repr(arm.name) for arm in arms)
        raise Invalid(f"Whose failures? Choose one arm of {known}.", param="arm")
    return fits[0]


def _bad(session: Session, run: Run, arm: str) -> tuple[list[Failure], int]:
    """One failure a case, and how many cases with one are held out."""
    place = [one["name"] for one in run.manifest["arms"]].index(arm)
    query = (
        select(Cell.number, Case, Answer.output, Answer.tool_calls)
        .join(Case, col(Case.id) == Cell.case_ref)
        .join(Answer, col(Answer.id) == Cell.answer_id)
        .where(Cell.run_id == run.id, Cell.state == "succeeded", Cell.arm == place)
        .where(col(Cell.item_key).in_(select(Label.item_key)))
        .order_by(col(Cell.number))
    )
    rows = session.exec(query).all()
    labels: dict[int, CellLabel] = cells_labels(session, run.id, [row[0] for row in rows])
    hidden = _held_out(session, run, {case.inputs_hash for _, case, _, _ in rows})
    found: dict[str, Failure] = {}
    kept_back: set[str] = set()
    for number, case, output, calls in rows:
        if labels[number].label != "bad":
            continue
        if case.inputs_hash in hidden or case.split in HELD_OUT:
            kept_back.add(case.inputs_hash)
            continue
        text = output or (canonical_json(calls) if calls else "")
        one = Failure(case.case_id, case.inputs, text, case.expected, labels[number])
        known = found.get(case.inputs_hash)
        if known is None or known.worth < one.worth:
            found[case.inputs_hash] = one
    return list(found.values()), len(kept_back)


def _held_out(session: Session, run: Run, hashes: set[str]) -> set[str]:
    """Those of the inputs that any version of the data set holds out."""
    asked, found = sorted(hashes), set[str]()
    for start in range(0, len(asked), _AT_ONCE):
        query = (
            select(Case.inputs_hash)
            .join(DatasetVersion, col(DatasetVersion.id) == Case.version_id)
            .join(Dataset, col(Dataset.id) == DatasetVersion.dataset_id)
            .where(Dataset.name == run.dataset, col(Case.split).in_(HELD_OUT))
            .where(col(Case.inputs_hash).in_(asked[start : start + _AT_ONCE]))
        )
        found.update(session.exec(query))
    return found


def _handful(ordered: Sequence[Failure]) -> Iterator[Failure]:
    """The first ones that fit; one at least, whose long texts are cut anyway."""
    spent = 0
    for count, one in enumerate(ordered[:MOST]):
        spent += count_text(canonical_json(one.as_json())).n
        if count and spent > MOST_TOKENS:
            return
        yield one


def cut(text: str) -> str:
    """A text as the model is shown it: its beginning and its end where it is long."""
    if len(text) <= MOST_CHARS:
        return text
    half = MOST_CHARS // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"


def _cut_json(inputs: Mapping[str, Json]) -> dict[str, Json]:
    """Inputs with long values cut; a long value that is no text is shown as its JSON."""
    shown: dict[str, Json] = {}
    for name, value in inputs.items():
        text = value if isinstance(value, str) else canonical_json(value)
        shown[name] = cut(text) if isinstance(value, str) or len(text) > MOST_CHARS else value
    return shown
