"""Requests that arrive together are scored together."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.serving.model import Scores, ServedModel
from mnistlib.serving.refusals import Refusal

_QUICK_ROWS = 64  # so few are scored where they are asked for: to ask another thread takes longer
_MOST_ROWS = 16_384  # scored at once; a single request may have more


@dataclass(frozen=True, eq=False)
class _Asked:
    rows: NDArray[Any]
    proba: bool
    answer: "asyncio.Future[Scores]"


class Batcher:
    """Scores the rows of all requests that wait, in one go; one go at a time.

    Parameters
    ----------
    model : ServedModel
        What scores.
    most_waiting : int
        How many requests may wait.
    observe : callable
        Is told how many requests each go has had, and how many rows.
    """

    def __init__(self, model: ServedModel, *, most_waiting: int, observe: Callable[[int, int], None]) -> None:
        self._model = model
        self._most_waiting = most_waiting
        self._observe = observe
        self._waiting: list[_Asked] = []
        self._busy = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="scoring")

    async def score(self, rows: NDArray[Any], *, proba: bool) -> Scores:
        """Return what the model says of rows, when it is their turn.

        Raises
        ------
        Refusal
            503 if too many requests wait already.
        """
        if len(self._waiting) >= self._most_waiting:
            raise Refusal(
                503, "busy", f"{len(self._waiting)} requests wait already: ask again in a second", retry_after=1
            )
        loop = asyncio.get_running_loop()
        asked = _Asked(rows, proba, loop.create_future())
        self._waiting.append(asked)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._go)  # after all that has arrived with this one
        return await asked.answer

    @property
    def is_busy(self) -> bool:
        """Whether the model is at work."""
        return self._busy

    def _go(self) -> None:
        batch = self._next()
        self._observe(len(batch), sum(len(asked.rows) for asked in batch))
        if self._model.quick and sum(len(asked.rows) for asked in batch) <= _QUICK_ROWS:
            self._done(batch, _outcomes(self._model, batch))
            return
        loop = asyncio.get_running_loop()
        scored = loop.run_in_executor(self._worker, _outcomes, self._model, batch)
        scored.add_done_callback(lambda outcome: self._done(batch, outcome.result()))

    def _next(self) -> list[_Asked]:
        count, rows = 0, 0
        for asked in self._waiting:
            rows += len(asked.rows)
            if count and rows > _MOST_ROWS:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _done(self, batch: list[_Asked], outcomes: "list[Scores | Exception]") -> None:
        for asked, outcome in zip(batch, outcomes, strict=True):
            if asked.answer.done():  # whoever asked has gone
                continue
            if isinstance(outcome, Exception):
                asked.answer.set_exception(outcome)
            else:
                asked.answer.set_result(outcome)
        self._busy = bool(self._waiting)
        if self._busy:
            asyncio.get_running_loop().call_soon(self._go)


def _outcomes(model: ServedModel, batch: list[_Asked]) -> "list[Scores | Exception]":
    """Return the scores of each request of a batch, or what the model raises at them."""
    try:
        return [*_scored(model, batch)]
    except Exception as error:  # whatever the model raises is raised again where the answer is awaited
        if len(batch) == 1:
            return [error]
    # One of them has made the model fail; the others are not to suffer for it.
    return [_outcomes(model, [asked])[0] for asked in batch]


def _scored(model: ServedModel, batch: list[_Asked]) -> list[Scores]:
    if len(batch) == 1:
        return [model.score(batch[0].rows, proba=batch[0].proba)]
    answers: dict[int, Scores] = {}
    # Bytes and numbers are never mixed: to make numbers of the bytes first would take eight times their memory.
    for kind in {asked.rows.dtype for asked in batch}:
        for proba in (False, True):
            places = [i for i, asked in enumerate(batch) if asked.rows.dtype == kind and asked.proba is proba]
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
