"""Readiness checks, for any backend."""

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
    """Result of one readiness check.

    Attributes
    ----------
    name : str
        Name of the check.
    ok : bool or None
        Whether the check passed; None if it was skipped because a check that it needs has failed.
    found : str
        The state found.
    advice : str
        How to correct it, in one sentence; empty unless `ok` is False.
    """

    name: str
    ok: bool | None
    found: str
    advice: str = ""


class Wrong(Exception):  # noqa: N818 - the result of a check, not an error in it
    """Failed readiness check.

    Parameters
    ----------
    found : str
        The state found.
    advice : str
        How to correct it, in one sentence.
    """

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found = found
        self.advice = advice


@dataclass(frozen=True, kw_only=True)
class Step:
    """One readiness check to run.

    Attributes
    ----------
    name : str
        Name of the check.
    look : callable
        Returns the state found, or raises :class:`Wrong`; read-only.
    needs : sequence of str
        Names of earlier checks that must pass before this one can run.
    """

    name: str
    look: Callable[[], str]
    needs: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Package:
    """Required package, with its minimum and its exclusive maximum version, if any."""

    name: str
    at_least: str = ""
    below: str = ""

    @property
    def requirement(self) -> str:
        """The package and its versions, as pip reads them."""
        limits = [f">={self.at_least}"] * bool(self.at_least) + [f"<{self.below}"] * bool(self.below)
        return self.name + ",".join(limits)


def look_at_packages(packages: Sequence[Package], *, advice: str) -> str:
    """Return the installed versions of required packages.

    Raise Wrong if one is missing, too old or too new; `advice` says how to install all of them.
    """
    installed = {package.name: _installed(package.name) for package in packages}
    problems = []
    for package in packages:
        found = installed[package.name]
        if found is None:
            problems.append(f"{package.name} is not installed")
        elif _numbers(found) < _numbers(package.at_least):
            problems.append(f"{package.name} {found} is too old: it must be at least {package.at_least}")
        elif package.below and _numbers(found) >= _numbers(package.below):
            problems.append(f"{package.name} {found} is too new: it must be below {package.below}")
    if problems:
        raise Wrong("; ".join(problems), advice)
    return ", ".join(f"{name} {found}" for name, found in installed.items())


def runs_folder_step(folder: str | os.PathLike[str] | None) -> Step:
    """Return the check that the runs folder is writable; None checks the default folder."""
    return Step(name="runs folder", look=lambda: _look_at_runs(Path(folder) if folder else default_runs_folder()))


def steps(*, runs_folder: str | os.PathLike[str] | None = None, **_: Any) -> list[Step]:
    """Return the default checks, for a backend without its own: whether runs can be written."""
    return [runs_folder_step(runs_folder)]


def is_writable(folder: Path) -> bool:
    """Return whether files can be written into a folder, existing or not, from its permissions."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _look_at_runs(folder: Path) -> str:
    if not is_writable(folder):
        raise Wrong(
            f"{folder} can't be written to",
            "Choose another folder with --runs or MNISTLIB_RUNS, or make this one writable.",
        )
    return str(folder) if folder.exists() else f"{folder}, created by the first run"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """Return a version's release as numbers, without a suffix such as "rc1" or ".post4"."""
    release = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, release[0].split("."))) if release else ()
