"""Status of a run, the same from every backend."""

from enum import StrEnum


class RunStatus(StrEnum):
    """What has become of a run."""

    QUEUED = "queued"
    PREPARING = "preparing"  # for backends that must make a machine ready first
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)
