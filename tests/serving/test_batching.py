"""Batches of a busy model: one call for all waiting requests, and refusals when the queue is full."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tests.serving.busy import Busy
from tests.serving.servers import refusal, until

Blocking = Callable[..., AbstractContextManager[Busy]]


def test_requests_that_arrive_together_are_scored_together(blocking: Blocking) -> None:
    with blocking() as busy:
        busy.ask()
        busy.wait_for_the_call(1)
        for rows in range(1, 16):
            busy.ask(rows)
        until(lambda: busy.in_progress() == 17, "all requests in line")  # with the request for the metrics
        busy.let_go()
        assert busy.answers() == [(200, [1]), *((200, [1] * rows) for rows in range(1, 16))]
        assert busy.calls() == [1, sum(range(1, 16))]
        assert busy.server.count("mnistlib_batch_requests_sum") == 16
        assert busy.server.count("mnistlib_batch_requests_count") == 2
        assert busy.server.count("mnistlib_rows_scored_total") == 121


def test_a_full_queue_refuses_at_once_and_recovers_when_empty(blocking: Blocking) -> None:
    with blocking("--max-waiting", 3) as busy:
        busy.ask()
        busy.wait_for_the_call(1)
        for _ in range(3):
            busy.ask_and_wait_until_it_is_in_line()
        for _ in range(2):
            answer = busy.server.post({"data": [[0, 1]]})
            refusal(answer, 503, "busy")
            assert int(answer.headers["Retry-After"]) >= 1
        assert busy.server.get("/health").ok
        busy.let_go()
        assert busy.answers() == [(200, [1])] * 4
        for _ in range(5):
            assert busy.server.post({"data": [[0, 1]]}).json() == [1]


def test_a_disconnected_client_does_not_affect_other_waiting_requests(blocking: Blocking) -> None:
    with blocking() as busy:
        first = busy.ask()
        busy.wait_for_the_call(1)
        second = busy.ask_and_wait_until_it_is_in_line()
        busy.ask_and_wait_until_it_is_in_line()
        for left in (first, second):
            busy.leave(left)
        busy.let_go()
        assert busy.answers() == [(200, [1])]
        until(lambda: busy.in_progress() == 1, "an empty line")
        assert "Traceback" not in busy.server.log.read_text()


def test_a_request_that_makes_the_model_fail_does_not_affect_its_batch() -> None:
    from mnistlib.serving.batching import Batcher

    class Model:
        quick = True

        def score(self, rows: Any, *, proba: bool) -> Any:
            from mnistlib.serving.model import Scores

            if (rows > 1).any():
                raise RuntimeError("two")
            return Scores(rows[:, 0], None)

    async def ask() -> list[Any]:
        batcher = Batcher(Model(), most_waiting=9, observe=lambda *_: None)  # type: ignore[arg-type]
        rows = [np.full((2, 1), value) for value in (0, 1, 2, 1)]
        asked = [batcher.score(part, proba=False) for part in rows]
        return list(await asyncio.gather(*asked, return_exceptions=True))

    zero, one, two, again = asyncio.run(ask())
    assert [list(scores.labels) for scores in (zero, one, again)] == [[0, 0], [1, 1], [1, 1]]
    assert isinstance(two, RuntimeError)
