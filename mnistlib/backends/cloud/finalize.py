"""End of a sweep, independent of the process that submitted it: the node of the last trial to end chooses the best.

Each trial checks the others after it has reported its end. A trial that finds that all have ended adds a mark file to
the sweep, which succeeds only once; then it chooses the best and closes the sweep. No node waits for another.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from mnistlib.backends.cloud.cluster_client import RemoteRun, RunClient
from mnistlib.backends.cloud.node import NodeSide
from mnistlib.backends.cloud.properties import ENDED, record_of
from mnistlib.backends.cloud.run_files import download
from mnistlib.jobs import Outcome, Sweep
from mnistlib.jobs.node import LOGS, run_on_node
from mnistlib.runs import RunContext, RunRecord, RunStatus
from mnistlib.runs.context import OUTPUTS
from mnistlib.runs.record import RECORD_FILE
from mnistlib.runs.store import JOB_FILE

#: File of a sweep with the id of the run that closes it.
_MARK = f"{LOGS}/closed_by.txt"
#: Folder for the sweep's own files, in the folder of the run that closes it; the cluster does not collect it.
_FOLDER = Path(".sweep")
_PAUSE = 0.5  # seconds between two requests for a run
_PATIENCE = 120.0  # seconds to wait for the node of a run that has reported its end


def close_if_last(
    side: NodeSide, sweep_id: str, sweep: Sweep, *, data: Path | None, register_as: str | None
) -> RunStatus | None:
    """Choose the best trial of a sweep and close it, if all trials have ended and no other run is closing it.

    `side` is the node side of this run, in whose folder the process works. `data` is the folder with the sweep's data
    set; `register_as` is the name under which the best model is registered. Return the final status of the sweep, or
    None if this run does not close it.
    """
    client = side.runs
    found = client.find(sweep_id)
    if found is None or found.status is RunStatus.CANCELLED:
        return None
    runs = client.children(found)
    all_there = len(runs) == len(sweep.trials())
    if not all_there or not all(run.status.ended or ENDED in run.properties for run in runs):
        return None
    if not _marked(client, sweep_id, side.run_id):
        return None
    whole, record = side.of(sweep_id), None
    try:
        record = _choose(whole, sweep, runs, own=side.run_id, data=data)
        # The files before the end, so that they exist for every reader of the end; the model last.
        for path in sorted(path for part in (OUTPUTS, LOGS) for path in (_FOLDER / part).rglob("*")):
            if path.is_file():
                client.keep(sweep_id, path.relative_to(_FOLDER).as_posix(), path)
        whole.conclude(record)
        if register_as and record.status is RunStatus.COMPLETED:
            whole.register(register_as, _FOLDER)
    finally:
        if sweep_id != side.run_id:
            failure = f"run {side.run_id} could not choose the best trial: see its output for the reason"
            client.close_sweep(sweep_id, error=failure if record is None else record.error)
    return record.status


def _marked(client: RunClient, sweep_id: str, run_id: str) -> bool:
    """Add this run's mark file and return whether it is the first; a replaced node may have added it before."""
    _FOLDER.mkdir(exist_ok=True)
    mark = _FOLDER / "mark"
    mark.write_text(run_id)
    if client.keep(sweep_id, _MARK, mark):
        return True
    client.fetch(sweep_id, [_MARK], _FOLDER)
    return (_FOLDER / _MARK).read_text() == run_id


def _choose(side: NodeSide, sweep: Sweep, runs: Sequence[RemoteRun], *, own: str, data: Path | None) -> RunRecord:
    (_FOLDER / JOB_FILE).write_text(sweep.to_json())
    here = sweep if data is None else sweep.with_data(data)

    def work(context: RunContext) -> Outcome:
        # This run's own files are in the current folder; the cluster may not have collected them yet.
        folders = [
            Path.cwd() if run.run_id == own else _downloaded(side.runs, run, context.folder / "runs" / run.run_id)
            for run in runs
        ]
        return here.choose(folders, context)

    return run_on_node(_FOLDER, run_id=side.run_id, experiment=side.experiment, data=data, reporter=side, work=work)


def _downloaded(client: RunClient, run: RemoteRun, folder: Path) -> Path:
    """Download the files of a run; write a record of its end if its node has left none."""
    run = _once_ended(client, run)
    download(client, run.run_id, folder)
    if not (folder / RECORD_FILE).exists():
        record_of(run).write(folder)
    return folder


def _once_ended(client: RunClient, run: RemoteRun) -> RemoteRun:
    """Wait until the node of a run that has reported its end has ended, too: its files are collected only then."""
    deadline = time.monotonic() + _PATIENCE  # the node may be lost before that
    while not run.status.ended and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        run = client.find(run.run_id) or run
    return run
