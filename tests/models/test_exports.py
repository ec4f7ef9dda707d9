"""Exported formats, read by the tools of others."""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistlib import LocalBackend, MissingExtraError, ModelError, ModelVersion, TrainJob, load_dataset, load_model

SOLVERS = ["auto", "liblinear"]  # liblinear trains one-vs-rest classifiers


def registered(folder: Path, solver: str = "auto") -> ModelVersion:
    run = LocalBackend(folder).submit(TrainJob(dataset="digits", regularization=0.5, tol=1e-2, solver=solver))
    run.wait()
    return run.register_model("sklearn_mnist")


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.needs("skops")
def test_a_skops_file_loads_without_trust_and_gives_the_same_labels(tmp_path: Path, solver: str) -> None:
    version = registered(tmp_path / "runs", solver)
    version.export_skops(tmp_path / "model.skops")
    images = load_dataset("digits").test.images
    assert (load_model(tmp_path / "model.skops").predict_proba(images) == version.load().predict_proba(images)).all()


@pytest.mark.needs("skops")
def test_a_skops_output_of_a_run_is_registered_and_loads(tmp_path: Path) -> None:
    version = registered(tmp_path)
    backend = LocalBackend(tmp_path)
    version.export_skops(tmp_path / "default" / version.run_id / "outputs" / "model.skops")
    again = backend.attach(version.run_id).register_model("safe", output="outputs/model.skops")
    images = load_dataset("digits").test.images
    assert (again.load().predict(images) == version.load().predict(images)).all()


class Malice:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harm"),))


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.needs("skops")
def test_a_pickle_with_the_suffix_of_skops_is_never_unpickled(
    tmp_path: Path, trust: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model.skops", "model.SKOPS"):
        (tmp_path / name).write_bytes(pickle.dumps(Malice()))
        with pytest.raises(ModelError, match=r"is not a \.skops file"):
            load_model(tmp_path / name, trust=trust)
    assert not (tmp_path / "harm").exists()


@pytest.mark.needs("skops")
def test_a_skops_file_with_other_types_is_refused(tmp_path: Path) -> None:
    from skops import io as skops_io

    skops_io.dump(Malice(), tmp_path / "model.skops")
    with pytest.raises(ModelError, match="holds more than a plain model"):
        load_model(tmp_path / "model.skops")


@pytest.mark.needs("skops")
def test_a_damaged_skops_file_is_refused(tmp_path: Path) -> None:
    registered(tmp_path / "runs").export_skops(tmp_path / "model.skops")
    content = (tmp_path / "model.skops").read_bytes()
    for damaged in (b"", content[:500], content.replace(b"schema.json", b"schema.jsom")):
        (tmp_path / "model.skops").write_bytes(damaged)
        with pytest.raises(ModelError):
            load_model(tmp_path / "model.skops")


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.needs("skl2onnx", "onnxruntime")
def test_onnx_gives_the_same_labels_and_probabilities(tmp_path: Path, solver: str) -> None:
    import onnxruntime

    version = registered(tmp_path / "runs", solver)
    version.export_onnx(tmp_path / "model.onnx")
    images = load_dataset("digits").test.images
    pixels = images.reshape(len(images), -1) / np.float32(255)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    labels, probabilities = session.run(["label", "probabilities"], {"pixels": pixels})
    model = version.load()
    assert (labels == model.predict(images)).all()
    assert probabilities.shape == (355, 10)
    assert np.abs(probabilities - model.predict_proba(images)).max() < 1e-5


@pytest.mark.needs("skl2onnx")
def test_a_classifier_that_onnx_does_not_support_is_refused() -> None:
    from sklearn.base import BaseEstimator

    from mnistlib.models.exports import to_onnx

    class Own(BaseEstimator):  # type: ignore[misc]
        n_features_in_ = 4
        classes_ = np.arange(2)

    with pytest.raises(ModelError, match="a Own can't be written as ONNX"):
        to_onnx(Own())


@pytest.mark.parametrize(
    ("missing", "extra", "export"), [("skops", "skops", "export_skops"), ("skl2onnx", "onnx", "export_onnx")]
)
def test_without_the_extra_the_error_names_it_and_nothing_is_written(
    tmp_path: Path, missing: str, extra: str, export: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registered(tmp_path / "runs")
    for module in (missing, f"{missing}.io"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=f'needs the "{extra}" extra'):
        getattr(version, export)(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_without_skops_a_skops_file_is_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "skops", None)
    (tmp_path / "model.skops").write_bytes(pickle.dumps(Malice()))
    with pytest.raises(MissingExtraError, match='needs the "skops" extra'):
        load_model(tmp_path / "model.skops", trust=True)
    assert not (tmp_path / "harm").exists()
