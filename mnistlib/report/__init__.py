"""Report of a run or a sweep as one HTML file, to send or to show.

    findings   the available facts of a run
    sections   findings as sections of a page
    page       the page: layout, colours, print style

Charts and pictures come from `mnistlib.html` instead of matplotlib: the report needs no extra, text stays text (in the
reader's font, for light and dark pages), and the file has a tenth of the size.
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
    """Write the report of a run or a sweep as one self-contained HTML file, which needs no network.

    A run of any status has a report; the report explains which parts are missing, and why.

    Parameters
    ----------
    run : Run, str or PathLike
        A run of any backend, or the id or the folder of a run on this machine.
    path : str or PathLike
        The file, written atomically.
    data_folder : str or PathLike, optional
        Folder of the data set, if it differs from the job's. Data are never downloaded.

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
