"""Error responses, in one JSON schema."""

from typing import Any


class Refusal(Exception):  # noqa: N818 - a response, usually an error of the client
    """A rejected request; the message gives the reason and the remedy, for people."""

    def __init__(
        self, status: int, code: str, message: str, *, where: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status  # HTTP status
        self.code = code  # error code for programs, such as ``range``
        self.where = where  # position of the error in the request, such as ``data[3][17]``
        self.retry_after = retry_after  # seconds after which the client may retry

    @property
    def content(self) -> dict[str, Any]:
        """JSON content of the response."""
        return {"error": {"code": self.code, "message": str(self), "where": self.where}}
