"""The example that the first page offers: a prompt in two versions, cases, a labeled run."""

from pathlib import Path

from core.database import Database
from evalsets import datasets
from evalsets.grid import Axis, describe_grid, grid_cases
from prompts import service
from prompts.files import parse_prompt_file

FOLDER = Path(__file__).parents[1] / "examples"
PROMPT = "news"
GRID = "news-grid"
RUN = "news-example"
AXES = (
    Axis("topic", ("a new night bus line", "a school garden", "a lost dog that was found")),
    Axis("audience", ("children", "commuters")),
    Axis("style", ("cheerful", "factual")),
)
_MESSAGES = ("First draft", "One sentence, told by a system message")


def load(database: Database, actor: str) -> str:
    """Load what is not there yet; returns the prompt's name."""
    versions = [
        parse_prompt_file(path.name, path.read_bytes())
        for path in (FOLDER / "news-1.prompty", FOLDER / "news-2.prompty")
    ]
    cases = grid_cases(AXES)
    _ = cases.hash
    with database.session_scope(actor) as session:
        for number, (parsed, message) in enumerate(zip(versions, _MESSAGES, strict=True), 1):
            service.push(
                session, PROMPT, parsed.content, message=message,
                alias="production" if number == 1 else None,
                description=parsed.description, tags=parsed.tags,
            )  # fmt: skip
        datasets.push(session, GRID, cases, source=describe_grid(AXES))
    return PROMPT
