"""Counters of a service, in Prometheus's format."""

import time
from collections.abc import Collection

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_GONE = 499  # status that is counted when the client disconnects, as nginx does
_REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one service; `paths` are counted by name, all others as "other"."""

    def __init__(self, paths: Collection[str]) -> None:
        self._paths = frozenset(paths)
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "mnistlib_requests_total", "Requests answered", ("path", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "mnistlib_request_seconds",
            "Time from a request's head to the end of its answer",
            ("path",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._images = Counter("mnistlib_rows_scored_total", "Rows scored", registry=self._registry)
        self._batches = Histogram(
            "mnistlib_batch_requests", "Requests scored together", buckets=_REQUESTS, registry=self._registry
        )
        self._now = Gauge("mnistlib_requests_in_progress", "Requests not answered yet", registry=self._registry)
        # A cache, since finding a counter by its labels costs more than counting.
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def scored(self, requests: int, rows: int) -> None:
        """Count a batch."""
        self._batches.observe(requests)
        self._images.inc(rows)

    def text(self) -> bytes:
        """Return all counters in Prometheus's text format."""
        return generate_latest(self._registry)

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the app with each request counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status = _GONE

            async def send_and_note_status(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            started = time.perf_counter()
            self._now.inc()
            try:
                await app(scope, receive, send_and_note_status)
            finally:
                self._now.dec()
                answers, seconds = self._counters(scope["path"], status)
                answers.inc()
                seconds.observe(time.perf_counter() - started)

        return counted

    def _counters(self, path: str, status: int) -> tuple[Counter, Histogram]:
        named = path if path in self._paths else "other"
        if (named, status) not in self._known:
            self._known[named, status] = self._answers.labels(named, str(status)), self._seconds.labels(named)
        return self._known[named, status]
