"""Descriptions of backends."""

import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mnistlib import BackendError, JobError, get_backend
from mnistlib.backends import Backend, specs
from mnistlib.backends.spec import BackendSpec, Connection, Options, _found, chosen_name, spec_of
from mnistlib.lazy import imported
from mnistlib.options import options_in

TOY = """
from dataclasses import dataclass
from mnistlib import LocalBackend
from mnistlib.backends.spec import BackendSpec, Connection
from mnistlib.options import option, whole

@dataclass(frozen=True, kw_only=True)
class ToyConnection(Connection):
    max_workers: int = option(1, "jobs that run at a time", check=whole(1))

class Toy(LocalBackend):
    pass

SPEC = BackendSpec(name="toy", backend="toy_backend:Toy", connection=ToyConnection)
"""

each_own = pytest.mark.parametrize("name", ["local", "azureml", "azureml-v2"])


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes a distribution with an entry point for a backend, and adds it to sys.path."""

    def make(module: str, target: str = "toy_backend:SPEC") -> None:
        (tmp_path / "toy_backend.py").write_text(module)
        about = tmp_path / "toy-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[mnistlib.backends]\ntoy = {target}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        _found.cache_clear()

    yield make
    sys.modules.pop("toy_backend", None)
    _found.cache_clear()


def test_the_backends_of_this_package_are_found_with_local_first() -> None:
    assert list(specs())[:3] == ["local", "azureml", "azureml-v2"]


def test_the_error_of_an_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(BackendError, match="unknown backend 'nosuch': expected one of local, azureml"):
        spec_of("nosuch")


def test_the_backend_is_the_given_one_else_that_of_the_environment_else_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MNISTLIB_BACKEND", raising=False)
    assert chosen_name() == "local"
    monkeypatch.setenv("MNISTLIB_BACKEND", "azureml")
    assert (chosen_name(), chosen_name("local")) == ("azureml", "local")


@each_own
def test_the_options_of_a_connection_are_parameters_of_the_class(name: str) -> None:
    cls = imported(spec_of(name).backend)
    assert issubclass(cls, Backend)
    parameters = inspect.signature(cls).parameters
    assert {field.name for field, _ in options_in(spec_of(name).connection)} <= set(parameters)


@each_own
def test_the_options_of_a_submission_are_parameters_of_submit(name: str) -> None:
    parameters = inspect.signature(imported(spec_of(name).backend).submit).parameters
    assert {field.name for field, _ in options_in(spec_of(name).submission)} <= set(parameters)


@each_own
def test_the_doctor_of_a_backend_takes_the_options_of_its_connection(name: str) -> None:
    parameters = inspect.signature(imported(spec_of(name).doctor)).parameters
    assert {field.name for field, _ in options_in(spec_of(name).connection)} <= set(parameters)


def test_a_spec_needs_only_a_name_and_a_class() -> None:
    spec = BackendSpec(name="plain", backend="nowhere:Backend")
    assert (spec.node, spec.connection, spec.submission, spec.deployment) == (None, Connection, Options, Options)


def test_a_backend_of_another_distribution_is_found_by_its_entry_point(
    distribution: Callable[[str], None], tmp_path: Path
) -> None:
    distribution(TOY)
    backend = get_backend("toy", runs_folder=tmp_path / "runs")
    assert type(backend).__name__ == "Toy"


def test_the_options_of_its_connection_are_checked(distribution: Callable[[str], None], tmp_path: Path) -> None:
    distribution(TOY)
    assert isinstance(get_backend("toy", runs_folder=tmp_path, max_workers=2), Backend)
    with pytest.raises(JobError, match="max_workers must be a whole number, at least 1, not 0"):
        get_backend("toy", max_workers=0)


UNUSABLE = {
    "import nosuchmodule": "raises ModuleNotFoundError: No module named 'nosuchmodule'",
    "raise SystemExit(3)": "raises SystemExit: 3",
    "SPEC = 3": "is not a BackendSpec, but 3",
    TOY.replace('name="toy"', 'name="other"'): "has the name 'other': the entry point needs the same name",
    TOY.replace("connection=ToyConnection", "connection=int"): "has connection=<class 'int'>: expected a dataclass",
    TOY.replace("max_workers: int = option(1, ", "fast: bool = option(True, ").replace(", check=whole(1)", ""): (
        "needs a flag= for the option fast, which is True by default"
    ),
    TOY.replace("max_workers: int = option(1, ", "config: int = option(1, "): (
        "has an option config of another type than the backend azureml"
    ),
}


@pytest.mark.parametrize(("module", "reason"), UNUSABLE.items(), ids=range(len(UNUSABLE)))
def test_a_backend_that_cannot_be_used_is_logged_and_the_others_work(
    distribution: Callable[[str], None], caplog: pytest.LogCaptureFixture, module: str, reason: str
) -> None:
    distribution(module)
    with caplog.at_level(logging.WARNING, "mnistlib"):
        assert list(specs()) == ["local", "azureml", "azureml-v2"]
    assert f"cannot load the backend toy: toy_backend:SPEC {reason}" in caplog.text


def test_the_error_for_a_backend_that_cannot_be_used_has_the_reason(distribution: Callable[[str], None]) -> None:
    distribution("SPEC = 3")
    with pytest.raises(BackendError, match="cannot load the backend toy: toy_backend:SPEC is not a BackendSpec"):
        get_backend("toy")


def test_another_distribution_does_not_replace_a_backend_of_this_package(
    distribution: Callable[[str], None],
) -> None:
    distribution(TOY.replace('"toy"', '"local"'))
    assert spec_of("local").backend == "mnistlib.backends.local.backend:LocalBackend"
