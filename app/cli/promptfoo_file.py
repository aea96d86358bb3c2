"""`promptstone prompt export --format promptfoo`: a configuration with cases and assertions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.cli import state
from app.cli.evaluators import with_saved
from app.cli.show import say, visible
from core.names import split_ref

if TYPE_CHECKING:
    from prompts.models import PromptPublic


def written(prompt: "PromptPublic", dataset: str | None, evaluators: Sequence[str]) -> str:
    """The configuration; what promptfoo has no place for goes to stderr."""
    from evalsets.datasets.cases import iter_cases
    from evalsets.datasets.service import get
    from evalsets.evaluators.specs import load_evaluator, parse_evaluator
    from evalsets.foreign.promptfoo.export import export_promptfoo

    given = [
        parse_evaluator(one) if isinstance(one, str) else load_evaluator(one)
        for one in with_saved(evaluators)
    ]
    cases, title = [], None
    if dataset is not None:
        with state.reading() as session:
            version = get(session, *split_ref(dataset))
            cases, title = list(iter_cases(session, version.version_id)), version.name
    found = export_promptfoo([prompt], cases, given, title=title)
    for one in found.left:
        say(visible(f"Not in the file: {one.where}: {one.what}. {one.reason}"))
    return found.text
