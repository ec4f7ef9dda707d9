"""The commands about deployed services: deploy, and services list, show, logs, delete."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mnistlib.cli.models import version_of
from mnistlib.cli.options import backend_options
from mnistlib.cli.output import backend_of, print_json
from mnistlib.cli.serving import report_of, run_of
from mnistlib.cli.tables import format_table
from mnistlib.models.service import Service, service_name_of
from mnistlib.serving import container


def deploy(options: argparse.Namespace) -> None:
    """Deploy a registered model and print where it answers."""
    services = backend_of(options).services
    given = backend_options(options, "deployment")
    version = version_of(options, options.model)
    name = options.name or service_name_of(version.name)
    with _ended_like_ctrl_c():
        service = services.deploy(version, name, replace=options.replace, **given)
    if options.json:
        print_json(**_facts(service))
    else:
        print(f"service      {service.name}")
        print(f"model        {service.model}")
        print(f"scoring uri  {service.scoring_uri}")


def export_service(options: argparse.Namespace) -> None:
    """Write a folder from which a service can be built anywhere, and print where it is."""
    version = version_of(options, options.model)
    run = run_of(version.run_id, options)
    folder = container.export_service(version, options.folder, report=report_of(run, options)() if run else None)
    if options.json:
        print_json(folder=str(folder))
    else:
        print(folder)


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let other signals that end a process end what is half made, too."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # not all are everywhere
    before = {number: signal.signal(number, end) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def services_list(options: argparse.Namespace) -> None:
    """Print the deployed services."""
    services = backend_of(options).services.list()
    if options.json:
        print_json(services=[_facts(service) for service in services])
        return
    rows = [[service.name, service.model, service.status, service.scoring_uri] for service in services]
    print(format_table(["service", "model", "status", "scoring uri"], rows), end="")


def services_show(options: argparse.Namespace) -> None:
    """Print what is known of a service."""
    facts = _facts(backend_of(options).services.get(options.service))
    if options.json:
        print_json(**facts)
        return
    width = max(map(len, facts))
    print("".join(f"{name.replace('_', ' '):<{width}}  {value}\n" for name, value in facts.items()), end="")


def services_logs(options: argparse.Namespace) -> None:
    """Print what a service has said."""
    print(backend_of(options).services.get(options.service).logs(), end="")


def services_delete(options: argparse.Namespace) -> None:
    """End services and forget them."""
    known = backend_of(options).services
    for service in [known.get(name) for name in options.chosen]:
        service.delete()
        print(f"{service.name}  deleted")


def _facts(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "model": service.model,
        "status": service.status,
        "scoring_uri": service.scoring_uri,
    }
