"""Web application of a service: its paths and their responses."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
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

from mnistlib._version import __version__
from mnistlib.errors import MnistlibError, PictureError
from mnistlib.models.client import IDX, JSON, PNG
from mnistlib.pictures.decoding import row_of_png
from mnistlib.serving.answers import failed, json_answer, json_of_scores, refused, refused_by_router
from mnistlib.serving.batching import Batcher
from mnistlib.serving.bodies import Bodies, Disconnected, header, media_type
from mnistlib.serving.budget import Budget, Share
from mnistlib.serving.idx_images import rows_of_idx
from mnistlib.serving.inputs import parse_json, rows_of
from mnistlib.serving.metrics import CONTENT_TYPE, Metrics
from mnistlib.serving.model import ServedModel
from mnistlib.serving.openapi import description_of
from mnistlib.serving.page import content_security_policy, make_page
from mnistlib.serving.refusals import Refusal

_READERS = 2  # threads that parse large bodies; few, since parsing takes many times the memory of the body
_INLINE_BYTES, _INLINE_ROWS = 65_536, 1024  # larger ones are parsed in another thread, so that others need not wait
_HELD = 4  # maximum size of all bodies in memory together, as a multiple of the largest body
_GZIP = b"\x1f\x8b"
_PICTURE_STATUS = {"png": 400, "size": 413, "empty": 422}
#: Paths that need no token: the page that a browser opens first, and the health check.
_OPEN = frozenset(("/", "/health"))

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Maximum sizes, numbers and times of a service's requests."""

    most_bytes: int = 64 * 2**20  # of a request body, and of the pixels that are compressed in it
    most_waiting: int = 256  # requests that wait for the model
    patience: float = 30.0  # timeout for reading a body, in seconds


