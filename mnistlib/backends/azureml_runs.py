"""What a workspace says of a run, and what this package notes there, whatever the SDK."""

import re

from mnistlib.backends.cloud.service import Submission
from mnistlib.runs import RunStatus
from mnistlib.runs.record import now

#: The service's words for what becomes of a run -> ours. What is unknown goes on.
STATUSES = {
    "NotStarted": RunStatus.QUEUED,
    "Queued": RunStatus.QUEUED,
    "Provisioning": RunStatus.PREPARING,
    "Preparing": RunStatus.PREPARING,
    "Starting": RunStatus.PREPARING,
    "Completed": RunStatus.COMPLETED,
    "Failed": RunStatus.FAILED,
    "NotResponding": RunStatus.RUNNING,
    "Canceled": RunStatus.CANCELLED,
}

#: Properties of a run: when it was submitted, what a person calls it, and the sweep that it belongs to.
CREATED, NAME, PARENT = "mnistlib.created", "mnistlib.name", "mnistlib.parent"

_OUTPUT = re.compile(r"user_logs/std_log.*\.txt|azureml-logs/\d\d.*\.txt")


def status_of_run(word: str) -> RunStatus:
    """Return the status that the service's word for it means."""
    return STATUSES.get(word, RunStatus.RUNNING)


def is_output(name: str) -> bool:
    """Return whether a file of a run is what its process has printed."""
    return bool(_OUTPUT.fullmatch(name))


def noted(submission: Submission) -> dict[str, str]:
    """Return the properties of a run to submit."""
    properties = {**submission.properties, CREATED: now()}
    if submission.name:
        properties[NAME] = submission.name
    if submission.parent:
        properties[PARENT] = submission.parent
    return properties
