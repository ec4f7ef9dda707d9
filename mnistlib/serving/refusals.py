"""What is answered to a request that can't be served, in one shape."""

from typing import Any


class Refusal(Exception):  # noqa: N818 - it is an answer, and often no error of ours
    """A request that is refused.

    Parameters
    ----------
    status : int
        The HTTP status.
    code : str
        One word for programs, such as ``range``.
    message : str
        What was wrong and what to do, for people.
    where : str, optional
        The part of the request that is meant, such as ``data[3][17]``.
    retry_after : int, optional
        Seconds after which the same request may be served.
    """

    def __init__(
        self, status: int, code: str, message: str, *, where: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.where = where
        self.retry_after = retry_after

    @property
    def content(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {"error": {"code": self.code, "message": str(self), "where": self.where}}
