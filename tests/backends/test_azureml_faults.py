"""Every step under every fault: done once, nothing lost, and the right error for a permanent failure."""

import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib import ClusterError
from mnistlib.backends import get_backend
from mnistlib.backends.cloud.retries import RetryPolicy
from tests.azureml import needs_sdk, strangers, with_sdk, workspace
from tests.backends import azureml_v1_requests, azureml_v2_requests
from tests.backends.azureml_steps import KEPT, TRAIN, Scene, Step, bring_result, cancel, send_data, sign_in, submit

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator
    from mnistlib.testing.azureml.faults import Fault

# Warnings of the SDKs and their dependencies are ignored.
pytestmark = pytest.mark.filterwarnings("ignore")

QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.05)

#: The backends, with their tables.
TABLES: dict[str, Any] = {"azureml": azureml_v1_requests, "azureml-v2": azureml_v2_requests}
#: Faults that lose the answer after the work was done.
LOST: tuple[Any, ...] = ("lost_answer", "reset_answer")
#: Faults that refuse a request temporarily.
REFUSED: tuple[Any, ...] = ("throttle", "error", "expired_token")


def histories() -> Iterator[Any]:
    """Yield the requests of each step with their faults: for a read request all faults in turn."""
    for name, tables in TABLES.items():
        for step, calls in tables.REQUESTS.items():
            refused = ("error",) if step is sign_in else REFUSED
            for call in calls:
                reads = call.startswith("GET")
                for kinds in [(*refused, *LOST)] if reads else [refused, *[(kind,) for kind in LOST]]:
                    about = f"{name}: {step.__name__}: {call}: {'+'.join(kinds)}"
                    yield pytest.param(name, step, call, kinds, id=about, marks=needs_sdk(name))


@pytest.fixture(scope="module")
def name(request: pytest.FixtureRequest) -> str:
    """Name of the backend, a parameter of the tests."""
    param: str = request.param
    return param


@pytest.fixture(scope="module")
def place(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple["AzureMLEmulator", dict[str, Any], str]]:
    """Serve a workspace with a completed run and its registered model; its nodes never start."""
    folder = tmp_path_factory.mktemp("faults")
    with workspace(
        folder, tmp_path_factory.getbasetemp(), backend=name, finished=TRAIN, node_start_seconds=3600
    ) as emulator:
        backend: Any = get_backend(name, config=emulator.config_path, runs_folder=folder / "runs", retries=QUICK)
        (run,) = backend.runs()
        run.register_model(KEPT)
        client = {"ml_client": backend.ml_client} if name == "azureml-v2" else {"workspace": backend.workspace}
        yield emulator, client, run.id


@pytest.fixture
def scene(name: str, place: tuple["AzureMLEmulator", dict[str, Any], str], tmp_path: Path) -> Iterator[Scene]:
    emulator, client, done = place
    yield Scene(name, emulator, client, done, tmp_path, QUICK)
    emulator.faults.clear()
    assert strangers(emulator) == []  # no request left this machine


@pytest.mark.parametrize(("name", "step", "call", "kinds"), list(histories()), indirect=["name"])
def test_a_step_with_a_faulty_request_is_done_once(scene: Scene, step: Step, call: str, kinds: Any) -> None:
    running = step(scene)
    next(running)
    faults = [scene.emulator.faults.add(kind, match=call, status=503) for kind in kinds]
    next(running, None)
    assert [fault.count for fault in faults] == [1] * len(faults)


#: Faults of uploads to and downloads from the blob store. The SDK's blob client waits some 15 seconds before a retry,
#: which can't be changed: so all faults happen at once, each to another file.
STORE_FAULTS: tuple[Any, ...] = ("reset_upload", "lost_answer", "error", "reset_answer", "slow")


def add_fault_for_each_file(scene: Scene, *matches: str) -> list["Fault"]:
    return [
        scene.emulator.faults.add(kind, match=match, status=503, seconds=0.2)
        for kind, match in zip(STORE_FAULTS, matches, strict=False)
    ]


@pytest.mark.parametrize("name", list(map(with_sdk, TABLES)), indirect=True)
def test_code_arrives_complete_despite_a_fault_for_each_file(scene: Scene) -> None:
    running = submit(scene)
    next(running)
    for number in range(3):
        (scene.folder / "source" / f"{number}.py").write_text(f"{scene.folder}\n")
    faults = add_fault_for_each_file(scene, *TABLES[scene.name].CODE_FILES)
    next(running, None)
    assert [fault.count for fault in faults] == [1] * 5


#: Steps that upload or download files, with the request for each file.
FILES: dict[Step, list[str]] = {
    send_data: [f"PUT .*blob.*/{name}$" for name in ("train-images", "train-labels", "test-images", "test-labels")],
    bring_result: [
        f"GET .*blob.*/{name}$"
        for name in ("outputs/sklearn_mnist_model.pkl", "logs/metrics.jsonl", "logs/run.json", "outputs/model.json")
    ],
}


@pytest.mark.parametrize("name", list(map(with_sdk, TABLES)), indirect=True)
@pytest.mark.parametrize("step", list(FILES), ids=lambda step: step.__name__)
def test_files_arrive_complete_despite_a_fault_for_each(scene: Scene, step: Step) -> None:
    running = step(scene)
    next(running)
    faults = add_fault_for_each_file(scene, *FILES[step])
    next(running, None)
    assert [fault.count for fault in faults] == [1] * 4


def lasting() -> Iterator[Any]:
    """Yield each failure with status 403, and with 503 except for GET and DELETE, which an SDK retries for long."""
    for name, tables in TABLES.items():
        for step, (call, message) in tables.FAILURES.items():
            about = f"{name}: {step.__name__}"
            if step not in (sign_in, cancel):  # azureml-core raises the same error for every status
                yield pytest.param(name, step, (call, 403), message, id=f"{about}: 403", marks=needs_sdk(name))
            if call.startswith(("POST", "PUT")):
                yield pytest.param(name, step, (call, 503), message, id=f"{about}: 503", marks=needs_sdk(name))


@pytest.mark.parametrize(("name", "step", "refusal", "message"), list(lasting()), indirect=["name"])
def test_the_error_of_a_permanent_failure_names_the_step_and_no_secret(
    scene: Scene, step: Step, refusal: tuple[str, int], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    call, status = refusal
    caplog.set_level("DEBUG", "mnistlib")
    running = step(scene)
    next(running)
    scene.emulator.faults.add("error", match=call, status=status, times=1000)
    with pytest.raises(ClusterError, match=message) as caught:
        next(running)
    assert (status == 403) == ("Check the account you are signed in with" in str(caught.value))
    text = "".join(traceback.format_exception(caught.value))
    text += "".join(record.getMessage() for record in caplog.records if record.name == "mnistlib")
    assert not [secret for secret in secrets_of(scene.emulator) if secret in text]


def secrets_of(emulator: "AzureMLEmulator") -> list[str]:
    """Return the secrets: the keys of the workspace, and the prefixes of tokens and signatures."""
    names = json.loads((emulator.folder / "names.json").read_text())
    return [names["account_key"], names["client_secret"], "Bearer ey", "sig="]
