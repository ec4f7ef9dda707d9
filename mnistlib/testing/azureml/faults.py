"""Injection of cloud faults into requests and nodes."""

import re
import threading
from dataclasses import dataclass, field
from typing import Literal, get_args

#: Fault of a request.
RequestFault = Literal[
    "throttle",  # 429 with Retry-After
    "error",  # any status, 500 by default
    "expired_token",  # 401
    "reset_upload",  # the connection is reset before the request is complete; it is not carried out
    "reset_answer",  # it is carried out, and the connection is reset in the middle of the answer
    "lost_answer",  # it is carried out, and the connection is reset before the answer
    "slow",  # the answer comes `seconds` later
    "disk_full",  # 507, as from a full storage account
]
#: Fault of a node or a cluster; `match` is searched in the run's id, for a quota in the cluster's name.
NodeFault = Literal[
    "preempted",  # the node is taken away while the job runs, and the job starts again on another
    "image_build",  # the environment cannot be built
    "node_disk_full",  # the job fails as on a node with a full disk
    "quota",  # a cluster cannot be created
]
Kind = RequestFault | NodeFault

_REQUEST_KINDS = frozenset(get_args(RequestFault))
_NODE_KINDS = frozenset(get_args(NodeFault))


@dataclass(kw_only=True)
class Fault:
    """One fault, from :meth:`Faults.add`."""

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
    """Pending faults."""

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
        """Inject a fault.

        Parameters
        ----------
        kind : str
            ``throttle``, ``error``, ``expired_token``, ``reset_upload``, ``reset_answer``, ``lost_answer``, ``slow`` or
            ``disk_full`` for a request; ``preempted``, ``image_build``, ``node_disk_full`` or ``quota`` for a node.
        match : str
            A regular expression that is searched in ``METHOD host/path``, such as ``"POST .*/snapshotrun"``; for nodes'
            faults in the run's id, for ``quota`` in the cluster's name. An empty one matches all.
        times : int
            Number of times that it happens.
        status : int
            HTTP status of ``error``.
        retry_after : float or None
            Seconds of the Retry-After header. ``throttle`` sends 0 by default, so that tests are quick.
        seconds : float
            Delay of ``slow``; run time of the job before the node is ``preempted``.
        after : int
            Number of matching requests before the first fault.

        Returns
        -------
        Fault
            ``fault.happened`` is an event to wait for, ``fault.count`` the number of times it has happened.
        """
        if kind not in _REQUEST_KINDS | _NODE_KINDS:
            raise ValueError(f"unknown fault {kind!r}: use one of {', '.join(sorted(_REQUEST_KINDS | _NODE_KINDS))}")
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
        """Remove all faults."""
        with self._lock:
            self._waiting.clear()

    def of_request(self, call: str) -> Fault | None:
        """Return the fault of a request, if any."""
        return self._take(_REQUEST_KINDS, call)

    def of_node(self, kind: NodeFault, subject: str) -> Fault | None:
        """Return the fault of this kind for a run or a cluster, if any."""
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
