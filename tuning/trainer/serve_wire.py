"""OpenAI's wire as a PEFT worker speaks it: what is asked, and what is answered. Pure."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

_MOST_STOPS = 16


class Bad(Exception):
    """Why there is no answer: a sentence for the caller, with the status of HTTP."""

    def __init__(
        self, message: str, status: int = 400, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """In OpenAI's shape."""
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        kind = kinds.get(self.status, "invalid_request_error" if self.status < 500 else "api_error")
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


class Begun(NamedTuple):
    """The prompt was read, as these tokens."""

    prompt: list[int]


class Piece(NamedTuple):
    """What the answer has more by now."""

    text: str
    ids: list[int]


class End(NamedTuple):
    """The answer is whole."""

    finish: Literal["stop", "length"]


Event = Begun | Piece | End | Bad


def _joined(content: object) -> object:
    """Parts of text as one text, as vLLM joins them."""
    if not isinstance(content, list):
        return content
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    if len(texts) < len(content) or not all(isinstance(text, str) for text in texts):
        raise ValueError("this model reads text alone")
    return "\n".join(str(text) for text in texts)


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(_Form):
    """A turn; its content is text."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str, BeforeValidator(_joined)]
    name: str | None = None


class _StreamOptions(_Form):
    include_usage: bool = False


class Ask(_Form):
    """A call; lengths in tokens, and None is the usual."""

    model: str
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=-1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0, le=10)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: str | list[str] | None = Field(default=None, max_length=65_536)
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    return_token_ids: bool | None = None
    user: str | None = None
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    frequency_penalty: float | None = Field(default=None, ge=0, le=0)
    presence_penalty: float | None = Field(default=None, ge=0, le=0)

    @property
    def most(self) -> int | None:
        """Tokens of the answer."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end it, without which it is given."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in given if text)

    @property
    def counted(self) -> bool:
        """Whether a stream ends with its usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatAsk(Ask):
    """`/v1/chat/completions`"""

    messages: list[Message] = Field(min_length=1)


class TextAsk(Ask):
    """`/v1/completions`; a prompt of tokens is taken as it is."""

    prompt: str | list[int]


def read(body: bytes, form: type[Ask]) -> Ask:
    """A call from its body. Raises Bad, naming the field."""
    try:
        ask = form.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"])
        raise Bad(f"{param or 'body'}: {first['msg']}. Correct it.", param=param or None) from None
    if len(ask.stops) > _MOST_STOPS:
        raise Bad(f"stop: more than {_MOST_STOPS} texts. Give fewer.", param="stop")
    return ask


class Shape:
    """The answers to one call."""

    def __init__(self, number: str, created: int, ask: Ask, prompt: list[int]) -> None:
        self._ask, self._prompt = ask, prompt
        self._chat = isinstance(ask, ChatAsk)
        kind = "chat.completion" if self._chat else "text_completion"
        self._head = {"id": number, "object": kind, "created": created, "model": ask.model}
        self._chunk = {**self._head, "object": f"{kind}.chunk" if self._chat else kind}
        self._known = {"prompt_token_ids": prompt} if ask.return_token_ids else {}

    def whole(self, text: str, ids: list[int], finish: str) -> dict[str, Any]:
        """All at once."""
        said = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        choice = {"index": 0, **said, **self._tokens(ids), "finish_reason": finish}
        return {**self._head, **self._known, "choices": [choice], "usage": self.usage(len(ids))}

    def first(self) -> dict[str, Any] | None:
        """What opens a stream; nothing but of a chat."""
        if not self._chat:
            return None
        return self._part({"delta": {"role": "assistant", "content": ""}}, [], None) | self._known

    def piece(self, piece: Piece) -> dict[str, Any]:
        """A further part of a stream."""
        said = {"delta": {"content": piece.text}} if self._chat else {"text": piece.text}
        return self._part(said, piece.ids, None)

    def last(self, finish: str) -> dict[str, Any]:
        """What ends a stream."""
        return self._part({"delta": {}} if self._chat else {"text": ""}, [], finish)

    def counted(self, made: int) -> dict[str, Any]:
        """The usage, after a stream."""
        return {**self._chunk, "choices": [], "usage": self.usage(made)}

    def usage(self, made: int) -> dict[str, int]:
        """Tokens read and made."""
        read = len(self._prompt)
        return {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}

    def _part(self, said: dict[str, Any], ids: list[int], finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, **said, **self._tokens(ids), "finish_reason": finish}
        return {**self._chunk, "choices": [choice]}

    def _tokens(self, ids: list[int]) -> dict[str, Any]:
        return {"token_ids": ids} if self._ask.return_token_ids else {}
