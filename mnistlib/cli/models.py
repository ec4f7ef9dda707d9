"""The commands about registered models: register, and models list, show, download, delete."""

import argparse
from dataclasses import asdict, replace
from typing import Any

from mnistlib.cli.output import backend_of, print_json
from mnistlib.cli.tables import format_table
from mnistlib.errors import ModelError, ModelNotFoundError
from mnistlib.models.version import ModelVersion


def register(options: argparse.Namespace) -> None:
    """Register a run's model and print what it is registered as."""
    chosen = {"output": options.output} if options.output else {}
    run = backend_of(options).attach(options.run)
    version = run.register_model(options.name, description=options.description, tags=options.tags, **chosen)
    if options.json:
        print_json(**_version_json(version))
    else:
        print(version.id)


def models_list(options: argparse.Namespace) -> None:
    """Print the registered versions."""
    versions = backend_of(options).models.list(options.name)
    if options.json:
        print_json(models=[_version_json(version) for version in versions])
        return
    rows = [
        [
            version.name,
            str(version.version),
            f"{version.metrics['accuracy']:.4f}" if "accuracy" in version.metrics else "",
            version.run_id,
            version.created[:10],
            version.description,
        ]
        for version in versions
    ]
    print(format_table(["model", ">version", ">accuracy", "run", "created", "description"], rows), end="")


def models_show(options: argparse.Namespace) -> None:
    """Print all that is known of a version."""
    version = version_of(options, options.model)
    if options.json:
        print_json(**_version_json(version))
        return
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
    width = max(map(len, facts))
    for name, value in facts.items():
        if value:
            print(f"{name:<{width}}  {value}")


def models_download(options: argparse.Namespace) -> None:
    """Write a version's file into a folder and print where it is."""
    path = version_of(options, options.model).download(options.target)
    if options.json:
        print_json(path=str(path))
    else:
        print(path)


def models_delete(options: argparse.Namespace) -> None:
    """Remove versions for good."""
    models = backend_of(options).models
    for model in options.chosen:
        if ":" not in model:
            raise ModelError(f"to delete, name a version: {model}:1. A whole name can't be deleted at once")
    versions = [version_of(options, model) for model in options.chosen]
    for version in versions:
        models.delete(version.name, version.version)
    if options.json:
        print_json(deleted=[version.id for version in versions])
    else:
        print("".join(f"{version.id}  deleted\n" for version in versions), end="")


def version_of(options: argparse.Namespace, model: str) -> ModelVersion:
    """Return the version that ``NAME:VERSION`` means; the newest of ``NAME``."""
    name, colon, number = model.partition(":")
    if colon and not number.isdecimal():
        raise ModelNotFoundError(f"{model!r} is no model: expected NAME or NAME:VERSION, such as {name}:1")
    return backend_of(options).models.get(name, int(number) if colon else None)


def _version_json(version: ModelVersion) -> dict[str, Any]:
    content = asdict(replace(version, read=bytes, services=None))
    del content["read"], content["services"]
    return content
