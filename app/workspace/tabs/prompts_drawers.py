"""Short decisions about prompts: new, import, an alias, details, archive."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from app.workspace.components import access, case_adding, drawer, url
from app.workspace.components.plain import plain
from app.workspace.components.working import working
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from evalsets.datasets import service as datasets
from prompts import service
from prompts.checks import check_content
from prompts.content import MessageTemplate, PromptContent
from prompts.export import Format, export
from prompts.files import ParsedPrompt, parse_prompt_file
from prompts.models import PromptPublic


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
        bodies = {"new": _new, "import": _import}
    else:
        bodies = {
            "alias": lambda: _alias(name),
            "details": lambda: _details(name),
            "rename": lambda: _rename(name),
            "export": lambda: _export(name),
            "case": lambda: _case(name),
        }
    if which in bodies:
        drawer.drawer(t(f"prompts.drawer_{which}"), bodies[which])


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
    st.button(t("prompts.import"), on_click=url.open_drawer, args=("import",), type="tertiary")


def _import() -> None:
    files = st.file_uploader(
        t("prompts.files"), type=["prompty", "txt", "md", "jinja", "j2"], max_upload_size=5,
        accept_multiple_files=True,
    )  # fmt: skip
    parsed: list[ParsedPrompt] = []
    for file in files or []:
        try:
            one = parse_prompt_file(file.name, file.getvalue())
            check_content(one.content)
        except PromptstoneError as error:
            st.error(f"{plain(file.name)}: {plain(error.message)}")
            continue
        parsed.append(one)
        st.text(raw("prompts.import_row", name=one.name, n=len(one.content.messages)))
        for note in one.notices:
            st.caption(plain(note))
    with drawer.form("prompt_import"):
        made = drawer.submit("prompts.import_these", lambda s: [_push(s, one) for one in parsed])
    if made:
        drawer.done(id=made[-1])


def _push(session, one: ParsedPrompt) -> str:
    pushed = service.push(
        session, one.name, one.content, message=raw("prompts.imported"),
        description=one.description, tags=one.tags, title=one.title,
    )  # fmt: skip
    return pushed.version.name


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
