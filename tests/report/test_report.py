"""Content of a report, for completed runs and for others."""

import json
import os
import re
import shutil
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mnistlib import LocalBackend, RunNotFoundError, ScriptJob, SweepJob, TrainJob, write_idx
from mnistlib.backends.local import LocalRun
from mnistlib.datasets import load_dataset
from mnistlib.errors import JobFailedError
from mnistlib.models.interfaces import Registrar
from mnistlib.report import write_report
from mnistlib.runs import Metrics, Run, RunRecord, RunResult, RunStatus
from tests.report.conftest import HOSTILE

VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """Parses a page: its text, its elements, and whether each start tag has an end tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def count(self, tag: str, **attributes: str) -> int:
        return sum(name == tag and attributes.items() <= given.items() for name, given in self.elements)


def page_of(run: Run | str | Path, tmp_path: Path) -> Page:
    return Page(write_report(run, tmp_path / "report.html").read_text())


def assert_stands_alone(text: str) -> None:
    """Check that HTML and CSS fetch nothing, by any means."""
    assert not re.findall(r"""(?:src|href|srcset|action|data)\s*=\s*["']?\s*(?:https?:)?//""", text)
    assert not re.findall(r"url\(|@import|@font-face", text)
    assert "<script" not in text
    assert {source[:5] for source in re.findall(r'(?:src|href)="([^"]*)"', text)} <= {"data:"}


def test_a_training_run_is_shown_whole(trained: LocalRun, tmp_path: Path) -> None:
    page = page_of(trained, tmp_path)
    accuracy = trained.metrics().latest["accuracy"]
    assert f"digits: {accuracy:.2%} of the test images recognised" in page.text
    for words in (
        "converged",
        "Loss curve",
        "Confusion matrix",
        "Each class",
        "Weights of each class",
        "Job and origin",
    ):
        assert words in page.text
    assert page.count("svg") == 2
    assert page.count("td", **{"class": "right"}) == 10
    wrong = round((1 - accuracy) * 355)
    assert page.count("img", **{"class": "ink"}) == wrong
    assert page.count("img") == wrong + 10
    assert f"{wrong} of 355 wrong" in page.text
    for digest in load_dataset("digits").digests.values():
        assert digest in page.text


def test_the_confusion_matrix_is_that_of_the_test_images(trained: LocalRun, tmp_path: Path) -> None:
    text = write_report(trained, tmp_path / "report.html").read_text()
    cells = re.findall(r'<td class="(right|wrong|none)"[^>]*>(\d+)</td>', text)
    counts = np.array([int(count) for _, count in cells]).reshape(10, 10)
    np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(load_dataset("digits").test.labels))
    assert np.trace(counts) / counts.sum() == trained.metrics().latest["accuracy"]
    assert [kind for kind, _ in cells[:: 10 + 1]] == ["right"] * 10


def test_the_file_is_self_contained(trained: LocalRun, hostile: LocalRun, swept: LocalRun, tmp_path: Path) -> None:
    for run in (trained, swept):
        assert_stands_alone(write_report(run, tmp_path / "report.html").read_text())
    assert_stands_alone(re.sub("&lt;.*?&gt;", "", write_report(hostile, tmp_path / "report.html").read_text()))


def test_text_of_users_is_escaped(hostile: LocalRun, tmp_path: Path) -> None:
    page = page_of(hostile, tmp_path)
    assert page.count("script") == page.count("img", src="x") == 0
    # The name, the tag twice, a version twice, a metric, the log, and in the tables each class.
    assert page.text.count(HOSTILE) > 30


def test_invalid_unicode_is_replaced(backend: LocalBackend, tmp_path: Path) -> None:
    run = backend.submit(TrainJob(dataset="digits", tol=0.1), name="half \ud800 a pair")
    run.wait()
    assert "half ? a pair" in page_of(run, tmp_path).text


def test_a_fit_that_has_not_converged_says_so_first(backend: LocalBackend, tmp_path: Path) -> None:
    run = backend.submit(TrainJob(dataset="digits", max_iter=2))
    run.wait()
    assert page_of(run, tmp_path).text.index("NOT CONVERGED") < 300


