"""Jobs on their nodes: their environment, their files, and how they end."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core")

from azureml.core import Experiment, ScriptRunConfig
from azureml.exceptions import ActivityFailedException

from tests.testing.azureml.steps import Submit, finished, is_alive, log_of, wait_until

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_failing_script_is_a_failed_run_with_its_last_line(submit: Submit, tmp_path: Path) -> None:
    run = submit("print('before')\nraise ValueError('no such rate')")
    assert finished(run) == "Failed"
    with pytest.raises(ActivityFailedException, match="User program failed with ValueError: no such rate"):
        run.wait_for_completion()
    assert "before\nTraceback" in log_of(run, tmp_path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit(3)", "Process exited with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "Process was ended by signal SIGSEGV"),
    ],
)
def test_how_a_process_ended_is_said(submit: Submit, code: str, message: str) -> None:
    run = submit(code)
    assert finished(run) == "Failed"
    assert message in run.get_details()["error"]["error"]["message"]


def test_a_job_computes_with_the_kernels_of_this_machine(submit: Submit, monkeypatch: Any) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    run = submit("import os, sys; sys.exit(os.environ['OPENBLAS_CORETYPE'] != 'Nehalem')")
    assert finished(run) == "Completed"


def test_a_job_sees_only_what_a_cluster_gives(submit: Submit, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("A_SECRET", "planted")
    run = submit(
        """
        import os, subprocess, sys
        print(sorted(name for name in os.environ if "SECRET" in name or "PASSWORD" in name or name == "PYTHONPATH"))
        print(os.listdir("."), os.path.expanduser("~") == os.environ["HOME"], os.listdir(os.environ["HOME"]))
        for python in (sys.executable, "python"):
            print(subprocess.run([python, "-c", "import mnistlib"], capture_output=True, text=True).stderr)
        import mnistlib
        """
    )
    assert finished(run) == "Failed"
    assert "ModuleNotFoundError: No module named 'mnistlib'" in run.get_details()["error"]["error"]["message"]
    log = log_of(run, tmp_path)
    assert log.count("ModuleNotFoundError: No module named 'mnistlib'") == 3
    assert log.startswith("[]\n['train.py', 'outputs', 'logs'] True []\n") or "[]\n" in log


def test_an_import_works_if_the_environment_asks_for_it(submit: Submit) -> None:
    code = "import joblib, sklearn, scipy; print(sklearn.__version__)"
    without, with_it = submit(code), submit(code, packages=("scikit-learn",))
    assert finished(without) == "Failed"
    assert "No module named 'joblib'" in without.get_details()["error"]["error"]["message"]
    assert finished(with_it) == "Completed"


def test_a_command_runs_in_the_snapshots_folder_with_the_environments_python(
    workspace: Any, cluster: Any, tmp_path: Path
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text("import sys\nprint('arguments', sys.argv[1:])")
    settings = ScriptRunConfig(str(tmp_path), command=["python", "-m", "package", "a", "1"], compute_target=cluster)
    settings.run_config.environment.python.user_managed_dependencies = True
    run = Experiment(workspace, "tests").submit(settings)
    assert finished(run) == "Completed"
    assert log_of(run, tmp_path) == "arguments ['a', '1']\n"


def test_logs_and_outputs_can_be_read_while_the_job_runs(submit: Submit, tmp_path: Path) -> None:
    run = submit(
        """
        import os, time
        open("outputs/early.txt", "w").write("early")
        print("waiting")
        while not os.path.exists("outputs/never"):
            time.sleep(0.01)
        """
    )
    wait_until(lambda: "outputs/early.txt" in run.get_file_names())
    wait_until(lambda: log_of(run, tmp_path) == "waiting\n")
    assert run.get_status() == "Running"
    run.cancel()
    assert finished(run) == "Canceled"


def test_cancelling_ends_the_job_and_its_children(submit: Submit, tmp_path: Path) -> None:
    run = submit(
        """
        import signal, subprocess, sys, time
        def end(*_):
            open("outputs/last.txt", "w").write("last words")
            sys.exit(1)
        signal.signal(signal.SIGTERM, end)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open("outputs/child.txt", "w").write(str(child.pid))
        time.sleep(600)
        """
    )
    wait_until(lambda: "outputs/child.txt" in run.get_file_names())
    run.download_file("outputs/child.txt", str(tmp_path / "child.txt"))
    run.cancel()
    assert finished(run) == "Canceled"
    assert "outputs/last.txt" in run.get_file_names()
    wait_until(lambda: not is_alive(int((tmp_path / "child.txt").read_text())))
