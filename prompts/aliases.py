"""Aliases of a prompt: names that move, each move kept with who, when and why."""

from typing import Any

from sqlmodel import Session, col, select

from core.audit import actor_of, record
from core.names import check_alias
from prompts.about import kept_text
from prompts.lookup import need_prompt, need_version
from prompts.models import AliasMove, PromptAlias


def set_alias(
    session: Session,
    name: str,
    version: str | int,
    alias: str,
    *,
    reason: str = "",
    evidence: dict[str, Any] | None = None,
) -> AliasMove | None:
    """Point `alias` at a version and keep the move with its reason; None if it is there already.

    `evidence` is JSON that tells why, such as `{"run": ID, "verdict": …}`.
    """
    prompt = need_prompt(session, name, lock=True)
    alias = check_alias(alias)
    number = need_version(session, prompt, version).number
    found = session.get(PromptAlias, (prompt.id, alias))
    before = found.version if found else None
    if before == number:
        return None
    found = found or PromptAlias(prompt_id=prompt.id or 0, name=alias, version=number)
    found.version = number
    session.add(found)
    move = AliasMove(
        prompt_id=prompt.id or 0,
        alias=alias,
        from_version=before,
        to_version=number,
        reason=kept_text(reason, "reason"),
        evidence=evidence,
        actor=actor_of(session),
    )
    session.add(move)
    detail: dict[str, object] = {"alias": alias, "from": before, "to": number, "reason": reason}
    record(session, "prompt.alias", prompt.name, {**detail, "evidence": evidence})
    session.flush()
    return move


def alias_moves(session: Session, name: str, alias: str | None = None) -> list[AliasMove]:
    """The moves of a prompt's aliases, newest first."""
    prompt = need_prompt(session, name)
    query = select(AliasMove).where(AliasMove.prompt_id == prompt.id)
    if alias is not None:
        query = query.where(AliasMove.alias == alias)
    return list(session.exec(query.order_by(col(AliasMove.id).desc())))
