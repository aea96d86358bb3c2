"""`promptstone kb access`: rules of a base, changed and shown."""

from collections.abc import Sequence

from app.cli import state
from app.cli.show import print_json, print_table


def change(
    name: str, subject: str | None, where: Sequence[str], forget: bool, restricted: bool | None
) -> None:
    """What was asked; nothing when only the rules are to be shown."""
    from core.errors import Invalid
    from rag.access import read_where, restrict, set_rule
    from rag.service import get

    if subject is None and (where or forget):
        raise Invalid("Say whose rule it is: user:NAME or key:ID.", param="subject")
    if subject is not None and bool(where) == forget:
        raise Invalid("Give the rule with --where KEY=VALUE, or take it away with --forget.")
    if subject is None and restricted is None:
        return
    with state.writing() as session:
        base = get(session, name)
        if subject is not None:
            set_rule(session, base, subject, None if forget else read_where(where))
        if restricted is not None:
            restrict(session, base, restricted)


def show_rules(name: str, as_json: bool) -> None:
    """Every rule of the base."""
    from rag.access import rules
    from rag.service import get

    with state.reading() as session:
        base = get(session, name)
        found = rules(session, base.id)
    if as_json:
        allowed = {rule.subject: rule.allowed for rule in found}
        print_json({"kb": name, "restricted": base.restricted, "access": allowed})
        return
    print("Only these may search." if base.restricted else "Everybody may search; these less:")
    print_table(
        ("subject", "may find", "by"),
        ((rule.subject, _shown(rule.allowed), rule.actor) for rule in found),
    )


def _shown(allowed: dict[str, list[str]]) -> str:
    return " ".join(f"{key}={'|'.join(values)}" for key, values in allowed.items())
