"""How a sweep ends, whoever is still there: the last of its runs to end chooses the best, from its node.

Each run looks at the others when it has told how it ended. Whoever finds that all have ended leaves a mark among the
sweep's files, of which there can be one only, chooses, and closes the sweep. No node waits for another.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from mnistlib.backends.cloud.cluster_client import RemoteRun, RunClient
from mnistlib.backends.cloud.node import NodeSide
from mnistlib.backends.cloud.properties import ENDED, record_of
from mnistlib.backends.cloud.run_files import download
from mnistlib.jobs import Outcome, SweepJob
from mnistlib.jobs.node import LOGS, run_on_node
from mnistlib.runs import RunContext, RunRecord, RunStatus
from mnistlib.runs.context import OUTPUTS
from mnistlib.runs.record import RECORD_FILE
from mnistlib.runs.store import JOB_FILE

#: File of a sweep that says which of its runs closes it.
_MARK = f"{LOGS}/closed_by.txt"
#: Where the sweep's own files are made, in the folder of the run that closes it; nothing collects them there.
_FOLDER = Path(".sweep")
_PAUSE = 0.5  # seconds between two looks at a run
_PATIENCE = 120.0  # seconds for a run that has told its end until its node is done


def close_if_last(
    side: NodeSide, sweep_id: str, sweep: SweepJob, *, data: Path | None, register_as: str | None
) -> RunStatus | None:
    """Choose the best of a sweep and close it, if all its runs have ended and no other run has begun to.

    Parameters
    ----------
    side : NodeSide
        Of this run, whose current folder it is.
    sweep_id, sweep
        The sweep, and what it was to do.
    data : Path, optional
        The folder with the sweep's data set.
    register_as : str, optional
        What to register the best model as.

    Returns
    -------
    RunStatus or None
        What has become of the sweep; None if it is not for this run to say.
    """
    client = side.runs
    found = client.find(sweep_id)
    if found is None or found.status is RunStatus.CANCELLED:
        return None
    runs = client.children(found)
    all_there = len(runs) == len(sweep.regularization)
    if not all_there or not all(run.status.ended or ENDED in run.properties for run in runs):
        return None
    if not _marked(client, sweep_id, side.run_id):
        return None
    whole, record = side.of(sweep_id), None
    try:
        record = _choose(whole, sweep, runs, own=side.run_id, data=data)
        # The files, then the end, then the model: a reader that learns of the end finds the files.
        for path in sorted(path for part in (OUTPUTS, LOGS) for path in (_FOLDER / part).rglob("*")):
            if path.is_file():
                client.keep(sweep_id, path.relative_to(_FOLDER).as_posix(), path)
        whole.conclude(record)
        if register_as and record.status is RunStatus.COMPLETED:
            whole.register(register_as, _FOLDER)
    finally:
        if sweep_id != side.run_id:
            lost = f"run {side.run_id} could not choose the best: its output says why"
            client.close_sweep(sweep_id, error=lost if record is None else record.error)
    return record.status


def _marked(client: RunClient, sweep_id: str, run_id: str) -> bool:
    """Leave this run's mark; it may be there from before, if this node is one that came for another."""
    _FOLDER.mkdir(exist_ok=True)
    mark = _FOLDER / "mark"
    mark.write_text(run_id)
    if client.keep(sweep_id, _MARK, mark):
        return True
    client.fetch(sweep_id, [_MARK], _FOLDER)
    return (_FOLDER / _MARK).read_text() == run_id


def _choose(side: NodeSide, sweep: SweepJob, runs: Sequence[RemoteRun], *, own: str, data: Path | None) -> RunRecord:
    (_FOLDER / JOB_FILE).write_text(sweep.to_json())
    here = sweep if data is None else sweep.with_data(data)

    def work(context: RunContext) -> Outcome:
        # What this run has made lies here, and the cluster may not have collected it yet.
        folders = [
            Path.cwd() if run.run_id == own else _bring(side.runs, run, context.folder / "runs" / run.run_id)
            for run in runs
        ]
        return here.choose(folders, context)

    return run_on_node(_FOLDER, run_id=side.run_id, experiment=side.experiment, data=data, reporter=side, work=work)


def _bring(client: RunClient, run: RemoteRun, folder: Path) -> Path:
    """Bring the files of one of the runs here; of one whose node has left none, a record of how it ended."""
    run = _once_ended(client, run)
    download(client, run.run_id, folder)
    if not (folder / RECORD_FILE).exists():
        record_of(run).write(folder)
    return folder


def _once_ended(client: RunClient, run: RemoteRun) -> RemoteRun:
    """Return a run that has reported its end when its node has ended, too: its files are collected only then."""
    deadline = time.monotonic() + _PATIENCE  # the node may be lost just then
    while not run.status.ended and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        run = client.find(run.run_id) or run
    return run
