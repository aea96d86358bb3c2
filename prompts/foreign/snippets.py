"""References to other prompts, as Langfuse writes them."""

import re

from core.errors import Invalid
from core.names import check_alias, check_name, slug

_REFERENCE = re.compile(r"@@@langfusePrompt:([^@]*)@@@")


def with_snippets(text: str) -> str:
    """`@@@langfusePrompt:name=x|version=1@@@` as `{% include "x@1" %}`; raises Invalid."""
    return _REFERENCE.sub(lambda found: _include(found[1]), text)


def has_snippet(text: str) -> bool:
    """Whether the text refers to another prompt."""
    return _REFERENCE.search(text) is not None


def legal_name(given: str) -> str:
    """The name that a prompt of this title gets here."""
    try:
        return check_name(given)
    except Invalid:
        return slug(given)


def legal_alias(label: str) -> str:
    """The alias that a label gets here."""
    return slug(label).replace("/", "-")


def _include(told: str) -> str:
    parts: dict[str, str] = {}
    for part in told.split("|"):
        key, _, value = part.partition("=")
        parts[key.strip()] = value.strip()
    unknown = sorted(parts.keys() - {"name", "version", "label"})
    if unknown:
        raise Invalid(
            f"A reference to another prompt says {unknown[0][:40]!r}. Write name, version or label."
        )
    if not parts.get("name"):
        raise Invalid("A reference to another prompt names none. Write name=NAME|version=N.")
    name, version = legal_name(parts["name"]), parts.get("version", "")
    if version and not version.isdecimal():
        raise Invalid(f"The version {version[:40]!r} of {name} is no number. Correct it.")
    label = parts.get("label") or "production"  # what Langfuse means by a name alone
    ref = version or (label if label == "latest" else check_alias(legal_alias(label)))
    return f'{{% include "{name}@{ref}" %}}'
