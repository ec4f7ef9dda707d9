import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mnistlib
from mnistlib import JobError, ScriptJob, SweepJob, TrainJob
from mnistlib.backends.azure.cluster_client import SHIPPING
from mnistlib.backends.cloud.backend import CloudBackend
from mnistlib.backends.cloud.specification import EnvironmentSpecification
from mnistlib.backends.cloud.staging import stage
from mnistlib.package import PACKAGE

TRAIN = TrainJob(dataset="digits", regularization=0.5)

ships_a_script = pytest.mark.needs("pathspec")


def a_script(folder: Path, **options: object) -> ScriptJob:
    (folder / "train.py").write_text("print('done')")
    return ScriptJob(script="train.py", source_directory=str(folder), **options)  # type: ignore[arg-type] # few options


def source_of(job: ScriptJob) -> list[str]:
    files = stage(job, rules=SHIPPING).files
    return sorted(name.removeprefix("source/") for name in files if name.startswith("source/"))


def packed() -> list[str]:
    archive = stage(TRAIN).files[PACKAGE]
    assert isinstance(archive, bytes)
    return zipfile.ZipFile(io.BytesIO(archive)).namelist()


def test_the_package_and_the_job_are_shipped_in_less_than_a_megabyte() -> None:
    shipment = stage(TRAIN)
    assert set(shipment.files) == {"job.json", PACKAGE}
    assert {"mnistlib/__main__.py", "mnistlib/py.typed", "mnistlib/report/page.css"} <= set(packed())
    assert sum(shipment.sizes.values()) < 1e6


def test_a_fresh_interpreter_runs_the_package_as_it_is_shipped(tmp_path: Path) -> None:
    stage(TRAIN).write(tmp_path)
    environment = os.environ | {"PYTHONPATH": PACKAGE}
    code = "import mnistlib; print(mnistlib.__file__, mnistlib.__version__, mnistlib.load_dataset('digits').name)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(tmp_path / PACKAGE / "mnistlib/__init__.py"), mnistlib.__version__, "digits"]


def test_no_other_file_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.txt").write_text("geheim")
    monkeypatch.chdir(tmp_path)
    assert {name.partition("/")[0] for name in packed()} == {
        "mnistlib",
        f"mnistlib_ml-{mnistlib.__version__}.dist-info",
    }
    assert not any("__pycache__" in name or "/testing/" in name for name in packed())


def test_an_unchanged_job_gives_the_same_bytes(tmp_path: Path) -> None:
    for number in range(2):
        stage(TRAIN).write(tmp_path / str(number))
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "0", tmp_path / "1")
    )
    assert first == second


@pytest.mark.parametrize("job", [TRAIN, SweepJob(base=TRAIN, regularization=[1.0])])
def test_a_data_folder_of_this_machine_is_not_shipped(job: TrainJob | SweepJob, tmp_path: Path) -> None:
    base = TrainJob(dataset="mnist", data_folder=str(tmp_path))
    job = base if isinstance(job, TrainJob) else SweepJob(base=base, regularization=[1.0])
    assert str(tmp_path).encode() not in bytes(stage(job).files["job.json"])


@ships_a_script
def test_a_scripts_folder_is_shipped_with_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/helper.py").write_text("")
    job = a_script(tmp_path)
    assert source_of(job) == ["deep/helper.py", "train.py"]
    assert json.loads(stage(job).files["job.json"])["source_directory"] == "source"  # type: ignore[arg-type]


@ships_a_script
def test_values_of_environment_variables_are_not_shipped(tmp_path: Path) -> None:
    content = stage(a_script(tmp_path, environment={"TOKEN": "geheim"})).files["job.json"]
    assert b"geheim" not in bytes(content)


@pytest.mark.parametrize(
    ("files", "shipped"),
    [
        ({".amlignore": "*.csv\n"}, ["keep.txt"]),
        ({".gitignore": "*.csv\n"}, ["keep.txt"]),
        ({".amlignore": "*.txt\n", ".gitignore": "*.csv\n"}, ["big.csv"]),
        ({".amlignore": "data/\n!keep.txt\n"}, ["big.csv", "keep.txt"]),
        ({}, ["big.csv", "keep.txt"]),
    ],
)
@ships_a_script
def test_files_matched_by_the_ignore_file_are_not_shipped(
    tmp_path: Path, files: dict[str, str], shipped: list[str]
) -> None:
    for name, text in ({"big.csv": "1", "keep.txt": "2"} | files).items():
        (tmp_path / name).write_text(text)
    assert [name for name in source_of(a_script(tmp_path)) if not name.startswith((".", "train"))] == shipped


@ships_a_script
def test_too_many_files_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    job = a_script(tmp_path)
    with pytest.raises(JobError, match=r"can't send \d+ files .*: the limits are 2 files .*\.amlignore"):
        stage(job, rules=replace(SHIPPING, most_files=2))


@ships_a_script
def test_too_many_bytes_are_refused_and_the_biggest_files_named(tmp_path: Path) -> None:
    job = a_script(tmp_path)
    with (tmp_path / "huge.bin").open("wb") as file:
        os.truncate(file.fileno(), 301 * 1024 * 1024)  # a sparse file: it needs no disk space
    with pytest.raises(JobError, match=r"The biggest: huge\.bin \(315\.6 MB\)"):
        stage(job, rules=SHIPPING)


@ships_a_script
def test_a_missing_source_folder_is_refused(tmp_path: Path) -> None:
    job = a_script(tmp_path)
    (tmp_path / "train.py").unlink()
    tmp_path.rmdir()
    with pytest.raises(JobError, match=r"no folder .*source_directory="):
        stage(job)


@pytest.mark.parametrize("named", [True, False])
@ships_a_script
def test_the_runs_folder_of_a_backend_is_not_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    runs = tmp_path / "results"
    runs.mkdir()
    (runs / "notes.txt").write_text("")
    if not named:
        monkeypatch.setenv("MNISTLIB_RUNS", str(runs))
    # A plan makes no request: it needs only these attributes of a client.
    specification = EnvironmentSpecification("digits", "", "an existing one")
    client: Any = SimpleNamespace(
        name="cluster", cluster_text="a cluster", specification=specification, shipping=SHIPPING
    )
    plan = CloudBackend(client, runs_folder=runs if named else None).plan(a_script(tmp_path))
    assert [name for name in plan.shipped if name.startswith("source/")] == ["source/train.py"]
