"""A run as a notebook shows it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mnistlib import LocalBackend, TrainJob
from mnistlib.runs import notebook

HOSTILE = "<script>alert(1)</script>"
JOB = TrainJob(dataset="digits", regularization=0.5)


class Handle:
    """IPython's handle for replacing a displayed object."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(bundle)


def test_the_view_has_status_name_metrics_and_loss_curve(tmp_path: Path) -> None:
    run = LocalBackend(tmp_path).submit(JOB, experiment="first", name="my run")
    run.wait()
    view = run._repr_html_()
    for text in ("my run", "completed", "first", run.id, "accuracy", "<svg"):
        assert text in view


def test_markup_in_the_texts_of_users_is_escaped(tmp_path: Path) -> None:
    run = LocalBackend(tmp_path).submit(TrainJob(dataset=HOSTILE), name=HOSTILE)
    run.wait()
    assert HOSTILE not in run._repr_html_()


def test_a_run_that_never_ran_has_a_view(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    first, second = backend.submit(JOB), backend.submit(JOB)
    second.cancel()
    first.wait()
    assert "cancelled" in second._repr_html_()
    assert "<svg" not in second._repr_html_()


def test_the_view_of_a_failed_run_shows_the_reason(tmp_path: Path) -> None:
    run = LocalBackend(tmp_path).submit(TrainJob(dataset="nowhere"))
    run.wait()
    assert "is neither a named data set" in run._repr_html_()


def test_a_view_follows_its_run_to_the_end(tmp_path: Path) -> None:
    run, handle = LocalBackend(tmp_path).submit(JOB), Handle()
    notebook._follow(run, handle)
    assert "completed" in handle.shown[-1]["text/html"]
    assert handle.shown[-1]["text/plain"] == f"Run('{run.id}', completed)"


def test_the_view_of_a_deleted_run_stays_without_an_error(tmp_path: Path) -> None:
    run, handle = LocalBackend(tmp_path).submit(JOB), Handle()
    run.wait()
    (run.path / "run.json").unlink()
    notebook._follow(run, handle)
    assert handle.shown == []


@pytest.mark.needs("nbclient", "ipykernel")
def test_in_a_real_notebook_the_first_view_becomes_the_last(tmp_path: Path) -> None:
    import nbclient
    from nbformat import v4

    cells = [
        "import mnistlib, threading\n"
        f"backend = mnistlib.LocalBackend({str(tmp_path)!r})\n"
        "first, second = (backend.submit(mnistlib.TrainJob(dataset='digits')) for _ in range(2))",
        "second",
        "second.wait()\n[t.join() for t in threading.enumerate() if t.name == f'view of {second.id}']",
    ]
    book: Any = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    kernel: Any = nbclient.NotebookClient(book, timeout=60, resources={"metadata": {"path": str(tmp_path)}})
    kernel.create_kernel_manager().kernel_spec.argv[0] = sys.executable
    kernel.execute()
    (shown,) = book.cells[1].outputs
    assert "completed" in shown.data["text/html"]
    assert "<svg" in shown.data["text/html"]
    assert "completed" in shown.data["text/plain"]


@pytest.mark.needs("IPython")
def test_in_a_terminal_it_is_one_line(tmp_path: Path) -> None:
    run = LocalBackend(tmp_path).submit(JOB)
    run.wait()
    code = f"import mnistlib; display(mnistlib.LocalBackend({str(tmp_path)!r}).attach({run.id!r}))"
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", code]
    environment = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == f"Run('{run.id}', completed)\n"