def test_one_vs_rest_has_weights_of_each_class(backend: LocalBackend, tmp_path: Path) -> None:
    run = backend.submit(TrainJob(dataset="digits", solver="liblinear", tol=0.1))
    run.wait()
    pictures = [given["alt"] for tag, given in page_of(run, tmp_path).elements if tag == "img"]
    assert [alt for alt in pictures if alt and alt.startswith("weights of")] == [f"weights of {n}" for n in range(10)]


@pytest.mark.parametrize("solver", ["auto", "liblinear"])
def test_two_classes_have_weights_of_the_second(backend: LocalBackend, tmp_path: Path, solver: str) -> None:
    folder = tmp_path / "zeros-and-ones"
    folder.mkdir()
    digits = load_dataset("digits")
    for which, split in (("train", digits.train), ("test", digits.test)):
        few = split.labels < 2
        write_idx(folder / f"{which}-images.gz", split.images[few])
        write_idx(folder / f"{which}-labels.gz", split.labels[few])
    run = backend.submit(TrainJob(dataset=str(folder), solver=solver, tol=0.1))
    run.wait()
    page = page_of(run, tmp_path)
    assert [given["alt"] for tag, given in page.elements if tag == "img"] == ["weights of 1"]
    assert "None: all 71 images were recognised." in page.text


def test_a_sweep_shows_each_trial_and_the_best(swept: LocalRun, tmp_path: Path) -> None:
    page = page_of(swept, tmp_path)
    best = swept.best
    assert best is not None
    assert "Accuracy against regularization" in page.text
    assert all(child.id in page.text for child in swept.children())
    assert f"Best trial: regularization {swept.metrics().latest['best_regularization']:g} run {best.id}" in page.text
    assert page.count("circle") == 3 + 1
    assert page.count("b", **{"class": "badge completed"}) == 1
    assert "300 test images" in page.text


def test_trials_trained_together_show_their_gradient_and_no_objective(backend: LocalBackend, tmp_path: Path) -> None:
    run = backend.submit(SweepJob(base=TrainJob(dataset="digits"), regularization=(0.1, 10.0)))
    run.wait()
    page = page_of(run, tmp_path)
    assert "The gradient of the trial that is farthest from convergence" in page.text
    assert page.count("svg") == 2
    assert "gradient_norm" in run._repr_html_()


def test_a_trial_of_a_sweep_is_evaluated_on_the_held_out_images(swept: LocalRun, tmp_path: Path) -> None:
    child = swept.children()[0]
    page = page_of(child, tmp_path)
    assert f"{child.metrics().latest['accuracy']:.2%} of the held-out training images recognised" in page.text
    assert "60 held-out training images" in page.text


def test_without_the_data_the_title_still_says_which_images_were_judged(backend: LocalBackend, tmp_path: Path) -> None:
    digits = load_dataset("digits", limit=200)
    data = tmp_path / "data"
    data.mkdir()
    for which, split in (("train", digits.train), ("test", digits.test)):
        write_idx(data / f"{which}-images", split.images)
        write_idx(data / f"{which}-labels", split.labels)
    run = backend.submit(TrainJob(dataset=str(data), regularization=0.5, tol=1e-2, validation=0.2))
    run.result()
    shutil.rmtree(data)
    page = page_of(run, tmp_path)
    assert "of the held-out training images recognised" in page.text
    assert "of the test images" not in page.text


def test_a_failed_run_says_why_and_what_is_missing(backend: LocalBackend, tmp_path: Path) -> None:
    run = backend.submit(TrainJob(dataset="nowhere"))
    run.wait()
    page = page_of(run, tmp_path)
    assert f"{run.id} failed" in page.text
    assert "'nowhere' is neither a named data set" in page.text
    assert "There is no model: the run failed before it had one." in page.text
    assert page.text.index("Log: last lines") < page.text.index("Job and origin")


def test_a_run_cancelled_in_the_queue_says_so(backend: LocalBackend, tmp_path: Path) -> None:
    first = backend.submit(TrainJob(dataset="digits"))
    second = backend.submit(TrainJob(dataset="digits"))
    second.cancel()
    first.wait()
    second.wait()
    assert "was cancelled before it had one" in page_of(second, tmp_path).text


def test_a_sweep_whose_children_failed_shows_them(backend: LocalBackend, tmp_path: Path) -> None:
    run = backend.submit(SweepJob(base=TrainJob(dataset="nowhere", solver="lbfgs"), regularization=(1.0, 2.0)))
    run.wait()
    page = page_of(run, tmp_path)
    assert "There is no best model to show: the sweep failed before it had one." in page.text
    assert "The trial with regularization 1 failed: 'nowhere' is neither" in page.text
    assert "The trial with regularization 2 failed: 'nowhere' is neither" in page.text


