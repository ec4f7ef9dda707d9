"""Commands for services: deploy, export-service, and services list, show, logs, delete."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mnistlib.cli.models import version_of
from mnistlib.cli.options import backend_of, backend_options
from mnistlib.cli.output import Answer
from mnistlib.cli.serving import report_of, run_of
from mnistlib.cli.tables import facts_table, format_table
from mnistlib.models.service import Service, service_name_of
from mnistlib.serving import container


def deploy(options: argparse.Namespace) -> Answer:
    """Deploy a registered model and return the address of the service."""
    backend = backend_of(options)
    given = backend_options(options, "deployment")
    version = version_of(backend, options.model)
    name = options.name or service_name_of(version.name)
    with _ended_like_ctrl_c():
        service = backend.services.deploy(version, name, replace=options.replace, **given)
    facts = _facts(service)
    shown = {"service": facts["name"], "model": facts["model"], "scoring uri": facts["scoring_uri"]}
    return Answer(facts, facts_table(shown))


def export_service(options: argparse.Namespace) -> Answer:
    """Write a folder with a Dockerfile of a service, and return its path."""
    backend = backend_of(options)
    version = version_of(backend, options.model)
    report = report_of(run_of(backend, version.run_id), data_folder=options.data_folder)
    folder = str(container.export_service(version, options.folder, report=report() if report else None))
    return Answer({"folder": folder}, [folder])


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Convert SIGTERM and SIGHUP to SystemExit, so that an incomplete deployment is rolled back as after Ctrl-C."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP
    before = {number: signal.signal(number, end) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def services_list(options: argparse.Namespace) -> Answer:
    """List the deployed services."""
    services = [_facts(service) for service in backend_of(options).services.list()]
    table = format_table(["service", "model", "status", "scoring uri"], [list(facts.values()) for facts in services])
    return Answer({"services": services}, table.splitlines())


def services_show(options: argparse.Namespace) -> Answer:
    """Return the details of a service."""
    facts = _facts(backend_of(options).services.get(options.service))
    return Answer(facts, facts_table({name.replace("_", " "): value for name, value in facts.items()}))


def services_logs(options: argparse.Namespace) -> None:
    """Print the log of a service."""
    print(backend_of(options).services.get(options.service).logs(), end="")


def services_delete(options: argparse.Namespace) -> Answer:
    """Stop and delete services."""
    known = backend_of(options).services
    services = [known.get(name) for name in options.chosen]
    for service in services:
        service.delete()
    return Answer(
        {"deleted": [service.name for service in services]}, [f"{service.name}  deleted" for service in services]
    )


def _facts(service: Service) -> dict[str, str]:
    return {
        "name": service.name,
        "model": service.model,
        "status": service.status,
        "scoring_uri": service.scoring_uri,
    }
