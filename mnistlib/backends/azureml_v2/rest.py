"""Client of a workspace's REST interface, for operations that azure-ai-ml lacks: running jobs, single files.

azure-ai-ml sends the same requests when it streams or downloads a job. A node, which has no SDK, uses the token of
its run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mnistlib.backends.azure.calls import CONFLICT, NOT_FOUND
from mnistlib.backends.azure.management import VERSION
from mnistlib.files import publish_bytes

_TIMEOUT = 60.0  # seconds without a byte
_A_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class WorkspaceRest:
    """Runs and models of a workspace, through plain HTTP requests."""

    endpoint: str  # address of the workspace's region, such as https://westeurope.api.azureml.ms
    workspace: str  # resource id, which begins with /subscriptions
    token: Callable[[], str]  # returns a bearer token

    def run(self, run_id: str) -> dict[str, Any] | None:
        """Return the document of a run, or None on 404."""
        run: dict[str, Any] | None = self._ask("GET", "history/v1.0", f"runs/{_part(run_id)}", may_be_missing=True)
        return run

    def children(self, run_id: str) -> list[dict[str, Any]]:
        """Return the child runs of a run."""
        return self._pages("history/v1.0", f"runs/{_part(run_id)}/children")

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs of the workspace."""
        experiments = self._query("experiments:query", viewType="ActiveOnly")
        return [run for each in experiments for run in self._query(f"experiments/{_part(each['name'])}/runs:query")]

    def error_of(self, run_id: str) -> str | None:
        """Return the workspace's error message of a run, if any."""
        details = self._ask("GET", "history/v1.0", f"runs/{_part(run_id)}/details")
        message: str | None = ((details.get("error") or {}).get("error") or {}).get("message")
        return message

    def file_names(self, run_id: str) -> list[str]:
        """Return the names of a run's files."""
        return [file["path"] for file in self._pages("artifact/v2.0", f"artifacts/{_files(run_id)}")]

    def download(self, run_id: str, name: str, target: Path) -> None:
        """Download a file of a run; FileNotFoundError if it has no file of that name."""
        place = f"artifacts/contentinfo/{_files(run_id)}/{quote(name)}"
        found = self._ask("GET", "artifact/v2.0", place, may_be_missing=True)
        if found is None:
            raise FileNotFoundError(f"run {run_id} has no file {name!r}")
        target.parent.mkdir(parents=True, exist_ok=True)
        publish_bytes(target, _send("GET", found["contentUri"]).content)

    def upload(self, run_id: str, name: str, path: Path) -> bool:
        """Add a file to a run; return False, and change nothing, if the name is taken."""
        answer = self._ask(
            "POST", "artifact/v2.0", f"artifacts/batch/metadata/{_files(run_id)}", body={"paths": [{"path": name}]}
        )
        place = answer["artifactContentInformation"][name]["contentUri"]
        headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
        return bool(_send("PUT", place, headers=headers, data=path.read_bytes(), missing=CONFLICT).ok)

    def register_model(self, name: str, run_id: str, output: str, fields: Mapping[str, Any]) -> None:
        """Register a file of a run as the next version of a model."""
        prefix = {"prefix": f"{_files(run_id)}/{output}"}
        asset = self._ask(
            "POST", "modelmanagement/v1.0", "assets", body={"name": name, "artifacts": [prefix], "runid": run_id}
        )
        model = {"name": name, "url": f"aml://asset/{asset['id']}", "mimeType": "application/octet-stream"}
        self._ask("POST", "modelmanagement/v1.0", "models", body={**model, "runId": run_id, "unpack": False, **fields})

    def models(self, name: str) -> list[dict[str, Any]]:
        """Return the versions of a model."""
        return list(self._ask("GET", "modelmanagement/v1.0", "models", parameters={"name": name})["value"])

    def delete_model(self, model_id: str) -> None:
        """Delete a version of a model."""
        self._ask("DELETE", "modelmanagement/v1.0", f"models/{_part(model_id)}")

    def _pages(self, api: str, path: str) -> list[dict[str, Any]]:
        return _all_of(lambda following: self._ask("GET", api, path, parameters=following))

    def _query(self, path: str, **options: str) -> list[dict[str, Any]]:
        body: dict[str, Any] = {"top": _A_PAGE, **options}
        return _all_of(lambda following: self._ask("POST", "history/v1.0", path, body=body | following))

    def _ask(
        self,
        method: str,
        api: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str] | None = None,
        may_be_missing: bool = False,
    ) -> Any:
        """Return the workspace's parsed response; with `may_be_missing`, None on 404."""
        answer = _send(
            method,
            f"{self.endpoint}/{api}{self.workspace}/{path}",
            headers={"Authorization": f"Bearer {self.token()}"},
            json=body,
            params=parameters,
            missing=NOT_FOUND if may_be_missing else None,
        )
        return answer.json() if answer.ok and answer.content else None


def _all_of(page: Callable[[dict[str, str]], Any]) -> list[dict[str, Any]]:
    """Return all items of a paged list; `page` takes the parameters of the next page."""
    found: list[dict[str, Any]] = []
    following: dict[str, str] = {}
    while True:
        answer = page(following)
        found += answer["value"]
        if not answer.get("continuationToken"):
            return found
        following = {"continuationToken": answer["continuationToken"]}


def _send(method: str, address: str, *, missing: int | None = None, **options: Any) -> Any:
    """Send a request; raise an error for a response without success, except for the status `missing`.

    The errors omit the query of the address, which may be a signature that gives access to a file.
    """
    import requests

    place = address.partition("?")[0]
    try:
        answer = requests.request(method, address, timeout=_TIMEOUT, **options)
    except requests.RequestException as error:
        raise type(error)(f"{method} {place}: {type(error).__name__}") from None
    if not answer.ok and answer.status_code != missing:
        reason = answer.text if "json" in answer.headers.get("Content-Type", "") else answer.reason
        raise requests.HTTPError(f"{method} {place}: {answer.status_code} {reason}", response=answer)
    return answer


def _part(name: str) -> str:
    return quote(name, safe="")


def _files(run_id: str) -> str:
    return f"ExperimentRun/dcid.{_part(run_id)}"


def discover(workspace: str, token: str) -> str:
    """Return the address of a workspace's region, from its discovery URL in the management interface."""
    headers = {"Authorization": f"Bearer {token}"}
    described = _send("GET", workspace, headers=headers, params={"api-version": VERSION}).json()
    return str(_send("GET", described["properties"]["discoveryUrl"]).json()["api"]).rstrip("/")
