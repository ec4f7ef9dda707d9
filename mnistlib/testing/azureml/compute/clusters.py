"""Simulated compute clusters: nodes that come when there is work, take it from a queue, and leave without it."""

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
    """How long things take, in seconds: a node's start, its idle life, a cancelled job's last words."""

    start_seconds: float = 0.0
    idle_seconds: float = 120.0
    grace_seconds: float = 5.0


@dataclass(eq=False, kw_only=True)
class _Node:
    """One simulated machine."""

    name: str
    state: NodeState = "preparing"
    job: Job | None = None


class Cluster:
    """Nodes between a minimum and a maximum, and the queue of runs before them.

    Parameters
    ----------
    name : str
        The compute target's name.
    nodes : Nodes
        What runs a job.
    timing : Timing
        How long things take.
    """

    def __init__(self, name: str, nodes: Nodes, timing: Timing) -> None:
        self._name = name
        self._runner = nodes
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
        """Set how many nodes there may be, and how long one stays without work."""
        with self._change:
            self._fewest, self._most = fewest, most
            self._idle_seconds = min(idle_seconds, self._timing.idle_seconds)
            self._grow()
            self._change.notify_all()

    def submit(self, run_id: str, *, first: bool = False) -> None:
        """Put a run into the queue; `first` for one that has lost its node."""
        if self._deleted or not self._runner.runs.move(run_id, "Queued"):
            self._runner.runs.move(run_id, "Canceled")  # somebody asked for that meanwhile
            return
        with self._change:
            if first:
                self._queue.appendleft(run_id)
            else:
                self._queue.append(run_id)
            self._grow()
            self._change.notify_all()

    def cancel(self, run_id: str) -> None:
        """End a run's job; a run that waits, or that has no job of its own, is cancelled at once."""
        with self._change:
            for machine in self._machines:
                if machine.job is not None and machine.job.run_id == run_id:
                    machine.job.cancel()
                    return
            if run_id in self._queue:
                self._queue.remove(run_id)
            self._runner.runs.move(run_id, "Canceled")

    def close(self, *, cancel: bool) -> None:
        """End every job and every node; with `cancel` the runs are cancelled too, else they wait for a new start."""
        with self._change:
            self._closed, self._deleted = True, cancel
            for run_id in self._queue if cancel else ():
                self._runner.runs.move(run_id, "Canceled")
            for machine in self._machines:
                if machine.job is not None:
                    machine.job.cancel() if cancel else machine.job.preempt()
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def machines(self) -> list[Document]:
        """Return the nodes as the service lists them."""
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
        """Begin nodes for what waits; the condition is held."""
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
            self._grow()  # whoever has submitted something since it began to leave has counted on it
        if job is not None:
            self.submit(job.run_id, first=True)

    def _next_job(self, machine: _Node) -> Job | None:
        """Wait for work; None when the node has had none for long enough."""
        with self._change:
            machine.state = "idle"
            # A machine that is one too many leaves, since the cluster was made smaller while it was there.
            while not self._closed and sum(other.state != "leaving" for other in self._machines) <= self._most:
                if self._queue:
                    machine.state = "running"
                    machine.job = self._runner.job(self._queue.popleft(), grace_seconds=self._timing.grace_seconds)
                    return machine.job
                rested = not self._change.wait_for(lambda: self._closed or bool(self._queue), self._idle_seconds)
                if rested and len(self._machines) > self._fewest:
                    break
            machine.state = "leaving"
            return None


class Clusters:
    """All clusters, made from the store's documents at the start and kept like them.

    Parameters
    ----------
    state : State
        The store and the runs.
    nodes : Nodes
        What runs a job.
    timing : Timing
        How long things take.
    vm_quota : int or None
        How many cores all clusters together may grow to.
    """

    def __init__(self, state: State, nodes: Nodes, *, timing: Timing, vm_quota: int | None) -> None:
        self._state = state
        self._nodes = nodes
        self._timing = timing
        self.vm_quota = vm_quota
        self._lock = threading.Lock()
        self._clusters: dict[str, Cluster] = {}

    def start(self) -> None:
        """Bring up what the store knows, with the runs that had not ended."""
        for compute in self._state.store.all("compute"):
            self.follow(compute)
        for run in self._state.runs.all():
            if run["status"] not in FINAL and self._state.store.get("submission", run["runId"]):
                # Its job ended with the service, which may have been killed: it starts again, as on another node.
                self._state.runs.end_children(run["runId"])
                self.submit(run["runId"], run["target"])

    def stop(self) -> None:
        """End all nodes; their runs go on when the service starts again in this folder."""
        with self._lock:
            clusters = list(self._clusters.values())
        for cluster in clusters:
            cluster.close(cancel=False)

    def follow(self, compute: Document) -> None:
        """Make the cluster of a compute document, or scale it as the document says."""
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
        with self._lock:
            cluster = self._clusters.get(name)
        return [] if cluster is None else cluster.machines()

    def submit(self, run_id: str, target: str) -> None:
        """Queue a run on the cluster of that name."""
        with self._lock:
            cluster = self._clusters.get(target)
        if cluster is None:  # it was deleted between the check and now
            self._state.runs.move(run_id, "Canceled")
        else:
            cluster.submit(run_id)

    def cancel(self, run_id: str) -> None:
        """End a run, wherever it is; one that no cluster has is cancelled at once."""
        run = self._state.runs.get(run_id)
        assert run is not None
        if run["runType"] == SWEEP:
            return  # it ends when the last of its trials has ended, and whoever moves sweeps has heard of it
        with self._lock:
            cluster = self._clusters.get(run["target"] or "")
        if cluster is None:
            self._state.runs.move(run_id, "Canceled")
        else:
            cluster.cancel(run_id)
