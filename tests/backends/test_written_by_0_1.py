"""An emulator's folder written by version 0.1, with runs, models, data and a service of each SDK."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnistlib import SweepJob, TrainJob, load_dataset, load_model
from mnistlib.backends import get_backend
from mnistlib.errors import JobFailedError
from tests.azureml import with_sdk
from tests.backends.azureml_generations import LIMIT
from tests.report.test_report import Page, page_of

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

WRITTEN = Path(__file__).parent.with_name("written_by_0_1")
TRAIN = TrainJob(dataset="digits", limit=300, regularization=0.5, tol=1e-3)
SWEEP = SweepJob(base=TRAIN, regularization=[1000.0, 1.0, 100.0])
TAGS = {"purpose": "fixture", "by": "user"}
NAMES = ("azureml", "azureml-v2")
RUNS: dict[str, dict[str, str]] = json.loads((WRITTEN / "cloud.json").read_text())
STATUSES = {"trained": "completed", "swept": "completed", "failed": "failed"}

# Warnings of the SDKs and their dependencies are ignored.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The emulator's folder, shared by all tests of this module."""
    target = tmp_path_factory.mktemp("written")
    with tarfile.open(WRITTEN / "emulator.tar.xz") as archive:
        archive.extractall(target)  # the archive is our own
    return target / "emulator"


@pytest.fixture(scope="module")
def emulator(folder: Path) -> Iterator["AzureMLEmulator"]:
    from mnistlib.testing.azureml import AzureMLEmulator

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder.parent))
        with AzureMLEmulator(folder) as emulator:
            yield emulator
            # azureml-dataset-runtime, if installed, sends telemetry to this host.
            assert set(emulator.refused) <= {"dc.services.visualstudio.com"}


@pytest.fixture(scope="module", params=list(map(with_sdk, NAMES)))
def reader(request: pytest.FixtureRequest) -> str:
    """Name of the reading backend."""
    name: str = request.param
    return name


@pytest.fixture(params=NAMES)
def writer(request: pytest.FixtureRequest) -> str:
    """Name of the writing backend."""
    name: str = request.param
    return name


@pytest.fixture
def backend(reader: str, emulator: "AzureMLEmulator", tmp_path: Path) -> Any:
    return get_backend(reader, config=emulator.config_path, runs_folder=tmp_path / "runs")


def accuracy_of(model: Any) -> float:
    test = load_dataset("digits", limit=TRAIN.limit).test
    return float(np.mean(model.predict(test.images) == test.labels))


def test_every_run_is_listed_with_its_status(backend: Any) -> None:
    listed = {record.run_id: str(record.status) for record in backend.records()}
    for runs in RUNS.values():
        assert {kind: listed[runs[kind]] for kind in STATUSES} == STATUSES


def test_a_run_has_its_tags_metrics_and_log(backend: Any, writer: str) -> None:
    run = backend.attach(RUNS[writer]["trained"])
    assert (run.name, str(run.status), dict(run.record.tags)) == ("trained", "completed", TAGS)
    assert run.metrics().latest["accuracy"] == run.record.metrics["accuracy"] > 0.9
    assert len(run.metrics()["objective"]) > 5
    assert "fitting 300 images" in run.logs()


def test_the_model_of_a_run_has_the_recorded_accuracy(backend: Any, writer: str) -> None:
    result = backend.attach(RUNS[writer]["trained"]).result(LIMIT)
    assert accuracy_of(load_model(result.model_path)) == pytest.approx(result.metrics["accuracy"], abs=1 / 300)


def test_a_failed_run_raises_its_error(backend: Any, writer: str) -> None:
    with pytest.raises(JobFailedError, match=r"(?s)script\.py ended with exit status 1.*ValueError: no such luck"):
        backend.attach(RUNS[writer]["failed"]).result(LIMIT)


def test_the_best_run_of_a_sweep_is_found(backend: Any, writer: str) -> None:
    swept = backend.attach(RUNS[writer]["swept"])
    children = swept.children()
    jobs = [TrainJob.from_json(child.remote.properties["mnistlib.job"]) for child in children]
    assert jobs == SWEEP.children()
    assert swept.best.id == children[1].id
    assert swept.metrics().latest["best_regularization"] == 1.0


def test_a_sweep_is_reported_with_its_best(backend: Any, writer: str, tmp_path: Path) -> None:
    swept = backend.attach(RUNS[writer]["swept"])
    page = page_of(swept, tmp_path)
    assert isinstance(page, Page)
    assert f"run {swept.best.id}" in page.text
    assert f"best {swept.best.id}" in page.text
    assert "Confusion matrix" in page.text


def test_registered_models_are_listed_with_their_tags(backend: Any) -> None:
    known = {model.id: (model.run_id, model.description, dict(model.tags)) for model in backend.models.list()}
    for number, name in enumerate(NAMES, 1):
        assert known[f"digits:{number}"] == (RUNS[name]["trained"], f"by {name}", {"stage": "trial"})
        assert known[f"digits-{name}:1"][0] == RUNS[name]["trained"]


