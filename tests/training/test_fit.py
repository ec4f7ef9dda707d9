from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from mnistlib import DataError, Dataset, load_dataset
from mnistlib.datasets import Split
from mnistlib.runs import RunContext
from mnistlib.training.fit import TrainedModel, train
from mnistlib.training.options import NORMALIZATIONS, SolverOptions
from mnistlib.training.solvers import SOLVERS

OPTIONS = SolverOptions(regularization=0.5, max_iter=2000, tol=1e-4, seed=42)


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    return RunContext(tmp_path)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


def fit(dataset: Dataset, context: RunContext, **changes: Any) -> TrainedModel:
    settings: dict[str, Any] = {"normalization": "unit", "solver": "auto", "options": OPTIONS}
    return train(dataset, context=context, **(settings | changes))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_the_model_takes_pixels_in_0_to_1_for_every_solver_and_normalization(
    digits: Dataset, context: RunContext, solver: str, normalization: str
) -> None:
    loose = SolverOptions(regularization=0.5, max_iter=300, tol=1e-2, seed=42)
    model = fit(digits, context, solver=solver, normalization=normalization, options=loose)
    answers = model.classifier.predict(digits.test.images.reshape(-1, 64) / 255)
    assert np.mean(answers == digits.test.labels) == context.metrics["accuracy"] > 0.9


def test_the_model_is_a_plain_scikit_learn_classifier(digits: Dataset, context: RunContext) -> None:
    assert type(fit(digits, context).classifier) is LogisticRegression


def test_liblinear_fits_one_class_against_the_rest(digits: Dataset, context: RunContext) -> None:
    classifier = fit(digits, context, solver="liblinear").classifier
    assert type(classifier) is OneVsRestClassifier
    assert len(classifier.estimators_) == 10


def test_the_regularization_is_one_over_c(digits: Dataset, context: RunContext) -> None:
    classifier = fit(digits, context, solver="lbfgs").classifier
    reference = LogisticRegression(C=2, max_iter=2000).fit(
        digits.train.images.reshape(-1, 64) / np.float32(255), digits.train.labels
    )
    assert np.allclose(classifier.coef_, reference.coef_, atol=1e-6)


@pytest.mark.parametrize("solver", ["auto", "saga"])
def test_the_same_training_gives_the_same_bits(digits: Dataset, context: RunContext, solver: str) -> None:
    loose = SolverOptions(regularization=0.5, max_iter=200, tol=1e-2, seed=42)
    first, second = (fit(digits, context, solver=solver, options=loose).classifier for _ in range(2))
    assert first.coef_.tobytes() == second.coef_.tobytes()


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_not_converged_is_in_result_metrics_and_log_but_not_a_warning(
    digits: Dataset, context: RunContext, tmp_path: Path, solver: str
) -> None:
    hasty = SolverOptions(regularization=0.001, max_iter=1, tol=1e-9, seed=42)
    assert not fit(digits, context, solver=solver, options=hasty).converged
    assert context.metrics["converged"] == 0
    assert "NOT CONVERGED" in (tmp_path / "logs/run.log").read_text()


def test_converged_is_said_too(digits: Dataset, context: RunContext) -> None:
    assert fit(digits, context).converged
    assert context.metrics["converged"] == 1
    assert context.metrics["iterations"] > 1


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_two_classes_are_trained(digits: Dataset, context: RunContext, solver: str) -> None:
    def two(split: Split) -> Split:
        return Split(split.images[split.labels < 2], split.labels[split.labels < 2])

    dataset = Dataset("two", two(digits.train), two(digits.test), ("0", "1"))
    fit(dataset, context, solver=solver, normalization="standard")
    assert context.metrics["accuracy"] > 0.97


def test_labels_with_gaps_are_trained(digits: Dataset, context: RunContext) -> None:
    def odd(split: Split) -> Split:
        return Split(split.images[split.labels % 2 == 1], split.labels[split.labels % 2 == 1])

    model = fit(Dataset("odd", odd(digits.train), odd(digits.test), digits.classes), context)
    assert model.classifier.classes_.tolist() == [1, 3, 5, 7, 9]
    assert context.metrics["accuracy"] > 0.9


def test_a_single_class_is_refused(digits: Dataset, context: RunContext) -> None:
    ones = Split(digits.train.images[digits.train.labels == 1], digits.train.labels[digits.train.labels == 1])
    with pytest.raises(DataError, match="all training images have the label 1"):
        fit(Dataset("ones", ones, digits.test, digits.classes), context)


@pytest.mark.mnist
@pytest.mark.slow
def test_the_tutorials_liblinear_gives_its_accuracy_on_the_real_mnist(mnist_folder: Path, context: RunContext) -> None:
    dataset = load_dataset("mnist", data_folder=mnist_folder.parent, download=False)
    options = SolverOptions(regularization=0.8, max_iter=1000, tol=1e-4, seed=42)
    fit(dataset, context, solver="liblinear", options=options)
    assert 0.9195 <= context.metrics["accuracy"] < 0.9215


@pytest.mark.mnist
@pytest.mark.slow
def test_auto_reaches_its_accuracy_on_the_real_mnist(mnist_folder: Path, context: RunContext) -> None:
    dataset = load_dataset("mnist", data_folder=mnist_folder.parent, download=False)
    options = SolverOptions(regularization=0.8, max_iter=1000, tol=1e-4, seed=42)
    assert fit(dataset, context, options=options).converged
    assert context.metrics["accuracy"] >= 0.925
