"""The working copy of a prompt: what is typed, kept in this tab and as a draft in the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from app.workspace.components import access, editor
from app.workspace.components.composing import composed
from core import drafts
from core.errors import Invalid
from prompts import service
from prompts.content import PromptContent, Variable
from prompts.models import PromptDraft, PromptPublic

_THREAD_NAMES = ("history", *(f"history_{n}" for n in range(2, 1_000)))
TRY = "prompt.try"
"""Kind of the draft that keeps the values one tries a prompt with, and its last answer."""


@dataclass
class Working:
    """`content` is a PromptContent as JSON and may not be valid yet.

    `ids` name the messages' fields across moves; `revision` grows when the texts are replaced.
    `kb` is the base it is tried on, `sources` the passages of its last answer.
    `apart`: opened from elsewhere beside a stored draft, which it must not replace unasked.
    """

    name: str
    based_on: int
    content: dict[str, Any]
    message: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    generation: str | None = None
    kb: str | None = None
    sources: list[dict[str, Any]] = field(default_factory=list)
    is_draft: bool = False
    revision: int = 0
    ids: list[int] = field(default_factory=list)
    apart: bool = False

    @property
    def messages(self) -> list[dict[str, str]]:
        return self.content["messages"]

    def keep(self) -> None:
        """Store what is typed, so that neither a reload nor a crash loses it."""
        self.is_draft = True
        if self.apart:
            return
        draft = PromptDraft(based_on=self.based_on, content=self.content, message=self.message)
        access.act(lambda session: (service.save_draft(session, self.name, draft), True))

    def keep_try(self) -> None:
        """Store the values one tries it with, the model, the base and the last answer."""
        kept = ("values", "model", "generation", "kb", "sources")
        state = {name: getattr(self, name) for name in kept}
        text = json.dumps(state, ensure_ascii=False)
        access.act(lambda s: (drafts.save_draft(s, TRY, self.name, text), True))

    def set_text(self, place: int, text: str) -> None:
        self.messages[place]["content"] = text
        self.keep()

    def set_role(self, place: int, role: str) -> None:
        editor.take()
        self.messages[place]["role"] = role
        self.keep()

    def add(self) -> None:
        editor.take()
        role = "assistant" if self.messages and self.messages[-1]["role"] == "user" else "user"
        self.messages.append({"role": role, "content": ""})
        self.ids.append(max(self.ids, default=0) + 1)
        self.keep()

    def add_thread(self) -> None:
        """A place at which a list of messages is put in, and the input that holds them."""
        editor.take()
        names = {str(item.get("name")) for item in self.content.get("inputs", [])}
        name = next(one for one in _THREAD_NAMES if one not in names)
        declared_too = {"name": name, "kind": "thread", "required": False}
        self.content["inputs"] = [*self.content.get("inputs", []), declared_too]
        self.messages.append({"role": "user", "content": f"{{{{ {name} }}}}"})
        self.ids.append(max(self.ids, default=0) + 1)
        self.keep()

    def remove(self, place: int) -> None:
        editor.take()
        del self.messages[place], self.ids[place]
        self.keep()

    def move(self, place: int, by: int) -> None:
        editor.take()
        other = place + by
        if 0 <= other < len(self.messages):
            messages, ids = self.messages, self.ids
            messages[place], messages[other] = messages[other], messages[place]
            ids[place], ids[other] = ids[other], ids[place]
            self.keep()

    def set(self, part: str, value: Any) -> None:
        """Change `model`, `options`, `inputs`, `outputs` or `tools`."""
        editor.take()
        self.content[part] = value
        self.keep()

    def checked(self) -> PromptContent:
        """The content as a version would hold it; raises Invalid with the first fault.

        What is typed includes snippets as they are now, a stored version as it pinned them.
        """
        editor.take()
        found = checked(self.content)
        typed = self.is_draft or not found.includes
        return composed(self.name, found) if typed else found

    def inputs(self, used: tuple[str, ...]) -> list[Variable]:
        """The variables, those too that an included snippet declares; see `declared`."""
        return declared(self.checked().model_dump(mode="json"), used)


def checked(content: Mapping[str, Any]) -> PromptContent:
    """A content as a version would hold it; raises Invalid with the first fault."""
    try:
        return PromptContent.model_validate(content)
    except ValueError as error:
        raise Invalid(f"This prompt cannot be used yet: {_first_fault(error)}.") from None


def _first_fault(error: ValueError) -> str:
    faults = getattr(error, "errors", list)()
    if not faults:
        return str(error)
    where = ".".join(str(part) for part in faults[0]["loc"])
    return f"{where}: {faults[0]['msg'].removeprefix('Value error, ')}"


def working(version: PromptPublic) -> Working:
    """The working copy of this tab: the draft of who looks, or else the version itself."""
    key = _key(version)
    found = st.session_state.get(key)
    if found is None:
        found = st.session_state[key] = _opened(version)
    return found


def _opened(version: PromptPublic) -> Working:
    content = version.content.model_dump(mode="json")
    copy = Working(version.name, version.version, content)
    with access.reading() as session:
        draft = service.load_draft(session, access.actor(), version.name)
        tried = drafts.load_draft(session, access.actor(), TRY, version.name)
    if draft is not None and _has_messages(draft.content):
        copy.content, copy.message, copy.is_draft = dict(draft.content), draft.message, True
        copy.based_on = draft.based_on or version.version
    if tried is not None:
        state = json.loads(tried.content)
        copy.values, copy.model = state["values"], state["model"]
        copy.generation = state["generation"]
        copy.kb, copy.sources = state.get("kb"), state.get("sources", [])
    copy.ids = list(range(len(copy.messages)))
    return copy


def open_with(
    version: PromptPublic, values: Mapping[str, Any], model: str | None, options: Mapping[str, Any]
) -> None:
    """Fill the copy of this tab with a version, its parameters, and the values to try it with."""
    with access.reading() as session:
        draft = service.load_draft(session, access.actor(), version.name)
    old: Working | None = st.session_state.get(_key(version))
    copy = Working(version.name, version.version, version.content.model_dump(mode="json"))
    copy.revision = (old.revision if old else 0) + 1
    copy.ids = list(range(len(copy.messages)))
    copy.values, copy.model = dict(values), model
    copy.apart = draft is not None and _has_messages(draft.content)
    if dict(options) != copy.content.get("options", {}):
        copy.set("options", dict(options))
    copy.keep_try()
    st.session_state[_key(version)] = copy


def to_draft(version: PromptPublic) -> None:
    """From what was opened beside it back to the stored draft."""
    editor.take()
    copy = working(version)
    fresh = _opened(version)
    fresh.values, fresh.model, fresh.generation = copy.values, copy.model, copy.generation
    fresh.revision = copy.revision + 1
    st.session_state[_key(version)] = fresh


def replace_draft(version: PromptPublic) -> None:
    """Keep what was opened as the draft, in place of the stored one."""
    editor.take()
    copy = working(version)
    copy.apart = False
    copy.keep()


def _key(version: PromptPublic) -> str:
    return f"working_{version.name}_{version.version}"


def _has_messages(content: Mapping[str, Any]) -> bool:
    return isinstance(content.get("messages"), list)


def drop(version: PromptPublic) -> None:
    """Forget the copy of this tab, because it was saved."""
    st.session_state.pop(_key(version), None)


def forget(version: PromptPublic) -> None:
    """Give the draft up and begin again from the version."""
    editor.take()
    old = st.session_state.pop(_key(version), None)
    access.act(lambda session: (service.drop_draft(session, version.name), True))
    fresh = working(version)
    fresh.revision = (old.revision if old else 0) + 1


def declared(content: Mapping[str, Any], used: tuple[str, ...]) -> list[Variable]:
    """The declared variables, then those that the texts read without a declaration, as text."""
    known = [Variable.model_validate(item) for item in content.get("inputs", [])]
    names = {variable.name for variable in known}
    return known + [Variable(name=name) for name in used if name not in names]
