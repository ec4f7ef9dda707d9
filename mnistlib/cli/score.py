"""Command score: labels of images in files, predicted by a service."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from mnistlib.cli.options import backend_of
from mnistlib.cli.output import Answer
from mnistlib.environment import SERVICE, TOKEN
from mnistlib.errors import DataError, ScoringError
from mnistlib.idx import read_idx
from mnistlib.models.client import IDX, JSON, PNG, ScoringClient, cause_of, session_for

_PNG_MAGIC = b"\x89PNG"
_TIMEOUT = 30  # seconds
_MAX_QUOTED = 300  # characters of an invalid response in an error message
_SHAPE = (28, 28)  # image shape of services that accept only rows of numbers


def score(options: argparse.Namespace) -> Answer:
    """Return the service's labels for the images in local files or files from the web."""
    addresses = [name for name in options.files if _is_web(name) and urlsplit(name).path.endswith("/score")]
    files = [name for name in options.files if name not in addresses]
    if len(addresses) > 1 or (addresses and options.service):
        raise DataError(f"name only one service, not {', '.join(filter(None, [options.service, *addresses]))}")
    if not files:
        raise DataError("no file to score: name an IDX (plain or gzip), PNG or JSON file, JSON as in the tutorial")
    client, takes_files = _client(options, *addresses)
    with client:
        answers = [_answer(client, name, _read(name), options, takes_files=takes_files) for name in files]
    results = [{"file": name} | answer for name, answer in zip(files, answers, strict=True)]
    return Answer({"results": results}, _result_lines(results, proba=options.proba))


def _result_lines(results: Sequence[Mapping[str, Any]], *, proba: bool) -> Iterator[str]:
    for result in results:
        shown = f"{result['file']}  " if len(results) > 1 else ""
        for place, label in enumerate(result["labels"]):
            probability = f"  {max(result['probabilities'][place]):.4f}" if proba else ""
            yield f"{shown}{label}{probability}"


def _client(options: argparse.Namespace, address: str | None = None) -> tuple[ScoringClient, bool]:
    """Return a client of the selected service, and whether the service accepts image files."""
    named = address or options.service or SERVICE.get()
    if _is_web(named):
        token = options.token or TOKEN.get() or None
        uri = named if urlsplit(named).path.strip("/") else f"{named.rstrip('/')}/score"
        return ScoringClient(uri, token=token), _is_ours(uri)
    service = backend_of(options).services.get(named)
    client = service.client() if options.token is None else ScoringClient(service.scoring_uri, token=options.token)
    return client, service.takes_idx


def _answer(
    client: ScoringClient, name: str, content: bytes, options: argparse.Namespace, *, takes_files: bool
) -> dict[str, Any]:
    """Return labels and, if requested, probabilities."""
    kind = PNG if content.startswith(_PNG_MAGIC) else JSON if content.lstrip()[:1] == b"{" else IDX
    try:
        if takes_files:
            answer = client.ask(content, kind, proba=options.proba)
        elif options.proba:
            raise ScoringError(f"{client.uri} returns labels only: leave --proba out")
        elif kind == JSON:
            answer = client.ask(content, kind)
        else:
            answer = client.predict(_images(content, kind)).tolist()
    except ScoringError as error:
        raise ScoringError(f"{name}: {error}") from error
    labels = answer["labels"] if isinstance(answer, dict) and "labels" in answer else answer
    if not isinstance(labels, list):
        raise ScoringError(f"{name}: expected a list of labels from {client.uri}, found: {str(answer)[:_MAX_QUOTED]}")
    return answer if isinstance(answer, dict) else {"labels": labels}


def _images(content: bytes, kind: str) -> Any:
    if kind == IDX:
        return read_idx(content)
    from mnistlib.pictures.decoding import row_of_png

    return np.rint(row_of_png(content, shape=_SHAPE) * 255).astype(np.uint8).reshape(1, *_SHAPE)


def _is_web(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def _is_ours(address: str) -> bool:
    """Return whether the service at an address is a server of this package."""
    import requests

    try:
        with session_for(address) as session:
            answer = session.get(address.rpartition("/")[0] + "/health", timeout=_TIMEOUT)
        return answer.ok and str(answer.json()["server"]).startswith("mnistlib")
    except requests.ConnectionError as error:
        raise ScoringError(
            f"cannot reach {address} ({cause_of(error)}). Start a service with mnistlib serve MODEL, or name another "
            "--service"
        ) from error
    except (requests.RequestException, ValueError, KeyError, TypeError):  # other servers have no such page
        return False


def _read(name: str) -> bytes:
    if not _is_web(name):
        return Path(name).read_bytes()
    import requests

    try:
        with session_for(name) as session:
            answer = session.get(name, timeout=_TIMEOUT)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise DataError(f"cannot download {name}: {error}") from error
    return answer.content
