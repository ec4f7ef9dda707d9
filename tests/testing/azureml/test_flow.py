"""The tutorial's own sequence of calls, and what else a run goes through."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core", reason="the extra azureml is not installed")

from azureml.core import Environment, Experiment, Model, Run, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.conda_dependencies import CondaDependencies
from azureml.exceptions import ActivityFailedException

from mnistlib.testing.azureml import AzureMLEmulator
from tests.azureml import strangers
from tests.testing.azureml.steps import Submit, environment_of, finished, log_of, make_cluster, wait_until

pytestmark = pytest.mark.filterwarnings("ignore")

TRAIN = """\
import argparse
import os
import joblib
import numpy as np
from azureml.core import Run
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("--data-folder", type=str, dest="data_folder")
parser.add_argument("--regularization", type=float, dest="reg")
args = parser.parse_args()
print("Data folder:", args.data_folder)
data = np.load(os.path.join(args.data_folder, "digits.npz"))
run = Run.get_context()
clf = LogisticRegression(C=1.0 / args.reg, solver="liblinear" if False else "lbfgs", random_state=42, max_iter=200)
clf.fit(data["X"], data["y"])
acc = np.mean(clf.predict(data["X"]) == data["y"])
print("Accuracy is", acc)
run.log("regularization rate", float(args.reg))
run.log("accuracy", float(acc))
os.makedirs("outputs", exist_ok=True)
joblib.dump(value=clf, filename="outputs/sklearn_mnist_model.pkl")
"""


def test_the_tutorial_runs_as_it_stands(service: AzureMLEmulator, tmp_path: Path, capsys: Any) -> None:
    import numpy as np

    data, script_folder = tmp_path / "data", tmp_path / "sklearn-mnist"
    data.mkdir()
    script_folder.mkdir()
    X = np.vstack([np.eye(10), np.eye(10) * 2])
    np.savez(data / "digits.npz", X=X, y=np.tile(np.arange(10), 2))
    (script_folder / "train.py").write_text(TRAIN)

    ws = Workspace.from_config(service.config_path)
    exp = Experiment(workspace=ws, name="sklearn-mnist")
    name = "tutorial"
    try:
        compute_target = ComputeTarget(ws, name)
        pytest.fail("the cluster was found before it was made")
    except ComputeTargetException:
        settings = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", min_nodes=0, max_nodes=4)
        compute_target = ComputeTarget.create(ws, name, settings)
        compute_target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
    assert compute_target.get_status().serialize()["currentNodeCount"] == 0

    datastore = ws.get_default_datastore()
    datastore.upload(src_dir=str(data), target_path="mnist", overwrite=True, show_progress=True)
    reference = datastore.path("mnist").as_mount()
    env = Environment("tutorial-env")
    env.python.conda_dependencies = CondaDependencies.create(
        pip_packages=["azureml-defaults"], conda_packages=["scikit-learn"]
    )
    env.register(workspace=ws)
    src = ScriptRunConfig(
        source_directory=str(script_folder),
        script="train.py",
        arguments=["--data-folder", str(reference), "--regularization", 0.5],
        compute_target=compute_target,
        environment=env,
    )
    src.run_config.data_references[reference.data_reference_name] = reference.to_config()
    run = exp.submit(config=src)
    run.wait_for_completion(show_output=True)

    assert "Accuracy is 1.0" in capsys.readouterr().out
    assert run.get_metrics() == {"regularization rate": 0.5, "accuracy": 1.0}
    assert "outputs/sklearn_mnist_model.pkl" in run.get_file_names()
    model = run.register_model(model_name="sklearn_mnist", model_path="outputs/sklearn_mnist_model.pkl")
    assert (model.name, model.version) == ("sklearn_mnist", 1)
    compute_target.delete()
    assert name not in ws.compute_targets
    assert strangers(service) == []


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
    wait_until(lambda: not _is_alive(int((tmp_path / "child.txt").read_text())))


def _is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_metrics_of_every_form_come_back(submit: Submit) -> None:
    run = submit(
        """
        from azureml.core import Run
        run = Run.get_context()
        run.log("once", 0.5)
        for value in (3, 2, 1):
            run.log("loss", value)
        run.log_list("list", [1, 2, 3])
        run.log_row("row", x=1, y=2)
        run.tag("kind", "small")
        run.add_properties({"digest": "abc"})
        run.upload_file("table.txt", __file__)
        """,
        packages=("azureml-core",),
    )
    assert finished(run) == "Completed"
    assert run.get_metrics() == {"once": 0.5, "loss": [3, 2, 1], "list": [1, 2, 3], "row": {"x": 1, "y": 2}}
    assert run.get_tags()["kind"] == "small"
    assert run.get_properties()["digest"] == "abc"
    assert "table.txt" in run.get_file_names()


def test_children_have_metrics_of_their_own(submit: Submit) -> None:
    run = submit(
        """
        from azureml.core import Run
        parent = Run.get_context()
        for rate in (0.1, 1.0):
            with parent.child_run(name=f"rate {rate}") as child:
                child.log("rate", rate)
        """,
        packages=("azureml-core",),
    )
    assert finished(run) == "Completed"
    children = list(run.get_children())
    assert {child.get_metrics()["rate"] for child in children} == {0.1, 1.0}
    assert {child.get_status() for child in children} == {"Completed"}
    assert {child.parent.id for child in children} == {run.id}


def test_children_can_be_jobs_of_their_own(workspace: Any, cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("from azureml.core import Run\nRun.get_context().log('x', 1)")
    settings = ScriptRunConfig(
        str(tmp_path), script="train.py", compute_target=cluster, environment=environment_of("azureml-core")
    )
    with Experiment(workspace, "sweep").start_logging(snapshot_directory=None) as parent:
        children = [parent.submit_child(settings) for _ in range(3)]
        assert [finished(child) for child in children] == ["Completed"] * 3
    assert {child.id for child in parent.get_children()} == {child.id for child in children}
    assert [child.get_metrics() for child in children] == [{"x": 1}] * 3
    assert [run.id for run in Experiment(workspace, "sweep").get_runs()] == [parent.id]


def test_a_job_can_register_its_own_model(submit: Submit, workspace: Any) -> None:
    run = submit(
        """
        from azureml.core import Run
        open("model.txt", "w").write("weights")
        run = Run.get_context()
        # Not under outputs/: the node sends what lies there too, and the second upload of a name is a conflict.
        run.upload_file("own/model.txt", "model.txt")
        run.register_model("own", model_path="own/model.txt")
        """,
        packages=("azureml-core",),
    )
    assert finished(run) == "Completed", run.get_details()["error"]
    assert Model(workspace, "own").run_id == run.id


def test_cancelling_a_queued_run_takes_it_out_of_the_queue(workspace: Any, submit: Submit) -> None:
    cluster = make_cluster(workspace, "one-node", nodes=1)
    first = submit("import time; time.sleep(600)", target=cluster)
    wait_until(lambda: first.get_status() == "Running")
    second = submit("import time; time.sleep(600)", target=cluster)
    assert second.get_status() == "Queued"
    second.cancel()
    assert finished(second) == "Canceled"
    first.cancel()
    assert finished(first) == "Canceled"
    cluster.delete()


def test_runs_are_found_again(submit: Submit, workspace: Any) -> None:
    run = submit("print('x')")
    run.tag("mark", run.id[-8:])
    finished(run)
    experiment = Experiment(workspace, "tests")
    assert [found.id for found in experiment.get_runs(tags={"mark": run.id[-8:]})] == [run.id]
    assert Run(experiment, run.id).get_status() == "Completed"
    assert workspace.get_run(run.id).id == run.id
    assert "tests" in workspace.experiments
    statuses = run.get_details()["status"]
    assert statuses == "Completed"


def test_an_interactive_run_needs_no_cluster(workspace: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)  # the SDK sends what lies in outputs/ here
    (tmp_path / "outputs" / "a folder").mkdir(parents=True)
    (tmp_path / "outputs" / "a folder" / "100% gut ä.txt").write_text("odd")
    run = Experiment(workspace, "interactive").start_logging(snapshot_directory=None)
    run.log("accuracy", 0.9)
    (tmp_path / "notes.txt").write_text("notes")
    run.upload_file("outputs/notes.txt", str(tmp_path / "notes.txt"))
    run.complete()
    again = workspace.get_run(run.id)
    assert again.get_status() == "Completed"
    assert again.get_metrics() == {"accuracy": 0.9}
    again.download_files(prefix="outputs", output_directory=str(tmp_path / "back"))
    assert (tmp_path / "back" / "outputs" / "notes.txt").read_text() == "notes"
    assert (tmp_path / "back" / "outputs" / "a folder" / "100% gut ä.txt").read_text() == "odd"


def test_an_unchanged_project_is_not_sent_again(service: AzureMLEmulator, submit: Submit) -> None:
    first = submit("print('one')")
    finished(first)
    before = len(service.requests)
    second = submit("print('one')")
    sent = [request for request in service.requests[before:] if "/content/" in request.path or request.method == "PUT"]
    assert sent == []
    before = len(service.requests)
    third = submit("print('two')")
    sent = [request for request in service.requests[before:] if request.method == "PUT"]
    assert len(sent) == 1
    assert finished(second) == finished(third) == "Completed"


def test_of_a_changed_project_only_the_changes_are_sent(
    service: AzureMLEmulator, submit: Submit, tmp_path: Path
) -> None:
    (tmp_path / "project" / "lib").mkdir(parents=True)
    (tmp_path / "project" / "lib" / "words.txt").write_text("kept")
    (tmp_path / "project" / "gone.txt").write_text("gone")
    code = "import os; print(open('lib/words.txt').read(), os.path.exists('gone.txt'))"
    first = submit(code)
    assert finished(first) == "Completed"
    (tmp_path / "project" / "gone.txt").unlink()
    before = len(service.requests)
    second = submit(code + "  # changed")
    assert finished(second) == "Completed"
    uploads = [request for request in service.requests[before:] if request.path.startswith("/snapshots/")]
    assert [request.method for request in uploads].count("PUT") == 1
    assert log_of(second, tmp_path) == "kept False\n"
    assert Path(second.restore_snapshot(path=str(tmp_path))).exists()


def test_a_submission_that_is_sent_twice_runs_once(service: AzureMLEmulator, submit: Submit, workspace: Any) -> None:
    fault = service.faults.add("lost_answer", match="POST .*/snapshotrun")
    run = submit("print('once')")
    assert fault.count == 1
    assert finished(run) == "Completed"
    same = [found for found in Experiment(workspace, "tests").get_runs() if found.id == run.id]
    assert len(same) == 1
    posts = [request for request in service.requests if request.path.endswith("/snapshotrun")]
    assert [request.status for request in posts[-2:]] == [None, 200]


def test_a_model_is_registered_found_and_downloaded(submit: Submit, workspace: Any, tmp_path: Path) -> None:
    run = submit("open('outputs/model.txt', 'w').write('weights')")
    finished(run)
    for _ in range(2):
        model = run.register_model(
            "weights",
            model_path="outputs/model.txt",
            tags={"kind": "small"},
            properties={"accuracy": "0.9"},
            model_framework=Model.Framework.SCIKITLEARN,
            model_framework_version="1.6",
        )
    assert model.version == 2
    assert [found.version for found in Model.list(workspace, name="weights")] == [2, 1]
    again = Model(workspace, "weights")
    assert (again.version, again.tags, again.properties) == (2, {"kind": "small"}, {"accuracy": "0.9"})
    assert again.run_id == run.id
    assert Path(again.download(str(tmp_path / "model"))).read_text() == "weights"
    again.add_tags({"more": "yes"})
    assert Model(workspace, "weights", version=2).tags == {"kind": "small", "more": "yes"}
    Model(workspace, "weights", version=1).delete()
    assert [found.version for found in Model.list(workspace, name="weights")] == [2]


def test_a_model_can_come_from_the_disk(workspace: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)  # the SDK takes nothing from elsewhere
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    model = Model.register(workspace, model_path=str(folder), model_name="from-disk")
    place = Path(model.download(str(tmp_path / "back")))
    assert sorted(path.name for path in place.rglob("*.txt")) == ["a.txt", "b.txt"]


def test_an_environment_has_a_new_version_only_when_it_changes(workspace: Any) -> None:
    environment = Environment("versions")
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["numpy"])
    assert environment.register(workspace).version == "1"
    assert environment.register(workspace).version == "1"
    environment.python.conda_dependencies.add_pip_package("scipy")
    assert environment.register(workspace).version == "2"
    assert Environment.get(workspace, "versions", version="1").version == "1"
    assert "versions" in Environment.list(workspace)
    assert Environment.get(workspace, "AzureML-sklearn-1.5").version == "1"
    with pytest.raises(Exception, match="versions-not-there was not found"):
        Environment.get(workspace, "versions-not-there")
