"""Locations of files: containers and paths for the addresses of data, of the files of jobs and of single blobs."""

import re
from dataclasses import dataclass

from mnistlib.testing.azureml.answers import not_found, user_error
from mnistlib.testing.azureml.data.blobs import DATA_CONTAINER, RUN_CONTAINER, run_blob
from mnistlib.testing.azureml.names import Names
from mnistlib.testing.azureml.parameters import last_parts
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.versions import Versions

DATA_ASSETS = Versions(kind="data", noun="data asset")

DEFAULT_DATASTORE = "workspaceblobstore"
ARTIFACT_DATASTORE = "workspaceartifactstore"
#: The container of each datastore.
CONTAINERS = {DEFAULT_DATASTORE: DATA_CONTAINER, ARTIFACT_DATASTORE: RUN_CONTAINER}

_DATASTORE = re.compile(r"azureml://(?:[^/].*/)?datastores/(?P<datastore>[^/]+)/(?:paths/)?(?P<path>.*)")
_JOB = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths)?(?:/(?P<path>.*))?")
_RUN = re.compile(r"azureml://.+/runs/(?P<run>[^/]+)/artifacts(?:/(?P<path>.*))?")
_ARTIFACTS = "azureml://artifacts/"
_ASSET = re.compile(r"(?:azureml:)?(?P<name>[^/:]+):(?P<version>[^/:]+)")


@dataclass(frozen=True, kw_only=True)
class BlobLocation:
    """One blob, or all blobs of a folder."""

    container: str
    path: str

    def uri(self, names: Names) -> str:
        """Return the long form of the address."""
        datastore = next(name for name, container in CONTAINERS.items() if container == self.container)
        workspace = names.resource.replace("/providers/Microsoft.MachineLearningServices", "").lstrip("/")
        return f"azureml://{workspace}/datastores/{datastore}/paths/{self.path}"

    @property
    def job(self) -> str | None:
        """The job that wrote the files, if one did."""
        if self.container != RUN_CONTAINER or not self.path.startswith("ExperimentRun/dcid."):
            return None
        return self.path.split("/")[1].removeprefix("dcid.")


def location_of(state: State, address: str) -> BlobLocation:
    """Return the location that an address stands for, whether or not there are files.

    Raises
    ------
    Refusal
        If the address is not of this workspace, or names something that does not exist.
    """
    if found := _JOB.fullmatch(address):
        return _job_location(found["job"], found["output"], found["path"] or "")
    if found := _DATASTORE.fullmatch(address):
        if found["datastore"].lower() not in CONTAINERS:
            raise not_found(f"The datastore {found['datastore']}")
        return BlobLocation(container=CONTAINERS[found["datastore"].lower()], path=found["path"].strip("/"))
    if found := _RUN.fullmatch(address):
        return _job_location(found["run"], "artifacts", found["path"] or "")
    if address.startswith(_ARTIFACTS):
        return BlobLocation(container=RUN_CONTAINER, path=address.removeprefix(_ARTIFACTS).strip("/"))
    if address.startswith("runs:/"):
        run, _, path = address.removeprefix("runs:/").partition("/")
        return _job_location(run, "artifacts", path)
    if address.startswith(f"https://{state.names.blob_host}/"):
        container, name = state.blobs.blob_of(address)
        return BlobLocation(container=container, path=name.strip("/"))
    return _asset_location(state, address)


def output_location(job: str, output: str) -> BlobLocation:
    """Return the default location of a job's named output."""
    return BlobLocation(container=DATA_CONTAINER, path=f"azureml/{job}/{output}")


def _job_location(job: str, output: str, path: str) -> BlobLocation:
    if output in ("artifacts", "default"):
        return BlobLocation(container=RUN_CONTAINER, path=run_blob(job, path).rstrip("/"))
    base = output_location(job, output)
    return BlobLocation(container=base.container, path=f"{base.path}/{path}".rstrip("/"))


def _asset_location(state: State, address: str) -> BlobLocation:
    if "/data/" in address:
        name, version = last_parts(address, 2)
    elif found := _ASSET.fullmatch(address):
        name, version = found.groups()
    else:
        raise user_error(f"The emulator has no data at {address}.")
    return location_of(state, DATA_ASSETS.find(state.store, name, version)["properties"]["dataUri"])
