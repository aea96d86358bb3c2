"""The example that the first page offers: a prompt in two versions, cases, a labeled run."""

from pathlib import Path

from sqlmodel import Session, col, select

from core.database import Database
from evalsets.datasets import service as datasets
from evalsets.datasets.grid import Axis, describe_grid, grid_cases
from evalsets.labels.importing import import_labels
from evalsets.labels.lines import read_label_lines
from evalsets.models import Run
from evalsets.runs.exports import import_run
from evalsets.runs.manifest import Arm, FrozenPrompt, Manifest, find_model
from prompts import service
from prompts.files import ParsedPrompt, parse_prompt_file

FOLDER = Path(__file__).parents[1] / "examples"
PROMPT = "news"
GRID = "news-grid"
RUN = "news-example"
MODEL = "demo"
AXES = (
    Axis("topic", ("a new night bus line", "a school garden", "a lost dog that was found")),
    Axis("audience", ("children", "commuters")),
    Axis("style", ("cheerful", "factual")),
)
_FILES = ("news-1.prompty", "news-2.prompty")
_MESSAGES = ("First draft", "One sentence, told by a system message")


def load(database: Database, actor: str) -> str:
    """Load what is not there yet; returns the prompt's name."""
    versions = [parse_prompt_file(name, (FOLDER / name).read_bytes()) for name in _FILES]
    cases = grid_cases(AXES)
    _ = cases.hash
    with database.session_scope(actor) as session:
        if not _is_known(session):
            _push(session, versions)
        datasets.push(session, GRID, cases, source=describe_grid(AXES))
        run_id = known_run(session)
    if run_id is None:
        _import(database, actor, versions)
    return PROMPT


def _is_known(session: Session) -> bool:
    return any(row.name == PROMPT for row in service.list_prompts(session, search=PROMPT))


def _push(session: Session, versions: list[ParsedPrompt]) -> None:
    for parsed, message in zip(versions, _MESSAGES, strict=True):
        service.push(
            session, PROMPT, parsed.content, message=message, description=parsed.description,
            tags=parsed.tags, alias="production" if parsed is versions[0] else None,
        )  # fmt: skip


def known_run(session: Session) -> str | None:
    """The example's labeled run, if it was loaded."""
    query = select(Run.id).where(Run.dataset == RUN, col(Run.imported).is_(True))
    return session.exec(query.order_by(col(Run.id).desc())).first()


def _import(database: Database, actor: str, versions: list[ParsedPrompt]) -> None:
    """The labeled run; its arms are told from which versions and model their outputs came."""
    run_id = import_run(database, actor, RUN, FOLDER / "news-labeled-run.jsonl")
    with (FOLDER / "news-labels.jsonl").open("rb") as file:
        labels = read_label_lines(file)
    with database.session_scope(actor) as session:
        run = session.get(Run, run_id)
        assert run is not None
        manifest = Manifest.model_validate(run.manifest)
        arms = tuple(
            _with_origin(session, arm, number, parsed)
            for number, (arm, parsed) in enumerate(zip(manifest.arms, versions, strict=True), 1)
        )
        run.manifest = manifest.model_copy(update={"arms": arms}).model_dump(mode="json")
        session.add(run)
        import_labels(session, run_id, labels)


def _with_origin(session: Session, arm: Arm, number: int, parsed: ParsedPrompt) -> Arm:
    version = service.get(session, PROMPT, number)
    frozen = FrozenPrompt(
        name=version.name, version=version.version, hash=version.hash, content=parsed.content
    )
    model = find_model(session, MODEL)
    return arm.model_copy(
        update={"prompt": frozen, "model": model, "params": parsed.content.options}
    )
