"""Who may find what: metadata filters bound to a person or a key, applied before ranking."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from core.audit import actor_of, record
from core.clock import utcnow
from core.errors import Invalid
from rag.models import AccessRule, KnowledgeBase

Allowed = Mapping[str, Sequence[str]]
"""Values by metadata name: a document passes when each name has one of its values."""


def meta_values(value: Any) -> list[str]:
    """A metadata value as the texts that a filter compares; a list counts by its members."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in meta_values(part)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float) and value.is_integer():
        return [str(int(value))]
    return [str(value)]


def passes(meta: Mapping[str, Any], allowed: Allowed) -> bool:
    """Whether a document's metadata satisfies every name of a filter."""
    return all(
        any(value in values for value in meta_values(meta.get(name)))
        for name, values in allowed.items()
    )


def read_where(pairs: Iterable[str]) -> dict[str, list[str]]:
    """`KEY=VALUE` texts as a filter; a key given twice allows both values. Raises Invalid."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise Invalid(f"{pair!r} is no filter. Give KEY=VALUE, such as lang=en.", param="where")
        found.setdefault(name.strip(), []).append(value)
    return found


def set_rule(session: Session, base: KnowledgeBase, subject: str, allowed: Allowed | None) -> None:
    """Bind a filter to `user:NAME` or `key:ID`; None takes the rule away. Audited."""
    if not subject.startswith(("user:", "key:")):
        raise Invalid(f"{subject!r} is nobody. Give user:NAME or key:ID.", param="subject")
    row = session.get(AccessRule, (base.id, subject))
    if allowed is None:
        if row is not None:
            session.delete(row)
    else:
        row = row or AccessRule(
            base_id=base.id, subject=subject, allowed={}, actor=actor_of(session)
        )
        row.allowed = {name: list(values) for name, values in allowed.items()}
        row.actor, row.at = actor_of(session), utcnow()
        session.add(row)
    detail: dict[str, object] = {"subject": subject, "allowed": dict(allowed) if allowed else None}
    record(session, "kb.access", base.name, detail)
    session.flush()


def restrict(session: Session, base: KnowledgeBase, restricted: bool) -> None:
    """Whether only those with a rule may search the base. Audited."""
    base.restricted, base.updated_at = restricted, utcnow()
    session.add(base)
    record(session, "kb.restrict", base.name, {"restricted": restricted})
    session.flush()


def rules(session: Session, base_id: str) -> list[AccessRule]:
    """All rules of a base, by subject."""
    query = select(AccessRule).where(AccessRule.base_id == base_id)
    return list(session.exec(query.order_by(col(AccessRule.subject))))


class BaseRule(NamedTuple):
    """The rule of one subject in the base called `base`."""

    base: str
    allowed: Allowed


def rules_of(session: Session, subject: str) -> list[BaseRule]:
    """What a subject may find, by base, where a rule says so."""
    query = (
        select(KnowledgeBase.name, AccessRule.allowed)
        .join(AccessRule, col(AccessRule.base_id) == col(KnowledgeBase.id))
        .where(AccessRule.subject == subject)
    )
    return [BaseRule(*row) for row in session.exec(query.order_by(col(KnowledgeBase.name)))]


NOTHING: Allowed = {"": ()}
"""A filter that no document passes."""


def rule_of(session: Session, base: KnowledgeBase, subject: str | None) -> Allowed:
    """What a subject may find: its rule, else everything, or nothing in a restricted base.

    `subject` None is the administrator or a command, who has the folder anyway.
    """
    if subject is None:
        return {}
    row = session.get(AccessRule, (base.id, subject))
    if row is not None:
        return {name: list(values) for name, values in row.allowed.items()}
    return NOTHING if base.restricted else {}
