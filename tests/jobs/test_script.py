from pathlib import Path
from typing import Any

import pytest

from mnistlib import JobError, JobFailedError, LocalBackend, ScriptJob


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
        ({"arguments": "--n 3"}, "arguments must be a list of strings and numbers"),
        ({"arguments": [None]}, "arguments must be a list of strings and numbers"),
        ({"environment": {"A": 1}}, "environment must map names of variables to strings"),
        ({"environment": ["A"]}, "environment must map names of variables to strings"),
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


def test_a_broken_link_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('done')")
    (tmp_path / ".#train.py").symlink_to("nobody@nowhere:1")  # as Emacs marks a file that is being edited
    run = LocalBackend(tmp_path / "runs").submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    run.result(60)
    assert [name for name in run.files() if name.startswith("code/")] == ["code/train.py"]


def test_an_exit_by_a_signal_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    run = LocalBackend(tmp_path / "runs").submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    run.wait(60)
    assert run.record.error == "train.py was ended by signal SIGSEGV"


@pytest.mark.parametrize(
    "text",
    [
        # The output of azureml-core 1.61: first copied, then by azureml-core itself, if installed.
        "print('Attempted to log scalar metric Accuracy:\\n0.98')\nprint('Attempted to log list metric xs:\\n[1, 2]')",
        pytest.param(
            "from azureml.core import Run\nrun = Run.get_context()\n"
            "run.log('Accuracy', 0.98)\nrun.log_list('xs', [1, 2])",
            marks=pytest.mark.needs("azureml.core"),
        ),
    ],
    ids=["printed", "azureml-core"],
)
def test_metrics_of_a_script_written_for_azure_ml_are_collected(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.py").write_text(text)
    run = LocalBackend(tmp_path / "runs").submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    run.wait(60)
    assert run.metrics() == {"Accuracy": [(0, 0.98)], "xs": [(0, 1.0), (1, 2.0)]}


def test_a_source_folder_that_is_the_runs_folder_is_not_copied_into_itself(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('done')")
    backend = LocalBackend(tmp_path)
    for _ in range(2):
        run = backend.submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
        assert run.wait(60) == "completed"
    assert [name for name in run.files() if name.startswith("code/")] == ["code/train.py"]


def test_a_script_that_spoils_its_runs_record_fails_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import os\nrecord = os.environ['MNISTLIB_RUN'] + '/run.json'\nos.remove(record)\nos.mkdir(record)"
    )
    run = LocalBackend(tmp_path / "runs").submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    with pytest.raises(JobFailedError, match=r"failed: (IsADirectory|Permission)Error|failed: OSError"):
        run.result(60)


def test_a_script_that_spoils_its_metrics_keeps_the_good_ones(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import os, mnistlib\nmnistlib.current_run().log_metric('loss', 1)\n"
        "open(os.environ['MNISTLIB_RUN'] + '/metrics.jsonl', 'a').write('nonsense\\n[1]\\n')\n"
        "mnistlib.current_run().log_metric('loss', 2)\n"
    )
    run = LocalBackend(tmp_path / "runs").submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    assert run.wait(60) == "completed"
    assert run.metrics() == {"loss": [(0, 1.0), (1, 2.0)]}
