"""Calls of both SDKs, with retries and translated errors.

The SDKs raise some twenty classes for a few kinds of errors, down to a bare ``Exception`` with the status in its text.
"""

import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from mnistlib.backends.cloud.retries import RetryPolicy, persist
from mnistlib.errors import ClusterError, MnistlibError

Item = TypeVar("Item")
Result = TypeVar("Result")

NOT_FOUND, CONFLICT = 404, 409

_FORBIDDEN = (401, 403)
_RETRIED = {401, 408, 429, 500, 502, 503, 504, 530}
_LONGEST_WAIT = 60.0  # seconds; caps the workspace's Retry-After
_LONGEST_TEXT = 400
_FILES_AT_A_TIME = 8
#: Error after the SDK itself uploads a file again because the first answer was lost. Our next try finds the file, or
#: uploads it to another path.
_SENT_BEFORE = "BlobAlreadyExists"
#: Error of a store when the signature of a request has expired, or is missing because azure-ai-ml could not fetch the
#: store's keys. The next try gets a new signature.
_BADLY_SIGNED = re.compile("ErrorCode:Auth(enticationFailed|orizationPermissionMismatch)")
#: Forms of a status in the text of an error without a status field.
_STATUS_IN_TEXT = re.compile(r'(?:Code:|status_code"?:|status code|HTTP Error:|HTTP status:)\s*\'?"?(\d{3})\b')
_SECRETS = re.compile(r"(?i)(bearer\s+|sig=|accountkey[\"']?[=:]\s*[\"']?|password[\"']?[=:]\s*[\"']?)[^\s&\"',]+")
#: Names of the exception classes for failed connections, in several packages.
_CONNECTION_ERRORS = {
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "Timeout",
    "ChunkedEncodingError",
    "ProtocolError",
    "ServiceRequestError",
    "ServiceResponseError",
    "IncompleteRead",
    "SSLError",
    "ClientRequestError",
}


@dataclass(frozen=True)
class Calls:
    """Calls of an SDK, with retries and translated errors."""

    policy: RetryPolicy

    def make(self, action: str, call: Callable[[], Result]) -> Result:
        """Make a call, and retry it after temporary errors.

        If it fails for good, raise ClusterError, "`action` failed: ...", with the SDK's error as ``__cause__``.
        """
        try:
            return persist(call, pause_after=pause_after, policy=self.policy, action=action)
        except (MnistlibError, FileNotFoundError):
            raise
        except Exception as error:
            status = status_of(error)
            if status is None and not is_connection_error(error) and not _is_of_the_sdk(error):
                raise  # a bug in this package
            advice = ". Check the account you are signed in with and its role in the workspace"
            advice = advice if status in _FORBIDDEN else ""
            raise ClusterError(f"{action} failed: {reason_of(error)}{advice}") from error

    def make_once(self, action: str, call: Callable[[], object], *, unless: Callable[[], object]) -> Any:
        """Make a call that changes something; don't repeat it if it worked and only its answer was lost.

        `action` describes the call in errors. `unless`, called before each retry, returns the result of an earlier try,
        or a false value.
        """
        tries: list[None] = []

        def once() -> object:
            if tries and (made := unless()):
                return made
            tries.append(None)
            return call()

        return self.make(action, once)


def is_installed(module: str) -> bool:
    """Return whether a module is installed; False also if a parent package is missing."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def opening(config: str | os.PathLike[str] | None) -> Iterator[None]:
    """Add advice to errors about ``config.json`` or the sign-in while a workspace is opened."""
    try:
        yield
    except Exception as error:  # from a missing file to a refused sign-in, each with its own class
        if pause_after(error) is not None or status_of(error) not in (None, NOT_FOUND):
            raise
        raise ClusterError(
            f"can't open the workspace of {config or 'config.json'}: {reason_of(error)}. Download config.json from "
            "the workspace's page in the portal into the current folder, or pass its path as config="
        ) from error


def in_parallel(do: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Call a function for each item, in parallel; raise the first error."""
    with ThreadPoolExecutor(_FILES_AT_A_TIME) as threads:  # each mostly waits for the network
        for _ in threads.map(do, items):
            pass


def found(look: Callable[[], Result]) -> Result | None:
    """Return the resource that a call of an SDK looks up, or None on 404."""
    try:
        return look()
    except Exception as error:  # the SDKs have many classes for it
        if status_of(error) == NOT_FOUND:
            return None
        raise


def pause_after(error: Exception) -> float | None:
    """Return the seconds to wait before a retry (Retry-After, else 0), or None for a permanent error."""
    status = status_of(error)
    if status in _RETRIED:
        return _asked_wait(error)
    texts = [str(each) for each in _chain(error)]
    is_temporary = any(_SENT_BEFORE in text or _BADLY_SIGNED.search(text) for text in texts)
    return 0.0 if is_temporary or (status is None and is_connection_error(error)) else None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status behind an error of an SDK, if any."""
    for each in _chain(error):
        for carrier in (each, getattr(each, "response", None)):
            status = getattr(carrier, "status_code", None)
            if isinstance(status, int):
                return status
        if hasattr(each, "get_http_status_code"):  # MLflow's errors
            return int(each.get_http_status_code())
    for each in _chain(error):
        if found := _STATUS_IN_TEXT.search(str(each)):
            return int(found[1])
    return NOT_FOUND if "NotFound" in str(error) else None


def reason_of(error: BaseException) -> str:
    """Return the workspace's own message, without headers, bodies and tokens."""
    text = str(error)
    found = re.search(r'"message":\s*("(?:[^"\\]|\\.)*")', text.replace('\\"', '"'))
    message = json.loads(found[1], strict=False) if found else text
    line = " ".join(_SECRETS.sub(r"\1…", message).split())
    return line[:_LONGEST_TEXT] or type(error).__name__


def is_connection_error(error: BaseException) -> bool:
    """Return whether an error is a failed connection, not an error response."""
    return any(
        isinstance(each, ConnectionError | TimeoutError) or type(each).__name__ in _CONNECTION_ERRORS
        for each in _chain(error)
    )


def _asked_wait(error: BaseException) -> float:
    for each in _chain(error):
        headers = getattr(getattr(each, "response", None), "headers", None) or {}
        if (text := str(headers.get("Retry-After", ""))).isdecimal():
            return min(float(text), _LONGEST_WAIT)
    return 0.0


def _is_of_the_sdk(error: BaseException) -> bool:
    """Return whether an error comes from an SDK; a bare ``Exception`` does: azureml-core raises it."""
    return type(error) is Exception or type(error).__module__.partition(".")[0] in _SDKS


_SDKS = {"azureml", "azure", "msrest", "msrestazure", "requests", "urllib3", "msal", "adal", "jwt", "mlflow"}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = getattr(error, "inner_exception", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
