"""Apps, releases and runs over their arms, for tests of what is published."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.service import ensure_builtin
from core.database import Database
from evalsets.labels.importing import import_labels
from evalsets.labels.lines import lines_of
from evalsets.models import Run
from evalsets.runs.arms import build_arms
from evalsets.runs.manifest import FrozenPrompt, Manifest, find_model
from prompts import service as prompts
from prompts.content import PromptContent
from rag.answer import Retrieval
from serving import making, service
from serving.lookup import need_app, resolve
from serving.manifest import ReleaseManifest
from serving.releasing import Released
from tests.support.runs_factory import make_run

ACTOR = "user:test"


def push(db: Database, text: str, name: str = "faq", role: str = "user", **content: Any) -> int:
    """A version of a prompt of one message; its number."""
    whole = {"messages": [{"role": role, "content": text}], **content}
    with db.session_scope(ACTOR) as session:
        ensure_builtin(session)
        return prompts.push(session, name, PromptContent.model_validate(whole)).version.version


def make_app(db: Database, name: str = "faq", **fields: Any) -> None:
    """An app on echo, of the prompt `faq` unless told otherwise."""
    kind = fields.pop("kind", None)
    settings = making.draft_settings(db, {"prompt": "faq", "model": "echo", **fields}, kind)
    with db.session_scope(ACTOR) as session:
        service.create(session, name, settings)


def change(db: Database, name: str = "faq", **fields: Any) -> None:
    """Change an app's draft."""
    with db.session_scope(ACTOR) as session:
        now = service.settings_of(need_app(session, name)).model_dump()
        service.save_settings(session, name, making.checked({**now, **fields}))


def release(db: Database, name: str = "faq", message: str = "") -> Released:
    """A release of the draft."""
    return making.release(db, ACTOR, name, message)


def manifest_of(db: Database, name: str = "faq", ref: str | int = "latest") -> ReleaseManifest:
    """The manifest of a release."""
    with db.read_scope() as session:
        return ReleaseManifest.model_validate(resolve(session, name, ref).release.manifest)


def arms_run(
    db: Database,
    refs: Sequence[str] = ("faq@1", "faq@2"),
    models: Sequence[str] = ("echo",),
    *,
    params: Sequence[tuple[str, Any]] = (),
    retrieval: Retrieval | None = None,
    cases: int = 12,
    labels: Mapping[int, str] | None = None,
    **fields: Any,
) -> str:
    """A completed run over versions of a prompt; `labels` are those of its cells, by number."""
    with db.session_scope(ACTOR) as session:
        found = [prompts.get(session, *ref.split("@")) for ref in refs]
        frozen = [
            FrozenPrompt(name=p.name, version=p.version, hash=p.hash, content=p.content)
            for p in found
        ]
        arms = build_arms(frozen, [find_model(session, name) for name in models], params)
        arms = tuple(arm.model_copy(update={"retrieval": retrieval}) for arm in arms)
        run_id = make_run(session, cases=cases, arms=[arm.name for arm in arms], **fields)
        run = session.get(Run, run_id)
        assert run is not None
        run.manifest = Manifest(arms=arms).model_dump(mode="json")
        session.add(run)
        lines = [
            json.dumps({"cell": cell, "label": word, "annotator": "ann"})
            for cell, word in (labels or {}).items()
        ]
        if lines:
            import_labels(session, run_id, lines_of("\n".join(lines)))
    return run_id
