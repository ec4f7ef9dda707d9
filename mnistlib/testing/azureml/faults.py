"""Faults on demand: what goes wrong in a cloud, at the moment that a test chooses."""

import re
import threading
from dataclasses import dataclass, field
from typing import Literal, get_args

#: A fault of a request: which answer it gets, or doesn't.
RequestFault = Literal[
    "throttle",  # 429 with Retry-After
    "error",  # a status of your choice, 500 unless told
    "expired_token",  # 401
    "reset_upload",  # the connection is reset before the whole request has arrived; nothing is done
    "reset_answer",  # the work is done, and the connection is reset in the middle of the answer
    "lost_answer",  # the work is done, and the connection is reset before any answer
    "slow",  # the answer comes `seconds` later
    "disk_full",  # 507, as a storage account that is full
]
#: A fault of a node or a cluster; `match` is searched in the run's id, for a quota in the cluster's name.
NodeFault = Literal[
    "preempted",  # the node is taken away while the job runs, and the job starts again on another
    "image_build",  # the environment can't be built
    "node_disk_full",  # the job fails as a node's full disk lets it fail
    "quota",  # a cluster can't be made
]
Kind = RequestFault | NodeFault

_REQUEST_KINDS = frozenset(get_args(RequestFault))
_NODE_KINDS = frozenset(get_args(NodeFault))


@dataclass(kw_only=True)
class Fault:
    """One fault; :meth:`Faults.add` makes it."""

    kind: Kind
    match: re.Pattern[str]
    times: int
    status: int = 500
    retry_after: float | None = None
    seconds: float = 0.0
    after: int = 0
    happened: threading.Event = field(default_factory=threading.Event)
    count: int = 0


class Faults:
    """The faults that are still to happen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(
        self,
        kind: Kind,
        *,
        match: str = "",
        times: int = 1,
        status: int = 500,
        retry_after: float | None = None,
        seconds: float = 0.0,
        after: int = 0,
    ) -> Fault:
        """Let something go wrong.

        Parameters
        ----------
        kind : str
            ``throttle``, ``error``, ``expired_token``, ``reset_upload``, ``reset_answer``, ``lost_answer``, ``slow`` or
            ``disk_full`` for a request; ``preempted``, ``image_build``, ``node_disk_full`` or ``quota`` for a node.
        match : str
            A regular expression that is searched in ``METHOD host/path``, such as ``"POST .*/snapshotrun"``; for nodes'
            faults in the run's id, for ``quota`` in the cluster's name. An empty one matches all.
        times : int
            How often it happens, then no more.
        status : int
            The HTTP status of ``error``.
        retry_after : float or None
            Seconds, for the answer's Retry-After header. ``throttle`` says 0 if None is given, so that tests are quick.
        seconds : float
            How much later ``slow`` answers; how long the job has run when the node is ``preempted``.
        after : int
            How many matching requests go well first.

        Returns
        -------
        Fault
            ``fault.happened`` is an event to wait for, ``fault.count`` how often it has happened.
        """
        if kind not in _REQUEST_KINDS | _NODE_KINDS:
            raise ValueError(f"no fault is called {kind!r}; there are {sorted(_REQUEST_KINDS | _NODE_KINDS)}")
        fault = Fault(
            kind=kind,
            match=re.compile(match),
            times=times,
            status=status,
            retry_after=retry_after,
            seconds=seconds,
            after=after,
        )
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Let nothing more go wrong."""
        with self._lock:
            self._waiting.clear()

    def of_request(self, call: str) -> Fault | None:
        """Return the fault that this request meets, if any."""
        return self._take(_REQUEST_KINDS, call)

    def of_node(self, kind: NodeFault, subject: str) -> Fault | None:
        """Return the fault of this kind that a run or a cluster meets, if any."""
        return self._take(frozenset({kind}), subject)

    def _take(self, kinds: frozenset[str], subject: str) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if fault.kind not in kinds or not fault.match.search(subject):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.count += 1
                if fault.count >= fault.times:
                    self._waiting.remove(fault)
                fault.happened.set()
                return fault
        return None