class ScoringApp:
    """Web application that serves one model.

    Requests must send `token`, if it is given, as a bearer token in the ``Authorization`` header. `report` returns the
    report of the run that made the model, as HTML; it raises MnistlibError if there is none.
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
        self._report = None if report is None else Report(report)
        self._bodies = Bodies(most_bytes=self._limits.most_bytes, patience=self._limits.patience)
        self._budget = Budget(_HELD * self._limits.most_bytes)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reading")
        routes = [
            Route("/", self._page, methods=["GET"]),
            Route("/score", _Endpoint(self._score, self._budget), methods=["POST"]),
            Route("/look", _Endpoint(self._score_picture, self._budget), methods=["POST"]),
            Route("/model", self._describe_model, methods=["GET"]),
            Route("/report", self._show_report, methods=["GET"]),
            Route("/health", self._health, methods=["GET"]),
            Route("/metrics", self._show_metrics, methods=["GET"]),
            Route("/swagger.json", self._swagger, methods=["GET"]),
        ]
        self._metrics = Metrics([route.path for route in routes])
        self._batcher = Batcher(model, most_waiting=self._limits.most_waiting, observe=self._metrics.scored)
        handlers: Any = {HTTPException: refused_by_router, Refusal: refused, Exception: failed}
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False  # an unknown path is an error in the common JSON schema
        self._app = self._metrics.around(app if token is None else _guarded(app, token))

    @property
    def is_busy(self) -> bool:
        """Whether the model is scoring a request."""
        return self._batcher.is_busy

    def hurry(self) -> None:
        """Shorten the timeout of request bodies, before shutdown."""
        self._bodies.hurry()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        await self._app(scope, receive, send)

    async def _score(self, scope: Scope, receive: Receive, share: Share) -> bytes:
        """Return labels, as the tutorial's entry script does; with ``proba=1`` an object with probabilities too."""
        proba = self._wants_probabilities(scope)
        kind = media_type(scope)
        if kind not in (JSON, IDX, PNG):
            named = f"Content-Type {kind} is" if kind else "a body without Content-Type is"
            raise Refusal(415, "media_type", f"{named} not supported: send {JSON}, {IDX} (IDX bytes) or {PNG}")
        body = await self._bodies.read(scope, receive, share)
        rows = self._rows(body, kind) if _is_small(body, kind) else await self._in_thread(self._rows, body, kind)
        scores = await self._batcher.score(rows, proba=proba)
        if len(scores.labels) <= _INLINE_ROWS:
            return json_of_scores(scores, self._model.labels)
        return await self._in_thread(json_of_scores, scores, self._model.labels)

    async def _score_picture(self, scope: Scope, receive: Receive, share: Share) -> bytes:
        """Return the pixels that the model gets from a picture, its label and probabilities."""
        if media_type(scope) != PNG:
            raise Refusal(415, "media_type", f"only {PNG} is accepted here")
        rows = await self._in_thread(self._rows, await self._bodies.read(scope, receive, share), PNG)
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

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Run slow work in another thread, so that other requests need not wait for it."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work, *arguments)

    def _wants_probabilities(self, scope: Scope) -> bool:
        if not scope["query_string"]:
            return False
        values = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("proba", ["0"])
        if values not in (["0"], ["1"]):
            raise Refusal(422, "query", f"proba must be 0 or 1, not {', '.join(values)!r}", where="proba")
        if values == ["1"] and not self._model.has_probabilities:
            raise Refusal(422, "query", f"{self._model.name} predicts no probabilities: remove proba=1", where="proba")
        return values == ["1"]

    def _rows(self, body: bytes, kind: str) -> NDArray[Any]:
        """Return the rows of a body of the given content type."""
        model = self._model
        if kind == IDX:
            return rows_of_idx(body, width=model.width, shape=model.shape, most_bytes=self._limits.most_bytes)
        if kind == PNG:
            if model.shape is None:
                raise Refusal(422, "shape", f"the model takes no images: send JSON with rows of {model.width} numbers")
            try:
                return row_of_png(body, shape=model.shape)
            except PictureError as error:
                raise Refusal(_PICTURE_STATUS[error.code], error.code, str(error), where="body") from error
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            content = parse_json(body)  # accepts NaN, so that the error can give its position
        return rows_of(content, width=model.width, unit=model.shape is not None)

    async def _page(self, request: Request) -> Response:
        headers = {"Content-Security-Policy": content_security_policy(), "X-Content-Type-Options": "nosniff"}
        return Response(make_page(), media_type="text/html", headers=headers)

    async def _describe_model(self, request: Request) -> Response:
        """Return the facts of the model that the page needs."""
        model, weights, intercepts = self._model, self._model.weights, self._model.intercepts
        description = model.description
        return json_answer(
            {
                "model": model.name,
                "classes": model.classes,
                "shape": model.shape,
                "weights": None if weights is None else weights.astype(np.float32),
                "intercepts": None if intercepts is None else intercepts.astype(np.float32),
                "metrics": dict(description.metrics) if description else {},
                "run_id": model.run_id,
                "trained_on": description.dataset if description else None,
                "report": self._report is not None,
            }
        )

    async def _show_report(self, request: Request) -> Response:
        if self._report is None:
            raise Refusal(404, "report", "there is no report: the run that made the model is not known here")
        # For a report that is opened outside the page: it may load and run nothing there either.
        policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
        return Response(await self._report.text(), media_type="text/html", headers=headers)

    async def _health(self, request: Request) -> Response:
        return json_answer({"status": "ok", "model": self._model.name, "server": f"mnistlib {__version__}"})

    async def _show_metrics(self, request: Request) -> Response:
        return Response(self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _swagger(self, request: Request) -> Response:
        return json_answer(description_of(self._model))


class _Endpoint:
    """An endpoint without Starlette's request object: most requests do not need its parsing."""

    def __init__(self, answer: Callable[[Scope, Receive, Share], Awaitable[bytes]], budget: Budget) -> None:
        self._answer = answer
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._budget.share() as share:
                body = await self._answer(scope, receive, share)
        except (Disconnected, asyncio.CancelledError):  # cancelled: the process ends before the response
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Report:
    """Report of a run, created once, on the first request."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._making = asyncio.Lock()
        self._made: str | None = None

    async def text(self) -> str:
        """Return the report as HTML."""
        async with self._making:
            if self._made is None:
                try:
                    self._made = await run_in_threadpool(self._make)
                except MnistlibError as error:
                    raise Refusal(404, "report", f"can't create the report: {error}") from error
        return self._made


def _is_small(body: bytes, kind: str) -> bool:
    """Return whether a body is parsed without another thread. Compressed bodies never are: they may expand."""
    return kind != PNG and len(body) <= _INLINE_BYTES and not body.startswith(_GZIP)


def _guarded(app: ASGIApp, token: str) -> ASGIApp:
    """Return an app that rejects requests without the token."""
    expected = token.encode()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            scheme, _, given = (header(scope, b"authorization") or "").partition(" ")
            # In constant time, so that timing reveals no part of the token.
            right = hmac.compare_digest(given.strip().encode("latin-1"), expected)
            if scheme.lower() != "bearer" or not right:
                refusal = Refusal(401, "token", "the token is missing or wrong: send Authorization: Bearer TOKEN")
                answer = await refused(Request(scope), refusal)
                await answer(scope, receive, send)
                return
        await app(scope, receive, send)

    return guarded
