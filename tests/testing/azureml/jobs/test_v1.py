"""Script runs of azureml-core: the tutorial's own sequence of calls, and submission."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core")

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.conda_dependencies import CondaDependencies
from azureml.exceptions import ExperimentExecutionException

from mnistlib.testing.azureml import AzureMLEmulator
from tests.azureml import strangers
from tests.testing.azureml.steps import Submit, environment_of, finished

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


def test_a_job_for_an_unknown_cluster_is_refused(submit: Submit) -> None:
    with pytest.raises(ExperimentExecutionException, match="The compute target nowhere was not found"):
        submit("print('never')", target="nowhere")


def test_a_submission_that_is_sent_twice_runs_once(service: AzureMLEmulator, submit: Submit, workspace: Any) -> None:
    fault = service.faults.add("lost_answer", match="POST .*/snapshotrun")
    run = submit("print('once')")
    assert fault.count == 1
    assert finished(run) == "Completed"
    same = [found for found in Experiment(workspace, "tests").get_runs() if found.id == run.id]
    assert len(same) == 1
    posts = [request for request in service.requests if request.path.endswith("/snapshotrun")]
    assert [request.status for request in posts[-2:]] == [None, 200]


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
