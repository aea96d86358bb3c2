"""The HTTP interface of published apps: OpenAI's chat completions, invoke, models, feedback."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import Forbidden, Invalid, NotFound
from serving import feedback
from serving.answering import Whole
from serving.bodies import parse_object, read_chat, read_invoke
from serving.calls import Call
from serving.chunks import completion, invoked
from serving.http import schemas
from serving.http.answers import CallAnswer
from serving.http.body import ClientGone, read_body
from serving.http.serving import Serving, key_of, serving_of
from serving.keys import LiveKey
from serving.live import LiveApp

router = APIRouter(tags=["apps"])
CHAT_PATH = "/v1/chat/completions"
_RECORDED_WITHIN = 0.5
_Reason = Annotated[str, Field(max_length=feedback.MOST_REASON)]


def _completion(call: Call, whole: Whole) -> dict[str, Any]:
    return completion(call, whole.text, whole.finish_reason, whole.tool_calls)


def _invoked(call: Call, whole: Whole) -> dict[str, Any]:
    return invoked(call, whole.text)


@router.post(CHAT_PATH, openapi_extra=schemas.CHAT, responses=schemas.CALLS)
async def chat_completions(request: Request) -> CallAnswer:
    """OpenAI's chat completions; `model` is APP, APP@ALIAS or APP@N."""
    return CallAnswer(serving_of(request), _caller(request), read_chat, _completion)


@router.post("/apps/{app:path}/invoke", openapi_extra=schemas.INVOKE, responses=schemas.CALLS)
async def invoke(request: Request, app: str) -> CallAnswer:
    """An app's inputs in, its output with sources, usage and cost out."""
    return CallAnswer(
        serving_of(request), _caller(request), read_invoke, _invoked, app, result_event=True
    )


@router.get("/v1/models")
async def models(request: Request) -> JSONResponse:
    """The apps that the key may call, each with its aliases."""
    apps = serving_of(request).live.apps_of(_caller(request))
    data = [row for app in apps for row in _models_of(app)]
    return JSONResponse({"object": "list", "data": data})


@router.get("/v1/models/{model:path}", responses=schemas.REFUSALS)
async def model(request: Request, model: str) -> JSONResponse:
    """One app that the key may call."""
    found = await serving_of(request).live.find(model, _caller(request), "")
    return JSONResponse(_model(model, found.app))


def _models_of(app: LiveApp) -> list[dict[str, Any]]:
    named = [f"{app.name}@{alias}" for alias in sorted(app.aliases)]
    return [_model(name, app) for name in (app.name, *named)]


def _model(name: str, app: LiveApp) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": app.created, "owned_by": "promptstone"}


class FeedbackBody(BaseModel):
    """What a client says of an answer; a later one takes the place of an earlier one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: Annotated[str, Field(min_length=1, max_length=64)]
    rating: Literal["good", "bad"] | None = None
    reasons: Annotated[list[_Reason], Field(max_length=feedback.MOST_REASONS)] = []
    comment: Annotated[str, Field(max_length=feedback.MOST_COMMENT)] = ""
    correction: Annotated[str, Field(max_length=feedback.MOST_CORRECTION)] | None = None


@router.post(
    "/v1/feedback",
    openapi_extra=schemas.body_of(FeedbackBody.model_json_schema()),
    responses=schemas.REFUSALS,
)
async def give_feedback(request: Request) -> Response:
    """Rate an answer by the request id that it came with."""
    key, serving = _caller(request), serving_of(request)
    try:
        raw = await read_body(request.scope, request.receive)
    except ClientGone:
        return Response(status_code=499)
    body = _said(raw)
    await serving.recorder.settled(body.request_id)
    for last in (False, False, True):
        try:
            await asyncio.to_thread(_give, serving, key, body)
            break
        except NotFound:
            # Another process may have answered the call and be about to record it.
            if last or not feedback.on_its_way(body.request_id):
                raise
            await asyncio.sleep(_RECORDED_WITHIN / 2)
    return JSONResponse({"request_id": body.request_id, "rating": body.rating})


def _said(raw: bytes) -> FeedbackBody:
    try:
        return FeedbackBody.model_validate(parse_object(raw))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:64]
        raise Invalid(f"{where}: {first['msg']}. Correct this field.", param=where) from None


def _give(serving: Serving, key: LiveKey, body: FeedbackBody) -> None:
    with serving.database.session_scope(f"key:{key.id}") as session:
        feedback.give(
            session,
            app_ids=key.app_ids,
            request_id=body.request_id,
            rating=body.rating,
            reasons=body.reasons,
            comment=body.comment,
            correction=body.correction,
            actor=f"key:{key.name}",
        )


def _caller(request: Request) -> LiveKey:
    """The key of a request; one for metrics calls no app."""
    key = key_of(request)
    if key.scope != "apps":
        raise Forbidden("This key reads metrics only. Use a key for apps.")
    return key
