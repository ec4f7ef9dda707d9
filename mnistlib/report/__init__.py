"""One HTML file that shows a run or a sweep, to send to somebody or to put in a slide.

    findings   the facts of a run that can still be read
    sections   findings as pieces of a page
    page       the pieces as a page: its colours, its print

Charts and pictures come from `mnistlib.html` and not from matplotlib: the report then needs no extra, its letters are
letters (of the reader's font, in light and in dark), and the file is a tenth of the size.
"""

import os
from pathlib import Path

from mnistlib.backends.local import LocalBackend
from mnistlib.files import publish_bytes
from mnistlib.report.findings import find_out
from mnistlib.report.page import make_page
from mnistlib.report.sections import headline, make_sections
from mnistlib.runs import Run, RunStore

__all__ = ["write_report"]


def write_report(
    run: Run | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    data_folder: str | os.PathLike[str] | None = None,
) -> Path:
    """Write one HTML file that shows a run or a sweep; it needs nothing beside it, and no network.

    Whatever has become of the run, there is something to show: what is missing is said, and why.

    Parameters
    ----------
    run : Run, str or PathLike
        A run of any backend, or the id or the folder of one on this machine.
    path : str or PathLike
        The file, written whole or not at all.
    data_folder : str or PathLike, optional
        Where the data set is now, if not where the job says. It is never downloaded.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    RunNotFoundError
        If there is no such run.
    OSError
        If the file can't be written.

    Examples
    --------
    >>> import mnistlib, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> run = mnistlib.LocalBackend(folder).submit(mnistlib.TrainJob(dataset="digits", regularization=0.5))
    >>> status = run.wait()
    >>> write_report(run, f"{folder}/report.html").read_bytes()[:15]
    b'<!DOCTYPE html>'
    """
    findings = find_out(run if isinstance(run, Run) else _attach(run), data_folder=data_folder)
    page = make_page(headline(findings), make_sections(findings))
    publish_bytes(path, page.encode(errors="replace"))
    return Path(path)


def _attach(run: str | os.PathLike[str]) -> Run:
    folder = RunStore().find(run).resolve()
    return LocalBackend(folder.parent.parent).attach(str(folder))
