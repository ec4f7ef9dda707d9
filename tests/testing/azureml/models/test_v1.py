"""The registry through azureml-core."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core")

from azureml.core import Model

from tests.testing.azureml.steps import Submit, finished

pytestmark = pytest.mark.filterwarnings("ignore")


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
