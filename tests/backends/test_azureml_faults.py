"""Every step of the flow under every fault: done once, nothing lost, and the right error where it must be one."""

import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib import ClusterError
from mnistlib.backends import get_backend
from mnistlib.backends.cloud.retries import RetryPolicy
from tests.azureml import strangers, workspace
from tests.backends import azureml_v1_requests, azureml_v2_requests
from tests.backends.azureml_steps import KEPT, TRAIN, Scene, Step, bring_result, cancel, send_data, sign_in, submit

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator
    from mnistlib.testing.azureml.faults import Fault

# What an SDK and what it brings warn of is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore")

QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.05)

#: The backends, with their tables.
TABLES: dict[str, Any] = {"azureml": azureml_v1_requests, "azureml-v2": azureml_v2_requests}
#: How an answer may be lost after the work was done.
LOST: tuple[Any, ...] = ("lost_answer", "reset_answer")
#: How the service may refuse a request for a moment.
REFUSED: tuple[Any, ...] = ("throttle", "error", "expired_token")


def histories() -> Iterator[Any]:
    """Yield each step's requests with what happens to them: to one that changes nothing, all of it in turn."""
    for name, tables in TABLES.items():
        for step, calls in tables.REQUESTS.items():
            refused = ("error",) if step is sign_in else REFUSED
            for call in calls:
                reads = call.startswith("GET")
                for kinds in [(*refused, *LOST)] if reads else [refused, *[(kind,) for kind in LOST]]:
                    about = f"{name}: {step.__name__}: {call}: {'+'.join(kinds)}"
                    yield pytest.param(name, step, call, kinds, id=about)


@pytest.fixture(scope="module")
def name(request: pytest.FixtureRequest) -> str:
    """Of the backend; a test is parametrised over it."""
    made: str = request.param
    return made


@pytest.fixture(scope="module")
def place(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple["AzureMLEmulator", dict[str, Any], str]]:
    """Serve a workspace that has a completed run with a registered model; its nodes never come up."""
    folder = tmp_path_factory.mktemp("faults")
    with workspace(
        folder, tmp_path_factory.getbasetemp(), backend=name, finished=TRAIN, node_start_seconds=3600
    ) as service:
        backend: Any = get_backend(name, config=service.config_path, runs_folder=folder / "runs", retries=QUICK)
        (run,) = backend.runs()
        run.register_model(KEPT)
        client = {"ml_client": backend.ml_client} if name == "azureml-v2" else {"workspace": backend.workspace}
        yield service, client, run.id


@pytest.fixture
def scene(name: str, place: tuple["AzureMLEmulator", dict[str, Any], str], tmp_path: Path) -> Iterator[Scene]:
    service, client, done = place
    yield Scene(name, service, client, done, tmp_path, QUICK)
    service.faults.clear()
    assert strangers(service) == []  # nobody tried to leave this machine


@pytest.mark.parametrize(("name", "step", "call", "kinds"), list(histories()), indirect=["name"])
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


@pytest.mark.parametrize("name", list(TABLES), indirect=True)
def test_code_arrives_whole_whatever_happens_to_its_files(scene: Scene) -> None:
    doing = submit(scene)
    next(doing)
    for number in range(3):
        (scene.folder / "source" / f"{number}.py").write_text(f"{scene.folder}\n")
    faults = each_file_meets_another(scene, *TABLES[scene.name].CODE_FILES)
    next(doing, None)
    assert [fault.count for fault in faults] == [1] * 5


#: Steps that bring files to the store or from it, with the requests of each file.
FILES: dict[Step, list[str]] = {
    send_data: [f"PUT .*blob.*/{name}$" for name in ("train-images", "train-labels", "test-images", "test-labels")],
    bring_result: [
        f"GET .*blob.*/{name}$"
        for name in ("outputs/sklearn_mnist_model.pkl", "logs/metrics.jsonl", "logs/run.json", "outputs/model.json")
    ],
}


@pytest.mark.parametrize("name", list(TABLES), indirect=True)
@pytest.mark.parametrize("step", list(FILES), ids=lambda step: step.__name__)
def test_files_arrive_whole_whatever_happens_to_each(scene: Scene, step: Step) -> None:
    doing = step(scene)
    next(doing)
    faults = each_file_meets_another(scene, *FILES[step])
    next(doing, None)
    assert [fault.count for fault in faults] == [1] * 4


def lasting() -> Iterator[Any]:
    """Yield each failure as a refusal, and as an outage but of what an SDK itself tries long again: GET and DELETE."""
    for name, tables in TABLES.items():
        for step, (call, message) in tables.FAILURES.items():
            if step not in (sign_in, cancel):  # to which the first SDK says the same whatever the status
                yield pytest.param(name, step, (call, 403), message, id=f"{name}: {step.__name__}: 403")
            if call.startswith(("POST", "PUT")):
                yield pytest.param(name, step, (call, 503), message, id=f"{name}: {step.__name__}: 503")


@pytest.mark.parametrize(("name", "step", "refusal", "message"), list(lasting()), indirect=["name"])
def test_what_fails_for_good_says_what_and_tells_no_secret(
    scene: Scene, step: Step, refusal: tuple[str, int], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    call, status = refusal
    caplog.set_level("DEBUG", "mnistlib")
    doing = step(scene)
    next(doing)
    scene.service.faults.add("error", match=call, status=status, times=1000)
    with pytest.raises(ClusterError, match=message) as caught:
        next(doing)
    assert (status == 403) == ("Check the account you are signed in with" in str(caught.value))
    told = "".join(traceback.format_exception(caught.value))
    told += "".join(record.getMessage() for record in caplog.records if record.name == "mnistlib")
    assert not [secret for secret in secrets_of(scene.service) if secret in told]


def secrets_of(service: "AzureMLEmulator") -> list[str]:
    """Return what nobody may read anywhere: the keys of the workspace, and how tokens and signed addresses begin."""
    names = json.loads((service.folder / "names.json").read_text())
    return [names["account_key"], names["client_secret"], "Bearer ey", "sig="]
