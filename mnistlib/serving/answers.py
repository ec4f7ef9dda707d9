"""Responses: JSON, and errors in one JSON schema."""

import logging
from collections.abc import Iterator
from typing import Any

import orjson
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mnistlib.models.client import JSON
from mnistlib.serving.model import Scores
from mnistlib.serving.refusals import Refusal

_BLOCK_ROWS = 1024  # encoded at a time; other threads wait meanwhile

_log = logging.getLogger("mnistlib")


def json_answer(content: Any, *, status: int = 200, headers: Any = None) -> Response:
    """Return a JSON response."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers=headers, media_type=JSON)


def json_of_scores(scores: Scores, classes: list[Any]) -> bytes:
    """Return a JSON list of labels, as the tutorial's entry script does; with probabilities, a JSON object."""
    labels = _json_of_rows(scores.labels)
    if scores.probabilities is None:
        return labels
    rows = _json_of_rows(scores.probabilities)
    return b'{"labels":%b,"probabilities":%b,"classes":%b}' % (labels, rows, orjson.dumps(classes))


async def refused(request: Request, refusal: Refusal) -> Response:
    """Return the response to a rejected request, and log it."""
    # The raw path: a URL would include the request's Host header, which may be invalid. repr() keeps it on one line.
    _log.info("%s %r: %d %s", request.method, request.scope["path"], refusal.status, refusal)
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.status in (408, 413):
        headers["Connection"] = "close"  # the rest of the body is not read
    return json_answer(refusal.content, status=refusal.status, headers=headers)


async def refused_by_router(request: Request, error: HTTPException) -> Response:
    """Return the response to an unknown path or method."""
    message = f"{request.method} {request.scope['path']!r}: {error.detail}"
    code = "path" if error.status_code == 404 else "method"
    answer = await refused(request, Refusal(error.status_code, code, message))
    answer.headers.update(error.headers or {})
    return answer


async def failed(request: Request, error: Exception) -> Response:
    """Return status 500 without details; the traceback is in the log."""
    return json_answer(Refusal(500, "internal", "internal error: see the log of the service").content, status=500)


def _json_of_rows(rows: NDArray[Any]) -> bytes:
    return b"[%b]" % b",".join(_blocks(rows))


def _blocks(rows: NDArray[Any]) -> Iterator[bytes]:
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield orjson.dumps(rows[start : start + _BLOCK_ROWS].tolist())[1:-1]
