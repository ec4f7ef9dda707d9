"""The service as one ASGI application; before all its rooms stand the record, the faults and the bearer token."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnistlib.testing.azureml.answers import Refusal, error_body, gone, not_covered, refuse
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.endpoints.scoring import Scorers
from mnistlib.testing.azureml.faults import Fault
from mnistlib.testing.azureml.jobs.sweeps import Sweeps
from mnistlib.testing.azureml.names import LOGIN_HOST, MANAGEMENT_HOST, WORKSPACE_PATH, Names
from mnistlib.testing.azureml.routes import all_routes, newer_routes
from mnistlib.testing.azureml.state import State


@dataclass(frozen=True)
class Request:
    """One request that reached the service; `status` is None where the client got no answer."""

    method: str
    host: str
    path: str
    status: int | None


def build(
    state: State,
    clusters: Clusters,
    sweeps: Sweeps,
    scorers: Scorers,
    *,
    requests: list[Request],
    reset: Callable[[int], None],
) -> ASGIApp:
    """Return the whole service.

    Parameters
    ----------
    state : State
        What it knows.
    clusters : Clusters
        What it runs jobs on.
    sweeps : Sweeps
        The sweeps that it moves on.
    scorers : Scorers
        The models that it has deployed.
    requests : list of Request
        Where every request is recorded once it is answered.
    reset : callable
        Resets the connection of the client that comes from a port.
    """
    app = Starlette(
        routes=[*all_routes(state, clusters, scorers), *newer_routes(state, clusters, sweeps, scorers)],
        exception_handlers={Refusal: refuse, ClientDisconnect: gone, 404: not_covered, 405: not_covered},
    )
    # A path ends as the SDK ends it; a redirect would only be one more request.
    app.router.redirect_slashes = False
    return _Front(app, state, requests=requests, reset=reset)


class _Front:
    def __init__(self, app: ASGIApp, state: State, *, requests: list[Request], reset: Callable[[int], None]) -> None:
        self._app = app
        self._state = state
        self._requests = requests
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server is told to speak HTTP only"
        host = Headers(scope=scope).get("host", "").partition(":")[0].lower()
        scope["call"] = f"{scope['method']} {host}{scope['path']}"
        fault = self._state.faults.of_request(scope["call"])

        def record(status: int | None) -> None:
            self._requests.append(Request(scope["method"], host, scope["path"], status))

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record(message["status"])  # before it is sent, so that whoever has the answer finds the record
            await send(message)

        if fault is None:
            await self._answer(host, scope, receive, send_recorded)
        elif fault.kind in ("reset_upload", "lost_answer", "reset_answer"):
            if fault.kind == "reset_upload":
                await receive()
            else:
                await self._answer(host, scope, receive, _swallow if fault.kind == "lost_answer" else _half_of(send))
            record(None)
            self._reset(scope["client"][1])
            while (await receive())["type"] != "http.disconnect":
                pass
        elif fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self._answer(host, scope, receive, send_recorded)
        else:
            await _error_of(fault)(scope, receive, send_recorded)

    async def _answer(self, host: str, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._app
        workspace = WORKSPACE_PATH.search(scope["path"])
        if _needs_token(self._state.names, host) and not self._has_token(scope):
            answer = _plain(401, "InvalidAuthenticationToken", "The access token is missing, foreign or expired.")
        elif workspace and not _is_ours(self._state.names, workspace):
            answer = _plain(404, "ResourceNotFound", f"The workspace {workspace['workspace']} was not found.")
        room = room_path(self._state.names, host, scope["path"])
        inner = dict(scope) | {"path": room, "address": scope["raw_path"].decode()}
        inner["raw_path"] = inner["path"].encode()
        await answer(inner, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._state.tokens.is_valid(token)


def room_path(names: Names, host: str, path: str) -> str:
    """Return the path by which the services' rooms are told apart: without host, workspace and version.

    ``/history/v1.0/subscriptions/…/workspaces/loopback/runs/x`` becomes ``/history/runs/x``; paths of the management
    host begin with ``/arm``, those of blobs with ``/blob``, those of an online endpoint with ``/endpoint/NAME``.
    """
    if host == names.blob_host:
        return f"/blob{path}"
    if host == names.discovery_host:
        return f"/discovery{path}"
    if host == LOGIN_HOST:
        return f"/login{path}"
    if host == names.scoring_host:
        return f"/scoring{path}"
    if host.endswith(f".{names.endpoint_domain}"):
        return f"/endpoint/{host.partition('.')[0]}{path}"
    path = re.sub("/{2,}", "/", path)  # the SDK joins some addresses with one slash too many
    found = WORKSPACE_PATH.search(path)
    if host == MANAGEMENT_HOST:
        return f"/arm/workspace{path[found.end() :]}" if found else f"/arm{path}"
    if not found:
        return path
    return f"/{path[1 : found.start()].partition('/')[0]}{path[found.end() :]}"


def _needs_token(names: Names, host: str) -> bool:
    # Blobs have their own signatures; the addresses of services and of tokens are told to everybody.
    return host in (MANAGEMENT_HOST, names.api_host)


def _is_ours(names: Names, found: re.Match[str]) -> bool:
    ours = (names.subscription, names.group, names.workspace)
    return tuple(part.lower() for part in found.groups()) == tuple(part.lower() for part in ours)


def _plain(status: int, code: str, message: str) -> Response:
    return JSONResponse(error_body(code, message), status)


def _error_of(fault: Fault) -> Response:
    if fault.kind == "throttle":
        answer = _plain(429, "TooManyRequests", "Too many requests were sent; wait a little.")
        answer.headers["Retry-After"] = f"{fault.retry_after or 0:g}"
    elif fault.kind == "expired_token":
        answer = _plain(401, "InvalidAuthenticationToken", "The access token has expired.")
        answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    elif fault.kind == "disk_full":
        answer = _plain(507, "InsufficientStorage", "The storage account is full.")
        answer.headers["x-ms-error-code"] = "InsufficientStorage"
    else:
        answer = _plain(fault.status, "ServiceError", f"The service failed on purpose with {fault.status}.")
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
