"""Commands for registered models: register, and models list, show, download, delete."""

import argparse
from dataclasses import asdict, replace
from typing import Any

from mnistlib.backends import Backend
from mnistlib.cli.options import backend_of
from mnistlib.cli.output import Answer
from mnistlib.cli.tables import facts_table, format_table, metric_cell
from mnistlib.errors import ModelError, ModelNotFoundError
from mnistlib.models.version import ModelVersion


def register(options: argparse.Namespace) -> Answer:
    """Register a run's model and return its name and version."""
    chosen = {"output": options.output} if options.output else {}
    run = backend_of(options).attach(options.run)
    version = run.register_model(options.name, description=options.description, tags=options.tags, **chosen)
    return Answer(_version_json(version), [version.id])


def models_list(options: argparse.Namespace) -> Answer:
    """List the registered versions."""
    versions = backend_of(options).models.list(options.name)
    rows = [
        [
            version.name,
            str(version.version),
            metric_cell(version.metrics, "accuracy"),
            version.run_id,
            version.created[:10],
            version.description,
        ]
        for version in versions
    ]
    table = format_table(["model", ">version", ">accuracy", "run", "created", "description"], rows)
    return Answer({"models": [_version_json(version) for version in versions]}, table.splitlines())


def models_show(options: argparse.Namespace) -> Answer:
    """Return the details of a version."""
    version = version_of(backend_of(options), options.model)
    facts = {
        "model": version.id,
        "description": version.description,
        "tags": ", ".join(f"{name}={value}" for name, value in version.tags.items()),
        "created": version.created,
        "run": version.run_id,
        "file": version.file,
        "sha256": version.sha256,
    }
    if version.origin:
        rows, columns = version.origin.input_shape
        facts |= {"trained on": f"{version.origin.dataset}, images of {rows} x {columns}"}
    facts |= {name: f"{value:g}" for name, value in version.metrics.items()}
    return Answer(_version_json(version), facts_table(facts))


def models_download(options: argparse.Namespace) -> Answer:
    """Write a version's file into a folder and return its path."""
    path = str(version_of(backend_of(options), options.model).download(options.target))
    return Answer({"path": path}, [path])


def models_delete(options: argparse.Namespace) -> Answer:
    """Delete versions permanently."""
    backend = backend_of(options)
    for model in options.chosen:
        if ":" not in model:
            raise ModelError(f"cannot delete all versions of {model} at once: name each version, such as {model}:1")
    versions = [version_of(backend, model) for model in options.chosen]
    for version in versions:
        backend.models.delete(version.name, version.version)
    return Answer({"deleted": [version.id for version in versions]}, [f"{version.id}  deleted" for version in versions])


def version_of(backend: Backend, model: str) -> ModelVersion:
    """Return the version ``NAME:VERSION``; for ``NAME`` the newest version."""
    name, colon, number = model.partition(":")
    if colon and not number.isdecimal():
        raise ModelNotFoundError(f"{model!r} is not a model: expected NAME or NAME:VERSION, such as {name}:1")
    return backend.models.get(name, int(number) if colon else None)


def _version_json(version: ModelVersion) -> dict[str, Any]:
    content = asdict(replace(version, read=bytes, services=None))
    del content["read"], content["services"]
    return content
