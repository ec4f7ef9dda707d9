"""Status of a run, the same from every backend."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Status of a run."""

    QUEUED = "queued"
    PREPARING = "preparing"  # on backends that prepare a machine first
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)
