"""Sweeps: a command job at every point of a grid, a limited number at once, and the choice of the best one."""

import itertools
import json
import queue
import threading
from typing import Any

from mnistlib.testing.azureml.answers import Refusal, unsupported, user_error
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.jobs.commands import normalized, start_command, submission_of
from mnistlib.testing.azureml.jobs.submission import check
from mnistlib.testing.azureml.parameters import seconds_of
from mnistlib.testing.azureml.runs.metrics import numbers_of
from mnistlib.testing.azureml.runs.records import FINAL, SWEEP, failure
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


class Sweeps:
    """The active sweeps; one thread advances each of them after every change of one of its runs."""

    def __init__(self, state: State, clusters: Clusters) -> None:
        self._state = state
        self._clusters = clusters
        self._moved: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._live, name="sweeps", daemon=True)

    def start(self) -> None:
        """Continue the sweeps that had not ended."""
        self._state.runs.listeners.append(self._moved.put)
        for sweep in self._state.store.all("sweep"):
            self._moved.put(sweep["name"])
        self._thread.start()

    def stop(self) -> None:
        """Stop starting trials."""
        if self._thread.is_alive():
            self._moved.put(None)
            self._thread.join()

    def submit(self, name: str, job: Document) -> None:
        """Start a sweep.

        Raises
        ------
        Refusal
            If the job is not a plain grid, or its trials cannot run.
        """
        points = list(_grid(job))[: (job.get("limits") or {}).get("maxTotalTrials")]
        # Errors in a trial are reported before any trial starts.
        check(self._state, submission_of(self._state, name, _trial_of(job, 0, points[0])))
        self._state.runs.add(
            name,
            job.get("experimentName") or "Default",
            runType=SWEEP,
            properties=job.get("properties") or {},
            tags=job.get("tags") or {},
            displayName=job.get("displayName") or name,
            description=job.get("description"),
        )
        self._state.store.put("job", name, job)
        self._state.store.put("sweep", name, {"name": name, "points": points})
        self._state.runs.move(name, "Running")

    def _live(self) -> None:
        while (run_id := self._moved.get()) is not None:
            run = self._state.runs.get(run_id)
            assert run is not None
            sweep = self._state.store.get("sweep", run["parentRunId"] or run_id)
            if sweep is not None:
                try:
                    self._advance(sweep["name"], sweep["points"])
                except Refusal as error:  # a dependency of the trials was deleted after the first one started
                    self._state.runs.move(sweep["name"], "Failed", error=failure(error.message))

    def _advance(self, name: str, points: list[Document]) -> None:
        """Start as many trials as may run, or end the sweep after the last one."""
        parent, job = self._state.runs.get(name), self._state.store.get("job", name)
        assert parent is not None
        assert job is not None
        if parent["status"] in FINAL:
            return
        trials = [self._state.runs.get(f"{name}_{number}") for number in range(len(points))]
        going = [trial for trial in trials if trial is not None and trial["status"] not in FINAL]
        if parent["status"] == "CancelRequested":
            for trial in going:
                self._clusters.cancel(trial["runId"])
            if not going:
                self._state.runs.move(name, "Canceled")
            return
        free = ((job.get("limits") or {}).get("maxConcurrentTrials") or len(points)) - len(going)
        waiting = [number for number, trial in enumerate(trials) if trial is None]
        for number in waiting[: max(free, 0)]:
            start_command(
                self._state, self._clusters, f"{name}_{number}", _trial_of(job, number, points[number]), parent=name
            )
        if not going and not waiting:
            self._finish(name, job, [trial for trial in trials if trial is not None])

    def _finish(self, name: str, job: Document, trials: list[Document]) -> None:
        """End a sweep; it fails if all its trials failed."""
        completed = [trial["runId"] for trial in trials if trial["status"] == "Completed"]
        if not completed:
            self._state.runs.move(name, "Failed", error=failure(f"None of the {len(trials)} trials has completed."))
            return
        objective = job["objective"]
        choose = max if objective["goal"].lower() == "maximize" else min
        scores = {
            run_id: choose(number.value for number in logged)
            for run_id in completed
            if (logged := numbers_of(self._state.store, run_id).get(objective["primaryMetric"]))
        }
        if scores:
            best = choose(scores, key=scores.__getitem__)
            self._state.runs.patch(name, {"properties": {"best_child_run_id": best, "score": str(scores[best])}})
        self._state.runs.move(name, "Completed")


def _grid(job: Document) -> Any:
    """Yield the points of the search space, by the names of its variables."""
    algorithm = job["samplingAlgorithm"]["samplingAlgorithmType"]
    if algorithm != "Grid":
        raise unsupported(f"the emulator does not support sampling by {algorithm}: use Grid")
    if job.get("earlyTermination"):
        raise unsupported("the emulator does not support early termination of trials")
    axes: dict[str, list[Any]] = {}
    for name, (kind, arguments) in job["searchSpace"].items():
        if kind != "choice":
            raise user_error(f"A grid has only choices, and {name} is {kind}.")
        axes[name] = arguments[0]
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _trial_of(job: Document, number: int, point: Document) -> Document:
    """Return the command job at one point of a sweep."""
    trial, limits = job["trial"], job.get("limits") or {}
    command = normalized(trial["command"])
    for variable, value in point.items():
        command = command.replace(f"${{{{search_space.{variable}}}}}", str(value))
    durations = [text for text in (limits.get("timeout"), limits.get("trialTimeout")) if text]
    return {
        **trial,
        "jobType": "Command",
        "command": command,
        "computeId": job.get("computeId"),
        "inputs": job.get("inputs") or {},
        "outputs": job.get("outputs") or {},
        "experimentName": job.get("experimentName"),
        "limits": {"jobLimitsType": "Command", "timeout": min(durations, key=seconds_of)} if durations else None,
        "tags": {"hyperparameters": json.dumps(point)},
        "properties": {},
        "displayName": f"{job.get('displayName') or 'trial'}_{number}",
    }
