"""Retries after temporary errors of a cluster: bounded, with exponential backoff and jitter."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")

_log = logging.getLogger("mnistlib")


@dataclass(frozen=True)
class RetryPolicy:
    """Limits and pauses of retries.

    Attributes
    ----------
    tries : int
        Maximum number of calls.
    first_pause, longest_pause : float
        Seconds before the second try, and the maximum; each pause is up to twice the one before.
    patience : float
        Seconds after which there are no more retries: an SDK may retry for a long time by itself.
    """

    tries: int = 6
    first_pause: float = 0.5
    longest_pause: float = 30.0
    patience: float = 120.0

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after a number of failures: exponential backoff, half of it jitter."""
        span = min(self.longest_pause, self.first_pause * 2 ** (failures - 1))
        return random.uniform(span / 2, span)  # noqa: S311 - spread, not secrecy


def persist(
    call: Callable[[], Result],
    *,
    pause_after: Callable[[Exception], float | None],
    policy: RetryPolicy,
    action: str,
) -> Result:
    """Repeat a call until it succeeds, fails permanently, or reaches the limits of the policy; raise its last error.

    The call must be idempotent. `pause_after` returns for an error the minimum seconds to wait, or None if the error is
    permanent. `action` describes the call in the log.
    """
    deadline = time.monotonic() + policy.patience
    for failures in range(1, policy.tries):
        try:
            return call()
        except Exception as error:
            least = pause_after(error)
            if least is None or time.monotonic() > deadline:
                raise
            pause = max(least, policy.pause(failures))
            # The first retry is too quick to be worth a message to the user.
            level = logging.DEBUG if failures == 1 else logging.INFO
            _log.log(level, "%s: %s; trying again in %.1f s", action, type(error).__name__, pause)
        time.sleep(pause)
    return call()
