"""The commands about registered models, by the installed console script."""

import json
import os
import re
from pathlib import Path

import pytest

from mnistlib import LocalBackend, TrainJob, load_model
from tests.cli.test_cli import one_line_of_error, run


@pytest.fixture
def run_id() -> str:
    return LocalBackend().run(TrainJob(dataset="digits", regularization=0.5, tol=1e-2)).run_id


@pytest.fixture
def registered(run_id: str) -> str:
    for description in ("the first", "the second"):
        run("register", run_id, "sklearn_mnist", "--description", description, "--tag", "stage=trial")
    return run_id


def test_register_prints_the_new_version(run_id: str) -> None:
    assert run("register", run_id, "m").stdout == "m:1\n"
    assert json.loads(run("register", run_id, "m", "--json").stdout)["version"] == 2


@pytest.mark.parametrize("command", [["models"], ["models", "list"], ["models", "list", "sklearn_mnist"]])
def test_models_lists_the_newest_first(registered: str, command: list[str]) -> None:
    head, second, first = run(*command).stdout.splitlines()
    assert head.split() == ["model", "version", "accuracy", "run", "created", "description"]
    assert re.match(r"sklearn_mnist +2 +0\.9\d+ +" + registered[:10], second)
    assert first.endswith("the first")


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_the_table_fits_the_terminal(registered: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registered
    monkeypatch.setenv("COLUMNS", str(columns))
    assert max(map(len, run("models").stdout.splitlines())) <= columns


def test_a_table_that_goes_into_a_pipe_is_whole(registered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    run("register", registered, "a" * 120)
    assert "a" * 120 in run("models").stdout


def test_list_json_has_all_that_is_known(registered: str) -> None:
    assert run("models", "--json").stdout == run("models", "list", "--json").stdout
    models = json.loads(run("models", "list", "--json").stdout)["models"]
    assert [model["version"] for model in models] == [2, 1]
    assert models[0]["run_id"] == registered
    assert models[0]["tags"] == {"stage": "trial"}
    assert set(models[0]) == {
        *("name", "version", "sha256", "metrics", "run_id", "description", "tags", "created", "file", "origin")
    }


def test_show_prints_the_newest_or_the_one_that_is_named(registered: str) -> None:
    assert registered in run("models", "show", "sklearn_mnist").stdout
    assert "the second" in run("models", "show", "sklearn_mnist").stdout
    assert "the first" in run("models", "show", "sklearn_mnist:1").stdout
    assert json.loads(run("models", "show", "sklearn_mnist:1", "--json").stdout)["version"] == 1


def test_download_writes_a_file_that_can_be_loaded(registered: str, tmp_path: Path) -> None:
    assert registered
    path = run("models", "download", "sklearn_mnist", tmp_path / "copy").stdout.strip()
    assert load_model(path).description == load_model(tmp_path / "copy").description


def test_delete_removes_versions_for_good(registered: str) -> None:
    assert run("models", "delete", "sklearn_mnist:2").stdout == "sklearn_mnist:2  deleted\n"
    assert run("register", registered, "sklearn_mnist").stdout == "sklearn_mnist:3\n"
    deleted = json.loads(run("models", "delete", "sklearn_mnist:1", "sklearn_mnist:3", "--json").stdout)
    assert deleted == {"deleted": ["sklearn_mnist:1", "sklearn_mnist:3"]}
    assert len(run("models").stdout.splitlines()) == 1


def test_another_runs_folder_can_be_named(registered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registered
    folder = os.environ["MNISTLIB_RUNS"]
    monkeypatch.setenv("MNISTLIB_RUNS", "elsewhere")
    assert "sklearn_mnist" in run("models", "list", "--runs", folder).stdout
    assert "sklearn_mnist" not in run("models").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models", "show", "nosuch"), "no model 'nosuch'"),
        (("models", "show", "sklearn_mnist:7"), "has no version 7; it has 1, 2"),
        (("models", "show", "sklearn_mnist:x"), "expected NAME or NAME:VERSION"),
        (("models", "delete", "sklearn_mnist"), "name each version"),
        (("models", "download", "a/b"), "a model's name must be"),
        (("register", "nosuch", "m"), "no run 'nosuch'"),
    ],
)
def test_a_foreseen_failure_is_one_line_and_status_1(registered: str, arguments: tuple[str, ...], message: str) -> None:
    assert registered
    assert message in one_line_of_error(*arguments)


@pytest.mark.parametrize("command", [["register"], ["models"], *(["models", a] for a in ("list", "show", "download"))])
def test_help_is_there_for_every_command(command: list[str]) -> None:
    assert run(*command, "--help").stdout.startswith("usage: mnistlib")
