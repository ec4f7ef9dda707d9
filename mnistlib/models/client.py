"""Ask a scoring service for labels, whoever runs it."""

import io
import ipaddress
import json
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import DataError, ScoringError
from mnistlib.idx import write_idx

if TYPE_CHECKING:
    import requests

#: Size of a request that every backend's services take, with room for what goes around the images.
_MOST_BYTES = 1_000_000
_MOST_IDX_BYTES = 32 * 2**20  # half of what this package's server takes unless told otherwise
_LONGEST_NUMBER = 20  # bytes of a pixel as JSON, with its comma

_TIMEOUT = (10.0, 120.0)  # seconds to connect, and without a byte of the answer
_TRIES_AGAIN = 4
_SHOWN = 300  # characters of an answer that is no message of ours

IDX, JSON, PNG = "application/octet-stream", "application/json", "image/png"

#: Names the token of a service, for those who would not have it seen in the list of processes.
TOKEN_VARIABLE = "MNISTLIB_TOKEN"  # noqa: S105 - a name


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def session_for(address: str) -> "requests.Session":
    """Return what asks an address; on this machine without the proxy that the environment names for the web."""
    import requests

    session = requests.Session()
    session.trust_env = not is_loopback(urlsplit(address).hostname or "")
    return session


def cause_of(error: BaseException) -> str:
    """Return what a failed request comes down to: the system's own words, without those of libraries around them."""
    while (inner := getattr(error, "reason", None) or (error.args[0] if error.args else None)) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return str(error).rpartition(": ")[2] or type(error).__name__


class _Bearer:
    """Adds a token to requests. What ``~/.netrc`` says of a host would take the place of a header, but not of this."""

    def __init__(self, token: str) -> None:
        # Headers are sent as Latin-1; so written, the bytes that are sent are those of UTF-8.
        self._header = f"Bearer {token}".encode().decode("latin-1")

    def __call__(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        request.headers["Authorization"] = self._header
        return request


class ScoringClient:
    """A client of a scoring service; one connection, kept.

    Parameters
    ----------
    uri : str
        Where the service takes images, such as ``http://127.0.0.1:8000/score``.
    token : str, optional
        What is sent as ``Authorization: Bearer``.
    takes_idx : bool, default False
        Send IDX bytes, which the service of this package takes, and not JSON, which every one does.

    Examples
    --------
    >>> with ScoringClient("http://127.0.0.1:8000/score") as client:  # doctest: +SKIP
    ...     client.predict(images)
    array([7, 2, 1])
    """

    def __init__(self, uri: str, *, token: str | None = None, takes_idx: bool = False) -> None:
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        self.uri = uri
        self._takes_idx = takes_idx
        self._session = session_for(uri)
        # A service that is busy says when to come again. Scoring changes nothing, so it may be asked twice.
        busy = Retry(
            total=_TRIES_AGAIN,
            connect=0,
            read=0,
            status_forcelist=(503,),
            allowed_methods={"POST"},
            raise_on_status=False,  # what it says at last is told
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=busy))
        if token is not None:
            self._session.auth = _Bearer(token)

    def __enter__(self) -> "ScoringClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def predict(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the label of each image.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, rows, columns)
            Pixels from 0 to 255.

        Raises
        ------
        DataError
            If the images have another type or number of dimensions.
        ScoringError
            If the service refuses them, or can't be reached; the message is the service's own.
        """
        if images.dtype != np.uint8 or images.ndim != 3:
            raise DataError(
                f"expected images as unsigned bytes with 3 dimensions, found {images.dtype} of shape {images.shape}"
            )
        labels: list[Any] = []
        for content, kind in _as_idx(images) if self._takes_idx else _as_json(images):
            labels += self._labels(content, kind)
        if len(labels) != len(images):
            raise ScoringError(f"{self.uri} has answered {len(labels)} labels for {len(images)} images")
        return np.asarray(labels)

    def ask(self, content: bytes, kind: str, *, proba: bool = False) -> Any:
        """Send a body of that content type, and return what the service answers, parsed.

        Raises
        ------
        ScoringError
            If the service refuses it, or can't be reached; the message is the service's own.
        """
        import requests

        try:
            answer = self._session.post(
                self.uri,
                data=content,
                params={"proba": "1"} if proba else None,
                headers={"Content-Type": kind},
                timeout=_TIMEOUT,
            )
        except requests.RequestException as error:
            raise ScoringError(
                f"{self.uri} can't be reached ({cause_of(error)}). Is the service running? mnistlib services list"
            ) from error
        if not answer.ok:
            raise ScoringError(f"{self.uri} answers {answer.status_code}: {_message(answer.text)}")
        try:
            return answer.json()
        except ValueError as error:
            raise ScoringError(f"{self.uri} answers no JSON: {answer.text[:_SHOWN]}") from error

    def _labels(self, content: bytes, kind: str) -> list[Any]:
        answer = self.ask(content, kind)
        if not isinstance(answer, list):
            raise ScoringError(f"{self.uri} answers no list of labels: {json.dumps(answer)[:_SHOWN]}")
        return answer


def _as_idx(images: NDArray[np.uint8]) -> Iterator[tuple[bytes, str]]:
    step = max(1, _MOST_IDX_BYTES // max(1, images.shape[1] * images.shape[2]))
    for start in range(0, len(images), step):
        file = io.BytesIO()
        write_idx(file, images[start : start + step])
        yield file.getvalue(), IDX


def _as_json(images: NDArray[np.uint8]) -> Iterator[tuple[bytes, str]]:
    """Yield bodies as the tutorial's entry script takes them, none larger than a service takes."""
    pixels = images.reshape(len(images), images.shape[1] * images.shape[2])
    step = max(1, _MOST_BYTES // (pixels.shape[1] * _LONGEST_NUMBER + 1))
    for start in range(0, len(pixels), step):
        rows = (pixels[start : start + step] / 255).tolist()
        yield json.dumps({"data": rows}).encode(), JSON


def _message(text: str) -> str:
    """Return what is wrong, of an answer of this package's service or of any other."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text[:_SHOWN] or "without a word"
