"""Trying a prompt on a knowledge base: passages are found and put in before the call."""

from app.workspace.components import access, base_passages, knowledge_rights
from app.workspace.components.base_passages import INTO
from app.workspace.components.working import Working
from prompts.template import VariableReport


def choose(copy: Working, report: VariableReport) -> None:
    """The base to answer from, offered where the prompt takes passages."""
    with access.reading() as session:
        names = knowledge_rights.readable_names(session)
    if INTO not in report.used or not names:
        copy.kb = None
        return

    def keep(picked: str | None) -> None:
        copy.kb, copy.sources = picked, []
        copy.keep_try()

    copy.kb = copy.kb if copy.kb in names else None
    base_passages.choose(f"trial_base_{copy.name}", copy.kb, names, keep)
