"""Try again what a cluster could not do just now: bounded, with pauses that grow and differ."""

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
    """How often and how patiently.

    Attributes
    ----------
    tries : int
        How often a call is made at most.
    first_pause, longest_pause : float
        Seconds before the second try, and at most before any; each pause is up to twice the one before.
    patience : float
        Seconds after which nothing is tried again: an SDK may try for long by itself.
    """

    tries: int = 6
    first_pause: float = 0.5
    longest_pause: float = 30.0
    patience: float = 120.0

    def pause(self, failures: int) -> float:
        """Return how long to wait after so many failures: a random part of a span that doubles (half of it jitter)."""
        span = min(self.longest_pause, self.first_pause * 2 ** (failures - 1))
        return random.uniform(span / 2, span)  # noqa: S311 - spread, not secrecy


def persist(
    call: Callable[[], Result],
    *,
    pause_after: Callable[[Exception], float | None],
    policy: RetryPolicy,
    what: str,
) -> Result:
    """Call until it succeeds, fails for good, or has failed too often.

    Parameters
    ----------
    call : callable
        What to do. It must be harmless to do twice.
    pause_after : callable
        Tells of an error the seconds that the cluster asks to wait, 0 where it says nothing, None of an error that
        will not go away.
    policy : RetryPolicy
        How often and how patiently.
    what : str
        What the call does, for the log.

    Raises
    ------
    Exception
        The last error of the call.
    """
    deadline = time.monotonic() + policy.patience
    for failures in range(1, policy.tries):
        try:
            return call()
        except Exception as error:
            asked = pause_after(error)
            if asked is None or time.monotonic() > deadline:
                raise
            pause = max(asked, policy.pause(failures))
            # From the second on for whoever waits: the first is over before it is read.
            level = logging.DEBUG if failures == 1 else logging.INFO
            _log.log(level, "%s: %s; trying again in %.1f s", what, type(error).__name__, pause)
        time.sleep(pause)
    return call()
