from collections.abc import Callable

import pytest

from mnistlib.backends.cloud.retries import RetryPolicy, persist


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of each sleep, recorded instead of sleeping."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "done"

    return call


def test_a_successful_call_is_made_once(pauses: list[float]) -> None:
    assert persist(failing(0, OSError()), pause_after=lambda _: 0, policy=RetryPolicy(), action="it") == "done"
    assert pauses == []


def test_temporary_errors_are_retried_after_growing_pauses(pauses: list[float]) -> None:
    policy = RetryPolicy(tries=5, first_pause=1, longest_pause=3)
    assert persist(failing(4, OSError()), pause_after=lambda _: 0, policy=policy, action="it") == "done"
    for pause, longest in zip(pauses, (1, 2, 3, 3), strict=True):
        assert longest / 2 <= pause <= longest


def test_the_last_error_is_raised_after_the_last_try(pauses: list[float]) -> None:
    with pytest.raises(OSError, match="always"):
        persist(failing(9, OSError("always")), pause_after=lambda _: 0, policy=RetryPolicy(tries=3), action="it")
    assert len(pauses) == 2


def test_a_permanent_error_is_raised_at_once(pauses: list[float]) -> None:
    with pytest.raises(ValueError, match="wrong"):
        persist(failing(1, ValueError("wrong")), pause_after=lambda _: None, policy=RetryPolicy(), action="it")
    assert pauses == []


def test_a_retry_waits_as_long_as_the_cluster_asks(pauses: list[float]) -> None:
    persist(failing(1, OSError()), pause_after=lambda _: 17, policy=RetryPolicy(), action="it")
    assert pauses == [17]


def test_there_are_no_retries_when_patience_is_over() -> None:
    tries: list[None] = []

    def fail() -> None:
        tries.append(None)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        persist(fail, pause_after=lambda _: 0.0, policy=RetryPolicy(patience=-1.0), action="asking")
    assert len(tries) == 1
