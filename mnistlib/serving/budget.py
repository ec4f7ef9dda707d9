"""How much of what is sent a service holds at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from mnistlib.serving.refusals import Refusal


class Budget:
    """Bytes of bodies that may be held at a time, those of all requests together.

    Parameters
    ----------
    most_bytes : int
        How many.

    Examples
    --------
    >>> budget = Budget(10)
    >>> with budget.share() as share:
    ...     share.take(8)
    ...     budget.left
    2
    >>> budget.left
    10
    """

    def __init__(self, most_bytes: int) -> None:
        self.left = most_bytes

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """Give what a request takes back when it is done with."""
        share = Share(self)
        try:
            yield share
        finally:
            self.left += share.taken


class Share:
    """What one request has taken."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.taken = 0

    def take(self, count: int) -> None:
        """Take so many bytes more.

        Raises
        ------
        Refusal
            503 if they are not left.
        """
        if count > self._budget.left:
            raise Refusal(503, "busy", "too much is being sent at a time: ask again in a second", retry_after=1)
        self._budget.left -= count
        self.taken += count
