"""Command serve: serving of a model over HTTP."""

import argparse
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mnistlib.backends import Backend
from mnistlib.cli.models import version_of
from mnistlib.cli.options import backend_of
from mnistlib.cli.output import Answer, print_answer
from mnistlib.environment import TOKEN
from mnistlib.errors import (
    BackendError,
    MissingExtraError,
    MnistlibError,
    ModelError,
    ModelNotFoundError,
    RunNotFoundError,
)
from mnistlib.models.artifact import MODEL_FILE, SavedModel, load_model
from mnistlib.models.client import is_loopback
from mnistlib.report import write_report
from mnistlib.runs import Run
from mnistlib.runs.context import OUTPUTS
from mnistlib.serving import packages
from mnistlib.serving.container import REPORT

_log = logging.getLogger("mnistlib")


def serve(options: argparse.Namespace) -> None:
    """Serve a model until SIGTERM or Ctrl-C."""
    if not packages.are_installed():
        raise MissingExtraError("mnistlib serve", "serve")
    from mnistlib.serving.app import Limits, ScoringApp
    from mnistlib.serving.model import ServedModel
    from mnistlib.serving.server import address_of, listen
    from mnistlib.serving.server import serve as answer

    token = options.token or TOKEN.get() or None  # an empty token gives no protection
    if token is None and not options.no_auth and not is_loopback(options.host):
        raise BackendError(
            f"--host {options.host} is reachable from other machines: set a token with --token or ${TOKEN.name}, "
            "or pass --no-auth to allow requests without a token"
        )
    served = _served(options)
    name = served.name
    model = ServedModel(served.model, name, run_id=served.run_id)
    limits = Limits(most_bytes=options.max_body_bytes, most_waiting=options.max_waiting)
    app = ScoringApp(model, limits=limits, token=None if options.no_auth else token, report=served.report)
    listening = listen(options.host, options.port)
    address = address_of(listening)

    def ready() -> None:
        if options.json:
            _log.info("serving %s on %s", name, address)  # on stderr for users, since the JSON is for programs
        content = {"model": name, "scoring_uri": f"{address}/score", "page": f"{address}/", "pid": os.getpid()}
        line = f"serving {name}: draw on {address}/ or POST to {address}/score (stop with Ctrl-C)"
        print_answer(Answer(content, [line]), options)

    status = 0
    try:
        answer(app, listening, ready=ready)
    except KeyboardInterrupt:
        if not app.is_busy:
            raise
        status = 130
    if app.is_busy:
        # The pending requests were given up. The interpreter's exit would wait for the model, perhaps forever.
        _log.warning("the model is still busy with a request: exiting without waiting for it")
        os._exit(status)


@dataclass(frozen=True, kw_only=True)
class _Served:
    """Model to serve: its name, and a function that returns the report of its run."""

    model: SavedModel
    name: str
    run_id: str | None = None
    report: Callable[[], str] | None = None


def _served(options: argparse.Namespace) -> _Served:
    """Return the model selected by the options: a registered model, a file or a run."""
    backend = backend_of(options)
    try:
        version = version_of(backend, options.model)
    except (ModelNotFoundError, ModelError) as error:  # ModelError for an invalid name of a model, such as a path
        unregistered = error
    else:
        report = report_of(run_of(backend, version.run_id), data_folder=options.data_folder)
        return _Served(model=version.load(), name=version.id, run_id=version.run_id, report=report)
    path = Path(options.model)
    if path.is_file() or (path / MODEL_FILE).is_file():
        file = (path if path.is_dir() else path.parent) / REPORT
        read = partial(file.read_text, encoding="utf-8") if file.is_file() else None
        return _Served(model=load_model(path, trust=options.trust), name=path.name, report=read)
    try:
        run = backend.attach(options.model)
    except RunNotFoundError as error:
        reason = unregistered if isinstance(unregistered, ModelNotFoundError) else error
        raise ModelNotFoundError(f"{options.model!r} is not a registered model, a file or a run: {reason}") from error
    saved = load_model(run.local_folder() / OUTPUTS, trust=options.trust)
    report = report_of(run, data_folder=options.data_folder)
    return _Served(model=saved, name=f"run {run.id}", run_id=run.id, report=report)


def run_of(backend: Backend, run_id: str) -> Run | None:
    """Return the run that trained a model; None if it is not available."""
    try:
        return backend.attach(run_id)
    except MnistlibError:  # the run was deleted, or its backend is unreachable; the model can be served without it
        return None


def report_of(run: Run | None, *, data_folder: str | None) -> Callable[[], str] | None:
    """Return a function that makes the HTML report of a run; None without a run."""
    if run is None:
        return None

    def report() -> str:
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            file = write_report(run, Path(folder, REPORT), data_folder=data_folder)
            return file.read_text(encoding="utf-8")

    return report
