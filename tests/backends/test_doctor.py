"""Readiness checks: all requirements met, and each requirement missing, one at a time."""

import importlib
import os
import sys
import sysconfig
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import mnistlib
from mnistlib import BackendError, write_idx
from mnistlib.backends import doctor
from mnistlib.backends.checks import Check, Step, Wrong
from mnistlib.backends.doctor import diagnose
from mnistlib.backends.spec import BackendSpec, spec_of
from tests.azureml import SDKS, with_sdk

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

ROOT = Path(__file__).parent.parent.parent
VARIABLES = (
    *("AZUREML_SERVICE_PRINCIPAL_TENANT_ID", "AZUREML_SERVICE_PRINCIPAL_ID", "AZUREML_SERVICE_PRINCIPAL_PASSWORD"),
    *("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"),
)
#: The request for the container, which comes after all others.
CONTAINER = r"GET .*blob\.core\.windows\.net/"
KEY = r"POST .*/listSecrets|GET .*/datastore/v1\.0/.*/default"

Diagnose = Callable[..., dict[str, Check]]

# Warnings of the SDKs and their dependencies are ignored.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator["AzureMLEmulator"]:
    from mnistlib.testing.azureml import AzureMLEmulator

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        with AzureMLEmulator(vm_quota=20) as emulator:
            yield emulator


@pytest.fixture
def emulator(workspace: "AzureMLEmulator", monkeypatch: pytest.MonkeyPatch) -> Iterator["AzureMLEmulator"]:
    for name in list(os.environ):
        if name.startswith("AML_COMPUTE_CLUSTER_"):
            monkeypatch.delenv(name)
    workspace.refused.clear()
    yield workspace
    workspace.faults.clear()
    # azure-identity requests the metadata address of Azure's machines; no other request may leave this machine.
    assert set(workspace.refused) <= {"169.254.169.254"}


@pytest.fixture(params=list(map(with_sdk, SDKS)))
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def examine(emulator: "AzureMLEmulator", backend: str, tmp_path: Path) -> Diagnose:
    """Runs the checks of the workspace, and returns the results by name."""

    def examine(**options: Any) -> dict[str, Check]:
        given = {"config": emulator.config_path, "runs_folder": tmp_path / "runs", **options}
        return {check.name: check for check in diagnose(backend, **given)}

    return examine


def failed(checks: dict[str, Check]) -> list[str]:
    return [check.name for check in checks.values() if check.ok is False]


def not_checked(checks: dict[str, Check]) -> list[str]:
    return [check.name for check in checks.values() if check.ok is None]


def put_compute(emulator: "AzureMLEmulator", name: str, **properties: Any) -> None:
    """Create a compute in the workspace, without an SDK."""
    import json

    import requests

    names = json.loads(emulator.config_path.read_text())
    requests.put(
        f"https://management.azure.com/subscriptions/{names['subscription_id']}/resourceGroups/{names['resource_group']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{names['workspace_name']}/computes/{name}",
        json={"properties": properties},
        headers={"Authorization": f"Bearer {emulator.credential.get_token().token}"},
        timeout=30,
    ).raise_for_status()


def put_cluster(emulator: "AzureMLEmulator", name: str, *, nodes: int = 1) -> None:
    inner = {"vmSize": "STANDARD_D2_V2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": nodes}}
    put_compute(emulator, name, computeType="AmlCompute", properties=inner)


