"""Simulated compute clusters: a queue of runs, and nodes that are started for it and released without work."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

from mnistlib.testing.azureml.compute.nodes import Job, Nodes
from mnistlib.testing.azureml.runs.records import FINAL, SWEEP
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

NodeState = Literal["preparing", "idle", "running", "leaving"]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Durations in seconds: start of a node, its life without work, grace of a cancelled job."""

    start_seconds: float = 0.0
    idle_seconds: float = 120.0
    grace_seconds: float = 5.0


@dataclass(eq=False, kw_only=True)
class _Node:
    """A simulated machine."""

    name: str
    state: NodeState = "preparing"
    job: Job | None = None


class Cluster:
    """A queue of runs, and between a minimum and a maximum of nodes."""

    def __init__(self, name: str, nodes: Nodes, timing: Timing) -> None:
        self._name = name
        self._nodes = nodes
        self._runs = nodes.state.runs
        self._timing = timing
        self._idle_seconds = timing.idle_seconds
        self._fewest = self._most = 0
        self._queue: deque[str] = deque()
        self._machines: list[_Node] = []
        self._made = 0
        self._change = threading.Condition()
        self._closed = self._deleted = False
        self._threads: list[threading.Thread] = []

    def scale(self, *, fewest: int, most: int, idle_seconds: float) -> None:
        """Set the number of nodes, and the time after which one without work is released."""
        with self._change:
            self._fewest, self._most = fewest, most
            self._idle_seconds = min(idle_seconds, self._timing.idle_seconds)
            self._grow()
            self._change.notify_all()

    def submit(self, run_id: str, *, first: bool = False) -> None:
        """Queue a run; `first` puts one that has lost its node in front."""
        if self._deleted or not self._runs.move(run_id, "Queued"):
            self._runs.move(run_id, "Canceled")  # the cancellation came first
            return
        with self._change:
            if first:
                self._queue.appendleft(run_id)
            else:
                self._queue.append(run_id)
            self._grow()
            self._change.notify_all()

    def cancel(self, run_id: str) -> None:
        """End the job of a run; cancel a run that waits, or has no job, at once."""
        with self._change:
            for machine in self._machines:
                if machine.job is not None and machine.job.run_id == run_id:
                    machine.job.cancel()
                    return
            if run_id in self._queue:
                self._queue.remove(run_id)
            self._runs.move(run_id, "Canceled")

    def close(self, *, cancel: bool) -> None:
        """End all jobs and nodes; `cancel` cancels the runs too, else they wait for the next start."""
        with self._change:
            self._closed, self._deleted = True, cancel
            for run_id in self._queue if cancel else ():
                self._runs.move(run_id, "Canceled")
            for machine in self._machines:
                if machine.job is not None:
                    machine.job.cancel() if cancel else machine.job.preempt()
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def machines(self) -> list[Document]:
        """Return the nodes in the form of the compute API."""
        with self._change:
            return [
                {
                    "nodeId": machine.name,
                    "nodeState": machine.state,
                    "runId": machine.job.run_id if machine.job else None,
                    "privateIpAddress": "127.0.0.1",
                    "publicIpAddress": None,
                    "port": None,
                }
                for machine in self._machines
            ]

    def _grow(self) -> None:
        """Start nodes for the runs that wait; the caller holds the condition."""
        free = sum(machine.state in ("preparing", "idle") for machine in self._machines)
        wanted = min(self._most, max(self._fewest, len(self._machines) + len(self._queue) - free))
        while len(self._machines) < wanted and not self._closed:
            self._made += 1
            machine = _Node(name=f"tvmps_{self._name}_{self._made}")
            self._machines.append(machine)
            thread = threading.Thread(target=self._live, args=(machine,), name=machine.name, daemon=True)
            self._threads = [thread for thread in self._threads if thread.is_alive()] + [thread]
            thread.start()

    def _live(self, machine: _Node) -> None:
        with self._change:
            self._change.wait_for(lambda: self._closed, self._timing.start_seconds)
        while (job := self._next_job(machine)) is not None:
            lost = job.run() == "preempted"
            with self._change:
                machine.job = None
                machine.state = "leaving" if lost else "idle"
            if lost:
                break
        with self._change:
            self._machines.remove(machine)
            self._grow()  # for a run that was queued while the node was being released
        if job is not None:
            self.submit(job.run_id, first=True)

    def _next_job(self, machine: _Node) -> Job | None:
        """Wait for a run; return None when the node is to be released."""
        with self._change:
            machine.state = "idle"
            # The cluster may have been scaled down in the meantime: release a surplus node.
            while not self._closed and sum(other.state != "leaving" for other in self._machines) <= self._most:
                if self._queue:
                    machine.state = "running"
                    machine.job = Job(self._nodes, self._queue.popleft(), grace_seconds=self._timing.grace_seconds)
                    return machine.job
                rested = not self._change.wait_for(lambda: self._closed or bool(self._queue), self._idle_seconds)
                if rested and len(self._machines) > self._fewest:
                    break
            machine.state = "leaving"
            return None


