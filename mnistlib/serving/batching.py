"""Batches: requests that arrive together are scored together."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.serving.model import Scores, ServedModel
from mnistlib.serving.refusals import Refusal

_QUICK_ROWS = 64  # up to so many are scored in the event loop: switching threads takes longer
_MOST_ROWS = 16_384  # of a batch; a single request may have more


@dataclass(frozen=True, eq=False)
class _Request:
    rows: NDArray[Any]
    proba: bool
    answer: "asyncio.Future[Scores]"


class Batcher:
    """Scores the rows of all waiting requests as one batch; one batch at a time.

    At most `most_waiting` requests may wait. `observe` is called for each batch with its numbers of requests and rows.
    """

    def __init__(self, model: ServedModel, *, most_waiting: int, observe: Callable[[int, int], None]) -> None:
        self._model = model
        self._most_waiting = most_waiting
        self._observe = observe
        self._waiting: list[_Request] = []
        self._busy = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="scoring")

    async def score(self, rows: NDArray[Any], *, proba: bool) -> Scores:
        """Wait in the queue, and return the scores of rows; raise Refusal 503 if the queue is full."""
        if len(self._waiting) >= self._most_waiting:
            raise Refusal(
                503, "busy", f"{len(self._waiting)} requests are waiting already: retry in one second", retry_after=1
            )
        loop = asyncio.get_running_loop()
        request = _Request(rows, proba, loop.create_future())
        self._waiting.append(request)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._score_next)  # after all requests that arrived at the same time
        return await request.answer

    @property
    def is_busy(self) -> bool:
        """Whether the model is scoring."""
        return self._busy

    def _score_next(self) -> None:
        batch = self._next_batch()
        self._observe(len(batch), sum(len(request.rows) for request in batch))
        if self._model.quick and sum(len(request.rows) for request in batch) <= _QUICK_ROWS:
            self._done(batch, _outcomes(self._model, batch))
            return
        loop = asyncio.get_running_loop()
        scored = loop.run_in_executor(self._worker, _outcomes, self._model, batch)
        scored.add_done_callback(lambda outcome: self._done(batch, outcome.result()))

    def _next_batch(self) -> list[_Request]:
        count, rows = 0, 0
        for request in self._waiting:
            rows += len(request.rows)
            if count and rows > _MOST_ROWS:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _done(self, batch: list[_Request], outcomes: "list[Scores | Exception]") -> None:
        for request, outcome in zip(batch, outcomes, strict=True):
            if request.answer.done():  # the client has disconnected
                continue
            if isinstance(outcome, Exception):
                request.answer.set_exception(outcome)
            else:
                request.answer.set_result(outcome)
        self._busy = bool(self._waiting)
        if self._busy:
            asyncio.get_running_loop().call_soon(self._score_next)


def _outcomes(model: ServedModel, batch: list[_Request]) -> "list[Scores | Exception]":
    """Return the scores of each request of a batch, or the model's exception."""
    try:
        return [*_scored(model, batch)]
    except Exception as error:  # any exception of the model is raised again in score()
        if len(batch) == 1:
            return [error]
    # One request made the model fail: score each alone, so that the others succeed.
    return [_outcomes(model, [request])[0] for request in batch]


def _scored(model: ServedModel, batch: list[_Request]) -> list[Scores]:
    if len(batch) == 1:
        return [model.score(batch[0].rows, proba=batch[0].proba)]
    answers: dict[int, Scores] = {}
    # Bytes and floats are scored separately: converting the bytes first would take eight times their memory.
    for kind in {request.rows.dtype for request in batch}:
        for proba in (False, True):
            places = [i for i, each in enumerate(batch) if each.rows.dtype == kind and each.proba is proba]
            if places:
                rows = np.concatenate([batch[place].rows for place in places])
                scores = model.score(rows, proba=proba)
                answers |= _split(scores, places, [len(batch[place].rows) for place in places])
    return [answers[place] for place in range(len(batch))]


def _split(scores: Scores, places: list[int], lengths: list[int]) -> dict[int, Scores]:
    parts, start = {}, 0
    for place, length in zip(places, lengths, strict=True):
        part = slice(start, start + length)
        parts[place] = Scores(scores.labels[part], None if scores.probabilities is None else scores.probabilities[part])
        start += length
    return parts
