"""Trying an app: what was asked and answered so far, kept as a draft, so that a reload keeps it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import streamlit as st

from app.server import context
from app.workspace.components import access, publishing, url
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from connectors.models import Generation
from core import drafts
from core.clock import new_id
from core.errors import PromptstoneError
from prompts.content import Variable
from serving.as_model import trial as asked_call
from serving.lookup import DEFAULT_ALIAS

_KIND = "app.trial"
_MOST_TURNS = 50
_NEWEST = 20


@dataclass
class Turn:
    """What a person asked, and the call that answers; `request` is the id of its trace."""

    text: str
    ref: str
    generation: str
    request: str


@dataclass
class Trial:
    """An app as one tries it; `name` tells its fields from those of prompts."""

    app: str
    values: dict[str, Any] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"app:{self.app}"

    def keep_try(self) -> None:
        """Store values and turns."""
        text = json.dumps({"values": self.values, "turns": [asdict(one) for one in self.turns]})
        access.act(lambda session: (drafts.save_draft(session, _KIND, self.app, text), True))

    def forget(self) -> None:
        """Begin a new conversation; the values stay."""
        self.turns = []
        self.keep_try()


def asked_ref(seen: View) -> str:
    """The alias or release that is asked, kept in the address."""
    aliases = {one.name: one.release for one in seen.aliases}
    numbers = range(seen.app.newest, max(seen.app.newest - _NEWEST, 0), -1)
    options = [*sorted(aliases, key=lambda name: name != DEFAULT_ALIAS), *map(str, numbers)]
    asked = url.get("ref")
    current = asked if asked in options and asked is not None else options[0]
    st.session_state["try_ref"] = current

    def changed() -> None:
        picked = st.session_state["try_ref"]
        url.put(ref=None if picked == options[0] else picked)

    def spelled(one: str) -> str:
        return f"{one} → {aliases[one]}" if one in aliases else raw("apps.release_n", n=one)

    st.selectbox(
        t("apps.asked"), options, key="try_ref", on_change=changed, format_func=spelled, width=260
    )
    return current


def load(app: str) -> Trial:
    """What who looks tried with an app."""
    with access.reading() as session:
        draft = drafts.load_draft(session, access.actor(), _KIND, app)
    if draft is None:
        return Trial(app)
    state = json.loads(draft.content)
    return Trial(app, state["values"], [Turn(**one) for one in state["turns"]])


def generation(turn: Turn) -> Generation | None:
    """The call of a turn; None if it is somebody else's or gone."""
    with access.reading() as session:
        found = session.get(Generation, turn.generation)
    return found if found is not None and found.actor == access.actor() else None


def ask(trial: Trial, ref: str, text: str, variables: Sequence[Variable]) -> None:
    """Ask the app on the server's loop: all turns so far, and `text` unless it is empty."""
    messages = [message for turn in trial.turns for message in _messages(turn)]
    messages += [{"role": "user", "content": text}] if text else []
    shown = {one.name: trial.values.get(one.name, one.example) for one in variables}
    inputs = {name: value for name, value in shown.items() if value is not None}
    request = new_id()
    try:
        publishing.checked_role()
        call = asked_call(access.actor(), ref, inputs, messages, request)
        started = context.current().generations.start(call)
    except PromptstoneError as error:
        access.refuse(error)
        return
    trial.turns = [*trial.turns, Turn(text, ref, started, request)][-_MOST_TURNS:]
    trial.keep_try()


def _messages(turn: Turn) -> list[dict[str, str]]:
    """A turn as the next one tells it; nothing of one that was not answered."""
    found = generation(turn)
    if found is None or found.state != "succeeded" or not turn.text:
        return []
    return [
        {"role": "user", "content": turn.text},
        {"role": "assistant", "content": found.output},
    ]


def stop(turn: Turn) -> None:
    """End the call of a turn; what it said so far is kept."""
    context.current().generations.stop(turn.generation)
