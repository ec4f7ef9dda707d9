"""A request's body: as large as is allowed, in time, and of a kind that is known."""

import asyncio

from starlette.types import Receive, Scope

from mnistlib.serving.budget import Share
from mnistlib.serving.refusals import Refusal


class Disconnected(Exception):  # noqa: N818 - it is no error
    """Whoever asked has gone before the body was whole."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return a header of a request; None if it has none."""
    for known, value in scope["headers"]:
        if known == name:
            return str(value, "latin-1")
    return None


def media_type(scope: Scope) -> str:
    """Return the content type of a request, without its parameters, in small letters; "" if none is named."""
    return (header(scope, b"content-type") or "").partition(";")[0].strip().lower()


async def read_body(scope: Scope, receive: Receive, *, most_bytes: int, patience: float, share: Share) -> bytes:
    """Return a request's body, whose bytes are taken of a share as they come.

    Raises
    ------
    Refusal
        413 if it is larger than allowed, as soon as that is known; 408 if it has not come in time; 415 if it is packed;
        503 if too much is held already.
    Disconnected
        If nobody waits for an answer.
    """
    packed = header(scope, b"content-encoding")
    if packed and packed.strip().lower() != "identity":
        raise Refusal(415, "encoding", f"Content-Encoding {packed} is not taken: send the body as it is")
    announced = header(scope, b"content-length") or ""
    if announced.isdecimal() and int(announced) > most_bytes:
        raise _too_large(most_bytes)
    try:
        async with asyncio.timeout(patience):
            return await _joined(receive, most_bytes, share)
    except TimeoutError as error:
        raise Refusal(408, "timeout", f"the body has not come within {patience:g} seconds") from error


async def _joined(receive: Receive, most_bytes: int, share: Share) -> bytes:
    parts = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        if len(parts) + len(part) > most_bytes:
            raise _too_large(most_bytes)
        share.take(len(part))
        parts += part
        if not message.get("more_body"):
            return bytes(parts)


def _too_large(most_bytes: int) -> Refusal:
    return Refusal(413, "size", f"the body is larger than the {most_bytes:,} bytes that are taken (--most-bytes)")
