"""Calls of apps as the recorder writes them, and apps to write them for."""

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlmodel import Session

from connectors.service import ensure_builtin
from core.clock import new_id, utcnow
from core.database import Database
from prompts import service as prompts
from prompts.content import MessageTemplate, PromptContent, Variable
from serving import making, service
from serving.models import ApiKey, App, Trace, TraceContent
from serving.records import CallContent, CallRecord, Step
from serving.settings import AppSettings, Operations
from serving.trace_rows import content_row, trace_row

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def id_at(at: datetime) -> str:
    """A request id of a moment."""
    number = int(at.timestamp() * 1000) << 80 | random.getrandbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def make_app(session: Session, name: str = "faq", *, newest: int = 2, **operations: Any) -> App:
    """An app without prompt, model and manifests: enough to own calls."""
    settings = AppSettings(kind="chat", prompt=f"{name}@1", model="echo")
    app = App(
        name=name,
        settings=settings.model_dump(mode="json"),
        operations=Operations(**operations).model_dump(mode="json"),
        newest=newest,
        actor="cli:tester",
    )
    session.add(app)
    session.flush()
    return app


def make_released(
    db: Database, name: str = "faq", text: str = "Answer {{ question }}", *variables: Variable
) -> App:
    """An app with its prompt of one user message, on the model echo, and its release 1."""
    content = PromptContent(
        messages=(MessageTemplate(role="user", content=text),), inputs=tuple(variables)
    )
    with db.session_scope("cli:tester") as session:
        ensure_builtin(session)
        prompts.push(session, name, content)
    settings = making.draft_settings(db, {"prompt": f"{name}@1", "model": "echo"})
    with db.session_scope("cli:tester") as session:
        app = service.create(session, name, settings)
    making.release(db, "cli:tester", name)
    return app


def make_key(session: Session, name: str = "shop", *apps: App) -> ApiKey:
    """A key that nobody knows the token of."""
    key = ApiKey(
        name=name, hash=new_id(), prefix="ps_test", apps=[app.id for app in apps],
        actor="cli:tester",
    )  # fmt: skip
    session.add(key)
    session.flush()
    return key


def said(question: str = "Where is my order?", output: str = "On its way.") -> CallContent:
    """What is said in a call of one question."""
    asked = {"role": "user", "content": question}
    return CallContent(
        inputs={"question": question},
        given=[asked],
        messages=[{"role": "system", "content": "Be kind."}, asked],
        output=output,
        steps=[Step("render", "", 0.1, 0.2), Step("call", "echo", 0.4, 80.0)],
    )


def call(app: App, at: datetime | None = None, **fields: Any) -> CallRecord:
    """One call; without `content=` that of `said()`."""
    at = at or utcnow()
    values: dict[str, Any] = {
        "id": id_at(at), "app_id": app.id, "app": app.name, "release": app.newest or 1, "at": at,
        "alias": "production", "model": "echo", "latency_ms": 120.0, "ttft_ms": 40.0,
        "input_tokens": 20, "output_tokens": 5, "cost": Decimal("0.000125"), "content": said(),
    }  # fmt: skip
    return CallRecord(**{**values, **fields})


def store(session: Session, records: Iterable[CallRecord], **columns: Any) -> list[str]:
    """Write records as the recorder does, with columns such as `rating` or `review`; their ids."""
    found = list(records)
    session.add_all([Trace(**trace_row(one), **columns) for one in found])
    for one in found:
        row = content_row(one)
        if row is not None:
            steps = [
                {name: getattr(step, name) for name in step.__slots__} for step in row["steps"]
            ]
            session.add(TraceContent(**{**row, "steps": steps}))
    session.flush()
    return [one.id for one in found]


def make_calls(
    session: Session,
    app: App,
    count: int,
    *,
    every: timedelta = timedelta(seconds=1),
    until: datetime | None = None,
    fields: Callable[[int], Mapping[str, Any]] = lambda number: {},
    **columns: Any,
) -> list[str]:
    """So many calls, the last one at `until`; ids from the oldest to the newest."""
    until = until or utcnow()
    made = [call(app, until - (count - 1 - n) * every, **fields(n)) for n in range(count)]
    return store(session, made, **columns)
