"""What a person accepts becomes a version, on top of the one whose answers failed."""

from sqlmodel import Session

from core.audit import actor_of
from core.errors import Conflict
from prompts import service
from prompts.content import PromptContent
from prompts.models import PushResult


def accept(
    session: Session, name: str, content: PromptContent, *, based_on: int, message: str
) -> PushResult:
    """Save a proposal that `prompts.checks.prepared` has checked.

    Raises VersionConflictError as every save, and Conflict while the actor has typed something
    that is not saved: a save would drop it.
    """
    if service.load_draft(session, actor_of(session), name) is not None:
        raise Conflict(
            f"You have unsaved changes of {name}. Save or discard them, then accept.",
            code="draft_exists",
        )
    return service.save_version(session, name, content, based_on=based_on, message=message)
