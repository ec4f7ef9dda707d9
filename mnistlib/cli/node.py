"""The command of a cluster's node, which a backend writes and no person types."""

import argparse
import sys
from pathlib import Path

from mnistlib.backends import node_service
from mnistlib.jobs.node import run_on_node
from mnistlib.runs import RunStatus


def node(options: argparse.Namespace) -> None:
    """Run the job that lies here; the exit status tells the service whether it completed."""
    status = run_on_node(
        Path.cwd(),
        run_id=options.run_id,
        experiment=options.experiment,
        data=Path(options.data) if options.data else None,
        service=node_service(options.service) if options.service else None,
    )
    if status is not RunStatus.COMPLETED:
        sys.exit(1)
