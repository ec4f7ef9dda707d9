"""The emulator as an ASGI application: the routes, behind the record of requests, the faults and the bearer token."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnistlib.testing.azureml.answers import Refusal, error_answer, gone, not_covered, refuse
from mnistlib.testing.azureml.faults import Fault
from mnistlib.testing.azureml.names import MANAGEMENT_HOST, Names
from mnistlib.testing.azureml.resource import Runtime
from mnistlib.testing.azureml.routes import routed_path, routes_of
from mnistlib.testing.azureml.state import State


@dataclass(frozen=True)
class Request:
    """A request to the emulator; `status` is None if the client got no complete answer."""

    method: str
    host: str
    path: str
    status: int | None


def build(runtime: Runtime, *, requests: list[Request], reset: Callable[[int], None]) -> ASGIApp:
    """Return the application, which appends each answered request to `requests`.

    `reset` resets the connection of the client with a given port.
    """
    app = Starlette(
        routes=routes_of(runtime),
        exception_handlers={Refusal: refuse, ClientDisconnect: gone, 404: not_covered, 405: not_covered},
    )
    # The SDKs send each path as it is declared; a redirect would only be one more request.
    app.router.redirect_slashes = False
    return _Front(app=app, state=runtime.state, requests=requests, reset=reset)


@dataclass(frozen=True, kw_only=True)
class _Front:
    app: ASGIApp
    state: State
    requests: list[Request]
    reset: Callable[[int], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server is told to speak HTTP only"
        host = Headers(scope=scope).get("host", "").partition(":")[0].lower()
        scope["call"] = f"{scope['method']} {host}{scope['path']}"
        fault = self.state.faults.of_request(scope["call"])

        def record(status: int | None) -> None:
            self.requests.append(Request(scope["method"], host, scope["path"], status))

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record(message["status"])  # before it is sent: a client with the answer finds the record
            await send(message)

        if fault is None:
            await self._answer(host, scope, receive, send_recorded)
        elif fault.kind in ("reset_upload", "lost_answer", "reset_answer"):
            if fault.kind == "reset_upload":
                await receive()
            else:
                await self._answer(host, scope, receive, _swallow if fault.kind == "lost_answer" else _half_of(send))
            record(None)
            self.reset(scope["client"][1])
            while (await receive())["type"] != "http.disconnect":
                pass
        elif fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self._answer(host, scope, receive, send_recorded)
        else:
            await _error_of(fault)(scope, receive, send_recorded)

    async def _answer(self, host: str, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self.app
        names = self.state.names
        if _needs_token(names, host) and not self._has_token(scope):
            answer = error_answer(401, "InvalidAuthenticationToken", "The access token is missing, foreign or expired.")
        elif (foreign := names.foreign_workspace(scope["path"])) is not None:
            answer = error_answer(404, "ResourceNotFound", f"The workspace {foreign} was not found.")
        path = routed_path(names, host, scope["path"])
        inner = dict(scope) | {"path": path, "raw_path": path.encode(), "quoted_path": scope["raw_path"].decode()}
        await answer(inner, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.state.tokens.is_valid(token)


def _needs_token(names: Names, host: str) -> bool:
    # Blobs and deployed models check signatures and keys of their own; discovery and login need none.
    return host in (MANAGEMENT_HOST, names.api_host)


def _error_of(fault: Fault) -> Response:
    if fault.kind == "throttle":
        answer = error_answer(429, "TooManyRequests", "Too many requests were sent; wait a little.")
        answer.headers["Retry-After"] = f"{fault.retry_after or 0:g}"
    elif fault.kind == "expired_token":
        answer = error_answer(401, "InvalidAuthenticationToken", "The access token has expired.")
        answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    elif fault.kind == "disk_full":
        answer = error_answer(507, "InsufficientStorage", "The storage account is full.")
        answer.headers["x-ms-error-code"] = "InsufficientStorage"
    else:
        answer = error_answer(fault.status, "ServiceError", f"The service failed on purpose with {fault.status}.")
        if fault.retry_after is not None:
            answer.headers["Retry-After"] = f"{fault.retry_after:g}"
    return answer


async def _swallow(message: Message) -> None:
    pass


def _half_of(send: Send) -> Send:
    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
        elif body := message.get("body", b""):
            await send(dict(message) | {"body": body[: len(body) // 2], "more_body": True})

    return send_half
