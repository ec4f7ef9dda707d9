"""The installed console script, as a person and a shell script meet it."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistlib import LocalBackend, ScriptJob, load_dataset, write_idx
from mnistlib.cli.parser import make_parser

SCRIPT = Path(sysconfig.get_path("scripts"), "mnistlib")
FAST = ("--dataset", "digits", "--regularization", "0.5", "--tol", "0.01")


def run(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def one_line_of_error(*arguments: str | Path) -> str:
    """The one line that a foreseen failure prints; nothing else, and exit status 1."""
    done = run(*arguments, check=False)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    errors = [line for line in lines if line.startswith("mnistlib: error: ")]
    assert errors == lines[-1:]
    assert "Traceback" not in done.stderr
    return errors[0]


@pytest.fixture
def run_id() -> str:
    identifier = json.loads(run("train", *FAST, "--json").stdout)["run_id"]
    assert isinstance(identifier, str)
    return identifier


def test_train_prints_the_result_on_stdout_and_talk_on_stderr() -> None:
    done = run("train", *FAST)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["run", "accuracy", "converged", "model"]
    assert "fitting 1442 images" in done.stderr


def test_train_json_is_one_object_with_the_promised_keys() -> None:
    result = json.loads(run("train", *FAST, "--json", "--experiment", "mine").stdout)
    assert result["status"] == "completed"
    assert result["converged"] is True
    assert result["metrics"]["accuracy"] > 0.9
    assert Path(result["path"]) == Path(os.environ["MNISTLIB_RUNS"], "mine", result["run_id"])
    assert Path(result["model"]).is_file()


def test_quiet_leaves_results_only() -> None:
    assert run("train", *FAST, "-q").stderr == ""


def test_not_converged_is_said_plainly() -> None:
    done = run("train", "--dataset", "digits", "--max-iter", "1")
    assert "converged  NO, stopped after 1 iterations" in done.stdout
    assert "NOT CONVERGED" in done.stderr
    assert "Warning" not in done.stderr


def test_every_option_of_train_reaches_the_job(tmp_path: Path) -> None:
    options = {
        "dataset": "digits",
        "data_folder": str(tmp_path),
        "limit": 200,
        "validation": 0.25,
        "normalization": "standard",
        "regularization": 2.0,
        "solver": "saga",
        "max_iter": 7,
        "tol": 0.5,
        "seed": 3,
    }
    flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    result = json.loads(run("train", *flags, "--no-download", "--json", "--runs", tmp_path / "runs").stdout)
    job = json.loads(Path(result["path"], "job.json").read_bytes())
    assert job == {"type": "train", "download": False} | options
    assert Path(result["path"]).is_relative_to(tmp_path / "runs")


def test_train_runs_from_a_folder(tmp_path: Path) -> None:
    digits = load_dataset("digits")
    for name, array in (
        ("train-images.idx3-ubyte", digits.train.images),
        ("train-labels.idx1-ubyte", digits.train.labels),
        ("test-images.gz", digits.test.images),
        ("test-labels.gz", digits.test.labels),
    ):
        write_idx(tmp_path / name, array)
    assert json.loads(run("train", "--dataset", tmp_path, "--json").stdout)["metrics"]["accuracy"] > 0.9


def test_evaluate_prints_accuracy_confusion_precision_and_recall(run_id: str) -> None:
    text = run("evaluate", run_id).stdout
    evaluation = json.loads(run("evaluate", run_id, "--json").stdout)
    assert f"accuracy {evaluation['accuracy']:.4f} on 355 test images" in text
    assert evaluation["images"] == "test"
    assert "precision  recall" in text
    assert np.array(evaluation["confusion"]).shape == (10, 10)
    assert np.sum(evaluation["confusion"]) == evaluation["count"] == 355
    assert len(evaluation["precision"]) == len(evaluation["recall"]) == 10


def test_predict_prints_a_label_for_each_image(run_id: str, tmp_path: Path) -> None:
    test = load_dataset("digits").test
    write_idx(tmp_path / "images.gz", test.images)
    labels = np.array(run("predict", run_id, tmp_path / "images.gz").stdout.split(), int)
    assert np.mean(labels == test.labels) > 0.9
    assert json.loads(run("predict", run_id, tmp_path / "images.gz", "--json").stdout)["labels"] == labels.tolist()


def test_predict_takes_a_run_folder_a_model_file_and_on_trust_a_foreign_pickle(run_id: str, tmp_path: Path) -> None:
    write_idx(tmp_path / "images", load_dataset("digits").test.images)
    folder = Path(os.environ["MNISTLIB_RUNS"], "default", run_id)
    model = folder / "outputs/sklearn_mnist_model.pkl"
    shutil.copy(model, tmp_path / "foreign.pkl")
    expected = run("predict", run_id, tmp_path / "images").stdout
    assert run("predict", folder, tmp_path / "images").stdout == expected
    assert run("predict", model, tmp_path / "images").stdout == expected
    assert "--trust" in one_line_of_error("predict", tmp_path / "foreign.pkl", tmp_path / "images")
    assert run("predict", "--trust", tmp_path / "foreign.pkl", tmp_path / "images").stdout == expected


def test_predict_of_no_images_prints_nothing(run_id: str, tmp_path: Path) -> None:
    write_idx(tmp_path / "none", np.zeros((0, 8, 8), np.uint8))
    assert run("predict", run_id, tmp_path / "none").stdout == ""
    assert json.loads(run("predict", run_id, tmp_path / "none", "--json").stdout) == {"labels": []}


def test_info_prints_the_headers_of_files(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", np.zeros((3, 4, 5), np.int16))
    write_idx(tmp_path / "b.gz", np.float64(1))
    text = run("info", tmp_path / "a", tmp_path / "b.gz").stdout.splitlines()
    assert text[0].endswith("a: int16, 3 x 4 x 5, 120 bytes of data")
    assert text[1].endswith("b.gz: float64, one element, 8 bytes of data")
    assert json.loads(run("info", tmp_path / "a", "--json").stdout)[str(tmp_path / "a")]["shape"] == [3, 4, 5]


def test_show_draws_samples_of_a_data_set_and_of_a_file(tmp_path: Path) -> None:
    assert "▀" in run("show", "digits", "--count", "3").stdout
    write_idx(tmp_path / "images", load_dataset("digits").test.images)
    assert "#0" in run("show", tmp_path / "images", "--count", "1").stdout


def test_show_draws_in_a_narrow_encoding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert "?" in run("show", "digits", "--count", "1").stdout


def test_show_draws_the_worst_mistakes_of_a_run(run_id: str) -> None:
    assert " as " in run("show", run_id, "--count", "2").stdout


@pytest.mark.needs("matplotlib")
def test_show_writes_a_png(run_id: str, tmp_path: Path) -> None:
    run("show", run_id, "--output", tmp_path / "mistakes.png")
    assert (tmp_path / "mistakes.png").read_bytes().startswith(b"\x89PNG")


def test_report_writes_one_file_named_after_the_run_and_prints_its_path(
    run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("report", run_id).stdout == f"{run_id}.html\n"
    assert (tmp_path / f"{run_id}.html").read_text().startswith("<!DOCTYPE html>")
    assert run("report", run_id, "--output", tmp_path / "other.html").stdout == f"{tmp_path / 'other.html'}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--dataset", "minst"), "'minst' is neither a named data set"),
        (("evaluate", "nosuch"), "no run 'nosuch'"),
        (("predict", "nosuch", "x"), "no run 'nosuch'"),
        (("report", "nosuch"), "no run 'nosuch'"),
        (("info", "absent.idx"), "No such file or directory: 'absent.idx'"),
        (("info", os.devnull), "the data is empty"),
        (("show", "nosuch"), "'nosuch' is not a data set, a file or a run"),
        (("fetch", "digits"), "cannot download 'digits'"),
        (("train", "--backend", "slurm"), "unknown backend 'slurm'"),
        (("train", "--dataset", "mnist", "--no-download"), "--dataset digits"),
    ],
)
def test_a_foreseen_failure_is_one_line_and_status_1(arguments: tuple[str, ...], message: str) -> None:
    assert message in one_line_of_error(*arguments)


def test_debug_shows_the_traceback() -> None:
    done = run("info", "absent.idx", "--debug", check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("trian",),
        ("train", "--regularisation", "1"),
        ("train", "--regularization", "much"),
        ("train", "--regularization", "-1"),
        ("train", "--solver", "adam"),
        ("train", "--limit", "0"),
        ("train", "--dataset", "digits", "--experiment", "../up"),
        ("info",),
        ("show", "digits", "--count", "0"),
        ("show", "digits", "--count", "-1"),
        ("runs", "list", "--count", "0"),
        ("runs", "list", "--count", "many"),
    ],
)
def test_wrong_usage_is_status_2_with_the_usage(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: mnistlib")


def interrupted(folder: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """Train on noise without end, press Ctrl-C after the fit has begun, and return the output and the run's record."""
    generator = np.random.default_rng(0)
    for which, count in (("train", 20_000), ("test", 10)):
        write_idx(folder / f"{which}-images", generator.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(folder / f"{which}-labels", np.arange(count).astype(np.uint8) % 10)
    endless = ("--max-iter", "1000000", "--tol", "1e-300", "--regularization", "1e-9", *options)
    process = subprocess.Popen(
        [SCRIPT, "train", "--dataset", folder, *endless], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert any(line.startswith("fitting") for line in process.stderr)
    process.send_signal(signal.SIGINT)
    printed, talk = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    (record,) = json.loads(run("runs", "--json").stdout)["runs"]
    return talk, record


def test_ctrl_c_is_status_130_and_the_cancelled_run_keeps_its_results(tmp_path: Path) -> None:
    talk, record = interrupted(tmp_path)
    assert f"mnistlib: cancelling run {record['run_id']}" in talk
    assert f"run {record['run_id']} is cancelled; its results so far are in its folder" in talk
    assert record["status"] == "cancelled"
    files = json.loads(run("runs", "show", record["run_id"], "--json").stdout)["files"]
    assert {"outputs/sklearn_mnist_model.pkl", "metrics.json", "logs/run.log"} <= set(files)


def test_ctrl_c_does_not_wait_for_a_solver_that_can_not_be_stopped(tmp_path: Path) -> None:
    talk, record = interrupted(tmp_path, "--solver", "lbfgs")
    assert "is cancelled" in talk
    assert record["status"] == "cancelled"


def test_a_pipe_closed_early_by_its_reader_is_not_an_error(run_id: str, tmp_path: Path) -> None:
    write_idx(tmp_path / "images", np.zeros((50_000, 8, 8), np.uint8))
    process = subprocess.Popen(
        [SCRIPT, "predict", run_id, tmp_path / "images"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    talk = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    assert talk == ""


def test_the_module_runs_as_the_script_does() -> None:
    done = subprocess.run([sys.executable, "-m", "mnistlib", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == run("--version").stdout
    assert done.stdout.startswith("mnistlib ")


def commands(parser: argparse.ArgumentParser, *words: str) -> Iterator[tuple[str, ...]]:
    """The words of every command of the parser, from none to those of its actions."""
    yield words
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from commands(below, *words, name)


@pytest.mark.parametrize("words", list(commands(make_parser())), ids=" ".join)
def test_help_is_there_for_every_command(words: tuple[str, ...]) -> None:
    assert run(*words, "--help").stdout.startswith(" ".join(("usage: mnistlib", *words)))


@pytest.mark.parametrize("words", list(commands(make_parser())), ids=" ".join)
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    code = (
        "import sys\ntry:\n    from mnistlib.cli import main; main([*sys.argv[1:], '--help'])\n"
        "except SystemExit:\n    print({'numpy', 'scipy', 'sklearn', 'pooch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


@pytest.mark.parametrize("stream", [1, 2])
def test_a_closed_stream_stops_nothing(stream: int) -> None:
    done = subprocess.run(["sh", "-c", f'"$0" train --dataset digits --tol 0.01 {stream}>&-', SCRIPT], check=False)
    assert done.returncode == 0
    assert json.loads(run("runs", "--json").stdout)["runs"][0]["status"] == "completed"


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_a_full_disk_is_a_failure_in_one_line_and_no_hang(blocks: int) -> None:
    # A limit on file sizes stands for the full disk: real errors of real writes.
    limited = f'ulimit -f {blocks}; exec "$0" train --dataset digits -q'
    done = subprocess.run(["bash", "-c", limited, SCRIPT], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("mnistlib: error: ")


def test_nan_is_null_in_json(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import mnistlib\nmnistlib.current_run().log_metric('loss', float('nan'))")
    first, second = (LocalBackend().run(ScriptJob("train.py", source_directory=str(tmp_path))).run_id for _ in range(2))
    assert "nan" in run("runs", "compare", first, second).stdout
    assert json.loads(run("runs", "compare", first, second, "--json").stdout)["runs"][0]["metrics"] == {"loss": None}
    assert "NaN" not in run("runs", "--json").stdout


def test_a_run_may_be_named_by_the_beginning_of_its_id(run_id: str) -> None:
    assert run_id in run("runs", "show", run_id[:-2]).stdout
    run("train", *FAST, "-q")
    assert "the ids of 2 runs begin with" in one_line_of_error("runs", "show", run_id[:4])


def test_info_prints_every_valid_file_before_it_fails(tmp_path: Path) -> None:
    write_idx(tmp_path / "good", np.zeros(3, np.uint8))
    (tmp_path / "bad").write_bytes(b"bad")
    done = run("info", tmp_path / "bad", tmp_path / "good", check=False)
    assert done.returncode == 1
    assert "good: uint8" in done.stdout
    assert "bad: " in done.stderr


@pytest.mark.parametrize("tags", [("foo",), ("=x",), ("a=b", "a=c")])
def test_a_tag_that_is_not_a_pair_is_wrong_usage(tags: tuple[str, ...]) -> None:
    flags = [text for tag in tags for text in ("--tag", tag)]
    assert run("train", *FAST, *flags, check=False).returncode == 2


def test_a_place_that_can_hold_no_runs_is_named_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--runs or MNISTLIB_RUNS" in one_line_of_error("train", *FAST, "--runs", tmp_path / "file")
    assert "is not a folder of runs, but a file" in one_line_of_error("runs", "--runs", tmp_path / "file")


@pytest.mark.needs("matplotlib")
def test_a_picture_that_can_not_be_written_is_named_as_it_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file/x.png'" in one_line_of_error("show", "digits", "--output", tmp_path / "file" / "x.png")


def test_ctrl_c_on_a_sweep_leaves_no_workers_behind(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for which, count in (("train", 4000), ("test", 10)):
        write_idx(tmp_path / f"{which}-images", generator.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(tmp_path / f"{which}-labels", np.arange(count).astype(np.uint8) % 10)
    options = ("--solver", "lbfgs", "--max-iter", "1000000", "--tol", "1e-300", "--regularization", "1e-9,2e-9")
    process = subprocess.Popen([SCRIPT, "sweep", "--dataset", tmp_path, *options], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while [child.status for run in LocalBackend().runs() for child in run.children()] != ["running", "running"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    # The workers hold the same stream open, so its end is the end of the last of them.
    process.communicate(timeout=60)
    assert process.returncode == 130
