"""Request bodies, read within limits of size and time."""

import asyncio

from starlette.types import Receive, Scope

from mnistlib.serving.budget import Share
from mnistlib.serving.refusals import Refusal

_LAST_SECONDS = 3.0  # timeout of a body during shutdown


class Disconnected(Exception):  # noqa: N818 - not an error
    """The client disconnected before the body was complete."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return a header of a request, or None."""
    for known, value in scope["headers"]:
        if known == name:
            return str(value, "latin-1")
    return None


def media_type(scope: Scope) -> str:
    """Return the content type of a request in lower case, without parameters; "" without that header."""
    return (header(scope, b"content-type") or "").partition(";")[0].strip().lower()


class Bodies:
    """Reads the bodies of requests: each has at most `most_bytes` bytes, and a timeout of `patience` seconds."""

    def __init__(self, *, most_bytes: int, patience: float) -> None:
        self._most_bytes = most_bytes
        self._patience = patience
        self._coming: set[asyncio.Timeout] = set()

    async def read(self, scope: Scope, receive: Receive, share: Share) -> bytes:
        """Return a request's body; each part is counted in `share` as it arrives.

        Raises
        ------
        Refusal
            413 if the body is too large, as soon as that is known; 408 on timeout; 415 if it is compressed; 503 if the
            bodies in memory are too large together.
        Disconnected
            If the client has gone.
        """
        encoding = header(scope, b"content-encoding")
        if encoding and encoding.strip().lower() != "identity":
            raise Refusal(415, "encoding", f"Content-Encoding {encoding} is not supported: remove it")
        announced = header(scope, b"content-length") or ""
        if announced.isdecimal() and int(announced) > self._most_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._patience) as limit:
                self._coming.add(limit)
                try:
                    return await self._joined(receive, share)
                finally:
                    self._coming.discard(limit)
        except TimeoutError as error:
            raise Refusal(408, "timeout", "the body was not complete before the timeout") from error

    def hurry(self) -> None:
        """Shorten the timeout of all bodies to a few seconds, before shutdown."""
        self._patience = min(self._patience, _LAST_SECONDS)
        soon = asyncio.get_running_loop().time() + self._patience
        for limit in self._coming:
            limit.reschedule(min(soon, limit.when() or soon))

    async def _joined(self, receive: Receive, share: Share) -> bytes:
        parts = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            if len(parts) + len(part) > self._most_bytes:
                raise self._too_large()
            share.take(len(part))
            parts += part
            if not message.get("more_body"):
                return bytes(parts)

    def _too_large(self) -> Refusal:
        return Refusal(
            413, "size", f"the body is larger than the maximum of {self._most_bytes:,} bytes (--max-body-bytes)"
        )
