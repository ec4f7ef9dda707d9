"""A run on a cluster, seen from here: every question is a question to the service."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mnistlib.artifacts import DESCRIPTION_FILE, ModelDescription
from mnistlib.backends.cloud.service import Registration, RemoteRun, Service
from mnistlib.errors import JobFailedError, ModelError, RunNotFoundError, RunStateError
from mnistlib.jobs.node import COLLECTED, LOGS
from mnistlib.models import ModelVersion, require_model_name
from mnistlib.runs import Metrics, Run, RunRecord, RunResult, RunStatus, read_metrics
from mnistlib.runs.context import LOG_FILE, METRIC_LINES_FILE, OUTPUTS, parse_metrics
from mnistlib.runs.handle import MODEL_OUTPUT
from mnistlib.runs.record import RECORD_FILE

#: Properties of a sweep: the ids of its children, as JSON, and of the run that chooses the best of them.
CHILDREN, CHOOSER = "mnistlib.children", "mnistlib.chooser"
#: Property of every run: the ``type`` of its job.
JOB_TYPE = "mnistlib.job_type"

#: Property of a run that has ended on its node: what its record adds to what the service knows, as JSON.
ENDED = "mnistlib.ended"
_TOLD_AT_THE_END = ("started", "ended", "metrics", "converged", "error")

_COLLECTED_AS = {(LOGS / name).as_posix(): name for name in COLLECTED}


class CloudRun(Run):
    """A run on a cluster.

    Parameters
    ----------
    service : Service
        Who runs it.
    run : RemoteRun
        What is known of it.
    folder : Path
        Where its files are brought when its result is asked for.
    """

    # Every look is a request: the longer a run takes, the less often.
    _first_pause, _longest_pause, _pause_growth = 0.2, 5.0, 1.1

    def __init__(self, service: Service, run: RemoteRun, folder: Path) -> None:
        super().__init__(run.run_id, run.experiment)
        self._service = service
        self._known = run
        self._folder = folder

    @property
    def remote(self) -> RemoteRun:
        """What the service knows of the run now."""
        if not self._known.status.ended:
            found = self._service.find(self.id)
            if found is None:
                raise RunNotFoundError(f"no run {self.id!r}: it has been deleted")
            self._known = self._with_chooser(found)
        return self._known

    @property
    def _keeper(self) -> str:
        """Id of the run that has the files: of a sweep, the one that chooses."""
        return self._known.properties.get(CHOOSER, self.id)

    def _with_chooser(self, sweep: RemoteRun) -> RemoteRun:
        """Return a sweep as its runs say it is: it has not ended before them, nor does it outlive its chooser."""
        if self._keeper == self.id or sweep.status in (RunStatus.COMPLETED, RunStatus.FAILED):
            return sweep
        if sweep.status is RunStatus.CANCELLED:
            going_on = any(not child.done() for child in self.children())
            return replace(sweep, status=RunStatus.RUNNING) if going_on else sweep
        chooser = self._service.find(self._keeper)
        if chooser is not None and chooser.status in (RunStatus.FAILED, RunStatus.CANCELLED):
            return replace(sweep, status=chooser.status, error=chooser.error)
        return sweep

    @property
    def status(self) -> RunStatus:
        """What has become of the run."""
        return self.remote.status

    @property
    def record(self) -> RunRecord:
        """What the service knows of the run, and what its node has told at its end."""
        record = record_of(self.remote)
        if self._keeper == self.id or not record.status.ended:
            return record
        chooser = self._service.find(self._keeper)
        if chooser is None:
            return record
        told = record_of(chooser)
        return replace(
            record,
            started=told.started,
            ended=told.ended,
            metrics=told.metrics,
            converged=told.converged,
            error=record.error and (told.error or record.error),
        )

    def local_folder(self) -> Path:
        """Bring the run's files to this machine, and return their folder."""
        self.download(self._folder)
        return self._folder

    @property
    def name(self) -> str | None:
        """What a person calls the run."""
        return self._known.name

    def cancel(self) -> None:
        """Ask the run to stop; see :meth:`Run.cancel`."""
        if not self.done():
            for child in self.children():
                child.cancel()
            for run_id in {self.id, self._keeper}:
                self._service.stop(run_id)

    def metrics(self) -> Metrics:
        """Return all metric values logged so far; of a sweep that goes on, how many children have ended."""
        try:
            return parse_metrics(self._read(METRIC_LINES_FILE).decode())
        except FileNotFoundError:
            children = self.children()
            ended = sum(child.done() for child in children)
            return Metrics({"children_ended": [(0, float(ended))]} if children else {})

    def files(self) -> list[str]:
        """Return the names of the run's files, under the names that they have everywhere."""
        return sorted(self._stored_names())

    def logs(self) -> str:
        """Return what the run has said so far; of one that ended before it said anything, what its node has printed."""
        ended = self.done()
        try:
            return self._read(LOG_FILE).decode(errors="replace")
        except FileNotFoundError:
            printed = sorted(filter(self._service.is_output, self._service.file_names(self._keeper))) if ended else []
            return "\n".join(self._read(name).decode(errors="replace") for name in printed)

    def download(self, target: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Path]:
        """Copy files of the run into a folder; see :meth:`Run.download`."""
        stored = self._stored_names()
        wanted = sorted(stored) if names is None else list(names)
        missing = [name for name in wanted if name not in stored]
        if missing:
            raise FileNotFoundError(f"run {self.id} has no file {missing[0]!r}; it has {', '.join(sorted(stored))}")
        folder = Path(target)
        folder.mkdir(parents=True, exist_ok=True)
        # Beside where they belong, so that each takes its name at once, and whole.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=".part") as parts:
            self._service.fetch(self._keeper, [stored[name] for name in wanted], Path(parts))
            for name in wanted:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                Path(parts, stored[name]).replace(folder / name)
        return [folder / name for name in wanted]

    def register_model(
        self,
        name: str,
        *,
        output: str = MODEL_OUTPUT,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Register the run's model with the service; see :meth:`Run.register_model`."""
        require_model_name(name)
        status = self.status
        if status is not RunStatus.COMPLETED:
            raise RunStateError(f"run {self.id} is {status}: only a run that has completed has a model to keep")
        names = self._stored_names()
        if output not in names:
            raise ModelError(
                f"run {self.id} has no model {output!r}; it has {', '.join(sorted(names))}. Where one of them is a "
                "model, name it with output= (--output)"
            )
        digest = hashlib.sha256(self._read(output)).hexdigest()
        return self._service.register(
            Registration(
                name=name,
                run_id=self._keeper,
                output=output,
                sha256=digest,
                metrics=self.metrics().latest,
                description=description,
                tags=dict(tags or {}),
                origin=self._description(digest),
            )
        )

    def children(self) -> list[Run]:
        """Return the runs of a sweep; see :meth:`Run.children`."""
        ids: list[str] = json.loads(self._known.properties.get(CHILDREN, "[]"))
        known = [(name, self._service.find(name)) for name in ids]
        return [type(self)(self._service, run, self._folder.with_name(name)) for name, run in known if run]

    def _description(self, digest: str) -> ModelDescription | None:
        """Return how the model was trained, where the file beside it tells of this one."""
        try:
            content = json.loads(self._read(f"{OUTPUTS}/{DESCRIPTION_FILE}"))
        except FileNotFoundError:
            return None
        return ModelDescription.from_content(content) if content.get("sha256") == digest else None

    def _ended(self) -> RunResult | JobFailedError:
        if self._known.status is not RunStatus.COMPLETED:
            return self.failure(self.record.error)
        folder = self.local_folder()
        converged = RunRecord.read(folder).converged if (folder / RECORD_FILE).exists() else None
        metrics = read_metrics(folder).latest
        return RunResult(self.id, self.experiment, self._known.status, folder, metrics, converged)

    def _stored_names(self) -> dict[str, str]:
        """Return what the run's files are called everywhere, with what the service calls them."""
        return {_COLLECTED_AS.get(name, name): name for name in self._service.file_names(self._keeper)}

    def _read(self, name: str) -> bytes:
        stored = (LOGS / name).as_posix() if name in COLLECTED else name
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            self._service.fetch(self._keeper, [stored], Path(folder))
            return Path(folder, stored).read_bytes()


def ended_properties(record: RunRecord) -> dict[str, str]:
    """Return the properties by which a node tells how its run has ended."""
    return {ENDED: json.dumps({name: getattr(record, name) for name in _TOLD_AT_THE_END})}


def record_of(remote: RemoteRun) -> RunRecord:
    """Return the record of a run: what the service knows, and what the node has told at its end."""
    told: dict[str, Any] = json.loads(remote.properties.get(ENDED, "{}"))
    failed = remote.status is RunStatus.FAILED
    return RunRecord(
        run_id=remote.run_id,
        experiment=remote.experiment,
        job_type=remote.properties.get(JOB_TYPE, ""),
        status=remote.status,
        process="",
        created=remote.created,
        name=remote.name,
        tags=remote.tags,
        parent=remote.parent,
        children=tuple(json.loads(remote.properties.get(CHILDREN, "[]"))),
        **(told | {"error": (told.get("error") or remote.error) if failed else None}),
    )
