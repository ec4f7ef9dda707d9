"""HTTP client of a scoring service on any backend."""

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

#: Size of a JSON request that the services of every backend accept, with room for headers.
_MOST_BYTES = 1_000_000
_MOST_IDX_BYTES = 32 * 2**20  # half of the default limit of this package's server
_LONGEST_NUMBER = 20  # bytes of a pixel as JSON, with its comma

_TIMEOUT = (10.0, 120.0)  # seconds: to connect, to read
_RETRIES = 4
_SHOWN = 300  # characters of a response that is not our JSON

IDX, JSON, PNG = "application/octet-stream", "application/json", "image/png"


def is_loopback(host: str) -> bool:
    """Return whether a host is loopback, which only this machine reaches.

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
    """Return a session for an address; for this machine, without the proxy of the environment."""
    import requests

    session = requests.Session()
    session.trust_env = not is_loopback(urlsplit(address).hostname or "")
    return session


def cause_of(error: BaseException) -> str:
    """Return the operating system's message for a failed request, without the messages that libraries add."""
    while (inner := getattr(error, "reason", None) or (error.args[0] if error.args else None)) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return str(error).rpartition(": ")[2] or type(error).__name__


class _Bearer:
    """Adds a token to requests. Unlike a plain header, it has priority over ``~/.netrc``."""

    def __init__(self, token: str) -> None:
        # Headers are sent as Latin-1; decoded like this, the bytes on the wire are UTF-8.
        self._header = f"Bearer {token}".encode().decode("latin-1")

    def __call__(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        request.headers["Authorization"] = self._header
        return request


class ScoringClient:
    """Client of a scoring service, with a persistent connection.

    Parameters
    ----------
    uri : str
        Address for scoring, such as ``http://127.0.0.1:8000/score``.
    token : str, optional
        Bearer token for the ``Authorization`` header.
    takes_idx : bool, default False
        Send IDX bytes, which this package's server takes, instead of JSON, which every service takes.

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
        # A busy service sends Retry-After. Scoring is idempotent, so a retry is safe.
        busy = Retry(
            total=_RETRIES,
            connect=0,
            read=0,
            status_forcelist=(503,),
            allowed_methods={"POST"},
            raise_on_status=False,  # the last response is the error message
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
        """Close the connection."""
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
            If the service rejects the images, with its message, or can't be reached.
        """
        if images.dtype != np.uint8 or images.ndim != 3:
            raise DataError(
                f"expected images as unsigned bytes with 3 dimensions, found {images.dtype} of shape {images.shape}"
            )
        labels: list[Any] = []
        for content, kind in _as_idx(images) if self._takes_idx else _as_json(images):
            labels += self._labels(content, kind)
        if len(labels) != len(images):
            raise ScoringError(f"{self.uri} returned {len(labels)} labels for {len(images)} images")
        return np.asarray(labels)

    def ask(self, content: bytes, kind: str, *, proba: bool = False) -> Any:
        """Send a body of content type `kind`, and return the parsed response.

        Raises
        ------
        ScoringError
            If the service rejects the body, with its message, or can't be reached.
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
            raise ScoringError(f"expected JSON from {self.uri}, found: {answer.text[:_SHOWN]}") from error

    def _labels(self, content: bytes, kind: str) -> list[Any]:
        answer = self.ask(content, kind)
        if not isinstance(answer, list):
            raise ScoringError(f"expected a list of labels from {self.uri}, found: {json.dumps(answer)[:_SHOWN]}")
        return answer


def _as_idx(images: NDArray[np.uint8]) -> Iterator[tuple[bytes, str]]:
    step = max(1, _MOST_IDX_BYTES // max(1, images.shape[1] * images.shape[2]))
    for start in range(0, len(images), step):
        file = io.BytesIO()
        write_idx(file, images[start : start + step])
        yield file.getvalue(), IDX


def _as_json(images: NDArray[np.uint8]) -> Iterator[tuple[bytes, str]]:
    """Yield JSON bodies for the tutorial's entry script, within the size that every service accepts."""
    pixels = images.reshape(len(images), images.shape[1] * images.shape[2])
    step = max(1, _MOST_BYTES // (pixels.shape[1] * _LONGEST_NUMBER + 1))
    for start in range(0, len(pixels), step):
        rows = (pixels[start : start + step] / 255).tolist()
        yield json.dumps({"data": rows}).encode(), JSON


def _message(text: str) -> str:
    """Return the error message of a response, from this package's service or another."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text[:_SHOWN] or "no message"