def az(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program named az first on the PATH."""
    program = folder / "bin" / "az"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    sign_out(monkeypatch)


def sign_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_a_workspace_that_is_ready_passes_every_check(examine: Diagnose) -> None:
    checks = examine()
    assert failed(checks) == not_checked(checks) == []
    assert list(checks) == [
        *("mnistlib", "SDK", "config.json", "credential", "workspace", "datastore"),
        *("settings", "cluster", "VM size", "quota", "runs folder"),
    ]
    assert checks["cluster"].found == "cpu-cluster does not exist: the first job creates it"
    assert checks["quota"].found.startswith("4 nodes of STANDARD_D2_V2 need 8 vCPUs; ")
    assert "of 20 are free in Total Cluster Dedicated Regional vCPUs" in checks["quota"].found
    assert "Standard Dv2 Family Cluster Dedicated vCPUs" in checks["quota"].found
    assert all(check.advice == "" for check in checks.values())


def test_the_checks_are_read_only(emulator: "AzureMLEmulator", examine: Diagnose, tmp_path: Path) -> None:
    before, files = len(emulator.requests), sorted(tmp_path.rglob("*"))
    examine()
    requests = [request for request in emulator.requests[before:] if request.host != "login.microsoftonline.com"]
    assert requests
    for request in requests:
        assert request.method in ("GET", "HEAD") or request.path.endswith("/listSecrets"), request
    assert sorted(tmp_path.rglob("*")) == files


def test_the_advice_without_the_sdk_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, emulator: "AzureMLEmulator", tmp_path: Path
) -> None:
    standard = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    for name, extra in (("azureml", "mnistlib-ml[azureml]"), ("azureml-v2", "mnistlib-ml[azureml-v2]")):
        importlib.import_module(spec_of(name).doctor.partition(":")[0])
        with monkeypatch.context() as patch:
            patch.setattr(sys, "path", standard)
            checks = {check.name: check for check in diagnose(name, config=emulator.config_path)}
        assert "is not installed" in checks["SDK"].found
        assert extra in checks["SDK"].advice
        assert not_checked(checks)[:2] == ["credential", "workspace"]
        assert checks["config.json"].ok


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, version: str) -> None:
    """Install a package without content, first on sys.path."""
    facts = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(folder)


def test_the_advice_for_an_old_sdk_is_to_upgrade(
    examine: Diagnose, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, version = {"azureml": ("azureml-core", "1.58.0"), "azureml-v2": ("azure-ai-ml", "1.4.0")}[backend]
    pretend(tmp_path, monkeypatch, package, version)
    check = examine()["SDK"]
    assert check.ok is False
    assert f"{package} {version} is too old" in check.found
    assert f'pip install "mnistlib-ml[{backend}]"' in check.advice


def test_the_advice_for_a_damaged_sdk_is_to_install_its_packages_again(
    examine: Diagnose, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, {"azureml": "azureml.core", "azureml-v2": "azure.ai.ml"}[backend], None)
    check = examine()["SDK"]
    assert "which can't be imported" in check.found
    package = {"azureml": "azureml-core>=1.61", "azureml-v2": "azure-ai-ml>=1.35"}[backend]
    assert check.advice.startswith(f'Install it again: pip install --force-reinstall "{package}" ')


def test_a_setuptools_without_pkg_resources_is_too_new_for_azureml_core(
    emulator: "AzureMLEmulator", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch, "setuptools", "81.0.0")
    check = diagnose("azureml", config=emulator.config_path)[1]
    assert "setuptools 81.0.0 is too new: it must be below 81" in check.found


def test_the_required_versions_are_those_of_the_extras() -> None:
    from mnistlib.backends.azureml.doctor import AzureMLCore
    from mnistlib.backends.azureml_v2.doctor import AzureAiMl
    from mnistlib.backends.local.doctor import PACKAGES

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for sdk in (AzureMLCore, AzureAiMl):
        required = {package.requirement for package in sdk.packages}
        assert required == set(project["optional-dependencies"][sdk.extra])
    assert {f"{package.name}>={package.at_least}" for package in PACKAGES} <= set(project["dependencies"])


def test_the_advice_for_a_missing_config_json_names_its_source_and_folder(examine: Diagnose, tmp_path: Path) -> None:
    checks = examine(config=tmp_path)
    assert failed(checks) == ["config.json"]
    assert str(tmp_path) in checks["config.json"].found
    assert "ml.azure.com" in checks["config.json"].advice
    assert ".azureml" in checks["config.json"].advice
    assert checks["credential"].ok
    assert "workspace" in not_checked(checks)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "can't be read as JSON"),
        ('{"subscription_id": "s", "resource_group": ""}', "has no resource_group, workspace_name"),
        ("[]", "has no subscription_id, resource_group, workspace_name"),
    ],
)
def test_the_advice_for_an_invalid_config_json_is_to_download_it(
    examine: Diagnose, tmp_path: Path, text: str, found: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    check = examine(config=tmp_path)["config.json"]
    assert check.ok is False
    assert found in check.found
    assert check.advice.startswith("Download config.json")


def test_config_json_is_found_in_the_same_folders_as_by_the_sdk(
    emulator: "AzureMLEmulator", examine: Diagnose, tmp_path: Path
) -> None:
    below = tmp_path / "project" / "src"
    below.mkdir(parents=True)
    (tmp_path / "config.json").write_text("{}")  # a config.json in any .azureml above has priority
    (tmp_path / ".azureml").mkdir()
    (tmp_path / ".azureml" / "config.json").write_bytes(emulator.config_path.read_bytes())
    checks = examine(config=below)
    assert str(tmp_path / ".azureml" / "config.json") in checks["config.json"].found
    assert checks["workspace"].ok


def test_the_advice_without_a_credential_is_to_sign_in(
    examine: Diagnose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_out(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))  # no az
    checks = examine()
    assert failed(checks) == ["credential"]
    assert "az login" in checks["credential"].advice
    assert not_checked(checks) == ["workspace", "datastore", "cluster", "VM size", "quota"]


def test_the_advice_for_a_service_principal_names_the_missing_variable(
    examine: Diagnose, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = {"azureml": VARIABLES[2], "azureml-v2": VARIABLES[5]}[backend]
    monkeypatch.delenv(variable)
    monkeypatch.setenv("PATH", str(tmp_path))
    check = examine()["credential"]
    assert check.ok is False
    assert f"(not set: {variable})" in check.advice


def test_a_wrong_secret_is_reported_but_not_shown(
    examine: Diagnose, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv({"azureml": VARIABLES[2], "azureml-v2": VARIABLES[5]}[backend], "planted-secret")
    check = examine()["credential"]
    assert check.ok is False
    assert "Invalid client secret" in check.found
    assert "a value is wrong" in check.advice
    assert "planted-secret" not in str(check)


def test_an_account_signed_in_with_az_passes(
    emulator: "AzureMLEmulator", examine: Diagnose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = emulator.credential.get_token().token
    answer = f'{{"accessToken": "{token}", "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": 4070908800}}'
    az(tmp_path, monkeypatch, f"echo '{answer}'")
    checks = examine()
    assert failed(checks) == []
    assert "of tenant" in checks["credential"].found


def test_az_without_a_signed_in_account_fails(
    examine: Diagnose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    az(tmp_path, monkeypatch, "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1")
    checks = examine()
    assert failed(checks) == ["credential"]
    assert "az login" in checks["credential"].advice


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "az login"),
        (403, "role AzureML Data Scientist"),
        (404, "Compare the names"),
        (503, "Try again in a few minutes"),
    ],
)
def test_the_advice_for_a_workspace_error_fits_its_status(
    emulator: "AzureMLEmulator", examine: Diagnose, status: int, advice: str
) -> None:
    emulator.faults.add("error", match="GET .*/workspaces/loopback$", status=status)
    checks = examine()
    assert failed(checks) == ["workspace"]
    assert f"(HTTP {status})" in checks["workspace"].found
    assert advice in checks["workspace"].advice


def test_the_advice_for_an_unknown_workspace_names_config_json(
    emulator: "AzureMLEmulator", examine: Diagnose, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(emulator.config_path.read_text().replace('"loopback"', '"elsewhere"'))
    check = examine(config=config)["workspace"]
    assert check.ok is False
    assert "elsewhere" in check.found
    assert str(config) in check.advice


def test_the_advice_without_a_network_names_the_proxy(
    examine: Diagnose, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulator: "AzureMLEmulator"
) -> None:
    token = emulator.credential.get_token().token
    answer = f'{{"accessToken": "{token}", "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": 4070908800}}'
    az(tmp_path, monkeypatch, f"echo '{answer}'")
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # a closed port
    checks = examine()
    assert failed(checks) == ["workspace"]
    assert "HTTPS_PROXY" in checks["workspace"].advice


@pytest.mark.parametrize(
    ("match", "status", "advice"),
    [
        (KEY, 403, "role AzureML Data Scientist"),
        (KEY, 404, "choose another default datastore"),
        (CONTAINER, 404, "Create the container again"),
        (CONTAINER, 403, "Storage Blob Data Contributor"),
        (CONTAINER, 503, "Try again in a few minutes"),
    ],
)
def test_the_advice_for_a_datastore_error_fits_its_status(
    emulator: "AzureMLEmulator", examine: Diagnose, match: str, status: int, advice: str
) -> None:
    emulator.faults.add("error", match=match, status=status, times=100)
    checks = examine()
    assert failed(checks) == ["datastore"]
    assert f"(HTTP {status})" in checks["datastore"].found
    assert advice in checks["datastore"].advice


def test_a_setting_that_is_not_a_number_is_reported_with_its_variable(
    examine: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_COMPUTE_CLUSTER_MAX_NODES", "four")
    checks = examine()
    assert failed(checks) == ["settings"]
    assert "AML_COMPUTE_CLUSTER_MAX_NODES must be a whole number" in checks["settings"].found
    assert not_checked(checks) == ["cluster", "VM size", "quota"]


def test_an_existing_cluster_needs_neither_size_nor_quota(
    emulator: "AzureMLEmulator", examine: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_cluster(emulator, "there", nodes=2)
    monkeypatch.setenv("AML_COMPUTE_CLUSTER_NAME", "there")
    monkeypatch.setenv("AML_COMPUTE_CLUSTER_SKU", "STANDARD_HUGE")
    checks = examine()
    assert failed(checks) == []
    assert checks["cluster"].found == "there exists: 0 to 2 nodes of STANDARD_D2_V2"


def test_the_name_of_another_kind_of_compute_fails(
    emulator: "AzureMLEmulator", examine: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_compute(emulator, "mine", computeType="ComputeInstance", properties={"vmSize": "STANDARD_D1_V2"})
    monkeypatch.setenv("AML_COMPUTE_CLUSTER_NAME", "mine")
    checks = examine()
    assert failed(checks) == ["cluster"]
    assert checks["cluster"].found == "mine is a ComputeInstance, not a cluster"
    assert "AML_COMPUTE_CLUSTER_NAME" in checks["cluster"].advice


def test_the_advice_for_a_failed_cluster_is_to_delete_it(
    emulator: "AzureMLEmulator", examine: Diagnose, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"broken-{backend}"
    emulator.faults.add("quota", match=name)
    put_cluster(emulator, name)
    monkeypatch.setenv("AML_COMPUTE_CLUSTER_NAME", name)
    checks = examine()
    assert failed(checks) == ["cluster"]
    assert f"{name} is in the state Failed: Operation results in exceeding quota" in checks["cluster"].found
    assert f"az ml compute delete --name {name}" in checks["cluster"].advice


@pytest.mark.parametrize(("path", "name"), [("/computes/", "cluster"), ("/vmSizes", "VM size"), ("/usages", "quota")])
def test_the_advice_for_a_forbidden_request_names_the_role(
    emulator: "AzureMLEmulator", examine: Diagnose, path: str, name: str
) -> None:
    emulator.faults.add("error", match=f"GET .*{path}", status=403)
    checks = examine()
    assert failed(checks) == [name]
    assert "AzureML Compute Operator" in checks[name].advice


def test_the_advice_for_an_unavailable_size_lists_others(examine: Diagnose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AML_COMPUTE_CLUSTER_SKU", "STANDARD_HUGE")
    checks = examine()
    assert failed(checks) == ["VM size"]
    assert checks["VM size"].found == "eastus has no VM size STANDARD_HUGE"
    assert "AML_COMPUTE_CLUSTER_SKU, such as STANDARD_D" in checks["VM size"].advice


def test_a_small_quota_is_reported_with_free_cores_and_advice(
    examine: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_COMPUTE_CLUSTER_MAX_NODES", "6")
    monkeypatch.setenv("AML_COMPUTE_CLUSTER_SKU", "standard_d3_v2")
    checks = examine()
    assert failed(checks) == ["quota"]
    assert "6 nodes of standard_d3_v2 need 24 vCPUs" in checks["quota"].found
    assert "AML_COMPUTE_CLUSTER_MAX_NODES" in checks["quota"].advice
    assert "Request quota" in checks["quota"].advice


def test_no_check_contains_a_secret(emulator: "AzureMLEmulator", examine: Diagnose) -> None:
    import json

    names = json.loads((emulator.folder / "names.json").read_text())
    texts = [str(examine())]
    for match in (r"/workspaces/loopback$", KEY, CONTAINER, "/computes/", "/usages", "oauth2"):
        emulator.faults.add("error", match=match, status=400, times=20)
        texts.append(str(examine()))
        emulator.faults.clear()
    for secret in (names["client_secret"], names["account_key"], names["signing_key"], "Bearer ", "eyJ"):
        assert not [text for text in texts if secret in text]


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(BackendError, match="unknown backend 'cloud9': expected one of local, azureml, azureml-v2"):
        diagnose("cloud9")


def test_the_backend_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [check.name for check in diagnose()] == ["mnistlib", "packages", "data sets", "runs folder"]
    monkeypatch.setenv("MNISTLIB_BACKEND", "cloud9")
    with pytest.raises(BackendError, match="cloud9"):
        diagnose()


def test_this_machine_passes_every_check() -> None:
    checks = diagnose("local")
    assert [check.ok for check in checks] == [True, True, True, True]
    assert checks[0].found == f"mnistlib-ml {mnistlib.__version__}"
    assert f"numpy {np.__version__}" in checks[1].found
    assert checks[2].found.startswith("digits can be read; mnist, fashion-mnist, kmnist would be downloaded into")


def test_downloaded_data_sets_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = mnistlib.load_dataset("digits")
    (tmp_path / "mnist").mkdir()
    for which, split in (("train", digits.train), ("t10k", digits.test)):
        write_idx(tmp_path / "mnist" / f"{which}-images-idx3-ubyte", split.images)
        write_idx(tmp_path / "mnist" / f"{which}-labels-idx1-ubyte", split.labels)
    monkeypatch.setenv("MNISTLIB_DATA", str(tmp_path))
    assert diagnose("local")[2].found.startswith("digits, mnist can be read; fashion-mnist, kmnist would be")


def test_duplicate_files_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mnist").mkdir()
    for name in ("train-labels-idx1-ubyte", "train-labels.gz"):
        (tmp_path / "mnist" / name).touch()
    monkeypatch.setenv("MNISTLIB_DATA", str(tmp_path))
    check = diagnose("local")[2]
    assert check.ok is False
    assert "2 files could be the train labels" in check.found
    assert "mnistlib fetch" in check.advice


def test_a_file_in_place_of_a_folder_fails_for_runs_and_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MNISTLIB_DATA", str(tmp_path / "file"))
    _, _, data, runs = diagnose("local", runs_folder=tmp_path / "file" / "runs")
    assert data.ok is False
    assert "MNISTLIB_DATA" in data.advice
    assert runs.ok is False
    assert "MNISTLIB_RUNS" in runs.advice


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Check]]:
    """Runs the given checks, as those of a backend."""

    def examine(*steps: Step, patience: float = 60.0) -> list[Check]:
        module = ModuleType("a_place")
        module.steps = lambda: steps  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "a_place", module)
        spec = BackendSpec(name="place", backend="nowhere:Backend", doctor="a_place:steps")
        monkeypatch.setattr(doctor, "spec_of", lambda name: spec)
        return diagnose("place", patience=patience)[1:]  # after that of the installation

    return examine


def test_checks_that_need_a_failed_one_are_skipped(place: Callable[..., list[Check]]) -> None:
    def break_it() -> str:
        raise Wrong("it is broken", "Mend it.")

    def unreachable() -> str:
        raise AssertionError

    assert place(
        Step(name="first", look=break_it),
        Step(name="second", look=unreachable, needs=["first"]),
        Step(name="third", look=unreachable, needs=["second"]),
        Step(name="fourth", look=lambda: "well"),
    ) == [
        Check(name="first", ok=False, found="it is broken", advice="Mend it."),
        Check(name="second", ok=None, found="not checked without first"),
        Check(name="third", ok=None, found="not checked without second"),
        Check(name="fourth", ok=True, found="well"),
    ]


def test_a_check_that_never_returns_is_abandoned(place: Callable[..., list[Check]]) -> None:
    never = threading.Event()
    endless, after = place(
        Step(name="endless", look=lambda: str(never.wait())), Step(name="after", look=lambda: "well"), patience=0.05
    )
    never.set()
    assert (endless.ok, endless.found) == (False, "no answer within 0.05 seconds")
    assert "HTTPS_PROXY" in endless.advice
    assert after.ok


def test_a_bug_in_a_check_is_raised(place: Callable[..., list[Check]]) -> None:
    with pytest.raises(ZeroDivisionError):
        place(Step(name="first", look=lambda: str(1 / 0)))
