"""What the person who looks may see of a knowledge base: its access rule holds on every tab."""

from contextlib import suppress
from typing import NamedTuple

from sqlmodel import Session

from app.workspace.components import access
from app.workspace.strings import raw
from core.errors import Forbidden, NotFound
from rag import documents, service
from rag.access import NOTHING, Allowed, passes, rule_of
from rag.documents import DocumentRow
from rag.models import Document, KnowledgeBase


class View(NamedTuple):
    """A base as one person sees it; who is bound by a filter looks and searches only."""

    base: KnowledgeBase
    allowed: Allowed

    @property
    def limited(self) -> bool:
        return bool(self.allowed)


def subject() -> str | None:
    """Whose rule a search obeys; the administrator has the data folder anyway."""
    return None if access.role() == "admin" else f"user:{access.user_name()}"


def view(session: Session, base: KnowledgeBase) -> View:
    """The base under the rule of who looks."""
    return View(base, rule_of(session, base, subject()))


def readable(session: Session, name: str) -> KnowledgeBase:
    """A base that one may search; raises NotFound, Forbidden."""
    try:
        base = service.get(session, name)
    except NotFound:
        raise NotFound(raw("prompts.kb_gone", kb=name), param="kb") from None
    if rule_of(session, base, subject()) == NOTHING:
        raise Forbidden(raw("prompts.kb_closed", kb=name))
    return base


def readable_names(session: Session) -> list[str]:
    """The bases that one may search, by name."""
    found: list[str] = []
    for one in service.list_bases(session):
        with suppress(NotFound, Forbidden):
            found.append(readable(session, one.name).name)
    return found


def page_documents(
    session: Session, seen: View, *, search: str | None, after: str | None
) -> list[DocumentRow]:
    """The next 50 documents that one may see, by name."""
    found: list[DocumentRow] = []
    while len(found) < documents.PAGE:
        page = documents.page_documents(session, seen.base.name, search=search, after=after)
        found += [row for row in page if passes(row.metadata, seen.allowed)]
        if len(page) < documents.PAGE:
            break
        after = page[-1].name
    return found[: documents.PAGE]


def find_document(session: Session, seen: View, document_id: str) -> Document:
    """A document that one may see; raises NotFound, alike for one that is not there."""
    found = documents.find(session, seen.base.name, document_id)
    if not passes(found.meta, seen.allowed):
        raise NotFound(f"{seen.base.name} has no document {document_id!r}. Choose one of the list.")
    return found