def test_without_the_data_the_weights_are_shown(trained: LocalRun, tmp_path: Path) -> None:
    job = trained.path / "job.json"
    job.write_text(json.dumps(json.loads(job.read_bytes()) | {"dataset": str(tmp_path / "gone")}))
    page = page_of(trained, tmp_path)
    assert "Confusion matrix and mistakes need the data, which are not available" in page.text
    assert page.count("img") == 10


def test_data_that_differ_from_the_training_data_are_not_used(trained: LocalRun, tmp_path: Path) -> None:
    description = trained.path / "outputs/model.json"
    content = json.loads(description.read_bytes())
    description.write_text(json.dumps(content | {"digests": {"train-images": "other"}}))
    page = page_of(trained, tmp_path)
    assert "the files of digits have changed since the model was trained" in page.text
    assert "Weights of each class" in page.text
    assert page.count("td", **{"class": "right"}) == 0


def test_a_model_that_was_changed_is_not_loaded(trained: LocalRun, tmp_path: Path) -> None:
    with (trained.path / "outputs/sklearn_mnist_model.pkl").open("ab") as model:
        model.write(b"x")
    page = page_of(trained, tmp_path)
    assert "The model can't be shown" in page.text
    assert "was changed after it was written" in page.text
    assert page.count("svg") == 2


def test_a_script_shows_the_metrics_it_has_logged(backend: LocalBackend, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text(
        "from mnistlib import current_run\n"
        "for step in range(5): current_run().log_metric('my <loss>', 1 / (step + 1))\n"
        "print('said by the script')\n"
    )
    job = ScriptJob(script="train.py", source_directory=str(source), environment={"TOKEN": "a secret"})
    run = backend.submit(job)
    run.wait()
    page = page_of(run, tmp_path)
    assert "A script job has no model to show" in page.text
    assert "my <loss> as logged by the run" in page.text
    assert page.count("svg") == 1
    assert "said by the script" in page.text
    assert "TOKEN" in page.text
    assert "a secret" not in page.text


def test_a_run_is_named_by_its_id_its_folder_or_its_handle(
    trained: LocalRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNISTLIB_RUNS", str(trained.path.parent.parent))
    texts = {page_of(run, tmp_path).text for run in (trained, trained.id, trained.path, str(trained.path))}
    assert len(texts) == 1


def test_a_path_that_is_not_a_run_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError):
        write_report("nosuch", tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


class ForeignRun(Run):
    """A run of an unknown backend, with only the abstract methods of `Run`."""

    def __init__(self, folder: Path) -> None:
        super().__init__("foreign-1", "elsewhere")
        self._folder = folder

    @property
    def status(self) -> RunStatus:
        return RunStatus.COMPLETED

    @property
    def record(self) -> RunRecord:
        created = "2026-01-01T00:00:00.000+00:00"
        return RunRecord(
            run_id=self.id, experiment="elsewhere", job_type="train", status=self.status, process="", created=created
        )

    def local_folder(self) -> Path:
        raise NotImplementedError

    def cancel(self) -> None:
        raise NotImplementedError

    def metrics(self) -> Metrics:
        return Metrics(accuracy=[(0, 0.97)], converged=[(0, 1.0)], objective=[(0, 2.0), (1, 1.0)])

    def files(self) -> list[str]:
        return ["job.json", "outputs/model.json", "outputs/sklearn_mnist_model.pkl"]

    def logs(self) -> str:
        return "from afar"

    def download(self, target: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Path]:
        for name in names or []:
            Path(target, name).parent.mkdir(exist_ok=True)
            shutil.copy(self._folder / name, Path(target, name))
        return []

    def children(self) -> list[Run]:
        return []

    @property
    def _registrar(self) -> Registrar:
        raise NotImplementedError

    def _ended(self) -> RunResult | JobFailedError:
        raise NotImplementedError


def test_a_run_of_any_backend_has_a_report(trained: LocalRun, tmp_path: Path) -> None:
    page = page_of(ForeignRun(trained.path), tmp_path)
    assert "digits: 97.00% of the test images recognised" in page.text
    assert "Confusion matrix" in page.text
    assert "from afar" in page.text
