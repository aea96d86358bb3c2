"""Short decisions about prompts: new, import, an alias, details, archive."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from app.workspace.components import access, case_adding, drawer, snippet_uses, url
from app.workspace.components.working import working
from app.workspace.strings import raw, t
from app.workspace.tabs import prompts_describe, prompts_import
from evalsets.datasets import service as datasets
from evalsets.foreign.promptfoo.export import export_promptfoo
from prompts import service
from prompts.content import MessageTemplate, PromptContent
from prompts.export import Format, export
from prompts.models import PromptPublic

_WIDTH = {"import": 620, "describe": 620}


def more(version: PromptPublic) -> dict[str, Callable[[], None]]:
    """What the More menu offers, by string key."""

    def archive() -> None:
        if access.act(lambda s: (service.archive(s, version.name), True)):
            url.replace()

    return {
        "prompts.details": lambda: url.open_drawer("details"),
        "prompts.rename": lambda: url.open_drawer("rename"),
        "prompts.export": lambda: url.open_drawer("export"),
        "prompts.archive": archive,
    }


def draw(name: str | None) -> None:
    """The drawer that the address names."""
    which = url.drawer()
    if name is None:
        bodies = {"new": _new, "import": prompts_import.body, "describe": prompts_describe.body}
    else:
        bodies = {
            "alias": lambda: _alias(name),
            "details": lambda: _details(name),
            "rename": lambda: _rename(name),
            "export": lambda: _export(name),
            "case": lambda: _case(name),
        }
    if which in bodies:
        drawer.drawer(t(f"prompts.drawer_{which}"), bodies[which], width=_WIDTH.get(which, 460))


def _new() -> None:
    with drawer.form("prompt_new"):
        name = st.text_input(t("prompts.name"), help=t("prompts.name_help"))
        first = st.text_area(t("prompts.first_message"), height=120)

        def make(session):
            content = PromptContent(messages=(MessageTemplate(role="user", content=first),))
            return service.save_version(session, name.strip(), content, based_on=0)

        made = drawer.submit("prompts.create", make)
    if made is not None:
        drawer.done(id=made.version.name)
    for other in ("describe", "import"):
        st.button(
            t(f"prompts.{other}"), on_click=url.open_drawer, args=(other,), type="tertiary",
            key=f"new_{other}",
        )  # fmt: skip


def _alias(name: str) -> None:
    number = int(url.get("sel") or 1)
    with drawer.form("prompt_alias"):
        st.text(raw("prompts.alias_what", n=number))
        alias = st.text_input(t("prompts.alias"), value="production")
        reason = st.text_input(t("prompts.reason"))
        moved = drawer.submit(
            "prompts.move",
            lambda s: (service.set_alias(s, name, number, alias.strip(), reason=reason), True),
        )
    if moved:
        drawer.done()


def _details(name: str) -> None:
    with access.reading() as session:
        now = service.get(session, name)
    with drawer.form("prompt_details"):
        title = st.text_input(t("prompts.title_field"), value=now.title or "")
        description = st.text_area(t("prompts.description"), value=now.description, height=90)
        tags = st.text_input(t("prompts.tags"), value=", ".join(now.tags))
        kept = drawer.submit(
            "prompts.keep",
            lambda s: (
                service.describe(
                    s, name, title=title, description=description, tags=tags.split(",")
                ),
                True,
            ),
        )
    if kept:
        drawer.done()


def _rename(name: str) -> None:
    snippet_uses.before_rename(name)
    with drawer.form("prompt_rename"):
        new = st.text_input(t("prompts.name"), value=name, help=t("prompts.name_help"))
        renamed = drawer.submit(
            "prompts.rename_verb", lambda s: (service.rename(s, name, new.strip()), True)
        )
    if renamed:
        drawer.done(id=new.strip())


def _export(name: str) -> None:
    with access.reading() as session:
        version = service.get(session, name, url.get("v") or "latest")
    stem = f"{version.name.replace('/', '-')}-{version.version}"
    forms: dict[Format, str] = {"prompty": "prompty", "openai": "json", "langfuse": "json"}
    for form, ending in forms.items():
        st.download_button(
            t("prompts.download", form=form), data=partial(export, version, form),
            file_name=f"{stem}.{ending}", mime="text/plain", icon=":material/download:",
            on_click="ignore", key=f"export_{form}",
        )  # fmt: skip
    st.download_button(
        t("prompts.download", form="promptfoo"), data=lambda: export_promptfoo([version]).text,
        file_name=f"{stem}.promptfoo.yaml", mime="text/plain", icon=":material/download:",
        on_click="ignore", key="export_promptfoo",
    )  # fmt: skip
    st.code(export(version, "prompty"), language=None, wrap_lines=True, height=360)


def _case(name: str) -> None:
    with access.reading() as session:
        version = service.get(session, name, url.get("v") or "latest")
        known = [row.name for row in datasets.list_datasets(session, limit=1)]
    values = {k: v for k, v in working(version).values.items() if v is not None}
    examples = {v.name: v.example for v in version.content.inputs if v.example is not None}
    own = case_adding.proposed_name(name, hidden=True)
    saved = case_adding.draw(
        {**examples, **values}, proposed=known[0] if known else own, expected=None,
        message=raw("prompts.case_from", ref=version.name),
    )  # fmt: skip
    if saved is not None:
        drawer.done(id=name)
