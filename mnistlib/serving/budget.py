"""Limit on the memory of all request bodies together."""

from collections.abc import Iterator
from contextlib import contextmanager

from mnistlib.serving.refusals import Refusal


class Budget:
    """Maximum number of bytes in memory, of the bodies of all requests together.

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
        """Yield the share of one request, and release its bytes at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.left += share.taken


class Share:
    """Bytes that one request uses."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.taken = 0

    def take(self, count: int) -> None:
        """Use `count` more bytes; raise Refusal 503 if they exceed the budget."""
        if count > self._budget.left:
            raise Refusal(503, "busy", "too many bytes are being received: retry in one second", retry_after=1)
        self._budget.left -= count
        self.taken += count
