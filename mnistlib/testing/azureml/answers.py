"""How the service says no, and what its answers have in common."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure of the service
    """An error that the service answers with.

    Parameters
    ----------
    status : int
        The HTTP status.
    code, message : str
        What the SDK shows of it.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def not_found(what: str) -> Refusal:
    """Return the refusal for something that does not exist."""
    return Refusal(404, "NotFound", f"{what} was not found.")


def now() -> str:
    """Return the time as the service writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def error_body(code: str, message: str) -> dict[str, Any]:
    """Return an error in a form that the clients of the management, of the data services and of MLflow read."""
    return {
        "error": {"code": code, "message": message, "details": []},
        "error_code": code,
        "message": message,
        "correlation": {},
        "environment": "loopback",
        "location": "loopback",
        "time": now(),
        "componentName": "mnistlib.testing.azureml",
    }


def refuse(request: Request, error: Exception) -> Response:
    """Answer with a :class:`Refusal`."""
    assert isinstance(error, Refusal)
    return JSONResponse(error_body(error.code, error.message), error.status)


def not_covered(request: Request, error: Exception) -> Response:
    """Answer a call that nothing here handles: 501, naming it."""
    call = request.scope.get("call", f"{request.method} {request.url.path}")
    return JSONResponse(error_body("NotImplemented", f"the emulator does not cover {call}"), 501)


def gone(request: Request, error: Exception) -> Response:
    """Answer a client that has hung up in the middle of its request, and won't hear it."""
    return Response(status_code=499)


def page(values: list[Any]) -> JSONResponse:
    """Answer with a whole list at once."""
    return JSONResponse({"value": values, "continuationToken": None})
