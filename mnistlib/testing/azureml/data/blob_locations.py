"""Where the files behind an address are: addresses of data, of what jobs leave, of single blobs."""

import re
from dataclasses import dataclass

from mnistlib.testing.azureml.answers import Refusal, not_found
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER
from mnistlib.testing.azureml.data.datastores import ARTIFACTS, CONTAINERS, DEFAULT
from mnistlib.testing.azureml.names import Names
from mnistlib.testing.azureml.resource import last_parts
from mnistlib.testing.azureml.state import State

_DATASTORE = re.compile(r"azureml://(?:[^/].*/)?datastores/(?P<datastore>[^/]+)/(?:paths/)?(?P<path>.*)")
_JOB = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths)?(?:/(?P<path>.*))?")
_RUN = re.compile(r"azureml://.+/runs/(?P<run>[^/]+)/artifacts(?:/(?P<path>.*))?")
_ARTIFACTS = "azureml://artifacts/"
_ASSET = re.compile(r"(?:azureml:)?(?P<name>[^/:]+):(?P<version>[^/:]+)")


@dataclass(frozen=True, kw_only=True)
class Place:
    """One blob, or all blobs of a folder."""

    container: str
    path: str

    def uri(self, names: Names) -> str:
        """Return the place's address in full."""
        datastore = next(name for name, container in CONTAINERS.items() if container == self.container)
        workspace = names.resource.replace("/providers/Microsoft.MachineLearningServices", "").lstrip("/")
        return f"azureml://{workspace}/datastores/{datastore}/paths/{self.path}"


def place_of(state: State, address: str) -> Place:
    """Return where the files behind an address are; whether any are there is another question.

    Raises
    ------
    Refusal
        If the address is not of this workspace, or names something that does not exist.
    """
    if found := _JOB.fullmatch(address):
        return _job_place(found["job"], found["output"], found["path"] or "")
    if found := _DATASTORE.fullmatch(address):
        if found["datastore"].lower() not in CONTAINERS:
            raise not_found(f"The datastore {found['datastore']}")
        return Place(container=CONTAINERS[found["datastore"].lower()], path=found["path"].strip("/"))
    if found := _RUN.fullmatch(address):
        return _job_place(found["run"], "artifacts", found["path"] or "")
    if address.startswith(_ARTIFACTS):
        return Place(container=RUN_CONTAINER, path=address.removeprefix(_ARTIFACTS).strip("/"))
    if address.startswith("runs:/"):
        run, _, path = address.removeprefix("runs:/").partition("/")
        return _job_place(run, "artifacts", path)
    if address.startswith(f"https://{state.names.blob_host}/"):
        container, name = state.blobs.blob_of(address)
        return Place(container=container, path=name.strip("/"))
    return _asset_place(state, address)


def output_place(job: str, output: str) -> Place:
    """Return where a job's named output is kept if it does not say so itself."""
    return Place(container=CONTAINERS[DEFAULT], path=f"azureml/{job}/{output}")


def _job_place(job: str, output: str, path: str) -> Place:
    if output in ("artifacts", "default"):
        return Place(container=CONTAINERS[ARTIFACTS], path=f"ExperimentRun/dcid.{job}/{path}".rstrip("/"))
    base = output_place(job, output)
    return Place(container=base.container, path=f"{base.path}/{path}".rstrip("/"))


def _asset_place(state: State, address: str) -> Place:
    if "/data/" in address:
        name, version = last_parts(address, 2)
    elif found := _ASSET.fullmatch(address):
        name, version = found.groups()
    else:
        raise Refusal(400, "UserError", f"The emulator knows no data at {address}.")
    asset = state.store.get("data", f"{name}/{version}")
    if asset is None:
        raise not_found(f"The data asset {name}:{version}")
    return place_of(state, asset["properties"]["dataUri"])


def job_of(place: Place) -> str | None:
    """Return the job that has left what is at a place, if one has."""
    if place.container != RUN_CONTAINER or not place.path.startswith("ExperimentRun/dcid."):
        return None
    return place.path.split("/")[1].removeprefix("dcid.")
