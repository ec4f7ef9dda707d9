from pathlib import Path
from typing import Any

import pytest

from mnistlib import JobError, LocalBackend, ScriptJob


def test_arguments_become_text_and_the_folder_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = ScriptJob(script=Path("train.py"), arguments=["--n", 3, 0.5, Path("x")])  # type: ignore[arg-type] # people do
    assert (job.script, job.arguments, job.source_directory) == ("train.py", ("--n", "3", "0.5", "x"), str(tmp_path))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"script": "/abs/train.py"}, "script must be a path below source_directory"),
        ({"script": "../train.py"}, "script must be a path below source_directory"),
        ({"script": 3}, "script must be of type str"),
        ({"arguments": "--n 3"}, "arguments must be a list of texts and numbers"),
        ({"arguments": [None]}, "arguments must be a list of texts and numbers"),
        ({"environment": {"A": 1}}, "environment must map names of variables to texts"),
        ({"environment": ["A"]}, "environment must map names of variables to texts"),
    ],
)
def test_a_bad_value_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError) as caught:
        ScriptJob(**({"script": "train.py"} | values))
    assert message in str(caught.value)


def test_runs_and_caches_below_the_source_folder_are_not_copied(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('done')")
    for name in (".git/config", "__pycache__/train.pyc", "outputs/old.txt", "data/numbers.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    backend = LocalBackend(tmp_path / "runs")
    for _ in range(2):
        run = backend.submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
        run.wait(60)
        assert [name for name in run.files() if name.startswith("code/")] == ["code/data/numbers.txt", "code/train.py"]


def test_an_exit_by_a_signal_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    run = LocalBackend(tmp_path / "runs").submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    run.wait(60)
    assert run.record.error == "train.py was ended by signal SIGSEGV"


def test_metrics_that_azureml_core_prints_outside_of_azure_are_collected(tmp_path: Path) -> None:
    # The two lines that azureml-core's Run.get_context().log("Accuracy", 0.98) prints; tests with the real
    # package are in the tox environment "azureml".
    (tmp_path / "train.py").write_text("print('Attempted to log scalar metric Accuracy:\\n0.98')")
    run = LocalBackend(tmp_path / "runs").submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    run.wait(60)
    assert run.metrics().latest == {"Accuracy": 0.98}
