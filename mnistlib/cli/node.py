"""The command of a cluster's node, which a backend writes and no person types."""

import argparse
import sys
from pathlib import Path

from mnistlib.backends import node_side
from mnistlib.jobs.execute import execute
from mnistlib.jobs.node import run_on_node
from mnistlib.runs import RunRecord, RunStatus


def node(options: argparse.Namespace) -> None:
    """Run the job that lies here; the exit status tells the service whether it completed."""
    folder = Path.cwd()
    side = node_side(options.service)
    status = run_on_node(
        folder,
        run_id=options.run_id,
        experiment=options.experiment,
        child=options.child,
        data=Path(options.data) if options.data else None,
        service=side,
        work=side.chooser(options.children.split(",")) if options.sweep else execute,
    )
    if options.register_as and status is RunStatus.COMPLETED:
        side.register(options.register_as, options.run_id, folder)
    if options.sweep and status is not RunStatus.CANCELLED:
        side.close_sweep(options.sweep, error=RunRecord.read(folder).error)
    if status is not RunStatus.COMPLETED:
        sys.exit(1)
