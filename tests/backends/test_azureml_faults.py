"""Every step of the flow under every fault: done once, nothing lost, and the right error where it must be one."""

import json
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib import AzureMLBackend, ServiceError
from mnistlib.backends.cloud.retries import RetryPolicy
from tests.azureml import workspace
from tests.backends.azureml_steps import (
    KEPT,
    LIMIT,
    REQUESTS,
    TRAIN,
    Scene,
    Step,
    bring_result,
    cancel,
    connect,
    delete_cluster,
    delete_model,
    find_cluster,
    list_models,
    list_runs,
    load_model,
    look_at_metrics,
    make_cluster,
    register_environment,
    register_model,
    send_data,
    sign_in,
    submit,
    submit_sweep,
    wait,
)

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator
    from mnistlib.testing.azureml.faults import Fault

# What azureml-core and what it brings warn of is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore")

QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.05)

#: How an answer may be lost after the work was done.
LOST: tuple[Any, ...] = ("lost_answer", "reset_answer")
#: How the service may refuse a request for a moment.
REFUSED: tuple[Any, ...] = ("throttle", "error", "expired_token")


def histories() -> Iterator[Any]:
    """Yield each step's requests with what happens to them: to one that changes nothing, all of it in turn."""
    for step, calls in REQUESTS.items():
        refused = ("error",) if step is sign_in else REFUSED
        for call in calls:
            reads = call.startswith("GET")
            for kinds in [(*refused, *LOST)] if reads else [refused, *[(kind,) for kind in LOST]]:
                yield pytest.param(step, call, kinds, id=f"{step.__name__}: {call}: {'+'.join(kinds)}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple["AzureMLEmulator", Any, str]]:
    """Serve a workspace that has a completed run with a registered model; from then on its nodes never come up."""
    pytest.importorskip("azureml.core", reason="azureml-core is not installed: the tox environment cloud has it")
    from azureml.core import Workspace

    from mnistlib.testing.azureml import AzureMLEmulator

    folder = tmp_path_factory.mktemp("faults")
    with workspace(folder, tmp_path_factory.getbasetemp()) as service:
        backend = AzureMLBackend(config=service.config_path, runs_folder=folder / "runs", retries=QUICK)
        run = backend.submit(TRAIN)
        run.wait(LIMIT)
        run.register_model(KEPT)
        service.stop()
        with AzureMLEmulator(service.folder, node_start_seconds=3600) as waiting:
            yield waiting, Workspace.from_config(str(waiting.config_path)), run.id


@pytest.fixture
def scene(place: tuple["AzureMLEmulator", Any, str], tmp_path: Path) -> Iterator[Scene]:
    service, sdk_workspace, done = place
    yield Scene(service, sdk_workspace, done, tmp_path, QUICK)
    service.faults.clear()
    assert service.refused == []  # nobody tried to leave this machine


@pytest.mark.parametrize(("step", "call", "kinds"), list(histories()))
def test_whatever_happens_to_a_request_its_step_is_done_once(scene: Scene, step: Step, call: str, kinds: Any) -> None:
    doing = step(scene)
    next(doing)
    faults = [scene.service.faults.add(kind, match=call, status=503) for kind in kinds]
    next(doing, None)
    assert [fault.count for fault in faults] == [1] * len(faults)


#: What happens to a file on its way to or from the store of blobs. Its client in the SDK waits for some 15 seconds
#: before it tries again, which nobody can tell it not to: so all of it happens at once, each to another file.
STORE_FAULTS: tuple[Any, ...] = ("reset_upload", "lost_answer", "error", "reset_answer", "slow")


def each_file_meets_another(scene: Scene, *matches: str) -> list["Fault"]:
    return [
        scene.service.faults.add(kind, match=match, status=503, seconds=0.2)
        for kind, match in zip(STORE_FAULTS, matches, strict=False)
    ]


def test_a_snapshot_arrives_whole_whatever_happens_to_its_files(scene: Scene) -> None:
    doing = submit(scene)
    next(doing)
    for number in range(3):
        (scene.folder / "source" / f"{number}.py").write_text(f"{scene.folder}\n")
    numbers = [f"PUT .*blob.*/snapshots/[0-9a-f]+/{number}$" for number in range(4)]
    faults = each_file_meets_another(scene, *numbers, "HEAD .*blob.*/snapshots/[0-9a-f]+/4$")
    next(doing, None)
    assert [fault.count for fault in faults] == [1] * 5


def test_data_arrive_whole_whatever_happens_to_their_files(scene: Scene) -> None:
    doing = send_data(scene)
    next(doing)
    names = ("train-images", "train-labels", "test-images", "test-labels")
    faults = each_file_meets_another(scene, *[f"PUT .*blob.*/{name}$" for name in names])
    next(doing, None)
    assert [fault.count for fault in faults] == [1] * 4


def test_a_result_comes_whole_whatever_happens_to_its_files(scene: Scene) -> None:
    doing = bring_result(scene)
    next(doing)
    names = ("outputs/sklearn_mnist_model.pkl", "logs/metrics.jsonl", "logs/run.json", "outputs/model.json")
    faults = each_file_meets_another(scene, *[f"GET .*blob.*/{name}$" for name in names])
    next(doing, None)
    assert [fault.count for fault in faults] == [1] * 4


#: Of each step a request that fails for good, and what the error says.
FAILURES: Mapping[Step, tuple[str, str]] = {
    sign_in: ("POST login.*/token", "opening the workspace failed: "),
    connect: ("GET management.*/loopback$", "opening the workspace failed: "),
    find_cluster: ("GET .*/computes/", "looking for cluster cpu-cluster failed: "),
    make_cluster: ("PUT .*/computes/", r"cluster c\w+ could not be made: .*\. Delete it before the next try"),
    delete_cluster: ("DELETE .*/computes/", r"deleting c\w+ failed: "),
    submit: ("POST .*/snapshotrun", r"submitting run (e-\S+) .*mnistlib runs show \1 --backend azureml\) failed: "),
    submit_sweep: ("POST .*/events", r"recording sweep e-\S+ failed: "),
    send_data: ("GET .*/datastore/.*/default", "opening the default datastore failed: "),
    register_environment: ("PUT .*/environments/", "looking for the environment failed: "),
    wait: ("GET .*/runs/", r"looking at run default_\S+ failed: "),
    look_at_metrics: ("GET .*/contentinfo/", r"fetching logs/metrics.jsonl of run default_\S+ failed: "),
    bring_result: ("GET .*/artifacts/ExperimentRun/", r"listing the files of run default_\S+ failed: "),
    cancel: ("POST .*/cancel$", r"cancelling run default_\S+ failed: "),
    list_runs: ("POST .*/runs:query", "listing the runs failed: "),
    register_model: ("POST .*/models$", r"registering model m-\w+ failed: "),
    list_models: ("GET .*/models$", "listing the models failed: "),
    load_model: ("GET .*/prefix/contentinfo/", "downloading model kept failed: "),
    delete_model: ("DELETE .*/models/", r"deleting model m-\w+:1 failed: "),
}


def lasting() -> Iterator[Any]:
    """Yield each failure as a refusal, and as an outage but of what the SDK itself tries long again: GET and DELETE."""
    for step, (call, message) in FAILURES.items():
        if step not in (sign_in, cancel):  # to which the SDK says the same whatever the status
            yield pytest.param(step, (call, 403), message, id=f"{step.__name__}: 403")
        if call.startswith(("POST", "PUT")):
            yield pytest.param(step, (call, 503), message, id=f"{step.__name__}: 503")


@pytest.mark.parametrize(("step", "refusal", "message"), list(lasting()))
def test_what_fails_for_good_says_what_and_tells_no_secret(
    scene: Scene, step: Step, refusal: tuple[str, int], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    call, status = refusal
    caplog.set_level("DEBUG", "mnistlib")
    doing = step(scene)
    next(doing)
    scene.service.faults.add("error", match=call, status=status, times=1000)
    with pytest.raises(ServiceError, match=message) as caught:
        next(doing)
    assert (status == 403) == ("Check who you are signed in as" in str(caught.value))
    told = "".join(traceback.format_exception(caught.value))
    told += "".join(record.getMessage() for record in caplog.records if record.name == "mnistlib")
    assert not [secret for secret in secrets_of(scene.service) if secret in told]


def secrets_of(service: "AzureMLEmulator") -> list[str]:
    """Return what nobody may read anywhere: the keys of the workspace, and how tokens and signed addresses begin."""
    names = json.loads((service.folder / "names.json").read_text())
    return [names["account_key"], names["client_secret"], "Bearer ey", "sig="]
