"""Reads what a server sends, whole or streamed, within limits of size; packed bodies included."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator

import aiohttp

from connectors.address import RefusedAddress, parse_address
from connectors.answers import (
    MAX_ANSWER,
    ErrorEvent,
    Garbage,
    Reply,
    SseReader,
    TooLarge,
    add_chunk,
    parse_json,
)
from connectors.failures import describe, from_error_value, from_status
from connectors.resolver import RefusedHost
from connectors.wire import ChatError, ChatFailure, OnDelta, Target

MAX_ERROR = 64 * 1024


async def read_refusal(target: Target, response: aiohttp.ClientResponse) -> ChatFailure:
    """The failure behind a status that is not 200."""
    raw = bytearray()
    try:
        async for piece in pieces(response, MAX_ERROR):
            raw += piece
    except (TooLarge, Garbage, aiohttp.ClientError, TimeoutError):
        # The status alone says enough.
        pass
    return from_status(target, response.status, response.headers, bytes(raw))


async def read_whole(response: aiohttp.ClientResponse) -> bytes | bytearray:
    """The body of an answer; raises TooLarge or Garbage."""
    length = response.content_length
    if length is not None and length <= MAX_ANSWER and "Content-Encoding" not in response.headers:
        return await response.read()
    raw = bytearray()
    async for piece in pieces(response, MAX_ANSWER):
        raw += piece
    return raw


async def read_stream(
    target: Target, response: aiohttp.ClientResponse, on_delta: OnDelta
) -> tuple[Reply, float | None]:
    """The whole reply and when its first text came; a stream without an end is no answer."""
    reply, reader, texts = Reply(), SseReader(), list[str]()
    first: float | None = None
    async for payload in _payloads(response, reader):
        if payload == b"[DONE]":
            await _leave(target, response)
            break
        text = add_chunk(reply, parse_json(payload))
        if first is None and (text or reply.tool_calls):
            first = time.perf_counter()
        if text:
            texts.append(text)
            on_delta(text)
    else:
        if reply.finish_reason is None:
            detail = "the stream ended before its end was said"
            raise ChatError(describe("connection", target, detail=detail))
    reply.text = "".join(texts)
    return reply, first


async def _leave(target: Target, response: aiohttp.ClientResponse) -> None:
    """Read the little that follows `[DONE]`, so that the connection can be used again."""
    if target.local_allowed:
        # llama.cpp closes after a stream without saying so, and a new connection costs nothing.
        response.close()
        return
    try:
        async with asyncio.timeout(0.2):
            async for _ in pieces(response, MAX_ERROR):
                pass
    except (TimeoutError, TooLarge, Garbage, aiohttp.ClientError):
        response.close()


async def _payloads(response: aiohttp.ClientResponse, reader: SseReader) -> AsyncIterator[bytes]:
    async for piece in pieces(response, MAX_ANSWER):
        for payload in reader.feed(piece):
            yield payload
    for payload in reader.close():
        yield payload


async def pieces(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    """The body, unpacked where a server packs unasked; raises TooLarge beyond `limit` bytes."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "deflate"):
        raise Garbage(f"packed as {encoding[:20]}, though nothing packed was asked for")
    packed = encoding in ("gzip", "deflate")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if packed else None
    size = 0
    async for piece in response.content.iter_any():
        if unpacker is not None:
            piece = _unpack(unpacker, piece, limit - size + 1)
        size += len(piece)
        if size > limit:
            raise TooLarge(f"more than {limit >> 20 or 1} MiB")
        yield piece


def _unpack(unpacker: "zlib._Decompress", piece: bytes, most: int) -> bytes:
    try:
        return unpacker.decompress(piece, max(1, most))
    except zlib.error as error:
        raise Garbage(f"a broken packing: {error}") from None


def failure_of(target: Target, error: Exception) -> ChatFailure:
    """The failure behind an exception of reading, connecting or parsing."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match cause:
        case RefusedHost() | RefusedAddress():
            return ChatFailure("refused_address", str(cause), fatal_for_model=True)
        case ErrorEvent():
            return from_error_value(target, cause.error)
        case TooLarge():
            return describe("too_large", target, detail=str(cause))
        case Garbage() | aiohttp.ClientResponseError():
            return describe("garbage", target, detail=str(cause))
        case aiohttp.ConnectionTimeoutError():
            return describe("connection", target, detail="no connection within 10 seconds")
        case TimeoutError():
            return describe("timeout", target, detail=f"the limit is {target.timeout:g} seconds")
        case aiohttp.ClientError() | OSError():
            return describe("connection", target, detail=_plain(error, target))
        case _:
            return describe("bad_request", target, detail=f"{type(cause).__name__}: {cause}")


def _plain(error: Exception, target: Target) -> str:
    """Connection trouble in words; the system's texts differ from machine to machine."""
    host = parse_address(target.base_url).host
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {host} is not known"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {host} is not trusted"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "no server listens there"
        case aiohttp.ClientSSLError():
            return "no TLS there; is it http:// instead of https://?"
        case _:
            return f"the connection broke off ({type(error).__name__})"