@pytest.mark.parametrize("model", ["digits:1", "digits:2", "digits-azureml:1", "digits-azureml-v2:1"])
def test_a_registered_model_is_verified_and_loads(backend: Any, model: str) -> None:
    name, _, number = model.partition(":")
    version = backend.models.get(name, int(number))
    assert accuracy_of(version.load()) == pytest.approx(version.metrics["accuracy"], abs=1 / 300)
    assert version.origin.dataset == "digits"


@pytest.mark.parametrize("kind", ["trained", "swept"])
def test_a_run_is_registered_under_the_next_number(backend: Any, writer: str, kind: str) -> None:
    before = backend.models.get("digits").version
    version = backend.attach(RUNS[writer][kind]).register_model("digits", tags={"stage": "new"})
    assert (version.version, dict(version.tags)) == (before + 1, {"stage": "new"})
    assert accuracy_of(backend.models.get("digits").load()) == pytest.approx(version.metrics["accuracy"], abs=1 / 300)


def test_a_deployed_service_answers(backend: Any, reader: str) -> None:
    service = backend.services.get(f"digits-{reader}")
    assert service.model == f"digits:{NAMES.index(reader) + 1}"
    images = load_dataset("digits").test.images[:5]
    assert service.predict(images).tolist() == backend.models.get("digits", 1).load().predict(images).tolist()


def test_a_resumed_sweep_reuses_all_completed_trials(backend: Any, reader: str) -> None:
    known = [child.id for child in backend.attach(RUNS[reader]["swept"]).children()]
    again = backend.submit(SWEEP, experiment="digits", resume=True)
    assert again.result(LIMIT).metrics["best_regularization"] == 1.0
    assert {child.id for child in again.children()} <= {
        child.id for name in NAMES for child in backend.attach(RUNS[name]["swept"]).children()
    }
    assert len(again.children()) == len(known)


def test_a_new_run_is_listed_with_the_stored_ones(backend: Any) -> None:
    result = backend.run(TRAIN)
    assert result.metrics["accuracy"] > 0.9
    assert {result.run_id, *(runs["trained"] for runs in RUNS.values())} <= {run.id for run in backend.runs()}


@pytest.mark.parametrize("reader", [with_sdk("azureml-v2")], indirect=True)
def test_a_job_reads_a_data_asset(reader: str, emulator: "AzureMLEmulator", tmp_path: Path) -> None:
    from azure.ai.ml import Input

    from tests.testing.azureml.v2 import command_of, connect, ended, log_of, project_of

    client = connect(emulator)
    stored = client.jobs.get(RUNS[reader]["trained"])
    job = command_of(
        project_of(tmp_path / "project", "import sys\nprint(open(sys.argv[1] + '/one.txt').read())"),
        line="python train.py ${{inputs.words}}",
        inputs={"words": Input(type="uri_folder", path="azureml:words:1")},
        environment=stored.environment,
        compute=stored.compute,
    )
    name = client.jobs.create_or_update(job).name
    assert ended(client, name) == "Completed"
    assert log_of(client, name, tmp_path / "log").split() == ["one"]


@pytest.mark.parametrize("reader", [with_sdk("azureml-v2")], indirect=True)
def test_a_node_accepts_the_old_name_of_an_option(
    reader: str, emulator: "AzureMLEmulator", backend: Any, tmp_path: Path
) -> None:
    from mnistlib.backends.cloud.staging import stage
    from tests.testing.azureml.v2 import command_of, connect, ended

    client = connect(emulator)
    stored = client.jobs.get(RUNS[reader]["trained"])
    (tmp_path / "staged").mkdir()
    stage(SWEEP).write(tmp_path / "staged")
    job = command_of(
        str(tmp_path / "staged"),
        line=f"python -m mnistlib node --service {reader} --sweep {RUNS[reader]['swept']} --rate 100.0",
        environment=stored.environment,
        compute=stored.compute,
        environment_variables=stored.environment_variables,
        properties=stored.properties,
    )
    name = client.jobs.create_or_update(job).name
    assert ended(client, name) == "Completed"
    (file,) = backend.attach(name).download(tmp_path / "copies", ["job.json"])
    assert TrainJob.from_json(file.read_text()) == SWEEP.children()[2]


@pytest.mark.parametrize("reader", [with_sdk("azureml")], indirect=True)
@pytest.mark.needs("azureml.dataprep")
def test_a_data_set_of_the_first_sdk_is_downloaded(reader: str, emulator: "AzureMLEmulator", tmp_path: Path) -> None:
    assert reader == "azureml"
    from azureml.core import Dataset, Workspace

    dataset = Dataset.get_by_name(Workspace.from_config(str(emulator.config_path)), "words-v1")
    assert (dataset.version, dataset.tags) == (1, TAGS)
    (file,) = dataset.download(str(tmp_path))
    assert Path(file).read_text() == "one\n"
