"""The registry, with real processes that register at once and are killed."""

import contextlib
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mnistlib import LocalBackend, ModelError, ModelNotFoundError, ModelVersion, TrainJob, load_dataset, load_model
from mnistlib.models.interfaces import Models, Registration
from mnistlib.models.registry import ModelRegistry
from mnistlib.runs import RunResult

REGISTER_MANY = """
import sys
from pathlib import Path
from mnistlib.models.interfaces import Registration
from mnistlib.models.registry import ModelRegistry
registry = ModelRegistry(Path(sys.argv[1]))
for count in range(int(sys.argv[2])):
    content = f"{sys.argv[3]} {count}".encode()
    registration = Registration(name="m", content=content, file="m.pkl", run_id=sys.argv[3])
    print(registry.register(registration).version, flush=True)
"""


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return LocalBackend(tmp_path / "runs")


@pytest.fixture
def run(backend: LocalBackend) -> RunResult:
    return backend.run(TrainJob(dataset="digits", regularization=0.5, tol=1e-2))


@pytest.fixture
def registered(backend: LocalBackend, run: RunResult) -> ModelVersion:
    return backend.attach(run.run_id).register_model("sklearn_mnist", description="the first", tags={"stage": "trial"})


def put(registry: ModelRegistry, name: str = "m", content: bytes = b"model") -> ModelVersion:
    return registry.register(Registration(name=name, content=content, file="m.pkl", run_id="a1"))


def start_registering(registry: ModelRegistry, count: int, who: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", REGISTER_MANY, str(registry.folder), str(count), who], stdout=subprocess.PIPE, text=True
    )


def blob_of(registry: Models, version: ModelVersion) -> Path:
    assert isinstance(registry, ModelRegistry)
    return registry.folder / "blobs" / version.sha256


def test_versions_count_up_from_1_for_each_name(registry: ModelRegistry) -> None:
    assert [put(registry).version, put(registry).version, put(registry, "other").version] == [1, 2, 1]


def test_a_version_is_read_back_as_registered(registry: ModelRegistry) -> None:
    version = registry.register(
        Registration(
            name="m",
            content=b"model",
            file="outputs/m.pkl",
            run_id="a1",
            metrics={"accuracy": 0.9},
            description="ours",
            tags={"a": "b"},
        )
    )
    assert ModelRegistry(registry.folder).get("m") == version
    assert (version.id, version.sha256) == ("m:1", hashlib.sha256(b"model").hexdigest())
    assert version.file == "m.pkl"
    assert (version.metrics, version.description, version.tags) == ({"accuracy": 0.9}, "ours", {"a": "b"})


def test_a_version_keeps_its_runs_metrics_and_how_it_was_trained(run: RunResult, registered: ModelVersion) -> None:
    assert registered.run_id == run.run_id
    assert registered.metrics == run.metrics
    assert registered.origin is not None
    assert registered.origin.dataset == "digits"


def test_get_returns_the_newest_version_by_default(registry: ModelRegistry) -> None:
    put(registry)
    put(registry)
    assert registry.get("m").version == 2
    assert registry.get("m", 1).version == 1


def test_list_sorts_by_name_then_newest_version_first(registry: ModelRegistry) -> None:
    assert registry.list() == []
    for name in ("b", "a", "b"):
        put(registry, name)
    assert [version.id for version in registry.list()] == ["a:1", "b:2", "b:1"]
    assert [version.id for version in registry.list("b")] == ["b:2", "b:1"]


def test_the_error_for_a_missing_version_lists_the_existing_ones(registry: ModelRegistry) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no model 'm' in .*: nothing has been registered yet"):
        registry.get("m")
    put(registry)
    put(registry)
    with pytest.raises(ModelNotFoundError, match="model 'm' has no version 7; it has 1, 2"):
        registry.get("m", 7)
    with pytest.raises(ModelNotFoundError, match=r"no model 'n' in .*: it has m"):
        registry.get("n")
    with pytest.raises(ModelNotFoundError):
        registry.delete("m", 7)


@pytest.mark.parametrize("name", ["a", "0", "sklearn_mnist", "a.b-c_D9", "x" * 255])
def test_names_that_azure_ml_takes_are_taken(registry: ModelRegistry, name: str) -> None:
    assert put(registry, name).name == name
    assert [version.name for version in registry.list()] == [name]


@pytest.mark.parametrize("name", ["", "x" * 256, "../up", "a/b", ".hidden", "-a", "_a", "a b", "a:1", "ä", "a\n"])
def test_names_that_azure_ml_refuses_are_refused(registry: ModelRegistry, name: str) -> None:
    with pytest.raises(ModelError, match="a model's name must be 1 to 255 letters"):
        put(registry, name)
    with pytest.raises(ModelError, match="a model's name must be"):
        registry.get(name)
    with pytest.raises(ModelError, match="a model's name must be"):
        registry.list(name)
    assert not registry.folder.exists()


def test_the_number_of_a_deleted_version_is_never_reused(registry: ModelRegistry) -> None:
    put(registry)
    put(registry)
    registry.delete("m", 2)
    assert [version.version for version in registry.list()] == [1]
    assert put(registry).version == 3
    with pytest.raises(ModelNotFoundError, match="it has 1, 3"):
        registry.get("m", 2)


