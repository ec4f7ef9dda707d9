"""Files of a script's source folder: a run copies them, and a cluster backend ships them.

Runs are excluded from a source folder, although the runs folder may be inside it, contain it, or be the same folder.
Files may disappear while the source folder is read; files that disappear after they were listed are skipped.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path, PurePath

from mnistlib.errors import JobError
from mnistlib.files import is_unfinished
from mnistlib.runs.context import OUTPUTS
from mnistlib.runs.record import RECORD_FILE
from mnistlib.runs.store import OWN_FOLDERS, PROCESSES

#: Folder of a script's source among the files shipped to a node.
SOURCE = "source"

_LEFT_OUT = frozenset((".git", ".hg", ".svn", ".venv", ".tox", "__pycache__"))
# A file was deleted after it was listed, or replaced by a folder, or the other way round.
_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


@dataclass(frozen=True)
class Script:
    """Script and source folder of a `ScriptJob`."""

    script: str
    arguments: Sequence[str | int | float | PurePath] = ()
    _: KW_ONLY
    source_directory: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)


def walk_source(
    source: Path,
    *,
    runs_folder: Path | None = None,
    follow_links: bool = False,
    ignored: Callable[[str], bool] = lambda name: False,
) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder of a source folder, from the top down, with its files.

    Excluded are runs folders, runs, unfinished files, ``outputs`` at the top level, and folders of other tools such as
    ``.git``. If the source folder is itself a runs folder, its other files are included.

    Parameters
    ----------
    source : Path
        The source folder.
    runs_folder : Path, optional
        Folder of the backend's runs. Other runs folders are recognised by their content.
    follow_links : bool, default False
        Whether to enter folders that are symbolic links.
    ignored : callable, optional
        Returns whether to exclude a path, relative to the source folder with forward slashes; that of a folder ends
        with a slash. It is called for files, and for folders that cannot be read.

    Yields
    ------
    tuple of Path and list of str
        The folder, relative to the source folder, and the names of its regular files.

    Raises
    ------
    JobError
        If a folder can't be read.
    """
    runs = None if runs_folder is None else os.path.realpath(runs_folder)

    def skip_or_raise(error: OSError) -> None:
        if not isinstance(error, _GONE) and not ignored(f"{Path(error.filename).relative_to(source).as_posix()}/"):
            raise error

    try:
        for path, folders, files in os.walk(source, onerror=skip_or_raise, followlinks=follow_links):
            here = Path(path)
            below = here.relative_to(source)
            at_top = here == source
            holds_runs = PROCESSES in folders or os.path.realpath(here) == runs
            if not at_top and (holds_runs or RECORD_FILE in files):
                folders.clear()
                continue
            left_out = {*_LEFT_OUT, *([OUTPUTS] if at_top else ()), *(OWN_FOLDERS if holds_runs else ())}
            folders[:] = [name for name in folders if name not in left_out and not is_unfinished(name)]
            names = [name for name in files if name not in left_out and not is_unfinished(name)]
            # is_file excludes broken links, which some editors leave behind, and pipes.
            yield below, [name for name in names if not ignored((below / name).as_posix()) and (here / name).is_file()]
    except PermissionError as error:
        raise _unreadable(error) from error


@contextmanager
def reading() -> Iterator[None]:
    """Skip a file of a source folder that was deleted after it was listed.

    Raises
    ------
    JobError
        If permission to read the file is missing.
    """
    try:
        yield
    except _GONE:
        pass
    except PermissionError as error:
        raise _unreadable(error) from error


def _unreadable(error: PermissionError) -> JobError:
    return JobError(
        f"cannot read {error.filename}: {error.strerror}. The whole source folder is copied: make it readable, or pass "
        "a folder with only the script's own files as source_directory="
    )


def left_out_error(job: Script) -> JobError:
    """Return the error for a script that is excluded from its source folder."""
    return JobError(
        f"the script {PurePath(job.script).as_posix()} is excluded from the source folder {job.source_directory}, as "
        f"are runs folders, runs, {OUTPUTS}, folders such as .venv and files named in an ignore file. Move the script, "
        "or pass the folder that holds it as source_directory="
    )


def source_files(job: Script, runs_folder: Path | None, ignore_files: Sequence[str]) -> dict[str, Path]:
    """Return the files of a source folder to ship.

    Parameters
    ----------
    job : Script
        The script.
    runs_folder : Path or None
        Folder of the backend's runs.
    ignore_files : sequence of str
        Names of files with patterns as in ``.gitignore``. The first of them that the source folder contains is used.

    Raises
    ------
    JobError
        If the folder does not exist, or the script is excluded.
    """
    import pathspec

    folder = Path(job.source_directory)
    if not folder.is_dir():
        raise JobError(f"no folder {folder}: pass the folder that holds the script as source_directory=")
    ignore = next((file for name in ignore_files if (file := folder / name).is_file()), None)
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore else []
    left_out = pathspec.GitIgnoreSpec.from_lines(lines)

    def ignored(name: str) -> bool:
        return left_out.match_file(name) or PurePath(name).name in ignore_files

    walked = walk_source(folder, runs_folder=runs_folder, ignored=ignored)
    files = {(below / name).as_posix(): folder / below / name for below, names in walked for name in names}
    if PurePath(job.script).as_posix() not in files and (folder / job.script).is_file():
        raise left_out_error(job)
    return dict(sorted(files.items()))
