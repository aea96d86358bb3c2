"""A call answered by what a person pinned, if its question is known."""

import asyncio
from collections.abc import Sequence

from core.database import Database
from serving.bodies import Turn
from serving.calls import Call
from serving.pinned import Near, embed_questions
from serving.preparing import question_of
from serving.settings import Pinned


async def pinned_answer(database: Database, call: Call, turns: Sequence[Turn]) -> Pinned | None:
    """The pinned answer to a call's question; noted in the call when there is one."""
    pinned = call.release.pinned
    if not pinned:
        return None
    question = question_of(call, turns)
    with call.step("pinned") as step:
        found = pinned.exact(question)
        if found is None and pinned.needs_vectors and question.strip():
            near = await _nearest(database, call, question)
            if near is not None:
                found = near.pinned
                step.detail = {"similarity": round(near.similarity, 4)}
    if found is None:
        call.content.steps.pop()
        return None
    call.record.state = "pinned"
    call.answered(None, found.answer)
    return found


async def _nearest(database: Database, call: Call, question: str) -> Near | None:
    release = call.release
    if release.vectors is None:
        questions = release.pinned.similar_questions
        release.vectors = await asyncio.to_thread(embed_questions, database, questions)
    vectors = await asyncio.to_thread(embed_questions, database, [question])
    return release.pinned.similar(vectors[0], release.vectors)
