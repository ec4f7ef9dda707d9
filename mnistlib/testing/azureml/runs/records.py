"""Records of runs: one document each, in the form of the history service."""

import uuid
from collections.abc import Callable
from typing import Any

from mnistlib.testing.azureml.answers import now
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER, Blobs, run_blob
from mnistlib.testing.azureml.names import Names
from mnistlib.testing.azureml.store import Document, Store

#: Final statuses: a run keeps them.
FINAL = frozenset({"Completed", "Failed", "Canceled"})

#: Type of a run that has trials and no process of its own.
SWEEP = "azureml.sweep"


class RunRecords:
    """The runs of all experiments; `listeners` are called with a run's id after each change of its status."""

    def __init__(self, store: Store, blobs: Blobs, names: Names) -> None:
        self._store = store
        self._blobs = blobs
        self._names = names
        self.listeners: list[Callable[[str], None]] = []

    def experiment(self, name: str) -> Document:
        """Return an experiment; create it if necessary."""
        self._store.add(
            "experiment",
            name,
            {"experimentId": str(uuid.uuid4()), "name": name, "createdUtc": now(), "tags": {}, "archivedTime": None},
        )
        experiment = self._store.get("experiment", name)
        assert experiment is not None
        return experiment

    def find_experiment(self, *, name: str | None = None, number: str | None = None) -> Document | None:
        """Return the experiment with a name or an id, or None."""
        for experiment in self._store.all("experiment"):
            if experiment["name"] == name or experiment["experimentId"] == number:
                return experiment
        return None

    def add(self, run_id: str, experiment: str, **fields: Any) -> bool:
        """Add a run; return False, and change nothing, if the id is taken."""
        parent = self.get(fields.get("parentRunId") or "")
        run = {
            "runId": run_id,
            "runNumber": self._store.next_number("run"),
            "rootRunId": parent["rootRunId"] if parent else run_id,
            "parentRunId": None,
            "experimentId": self.experiment(experiment)["experimentId"],
            "experimentName": experiment,
            "status": "NotStarted",
            "statuses": ["NotStarted"],
            "dataContainerId": f"dcid.{run_id}",
            "createdUtc": now(),
            "startTimeUtc": None,
            "endTimeUtc": None,
            "name": None,
            "displayName": run_id,
            "target": None,
            "runType": None,
            "properties": {},
            "tags": {},
            "error": None,
            "createdBy": {"userName": "loopback", "userObjectId": self._names.client},
            "cancelUri": self._names.api("execution/v1.0", f"/experiments/{experiment}/runs/{run_id}/cancel"),
        }
        return self._store.add("run", run_id, run | fields)

    def get(self, run_id: str) -> Document | None:
        """Return the run, or None."""
        return self._store.get("run", run_id)

    def all(self) -> list[Document]:
        """Return every run, oldest first."""
        return self._store.all("run")

    def newest_first(self) -> list[Document]:
        """Return every run, newest first."""
        return self.all()[::-1]

    def patch(self, run_id: str, changes: Document) -> None:
        """Merge tags and properties, replace all other fields."""

        def merge(run: Document) -> None:
            for key, value in changes.items():
                if key in ("tags", "properties"):
                    run[key] |= value or {}
                elif value is not None and key not in ("runId", "status"):
                    run[key] = value

        self._store.change("run", run_id, merge)

    def remove_tags(self, run_id: str, names: list[str]) -> None:
        """Remove tags from a run; ignore unknown ones."""

        def remove(run: Document) -> None:
            run["tags"] = {name: value for name, value in run["tags"].items() if name not in names}

        self._store.change("run", run_id, remove)

    def note_error(self, run_id: str, error: Document | None) -> None:
        """Store the error of a run that is about to fail."""
        self._store.change("run", run_id, lambda run: run.update(error=error))

    def move(self, run_id: str, status: str, *, error: Document | None = None) -> bool:
        """Change the status of a run; return False if it has a final one, which stays."""
        moved = False

        def change(run: Document) -> None:
            nonlocal moved
            if run["status"] in FINAL or (run["status"] == "CancelRequested" and status not in FINAL):
                return
            moved = True
            run["status"] = status
            run["statuses"].append(status)
            if status == "Running":
                run["startTimeUtc"] = run["startTimeUtc"] or now()
            if status in FINAL:
                run["endTimeUtc"] = now()
                run["error"] = error or run["error"]

        self._store.change("run", run_id, change)
        for listener in self.listeners if moved else ():
            listener(run_id)
        return moved

    def end_children(self, run_id: str) -> None:
        """Fail the open runs that an ended job began: nothing else will report their end."""
        for run in self.all():
            if run["parentRunId"] == run_id and self._store.get("submission", run["runId"]) is None:
                self.move(run["runId"], "Failed", error=failure(f"The job {run_id}, which began this run, was ended."))

    def files(self, run_id: str, prefix: str = "") -> list[str]:
        """Return the names of the files of the run."""
        folder = run_blob(run_id)
        return [blob["name"].removeprefix(folder) for blob in self._blobs.listed(RUN_CONTAINER, folder + prefix)]

    def file_address(self, run_id: str, name: str) -> str:
        """Return a signed address of one file of the run."""
        return self._blobs.address(RUN_CONTAINER, run_blob(run_id, name))

    def artifact_uri(self, run: Document) -> str:
        """Return the address of the files of a run in the form of the plugin azureml-mlflow."""
        place = f"{self._names.resource}/experiments/{run['experimentName']}/runs/{run['runId']}/artifacts"
        return f"azureml://{self._names.api_host}/artifact/v2.0{place}"


def failure(message: str, *, code: str = "UserError") -> Document:
    """Return an error in the form of the error of a run."""
    return {"error": {"code": code, "message": message, "details": []}, "time": now()}
