"""A completed run of one prompt whose answers people called bad, for what improves prompts."""

from sqlmodel import Session, select

from evalsets.labels.queues import pick_label
from evalsets.labels.service import checked
from evalsets.models import Case, Run
from prompts import service as prompts
from prompts.content import MessageTemplate, PromptContent, Variable
from tests.support.runs_factory import make_run

CONTENT = PromptContent(
    messages=(
        MessageTemplate(role="system", content="Be brief."),
        MessageTemplate(role="user", content="Tell me about {{ topic }}."),
    ),
    inputs=(Variable(name="topic"),),
)
HELD_OUT = 2


def failed_run(session: Session, cases: int = 6, *, arms: tuple[str, ...] = ("ask | echo",)) -> str:
    """All answers are bad; case 2 is held out; case 3 has a correction, case 4 a comment."""
    version = prompts.push(session, "ask", CONTENT).version
    rows = [{"topic": f"secret {n}" if n == HELD_OUT else f"topic {n}"} for n in range(cases)]
    names = tuple(name.replace("ask", f"ask@{version.version}") for name in arms)
    run_id = make_run(session, cases=rows, arms=names)
    run = session.get_one(Run, run_id)
    frozen = version.model_dump(mode="json", include={"name", "version", "hash", "content"})
    model = {"name": "echo", "settings": {"kind": "echo", "model": "echo"}}
    run.manifest = {
        **run.manifest,
        "arms": [{**arm, "prompt": frozen, "model": model} for arm in run.manifest["arms"]],
    }
    for case in session.exec(select(Case).where(Case.version_id == run.version_id)):
        case.split = "holdout" if case.position == HELD_OUT else "dev"
    session.flush()
    for number in range(cases * len(arms)):
        place = number // len(arms)
        pick_label(
            session, run_id, number,
            checked("bad", reasons=("wrong",) if place == 1 else (),
                    correction="Say **why**." if place == 3 else None,
                    comment="Too vague" if place == 4 else None),
        )  # fmt: skip
    return run_id