class Clusters:
    """All clusters, kept in step with the documents of the store; `vm_quota` limits the cores of all together."""

    def __init__(self, state: State, nodes: Nodes, *, timing: Timing, vm_quota: int | None) -> None:
        self._state = state
        self._nodes = nodes
        self._timing = timing
        self.vm_quota = vm_quota
        self._lock = threading.Lock()
        self._clusters: dict[str, Cluster] = {}

    def start(self) -> None:
        """Start the clusters of the store, and queue the runs that had not ended."""
        for compute in self._state.store.all("compute"):
            self.follow(compute)
        for run in self._state.runs.all():
            if run["status"] not in FINAL and self._state.store.get("submission", run["runId"]):
                # Its job ended with the emulator, which may have been killed: it starts again, as on another node.
                self._state.runs.end_children(run["runId"])
                self.submit(run["runId"], run["target"])

    def stop(self) -> None:
        """End all nodes; their runs continue when the emulator starts again in this folder."""
        with self._lock:
            clusters = list(self._clusters.values())
        for cluster in clusters:
            cluster.close(cancel=False)

    def follow(self, compute: Document) -> None:
        """Create the cluster of a compute document, or scale it to the document."""
        scale = compute["scale"]
        with self._lock:
            name = compute["name"]
            cluster = self._clusters.setdefault(name, Cluster(name, self._nodes, self._timing))
        cluster.scale(fewest=scale["fewest"], most=scale["most"], idle_seconds=scale["idle_seconds"])

    def delete(self, name: str) -> None:
        """End a cluster and cancel its runs."""
        with self._lock:
            cluster = self._clusters.pop(name, None)
        if cluster is not None:
            cluster.close(cancel=True)

    def machines(self, name: str) -> list[Document]:
        """Return a cluster's nodes."""
        cluster = self._clusters.get(name)
        return [] if cluster is None else cluster.machines()

    def submit(self, run_id: str, target: str) -> None:
        """Queue a run on the cluster of that name."""
        cluster = self._clusters.get(target)
        if cluster is None:  # it was deleted after the check
            self._state.runs.move(run_id, "Canceled")
        else:
            cluster.submit(run_id)

    def cancel(self, run_id: str) -> None:
        """Request the end of a run; cancel one without a cluster at once, and ignore one that has ended."""
        if not self._state.runs.move(run_id, "CancelRequested"):
            return
        run = self._state.runs.get(run_id)
        assert run is not None
        if run["runType"] == SWEEP:
            return  # it ends with the last of its trials; the thread of the sweeps cancels these
        cluster = self._clusters.get(run["target"] or "")
        if cluster is None:
            self._state.runs.move(run_id, "Canceled")
        else:
            cluster.cancel(run_id)
