"""A request's body: as large as is allowed, in time, and of a kind that is known."""

import asyncio

from starlette.types import Receive, Scope

from mnistlib.serving.budget import Share
from mnistlib.serving.refusals import Refusal

_LAST_SECONDS = 3.0  # that a body has to come once the service is told to end


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


class Bodies:
    """Reads the bodies of requests.

    Parameters
    ----------
    most_bytes : int
        How large one may be.
    patience : float
        Seconds that one may take to come.
    """

    def __init__(self, *, most_bytes: int, patience: float) -> None:
        self._most_bytes = most_bytes
        self._patience = patience
        self._coming: set[asyncio.Timeout] = set()

    async def read(self, scope: Scope, receive: Receive, share: Share) -> bytes:
        """Return a request's body, whose bytes are taken of a share as they come.

        Raises
        ------
        Refusal
            413 if it is larger than allowed, as soon as that is known; 408 if it has not come in time; 415 if it is
            packed; 503 if too much is held already.
        Disconnected
            If nobody waits for an answer.
        """
        packed = header(scope, b"content-encoding")
        if packed and packed.strip().lower() != "identity":
            raise Refusal(415, "encoding", f"Content-Encoding {packed} is not taken: send the body as it is")
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
            raise Refusal(408, "timeout", "the body has not come in time") from error

    def hurry(self) -> None:
        """Give bodies that are still to come a few seconds at most, since the service is to end."""
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
            413, "size", f"the body is larger than the {self._most_bytes:,} bytes that are taken (--most-bytes)"
        )
