"""Checks of the place where jobs are to run, for any backend."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mnistlib.runs import default_runs_folder


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was found when one thing was looked at.

    Attributes
    ----------
    name : str
        The thing.
    ok : bool or None
        Whether it is as a first job needs it; None if it was not looked at, because another thing is not.
    found : str
        What there is.
    advice : str
        What to do, in one sentence; empty unless `ok` is False.
    """

    name: str
    ok: bool | None
    found: str
    advice: str = ""


class Wrong(Exception):  # noqa: N818 - it is a finding, not a failure of whoever looked
    """What a look found is not what a first job needs.

    Parameters
    ----------
    found : str
        What there is.
    advice : str
        What to do, in one sentence.
    """

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found = found
        self.advice = advice


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to look at.

    Attributes
    ----------
    name : str
        The thing.
    look : callable
        Returns what there is, or raises :class:`Wrong`. It changes nothing.
    needs : sequence of str
        Names of earlier steps without which this one can't be told.
    """

    name: str
    look: Callable[[], str]
    needs: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that has to be installed, and the versions from which on and before which it will do, if any."""

    name: str
    at_least: str = ""
    below: str = ""


def look_at_packages(packages: Sequence[Package], *, advice: str) -> str:
    """Return the versions that are installed.

    Parameters
    ----------
    packages : sequence of Package
        What is needed.
    advice : str
        What installs all of them.

    Raises
    ------
    Wrong
        If one is missing, too old or too new.
    """
    installed = {package.name: _installed(package.name) for package in packages}
    problems = []
    for package in packages:
        found = installed[package.name]
        if found is None:
            problems.append(f"{package.name} is not installed")
        elif _numbers(found) < _numbers(package.at_least):
            problems.append(f"{package.name} {found} is too old: {package.at_least} is the first that will do")
        elif package.below and _numbers(found) >= _numbers(package.below):
            problems.append(f"{package.name} {found} is too new: it must be below {package.below}")
    if problems:
        raise Wrong("; ".join(problems), advice)
    return ", ".join(f"{name} {found}" for name, found in installed.items())


def runs_folder_step(folder: str | os.PathLike[str] | None) -> Step:
    """Return the look at the folder that runs are written into, by default the usual one."""
    return Step(name="runs folder", look=lambda: _look_at_runs(Path(folder) if folder else default_runs_folder()))


def steps(*, runs_folder: str | os.PathLike[str] | None = None, **_: Any) -> list[Step]:
    """Return the checks of a backend that names none of its own: whether runs can be written."""
    return [runs_folder_step(runs_folder)]


def is_writable(folder: Path) -> bool:
    """Whether files can be put into a folder, which need not be there yet; nothing is written to find out."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _look_at_runs(folder: Path) -> str:
    if not is_writable(folder):
        raise Wrong(
            f"{folder} can't be written to",
            "Name a folder of yours with --runs or in MNISTLIB_RUNS, or make this one writable.",
        )
    return str(folder) if folder.exists() else f"{folder}, which the first run makes"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """Return a version's release as numbers; what follows it, such as "rc1" or ".post4", decides nothing here."""
    release = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, release[0].split("."))) if release else ()
