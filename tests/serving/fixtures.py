"""Fixtures with models of many kinds, each served by one server for all tests of a process."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mnistlib import load_dataset, load_model
from mnistlib.models.artifact import SavedModel, pickle_classifier
from tests.serving.busy import Busy
from tests.serving.servers import Server, serving


@pytest.fixture(scope="session")
def odd_models() -> ModuleType:
    """The module of odd classifiers, under the name by which a server imports it."""
    file = Path(__file__).with_name("odd_models.py")
    spec = importlib.util.spec_from_file_location("odd_models", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["odd_models"] = module
    spec.loader.exec_module(module)
    return module


def _script_like(size: int) -> Any:
    """Train a script's model on images of MNIST's size: digits with repeated and padded pixels."""
    from sklearn.linear_model import LogisticRegression

    train = load_dataset("digits").train
    images = np.pad(np.kron(train.images[:300], np.ones((3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2)))
    assert images.shape[1:] == (size, size)
    return LogisticRegression(max_iter=200).fit(images.reshape(300, -1) / 255, train.labels[:300])


def _classifier(name: str) -> Any:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC, LinearSVC

    X, y = load_iris(return_X_y=True)
    if name == "iris":
        return LogisticRegression(max_iter=1000).fit(X, y)
    if name == "binary":
        return LogisticRegression(max_iter=1000).fit(X, y == 1)
    if name == "words":
        return LogisticRegression(max_iter=1000).fit(X, np.array(["setosa", "versicolor", "virginica"])[y])
    if name == "objects":
        return LogisticRegression(max_iter=1000).fit(X, np.array(["setosa", "versicolor", "virginica"], object)[y])
    if name == "sparse":
        return LogisticRegression(max_iter=1000).fit(X, y).sparsify()
    if name == "linear-svc":
        return LinearSVC(random_state=0).fit(X, y)
    if name == "svc":
        return SVC().fit(X, y)
    assert name == "script"
    return _script_like(28)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Creates the model file of a script, without a description."""
    folder = tmp_path_factory.mktemp("models")

    def make(name: str) -> Path:
        file = folder / f"{name}.joblib"
        if not file.exists():
            file.write_bytes(pickle_classifier(_classifier(name)))
        return file

    return make


@pytest.fixture(scope="session")
def server_of(
    runs_folder: Path, model_file: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Server]]:
    """Returns the server of a model, started on first use: ``digits``, or a script's model."""
    folder, started = tmp_path_factory.mktemp("servers"), dict[str, Server]()
    with ExitStack() as stack:

        def server(name: str) -> Server:
            if name not in started:
                model = ["digits"] if name == "digits" else [model_file(name), "--trust"]
                started[name] = stack.enter_context(serving(folder, *model, "--runs", runs_folder))
            return started[name]

        yield server


@pytest.fixture
def server(server_of: Callable[[str], Server]) -> Server:
    """A server of the digits model; its shape is 8 x 8."""
    return server_of("digits")


@pytest.fixture(scope="session")
def script_model(model_file: Callable[[str], Path]) -> SavedModel:
    return load_model(model_file("script"), trust=True)


@pytest.fixture
def blocking(odd_models: Any, tmp_path: Path) -> Callable[..., AbstractContextManager[Busy]]:
    """Starts a server with a model that blocks."""

    @contextmanager
    def start(*arguments: object) -> Iterator[Busy]:
        import joblib

        (tmp_path / "calls").mkdir()
        joblib.dump(odd_models.Blocking(tmp_path), tmp_path / "model.joblib")
        with serving(tmp_path, tmp_path / "model.joblib", "--trust", *arguments) as server:
            busy = Busy(server, tmp_path)
            try:
                yield busy
            finally:
                busy.close()

    return start
