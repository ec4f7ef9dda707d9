"""Refusals, and the forms that all answers share."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the emulator
    """Error answer to a request: the HTTP status, and the code and the message that the SDKs show."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def not_found(subject: str) -> Refusal:
    """Return the refusal for an unknown resource: ``not_found("The run x")``."""
    return Refusal(404, "NotFound", f"{subject} was not found.")


def bad_argument(message: str) -> Refusal:
    """Return the refusal for a malformed value."""
    return Refusal(400, "BadArgument", message)


def user_error(message: str) -> Refusal:
    """Return the refusal for a request that is well formed and cannot be carried out."""
    return Refusal(400, "UserError", message)


def unsupported(message: str) -> Refusal:
    """Return the refusal for a feature of Azure ML that the emulator lacks, on a route that it has."""
    return Refusal(501, "NotImplemented", message)


def now() -> str:
    """Return the current time in Azure's format."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def milliseconds(time: str) -> int:
    """Return a time in Azure's format as MLflow counts it, in milliseconds since 1970."""
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def error_answer(status: int, code: str, message: str) -> Response:
    """Answer with an error that the clients of the management interface, of the data plane and of MLflow read."""
    body = {
        "error": {"code": code, "message": message, "details": []},
        "error_code": code,
        "message": message,
        "correlation": {},
        "environment": "loopback",
        "location": "loopback",
        "time": now(),
        "componentName": "mnistlib.testing.azureml",
    }
    return JSONResponse(body, status)


def refuse(request: Request, error: Exception) -> Response:
    """Answer with a :class:`Refusal`."""
    assert isinstance(error, Refusal)
    return error_answer(error.status, error.code, error.message)


def not_covered(request: Request, error: Exception) -> Response:
    """Answer a request that no route takes: 501, with the request's method and address."""
    call = request.scope.get("call", f"{request.method} {request.url.path}")
    return error_answer(501, "NotImplemented", f"the emulator does not cover {call}")


def gone(request: Request, error: Exception) -> Response:
    """Answer a client that has closed its connection in the middle of a request, and will not read the answer."""
    return Response(status_code=499)


def page(values: list[Any]) -> JSONResponse:
    """Answer with a whole list in the form of the data plane."""
    return JSONResponse({"value": values, "continuationToken": None})


def listing(resources: list[Any]) -> JSONResponse:
    """Answer with a whole list in the form of the management interface."""
    return JSONResponse({"value": resources, "nextLink": None})
