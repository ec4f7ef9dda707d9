"""Every step of the flow under every fault: done once, nothing lost, and the right error where it must be one."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib import AzureMLBackend
from mnistlib.backends.cloud.retries import RetryPolicy
from tests.azureml import workspace
from tests.backends.azureml_steps import KEPT, LIMIT, REQUESTS, TRAIN, Scene, Step, sign_in

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

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
