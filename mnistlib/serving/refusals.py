"""Error responses, in one JSON schema."""

from typing import Any


class Refusal(Exception):  # noqa: N818 - a response, usually an error of the client
    """A rejected request.

    Parameters
    ----------
    status : int
        The HTTP status.
    code : str
        Error code for programs, such as ``range``.
    message : str
        The reason and the remedy, for people.
    where : str, optional
        Position of the error in the request, such as ``data[3][17]``.
    retry_after : int, optional
        Seconds after which the client may retry.
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
        """JSON content of the response."""
        return {"error": {"code": self.code, "message": str(self), "where": self.where}}
