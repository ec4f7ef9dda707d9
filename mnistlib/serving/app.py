"""The web application of a service: its paths, and what they answer."""

import asyncio
import hmac
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import mnistlib
from mnistlib.errors import MnistlibError
from mnistlib.scoring import IDX, JSON
from mnistlib.serving.batching import Batcher
from mnistlib.serving.bodies import Disconnected, header, media_type, read_body
from mnistlib.serving.idx_images import rows_of_idx
from mnistlib.serving.inputs import parse_json, rows_of
from mnistlib.serving.metrics import CONTENT_TYPE, Metrics
from mnistlib.serving.model import ServedModel
from mnistlib.serving.openapi import description_of
from mnistlib.serving.page import content_security_policy, make_page
from mnistlib.serving.pictures import row_of_png
from mnistlib.serving.refusals import Refusal

PNG = "image/png"

_READERS = 2  # what is large is read by so few at a time, since each takes many times the memory of what has come
_INLINE_BYTES = 65_536  # larger bodies are read in another thread, so that small ones need not wait for them
#: What anybody may ask for where a token is needed: what a browser opens first, and what watches over the process.
_OPEN = frozenset(("/", "/health"))

_log = logging.getLogger("mnistlib")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a service takes on.

    Attributes
    ----------
    most_bytes : int
        Of a request's body, and of the pixels that are packed in it.
    most_waiting : int
        Requests that wait for the model.
    patience : float
        Seconds that a body may take to come.
    """

    most_bytes: int = 64 * 2**20
    most_waiting: int = 256
    patience: float = 30.0


class ScoringApp:
    """The application of one model.

    Parameters
    ----------
    model : ServedModel
        What it answers with.
    limits : Limits, optional
        What it takes on.
    token : str, optional
        What requests must carry as ``Authorization: Bearer``.
    report : callable, optional
        Returns the report of the run that made the model, as HTML; MnistlibError or OSError if it can't.
    """

    def __init__(
        self,
        model: ServedModel,
        *,
        limits: Limits | None = None,
        token: str | None = None,
        report: Callable[[], str] | None = None,
    ) -> None:
        self._model = model
        self._limits = limits or Limits()
        self._make_report = report
        self._report: str | None = None
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reading")
        routes = [
            Route("/", self._page, methods=["GET"]),
            Route("/score", _Endpoint(self._score), methods=["POST"]),
            Route("/look", _Endpoint(self._look), methods=["POST"]),
            Route("/model", self._describe, methods=["GET"]),
            Route("/report", self._show_report, methods=["GET"]),
            Route("/health", self._health, methods=["GET"]),
            Route("/metrics", self._show_metrics, methods=["GET"]),
            Route("/swagger.json", self._swagger, methods=["GET"]),
        ]
        self._metrics = Metrics([route.path for route in routes])
        self._batcher = Batcher(model, most_waiting=self._limits.most_waiting, observe=self._metrics.scored)
        handlers: Any = {HTTPException: _by_router, Refusal: _refused, Exception: _failed}
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False  # a path that is not known is refused, in the one shape
        self._app = self._metrics.around(app if token is None else _guarded(app, token))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    async def _score(self, scope: Scope, receive: Receive) -> bytes:
        """Answer labels, as the tutorial's entry script does; with ``proba=1`` an object that has probabilities too."""
        proba = self._wants_probabilities(scope)
        kind = media_type(scope)
        if kind not in (JSON, IDX, PNG):
            named = f"Content-Type {kind} is" if kind else "a body without Content-Type is"
            raise Refusal(415, "media_type", f"{named} not taken: send {JSON}, {IDX} (IDX bytes) or {PNG}")
        body = await self._body(scope, receive)
        # A picture is small packed, and large when it is not.
        inline = kind != PNG and len(body) <= _INLINE_BYTES
        rows = self._rows(body, kind) if inline else await self._read(body, kind)
        scores = await self._batcher.score(rows, proba=proba)
        if scores.probabilities is None:
            return orjson.dumps(scores.labels.tolist())
        return orjson.dumps(
            {
                "labels": scores.labels.tolist(),
                "probabilities": scores.probabilities.tolist(),
                "classes": self._model.labels,
            }
        )

    async def _look(self, scope: Scope, receive: Receive) -> bytes:
        """Answer what the model sees in a picture, and what it makes of it."""
        if media_type(scope) != PNG:
            raise Refusal(415, "media_type", f"only {PNG} is taken here")
        rows = await self._read(await self._body(scope, receive), PNG)
        scores = await self._batcher.score(rows, proba=self._model.has_probabilities)
        probabilities = None if scores.probabilities is None else scores.probabilities[0].tolist()
        return orjson.dumps(
            {
                "label": scores.labels.tolist()[0],
                "probabilities": probabilities,
                "pixels": rows[0].astype(np.float32),
            },
            option=orjson.OPT_SERIALIZE_NUMPY,
        )

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        return await read_body(scope, receive, most_bytes=self._limits.most_bytes, patience=self._limits.patience)

    async def _read(self, body: bytes, kind: str) -> NDArray[Any]:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._rows, body, kind)

    def _wants_probabilities(self, scope: Scope) -> bool:
        if not scope["query_string"]:
            return False
        asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("proba", ["0"])
        if asked not in (["0"], ["1"]):
            raise Refusal(422, "query", f"proba must be 0 or 1, not {', '.join(asked)!r}", where="proba")
        if asked == ["1"] and not self._model.has_probabilities:
            raise Refusal(422, "query", f"{self._model.name} has no probabilities", where="proba")
        return asked == ["1"]

    def _rows(self, body: bytes, kind: str) -> NDArray[Any]:
        """Return the rows of a body of that kind."""
        model = self._model
        if kind == IDX:
            return rows_of_idx(body, width=model.width, shape=model.shape, most_bytes=self._limits.most_bytes)
        if kind == PNG:
            if model.shape is None:
                raise Refusal(422, "shape", f"the model takes no images, but rows of {model.width} numbers: send JSON")
            return row_of_png(body, shape=model.shape)
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            content = parse_json(body)  # which takes NaN, to say where it stands, or says what is wrong
        return rows_of(content, width=model.width, unit=model.shape is not None)

    async def _page(self, request: Request) -> Response:
        headers = {"Content-Security-Policy": content_security_policy(), "X-Content-Type-Options": "nosniff"}
        return Response(make_page(), media_type="text/html", headers=headers)

    async def _describe(self, request: Request) -> Response:
        """Answer what the page must know of the model."""
        model, weights, intercepts = self._model, self._model.weights, self._model.intercepts
        told = model.description
        return _json(
            {
                "model": model.name,
                "classes": model.classes,
                "shape": model.shape,
                "weights": None if weights is None else weights.astype(np.float32),
                "intercepts": None if intercepts is None else intercepts.astype(np.float32),
                "metrics": dict(told.metrics) if told else {},
                "run_id": model.run_id,
                "trained_on": told.dataset if told else None,
                "report": self._make_report is not None,
            }
        )

    async def _show_report(self, request: Request) -> Response:
        """Answer the report of the run; made when it is first asked for."""
        if self._make_report is None:
            raise Refusal(404, "report", "the model comes from no run that is known here")
        if self._report is None:
            try:
                self._report = await run_in_threadpool(self._make_report)
            except (MnistlibError, OSError) as error:
                raise Refusal(404, "report", f"the report can't be made: {error}") from error
        return Response(self._report, media_type="text/html")

    async def _health(self, request: Request) -> Response:
        return _json({"status": "ok", "model": self._model.name, "server": f"mnistlib {mnistlib.__version__}"})

    async def _show_metrics(self, request: Request) -> Response:
        return Response(self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _swagger(self, request: Request) -> Response:
        return _json(description_of(self._model))


class _Endpoint:
    """An endpoint of few steps: what a request object would parse, most requests do not need."""

    def __init__(self, answer: Callable[[Scope, Receive], Any]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._answer(scope, receive)
        except Disconnected:
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _guarded(app: ASGIApp, token: str) -> ASGIApp:
    """Return an app that refuses requests without the token."""
    expected = token.encode()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            scheme, _, given = (header(scope, b"authorization") or "").partition(" ")
            # In a time that does not tell how much of it was right.
            right = hmac.compare_digest(given.strip().encode("latin-1"), expected)
            if scheme.lower() != "bearer" or not right:
                refusal = Refusal(401, "token", "Authorization: Bearer with the service's token is missing or wrong")
                await _answer(refusal, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
        await app(scope, receive, send)

    return guarded


async def _refused(request: Request, refusal: Refusal) -> Response:
    # The path as it came, not as a URL with the host that the request names, which may be none; and on one line.
    _log.info("%s %r: %d %s", request.method, request.scope["path"], refusal.status, refusal)
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    if refusal.status in (408, 413):
        headers["Connection"] = "close"  # the rest of the body is not read
    return _answer(refusal, headers)


async def _by_router(request: Request, error: HTTPException) -> Response:
    message = f"{request.method} {request.scope['path']}: {error.detail}"
    return _answer(Refusal(error.status_code, "path" if error.status_code == 404 else "method", message), error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    """Answer no more than that; the traceback is in the log."""
    return _answer(Refusal(500, "internal", "the service has failed; its log says why"), {})


def _answer(refusal: Refusal, headers: Any) -> Response:
    return _json(refusal.content, status=refusal.status, headers=headers)


def _json(content: Any, *, status: int = 200, headers: Any = None) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers=headers, media_type=JSON)
