"""From what a person names to a draft, and from a draft to a release.

Each works in steps of its own: what is named is read, templates are looked at with no transaction
open, the result is written.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from core.database import Database
from core.errors import Invalid
from prompts.fields import check_json
from prompts.template import renderer
from serving.lookup import need_app
from serving.releasing import Released, fitted_manifest, kind_of, read, store
from serving.service import settings_of
from serving.settings import AppKind, AppSettings


def draft_settings(
    database: Database, fields: Mapping[str, Any], kind: AppKind | None = None
) -> AppSettings:
    """A draft that can be released as it stands; without a kind, the one that its prompt has.

    Raises NotFound or Invalid for what does not exist or does not go together.
    """
    reads_base = fields.get("knowledge") is not None
    settings = checked({**fields, "kind": kind or ("rag" if reads_base else "chat")})
    with database.read_scope() as session:
        draft = read(session, settings)
    if kind is None:
        content = draft.prompt.content
        report = renderer().variables_of(content)
        found = kind_of(content, report, reads_base=reads_base)
        settings = settings.model_copy(update={"kind": found})
    fitted_manifest(draft._replace(settings=settings))
    return settings


def check_draft(database: Database, settings: AppSettings) -> None:
    """Raise NotFound or Invalid unless the draft can be released as it stands."""
    with database.read_scope() as session:
        draft = read(session, settings)
    fitted_manifest(draft)


def checked(fields: Mapping[str, Any]) -> AppSettings:
    """The fields as settings; raises Invalid that names the first field at fault."""
    try:
        found = AppSettings.model_validate(fields)
        check_json(found.model_dump())
    except ValidationError as error:
        raise Invalid(f"The app's settings are wrong: {fault(error)}. Correct it.") from None
    except ValueError as error:
        raise Invalid(f"The app's settings are wrong: {error}.") from None
    return found


def fault(error: ValidationError) -> str:
    """Field and reason of the first fault."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    why = first["msg"].removeprefix("Value error, ")
    return f"{where}: {why[:300]}" if where else why[:300]


def release(database: Database, actor: str, name: str, message: str = "") -> Released:
    """Freeze the draft as it stands; the newest release again where nothing changed."""
    with database.read_scope() as session:
        draft = read(session, settings_of(need_app(session, name)))
    manifest = fitted_manifest(draft)
    with database.session_scope(actor) as session:
        return store(session, name, manifest, message=message)