def test_a_file_is_stored_once_until_its_last_version_is_deleted(registry: ModelRegistry) -> None:
    first, second = put(registry), put(registry, "other")
    assert blob_of(registry, first) == blob_of(registry, second)
    registry.delete("m", 1)
    assert registry.get("other").verified_bytes() == b"model"
    registry.delete("other", 1)
    assert list((registry.folder / "blobs").iterdir()) == []
    with pytest.raises(ModelError, match="was deleted in the meantime"):
        first.load()


def test_deleting_removes_files_of_killed_processes(registry: ModelRegistry) -> None:
    version = put(registry)
    (registry.folder / "blobs" / ("0" * 64)).write_bytes(b"unused")
    (registry.folder / "blobs" / f".{'0' * 64}.1-2.part").write_bytes(b"half")
    put(registry, "other", b"more")
    registry.delete("other", 1)
    assert list((registry.folder / "blobs").iterdir()) == [blob_of(registry, version)]


def test_two_processes_that_register_100_each_make_200_versions(registry: ModelRegistry) -> None:
    processes = [start_registering(registry, 100, who) for who in ("one", "two")]
    numbers = [[int(line) for line in process.communicate(timeout=120)[0].split()] for process in processes]
    assert sorted(numbers[0] + numbers[1]) == list(range(1, 201))
    versions = registry.list("m")
    assert [version.version for version in versions] == list(range(200, 0, -1))
    assert len({version.verified_bytes() for version in versions}) == 200


def test_a_kill_at_any_moment_leaves_the_old_state_or_the_new(registry: ModelRegistry) -> None:
    generator = random.Random(0)
    confirmed = 0
    for round_ in range(15):
        process = start_registering(registry, 10_000, f"round{round_}")
        assert process.stdout is not None
        process.stdout.readline()
        # Some registrations, then a random moment within one.
        deadline = time.monotonic() + generator.random() / 20
        while time.monotonic() < deadline:
            process.stdout.readline()
            confirmed += 1
        process.send_signal(signal.SIGKILL)
        confirmed += 1 + len(process.communicate()[0].split())
        versions = registry.list("m")
        assert [version.version for version in versions] == list(range(len(versions), 0, -1))
        # All reported versions exist; at most one more, which was not reported before the kill.
        assert confirmed <= len(versions) <= confirmed + round_ + 1
        assert versions[0].verified_bytes().startswith(f"round{round_} ".encode())
    assert put(registry).version == len(versions) + 1


def test_a_kill_while_deleting_leaves_versions_that_all_load(registry: ModelRegistry) -> None:
    code = (
        "import sys; from pathlib import Path; from mnistlib.models.registry import ModelRegistry\n"
        "registry = ModelRegistry(Path(sys.argv[1]))\n"
        "for version in registry.list('m')[::-1]: registry.delete('m', version.version); print(flush=True)"
    )
    for count in range(60):
        put(registry, content=str(count).encode())
    generator = random.Random(0)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code, str(registry.folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(generator.randint(1, 10)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for version in registry.list():
            assert int(version.verified_bytes()) == version.version - 1
    assert 0 < len(registry.list()) < 60


def test_a_registered_model_loads_without_trust_and_gives_the_same_labels(
    run: RunResult, registered: ModelVersion
) -> None:
    test = load_dataset("digits").test
    assert np.mean(registered.load().predict(test.images) == test.labels) == run.metrics["accuracy"]


def test_a_changed_byte_is_refused_before_anything_is_loaded_or_written(
    backend: LocalBackend, registered: ModelVersion, tmp_path: Path
) -> None:
    blob = blob_of(backend.models, registered)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    with pytest.raises(ModelError, match="sklearn_mnist:1 was changed after it was registered"):
        backend.models.get("sklearn_mnist").load()
    with pytest.raises(ModelError, match="was changed"):
        backend.models.download("sklearn_mnist", 1, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_registering_again_repairs_a_damaged_file(
    backend: LocalBackend, run: RunResult, registered: ModelVersion
) -> None:
    blob_of(backend.models, registered).write_bytes(b"damaged")
    backend.attach(run.run_id).register_model("again")
    assert registered.load().description == registered.origin


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": 3, "origin": {}}'])
def test_a_damaged_entry_is_refused(registry: ModelRegistry, content: str) -> None:
    put(registry)
    (registry.folder / "names" / "m" / "1.json").write_text(content)
    with pytest.raises(ModelError, match=r"1\.json does not describe a registered model"):
        registry.get("m")


def test_a_download_is_a_folder_that_loads_without_trust(
    backend: LocalBackend, registered: ModelVersion, tmp_path: Path
) -> None:
    file = backend.models.download("sklearn_mnist", None, tmp_path / "deep" / "copy")
    assert load_model(file).description == load_model(tmp_path / "deep" / "copy").description == registered.origin


def test_entries_are_json_that_other_tools_can_read(registry: ModelRegistry) -> None:
    put(registry)
    entry = json.loads((registry.folder / "names" / "m" / "1.json").read_bytes())
    assert (entry["name"], entry["version"], entry["run_id"]) == ("m", 1, "a1")


def test_reading_needs_no_writable_folder_and_creates_none(registry: ModelRegistry) -> None:
    assert registry.list() == []
    with contextlib.suppress(ModelNotFoundError):
        registry.get("m")
    assert not registry.folder.exists()
