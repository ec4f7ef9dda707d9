"""Calls of both SDKs: tried again where that helps, and their errors translated.

They raise some twenty classes for the same few things, down to a bare ``Exception`` with the status in its text.
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
_LONGEST_WAIT = 60.0  # seconds that a workspace may ask for and get
_LONGEST_TEXT = 400
_FILES_AT_A_TIME = 8
#: What the SDK makes of a file whose arrival was not confirmed: it sends it again, and may not. The next try of ours
#: finds it there, or sends it elsewhere.
_SENT_BEFORE = "BlobAlreadyExists"
#: How a store refuses a request whose signature has expired, or that has none because the store's keys did not come,
#: without which azure-ai-ml goes on. The next try has a new one.
_BADLY_SIGNED = re.compile("ErrorCode:Auth(enticationFailed|orizationPermissionMismatch)")
#: How a status stands in the texts of errors that carry it nowhere else.
_STATUS_IN_TEXT = re.compile(r'(?:Code:|status_code"?:|status code|HTTP Error:|HTTP status:)\s*\'?"?(\d{3})\b')
_SECRETS = re.compile(r"(?i)(bearer\s+|sig=|accountkey[\"']?[=:]\s*[\"']?|password[\"']?[=:]\s*[\"']?)[^\s&\"',]+")
#: Classes of several packages by which a connection that failed is told.
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
    """Makes calls of the SDK.

    Attributes
    ----------
    policy : RetryPolicy
        How patiently what fails for a moment is tried again.
    """

    policy: RetryPolicy

    def make(self, what: str, call: Callable[[], Result]) -> Result:
        """Make a call, and again while its error may go away.

        Raises
        ------
        ClusterError
            If it fails for good; the SDK's error is its cause.
        """
        try:
            return persist(call, pause_after=pause_after, policy=self.policy, what=what)
        except (MnistlibError, FileNotFoundError):
            raise
        except Exception as error:
            status = status_of(error)
            if status is None and not is_connection_error(error) and not _is_of_the_sdk(error):
                raise  # a bug of ours
            advice = ". Check who you are signed in as, and its rights in the workspace" if status in _FORBIDDEN else ""
            raise ClusterError(f"{what} failed: {reason_of(error)}{advice}") from error

    def make_once(self, what: str, call: Callable[[], object], *, unless: Callable[[], object]) -> Any:
        """Make a call that changes something; not again where it had worked, and only its answer was lost.

        Parameters
        ----------
        what : str
            What is done, for errors.
        call : callable
            Does it.
        unless : callable
            Asked before each further try: returns what an earlier one has made, or something false.
        """
        tries: list[None] = []

        def once() -> object:
            if tries and (there := unless()):
                return there
            tries.append(None)
            return call()

        return self.make(what, once)


def is_installed(module: str) -> bool:
    """Return whether there is a module of that name; of its parents, none may be there either."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def opening(config: str | os.PathLike[str] | None) -> Iterator[None]:
    """Say what to do where a workspace can't be opened because of its ``config.json``, not of the workspace."""
    try:
        yield
    except Exception as error:  # from a missing file to a refused sign-in, each in a class of its own
        if pause_after(error) is not None or status_of(error) not in (None, NOT_FOUND):
            raise
        raise ClusterError(
            f"no workspace by {config or 'a config.json here or above'}: {reason_of(error)}. Download config.json from "
            "the workspace's page in the portal and name it with config= (or stand beside it)"
        ) from error


def at_once(do: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Do something with each of several files; raise what one of them has raised."""
    with ThreadPoolExecutor(_FILES_AT_A_TIME) as threads:  # each waits for the network most of the time
        for _ in threads.map(do, items):
            pass


def found(look: Callable[[], Result]) -> Result | None:
    """Return what there is, by a call of an SDK; None where it says that there is no such thing."""
    try:
        return look()
    except Exception as error:  # the SDKs have many classes for it
        if status_of(error) == NOT_FOUND:
            return None
        raise


def pause_after(error: Exception) -> float | None:
    """Return the seconds before another try: those that the workspace asks for, else 0; None where none would help."""
    status = status_of(error)
    if status in _RETRIED:
        return _asked_wait(error)
    texts = [str(each) for each in _chain(error)]
    helps = any(_SENT_BEFORE in text or _BADLY_SIGNED.search(text) for text in texts)
    return 0.0 if helps or (status is None and is_connection_error(error)) else None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error of the SDK stems from, if any."""
    for each in _chain(error):
        for carrier in (each, getattr(each, "response", None)):
            status = getattr(carrier, "status_code", None)
            if isinstance(status, int):
                return status
        if hasattr(each, "get_http_status_code"):  # MLflow's way to say it
            return int(each.get_http_status_code())
    for each in _chain(error):
        if found := _STATUS_IN_TEXT.search(str(each)):
            return int(found[1])
    return NOT_FOUND if "NotFound" in str(error) else None


def reason_of(error: BaseException) -> str:
    """Return the workspace's own message, without what surrounds it: headers, bodies, tokens."""
    text = str(error)
    found = re.search(r'"message":\s*("(?:[^"\\]|\\.)*")', text.replace('\\"', '"'))
    message = json.loads(found[1], strict=False) if found else text
    line = " ".join(_SECRETS.sub(r"\1…", message).split())
    return line[:_LONGEST_TEXT] or type(error).__name__


def is_connection_error(error: BaseException) -> bool:
    """Return whether an error tells of a connection that failed, rather than of an answer."""
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
    """Whether the error is of a class of an SDK, or a bare one, which azureml-core raises too."""
    return type(error) is Exception or type(error).__module__.partition(".")[0] in _SDKS


_SDKS = {"azureml", "azure", "msrest", "msrestazure", "requests", "urllib3", "msal", "adal", "jwt", "mlflow"}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = getattr(error, "inner_exception", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
