"""The command score: ask a service about files."""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from mnistlib.cli.options import backend_of
from mnistlib.cli.output import Answer
from mnistlib.errors import DataError, ScoringError
from mnistlib.idx import read_idx
from mnistlib.models.client import IDX, JSON, PNG, TOKEN_VARIABLE, ScoringClient, cause_of, session_for

#: Names the service that is asked where none is named.
SERVICE_VARIABLE = "MNISTLIB_SERVICE"

_USUAL = "http://127.0.0.1:8000/score"  # where mnistlib serve listens unless told otherwise
_PNG_BEGINS = b"\x89PNG"
_SECONDS = 30
_SHOWN = 300  # characters of an answer that is none
_SHAPE = (28, 28)  # what a service that takes rows of numbers only was trained on


def score(options: argparse.Namespace) -> Answer:
    """Ask for the label of each image in files, of this machine or the web."""
    addresses = [name for name in options.files if _is_web(name) and urlsplit(name).path.endswith("/score")]
    files = [name for name in options.files if name not in addresses]
    if len(addresses) > 1 or (addresses and options.service):
        raise DataError(f"one service is asked at a time, not {', '.join(filter(None, [options.service, *addresses]))}")
    if not files:
        raise DataError("name a file to score: IDX (plain or gzip), PNG, or JSON as the tutorial sends it")
    client, takes_files = _client(options, *addresses)
    with client:
        answers = [_answer(client, name, _read(name), options, takes_files=takes_files) for name in files]
    results = [{"file": name} | answer for name, answer in zip(files, answers, strict=True)]
    return Answer({"results": results}, _result_lines(results, proba=options.proba))


def _result_lines(results: Sequence[Mapping[str, Any]], *, proba: bool) -> Iterator[str]:
    for result in results:
        shown = f"{result['file']}  " if len(results) > 1 else ""
        for place, label in enumerate(result["labels"]):
            sure = f"  {max(result['probabilities'][place]):.4f}" if proba else ""
            yield f"{shown}{label}{sure}"


def _client(options: argparse.Namespace, address: str | None = None) -> tuple[ScoringClient, bool]:
    """Return a client of the service that is meant, and whether that takes files as they are."""
    named = address or options.service or os.environ.get(SERVICE_VARIABLE) or _USUAL
    if _is_web(named):
        token = options.token or os.environ.get(TOKEN_VARIABLE)
        uri = named if urlsplit(named).path.strip("/") else f"{named.rstrip('/')}/score"
        return ScoringClient(uri, token=token), _is_ours(uri)
    service = backend_of(options).services.get(named)
    client = service.client() if options.token is None else ScoringClient(service.scoring_uri, token=options.token)
    return client, service.takes_idx


def _answer(
    client: ScoringClient, name: str, content: bytes, options: argparse.Namespace, *, takes_files: bool
) -> dict[str, Any]:
    """Return labels, and probabilities where they are wanted."""
    kind = PNG if content.startswith(_PNG_BEGINS) else JSON if content.lstrip()[:1] == b"{" else IDX
    try:
        if takes_files:
            answer = client.ask(content, kind, proba=options.proba)
        elif options.proba:
            raise ScoringError(f"{client.uri} answers labels only: leave --proba out")
        elif kind == JSON:
            answer = client.ask(content, kind)
        else:
            answer = client.predict(_images(content, kind)).tolist()
    except ScoringError as error:
        raise ScoringError(f"{name}: {error}") from error
    labels = answer["labels"] if isinstance(answer, dict) and "labels" in answer else answer
    if not isinstance(labels, list):
        raise ScoringError(f"{name}: {client.uri} answers no list of labels: {str(answer)[:_SHOWN]}")
    return answer if isinstance(answer, dict) else {"labels": labels}


def _images(content: bytes, kind: str) -> Any:
    if kind == IDX:
        return read_idx(content)
    from mnistlib.pictures.decoding import row_of_png

    return np.rint(row_of_png(content, shape=_SHAPE) * 255).astype(np.uint8).reshape(1, *_SHAPE)


def _is_web(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def _is_ours(address: str) -> bool:
    """Return whether a server of this package answers there."""
    import requests

    try:
        with session_for(address) as session:
            answer = session.get(address.rpartition("/")[0] + "/health", timeout=_SECONDS)
        return answer.ok and str(answer.json()["server"]).startswith("mnistlib")
    except requests.ConnectionError as error:
        raise ScoringError(
            f"{address} can't be reached ({cause_of(error)}). Start one with mnistlib serve MODEL, or name another "
            "--service"
        ) from error
    except (requests.RequestException, ValueError, KeyError, TypeError):  # whatever else answers has no such page
        return False


def _read(name: str) -> bytes:
    if not _is_web(name):
        return Path(name).read_bytes()
    import requests

    try:
        with session_for(name) as session:
            answer = session.get(name, timeout=_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise DataError(f"{name} can't be fetched: {error}") from error
    return answer.content
